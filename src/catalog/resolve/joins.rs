//! Joins: the view, the keys on both sides, the columns they bring.

use super::Resolver;
use super::expressions::Columns;
use crate::catalog::declaration::*;
use crate::catalog::model::*;
use crate::source::{Diagnostic, Spanned};
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
                    let diagnostic = Diagnostic::error("daeda::catalog::bad-option", "a static join has no `max-age`", age.span);
                    self.report(diagnostic.hint("remove it, or say how=\"as-of\""));
                    return None;
                }
                Some(JoinHow::Static)
            }
            How::AsOf if view.timestamp.is_none() || !left_time => {
                let message = format!("an as-of join needs a timestamp on both sides, and view `{}` has none", view.name);
                let hint = "add timestamp=\"column\" to the view's source, or say how=\"static\"";
                self.report(Diagnostic::error("daeda::catalog::bad-option", message, declared.how.span).hint(hint));
                None
            }
            How::AsOf => {
                let max_age = declared.max_age.as_ref().map(|a| a.value).or(view.ttl);
                Some(JoinHow::AsOf { max_age, inclusive: declared.inclusive })
            }
        }
    }

    fn join_keys(&mut self, declared: &JoinDecl, view: &Arc<View>, left: &Columns) -> Option<Vec<(String, String)>> {
        if view.keys.is_empty() {
            let message = format!("view `{}` has no key to join on", view.name);
            let hint = "declare its entity, whose key must be one of the view's fields";
            self.report(Diagnostic::error("daeda::catalog::bad-option", message, declared.view.span).hint(hint));
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
            let message = format!("{} column(s) on the left for {} key(s): {}", on.len(), keys.len(), keys.join(", "));
            let span = on.first().map_or(view.span, |n| n.span);
            self.report(Diagnostic::error("daeda::catalog::bad-option", message, span).hint("give one column per key, in order"));
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
                let diagnostic = Diagnostic::error("daeda::catalog::wrong-type", message, column.span);
                self.report(diagnostic.hint("join columns of equal types").also(view.span, "the view"));
                return None;
            }
            pairs.push((column.value.clone(), key.clone()));
        }
        Some(pairs)
    }

    fn joined_column(&mut self, name: &Name, view: &View, prefix: &str, left: &mut Columns) -> Option<Spanned<String>> {
        let Some(field) = view.field(name) else {
            self.unknown_column(name, &format!("view `{}`", view.name), &self.view_columns(view));
            return None;
        };
        let full = format!("{prefix}{name}");
        if left.get(&full).is_some() {
            let message = format!("the row has a column `{full}` already");
            let diagnostic = Diagnostic::error("daeda::catalog::duplicate-name", message, name.span);
            self.report(diagnostic.hint(format!("give the join a prefix, such as prefix=\"{}_\"", view.name)));
            return None;
        }
        left.add(full, field.data_type.clone());
        Some(name.clone())
    }
}
