//! `null-ratio-max`: how many values of a column are missing.
//!
//! What our own writer has written it has counted; then nothing is read.

use super::{CheckKind, CheckSpec, Found, Staged, Tally};
use crate::catalog::check::Nulls;
use crate::engine::failure::Failure;
use arrow::array::{Array, RecordBatch};
use serde_json::json;

pub struct NullRatio;

impl CheckKind for NullRatio {
    fn name(&self) -> &'static str {
        "nulls"
    }

    fn begin(&self, check: &CheckSpec, staged: &Staged) -> Option<Box<dyn Tally>> {
        let asked = check.check.nulls.clone()?;
        let known = staged.nulls.and_then(|nulls| nulls.get(&asked.column)).copied();
        Some(Box::new(Missing { asked, known, seen: 0 }))
    }
}

struct Missing {
    asked: Nulls,
    known: Option<u64>,
    seen: u64,
}

impl Tally for Missing {
    fn columns(&self) -> Vec<String> {
        if self.known.is_some() { Vec::new() } else { vec![self.asked.column.clone()] }
    }

    /// A file without the column has no value of it.
    fn see(&mut self, rows: &RecordBatch) -> Result<(), Failure> {
        self.seen += rows.column_by_name(&self.asked.column).map_or(rows.num_rows(), |column| column.logical_null_count()) as u64;
        Ok(())
    }

    fn found(self: Box<Self>, staged: &Staged) -> Result<Found, Failure> {
        let Nulls { column, ratio_max } = &self.asked;
        let (nulls, rows) = (self.known.unwrap_or(self.seen), staged.rows);
        let ratio = nulls as f64 / rows.max(1) as f64;
        let wrong = || format!("{nulls} of {rows} rows of `{column}` are null ({ratio:.4}), and at most {ratio_max} is allowed");
        Ok(Found { value: json!(ratio), wrong: (ratio > *ratio_max).then(wrong) })
    }
}
