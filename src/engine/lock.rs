//! Kernel locks: one per output, and one per process on its own staging directory.
//!
//! Invariants: files under `locks` are never renamed or deleted; the kernel drops a lock with its process, so none is ever removed by hand.

use super::action::{Action, ActionId};
use super::disk::Disk;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Held as long as it lives.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes a lock without waiting. `None`: somebody else holds it.
    pub fn try_take(path: &Path, disk: &dyn Disk) -> io::Result<Option<Self>> {
        let file = open(path, disk)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { path: path.into(), _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Takes a lock, waiting for whoever holds it; `waiting` is called once if that is necessary. `None`: given up, since `cancelled`.
    pub fn take(path: &Path, disk: &dyn Disk, waiting: impl FnOnce(), cancelled: &dyn Fn() -> bool) -> io::Result<Option<Self>> {
        if let Some(lock) = Self::try_take(path, disk)? {
            return Ok(Some(lock));
        }
        waiting();
        while !cancelled() {
            if let Some(lock) = Self::try_take(path, disk)? {
                return Ok(Some(lock));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(None)
    }

    /// The name of its file, by which another process finds the same lock.
    pub fn name(&self) -> String {
        self.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
    }
}

fn open(path: &Path, disk: &dyn Disk) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        disk.create_directories(parent)?;
    }
    disk.open(path)
}

/// The lock of a name under an output root.
pub fn named(root: &Path, name: &str) -> PathBuf {
    root.join("_daeda/locks").join(name)
}

/// The lock of an action's output.
pub fn path_of(action: &Action) -> PathBuf {
    path_at(&action.place.root, &action.id)
}

/// The lock of what an action publishes under a root.
pub fn path_at(root: &Path, id: &ActionId) -> PathBuf {
    named(root, &(id.file_name() + ".lock"))
}

#[cfg(test)]
mod tests {
    use super::super::disk::SystemDisk;
    use super::*;

    #[test]
    fn a_lock_is_held_by_one_and_released_with_its_holder() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("locks/a.lock");
        let held = Lock::try_take(&path, &SystemDisk).unwrap().unwrap();
        assert!(Lock::try_take(&path, &SystemDisk).unwrap().is_none());
        drop(held);
        assert!(Lock::try_take(&path, &SystemDisk).unwrap().is_some());
    }
}
