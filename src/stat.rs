//! What the file system says of a file without reading it, and when that may be believed.
//!
//! Invariant (git's racy-index rule): a file changed within the clock's grain of being looked at may change again unseen, so what was
//! learned of it then is not kept.

use crate::pack::{Packer, Unpacker};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, statat};
use serde::{Deserialize, Serialize};
use std::ffi::{CStr, OsStr, OsString};
use std::fs::Metadata;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Identity of a file's content as far as the file system tells it. Times are nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    pub size: u64,
    pub modified: i64,
    pub changed: i64,
    pub inode: u64,
}

/// Two writes closer than this may carry the same time.
const GRAIN: i64 = 50_000_000;

impl Stat {
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.size(),
            modified: nanos(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanos(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }

    pub fn pack(&self, packer: &mut Packer) {
        packer.number(self.size).number(self.modified as u64).number(self.changed as u64).number(self.inode);
    }

    pub fn unpack(from: &mut Unpacker) -> Option<Self> {
        let (size, modified) = (from.number()?, from.number()? as i64);
        Some(Self { size, modified, changed: from.number()? as i64, inode: from.number()? })
    }

    /// Whether a change after `now` would show.
    pub fn is_settled(&self, now: i64) -> bool {
        self.modified.max(self.changed) + GRAIN < now
    }
}

/// Looks at directories below a root and at files in them, of many one after the other: what lies beside what was looked at before is found
/// from there, for much of what a look costs is the way down from the top.
///
/// For as long as a few looks take: where names above change meanwhile, it may see what lay there before.
#[derive(Debug, Default)]
pub struct Near {
    /// Root and directory that hold what is turned to.
    root: OsString,
    above: String,
    opened: Option<OwnedFd>,
    /// The way from there, or from the top where that could not be opened; first to the directory, then to what is in it.
    path: Vec<u8>,
    directory: usize,
}

impl Near {
    /// Turns to a directory below a root.
    pub fn turn(&mut self, root: &Path, directory: &str) {
        let (above, last) = match directory.rsplit_once('/') {
            Some(("", last)) => ("/", last),
            Some(found) => found,
            None => ("", directory),
        };
        if self.opened.is_none() || self.above != above || self.root != root.as_os_str() {
            (self.root, self.above) = (root.into(), above.into());
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            self.opened = openat(CWD, &root.join(above), flags, Mode::empty()).ok();
        }
        self.path.clear();
        match self.opened {
            Some(_) => self.path.extend(if last.is_empty() { b"." } else { last.as_bytes() }),
            None => self.path.extend(root.join(directory).as_os_str().as_bytes()),
        }
        self.directory = self.path.len();
    }

    /// What the directory is that was turned to; none if it is not there.
    pub fn directory(&mut self) -> Option<Stat> {
        self.path.truncate(self.directory);
        self.look()
    }

    /// What a file of that directory is.
    pub fn file(&mut self, name: &OsStr) -> Option<Stat> {
        self.path.truncate(self.directory);
        self.path.push(b'/');
        self.path.extend(name.as_bytes());
        self.look()
    }

    fn look(&mut self) -> Option<Stat> {
        self.path.push(0);
        let path = CStr::from_bytes_with_nul(&self.path).ok()?;
        let found = match &self.opened {
            Some(opened) => statat(opened, path, AtFlags::empty()),
            None => statat(CWD, path, AtFlags::empty()),
        };
        found.ok().map(|found| Stat {
            size: found.st_size as u64,
            modified: nanos(found.st_mtime as i64, found.st_mtime_nsec as i64),
            changed: nanos(found.st_ctime as i64, found.st_ctime_nsec as i64),
            inode: found.st_ino as u64,
        })
    }
}

fn nanos(seconds: i64, nanos: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// Nanoseconds since the epoch.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_what_is_there() {
        let root = tempfile::tempdir().unwrap();
        for below in ["a/x", "a/y", "b/x", "c"] {
            std::fs::create_dir_all(root.path().join(below)).unwrap();
            std::fs::write(root.path().join(below).join("file"), below).unwrap();
        }
        std::os::unix::fs::symlink("b/x/file", root.path().join("c/link")).unwrap();
        std::os::unix::fs::symlink("../b", root.path().join("a/beside")).unwrap();
        let plain = |path: &str| root.path().join(path).metadata().ok().map(|m| Stat::of(&m));
        let mut near = Near::default();
        for below in ["a/x", "a/y", "a/none", "none/x", "a/x", "b/x", "c", "", "a/beside/x", "a/beside", "a/"] {
            near.turn(root.path(), below);
            assert_eq!(near.directory(), plain(below), "{below}");
            for name in ["file", "none", "link", "x/file"] {
                assert_eq!(near.file(OsStr::new(name)), plain(&format!("{below}/{name}")), "{below} {name}");
            }
            assert_eq!(near.directory(), plain(below), "{below}");
        }
        near.turn(root.path(), root.path().join("a/x").to_str().unwrap());
        assert_eq!(near.file(OsStr::new("file")), plain("a/x/file"));
        near.turn(root.path(), "/tmp");
        assert_eq!(near.directory(), Path::new("/tmp").metadata().ok().map(|m| Stat::of(&m)));
        near.turn(&root.path().join("a"), "x");
        assert_eq!(near.file(OsStr::new("file")), plain("a/x/file"));
        assert_eq!(near.file(OsStr::new("fi\0le")), None);
    }

    #[test]
    fn a_file_just_written_is_not_settled() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stat = Stat::of(&file.path().metadata().unwrap());
        assert!(!stat.is_settled(stat.changed));
        assert!(stat.is_settled(stat.changed + 1_000_000_000));
    }
}
