//! The stat cache: column digests of files that have not changed since they were hashed.
//!
//! Invariants: an entry is believed only while size, times and inode are the same, and is made only for a file whose next change would
//! show (see `stat`). The file on disk is a cache: damaged or foreign, it is started anew.

use super::digest::{Columns, column_digests};
use super::error::TableError;
use crate::stat::{Stat, now};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

const FORMAT: u32 = 1;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Entries {
    format: u32,
    scheme: u32,
    files: HashMap<PathBuf, Entry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    stat: Stat,
    columns: Columns,
}

pub struct ColumnCache {
    path: PathBuf,
    entries: Mutex<Entries>,
    dirty: Mutex<bool>,
}

impl ColumnCache {
    pub fn open(path: &Path) -> Self {
        let read = fs::read(path).ok().and_then(|text| serde_json::from_slice::<Entries>(&text).ok());
        let ours = read.filter(|e| e.format == FORMAT && e.scheme == crate::digest::SCHEME);
        let entries = ours.unwrap_or_else(|| Entries { format: FORMAT, scheme: crate::digest::SCHEME, files: HashMap::new() });
        Self { path: path.into(), entries: Mutex::new(entries), dirty: Mutex::new(false) }
    }

    /// The digests of the wanted columns, hashed only where they are not known.
    pub fn digests(&self, file: &Path, wanted: &[String]) -> Result<Columns, TableError> {
        let looked = now();
        let stat = Stat::of(&fs::metadata(file).map_err(|e| TableError::io(file, e))?);
        let known = self.known(file, &stat);
        let missing: Vec<String> = wanted.iter().filter(|c| !known.contains_key(*c)).cloned().collect();
        let mut all = known;
        if !missing.is_empty() {
            all.extend(column_digests(file, &missing)?);
            self.keep(file, stat, looked, &all);
        }
        all.retain(|name, _| wanted.contains(name));
        Ok(all)
    }

    fn known(&self, file: &Path, stat: &Stat) -> Columns {
        let entries = self.entries.lock().expect("no thread panics while it holds the cache");
        entries.files.get(file).filter(|e| e.stat == *stat).map(|e| e.columns.clone()).unwrap_or_default()
    }

    fn keep(&self, file: &Path, stat: Stat, looked: i64, columns: &Columns) {
        if !stat.is_settled(looked) {
            return;
        }
        let mut entries = self.entries.lock().expect("no thread panics while it holds the cache");
        entries.files.insert(file.into(), Entry { stat, columns: columns.clone() });
        *self.dirty.lock().expect("no thread panics while it holds the flag") = true;
    }

    /// Writes what was learned, whole or not at all. Best effort: a cache that cannot be written costs time only.
    pub fn save(&self) {
        let mut dirty = self.dirty.lock().expect("no thread panics while it holds the flag");
        if !std::mem::take(&mut *dirty) {
            return;
        }
        let entries = self.entries.lock().expect("no thread panics while it holds the cache");
        let Ok(text) = serde_json::to_vec(&*entries) else { return };
        let temporary = self.path.with_extension(format!("{}.tmp", std::process::id()));
        let written = self.path.parent().map(fs::create_dir_all).transpose().and_then(|_| fs::write(&temporary, text));
        if written.is_err() || fs::rename(&temporary, &self.path).is_err() {
            let _ = fs::remove_file(&temporary);
        }
    }
}
