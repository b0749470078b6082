//! The index of traces: what the records said when they were last read, so that a record that has not changed is not opened again.
//!
//! A cache under `.daeda/`. Invariants: an entry is believed only while the record's file, the output's directory and its data files are
//! what they were; it is made only of what the file system would show a change of (see `stat`); damaged or foreign, it is started anew.

use super::action::{Action, Place};
use super::record::Record;
use crate::digest::key::{Table, first_not_below, key};
use crate::digest::{Digest, SCHEME};
use crate::pack::{self, Packer, Unpacker};
use crate::stat::{Stat, now};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::RwLock;

const KIND: &str = "daeda index of traces";
const VERSION: u32 = SCHEME * 100 + 4;

/// The two halves of a trace: what the manifest says, and what the world and the upstreams are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceDigest {
    pub definition: Digest,
    pub data: Digest,
}

/// What is known of a published output that is as it was, and of the trace that it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub output: Digest,
    /// When the output's data was cleaned away.
    pub cleaned: Option<String>,
    /// A check of it has failed that only warns.
    pub warned: bool,
}

/// What is kept of a record and its output:
///
/// | what | as |
/// |---|---|
/// | the recorded trace: definition, data | two digests |
/// | data that differs from what was recorded by its tokens only: compared once, and found to be the same | 0 or 1, a digest |
/// | output | a digest |
/// | when its data was cleaned away, or nothing | a text |
/// | whether a check of it only warned | 0 or 1 |
/// | the output's directory | a stat |
/// | the record's file, then the data files | their number; names and stats |
type Entry = Vec<u8>;

/// The file of an earlier command: keys in order, then the entries.
struct Stored {
    bytes: Vec<u8>,
    keys: usize,
    count: usize,
}

/// Bytes of a key and the offset of its entry.
const KEY: usize = 24;

pub struct TraceIndex {
    path: PathBuf,
    stored: Option<Stored>,
    /// What was found out since; nothing of an output that may not be believed.
    learned: RwLock<Table<Option<Entry>>>,
}

impl TraceIndex {
    pub fn open(path: &Path) -> Self {
        Self { path: path.into(), stored: pack::load(path, KIND, VERSION).and_then(Stored::new), learned: RwLock::default() }
    }

    /// Whether there is a file that could not be believed.
    pub fn is_started_anew(&self) -> bool {
        self.stored.is_none() && self.path.exists()
    }

    /// What is known of an action that was recorded with a trace, if its output and record are as they were then.
    pub fn known(&self, action: &Action, directory: &Path, trace: TraceDigest) -> Option<Known> {
        let key = key_of(action);
        let learned = self.learned.read().expect("no thread panics while it holds the index");
        if let Some(entry) = learned.get(&key) {
            return believed(entry.as_ref()?, directory, trace);
        }
        drop(learned);
        believed(self.stored.as_ref()?.get(key)?, directory, trace)
    }

    /// Keeps what a record says; `file` is its name, `data` the digest of data that has been found to be the same.
    pub fn keep(&self, action: &Action, directory: &Path, file: &str, record: &Record, data: Digest) {
        let entry = entry_of(directory, file, record, data);
        self.learned.write().expect("no thread panics while it holds the index").insert(key_of(action), entry);
    }

    /// Writes what was learned beside what was known. Best effort: a cache that cannot be written costs time only.
    pub fn save(&self) {
        let learned = std::mem::take(&mut *self.learned.write().expect("no thread panics while it holds the index"));
        if learned.is_empty() {
            return;
        }
        let mut entries: Vec<(u128, &[u8])> = Vec::new();
        if let Some(stored) = &self.stored {
            entries.extend(stored.entries().filter(|(key, _)| !learned.contains_key(key)));
        }
        entries.extend(learned.iter().filter_map(|(key, entry)| Some((*key, entry.as_deref()?))));
        entries.sort_unstable_by_key(|(key, _)| *key);
        let _ = pack::save(&self.path, KIND, VERSION, &Stored::packed(&entries));
    }
}

/// An action at its place: another output root has another index of its own.
fn key_of(action: &Action) -> u128 {
    let Place { root, directory } = &action.place;
    key(&[root.as_os_str().as_encoded_bytes(), directory.as_bytes(), action.id.asset.as_bytes(), action.id.op.as_bytes()])
}

impl Stored {
    fn new((bytes, start): (Vec<u8>, usize)) -> Option<Self> {
        let mut head = Unpacker::new(&bytes[start..]);
        let count = head.number()? as usize;
        head.raw(count.checked_mul(KEY)?)?;
        Some(Self { bytes, keys: start + 8, count })
    }

