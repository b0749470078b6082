//! `rows-min`, `rows-max`: how many rows a partition has.

use super::{CheckKind, CheckSpec, Found, Staged, Tally};
use crate::catalog::check::Rows;
use crate::engine::failure::Failure;
use serde_json::json;

pub struct RowBounds;

impl CheckKind for RowBounds {
    fn name(&self) -> &'static str {
        "rows"
    }

    fn begin(&self, check: &CheckSpec, _: &Staged) -> Option<Box<dyn Tally>> {
        Some(Box::new(Counted(check.check.rows?)))
    }
}

struct Counted(Rows);

impl Tally for Counted {
    fn found(self: Box<Self>, staged: &Staged) -> Result<Found, Failure> {
        Ok(Found { value: json!(staged.rows), wrong: beyond(self.0, staged.rows, "rows") })
    }
}

/// What is wrong with a count, if anything is.
pub fn beyond(bounds: Rows, count: u64, what: &str) -> Option<String> {
    let few = bounds.min.filter(|min| count < *min).map(|min| format!("{count} {what}, and at least {min} are expected"));
    few.or_else(|| bounds.max.filter(|max| count > *max).map(|max| format!("{count} {what}, and at most {max} are expected")))
}
