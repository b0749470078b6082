//! Services: the wide row is built up step by step, each step typed against what stands before it; then the contract.

use super::Resolver;
use super::expressions::Columns;
use super::names::Kind;
use crate::catalog::code;
use crate::catalog::declaration::*;
use crate::catalog::expr;
use crate::catalog::model::*;
use crate::catalog::types::DataType;
use crate::source::{Diagnostic, Span, Spanned};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Resolver<'_> {
    pub fn services(&mut self) {
        let mut earlier = BTreeMap::new();
        for declared in &self.declared.services {
            if !self.first_of("service", &declared.name, &mut earlier) {
                continue;
            }
            let before = self.errors();
            let service = self.service(declared);
            if let Some(service) = service.filter(|_| self.errors() == before) {
                self.catalog.services.insert(service.name.clone(), Arc::new(service));
            }
        }
    }

    fn errors(&self) -> usize {
        self.found.iter().filter(|d| d.is_error()).count()
    }

    fn service(&mut self, declared: &ServiceDecl) -> Option<Service> {
        let spine = self.find_view(&declared.spine.view)?;
        self.spine_is_events(&spine, &declared.spine.view)?;
        let mut columns = self.view_columns(&spine);
        columns.partial |= self.is_partial(declared.name.span);
        let filters = declared.spine.filters.iter().filter_map(|f| self.filter(f, &columns)).collect();
        let require_embedding = self.coverage(&declared.spine.require_embedding, &columns).unwrap_or_default();
        let sessions = declared.spine.sessions.as_ref().and_then(|s| self.sessions(s, &columns));
        let joins: Vec<Join> = declared.joins.iter().filter_map(|j| self.join(j, &mut columns, true)).collect();
        let sound = joins.len() == declared.joins.len();
        // What the broken steps would have added is unknown, and is not missed after them.
        columns.broken |= !sound;
        let (rolling, rolling_sound) = self.service_rolling(declared, &mut columns);
        columns.broken |= !rolling_sound;
        let curate = declared.curate.iter().filter_map(|k| self.keep(k, &columns)).collect();
        let embed = self.service_embed(declared, &mut columns);
        columns.broken |= embed.is_none();
        let (contract, takes_rest) = self.contract(declared, &columns)?;
        let embed = embed.filter(|_| sound && rolling_sound)?;
        Some(Service {
            name: declared.name.value.clone(),
            span: declared.name.span,
            version: declared.version.as_ref().map_or(1, |version| version.value),
            owner: declared.owner.clone(),
            grain: declared.grain.clone(),
            description: declared.description.clone(),
            spine,
            filters,
            require_embedding,
            sessions,
            joins,
            curate,
            rolling,
            embed,
            columns: contract,
            takes_rest,
        })
    }

    /// Rows of a spine are events in time, one period at a time.
    fn spine_is_events(&mut self, spine: &View, name: &Name) -> Option<()> {
        if spine.timestamp.is_some() && spine.format == Format::Parquet && spine.layout.is_some() {
            return Some(());
        }
        let message = format!("a spine is a partitioned Parquet view with a timestamp, and `{}` is not", spine.name);
        let hint = "its source needs format=\"parquet\", partition=\"dt={day}\" and timestamp=\"…\"";
        self.report(Diagnostic::error(code::NO_TIME, message, name.span).also(spine.span, "the view").hint(hint));
        None
    }

    fn sessions(&mut self, declared: &SessionsDecl, columns: &Columns) -> Option<Sessions> {
        if columns.get(&declared.column).is_none() {
            self.unknown_column(&declared.column, "the spine", columns);
            return None;
        }
        let likes = self.condition(&declared.likes, columns)?;
        Some(Sessions { column: declared.column.value.clone(), drop: declared.drop.iter().map(|d| d.value).collect(), likes })
    }

    fn keep(&mut self, declared: &KeepDecl, columns: &Columns) -> Option<Filter> {
        let expr = self.condition(&declared.filter, columns)?;
        Some(Filter { name: declared.name.value.clone(), expr })
    }

    fn service_rolling(&mut self, declared: &ServiceDecl, columns: &mut Columns) -> (Vec<Spanned<Arc<Aggregation>>>, bool) {
        let mut out = Vec::new();
        for name in &declared.rolling {
            let found = self.look_up(Kind::Aggregation, name, |catalog| catalog.aggregations.get(&name.value).cloned());
            let Some(aggregation) = found else { continue };
            if self.spine_has_keys(&aggregation, name, columns).is_some() {
                // A window with a mistake was left out of it.
                columns.broken |= self.is_partial(aggregation.span);
                if self.brings_windows(&aggregation, name, columns).is_some() {
                    out.push(Spanned::new(aggregation, name.span));
                }
            }
        }
        let sound = out.len() == declared.rolling.len();
        (out, sound)
    }

    /// The columns of an aggregation's windows, none of which the row may have yet.
    fn brings_windows(&mut self, aggregation: &Aggregation, name: &Name, columns: &mut Columns) -> Option<()> {
        let data_type = match &aggregation.kind {
            AggregationKind::Ratio { .. } => DataType::Float64,
            AggregationKind::Of(measure) => measure.output.clone(),
        };
        let hint = "list each aggregation once; one whose columns are called like others needs another name";
        let names = aggregation.windows.iter().map(|w| Spanned::new(aggregation.column(w), name.span));
        // All of them stand on the row before the next is looked at, and one mistake is enough.
        names.into_iter().try_for_each(|column| self.brings(&column, &data_type, aggregation.span, columns, hint))
    }

    fn spine_has_keys(&mut self, aggregation: &Arc<Aggregation>, name: &Name, columns: &Columns) -> Option<()> {
        let measures: Vec<Arc<Aggregation>> = match &aggregation.kind {
            AggregationKind::Of(_) => vec![aggregation.clone()],
            AggregationKind::Ratio { numerator, denominator } => {
                [numerator, denominator].iter().filter_map(|p| self.catalog.aggregations.get(*p).cloned()).collect()
            }
        };
        for part in &measures {
            let AggregationKind::Of(measure) = &part.kind else { continue };
            self.measure_keys(part, measure, name, columns)?;
        }
        Some(())
    }

    fn measure_keys(&mut self, part: &Aggregation, measure: &Measure, name: &Name, columns: &Columns) -> Option<()> {
        let mut own = self.view_columns(&measure.view);
        for join in &measure.joins {
            let fields = join.added().filter_map(|(name, from)| Some((name, join.view.field(from)?)));
            fields.for_each(|(name, field)| own.add(name, field.data_type.clone(), field.span));
        }
        for (left, key) in measure.on.iter().zip(&measure.by) {
            match (columns.get(left), own.get(key)) {
                (None, _) if columns.excuses(left) => return None,
                (None, _) => {
                    let message = format!("`{}` is by `{left}`, which the row does not have", part.name);
                    let diagnostic = Diagnostic::error(code::UNKNOWN_COLUMN, message, name.span);
                    let hint = format!("join a view that brings `{left}`, or say on=\"…\" in the aggregation");
                    self.report(diagnostic.also(part.span, "the aggregation").hint(hint));
                    return None;
                }
                (Some(l), Some(r)) if l != r => {
                    let message = format!("`{left}` is {l} on the row and `{key}` is {r} in aggregation `{}`", part.name);
                    let mut diagnostic = Diagnostic::error(code::WRONG_TYPE, message, name.span);
                    for (column, types, of) in [(left, l, columns), (key, r, &own)] {
                        if let Some(origin) = of.origin(column) {
                            diagnostic = diagnostic.also(origin, format!("`{column}` is {types}"));
                        }
                    }
                    let hint = "match keys of equal types: correct one of the two, or name another column of the spine with on=\"…\"";
                    self.report(diagnostic.also(part.span, "the aggregation").hint(hint));
                    return None;
                }
                _ => {}
            }
        }
        Some(())
    }

    fn service_embed(&mut self, declared: &ServiceDecl, columns: &mut Columns) -> Option<Vec<Spanned<Arc<Embedding>>>> {
        let mut out = Vec::new();
        for name in &declared.embed {
            let embedding = self.look_up(Kind::Embedding, name, |catalog| catalog.embeddings.get(&name.value).cloned())?;
            self.embedding_input(&embedding, name, columns)?;
            let hint = "list each embedding once, and call none like another column";
            self.brings(name, &embedding.store.data_type, name.span, columns, hint)?;
            out.push(Spanned::new(embedding, name.span));
        }
        Some(out)
    }

    fn embedding_input(&mut self, embedding: &Embedding, name: &Name, columns: &Columns) -> Option<()> {
        let wanted = if embedding.pool.is_some() { DataType::Int64.list() } else { DataType::Int64 };
        let actual = columns.get(&embedding.input);
        if actual == Some(&wanted) {
            return Some(());
        }
        if actual.is_none() && columns.excuses(&embedding.input) {
            return None;
        }
        let (code, message) = match actual {
            None => (code::UNKNOWN_COLUMN, format!("`{name}` is over `{}`, which the row does not have", embedding.input)),
            Some(t) => (code::WRONG_TYPE, format!("`{name}` needs {wanted}, and `{}` is {t}", embedding.input)),
        };
        let hint = "add the aggregation that makes it to `rolling`, or name another column in the embedding";
        self.report(Diagnostic::error(code, message, name.span).also(embedding.input.span, "named here").hint(hint));
        None
    }

    fn contract(&mut self, declared: &ServiceDecl, columns: &Columns) -> Option<(Vec<Column>, bool)> {
        if declared.columns.is_empty() {
            let message = format!("service `{}` has no columns", declared.name);
            let hint = "add columns { … }, or columns { * } to take everything";
            self.report(Diagnostic::error(code::NO_COLUMNS, message, declared.name.span).hint(hint));
            return None;
        }
        let named: BTreeSet<String> = declared.columns.iter().filter_map(named_column).map(|c| c.name.value.clone()).collect();
        let mut out = Vec::new();
        for column in &declared.columns {
            match column {
                ColumnDecl::Named(column) => out.extend(self.column(column, columns)),
                ColumnDecl::Rest(span) => out.extend(rest(columns, &named, *span)),
            }
        }
        let takes_rest = declared.columns.iter().any(|c| matches!(c, ColumnDecl::Rest(_)));
        Some((out, takes_rest))
    }

    fn column(&mut self, declared: &NamedColumnDecl, columns: &Columns) -> Option<Column> {
        let expr = match &declared.expr {
            Some(text) => Some(self.expression(text, columns)?),
            None => None,
        };
        let actual = match &expr {
            Some((_, data_type)) => data_type.clone(),
            None => match columns.get(&declared.name) {
                Some(data_type) => data_type.clone(),
                None => {
                    self.unknown_column(&declared.name, "the row", columns);
                    return None;
                }
            },
        };
        self.fits_contract(declared, &actual, columns)?;
        let default = match &declared.default {
            Some(default) => Some(self.default_value(default, &declared.data_type, declared)?),
            None => None,
        };
        Some(Column {
            name: declared.name.value.clone(),
            span: declared.name.span,
            data_type: declared.data_type.value.clone(),
            expr: expr.map(|(e, _)| e),
            default,
            nullable: declared.nullable,
        })
    }

    /// An expression is cast to its column's type where both are numbers, and vectors are rounded to the floats that are asked for;
    /// everything else must be what it says.
    fn fits_contract(&mut self, declared: &NamedColumnDecl, actual: &DataType, columns: &Columns) -> Option<()> {
        let (wanted, computed) = (&declared.data_type.value, declared.expr.is_some());
        if wanted == actual || (computed && wanted.is_number() && actual.is_number()) || (!computed && wanted.is_as_wide(actual)) {
            return Some(());
        }
        let message = format!("`{}` is {actual}, and the contract says {wanted}", declared.name);
        let written = declared.expr.as_ref().map_or(declared.name.as_str(), |expr| expr.as_str());
        let hint = match castable(actual, wanted) {
            true => format!("write `{} \"{actual}\"`, or cast it: expr=\"CAST({written} AS {wanted})\"", declared.name),
            false => format!("write `{} \"{actual}\"`", declared.name),
        };
        let diagnostic = Diagnostic::error(code::WRONG_TYPE, message, declared.data_type.span);
        let diagnostic = match (&declared.expr, columns.origin(&declared.name)) {
            (Some(expr), _) => diagnostic.also(expr.span, format!("this is {actual}")),
            (None, Some(origin)) => diagnostic.also(origin, format!("the row's column is {actual}")),
            (None, None) => diagnostic,
        };
        self.report(diagnostic.hint(hint));
        None
    }

    fn default_value(&mut self, literal: &Spanned<Literal>, data_type: &DataType, declared: &NamedColumnDecl) -> Option<Value> {
        let value = read_literal(literal, data_type);
        if value.is_none() {
            let message = format!("this default is not a {data_type}");
            let hint = match example(data_type) {
                Some(example) => format!("write one, such as default={example}"),
                None => "this type has no default; remove it, and say nullable=#true".to_string(),
            };
            let diagnostic = Diagnostic::error(code::WRONG_TYPE, message, literal.span);
            self.report(diagnostic.also(declared.data_type.span, "its column's type").hint(hint));
        }
        value
    }
}

