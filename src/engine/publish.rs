//! Publishing: an op has written beside the published partition, and one rename puts data and record in place together.
//!
//! Invariants: readers see the old partition or the new one, whole, whatever happens and whenever; what publishing reports as done outlives
//! a power cut; what it reports as failed has left the old partition standing; the old one is removed only when the new one is durable.

use super::action::Place;
use super::disk::Disk;
use super::lock::Lock;
use super::staging::{Aside, sync_up};
use std::fs;
use std::io;
use std::path::Path;

/// How the staged directory came to its place.
enum Put {
    /// Where nothing was.
    New,
    /// The old partition lies where the new one was staged.
    Exchanged,
    /// The old partition lies aside.
    TwoSteps,
}

/// Makes a staged directory durable and puts it in place, under the output's lock; what stood there before is removed afterwards.
pub fn publish(staged: &Path, place: &Place, lock: &Lock, disk: &dyn Disk) -> io::Result<()> {
    sync_tree(staged, disk)?;
    let target = place.path();
    let parent = target.parent().unwrap_or(&place.root);
    if target.exists() && !target.is_dir() {
        // Somebody else's file: an exchange would carry it off.
        return Err(io::ErrorKind::NotADirectory.into());
    }
    disk.create_directories(parent)?;
    let put = match target.exists() {
        true => replace(staged, place, lock, disk)?,
        false => disk.rename_new(staged, &target).map(|()| Put::New)?,
    };
    // The directories above may be new as well, and made by somebody who died before they were durable.
    if let Err(error) = sync_up(parent, &place.root, disk) {
        let _ = take_back(staged, &target, &put, disk);
        return Err(error);
    }
    // What cannot be removed lies in staging, which is cleared sooner or later.
    let _ = match put {
        Put::New => Ok(()),
        Put::Exchanged => disk.remove_tree(staged),
        Put::TwoSteps => disk.remove_tree(&Aside::old(staged)).and_then(|()| Aside::forget(staged, disk)),
    };
    Ok(())
}

/// Takes a published directory away, under the output's lock: one rename into an empty staged directory, whose removal may take its time.
pub fn withdraw(staged: &Path, place: &Place, _lock: &Lock, disk: &dyn Disk) -> io::Result<()> {
    let target = place.path();
    disk.rename_new(&target, &staged.join("withdrawn"))?;
    disk.sync_directory(target.parent().unwrap_or(&place.root))?;
    let _ = disk.remove_tree(staged);
    Ok(())
}

fn replace(staged: &Path, place: &Place, lock: &Lock, disk: &dyn Disk) -> io::Result<Put> {
    match disk.exchange(staged, &place.path()) {
        Ok(()) => Ok(Put::Exchanged),
        Err(e) if is_unsupported(&e) => replace_in_two_steps(staged, place, lock, disk),
        Err(e) => Err(e),
    }
}

/// Some file systems cannot exchange. The gap between the two renames shows no partition; after a death in it, the next build puts the
/// old one back before it judges anything.
fn replace_in_two_steps(staged: &Path, place: &Place, lock: &Lock, disk: &dyn Disk) -> io::Result<Put> {
    let (target, old) = (place.path(), Aside::old(staged));
    Aside { directory: place.directory.clone(), lock: lock.name() }.write(staged, &place.root, disk)?;
    disk.rename_new(&target, &old)?;
    if let Err(error) = disk.rename_new(staged, &target) {
        // The old partition goes back, or it would be cleared with the staging.
        disk.rename_new(&old, &target)?;
        return Err(error);
    }
    Ok(Put::TwoSteps)
}

