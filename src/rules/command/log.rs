//! The log of an action's commands: what its programs say on stdout and stderr, attempt after attempt.
//!
//! Invariants: no secret is written; a log that cannot be written stops no build; what grew too large begins anew, the one before
//! it stays beside it.

use super::fill::Filled;
use crate::engine::clock::rfc3339;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

const LARGEST: u64 = 4 << 20;

pub struct Log(Option<File>);

impl Log {
    /// Goes on in the action's log, under a line that says what is run.
    pub fn open(path: &Path, filled: &Filled) -> Self {
        if let Some(directory) = path.parent() {
            let _ = fs::create_dir_all(directory);
        }
        if fs::metadata(path).is_ok_and(|m| m.len() > LARGEST) {
            let _ = fs::rename(path, path.with_extension("log.old"));
        }
        let mut log = Self(File::options().append(true).create(true).open(path).ok());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        log.write(&format!("# {} {}", rfc3339(now), filled.redacted(&filled.shown.join(" "))));
        log
    }

    pub fn write(&mut self, line: &str) {
        if let Some(file) = &mut self.0 {
            // In one piece: a line is not torn, and costs one call.
            let _ = file.write_all(format!("{line}\n").as_bytes());
        }
    }
}
