//! A disk that counts every step that changes anything, and fails from one of them on.
//!
//! A call is made of the steps in which a kernel would do it: directories one by one, a file created, half and wholly written, a tree
//! unlinked entry by entry. Invariant: after its death nothing it is asked to do has any effect.

use daeda::engine::check::modified;
use daeda::engine::disk::{Disk, SystemDisk};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What becomes of a step, by its number from 0.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    None,
    /// The process is killed when so many steps are done.
    DeathAfter(usize),
    /// This step finds no space, the next does.
    FullAt(usize),
    /// From this step on there is no space for anything new or to be synced; what needs none still works.
    FullFrom(usize),
}

/// A step that was done.
#[derive(Debug, Clone)]
pub enum Step {
    MakeDirectory(PathBuf),
    Create(PathBuf),
    /// All that the file holds now, and its time.
    Write(PathBuf, Vec<u8>, i64),
    SyncFile(PathBuf),
    SyncDirectory(PathBuf),
    Rename(PathBuf, PathBuf),
    Exchange(PathBuf, PathBuf),
    Unlink(PathBuf),
}

impl Step {
    pub fn changes_something(&self) -> bool {
        !matches!(self, Self::SyncFile(_) | Self::SyncDirectory(_))
    }

    fn takes_space(&self) -> bool {
        !matches!(self, Self::Rename(..) | Self::Exchange(..) | Self::Unlink(_))
    }
}

pub struct Frail {
    can_exchange: bool,
    fault: Fault,
    steps: Mutex<(usize, Vec<Step>)>,
}

impl Frail {
    pub fn new(can_exchange: bool, fault: Fault) -> Self {
        Self { can_exchange, fault, steps: Mutex::default() }
    }

    /// The steps that were done.
    pub fn steps(&self) -> Vec<Step> {
        self.steps.lock().unwrap().1.clone()
    }

    fn step(&self, step: Step, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut steps = self.steps.lock().unwrap();
        let number = steps.0;
        steps.0 += 1;
        let fails = match self.fault {
            Fault::None => false,
            Fault::DeathAfter(done) => number >= done,
            Fault::FullAt(at) => number == at,
            Fault::FullFrom(from) => number >= from && step.takes_space(),
        };
        if fails {
            return Err(io::ErrorKind::StorageFull.into());
        }
        act()?;
        let step = match step {
            Step::Write(path, bytes, _) => {
                let time = modified(&fs::metadata(&path)?);
                Step::Write(path, bytes, time)
            }
            other => other,
        };
        steps.1.push(step);
        Ok(())
    }
}

impl Disk for Frail {
    fn create_directories(&self, path: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = path.ancestors().take_while(|p| !p.exists()).collect();
        let make = |p: &&Path| self.step(Step::MakeDirectory(p.into()), || fs::create_dir(p));
        missing.iter().rev().try_for_each(make)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        if !path.exists() {
            self.step(Step::Create(path.into()), || File::create(path).map(drop))?;
        }
        SystemDisk.open(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.step(Step::Create(path.into()), || File::create(path).map(drop))?;
        for length in [bytes.len() / 2, bytes.len()] {
            let part = &bytes[..length];
            self.step(Step::Write(path.into(), part.into(), 0), || fs::write(path, part))?;
        }
        Ok(())
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.step(Step::SyncFile(path.into()), || Ok(()))
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.step(Step::SyncDirectory(path.into()), || Ok(()))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(Step::Rename(from.into(), to.into()), || SystemDisk.rename_new(from, to))
    }

    fn exchange(&self, a: &Path, b: &Path) -> io::Result<()> {
        if !self.can_exchange {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.step(Step::Exchange(a.into(), b.into()), || SystemDisk.exchange(a, b))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        if !path.exists() {
            return Ok(());
        }
        self.step(Step::Unlink(path.into()), || fs::remove_file(path))
    }

    fn remove_tree(&self, path: &Path) -> io::Result<()> {
        let entries = walkdir::WalkDir::new(path).contents_first(true).sort_by_file_name();
        for entry in entries.into_iter().filter_map(Result::ok) {
            let remove = || if entry.file_type().is_dir() { fs::remove_dir(entry.path()) } else { fs::remove_file(entry.path()) };
            self.step(Step::Unlink(entry.path().into()), remove)?;
        }
        Ok(())
    }
}
