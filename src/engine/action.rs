//! An action: one op for one partition key, as plain data that can be planned here and run by another process.
//!
//! Knows nothing of what the rule kind does with `spec`. Invariant: whatever `spec` holds that can change the output is also in
//! `definition`, or comes from what `requests` and `upstreams` observe.

use super::observation::Observation;
use super::retry::RetryPolicy;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::path::PathBuf;

/// `asset.op@key`; an unpartitioned action has no key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ActionId {
    pub asset: String,
    pub op: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl ActionId {
    /// A file name of its own for each action.
    pub fn file_name(&self) -> String {
        self.to_string().chars().map(|c| if c.is_alphanumeric() || "._@-".contains(c) { c } else { '_' }).collect()
    }
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.asset, self.op)?;
        self.key.iter().try_for_each(|key| write!(f, "@{key}"))
    }
}

/// Where an action publishes: a directory below an output root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub root: PathBuf,
    /// Relative to `root`.
    pub directory: String,
}

impl Place {
    pub fn path(&self) -> PathBuf {
        self.root.join(&self.directory)
    }
}

/// A question to the world, opaque to the engine; `name` is for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub name: String,
    pub ask: Value,
}

/// What an action may use. Bytes of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    pub cpus: u64,
    pub memory: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    pub id: ActionId,
    pub rule: String,
    /// Rule versions and parameters: known without looking at the world.
    pub definition: Vec<Observation>,
    pub requests: Vec<Request>,
    /// Actions whose output this one reads.
    pub upstreams: Vec<ActionId>,
    /// Actions that only come first.
    pub after: Vec<ActionId>,
    pub place: Place,
    pub spec: Value,
    pub resources: Resources,
    pub retry: RetryPolicy,
    /// Milliseconds.
    pub timeout: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_targets_are() {
        let id = ActionId { asset: "a".into(), op: "skeleton".into(), key: Some("2026-02-01T13".into()) };
        assert_eq!(id.to_string(), "a.skeleton@2026-02-01T13");
        assert_eq!(id.file_name(), "a.skeleton@2026-02-01T13");
    }
}
