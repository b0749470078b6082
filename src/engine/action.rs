//! An action: one op for one partition key, as plain data that can be planned here and run by another process.
//!
//! Knows nothing of what the rule kind does with its specs. Invariants: whatever they hold that can change the output is also in
//! `definition`, or comes from what `requests` and `upstreams` observe; what all partitions of an op have alike exists once.

use super::observation::Observation;
use super::retry::RetryPolicy;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

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

/// A half-open range of instants, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    pub start: i64,
    pub end: i64,
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

/// What all actions of one op have alike.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Common {
    /// Rule versions and parameters: known without looking at the world.
    pub definition: Vec<Observation>,
    pub spec: Value,
    /// How long after its end, in milliseconds, a period no longer follows changed data.
    #[serde(default)]
    pub settle: Option<i64>,
    /// How long after its end, in milliseconds, a period is due: rows of it may come until then.
    #[serde(default)]
    pub due_after: i64,
}

/// One value behind several actions, written out with each.
mod shared {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::sync::Arc;

    pub fn serialize<T: Serialize, S: Serializer>(value: &Arc<T>, s: S) -> Result<S::Ok, S::Error> {
        value.as_ref().serialize(s)
    }

    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Arc<T>, D::Error> {
        T::deserialize(d).map(Arc::new)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    pub id: ActionId,
    pub rule: String,
    #[serde(with = "shared")]
    pub common: Arc<Common>,
    /// The partition's period.
    #[serde(default)]
    pub period: Option<Interval>,
    pub requests: Vec<Request>,
    /// Actions whose output this one reads.
    pub upstreams: Vec<ActionId>,
    /// Actions that only come first.
    pub after: Vec<ActionId>,
    pub place: Place,
    /// What the action runs by of its own, beside what is common.
    pub spec: Value,
    pub resources: Resources,
    pub retry: RetryPolicy,
    /// Milliseconds.
    pub timeout: Option<u64>,
}

impl Action {
    /// All that the action runs by: what is common and what is its own, in one object.
    pub fn whole_spec(&self) -> Value {
        let mut whole = self.common.spec.clone();
        if let (Value::Object(whole), Value::Object(own)) = (&mut whole, &self.spec) {
            whole.extend(own.clone());
        }
        whole
    }
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
