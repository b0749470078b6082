//! Expressions in declarations: parsed, typed against the columns in reach, with the mistake's exact place.

use super::Resolver;
use crate::catalog::declaration::Name;
use crate::catalog::expr::{self, Expr, ExprError, ExprErrorKind};
use crate::catalog::types::DataType;
use crate::source::{Diagnostic, Span, is_slip};

/// The columns of a row as it is built up, in order.
#[derive(Debug, Clone)]
pub struct Columns {
    columns: Vec<(String, DataType)>,
    /// Whether some may be missing because the manifest left out what it could not read.
    pub partial: bool,
}

impl Columns {
    /// No columns yet, and whether some will be missing.
    pub fn starting(partial: bool) -> Self {
        Self { columns: Vec::new(), partial }
    }

    pub fn add(&mut self, name: impl Into<String>, data_type: DataType) {
        self.columns.push((name.into(), data_type));
    }

    pub fn get(&self, name: &str) -> Option<&DataType> {
        self.columns.iter().find(|(n, _)| n == name).map(|(_, t)| t)
    }

    /// Whether a name may be of a column that was left out: it is no slip of one that is there.
    pub fn excuses(&self, name: &str) -> bool {
        self.partial && !is_slip(name, self.columns.iter().map(|(n, _)| n.as_str()))
    }

    pub fn names(&self) -> Vec<String> {
        self.columns.iter().map(|(n, _)| n.clone()).collect()
    }
}

impl Resolver<'_> {
    /// An expression of any type. `None` where it is broken, which has been reported.
    pub fn expression(&mut self, text: &Name, columns: &Columns) -> Option<(Expr, DataType)> {
        let typed = expr::parse(text).and_then(|e| e.infer(&|name| columns.get(name).cloned(), &columns.names()).map(|t| (e, t)));
        let excused = |error: &ExprError| error.kind == ExprErrorKind::UnknownColumn && columns.excuses(&named(text, error.at));
        typed
            .map_err(|error| {
                if !excused(&error) {
                    self.report(diagnose(text, error))
                }
            })
            .ok()
    }

    /// An expression that is true or false.
    pub fn condition(&mut self, text: &Name, columns: &Columns) -> Option<Expr> {
        let (expr, data_type) = self.expression(text, columns)?;
        if data_type != DataType::Bool {
            let message = format!("a filter must be true or false, and `{text}` is {data_type}");
            let diagnostic = Diagnostic::error("daeda::catalog::wrong-type", message, text.span);
            self.report(diagnostic.label(format!("this is {data_type}")).hint("compare it with something, such as `… = 1`"));
            return None;
        }
        Some(expr)
    }
}

/// What the mistake is at.
fn named(text: &Name, at: Option<(usize, usize)>) -> String {
    at.and_then(|(offset, len)| text.value.get(offset..offset + len)).unwrap_or(&text.value).to_string()
}

pub fn diagnose(text: &Name, error: ExprError) -> Diagnostic {
    let code = match error.kind {
        ExprErrorKind::UnknownColumn => "daeda::catalog::unknown-column",
        _ => "daeda::catalog::expression",
    };
    let diagnostic = Diagnostic::error(code, error.message, place(text, error.at));
    let hint = error.hint.unwrap_or_else(|| "expressions are SQL scalar expressions, such as \"event = 'like'\"".into());
    diagnostic.hint(hint)
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
