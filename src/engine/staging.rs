//! Staging: where an op writes before it is published, on the same file system as the output; and clearing up after the dead.
//!
//! Invariants: a staging directory belongs to the process that holds its owner's lock, and only who holds that lock clears it; whatever a
//! process leaves behind when it dies, at any instant, the next build of the same root clears without being asked.

use super::disk::Disk;
use super::lock::{self, Lock};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The staging directory of one process under one output root.
pub struct Staging<'a> {
    root: PathBuf,
    directory: PathBuf,
    next: AtomicU64,
    disk: &'a dyn Disk,
    _owner: Lock,
}

impl<'a> Staging<'a> {
    /// Makes a directory of our own.
    pub fn open(root: &Path, disk: &'a dyn Disk) -> io::Result<Self> {
        let all = all(root);
        disk.create_directories(&all)?;
        sync_above(root, disk)?;
        // One process at a time: between making its owner file and locking it, a living one looks dead.
        let _opening = opening(root, disk)?;
        let name = unique_name();
        let owner = Lock::try_take(&owner_of(&all, &name), disk)?.ok_or(io::ErrorKind::AlreadyExists)?;
        let directory = all.join(name);
        disk.create_directories(&directory)?;
        Ok(Self { root: root.into(), directory, next: AtomicU64::new(0), disk, _owner: owner })
    }

    /// A new, empty directory on the same file system as the output.
    pub fn create(&self) -> io::Result<PathBuf> {
        let path = self.directory.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        self.disk.create_directories(&path)?;
        Ok(path)
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        // What cannot be put back or removed keeps its owner's file, by which a later build finds it.
        let is_back = matches!(put_back(&self.root, &self.directory, self.disk), Ok(true));
        if is_back && self.disk.remove_tree(&self.directory).is_ok() {
            let _ = self.disk.remove_file(&self.directory.with_extension(OWNER));
        }
    }
}

/// What stood at a place and is on its way out, on a file system that cannot exchange. Written before the first of two renames, so that
/// who finds the work undone can put it back.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Aside {
    /// Of the place, relative to the root.
    pub directory: String,
    /// The file name of the output's lock.
    pub lock: String,
}

impl Aside {
    /// Where the old partition goes.
    pub fn old(staged: &Path) -> PathBuf {
        staged.with_extension("old")
    }

    fn note(staged: &Path) -> PathBuf {
        staged.with_extension("aside")
    }

    /// Notes durably what is about to be put aside.
    pub fn write(&self, staged: &Path, root: &Path, disk: &dyn Disk) -> io::Result<()> {
        let note = Self::note(staged);
        disk.write(&note, &serde_json::to_vec(self).map_err(io::Error::other)?)?;
        disk.sync_file(&note)?;
        sync_up(note.parent().unwrap_or(root), root, disk)
    }

    pub fn forget(staged: &Path, disk: &dyn Disk) -> io::Result<()> {
        disk.remove_file(&Self::note(staged))
    }
}

const OWNER: &str = "owner";
const DEAD: &str = "dead";

fn all(root: &Path) -> PathBuf {
    root.join("_daeda/staging")
}

fn owner_of(all: &Path, name: &str) -> PathBuf {
    all.join(format!("{name}.{OWNER}"))
}

fn unique_name() -> String {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    format!("{}-{nanos}", std::process::id())
}

fn opening(root: &Path, disk: &dyn Disk) -> io::Result<Option<Lock>> {
    Lock::take(&lock::named(root, "staging.lock"), disk, || {}, &|| false)
}

/// Makes the names of a directory and of those above it durable, up to the root.
pub(super) fn sync_up(directory: &Path, root: &Path, disk: &dyn Disk) -> io::Result<()> {
    directory.ancestors().take_while(|d| d.starts_with(root)).try_for_each(|d| disk.sync_directory(d))
}

/// The root itself may be new, and directories above it. Those that we may not open are older than we are.
fn sync_above(root: &Path, disk: &dyn Disk) -> io::Result<()> {
    for directory in root.ancestors().skip(1).filter(|d| !d.as_os_str().is_empty()) {
        match disk.sync_directory(directory) {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => break,
            synced => synced?,
        }
    }
    Ok(())
}

/// Clears what dead processes have left under a root, and puts back what they had only put aside. Nothing is touched where nothing is left.
pub fn clear(root: &Path, disk: &dyn Disk) -> io::Result<()> {
    let all = all(root);
    if names(&all).is_empty() {
        return Ok(());
    }
    let _opening = opening(root, disk)?;
    // What cannot be cleared keeps nobody from clearing the rest.
    let cleared: Vec<io::Result<()>> = names(&all).iter().map(|name| clear_if_dead(root, &all, name, disk)).collect();
    cleared.into_iter().collect()
}

