//! The mutating file-system calls of a build, injected so that faults can be: staging, records, locks' files, publishing, clearing up.
//!
//! What is not among them: what a worker writes into its staging directory, and `.daeda/`, which is a cache and may be lost at any time.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

pub trait Disk: Sync {
    /// Makes a directory and those above it, as far as they are not there.
    fn create_directories(&self, path: &Path) -> io::Result<()>;
    /// Opens a file to be locked; an empty one is made where there is none.
    fn open(&self, path: &Path) -> io::Result<File>;
    /// Writes a file anew.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Makes a file's content durable. Its name is the directory's.
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable. Its own name is that of the directory above.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
    /// Puts `from` where nothing is.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Swaps two directories in one step.
    fn exchange(&self, a: &Path, b: &Path) -> io::Result<()>;
    /// What is not there counts as removed.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory with all that lies in it; a link, not what it points to. What is not there counts as removed.
    fn remove_tree(&self, path: &Path) -> io::Result<()>;
}

/// The machine's file system.
#[derive(Debug, Default)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn create_directories(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::write(path, bytes)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        match File::open(path)?.sync_all() {
            // A file system that cannot sync a directory has no better promise to make.
            Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
            other => other,
        }
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    #[cfg(any(target_os = "linux", target_os = "macos"))]
    fn exchange(&self, a: &Path, b: &Path) -> io::Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        Ok(renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)?)
    }

    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    fn exchange(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        gone(fs::remove_file(path))
    }

    fn remove_tree(&self, path: &Path) -> io::Result<()> {
        gone(fs::remove_dir_all(path))
    }
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
