//! The stat cache: column digests of files that have not changed since they were hashed.
//!
//! Invariants: an entry is believed only while size, times and inode are the same, and is made only for a file whose next change would
//! show (see `stat`). The file on disk is a cache: damaged or foreign, it is started anew.

mod file;
#[cfg(test)]
mod tests;

use super::digest::column_digests;
use super::error::TableError;
use crate::digest::Digest;
use crate::digest::file::Meter;
use crate::stat::{Stat, now};
use crate::table::listing::{Listing, list, parquet_files};
use file::{CacheFile, Writer};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, RwLock};

/// A save looks after one in so many of the entries that it did not make: those of files that are gone go too.
const TURNS: u64 = 8;

/// Stands for a digest where names of files are kept: their contents are looked at apart.
const A_FILE: Digest = Digest::from_bytes([0; 32]);

pub struct ColumnCache {
    path: PathBuf,
    /// Read when it is first asked for: of a source whose periods are as they were nobody does.
    kept: OnceLock<Option<CacheFile>>,
    /// Whether there was a file at first: later there is one that was written here.
    is_there: bool,
    /// By its first bytes the file is none of ours.
    foreign: bool,
    learned: RwLock<HashMap<PathBuf, Learned>>,
    /// Something was learned since the last save.
    dirty: AtomicBool,
    meter: Meter,
}

struct Learned {
    stat: Stat,
    columns: BTreeMap<String, Digest>,
}

impl ColumnCache {
    /// Another one where digests of columns are made in another way.
    pub const VERSION: u32 = file::VERSION;

    pub fn open(path: &Path) -> Self {
        let is_there = path.exists();
        let foreign = is_there && !CacheFile::is_of_our_kind(path);
        let (learned, dirty) = (RwLock::default(), AtomicBool::new(foreign));
        Self { path: path.into(), kept: OnceLock::new(), is_there, foreign, learned, dirty, meter: Meter::default() }
    }

    fn kept(&self) -> Option<&CacheFile> {
        let open = || CacheFile::open(&self.path).filter(|_| !self.foreign);
        self.kept.get_or_init(open).as_ref()
    }

    /// Whether there was a file that could not be believed; as far as it was read.
    pub fn is_started_anew(&self) -> bool {
        self.foreign || (self.kept.get().is_some_and(Option::is_none) && self.is_there)
    }

    /// Counts the bytes of columns that are hashed because they were not known.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The Parquet files of a directory, as `listing` says, read only where it may have changed.
    pub fn files(&self, directory: &Path) -> io::Result<Option<Vec<PathBuf>>> {
        self.files_seen(directory).map(|(files, _)| files)
    }

    /// The same, with the directory's stat where that would show a change of them.
    pub fn files_seen(&self, directory: &Path) -> io::Result<(Option<Vec<PathBuf>>, Option<Stat>)> {
        let looked = now();
        let stat = match fs::metadata(directory) {
            Ok(metadata) if metadata.is_dir() => Stat::of(&metadata),
            _ => return Ok((parquet_files(directory)?, None)),
        };
        if let Some(files) = self.listed(directory, &stat) {
            return Ok((Some(files), Some(stat)));
        }
        let Listing { files, is_flat } = list(directory)?;
        let names = files.iter().flatten().map(|file| file.file_name()?.to_str().map(str::to_string));
        let names = names.collect::<Option<Vec<String>>>().filter(|_| is_flat && stat.is_settled(looked));
        if let Some(names) = &names {
            self.learn(directory, stat, names, &vec![A_FILE; names.len()]);
        }
        Ok((files, names.map(|_| stat)))
    }

    /// What is kept of a directory: names of files in place of columns.
    fn listed(&self, directory: &Path, stat: &Stat) -> Option<Vec<PathBuf>> {
        let all = self.learned.read().expect("no thread panics while it learns");
        if let Some(learned) = Some(&*all).filter(|all| !all.is_empty()).and_then(|all| all.get(directory)).filter(|l| l.stat == *stat) {
            return Some(learned.columns.keys().map(|name| directory.join(name)).collect());
        }
        let kept = self.kept()?;
        let entry = kept.find(directory).filter(|e| e.stat == *stat)?;
        Some(kept.columns(&entry).map(|(name, _)| directory.join(name)).collect())
    }

