//! Rule kinds: how an op of an asset becomes an action, and how that action runs; and the world they observe.
//!
//! Knows nothing of the terminal or of KDL. Invariants: what a rule's action reads is what it asked the world about; the registry below is
//! the one list of kinds, and tests run over all of it.

mod budget;
mod cadence;
mod checks;
mod columns;
mod command;
mod compile;
mod enrich;
mod failures;
pub mod inspection;
mod kept;
mod keyed;
mod loader;
mod operators;
mod pace;
mod place;
mod readiness;
mod reads;
mod records;
mod selected;
mod selects;
mod skeleton;
mod source;
#[cfg(test)]
mod trials;
mod uses;
mod vectors;
mod versions;
mod world;

pub use reads::Reads;
pub use records::TableRecords;
pub use source::SourceSpec;
pub use world::TableWorld;

use crate::catalog::aggregate::Signature;
use crate::catalog::calendar::Period;
use crate::catalog::dag::Dag;
use crate::catalog::model::{Asset, Catalog, Op};
use crate::engine::action::{Action, Interval, Job, Place, Request};
use crate::engine::execute::{Made, Progress};
use crate::engine::failure::{Failure, FailureKind};
use crate::engine::observation::Observation;
use crate::path::Root;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

/// Tells how far a running action is.
pub type Tell<'a> = &'a (dyn Fn(Progress) + Sync);

/// A kind of rule.
pub trait RuleKind: Sync {
    /// As the manifest writes it.
    fn name(&self) -> &'static str;

    /// One action for the whole asset, rather than one per partition.
    fn is_unpartitioned(&self) -> bool {
        false
    }

    /// Whether an op can work as it stands in its asset; else why not and, behind a colon, what to do.
    fn fit(&self, subject: &Subject) -> Result<(), String>;

    /// What the actions of an op have alike, whatever their partition. There is an outline of every op that is [`fit`](Self::fit).
    fn outline(&self, subject: &Subject) -> Result<Outline, String>;

    /// Where an action publishes.
    fn place(&self, subject: &Subject, partition: Option<Partition>) -> Place;

    /// Runs an action into an empty directory.
    fn run(&self, job: &Job, tell: Tell) -> Result<Made, Failure>;
}

/// The kinds there are.
pub static REGISTRY: &[&dyn RuleKind] = &[&compile::Compile, &skeleton::Skeleton, &enrich::Enrich, &command::CommandRule];

/// Names that the manifest may write.
pub const NAMES: &[&str] = &["compile", "skeleton", "enrich", "command"];

pub fn by_name(name: &str) -> Option<&'static dyn RuleKind> {
    REGISTRY.iter().copied().find(|rule| rule.name() == name)
}

/// The aggregates that Polars can compute, too.
pub const ON_POLARS: &[&str] = crate::features::recipe::NAMES;

/// The aggregates that services may use, for the catalog.
pub fn aggregates() -> Vec<&'static dyn Signature> {
    crate::features::aggregates::REGISTRY.iter().map(|a| *a as &dyn Signature).collect()
}

/// Where a workspace reads and writes.
#[derive(Debug, Clone)]
pub struct Site {
    pub root: Root,
    pub output_root: Arc<Path>,
    pub enriched_output_root: Arc<Path>,
    /// Where caches and history are kept.
    pub state: Arc<Path>,
    /// Bytes of vectors that may be kept there.
    pub vectors_kept: u64,
}

/// What an op's actions are made from.
pub struct Subject<'a> {
    pub catalog: &'a Catalog,
    pub site: &'a Site,
    pub asset: &'a Asset,
    pub op: &'a Op,
    pub dag: &'a Dag,
}

impl Subject<'_> {
    /// The op of a kind that this one needs.
    fn needed(&self, rule: &str) -> Option<&Op> {
        self.asset.ops.iter().find(|op| op.rule == rule && self.op.needs.contains(&op.name))
    }
}

/// A key and the period it names.
#[derive(Debug, Clone, Copy)]
pub struct Partition<'a> {
    pub key: &'a str,
    pub period: Period,
}

/// What the actions of an op have alike, beside how they run.
pub struct Outline {
    pub definition: Vec<Observation>,
    pub requests: Vec<Request>,
    /// Names of sibling ops whose output is read, as opposed to those that only come first.
    pub reads: Vec<String>,
    /// What is read of other assets.
    pub inputs: Vec<Reads>,
    pub spec: Value,
}

/// An action's spec, as its kind reads it.
fn spec_of<T: DeserializeOwned>(action: &Action) -> Result<T, Failure> {
    serde_json::from_value(action.common.spec.clone()).map_err(|e| Failure::new(FailureKind::Bug, format!("{}: {e}", action.id)))
}

/// The period of an action of a partitioned op.
fn period_of(action: &Action) -> Result<Period, Failure> {
    let period = action.period.map(|Interval { start, end }| Period { start, end });
    period.ok_or_else(|| Failure::new(FailureKind::Bug, format!("{} has no period", action.id)))
}

/// Fields of an action's `spec` whose values are in its definition, and those that need not be, with the reason.
#[cfg(test)]
struct SpecFields {
    hashed: &'static [&'static str],
    exempt: &'static [(&'static str, &'static str)],
}

#[cfg(test)]
impl SpecFields {
    /// Fails for a field that nobody has decided about.
    fn check(&self, spec: &Value) {
        let exempt = self.exempt.iter().map(|(name, _)| *name);
        let decided: std::collections::BTreeSet<&str> = self.hashed.iter().copied().chain(exempt).collect();
        let fields: std::collections::BTreeSet<&str> = spec.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        assert_eq!(fields, decided, "a new field of a spec is either hashed into the definition or exempted with a reason");
        assert!(self.exempt.iter().all(|(_, why)| !why.is_empty()));
    }
}

/// Runs an action here. Unknown kinds cannot be planned, so one here is a bug.
pub fn run(job: &Job, tell: Tell) -> Result<Made, Failure> {
    let name = &job.action.common.rule;
    match by_name(name) {
        Some(rule) => rule.run(job, tell),
        None => Err(Failure::new(FailureKind::Bug, format!("no rule kind `{name}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_a_name_of_the_manifest_and_found_by_it() {
        for rule in REGISTRY {
            assert!(NAMES.contains(&rule.name()));
            assert_eq!(by_name(rule.name()).map(|r| r.name()), Some(rule.name()));
        }
    }

    #[test]
    fn a_field_that_nobody_has_decided_about_is_found_out_and_so_is_one_that_is_gone() {
        let fields = SpecFields { hashed: &["run"], exempt: &[("checks", "judge the output and do not change it")] };
        let fails = |spec: Value| std::panic::catch_unwind(|| fields.check(&spec)).is_err();
        assert!(!fails(serde_json::json!({"run": 1, "checks": []})));
        assert!(fails(serde_json::json!({"run": 1, "checks": [], "shuffle": false})));
        assert!(fails(serde_json::json!({"run": 1})));
    }
}
