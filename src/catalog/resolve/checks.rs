//! Checks: their columns looked up in the contract, their bounds and conditions typed against it.
//!
//! An asset without a service has no contract: what its files hold is known when they are there, and what does not fit fails then.

use super::Resolver;
use super::expressions::Columns;
use crate::catalog::check::{Check, Condition, Median, Newest, Nulls, Rows, Values};
use crate::catalog::declaration::{AssetDecl, CheckDecl, CheckSeverity, Literal, Name};
use crate::catalog::expr::{self, Expr, Operator, Scalar};
use crate::catalog::model::Service;
use crate::catalog::types::DataType;
use crate::source::{Diagnostic, Spanned};
use std::sync::Arc;

/// How many earlier periods a median is of.
const PERIODS: u64 = 7;

impl Resolver<'_> {
    /// The checks of an asset that are sound.
    pub fn checks(&mut self, asset: &AssetDecl, service: Option<&Arc<Service>>) -> Vec<Check> {
        let contract = service.map(|service| {
            let mut known = Columns::starting(self.is_partial(service.span));
            service.columns.iter().for_each(|column| known.add(column.name.clone(), column.data_type.clone()));
            (format!("service `{}`", service.name), known)
        });
        let mut checks = Vec::new();
        for declared in &asset.checks {
            let before = self.found.len();
            let check = Checking { resolver: self, contract: contract.as_ref(), declared }.check();
            self.median_has_periods(declared, asset);
            checks.extend(check.filter(|_| self.found.len() == before));
        }
        checks
    }

    fn median_has_periods(&mut self, declared: &CheckDecl, asset: &AssetDecl) {
        let bound = declared.median_min.as_ref().or(declared.median_max.as_ref());
        if let Some(bound) = bound.filter(|_| asset.partitions.is_none()) {
            let message = format!("asset `{}` has no partitions, so there are none before to compare with", asset.name);
            let hint = "remove the bound, or give the asset partitions";
            self.report(Diagnostic::error("daeda::catalog::bad-option", message, bound.span).hint(hint));
        }
    }
}

struct Checking<'r, 'a> {
    resolver: &'r mut Resolver<'a>,
    contract: Option<&'r (String, Columns)>,
    declared: &'r CheckDecl,
}

impl Checking<'_, '_> {
    fn check(mut self) -> Option<Check> {
        let declared = self.declared;
        let column = declared.column.as_ref();
        let column_type = match column {
            Some(column) => self.column(column)?,
            None => None,
        };
        for column in &declared.unique {
            self.column(column)?;
        }
        let mut check = Check {
            name: declared.name.value.clone(),
            blocks: declared.severity == CheckSeverity::Error,
            unique: declared.unique.iter().map(|column| column.value.clone()).collect(),
            ..Check::default()
        };
        if let Some(column) = column {
            self.of_column(&mut check, column, column_type.as_ref())?;
        }
        let rows = Rows { min: declared.rows_min.as_ref().map(|n| n.value), max: declared.rows_max.as_ref().map(|n| n.value) };
        self.in_order("rows-min", rows.min.zip(rows.max).is_some_and(|(min, max)| min > max));
        let is_bounded = rows != Rows::default();
        match &declared.condition {
            Some(text) => check.condition = self.condition(text, rows)?,
            None => check.rows = is_bounded.then_some(rows),
        }
        check.median = self.median();
        self.asks_for_something(&check);
        Some(check)
    }

    fn of_column(&mut self, check: &mut Check, column: &Name, data_type: Option<&DataType>) -> Option<()> {
        let declared = self.declared;
        check.nulls = declared.null_ratio_max.as_ref().map(|ratio| Nulls { column: column.value.clone(), ratio_max: ratio.value });
        check.range = self.range(column, data_type)?;
        check.accepted = self.accepted(column, data_type)?;
        check.newest = self.newest(column, data_type)?;
        Some(())
    }

    /// The type of a column of the contract. `None` where there is no such column; nothing within where there is no contract.
    fn column(&mut self, column: &Name) -> Option<Option<DataType>> {
        let Some((whose, known)) = self.contract else { return Some(None) };
        let found = known.get(column).cloned();
        if found.is_none() {
            self.resolver.unknown_column(column, whose, known);
        }
        found.map(Some)
    }