/// The old partition stands again, the new one lies where it was staged.
fn take_back(staged: &Path, target: &Path, put: &Put, disk: &dyn Disk) -> io::Result<()> {
    match put {
        Put::New => disk.rename_new(target, staged),
        Put::Exchanged => disk.exchange(staged, target),
        Put::TwoSteps => {
            disk.rename_new(target, staged)?;
            disk.rename_new(&Aside::old(staged), target)
        }
    }
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
    use super::super::lock;
    use super::super::staging::Staging;
    use super::*;
    use std::fs::File;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A root with one output under its lock.
    struct Output {
        root: tempfile::TempDir,
        place: Place,
        lock: Lock,
    }

    impl Output {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let place = Place { root: root.path().into(), directory: "asset/dt=1".into() };
            let lock = Lock::try_take(&lock::named(root.path(), "asset.lock"), &SystemDisk).unwrap().unwrap();
            Self { root, place, lock }
        }

        fn publish(&self, staged: &Path, disk: &dyn Disk) -> io::Result<()> {
            publish(staged, &self.place, &self.lock, disk)
        }

        fn data(&self) -> String {
            fs::read_to_string(self.place.path().join("data")).unwrap()
        }
    }

    fn stage(staging: &Staging, text: &str) -> PathBuf {
        let staged = staging.create().unwrap();
        fs::write(staged.join("data"), text).unwrap();
        staged
    }

    #[test]
    fn a_second_publish_replaces_the_first_and_leaves_nothing_behind() {
        let output = Output::new();
        let staging = Staging::open(output.root.path(), &SystemDisk).unwrap();
        for text in ["one", "two"] {
            output.publish(&stage(&staging, text), &SystemDisk).unwrap();
            assert_eq!(output.data(), text);
        }
        drop(staging);
        assert_eq!(fs::read_dir(output.root.path().join("_daeda/staging")).unwrap().count(), 0);
    }

    /// A file system without exchange, whose second and third rename fail.
    #[derive(Default)]
    struct Stuck {
        renames: AtomicUsize,
    }

    impl Disk for Stuck {
        fn create_directories(&self, path: &Path) -> io::Result<()> {
            SystemDisk.create_directories(path)
        }
        fn open(&self, path: &Path) -> io::Result<File> {
            SystemDisk.open(path)
        }
        fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
            SystemDisk.write(path, bytes)
        }
        fn sync_file(&self, path: &Path) -> io::Result<()> {
            SystemDisk.sync_file(path)
        }
        fn sync_directory(&self, path: &Path) -> io::Result<()> {
            SystemDisk.sync_directory(path)
        }
        fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
            let fails = matches!(self.renames.fetch_add(1, Ordering::Relaxed), 1 | 2);
            if fails { Err(io::ErrorKind::StorageFull.into()) } else { SystemDisk.rename_new(from, to) }
        }
        fn exchange(&self, _: &Path, _: &Path) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
        fn remove_file(&self, path: &Path) -> io::Result<()> {
            SystemDisk.remove_file(path)
        }
        fn remove_tree(&self, path: &Path) -> io::Result<()> {
            SystemDisk.remove_tree(path)
        }
    }

    #[test]
    fn a_partition_that_could_not_go_back_is_not_cleared_away() {
        let output = Output::new();
        let (first, disk) = (Staging::open(output.root.path(), &SystemDisk).unwrap(), Stuck::default());
        output.publish(&stage(&first, "one"), &SystemDisk).unwrap();
        let staging = Staging::open(output.root.path(), &disk).unwrap();
        assert!(output.publish(&stage(&staging, "two"), &disk).is_err());
        assert!(!output.place.path().exists());
        let Output { root, place, lock } = output;
        drop(lock);
        drop(staging);
        assert_eq!(fs::read_to_string(place.path().join("data")).unwrap(), "one");
        drop(first);
        assert_eq!(fs::read_dir(root.path().join("_daeda/staging")).unwrap().count(), 0);
    }

    #[test]
    fn a_file_in_the_way_is_kept() {
        let output = Output::new();
        fs::create_dir(output.root.path().join("asset")).unwrap();
        fs::write(output.place.path(), "notes").unwrap();
        let staging = Staging::open(output.root.path(), &SystemDisk).unwrap();
        assert!(output.publish(&stage(&staging, "one"), &SystemDisk).is_err());
        assert_eq!(fs::read_to_string(output.place.path()).unwrap(), "notes");
    }

    #[test]
    fn a_link_is_replaced_and_what_it_points_to_stays() {
        let output = Output::new();
        let elsewhere = output.root.path().join("elsewhere");
        fs::create_dir_all(&elsewhere).unwrap();
        fs::write(elsewhere.join("data"), "theirs").unwrap();
        fs::create_dir(output.root.path().join("asset")).unwrap();
        std::os::unix::fs::symlink(&elsewhere, output.place.path()).unwrap();
        let staging = Staging::open(output.root.path(), &SystemDisk).unwrap();
        output.publish(&stage(&staging, "one"), &SystemDisk).unwrap();
        assert_eq!((output.data(), fs::read_to_string(elsewhere.join("data")).unwrap()), ("one".into(), "theirs".into()));
    }
}
