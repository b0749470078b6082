//! Where the texts of a workspace come from: the disk, or memory.
//!
//! Knows nothing of what they say. Invariant: directories are listed by name, hidden files are no part of the workspace.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What loading asks of the world.
pub trait Files {
    /// What a file holds; an error for whatever is there and is no file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Whether anything lies there, be it a link that leads nowhere.
    fn exists(&self, path: &Path) -> bool;

    /// The KDL files that lie in a directory; `None` where nothing lies, an error where something else does.
    fn kdl_files(&self, directory: &Path) -> io::Result<Option<Vec<PathBuf>>>;
}

/// The disk.
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        // Reading a pipe would wait for somebody to write into it.
        let kind = fs::metadata(path)?.file_type();
        match kind.is_file() {
            true => fs::read(path),
            false if kind.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            false => Err(io::Error::other("it is a pipe, a socket or a device")),
        }
    }

    fn exists(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok()
    }

    fn kdl_files(&self, directory: &Path) -> io::Result<Option<Vec<PathBuf>>> {
        if !directory.is_dir() {
            return if self.exists(directory) { Err(io::ErrorKind::NotADirectory.into()) } else { Ok(None) };
        }
        let entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
        let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(|path| is_kdl(path)).collect();
        files.sort();
        Ok(Some(files))
    }
}

/// Texts that lie nowhere, by path.
#[derive(Debug, Clone, Default)]
pub struct Memory(pub BTreeMap<PathBuf, Vec<u8>>);

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }

    fn kdl_files(&self, directory: &Path) -> io::Result<Option<Vec<PathBuf>>> {
        let below: Vec<&PathBuf> = self.0.keys().filter(|path| path.parent() == Some(directory)).collect();
        Ok((!below.is_empty()).then(|| below.into_iter().filter(|path| is_kdl(path)).cloned().collect()))
    }
}

fn is_kdl(path: &Path) -> bool {
    let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    path.extension().is_some_and(|extension| extension == "kdl") && !is_hidden
}
