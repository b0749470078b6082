//! Asset checks: what a partition must meet before it is published.
//!
//! They run in the worker on the staged output: each kind is one file and one line in [`REGISTRY`]. Invariants: an error leaves what is
//! published standing; a warning publishes; results are in the metadata and told, whichever it is; the data is read once for all
//! checks, and only the columns that they need; a partition without rows passes whatever asks about values.

mod condition;
mod fingerprints;
mod median;
mod newest;
mod nulls;
mod rows;
mod staged;
#[cfg(test)]
mod trials;
mod unique;
mod values;

pub use median::Earlier;
pub use staged::Staged;

use super::{Subject, Tell};
use crate::catalog::check::Check;
use crate::engine::execute::{CheckResult, Made, Progress};
use crate::engine::failure::Failure;
use crate::engine::record::CHECKS;
use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A check as an action carries it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckSpec {
    #[serde(flatten)]
    pub check: Check,
    /// Where the partitions before lie, if it compares with them.
    pub earlier: Option<Earlier>,
}

/// A kind of check.
pub trait CheckKind: Sync {
    /// As results name it.
    fn name(&self) -> &'static str;

    /// Begins to look at a partition, if the check asks for this kind.
    fn begin(&self, check: &CheckSpec, staged: &Staged) -> Option<Box<dyn Tally>>;
}

/// One check's view of a partition, batch by batch.
pub trait Tally {
    /// The columns whose values it has to see. Without any it is not shown rows.
    fn columns(&self) -> Vec<String> {
        Vec::new()
    }

    /// Sees the next rows. A column that its file does not have is not among theirs.
    fn see(&mut self, _rows: &RecordBatch) -> Result<(), Failure> {
        Ok(())
    }

    /// What it found, once it has seen all rows.
    fn found(self: Box<Self>, staged: &Staged) -> Result<Found, Failure>;
}

/// What a check found.
pub struct Found {
    /// What was measured.
    pub value: Value,
    /// What is wrong, if anything is.
    pub wrong: Option<String>,
}

/// The kinds there are.
pub static REGISTRY: &[&dyn CheckKind] = &[
    &rows::RowBounds,
    &median::AgainstMedian,
    &nulls::NullRatio,
    &unique::Unique,
    &values::Range,
    &values::Accepted,
    &newest::Newest,
    &condition::Satisfies,
];

/// The checks of an asset, for the op whose output the asset is.
pub fn of(subject: &Subject) -> Vec<CheckSpec> {
    let is_last = subject.asset.ops.last().is_some_and(|last| last.name == subject.op.name);
    let spec = |check: &Check| {
        let earlier = check.median.as_ref().and_then(|_| Earlier::of(subject));
        CheckSpec { check: check.clone(), earlier }
    };
    if is_last { subject.asset.checks.iter().map(spec).collect() } else { Vec::new() }
}

/// Judges what was written. Results go to the metadata, failed warnings to the warnings; failed errors fail the action.
pub fn judge(checks: &[CheckSpec], staged: &Staged, made: &mut Made, tell: Tell) -> Result<(), Failure> {
    let results = results(checks, staged)?;
    let mut failed: Vec<String> = Vec::new();
    for result in &results {
        tell(Progress::Checked(result.clone()));
        match (&result.detail, result.blocks) {
            (Some(why), true) => failed.push(format!("check `{}` failed: {why}", result.check)),
            (Some(why), false) => made.warnings.push(format!("check `{}`: {why}", result.check)),
            (None, _) => {}
        }
    }
    if !results.is_empty() {
        made.metadata.insert(CHECKS.into(), json!(results));
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::permanent(format!("{}; nothing was published, what stood before still stands", failed.join("; "))))
    }
}

fn results(checks: &[CheckSpec], staged: &Staged) -> Result<Vec<CheckResult>, Failure> {
    let mut tallies: Vec<(&CheckSpec, &str, Box<dyn Tally>)> = Vec::new();
    for check in checks {
        tallies.extend(REGISTRY.iter().filter_map(|kind| Some((check, kind.name(), kind.begin(check, staged)?))));
    }
    let columns: BTreeSet<String> = tallies.iter().flat_map(|(_, _, tally)| tally.columns()).collect();
    if !columns.is_empty() {
        staged.scan(&columns, &mut |rows| {
            let mut seeing = tallies.iter_mut().filter(|(_, _, tally)| !tally.columns().is_empty());
            seeing.try_for_each(|(check, _, tally)| tally.see(rows).map_err(|failure| named(check, failure)))?;
            Ok(true)
        })?;
    }
    let result = |(check, kind, tally): (&CheckSpec, &str, Box<dyn Tally>)| {
        let Found { value, wrong } = tally.found(staged).map_err(|failure| named(check, failure))?;
        let Check { name, blocks, .. } = &check.check;
        Ok(CheckResult { check: name.clone(), kind: kind.into(), passed: wrong.is_none(), blocks: *blocks, value, detail: wrong })
    };
    tallies.into_iter().map(result).collect()
}

fn named(check: &CheckSpec, failure: Failure) -> Failure {
    Failure { message: format!("check `{}`: {}", check.check.name, failure.message), ..failure }
}

/// A column of some rows; an error says that its file has none of that name.
fn column<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a arrow::array::ArrayRef, Failure> {
    rows.column_by_name(name).ok_or_else(|| Failure::permanent(format!("the output has no column `{name}`")))
}