fn named_column(column: &ColumnDecl) -> Option<&NamedColumnDecl> {
    match column {
        ColumnDecl::Named(named) => Some(named),
        ColumnDecl::Rest(_) => None,
    }
}

/// What `*` brings: every column not named, nullable as in the row, in the row's order.
fn rest<'c>(columns: &'c Columns, named: &'c BTreeSet<String>, span: Span) -> impl Iterator<Item = Column> + 'c {
    columns.names().into_iter().filter(|name| !named.contains(name)).filter_map(move |name| {
        let data_type = columns.get(&name)?.clone();
        Some(Column { span, data_type, expr: None, default: None, nullable: true, name })
    })
}

/// A default as the column's type reads it; lists are written as JSON in a string.
fn read_literal(literal: &Literal, data_type: &DataType) -> Option<Value> {
    use DataType::*;
    match (literal, data_type) {
        (Literal::Bool(b), Bool) => Some(json!(b)),
        (Literal::Int(n), t) if t.is_integer() => integer(*n, t),
        (Literal::Int(n), t) if t.is_float() => Some(json!(*n as f64)),
        (Literal::Float(x), t) if t.is_float() => Some(json!(x)),
        (Literal::Text(text), String) => Some(json!(text)),
        (Literal::Text(text), List(inner)) => {
            let Ok(Value::Array(items)) = serde_json::from_str(text) else { return None };
            items.iter().all(|item| json_fits(item, inner)).then_some(Value::Array(items))
        }
        _ => None,
    }
}