    /// A condition is typed where there is a contract.
    fn condition(&mut self, text: &Name, rows: Rows) -> Option<Option<Condition>> {
        let parsed = match self.contract {
            Some((_, known)) => self.resolver.condition(text, known)?,
            None => self.resolver.syntax(text)?,
        };
        let (share_min, share_max) = (self.declared.share_min.as_ref().map(|s| s.value), self.declared.share_max.as_ref().map(|s| s.value));
        self.in_order("share-min", share_min.zip(share_max).is_some_and(|(min, max)| min > max));
        if rows == Rows::default() && share_min.is_none() && share_max.is_none() {
            let message = format!("check `{}` says which rows to count, and not how many are right", self.declared.name);
            self.bad(message, text.span, "add rows-min=, rows-max=, share-min= or share-max=");
        }
        Some(Some(Condition { condition: parsed, rows, share_min, share_max }))
    }

    fn range(&mut self, column: &Name, data_type: Option<&DataType>) -> Option<Option<Values>> {
        let (min, max) = (&self.declared.min, &self.declared.max);
        let mut bound = |bound: &Option<Spanned<Literal>>| match bound {
            Some(bound) => self.scalar(bound, data_type).map(Some),
            None => Some(None),
        };
        let (low, high) = (bound(min)?, bound(max)?);
        let beyond = |operator, value: &Scalar| Expr::Binary {
            operator,
            left: Box::new(Expr::column(&column.value)),
            right: Box::new(Expr::literal(value.clone())),
        };
        let below = low.as_ref().map(|low| beyond(Operator::Less, low));
        let above = high.as_ref().map(|high| beyond(Operator::Greater, high));
        let said = |value: &Scalar| Expr::literal(value.clone()).to_string();
        let expected = match (&low, &high) {
            (Some(low), Some(high)) => format!("from {} to {}", said(low), said(high)),
            (Some(low), None) => format!("at least {}", said(low)),
            (None, Some(high)) => format!("at most {}", said(high)),
            (None, None) => return Some(None),
        };
        let wrong = match (below, above) {
            (Some(below), Some(above)) => Expr::Binary { operator: Operator::Or, left: Box::new(below), right: Box::new(above) },
            (one, other) => one.or(other)?,
        };
        self.fits(&wrong, min.as_ref().or(max.as_ref()).map_or(column.span, |bound| bound.span))?;
        Some(Some(Values { column: column.value.clone(), wrong, expected }))
    }

    fn accepted(&mut self, column: &Name, data_type: Option<&DataType>) -> Option<Option<Values>> {
        let declared = self.declared;
        let Some(first) = declared.accepted.first() else { return Some(None) };
        let mut list = Vec::new();
        for value in &declared.accepted {
            list.push(Expr::literal(self.scalar(value, data_type)?));
        }
        let said: Vec<String> = list.iter().map(Expr::to_string).collect();
        let wrong = Expr::In { operand: Box::new(Expr::column(&column.value)), list, negated: true };
        self.fits(&wrong, first.span)?;
        Some(Some(Values { column: column.value.clone(), wrong, expected: format!("one of {}", said.join(", ")) }))
    }

    fn newest(&mut self, column: &Name, data_type: Option<&DataType>) -> Option<Option<Newest>> {
        let Some(within) = &self.declared.newest_within else { return Some(None) };
        let unit = self.declared.unit.as_ref().map(|unit| unit.value);
        let message = match (data_type, unit) {
            (Some(DataType::Int64), None) => Some(format!("`{column}` holds integers, and nothing says which unit of time they are in")),
            (Some(DataType::Int64 | DataType::Timestamp { .. }) | None, _) => None,
            (Some(other), _) => Some(format!("`{column}` is {other}, and an instant is a timestamp, or an int64 with a unit")),
        };
        if let Some(message) = message {
            self.bad(message, column.span, "name a column of instants; of integers say unit=\"ms\"");
            return None;
        }
        Some(Some(Newest { column: column.value.clone(), unit, within: within.value }))
    }

