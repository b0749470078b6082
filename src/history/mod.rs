//! The history of runs: what was built when, how long it took, what it said and what checks found. A small database under `.daeda/`.
//!
//! A consumer of the engine's events: [`recorder`] passes them on and writes them down on a thread of its own. Knows nothing of how
//! anything runs. Invariants: a history that cannot be written is a warning and never holds a build up; deleting it loses nothing but
//! itself; a reader waits for no writer, and a writer for no reader; what is damaged or of another version is set aside, and said so.

mod asset;
mod book;
mod pending;
mod read;
mod recorder;
mod retention;
mod schema;

pub use asset::{Point, points};
pub use read::{Attempt, History, PastAction, PastCheck, PastRun, RunState};
pub use recorder::{Head, Recorder};
pub use retention::Retention;
pub use schema::Trouble;

use std::path::{Path, PathBuf};

/// The database of a workspace's state directory.
fn database(state: &Path) -> PathBuf {
    state.join("history.sqlite")
}
