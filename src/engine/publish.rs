//! Staging and publishing: an op writes beside the published partition, and one rename puts data and record in place together.
//!
//! Invariants: readers see the old partition or the new one, whole; a process that dies leaves only staging behind, which the next build
//! of the same root clears.

use super::action::Place;
use super::disk::Disk;
use super::lock::Lock;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The staging directory of one process under one output root.
pub struct Staging {
    directory: PathBuf,
    next: AtomicU64,
    _owner: Lock,
}

impl Staging {
    /// Clears what dead processes have left, and makes a directory of our own.
    pub fn open(root: &Path, disk: &dyn Disk) -> io::Result<Self> {
        let all = root.join("_daeda/staging");
        disk.create_directories(&all)?;
        // One process at a time: between making its owner file and locking it, a living one looks dead.
        let _opening = Lock::take(&root.join("_daeda/locks/staging.lock"), || {}, &|| false)?;
        clear_dead(&all, disk);
        let name = unique_name();
        let owner = Lock::try_take(&all.join(format!("{name}.owner")))?.ok_or(io::ErrorKind::AlreadyExists)?;
        let directory = all.join(name);
        disk.create_directories(&directory)?;
        Ok(Self { directory, next: AtomicU64::new(0), _owner: owner })
    }

    /// A new, empty directory on the same file system as the output.
    pub fn create(&self, disk: &dyn Disk) -> io::Result<PathBuf> {
        let path = self.directory.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        disk.create_directories(&path)?;
        Ok(path)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed keeps its owner's file, by which a later build finds it.
        if fs::remove_dir_all(&self.directory).is_ok() {
            let _ = fs::remove_file(self.directory.with_extension("owner"));
        }
    }
}

fn unique_name() -> String {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    format!("{}-{nanos}", std::process::id())
}

fn clear_dead(all: &Path, disk: &dyn Disk) {
    for (directory, _lock) in dead(all) {
        if disk.remove_tree(&directory).is_ok() {
            let _ = fs::remove_file(directory.with_extension("owner"));
        }
    }
}

/// A directory whose owner's lock can be taken has no owner any more.
fn dead(all: &Path) -> impl Iterator<Item = (PathBuf, Lock)> {
    let entries = fs::read_dir(all).into_iter().flatten().flatten().map(|e| e.path());
    let owners = entries.filter(|p| p.extension().is_some_and(|e| e == "owner"));
    owners.filter_map(|owner| Some((owner.with_extension(""), Lock::try_take(&owner).ok()??)))
}

/// What dead processes have left under an output root.
pub fn leftovers(root: &Path) -> Vec<PathBuf> {
    dead(&root.join("_daeda/staging")).map(|(directory, _)| directory).collect()
}

/// Makes a staged directory durable and puts it in place; what stood there before is removed afterwards.
pub fn publish(staged: &Path, place: &Place, disk: &dyn Disk) -> io::Result<()> {
    sync_tree(staged, disk)?;
    let target = place.path();
    let parent = target.parent().unwrap_or(&place.root);
    if target.exists() && !target.is_dir() {
        // Somebody else's file: an exchange would carry it off.
        return Err(io::ErrorKind::NotADirectory.into());
    }
    disk.create_directories(parent)?;
    if target.exists() {
        replace(staged, &target, disk)?;
        return disk.sync_directory(parent);
    }
    disk.rename_new(staged, &target)?;
    // The directories above may be new as well.
    let above = parent.ancestors().take_while(|directory| directory.starts_with(&place.root));
    above.into_iter().try_for_each(|directory| disk.sync_directory(directory))
}

/// Takes a published directory away: one rename into an empty staged directory, whose removal may take its time.
pub fn withdraw(staged: &Path, place: &Place, disk: &dyn Disk) -> io::Result<()> {
    let target = place.path();
    disk.rename_new(&target, &staged.join("withdrawn"))?;
    disk.sync_directory(target.parent().unwrap_or(&place.root))?;
    let _ = disk.remove_tree(staged);
    Ok(())
}

fn replace(staged: &Path, target: &Path, disk: &dyn Disk) -> io::Result<()> {
    match disk.exchange(staged, target) {
        Ok(()) => {
            // The new partition is in place. What is left of the old one lies in staging, which is cleared sooner or later.
            let _ = disk.remove_tree(staged);
            Ok(())
        }
        Err(e) if is_unsupported(&e) => replace_in_two_steps(staged, target, disk),
        Err(e) => Err(e),
    }
}

/// Some file systems cannot exchange. The gap between the two renames shows no partition; killed in it, the partition counts as
/// missing and the next build makes it again.
fn replace_in_two_steps(staged: &Path, target: &Path, disk: &dyn Disk) -> io::Result<()> {
    let aside = staged.with_extension("old");
    disk.rename_new(target, &aside)?;
    if let Err(error) = disk.rename_new(staged, target) {
        // The old partition goes back, or it would be cleared with the staging.
        disk.rename_new(&aside, target)?;
        return Err(error);
    }
    let _ = disk.remove_tree(&aside);
    Ok(())
}

