//! The files of caches: that one is used is noted by its time, and what nobody uses goes.
//!
//! Knows nothing of what they hold. Invariant: best effort, since a cache costs time only; a file that a process has open stays readable to
//! it after its name is gone.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long an unused file stays.
pub const UNUSED: Duration = Duration::from_secs(30 * 86_400);

/// How often it is noted that a file is used, where days matter.
pub const NOTED: Duration = Duration::from_secs(86_400);

/// Notes that a file is used now, if the last note is older than that.
pub fn note_use(path: &Path, noted: Duration) {
    let Ok(file) = File::options().append(true).open(path) else { return };
    let modified = file.metadata().and_then(|m| m.modified());
    // A time in the future would keep the file for ever.
    let long_ago = |time: SystemTime| SystemTime::now().duration_since(time).map_or(true, |age| age >= noted);
    if modified.is_ok_and(long_ago) {
        let _ = file.set_modified(SystemTime::now());
    }
}

/// Removes what has not been used for long, and what a killed process left.
pub fn remove_unused(directory: &Path, unused: Duration) {
    for (path, used, _) in files(directory) {
        if SystemTime::now().duration_since(used).is_ok_and(|age| age > unused) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Removes files of an extension, the least recently used first, until those that stay and `room` more bytes are within the limit. Those that
/// are spared stay in any case. Whether there is room now.
pub fn make_room(directory: &Path, extension: &str, room: u64, limit: u64, is_spared: impl Fn(&Path) -> bool) -> bool {
    let of_kind = |path: &Path| path.extension().is_some_and(|found| found == extension);
    let mut kept: Vec<_> = files(directory).filter(|(path, ..)| of_kind(path)).collect();
    kept.sort_unstable_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
    let mut total = kept.iter().map(|(.., size)| size).sum::<u64>().saturating_add(room);
    for (path, _, size) in kept {
        if total <= limit {
            break;
        }
        if !is_spared(&path) && fs::remove_file(&path).is_ok() {
            total -= size;
        }
    }
    total <= limit
}

/// The files of a directory with when they were last used and their sizes.
fn files(directory: &Path) -> impl Iterator<Item = (PathBuf, SystemTime, u64)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let metadata = entry.metadata().ok().filter(|metadata| metadata.is_file())?;
        Some((entry.path(), metadata.modified().ok()?, metadata.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(directory: &Path, name: &str, hours_ago: u64, size: usize) -> PathBuf {
        let path = directory.join(name);
        fs::write(&path, vec![0; size]).unwrap();
        let time = SystemTime::now() - Duration::from_secs(3600 * hours_ago);
        File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
        path
    }

    #[test]
    fn the_least_recently_used_go_first_but_for_those_that_are_spared() {
        let directory = tempfile::tempdir().unwrap();
        let [oldest, older, newest] = [("a.v", 9), ("b.v", 5), ("c.v", 1)].map(|(name, age)| file(directory.path(), name, age, 100));
        let foreign = file(directory.path(), "lock", 99, 1000);
        assert!(make_room(directory.path(), "v", 50, 350, |_| false));
        assert!(oldest.exists());
        assert!(make_room(directory.path(), "v", 50, 250, |path| path == oldest));
        assert!(oldest.exists() && !older.exists() && newest.exists() && foreign.exists());
        assert!(!make_room(directory.path(), "v", 50, 100, |path| path == oldest), "what is spared leaves no room");
        assert!(oldest.exists() && !newest.exists());
    }

    #[test]
    fn use_is_noted_now_and_then() {
        let directory = tempfile::tempdir().unwrap();
        let path = file(directory.path(), "a", 2, 1);
        let age = || fs::metadata(&path).unwrap().modified().unwrap().elapsed().unwrap();
        note_use(&path, NOTED);
        assert!(age() > Duration::from_secs(3600));
        note_use(&path, Duration::from_secs(3600));
        assert!(age() < Duration::from_secs(3600));
    }
}
