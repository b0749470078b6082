//! The ledger that all daeda processes of a user on this machine share: a small file, changed under a kernel lock.
//!
//! Each process holds a kernel lock of its own as long as it lives; the claims of one whose lock is free are forgotten. Invariants: the
//! ledger is replaced as a whole; where the directory fails, a process goes on with its own claims alone.

use super::ledger::Ledger;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The format of the ledger: another one is another file.
const LEDGER: &str = "envelope-1.json";

pub struct Shared {
    directory: PathBuf,
    holder: String,
    /// Locked as long as this process lives.
    _alive: File,
}

impl Shared {
    pub fn open(directory: &Path) -> io::Result<Self> {
        make_private(directory)?;
        let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        let holder = format!("{}-{nanos}", std::process::id());
        let alive = open(&alive_path(directory, &holder))?;
        alive.lock()?;
        Ok(Self { directory: directory.into(), holder, _alive: alive })
    }

    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// Changes the ledger. Returns it as it is then.
    pub fn change(&self, change: &mut dyn FnMut(&mut Ledger)) -> io::Result<Ledger> {
        let lock = open(&self.directory.join("envelope.lock"))?;
        lock.lock()?;
        let path = self.directory.join(LEDGER);
        let before: Ledger = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let mut ledger = before.clone();
        let gone: Vec<String> = ledger.holders().into_iter().filter(|holder| self.is_gone(holder)).collect();
        ledger.forget(|holder| gone.iter().any(|gone| gone == holder));
        change(&mut ledger);
        if ledger != before {
            let staged = self.directory.join(format!("{LEDGER}.{}", std::process::id()));
            fs::write(&staged, serde_json::to_vec(&ledger).map_err(io::Error::other)?)?;
            fs::rename(&staged, &path)?;
        }
        Ok(ledger)
    }

    /// Whether a process has ended: its lock is free.
    fn is_gone(&self, holder: &str) -> bool {
        if holder == self.holder {
            return false;
        }
        let path = alive_path(&self.directory, holder);
        let file = match File::options().write(true).open(&path) {
            Ok(file) => file,
            Err(error) => return error.kind() == io::ErrorKind::NotFound,
        };
        match file.try_lock() {
            Ok(()) => {
                let _ = fs::remove_file(&path);
                true
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = fs::remove_file(alive_path(&self.directory, &self.holder));
    }
}

fn alive_path(directory: &Path, holder: &str) -> PathBuf {
    directory.join(format!("{holder}.alive"))
}

fn open(path: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(false).open(path)
}

/// Nobody else may write there: it may lie in a directory that all users share.
fn make_private(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let own = rustix::process::getuid().as_raw();
    if fs::metadata(directory)?.uid() == own { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

#[cfg(test)]
mod tests {
    use super::super::ledger::{Claim, Limits};
    use super::*;

    fn claim(holder: &str) -> Claim {
        let limits = Limits { cpus: 1, memory: 1, jobs: 1 };
        Claim {
            holder: holder.into(),
            pid: 1,
            number: 0,
            rank: 0,
            action: String::new(),
            cpus: 1,
            memory: 1,
            limits,
            queued: 0,
            admitted: 0,
            overtaken: 0,
        }
    }

    #[test]
    fn two_share_it_and_what_the_dead_held_is_free() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (Shared::open(directory.path()).unwrap(), Shared::open(directory.path()).unwrap());
        one.change(&mut |ledger| ledger.queue(claim(one.holder()))).unwrap();
        let ledger = other.change(&mut |ledger| ledger.queue(claim(other.holder()))).unwrap();
        assert_eq!((ledger.running.len(), ledger.waiting.len()), (1, 1));
        drop(one);
        let ledger = other.change(&mut |_| ()).unwrap();
        assert_eq!((ledger.running[0].holder.as_str(), ledger.waiting.len()), (other.holder(), 0));
    }

    #[test]
    fn a_damaged_ledger_begins_anew() {
        let directory = tempfile::tempdir().unwrap();
        let shared = Shared::open(directory.path()).unwrap();
        fs::write(directory.path().join(LEDGER), "{\"turn\": ").unwrap();
        assert_eq!(shared.change(&mut |_| ()).unwrap(), Ledger::default());
    }
}
