//! What a command must leave alone: its own inputs and sources, and what it has published before.
//!
//! Looked at before and after. Knows nothing of who wrote. Invariant: a directory that was replaced whole, as another build's publishing
//! does it, is no trespass; whether inputs are still those that were judged, the engine finds out itself.

use super::{CommandSpec, Occasion};
use crate::digest::Digest;
use crate::engine::check::{file_digest, modified};
use crate::engine::failure::{Failure, FailureKind};
use crate::path::Root;
use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// What the file system says of a file: size, time, inode. Not the time of its change: a link to it counts as one.
type Seen = (u64, i64, u64);

/// A directory's own inode, and its files.
struct Directory {
    inode: u64,
    files: BTreeMap<PathBuf, Seen>,
}

pub struct Watch {
    inputs: BTreeMap<PathBuf, Option<Directory>>,
    sources: BTreeMap<PathBuf, Option<(Seen, Digest)>>,
    published: (PathBuf, Option<Directory>),
}

impl Watch {
    pub fn begin(spec: &CommandSpec, occasion: &Occasion) -> Result<Self, Failure> {
        let inputs = occasion.inputs.values().flatten().map(|path| (path.clone(), look(path))).collect();
        let source = |name: &String| {
            let path = spec.workspace.join(name);
            (path.clone(), source(&path))
        };
        let sources = spec.sources.iter().map(source).collect();
        let published = (occasion.published.clone(), look(&occasion.published));
        Ok(Self { inputs, sources, published })
    }

    /// Fails if anything was written.
    pub fn end(&self, root: &Root) -> Result<(), Failure> {
        for (path, before) in &self.sources {
            if has_changed(path, before.as_ref()) {
                return Err(trespass(root, path, "one of its own sources"));
            }
        }
        for (path, before) in &self.inputs {
            if let Some(file) = before.as_ref().and_then(|before| difference(before, look(path))) {
                return Err(trespass(root, &file, "which is in one of its own inputs; rebuild that one, it counts as modified"));
            }
        }
        let (path, before) = &self.published;
        let found = match (before, look(path)) {
            (None, after) => after.map(|_| path.clone()),
            (Some(before), after) => difference(before, after),
        };
        found.map_or(Ok(()), |file| Err(trespass(root, &file, "where its output is published; what it makes belongs into {output}")))
    }
}

fn trespass(root: &Root, file: &Path, what: &str) -> Failure {
    let name = root.name(file);
    Failure::new(FailureKind::Trespass, format!("{name} was written while the command ran, {what}; nothing was published"))
}

fn seen(metadata: &Metadata) -> Seen {
    (metadata.len(), modified(metadata), metadata.ino())
}

fn look(path: &Path) -> Option<Directory> {
    let inode = fs::metadata(path).ok()?.ino();
    let entries = WalkDir::new(path).into_iter().flatten().filter(|entry| !entry.file_type().is_dir());
    let files = entries.filter_map(|entry| Some((entry.path().to_path_buf(), seen(&entry.metadata().ok()?)))).collect();
    Some(Directory { inode, files })
}

fn source(path: &Path) -> Option<(Seen, Digest)> {
    Some((seen(&fs::metadata(path).ok()?), file_digest(path).ok()?))
}

/// Whether a source holds something else now. One that was only touched does not.
fn has_changed(path: &Path, before: Option<&(Seen, Digest)>) -> bool {
    let now = || fs::metadata(path).ok().map(|m| seen(&m));
    match before {
        None => path.exists(),
        Some((then, digest)) => now() != Some(*then) && file_digest(path).ok() != Some(*digest),
    }
}

/// The first file that differs, if it is still the same directory.
fn difference(before: &Directory, after: Option<Directory>) -> Option<PathBuf> {
    let after = after.filter(|after| after.inode == before.inode)?;
    let changed = before.files.iter().find(|(path, seen)| after.files.get(*path) != Some(seen));
    let added = || after.files.keys().find(|path| !before.files.contains_key(*path));
    changed.map(|(path, _)| path).or_else(added).cloned()
}