    fn packed(entries: &[(u128, &[u8])]) -> Vec<u8> {
        let mut packer = Packer::default();
        packer.number(entries.len() as u64);
        let mut offset = 0;
        for (key, bytes) in entries {
            packer.wide(*key).number(offset);
            offset += bytes.len() as u64;
        }
        for (_, bytes) in entries {
            packer.raw(bytes);
        }
        packer.into_bytes()
    }

    fn key(&self, index: usize) -> Option<(u128, usize)> {
        let mut key = Unpacker::new(self.bytes.get(self.keys + index * KEY..)?);
        Some((key.wide()?, key.number()? as usize))
    }

    fn body(&self, index: usize) -> Option<&[u8]> {
        let start = self.keys + self.count * KEY;
        let end = if index + 1 < self.count { start + self.key(index + 1)?.1 } else { self.bytes.len() };
        self.bytes.get(start + self.key(index)?.1..end)
    }

    fn get(&self, wanted: u128) -> Option<&[u8]> {
        let place = |index: usize| self.key(index).map_or(u64::MAX, |(key, _)| (key >> 64) as u64);
        let first = first_not_below((wanted >> 64) as u64, self.count, place);
        let mut alike = (first..self.count).map_while(|i| Some((i, self.key(i)?.0))).take_while(|(_, key)| *key <= wanted);
        self.body(alike.find(|(_, key)| *key == wanted)?.0)
    }

    fn entries(&self) -> impl Iterator<Item = (u128, &[u8])> {
        (0..self.count).filter_map(|i| Some((self.key(i)?.0, self.body(i)?)))
    }
}

/// An entry; none where something changed so recently that its next change might not show.
fn entry_of(directory: &Path, file: &str, record: &Record, data: Digest) -> Option<Entry> {
    let looked = now();
    let settled = |path: &Path| fs::metadata(path).ok().map(|m| Stat::of(&m)).filter(|stat| stat.is_settled(looked));
    let data_files = if record.cleaned.is_none() { &record.output.files[..] } else { &[] };
    let recorded = || data_files.iter().map(|f| f.name.as_str());
    // A file more in a directory below changes that directory alone.
    let below: BTreeSet<&str> = recorded().flat_map(|name| name.match_indices('/').map(|(end, _)| &name[..end])).collect();
    let names: Vec<&str> = std::iter::once(file).chain(recorded()).chain(below).collect();
    let trace = record.trace_digest();
    let same = (data != trace.data).then_some(data);
    let mut packer = Packer::default();
    packer.digest(&trace.definition).digest(&trace.data);
    packer.small(u32::from(same.is_some())).digest(&same.unwrap_or(trace.data));
    packer.digest(&record.output.digest).text(record.cleaned.as_deref().unwrap_or_default());
    packer.small(u32::from(record.is_warned()));
    settled(directory)?.pack(&mut packer);
    packer.small(names.len() as u32);
    for name in names {
        packer.text(name);
        settled(&directory.join(name))?.pack(&mut packer);
    }
    Some(packer.into_bytes())
}

/// What an entry says of an output that is as it was, if it was recorded with that trace.
fn believed(entry: &[u8], directory: &Path, trace: TraceDigest) -> Option<Known> {
    let mut from = Unpacker::new(entry);
    let recorded = TraceDigest { definition: from.digest()?, data: from.digest()? };
    let has_same = from.small()? == 1;
    let same = from.digest().filter(|_| has_same);
    if recorded.definition != trace.definition || (recorded.data != trace.data && same != Some(trace.data)) {
        return None;
    }
    let output = from.digest()?;
    let cleaned = Some(from.text()?).filter(|time| !time.is_empty()).map(str::to_string);
    let warned = from.small()? == 1;
    is_as_it_was(from, directory).filter(|is| *is).map(|_| Known { output, cleaned, warned })
}

/// Whether a directory and the files in it are what the rest of an entry says.
fn is_as_it_was(mut from: Unpacker, directory: &Path) -> Option<bool> {
    let is = |path: &Path, stat: Stat| fs::metadata(path).is_ok_and(|m| Stat::of(&m) == stat);
    if !is(directory, Stat::unpack(&mut from)?) {
        return Some(false);
    }
    let mut path = directory.to_path_buf();
    for _ in 0..from.small()? {
        let name = from.text()?;
        path.push(name);
        if !is(&path, Stat::unpack(&mut from)?) {
            return Some(false);
        }
        path.clear();
        path.push(directory);
    }
    Some(true)
}
