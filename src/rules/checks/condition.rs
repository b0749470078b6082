//! `where` with bounds: how many rows satisfy a condition, or which share of them.

use super::rows::beyond;
use super::{CheckKind, CheckSpec, Found, Staged, Tally};
use crate::catalog::check::Condition;
use crate::catalog::expr::Expr;
use crate::engine::failure::Failure;
use crate::features::evaluate::filter_mask;
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::Schema;
use serde_json::json;
use std::sync::Arc;

pub struct Satisfies;

impl CheckKind for Satisfies {
    fn name(&self) -> &'static str {
        "where"
    }

    fn begin(&self, check: &CheckSpec, staged: &Staged) -> Option<Box<dyn Tally>> {
        Some(Box::new(Satisfying { asked: check.check.condition.clone()?, any: staged.rows > 0, count: 0 }))
    }
}

struct Satisfying {
    asked: Condition,
    any: bool,
    count: u64,
}

impl Tally for Satisfying {
    fn columns(&self) -> Vec<String> {
        if self.any { self.asked.condition.columns().into_iter().collect() } else { Vec::new() }
    }

    fn see(&mut self, rows: &RecordBatch) -> Result<(), Failure> {
        let mask = filter_mask(rows, &self.asked.condition).map_err(|error| Failure::permanent(error.to_string()))?;
        self.count += mask.true_count() as u64;
        Ok(())
    }

    fn found(self: Box<Self>, staged: &Staged) -> Result<Found, Failure> {
        let Condition { condition, rows, share_min, share_max } = &self.asked;
        let (count, all) = (if condition.columns().is_empty() { of_constant(condition, staged.rows)? } else { self.count }, staged.rows);
        let share = count as f64 / all.max(1) as f64;
        let few = share_min.filter(|min| all > 0 && share < *min).map(|min| format!("at least {min}"));
        let many = share_max.filter(|max| all > 0 && share > *max).map(|max| format!("at most {max}"));
        let said = |bound: String| format!("{count} of {all} rows satisfy `{condition}` ({share:.4}), and {bound} is expected");
        let wrong = beyond(*rows, count, &format!("rows satisfy `{condition}`")).or_else(|| few.or(many).map(said));
        Ok(Found { value: json!({"rows": count, "share": share}), wrong })
    }
}

/// A condition without columns holds of all rows or of none.
fn of_constant(condition: &Expr, rows: u64) -> Result<u64, Failure> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let one = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options);
    let mask = one.map_err(|error| error.to_string()).and_then(|one| filter_mask(&one, condition).map_err(|error| error.to_string()));
    mask.map(|mask| if mask.true_count() == 1 { rows } else { 0 }).map_err(Failure::permanent)
}
