//! The workspace: finds and reads the files, resolves them into a catalog and settings, and makes graphs of actions for targets.
//!
//! Knows nothing of how anything runs. Invariant: a [`Workspace`] that loads without errors can be planned without further checks.

mod buildable;
mod code;
mod files;
mod graph;
mod load;
mod settings;
mod target;
mod tuning;

pub use buildable::unbuildable;
pub use code::CODES;
pub use files::{Files, Memory};
pub use graph::{PlanError, graph};
pub use load::{LoadError, Loaded, find, load, load_from};
pub use settings::{Origin, Overrides, Row, Setting, Settings, misspelt};
pub use target::{Keys, Target, TargetError, due_after, job_targets, parse_target, select};

use crate::catalog::model::Catalog;
use crate::path::Root;
use crate::rules::Site;
use std::path::PathBuf;

/// A workspace that has loaded without errors.
#[derive(Debug)]
pub struct Workspace {
    pub root: Root,
    pub catalog: Catalog,
    pub settings: Settings,
    /// The values of the runtime, and where they come from.
    pub tuning: Vec<Row>,
    /// Names of the profiles that are declared.
    pub profiles: Vec<String>,
    /// The one that was chosen.
    pub profile: Option<String>,
}

impl Workspace {
    /// Where caches and history are kept. Deleting it costs time, never correctness.
    pub fn state_directory(&self) -> PathBuf {
        self.root.join(".daeda")
    }

    /// Where actions read and write.
    pub fn site(&self) -> Site {
        Site {
            root: self.root.clone(),
            output_root: self.root.join(&self.settings.output_root.value).into(),
            enriched_output_root: self.root.join(&self.settings.enriched_output_root.value).into(),
            state: self.state_directory().into(),
            vectors_kept: self.settings.object_store.value.bytes,
        }
    }
}
