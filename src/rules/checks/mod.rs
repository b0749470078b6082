//! Asset checks: what a partition must meet before it is published.
//!
//! They run in the worker on the staged output: each kind is one file and one line in [`REGISTRY`]. Invariants: an error leaves what is
//! published standing; a warning publishes, also where it is about a column that is not there; results are in the metadata and told, whichever it is; the data is read once for all
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
use crate::engine::failure::{Failure, FailureKind};
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

/// One kind of one check at work.
struct Judging<'a> {
    check: &'a Check,
    kind: &'static str,
    tally: Box<dyn Tally>,
    /// Why it cannot go on, if it only warns.
    given_up: Option<String>,
}

impl Judging<'_> {
    fn see(&mut self, rows: &RecordBatch) -> Result<(), Failure> {
        if self.given_up.is_some() || self.tally.columns().is_empty() {
            return Ok(());
        }
        let seen = self.tally.see(rows);
        self.given_up = or_warning(self.check, seen)?.err();
        Ok(())
    }

    fn result(self, staged: &Staged) -> Result<CheckResult, Failure> {
        let found = match self.given_up {
            Some(why) => Err(why),
            None => or_warning(self.check, self.tally.found(staged))?,
        };
        let Found { value, wrong } = found.unwrap_or_else(|why| Found { value: Value::Null, wrong: Some(why) });
        let Check { name, blocks, .. } = self.check;
        Ok(CheckResult { check: name.clone(), kind: self.kind.into(), passed: wrong.is_none(), blocks: *blocks, value, detail: wrong })
    }
}

fn results(checks: &[CheckSpec], staged: &Staged) -> Result<Vec<CheckResult>, Failure> {
    let mut judging: Vec<Judging> = Vec::new();
    for check in checks {
        let begun = REGISTRY.iter().filter_map(|kind| Some((kind.name(), kind.begin(check, staged)?)));
        judging.extend(begun.map(|(kind, tally)| Judging { check: &check.check, kind, tally, given_up: None }));
    }
    let columns: BTreeSet<String> = judging.iter().flat_map(|one| one.tally.columns()).collect();
    if !columns.is_empty() {
        staged.scan(&columns, &mut |rows| judging.iter_mut().try_for_each(|one| one.see(rows)).map(|()| true))?;
    }
    judging.into_iter().map(|one| one.result(staged)).collect()
}

/// What a check cannot judge, such as a column that is not there, fails the action only if the check may. What the machine lacks always does.
fn or_warning<T>(check: &Check, result: Result<T, Failure>) -> Result<Result<T, String>, Failure> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(failure) if failure.kind == FailureKind::Permanent && !check.blocks => Ok(Err(failure.message)),
        Err(failure) => Err(Failure { message: format!("check `{}`: {}", check.name, failure.message), ..failure }),
    }
}

/// A column of some rows; an error says that its file has none of that name.
fn column<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a arrow::array::ArrayRef, Failure> {
    rows.column_by_name(name).ok_or_else(|| Failure::permanent(format!("the output has no column `{name}`")))
}
