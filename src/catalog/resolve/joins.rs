//! Joins: the view, the keys on both sides, the columns they bring.

use super::Resolver;
use super::expressions::Columns;
use crate::catalog::code;
use crate::catalog::declaration::*;
use crate::catalog::model::*;
use crate::catalog::types::DataType;
use crate::source::{Diagnostic, Span, Spanned, counted};
use std::sync::Arc;

impl Resolver<'_> {
    /// Resolves a join and adds its columns to the left side. `left_time`: whether the left side's rows have an instant.
    pub fn join(&mut self, declared: &JoinDecl, left: &mut Columns, left_time: bool) -> Option<Join> {
        let view = self.find_view(&declared.view)?;
        left.partial |= self.is_partial(view.span);
        let how = self.how(declared, &view, left_time)?;
        let on = self.join_keys(declared, &view, left)?;
        let prefix = declared.prefix.as_ref().map_or(String::new(), |p| p.value.clone());
        let mut columns = Vec::new();
        for name in &declared.columns {
            columns.extend(self.joined_column(name, &view, &prefix, left));
        }
        // With a column missing, whatever names it later would be reported again.
        (columns.len() == declared.columns.len()).then_some(Join { view, span: declared.view.span, how, on, prefix, columns })
    }

    fn how(&mut self, declared: &JoinDecl, view: &View, left_time: bool) -> Option<JoinHow> {
        match declared.how.value {
            How::Static => {
                if let Some(age) = &declared.max_age {
                    let diagnostic = Diagnostic::error(code::BAD_OPTION, "a static join has no `max-age`", age.span);
                    let diagnostic = diagnostic.also(declared.how.span, "because of this");
                    self.report(diagnostic.hint("remove it, or say how=\"as-of\""));
                    return None;
                }
                if let Some(inclusive) = declared.inclusive {
                    let diagnostic = Diagnostic::error(code::BAD_OPTION, "a static join does not compare times", inclusive);
                    let diagnostic = diagnostic.also(declared.how.span, "because of this");
                    self.report(diagnostic.hint("remove `inclusive`, or say how=\"as-of\""));
                    return None;
                }
                Some(JoinHow::Static)
            }
            How::AsOf if view.timestamp.is_none() || !left_time => {
                let message = format!("an as-of join needs a timestamp on both sides, and view `{}` has none", view.name);
                let hint = "add timestamp=\"column\" to the view's source, or say how=\"static\"";
                self.report(Diagnostic::error(code::NO_TIME, message, declared.how.span).also(view.span, "the view").hint(hint));
                None
            }
            How::AsOf => {
                let max_age = declared.max_age.as_ref().map(|a| a.value).or(view.ttl);
                Some(JoinHow::AsOf { max_age, inclusive: declared.inclusive.is_some() })
            }
        }
    }

    fn join_keys(&mut self, declared: &JoinDecl, view: &Arc<View>, left: &Columns) -> Option<Vec<(String, String)>> {
        if view.keys.is_empty() {
            let message = format!("view `{}` has no key to join on", view.name);
            let hint = format!(
                "say in view `{}` what its rows are about, such as entity \"user\"; the entity's key is one of its fields",
                view.name
            );
            self.report(Diagnostic::error(code::KEYS, message, declared.view.span).also(view.span, "the view").hint(hint));
            return None;
        }
        let on: Vec<Name> = match declared.on.is_empty() {
            true => view.keys.iter().map(|k| Spanned::new(k.clone(), declared.view.span)).collect(),
            false => declared.on.clone(),
        };
        self.pair_keys(&on, &view.keys, view, left)
    }

    /// Pairs the left side's columns with the right side's keys, of equal types.
    pub fn pair_keys(&mut self, on: &[Name], keys: &[String], view: &View, left: &Columns) -> Option<Vec<(String, String)>> {
        if on.len() != keys.len() {
            let (given, wanted) = (counted(on.len(), "column"), counted(keys.len(), "key"));
            let message = format!("`on` names {given}, and view `{}` has {wanted}: {}", view.name, keys.join(", "));
            let span = on.first().map_or(view.span, |n| n.span);
            let diagnostic = Diagnostic::error(code::KEYS, message, span).also(view.span, "the view");
            self.report(diagnostic.hint(format!("name one column for each key, in this order, such as on=\"{}\"", keys.join(" "))));
            return None;
        }
        let mut pairs = Vec::new();
        for (column, key) in on.iter().zip(keys) {
            let Some(left_type) = left.get(column) else {
                self.unknown_column(column, "the row", left);
                return None;
            };
            let right_type = view.field(key).map(|f| &f.data_type);
            if right_type.is_some_and(|t| t != left_type) {
                let right = right_type.map(|t| t.to_string()).unwrap_or_default();
                let message = format!("`{column}` is {left_type}, and the key `{key}` of view `{}` is {right}", view.name);
                let mut diagnostic = Diagnostic::error(code::WRONG_TYPE, message, column.span).label(format!("this is {left_type}"));
                if let Some(origin) = left.origin(column) {
                    diagnostic = diagnostic.also(origin, "declared here");
                }
                if let Some(field) = view.field(key) {
                    diagnostic = diagnostic.also(field.span, format!("this is {right}"));
                }
                let hint = "join columns of equal types: correct one of the two, or name another left column with on=\"…\"";
                self.report(diagnostic.hint(hint));
                return None;
            }
            pairs.push((column.value.clone(), key.clone()));
        }
        Some(pairs)
    }

    /// Adds a column to the row, which must not have one of that name yet.
    pub fn brings(&mut self, column: &Name, data_type: &DataType, origin: Span, row: &mut Columns, hint: &str) -> Option<()> {
        let Some(earlier) = row.origin(column) else {
            row.add(column.value.clone(), data_type.clone(), origin);
            return Some(());
        };
        let message = format!("the row has a column `{column}` already");
        let diagnostic = Diagnostic::error(code::DUPLICATE_NAME, message, column.span).label("brings it again");
        let first = if earlier == column.span { diagnostic } else { diagnostic.also(earlier, "brought here") };
        self.report(first.hint(hint));
        None
    }

    fn joined_column(&mut self, name: &Name, view: &View, prefix: &str, left: &mut Columns) -> Option<Spanned<String>> {
        let Some(field) = view.field(name) else {
            self.unknown_column(name, &format!("view `{}`", view.name), &self.view_columns(view));
            return None;
        };
        let full = format!("{prefix}{name}");
        let hint = format!("give the join a prefix of its own, such as prefix=\"{}_\"", view.name);
        self.brings(&Spanned::new(full, name.span), &field.data_type, field.span, left, &hint)?;
        Some(name.clone())
    }
}