fn is_unsupported(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let unsupported = [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP].map(|e| Some(e.raw_os_error()));
    error.kind() == io::ErrorKind::Unsupported || unsupported.contains(&error.raw_os_error())
}

fn sync_tree(directory: &Path, disk: &dyn Disk) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() { sync_tree(&path, disk)? } else { disk.sync_file(&path)? }
    }
    disk.sync_directory(directory)
}

#[cfg(test)]
mod tests {
    use super::super::disk::SystemDisk;
    use super::*;

    fn stage(staging: &Staging, text: &str) -> PathBuf {
        let staged = staging.create(&SystemDisk).unwrap();
        fs::write(staged.join("data"), text).unwrap();
        staged
    }

    #[test]
    fn a_second_publish_replaces_the_first_and_leaves_nothing_behind() {
        let root = tempfile::tempdir().unwrap();
        let place = Place { root: root.path().into(), directory: "asset/dt=1".into() };
        let staging = Staging::open(root.path(), &SystemDisk).unwrap();
        for text in ["one", "two"] {
            publish(&stage(&staging, text), &place, &SystemDisk).unwrap();
            assert_eq!(fs::read_to_string(place.path().join("data")).unwrap(), text);
        }
        drop(staging);
        assert_eq!(fs::read_dir(root.path().join("_daeda/staging")).unwrap().count(), 0);
    }

    #[test]
    fn a_file_in_the_way_is_kept() {
        let root = tempfile::tempdir().unwrap();
        let place = Place { root: root.path().into(), directory: "asset/dt=1".into() };
        fs::create_dir(root.path().join("asset")).unwrap();
        fs::write(place.path(), "notes").unwrap();
        let staging = Staging::open(root.path(), &SystemDisk).unwrap();
        assert!(publish(&stage(&staging, "one"), &place, &SystemDisk).is_err());
        assert_eq!(fs::read_to_string(place.path()).unwrap(), "notes");
    }

    /// A file system that cannot exchange, and refuses one rename in place of another.
    struct Poor {
        refused: Option<PathBuf>,
    }

    impl Disk for Poor {
        fn create_directories(&self, path: &Path) -> io::Result<()> {
            SystemDisk.create_directories(path)
        }
        fn sync_file(&self, path: &Path) -> io::Result<()> {
            SystemDisk.sync_file(path)
        }
        fn sync_directory(&self, path: &Path) -> io::Result<()> {
            SystemDisk.sync_directory(path)
        }
        fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
            let refused = self.refused.as_deref() == Some(from);
            if refused { Err(io::ErrorKind::StorageFull.into()) } else { SystemDisk.rename_new(from, to) }
        }
        fn exchange(&self, _: &Path, _: &Path) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
        fn remove_tree(&self, path: &Path) -> io::Result<()> {
            SystemDisk.remove_tree(path)
        }
    }

    #[test]
    fn without_exchange_a_partition_is_replaced_or_stays() {
        let root = tempfile::tempdir().unwrap();
        let place = Place { root: root.path().into(), directory: "asset/dt=1".into() };
        let staging = Staging::open(root.path(), &SystemDisk).unwrap();
        let disk = Poor { refused: None };
        publish(&stage(&staging, "one"), &place, &disk).unwrap();
        publish(&stage(&staging, "two"), &place, &disk).unwrap();
        let staged = stage(&staging, "three");
        assert!(publish(&staged, &place, &Poor { refused: Some(staged.clone()) }).is_err());
        assert_eq!(fs::read_to_string(place.path().join("data")).unwrap(), "two");
    }

    #[test]
    fn staging_of_the_dead_is_cleared_and_that_of_the_living_is_not() {
        let root = tempfile::tempdir().unwrap();
        let all = root.path().join("_daeda/staging");
        fs::create_dir_all(all.join("dead/0")).unwrap();
        fs::write(all.join("dead.owner"), "").unwrap();
        let living = Staging::open(root.path(), &SystemDisk).unwrap();
        assert!(!all.join("dead").exists() && !all.join("dead.owner").exists());
        let _other = Staging::open(root.path(), &SystemDisk).unwrap();
        assert!(living.directory.exists());
    }

    #[test]
    fn many_can_open_at_once() {
        let root = tempfile::tempdir().unwrap();
        let open = || (0..20).for_each(|_| drop(Staging::open(root.path(), &SystemDisk).unwrap()));
        std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(open))));
        assert_eq!(fs::read_dir(root.path().join("_daeda/staging")).unwrap().count(), 0);
    }
}
