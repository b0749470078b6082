//! An action: one op for one partition key, as plain data that can be planned here and run by another process.
//!
//! Knows nothing of what the rule kind does with its spec. Invariants: whatever the spec holds that can change the output is also in
//! `definition`, or comes from what `requests` and `upstreams` observe; what all partitions of an op have alike exists once, so that an
//! action of one partition is small: there may be hundreds of thousands.

use super::observation::Observation;
use super::retry::RetryPolicy;
use super::trace;
use crate::digest::Digest;
use crate::digest::key::key;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A text that many actions share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == **other
    }
}

impl PartialEq<String> for Name {
    fn eq(&self, other: &String) -> bool {
        *self.0 == **other
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d).map(Self::from)
    }
}

/// `asset.op@key`; an unpartitioned action has no key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ActionId {
    pub asset: Name,
    pub op: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Name>,
}

impl ActionId {
    /// Stands for the action in tables.
    pub fn table_key(&self) -> u128 {
        key(&[self.asset.as_bytes(), self.op.as_bytes(), self.key.as_deref().unwrap_or_default().as_bytes(), &[self.key.is_some().into()]])
    }

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
    #[serde(with = "shared_path")]
    pub root: Arc<Path>,
    /// Relative to `root`.
    pub directory: String,
}

impl Place {
    pub fn path(&self) -> PathBuf {
        self.root.join(&self.directory)
    }

    /// Stands for the place in tables: root and directory, whoever publishes there.
    pub fn table_key(&self) -> u128 {
        key(&[self.root.as_os_str().as_encoded_bytes(), self.directory.as_bytes()])
    }
}

/// A half-open range of instants, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    pub start: i64,
    pub end: i64,
}

/// A question to the world about an action's period, opaque to the engine; `name` is for people.
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

impl Default for Resources {
    fn default() -> Self {
        Self { cpus: 1, memory: 1 << 30 }
    }
}

/// What all actions of one op have alike.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Common {
    pub rule: String,
    /// Rule versions and parameters: known without looking at the world.
    pub definition: Vec<Observation>,
    pub requests: Vec<Request>,
    /// What the rule runs by, beside an action's key, period and place.
    pub spec: Value,
    pub resources: Resources,
    pub retry: RetryPolicy,
    /// Milliseconds.
    pub timeout: Option<u64>,
    /// How long after its end, in milliseconds, a period no longer follows changed data.
    #[serde(default)]
    pub settle: Option<i64>,
    /// How long after its end, in milliseconds, a period is due: rows of it may come until then.
    #[serde(default)]
    pub due_after: i64,
    #[serde(skip)]
    pub digest: OnceLock<Digest>,
}

impl Common {
    /// The digest of the definition, made once.
    pub fn definition_digest(&self) -> Digest {
        *self.digest.get_or_init(|| trace::digest_of(&self.definition))
    }
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

mod shared_path {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    pub fn serialize<S: Serializer>(path: &Arc<Path>, s: S) -> Result<S::Ok, S::Error> {
        path.as_ref().serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Arc<Path>, D::Error> {
        PathBuf::deserialize(d).map(Into::into)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    pub id: ActionId,
    #[serde(with = "shared")]
    pub common: Arc<Common>,
    /// The partition's period.
    pub period: Option<Interval>,
    /// Actions whose output this one reads.
    pub upstreams: Vec<ActionId>,
    /// Actions that only come first.
    pub after: Vec<ActionId>,
    pub place: Place,
}

/// An action as it is given to whoever runs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub action: Action,
    /// An empty directory to write into.
    pub staging: PathBuf,
    /// What its upstreams have published, in the order of `action.upstreams`.
    pub inputs: Vec<Input>,
    /// What the world has resolved for this build.
    #[serde(default)]
    pub resolved: Value,
}

/// A published output that a job reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    pub id: ActionId,
    /// The kind of rule that made it.
    pub rule: String,
    pub path: PathBuf,
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