/// What dead processes have left under a root.
pub fn leftovers(root: &Path, disk: &dyn Disk) -> Vec<PathBuf> {
    let all = all(root);
    let is_dead = |name: &String| {
        let owner = owner_of(&all, name);
        !owner.exists() || matches!(Lock::try_take(&owner, disk), Ok(Some(_)))
    };
    names(&all).iter().filter(|name| is_dead(name)).map(|name| all.join(name)).collect()
}

/// The names of processes that have left anything. An owner's file may have been lost where its directory was not.
fn names(all: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(all).into_iter().flatten().flatten();
    let entries = entries.map(|e| e.file_name().to_string_lossy().into_owned());
    entries.filter_map(|name| name.split('.').next().filter(|n| !n.is_empty()).map(str::to_string)).collect()
}

/// A directory whose owner's lock can be taken has no owner any more.
fn clear_if_dead(root: &Path, all: &Path, name: &str, disk: &dyn Disk) -> io::Result<()> {
    let owner = owner_of(all, name);
    let Some(_lock) = Lock::try_take(&owner, disk)? else { return Ok(()) };
    let (left, dead) = (all.join(name), all.join(format!("{name}.{DEAD}")));
    if !put_back(root, &left, disk)? {
        return Ok(());
    }
    disk.remove_tree(&dead)?;
    if left.exists() {
        // A worker outlives its parent by a moment: under the new name it adds nothing more.
        disk.rename_new(&left, &dead)?;
        disk.remove_tree(&dead)?;
    }
    disk.remove_file(&owner)
}

/// Puts back the partitions that were put aside and not replaced. False: somebody is at work on one of them.
fn put_back(root: &Path, left: &Path, disk: &dyn Disk) -> io::Result<bool> {
    let entries = fs::read_dir(left).into_iter().flatten().flatten().map(|e| e.path());
    for old in entries.filter(|p| p.extension().is_some_and(|e| e == "old")) {
        let aside = fs::read(Aside::note(&old)).ok().and_then(|text| serde_json::from_slice::<Aside>(&text).ok());
        let Some(aside) = aside else { continue };
        let Some(_lock) = Lock::try_take(&lock::named(root, &aside.lock), disk)? else { return Ok(false) };
        let place = root.join(&aside.directory);
        if !place.exists() {
            disk.rename_new(&old, &place)?;
            sync_up(place.parent().unwrap_or(root), root, disk)?;
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::disk::SystemDisk;
    use super::*;

    fn names_in(root: &Path) -> usize {
        fs::read_dir(all(root)).unwrap().count()
    }

    #[test]
    fn staging_of_the_dead_is_cleared_and_that_of_the_living_is_not() {
        let root = tempfile::tempdir().unwrap();
        let all = all(root.path());
        let living = Staging::open(root.path(), &SystemDisk).unwrap();
        for dead in ["dead/0", "ownerless/1", "half.dead/2"] {
            fs::create_dir_all(all.join(dead)).unwrap();
        }
        fs::write(all.join("dead.owner"), "").unwrap();
        fs::write(all.join("bare.owner"), "").unwrap();
        clear(root.path(), &SystemDisk).unwrap();
        assert_eq!(names_in(root.path()), 2);
        assert!(living.directory.exists());
        drop(living);
        assert_eq!(names_in(root.path()), 0);
    }

    #[test]
    fn where_nothing_is_left_nothing_is_touched() {
        let root = tempfile::tempdir().unwrap();
        clear(root.path(), &SystemDisk).unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn many_can_open_and_clear_at_once() {
        let root = tempfile::tempdir().unwrap();
        let open = || {
            (0..20).for_each(|_| {
                let staging = Staging::open(root.path(), &SystemDisk).unwrap();
                clear(root.path(), &SystemDisk).unwrap();
                staging.create().unwrap();
            })
        };
        std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(open))));
        assert_eq!(names_in(root.path()), 0);
    }

    #[test]
    fn what_was_put_aside_comes_back_unless_somebody_is_at_it() {
        let root = tempfile::tempdir().unwrap();
        let left = all(root.path()).join("dead");
        let old = left.join("0.old");
        fs::create_dir_all(&old).unwrap();
        fs::create_dir_all(root.path().join("asset")).unwrap();
        fs::write(old.join("data"), "old").unwrap();
        let aside = Aside { directory: "asset/dt=1".into(), lock: "a.lock".into() };
        aside.write(&left.join("0"), root.path(), &SystemDisk).unwrap();
        let busy = Lock::try_take(&lock::named(root.path(), "a.lock"), &SystemDisk).unwrap();
        clear(root.path(), &SystemDisk).unwrap();
        assert!(old.exists() && busy.is_some());
        drop(busy);
        clear(root.path(), &SystemDisk).unwrap();
        assert_eq!(fs::read_to_string(root.path().join("asset/dt=1/data")).unwrap(), "old");
        assert_eq!(names_in(root.path()), 0);
    }
}
