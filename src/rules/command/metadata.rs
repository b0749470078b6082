//! What a command says of its result: JSON objects, one a line, in the file that `DAEDA_METADATA` names.
//!
//! Invariant: no secret is taken over; what is not understood is a warning, for the output is good all the same.

use super::fill::Filled;
use crate::engine::execute::Made;
use serde_json::Value;
use std::path::Path;

pub fn add(file: &Path, filled: &Filled, made: &mut Made) {
    let Ok(bytes) = std::fs::read(file) else { return };
    let text = String::from_utf8_lossy(&bytes);
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(Value::Object(told)) => made.metadata.extend(told.into_iter().map(|(name, value)| (name, redacted(value, filled)))),
            _ => made.warnings.push(format!("line {} of DAEDA_METADATA is no JSON object and was left out", number + 1)),
        }
    }
}

fn redacted(value: Value, filled: &Filled) -> Value {
    match value {
        Value::String(text) => Value::String(filled.redacted(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| redacted(item, filled)).collect()),
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(name, value)| (name, redacted(value, filled))).collect()),
        other => other,
    }
}
