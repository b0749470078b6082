//! Workspace-relative paths: how daeda names a file in messages, records and digests.
//!
//! Knows nothing of what lies there. Invariant: absolute paths never reach a digest or a record, so a workspace can be moved.

use std::path::{Path, PathBuf};

/// A directory that relative paths start from.
#[derive(Debug, Clone)]
pub struct Root(PathBuf);

impl Root {
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self(directory.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where a path written in the manifest lies. An absolute one stays as it is.
    pub fn join(&self, relative: &str) -> PathBuf {
        self.0.join(relative)
    }

    /// The name to show and to hash: relative to the root where the file lies below it.
    pub fn name(&self, path: &Path) -> String {
        slashed(path.strip_prefix(&self.0).unwrap_or(path))
    }
}

/// A path's text with `/` between its parts.
pub fn slashed(path: &Path) -> String {
    path.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_relative_where_they_can_be() {
        let root = Root::new("/some/space");
        assert_eq!(root.name(Path::new("/some/space/data/feed")), "data/feed");
        assert_eq!(root.name(Path::new("/elsewhere/feed")), "/elsewhere/feed");
        assert_eq!(root.join("/elsewhere"), Path::new("/elsewhere"));
    }
}
