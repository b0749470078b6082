//! What the catalog must know of an aggregate: its name, its options, the type it makes. How it computes is the business of `features`.
//!
//! Invariant: the registry that implements [`Signature`] is handed in, so a new aggregate needs no change here.

use super::types::DataType;
use serde::{Deserialize, Serialize};

/// The options of an aggregate, constants resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Options {
    /// How many values `first_k` and `last_k` keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k: Option<u64>,
    /// Whether `first_k` and `last_k` keep no value twice.
    #[serde(default, skip_serializing_if = "is_false")]
    pub distinct: bool,
    /// Whether `distinct` looks at the elements of lists.
    #[serde(default, skip_serializing_if = "is_false")]
    pub flatten: bool,
    /// How many of the newest values `distinct` keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Options {
    /// The names of the options that are given, as the manifest writes them.
    pub fn given(&self) -> Vec<&'static str> {
        let all = [("k", self.k.is_some()), ("distinct", self.distinct), ("flatten", self.flatten), ("max", self.max.is_some())];
        all.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
    }
}

/// The face that an aggregate shows to the catalog.
pub trait Signature: Sync {
    /// `count`, `last_k`, …: snake case; the manifest's `last … k=` is `last_k`.
    fn name(&self) -> &'static str;

    /// Raised by a change that alters results, so that exactly its users are rebuilt.
    fn version(&self) -> u32;

    /// Whether it reads a column (`count` and `time_since_last` do not).
    fn takes_column(&self) -> bool;

    /// Names of the options that it understands, a subset of `k distinct flatten max`.
    fn options(&self) -> &'static [&'static str];

    /// The type of its result; an error says in a few words what it would need instead.
    fn output(&self, input: Option<&DataType>, options: &Options) -> Result<DataType, String>;

    /// Whether an empty window gives 0 (counts) rather than null.
    fn zero_when_empty(&self) -> bool;
}
