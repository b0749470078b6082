//! `min`, `max` and `accepted`: what the values of a column may be.
//!
//! Both are conditions that no row may satisfy, in the words of expressions: integers compare exactly, null passes.

use super::{CheckKind, CheckSpec, Found, Staged, Tally, column};
use crate::catalog::check::Values;
use crate::engine::failure::Failure;
use crate::features::evaluate::filter_mask;
use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use serde_json::json;

pub struct Range;

impl CheckKind for Range {
    fn name(&self) -> &'static str {
        "range"
    }

    fn begin(&self, check: &CheckSpec, _: &Staged) -> Option<Box<dyn Tally>> {
        Some(Box::new(Wrong { asked: check.check.range.clone()?, count: 0, example: None }))
    }
}

pub struct Accepted;

impl CheckKind for Accepted {
    fn name(&self) -> &'static str {
        "accepted"
    }

    fn begin(&self, check: &CheckSpec, _: &Staged) -> Option<Box<dyn Tally>> {
        Some(Box::new(Wrong { asked: check.check.accepted.clone()?, count: 0, example: None }))
    }
}

/// Rows with a value that is not expected.
struct Wrong {
    asked: Values,
    count: u64,
    /// The first such value.
    example: Option<String>,
}

impl Tally for Wrong {
    fn columns(&self) -> Vec<String> {
        vec![self.asked.column.clone()]
    }

    fn see(&mut self, rows: &RecordBatch) -> Result<(), Failure> {
        let values = column(rows, &self.asked.column)?;
        let mask = filter_mask(rows, &self.asked.wrong).map_err(|error| Failure::permanent(error.to_string()))?;
        self.count += mask.true_count() as u64;
        if let (None, Some(first)) = (&self.example, mask.values().set_indices().next()) {
            self.example = array_value_to_string(values, first).ok();
        }
        Ok(())
    }

    fn found(self: Box<Self>, staged: &Staged) -> Result<Found, Failure> {
        let (count, rows, Values { column, expected, .. }) = (self.count, staged.rows, &self.asked);
        let example = self.example.map_or(String::new(), |value| format!(", the first {value}"));
        let wrong = || format!("{count} of {rows} rows have a `{column}` that is not {expected}{example}");
        Ok(Found { value: json!(count), wrong: (count > 0).then(wrong) })
    }
}