    /// The digests of the wanted columns in their order, hashed only where they are not known.
    pub fn digests(&self, file: &Path, wanted: &[String]) -> Result<Vec<Digest>, TableError> {
        self.digests_seen(file, wanted).map(|(digests, _)| digests)
    }

    /// The same, with the file's stat where that would show a change.
    pub fn digests_seen(&self, file: &Path, wanted: &[String]) -> Result<(Vec<Digest>, Option<Stat>), TableError> {
        let looked = now();
        let stat = Stat::of(&fs::metadata(file).map_err(|e| TableError::io(file, e))?);
        let known = self.known(file, &stat, wanted);
        let missing: Vec<String> = wanted.iter().zip(&known).filter(|(_, d)| d.is_none()).map(|(name, _)| name.clone()).collect();
        let settled = Some(stat).filter(|stat| stat.is_settled(looked));
        if missing.is_empty() {
            return Ok((known.into_iter().flatten().collect(), settled));
        }
        let hashed = column_digests(file, &missing, &self.meter)?;
        if settled.is_some() {
            self.learn(file, stat, &missing, &hashed);
        }
        let mut hashed = hashed.into_iter();
        Ok((known.into_iter().filter_map(|digest| digest.or_else(|| hashed.next())).collect(), settled))
    }

    fn known(&self, file: &Path, stat: &Stat, wanted: &[String]) -> Vec<Option<Digest>> {
        let all = self.learned.read().expect("no thread panics while it learns");
        // Mostly nothing is, and a path takes time to hash.
        let learned = if all.is_empty() { None } else { all.get(file).filter(|l| l.stat == *stat) };
        let kept = self.kept().and_then(|kept| Some((kept, kept.find(file).filter(|e| e.stat == *stat)?)));
        let known = |name: &String| {
            let now = || learned?.columns.get(name).copied();
            let before = || kept.and_then(|(kept, entry)| kept.column(&entry, name));
            now().or_else(before)
        };
        wanted.iter().map(known).collect()
    }

    fn learn(&self, file: &Path, stat: Stat, names: &[String], digests: &[Digest]) {
        let mut all = self.learned.write().expect("no thread panics while it learns");
        let entry = all.entry(file.into()).or_insert_with(|| Learned { stat, columns: BTreeMap::new() });
        if entry.stat != stat {
            *entry = Learned { stat, columns: BTreeMap::new() };
        }
        entry.columns.extend(names.iter().cloned().zip(digests.iter().copied()));
        self.dirty.store(true, Ordering::Relaxed);
    }

    /// Writes what was learned, whole or not at all. Best effort: a cache that cannot be written costs time only.
    pub fn save(&self) {
        if !self.dirty.swap(false, Ordering::Relaxed) {
            return;
        }
        let learned = self.learned.read().expect("no thread panics while it learns");
        // Read again: another process may have saved meanwhile.
        let kept = CacheFile::open(&self.path);
        let saves = kept.as_ref().map_or(0, |k| k.saves).wrapping_add(1);
        let mut writer = Writer::default();
        let mut done = HashSet::new();
        for entry in kept.iter().flat_map(CacheFile::entries) {
            let columns = kept.iter().flat_map(|k| k.columns(&entry));
            match learned.get(entry.path) {
                Some(learned) if learned.stat == entry.stat => {
                    let mut columns: BTreeMap<&str, Digest> = columns.collect();
                    columns.extend(learned.columns.iter().map(|(name, digest)| (name.as_str(), *digest)));
                    writer.add(entry.path, &entry.stat, columns.into_iter());
                    done.insert(entry.path);
                }
                Some(_) => {}
                None if is_worth_keeping(&entry, saves) => writer.add(entry.path, &entry.stat, columns.collect::<Vec<_>>().into_iter()),
                None => {}
            }
        }
        for (path, learned) in learned.iter().filter(|(path, _)| !done.contains(path.as_path())) {
            writer.add(path, &learned.stat, learned.columns.iter().map(|(name, digest)| (name.as_str(), *digest)));
        }
        let _ = writer.save(&self.path, saves);
    }
}

/// False for an entry whose turn it is, of a file that is gone or is another by now.
fn is_worth_keeping(entry: &file::Entry, saves: u32) -> bool {
    let is_due = file::hash(entry.path) % TURNS == u64::from(saves) % TURNS;
    !is_due || fs::metadata(entry.path).is_ok_and(|metadata| Stat::of(&metadata) == entry.stat)
}