    fn median(&mut self) -> Option<Median> {
        let declared = self.declared;
        let min = declared.median_min.as_ref().and_then(|bound| self.factor(bound));
        let max = declared.median_max.as_ref().and_then(|bound| self.factor(bound));
        self.in_order("median-min", min.zip(max).is_some_and(|(min, max)| min > max));
        let of = declared.median_of.as_ref();
        if let Some(of) = of.filter(|_| min.is_none() && max.is_none()) {
            self.bad(
                format!("check `{}` has a median, and no bound for it", declared.name),
                of.span,
                "add median-min=0.5 or median-max=2.0",
            );
        }
        (min.is_some() || max.is_some()).then(|| Median { min, max, of: of.map_or(PERIODS, |of| of.value) })
    }

    /// A factor of a median.
    fn factor(&mut self, bound: &Spanned<Literal>) -> Option<f64> {
        let number = match &bound.value {
            Literal::Int(number) => Some(*number as f64),
            Literal::Float(number) => Some(*number),
            Literal::Bool(_) | Literal::Text(_) => None,
        };
        let number = number.filter(|number| number.is_finite() && *number >= 0.0);
        if number.is_none() {
            self.bad("a share of a median is a number from 0 on".into(), bound.span, "write it without quotes, such as 0.5");
        }
        number
    }

    /// A literal as the column's type wants it.
    fn scalar(&mut self, literal: &Spanned<Literal>, data_type: Option<&DataType>) -> Option<Scalar> {
        let scalar = match (&literal.value, data_type) {
            (Literal::Bool(value), _) => Some(Scalar::Bool(*value)),
            (Literal::Int(number), _) => i64::try_from(*number).ok().map(Scalar::Int),
            (Literal::Float(number), _) => Some(*number).filter(|number| number.is_finite()).map(Scalar::Float),
            (Literal::Text(text), Some(DataType::Date)) => Scalar::parse_date(text),
            (Literal::Text(text), Some(DataType::Timestamp { .. })) => Scalar::parse_timestamp(text),
            (Literal::Text(text), _) => Some(Scalar::String(text.clone())),
        };
        if scalar.is_none() {
            let of = data_type.map_or(String::new(), |data_type| format!(" of type {data_type}"));
            self.bad(format!("this is no value{of}"), literal.span, "a day is written \"2026-02-01\", an instant \"2026-02-01 12:00:00Z\"");
        }
        scalar
    }

    /// A comparison that was put together goes with the column's type.
    fn fits(&mut self, wrong: &Expr, span: crate::source::Span) -> Option<()> {
        let Some((_, known)) = self.contract else { return Some(()) };
        match wrong.infer(&|name| known.get(name).cloned(), &known.names()) {
            Ok(_) => Some(()),
            Err(error) => {
                self.bad(error.message, span, "give a value of the column's type");
                None
            }
        }
    }

    fn in_order(&mut self, bound: &str, reversed: bool) {
        if reversed {
            let message = format!("check `{}` can never pass: `{bound}` is greater than its `max`", self.declared.name);
            self.bad(message, self.declared.name.span, "swap the two");
        }
    }

    fn asks_for_something(&mut self, check: &Check) {
        let nothing = Check { name: check.name.clone(), blocks: check.blocks, ..Check::default() };
        if *check == nothing {
            let message = format!("check `{}` checks nothing", self.declared.name);
            let hint = "give it rows-min=, rows-max=, where=, median-min=, unique=, or column= with null-ratio-max=, min=, max=, newest-within= or accepted";
            self.bad(message, self.declared.name.span, hint);
        }
    }

    fn bad(&mut self, message: String, span: crate::source::Span, hint: &str) {
        self.resolver.report(Diagnostic::error("daeda::catalog::bad-option", message, span).hint(hint));
    }
}

impl Resolver<'_> {
    /// An expression of which only the syntax can be judged.
    fn syntax(&mut self, text: &Name) -> Option<Expr> {
        expr::parse(text).map_err(|error| self.report(super::expressions::diagnose(text, error))).ok()
    }
}
