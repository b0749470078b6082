//! `median-min`, `median-max`: rows compared with the median of the partitions before.
//!
//! Invariants: compared with is what is published at that moment, by the records that the partitions carry; periods that are not published
//! are left out, and a partition that has none before it passes.

use super::{CheckKind, CheckSpec, Found, Staged, Tally};
use crate::catalog::calendar::Cadence;
use crate::catalog::check::Median;
use crate::catalog::pattern::fill;
use crate::engine::failure::Failure;
use crate::engine::record::Records;
use crate::rules::place::Pattern;
use crate::rules::{Subject, TableRecords};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Where the partitions before lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Earlier {
    asset: String,
    op: String,
    root: PathBuf,
    pattern: String,
    cadence: Cadence,
}

impl Earlier {
    pub fn of(subject: &Subject) -> Option<Self> {
        let Pattern { root, pattern, cadence } = Pattern::of(subject.catalog, subject.site, subject.asset, subject.op);
        let (asset, op) = (subject.asset.name.clone(), subject.op.name.clone());
        Some(Self { asset, op, root: root.to_path_buf(), pattern, cadence: cadence? })
    }

    /// The rows of those of the last so many periods before an instant that are published.
    fn rows(&self, before: i64, periods: u64) -> Vec<u64> {
        let own = self.cadence.ordinal(before);
        let starts = (1..=periods.min(i64::MAX as u64) as i64).map(|back| self.cadence.at_ordinal(own - back).start);
        starts.filter_map(|start| self.rows_at(start)).collect()
    }

    fn rows_at(&self, start: i64) -> Option<u64> {
        let directory = self.root.join(fill(&self.pattern, &self.cadence, start));
        let record = TableRecords.read(&directory)?;
        let is_ours = record.action.asset == self.asset && record.action.op == self.op;
        record.metadata.get("rows").filter(|_| is_ours).and_then(Value::as_u64)
    }
}

pub struct AgainstMedian;

impl CheckKind for AgainstMedian {
    fn name(&self) -> &'static str {
        "median"
    }

    fn begin(&self, check: &CheckSpec, _: &Staged) -> Option<Box<dyn Tally>> {
        Some(Box::new(Compared { asked: check.check.median.clone()?, earlier: check.earlier.clone()? }))
    }
}

struct Compared {
    asked: Median,
    earlier: Earlier,
}

impl Tally for Compared {
    fn found(self: Box<Self>, staged: &Staged) -> Result<Found, Failure> {
        let before = staged.period.map(|period| self.earlier.rows(period.start, self.asked.of)).unwrap_or_default();
        let Some(median) = median(&before) else { return Ok(Found { value: Value::Null, wrong: None }) };
        let (rows, Median { min, max, .. }) = (staged.rows, &self.asked);
        let few = min.filter(|min| (rows as f64) < min * median).map(|min| format!("at least {min} times"));
        let many = max.filter(|max| (rows as f64) > max * median).map(|max| format!("at most {max} times"));
        let said = |bound: String| {
            format!("{rows} rows, and {bound} {median} are expected, the median of the {} published periods before", before.len())
        };
        Ok(Found { value: json!({"rows": rows, "median": median, "of": before.len()}), wrong: few.or(many).map(said) })
    }
}

/// The middle one, or the mean of the two in the middle.
pub fn median(numbers: &[u64]) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    let (low, high) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some((*low as f64 + *high as f64) / 2.0)
}
