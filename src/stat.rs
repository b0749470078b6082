//! What the file system says of a file without reading it, and when that may be believed.
//!
//! Invariant (git's racy-index rule): a file changed within the clock's grain of being looked at may change again unseen, so what was
//! learned of it then is not kept.

use crate::pack::{Packer, Unpacker};
use serde::{Deserialize, Serialize};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
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
        let nanos = |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
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

/// Nanoseconds since the epoch.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_just_written_is_not_settled() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stat = Stat::of(&file.path().metadata().unwrap());
        assert!(!stat.is_settled(stat.changed));
        assert!(stat.is_settled(stat.changed + 1_000_000_000));
    }
}
