//! The record that a published output carries about itself: its trace, its files, its metadata.
//!
//! Knows nothing of where inside the output it is kept: [`Records`] does that. Invariant: a record that names another action or was
//! written by a newer scheme is not trusted. One of an
//! older scheme is upgraded as it is read; the file itself stays as it is until its output is built anew.

use super::action::{Action, ActionId};
use super::disk::Disk;
use super::execute::CheckResult;
use super::index::TraceDigest;
use super::observation::Observation;
use super::trace;
use crate::digest::{Digest, Hasher};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::Path;

/// How records say what was observed. Hashing has a scheme of its own.
///
/// | scheme | ranges of periods |
/// |---|---|
/// | 1 | one observation of columns per period, and a listing of all of them |
/// | 2 | one observation of each over a tree of periods |
pub const SCHEME: u32 = 2;

/// The name under which metadata has the results of checks.
pub const CHECKS: &str = "checks";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub scheme: u32,
    pub action: ActionId,
    pub trace: Vec<Observation>,
    pub output: Output,
    /// What the rule says of its result: rows, columns, rows dropped by each step.
    pub metadata: Map<String, Value>,
    /// RFC 3339, UTC.
    pub finished: String,
    pub seconds: f64,
    pub attempts: u64,
    /// Bytes.
    pub peak_memory: u64,
    /// When its data files were cleaned away, RFC 3339, UTC. What was built from them is still verified against this record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleaned: Option<String>,
}

/// The data files of an output. Its digest covers them, not the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    pub digest: Digest,
    pub files: Vec<OutputFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFile {
    pub name: String,
    pub size: u64,
    pub digest: Digest,
    /// Nanoseconds since the epoch, as staged: a rename keeps it.
    #[serde(default)]
    pub modified: i64,
}

impl Output {
    pub fn new(files: Vec<OutputFile>) -> Self {
        let mut hasher = Hasher::new("output");
        for file in &files {
            hasher.text("name", &file.name).digest("bytes", &file.digest);
        }
        Self { digest: hasher.finish(), files }
    }
}

impl Record {
    /// Whether this record is about that action, in a scheme that is known.
    pub fn is_of(&self, action: &Action) -> bool {
        self.is_about(&action.id)
    }

    pub fn is_about(&self, id: &ActionId) -> bool {
        (1..=SCHEME).contains(&self.scheme) && self.action == *id
    }

    /// What its checks found.
    pub fn checks(&self) -> Vec<CheckResult> {
        let checks = self.metadata.get(CHECKS).and_then(Value::as_array).into_iter().flatten();
        // Records of earlier versions say less of their checks.
        checks.filter_map(|check| serde_json::from_value(check.clone()).ok()).collect()
    }

    /// Whether it was published although a check failed.
    pub fn is_warned(&self) -> bool {
        self.checks().iter().any(|check| !check.passed)
    }

    /// Of what was recorded.
    pub fn trace_digest(&self) -> TraceDigest {
        let (declared, data): (Vec<Observation>, Vec<Observation>) = self.trace.iter().cloned().partition(|o| o.kind.is_declared());
        TraceDigest { definition: trace::digest_of(&declared), data: trace::digest_of(&data) }
    }
}

/// Keeps records inside outputs.
pub trait Records: Sync {
    /// The name of the record's file in a published directory.
    fn file_name(&self, directory: &Path) -> &'static str;

    /// The record in a published directory; `None` where there is none that can be read.
    fn read(&self, directory: &Path) -> Option<Record>;

    /// The scheme of the record in a published directory, whether the rest of it can be read or not.
    fn scheme(&self, directory: &Path) -> Option<u32>;

    /// Whether a directory may be replaced: it is empty, has a record (readable or not), or holds nothing but files such as we write.
    fn is_ours(&self, directory: &Path) -> bool;

    /// Writes the record into a staged directory, so that readers of the data never notice it.
    fn write(&self, directory: &Path, record: &Record, disk: &dyn Disk) -> std::io::Result<()>;

    /// Writes a published output's record, now a tombstone, into a staged directory, with what else is kept beside it.
    fn bury(&self, published: &Path, staged: &Path, tombstone: &Record, disk: &dyn Disk) -> std::io::Result<()>;
}
