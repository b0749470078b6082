//! Expressions in declarations: parsed, typed against the columns in reach, with the mistake's exact place.

use super::Resolver;
use crate::catalog::code;
use crate::catalog::declaration::Name;
use crate::catalog::expr::{self, Expr, ExprError, ExprErrorKind};
use crate::catalog::types::DataType;
use crate::source::{Diagnostic, Span, is_slip};
use std::ops::Range;

/// The columns of a row as it is built up, in order.
#[derive(Debug, Clone)]
pub struct Columns {
    columns: Vec<Column>,
    /// Whether some may be missing because the manifest left out what it could not read.
    pub partial: bool,
    /// Whether a step that brings columns is broken, so that nobody knows which are missing.
    pub broken: bool,
}

#[derive(Debug, Clone)]
struct Column {
    name: String,
    data_type: DataType,
    /// What brought it: a field, a window's aggregation, a join's column.
    span: Span,
}

impl Columns {
    /// No columns yet, and whether some will be missing.
    pub fn starting(partial: bool) -> Self {
        Self { columns: Vec::new(), partial, broken: false }
    }

    pub fn add(&mut self, name: impl Into<String>, data_type: DataType, span: Span) {
        self.columns.push(Column { name: name.into(), data_type, span });
    }

    pub fn get(&self, name: &str) -> Option<&DataType> {
        self.columns.iter().find(|column| column.name == name).map(|column| &column.data_type)
    }

    /// Where a column comes from.
    pub fn origin(&self, name: &str) -> Option<Span> {
        self.columns.iter().find(|column| column.name == name).map(|column| column.span)
    }

    /// Whether a name may be of a column that was left out: it is no slip of one that is there.
    pub fn excuses(&self, name: &str) -> bool {
        let others = self.columns.iter().map(|column| column.name.as_str());
        self.broken || (self.partial && !is_slip(name, others))
    }

    pub fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }
}

impl Resolver<'_> {
    /// An expression of any type. `None` where it is broken, which has been reported.
    pub fn expression(&mut self, text: &Name, columns: &Columns) -> Option<(Expr, DataType)> {
        let excused = |error: &ExprError| error.kind == ExprErrorKind::UnknownColumn && columns.excuses(&named(text, error.at));
        let typed = expr::parse(text).map_err(|error| vec![error]).and_then(|expr| typed(expr, columns));
        let report = |error| self.report(diagnose(text, error, columns));
        typed.map_err(|found| found.into_iter().filter(|error| !excused(error)).for_each(report)).ok()
    }

    /// An expression that is true or false.
    pub fn condition(&mut self, text: &Name, columns: &Columns) -> Option<Expr> {
        let (expr, data_type) = self.expression(text, columns)?;
        if data_type != DataType::Bool {
            let message = format!("a filter must be true or false, and `{text}` is {data_type}");
            let diagnostic = Diagnostic::error(code::WRONG_TYPE, message, text.span).label(format!("this is {data_type}"));
            self.report(origins(diagnostic, &expr.columns(), columns).hint(condition_hint(text, &data_type)));
            return None;
        }
        Some(expr)
    }
}

/// An expression with its type, or everything that keeps it from having one.
fn typed(expr: Expr, columns: &Columns) -> Result<(Expr, DataType), Vec<ExprError>> {
    let (types, known) = (|name: &str| columns.get(name).cloned(), columns.names());
    match expr.infer(&types, &known) {
        Ok(data_type) => Ok((expr, data_type)),
        Err(first) => {
            let found = expr.mistakes(&types, &known);
            Err(if found.is_empty() { vec![first] } else { found })
        }
    }
}

/// What the mistake is at.
fn named(text: &Name, at: Option<(usize, usize)>) -> String {
    at.and_then(|(offset, len)| text.value.get(offset..offset + len)).unwrap_or(&text.value).to_string()
}

/// The expression as a question.
fn condition_hint(text: &str, data_type: &DataType) -> String {
    let question = match data_type {
        DataType::String => format!("{text} = 'like'"),
        DataType::List(_) => format!("len({text}) > 0"),
        t if t.is_number() => format!("{text} > 0"),
        _ => format!("{text} IS NOT NULL"),
    };
    format!("compare it with something, such as \"{question}\"")
}

/// Shows where the columns of an expression come from, with their types.
fn origins<'n>(mut diagnostic: Diagnostic, names: impl IntoIterator<Item = &'n String>, columns: &Columns) -> Diagnostic {
    const MOST: usize = 3;
    for name in names.into_iter().take(MOST) {
        if let (Some(span), Some(data_type)) = (columns.origin(name), columns.get(name)) {
            diagnostic = diagnostic.also(span, format!("`{name}` is {data_type}"));
        }
    }
    diagnostic
}

pub fn diagnose(text: &Name, error: ExprError, columns: &Columns) -> Diagnostic {
    let code = match error.kind {
        ExprErrorKind::UnknownColumn => code::UNKNOWN_COLUMN,
        _ => code::EXPRESSION,
    };
    let diagnostic = Diagnostic::error(code, error.message, place(text, error.at)).part(part(text, error.at));
    let diagnostic = origins(diagnostic, &error.columns, columns);
    let hint = error.hint.unwrap_or_else(|| "expressions are SQL scalar expressions, such as \"event = 'like'\"".into());
    diagnostic.hint(hint)
}

/// A part of the text that [`place`] cannot find, because it stands otherwise than it reads.
pub fn part(text: &Name, at: Option<(usize, usize)>) -> Option<Range<usize>> {
    at.filter(|_| text.span.len != text.value.len()).map(|(offset, len)| offset..offset + len)
}

/// A part of the text, where the string was written without escapes; else the whole string.
pub fn place(text: &Name, at: Option<(usize, usize)>) -> Span {
    match at {
        Some((offset, len)) if text.span.len == text.value.len() && offset + len <= text.value.len() => {
            Span { offset: text.span.offset + offset, len: len.max(1), ..text.span }
        }
        _ => text.span,
    }
}