fn json_fits(item: &Value, data_type: &DataType) -> bool {
    let literal = match item {
        Value::Bool(b) => Literal::Bool(*b),
        Value::Number(n) if n.is_f64() => Literal::Float(n.as_f64().unwrap_or_default()),
        Value::Number(n) => Literal::Int(n.as_i64().map_or_else(|| n.as_u64().unwrap_or_default() as i128, i128::from)),
        Value::String(text) => Literal::Text(text.clone()),
        _ => return false,
    };
    read_literal(&literal, data_type).is_some()
}

fn integer(n: i128, data_type: &DataType) -> Option<Value> {
    use DataType::*;
    let (low, high) = match data_type {
        Int8 => (i8::MIN as i128, i8::MAX as i128),
        Int16 => (i16::MIN as i128, i16::MAX as i128),
        Int32 => (i32::MIN as i128, i32::MAX as i128),
        Int64 => (i64::MIN as i128, i64::MAX as i128),
        UInt8 => (0, u8::MAX as i128),
        UInt16 => (0, u16::MAX as i128),
        UInt32 => (0, u32::MAX as i128),
        _ => (0, u64::MAX as i128),
    };
    (low..=high).contains(&n).then(|| if n < 0 { json!(n as i64) } else { json!(n as u64) })
}

/// Whether an expression may cast the one to the other.
fn castable(from: &DataType, to: &DataType) -> bool {
    let cast = expr::parse(&format!("CAST(x AS {to})"));
    cast.is_ok_and(|cast| cast.infer(&|_| Some(from.clone()), &[]).is_ok())
}

fn example(data_type: &DataType) -> Option<&'static str> {
    Some(match data_type {
        DataType::Bool => "#false",
        DataType::String => "\"none\"",
        DataType::List(_) => "\"[]\"",
        t if t.is_integer() => "0",
        t if t.is_float() => "0.0",
        _ => return None,
    })
}
