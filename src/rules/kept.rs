//! What an action may keep for later ones: where, and how much.
//!
//! Invariant: nothing of it changes a result; all of it may be lost at any time.

use super::Site;
use crate::table::keys::KeyCache;
use crate::table::vectors::VectorCache;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Below which caches lie; nothing is kept without one.
    pub directory: Option<PathBuf>,
    /// Bytes of vectors.
    pub vectors: u64,
}

impl Kept {
    pub fn of(site: &Site) -> Self {
        Self { directory: Some(site.state.to_path_buf()), vectors: site.vectors_kept }
    }

    pub fn keys(&self) -> KeyCache {
        self.below("cache/keys").map_or_else(KeyCache::none, |directory| KeyCache::new(&directory))
    }

    pub fn vectors(&self) -> VectorCache {
        self.below("cache/vectors").map_or_else(VectorCache::none, |directory| VectorCache::new(&directory, self.vectors))
    }

    fn below(&self, name: &str) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join(name))
    }

    /// Says of a file that it was not what it should have been.
    pub fn started_anew(&self, path: &Path) -> String {
        let name = self.directory.as_ref().and_then(|directory| path.strip_prefix(directory).ok()).unwrap_or(path);
        format!(".daeda/{} is damaged, or of another version of daeda: it is made anew", name.display())
    }
}
