//! Rule kinds: how an op of an asset becomes an action, and how that action runs; and the world they observe.
//!
//! Knows nothing of the terminal or of KDL. Invariants: what a rule's action reads is what it asked the world about; the registry below is
//! the one list of kinds, and tests run over all of it.

mod checks;
mod command;
mod compile;
mod enrich;
mod failures;
mod loader;
mod operators;
mod place;
mod records;
mod skeleton;
mod source;
mod versions;
mod world;

pub use records::TableRecords;
pub use source::SourceSpec;
pub use world::TableWorld;

use crate::catalog::aggregate::Signature;
use crate::catalog::calendar::Period;
use crate::catalog::dag::Dag;
use crate::catalog::model::{Asset, Catalog, Op};
use crate::engine::action::{Action, Common, Place, Request};
use crate::engine::execute::{Made, Progress};
use crate::engine::failure::{Failure, FailureKind};
use crate::path::Root;
use serde_json::Value;
use std::path::{Path, PathBuf};

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

    /// What the actions of an op have alike, whatever their partition: its definition, and most of what it runs by.
    fn common(&self, subject: &Subject) -> Result<Common, String>;

    /// What one action has of its own: what it asks the world, where it publishes.
    fn draft(&self, subject: &Subject) -> Result<Draft, String>;

    /// Runs an action into an empty directory.
    fn run(&self, action: &Action, staging: &Path, tell: Tell) -> Result<Made, Failure>;
}

/// The kinds there are.
pub static REGISTRY: &[&dyn RuleKind] = &[&compile::Compile, &skeleton::Skeleton, &enrich::Enrich, &command::CommandRule];

/// Names that the manifest may write.
pub const NAMES: &[&str] = &["compile", "skeleton", "enrich", "command"];

pub fn by_name(name: &str) -> Option<&'static dyn RuleKind> {
    REGISTRY.iter().copied().find(|rule| rule.name() == name)
}

/// The aggregates that services may use, for the catalog.
pub fn aggregates() -> Vec<&'static dyn Signature> {
    crate::features::aggregates::REGISTRY.iter().map(|a| *a as &dyn Signature).collect()
}

/// Where a workspace reads and writes.
#[derive(Debug, Clone)]
pub struct Site {
    pub root: Root,
    pub output_root: PathBuf,
    pub enriched_output_root: PathBuf,
}

/// What a draft is made from.
pub struct Subject<'a> {
    pub catalog: &'a Catalog,
    pub site: &'a Site,
    pub asset: &'a Asset,
    pub op: &'a Op,
    pub dag: &'a Dag,
    /// The partition's key and period; none where the action is for the whole asset.
    pub partition: Option<(&'a str, Period)>,
    /// Where the ops that this one needs publish, by op.
    pub inputs: &'a [(String, String, Place)],
}

/// An action without what every kind has alike.
pub struct Draft {
    pub requests: Vec<Request>,
    /// Names of sibling ops whose output is read, as opposed to those that only come first.
    pub reads: Vec<String>,
    /// What is read of other assets.
    pub inputs: Vec<Reads>,
    pub spec: Value,
    pub place: Place,
}

/// The periods of an asset that are read: those that overlap a range. Without a start, from its first one on; without an end, to the
/// last one that has ended.
pub struct Reads {
    pub asset: String,
    pub range: (Option<i64>, Option<i64>),
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
    }
}

/// Runs an action here. Unknown kinds cannot be planned, so one here is a bug.
pub fn run(action: &Action, staging: &Path, tell: Tell) -> Result<Made, Failure> {
    match by_name(&action.rule) {
        Some(rule) => rule.run(action, staging, tell),
        None => Err(Failure::new(FailureKind::Bug, format!("no rule kind `{}`", action.rule))),
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
}
