//! Checks that only warned: what they said of partitions that are published all the same.
//!
//! Invariant: only as many records are read as are told; who only counts reads none.

use crate::engine::action::Action;
use crate::engine::execute::CheckResult;
use crate::engine::record::Records;
use crate::rules::TableRecords;
use serde_json::{Value, json};

/// A check that has failed, and of what.
pub struct Warning<'a> {
    action: &'a Action,
    result: CheckResult,
}

/// The failed checks of published outputs, by their records.
pub fn of<'a>(actions: impl Iterator<Item = &'a Action>) -> Vec<Warning<'a>> {
    let failed = |action: &'a Action| {
        let record = TableRecords.read(&action.place.path()).filter(|record| record.is_of(action));
        let checks = record.map(|record| record.checks()).unwrap_or_default();
        checks.into_iter().filter(|check| !check.passed).map(move |result| Warning { action, result })
    };
    actions.flat_map(failed).collect()
}

impl Warning<'_> {
    pub fn text(&self) -> String {
        let key = self.action.id.key.as_ref().map_or_else(|| self.action.id.op.to_string(), |key| key.to_string());
        format!("{key}: check `{}`: {}", self.result.check, self.result.detail.as_deref().unwrap_or_default())
    }

    pub fn json(&self) -> Value {
        let CheckResult { check, kind, value, detail, .. } = &self.result;
        json!({"partition": self.action.id.key, "op": self.action.id.op, "check": check, "kind": kind, "value": value, "detail": detail})
    }
}
