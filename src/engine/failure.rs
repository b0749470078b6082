//! Failures of actions: which may pass, which will not, and which are remembered.
//!
//! Invariant: a remembered failure names what was tried; once anything observed differs, or what the op runs by, it is forgotten.

use super::action::{Action, ActionId, Common};
use super::index::TraceDigest;
use crate::digest::{Digest, Hasher};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// May pass by itself: a timeout, a killed process, an input that changed meanwhile. Retried; remembered once retries are used up.
    Transient,
    /// Will not pass until something changes: a wrong schema, bad rows. Never retried, remembered.
    Permanent,
    /// An op has written what it must leave alone, such as its own inputs, and would again: permanent, whatever has changed meanwhile.
    Trespass,
    /// The machine's: no space, no permission. Neither retried nor remembered.
    Environment,
    /// daeda's own fault.
    Bug,
    Interrupted,
}

impl FailureKind {
    /// No space, no permission, no such file: the machine's. Anything else may pass.
    pub fn of_io(kind: std::io::ErrorKind) -> Self {
        use std::io::ErrorKind::*;
        match kind {
            StorageFull | QuotaExceeded | PermissionDenied | ReadOnlyFilesystem | NotFound | NotADirectory | IsADirectory | Unsupported
            | CrossesDevices => Self::Environment,
            _ => Self::Transient,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub kind: FailureKind,
    pub message: String,
    /// Where what was printed meanwhile can be read, if anything was.
    #[serde(default)]
    pub log: Option<String>,
    /// The most memory that was held meanwhile, in bytes; 0 where nobody knows.
    #[serde(default)]
    pub peak_memory: u64,
}

impl Failure {
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), log: None, peak_memory: 0 }
    }

    /// The same, with the name of a log unless there is one already.
    pub fn logged(self, log: impl FnOnce() -> Option<String>) -> Self {
        Self { log: self.log.or_else(log), ..self }
    }

    /// The same, with the most memory that was held unless that is known.
    pub fn held(self, peak: impl FnOnce() -> u64) -> Self {
        Self { peak_memory: if self.peak_memory > 0 { self.peak_memory } else { peak() }, ..self }
    }

    /// What an op failed of while its input changed says nothing about that input, unless it changed it itself.
    pub fn excused(self, changed: &Failure) -> Self {
        match self.kind {
            FailureKind::Permanent | FailureKind::Environment => {
                Self { kind: changed.kind, message: format!("{}; meanwhile it failed: {}", changed.message, self.message), ..self }
            }
            _ => self,
        }
    }

    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Permanent, message)
    }

    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Transient, message)
    }

    /// An I/O error, judged by its kind.
    pub fn io(what: &str, error: &std::io::Error) -> Self {
        let kind = FailureKind::of_io(error.kind());
        Self::new(kind, format!("{what}: {error}"))
    }
}

/// How an action failed when it was last tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    pub message: String,
    pub attempts: u64,
    /// RFC 3339, UTC.
    pub at: String,
    /// Where what it printed can be read.
    pub log: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    action: ActionId,
    tried: Digest,
    failure: Past,
}

/// What was tried: the trace, and beside it what the op runs by without being made of it, such as its checks, its timeout and its resources.
fn tried(action: &Action, trace: TraceDigest) -> Digest {
    let Common { spec, resources, retry, timeout, .. } = &*action.common;
    // Serialised by a library: good enough for what may be forgotten.
    let run = serde_json::json!([spec, resources, retry, timeout]).to_string();
    Hasher::new("tried").digest("definition", &trace.definition).digest("data", &trace.data).text("run", &run).finish()
}

/// Failures that need not be tried again, one small file each under `.daeda/failed`. Losing one costs a retry.
pub struct FailureMemory {
    directory: PathBuf,
}

impl FailureMemory {
    pub fn new(state: &std::path::Path) -> Self {
        Self { directory: state.join("failed") }
    }

    /// The failure of an action under just this trace, run in just this way.
    pub fn recall(&self, action: &Action, trace: TraceDigest) -> Option<Past> {
        let text = std::fs::read_to_string(self.path(&action.id)).ok()?;
        let remembered: Remembered = serde_json::from_str(&text).ok()?;
        (remembered.action == action.id && remembered.tried == tried(action, trace)).then_some(remembered.failure)
    }

    /// Best effort: a failure that cannot be written down is only tried again.
    pub fn remember(&self, action: &Action, trace: TraceDigest, failure: Past) {
        let remembered = Remembered { action: action.id.clone(), tried: tried(action, trace), failure };
        let _ = std::fs::create_dir_all(&self.directory);
        let path = self.path(&action.id);
        if path.is_dir() {
            // Nothing of ours; whatever lies under `.daeda` may be lost.
            let _ = std::fs::remove_dir_all(&path);
        }
        if let Ok(text) = serde_json::to_string(&remembered) {
            let _ = std::fs::write(path, text);
        }
    }

    pub fn forget(&self, action: &ActionId) {
        let _ = std::fs::remove_file(self.path(action));
    }

    fn path(&self, action: &ActionId) -> PathBuf {
        self.directory.join(format!("{}.json", action.file_name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_input_excuses_all_but_who_wrote_it() {
        let changed = Failure::transient("input changed while the op ran: words.txt");
        let excused = |kind| Failure::new(kind, "bad rows").excused(&changed);
        for kind in [FailureKind::Permanent, FailureKind::Environment] {
            assert_eq!(excused(kind), Failure::transient("input changed while the op ran: words.txt; meanwhile it failed: bad rows"));
        }
        for kind in [FailureKind::Trespass, FailureKind::Transient, FailureKind::Bug, FailureKind::Interrupted] {
            assert_eq!(excused(kind), Failure::new(kind, "bad rows"));
        }
    }
}
