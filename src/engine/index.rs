//! The index of traces: what the records said when they were last read, so that a record that has not changed is not opened again.
//!
//! A cache under `.daeda/`. Invariants: an entry is believed only while the record's file, the output's directory and its data files are
//! what they were; it is made only of what the file system would show a change of (see `stat`); damaged or foreign, it is started anew.

use super::action::{Action, Place};
use super::record::Record;
use crate::digest::key::{Table, first_not_below, key};
use crate::digest::{Digest, SCHEME};
use crate::pack::{self, Packer, Unpacker};
use crate::stat::{Near, Stat, now};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};

const KIND: &str = "daeda index of traces";
const VERSION: u32 = SCHEME * 100 + 5;

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

/// An entry, and what it stands beside in the file: entries of outputs that lie side by side are looked up one after the other.
#[derive(Debug)]
struct Learned {
    beside: String,
    entry: Entry,
}

/// The file of an earlier command: keys in order, then the entries as they were learned, by op and place.
struct Stored {
    bytes: Vec<u8>,
    keys: usize,
    count: usize,
}

/// Bytes of a key, and of the offset and the length of its entry.
const KEY: usize = 28;

pub struct TraceIndex {
    path: PathBuf,
    stored: Option<Stored>,
    /// There was a file at first that could not be believed.
    is_started_anew: bool,
    /// What was found out since; nothing of an output that may not be believed.
    learned: RwLock<Table<Option<Learned>>>,
    /// Whether there is anything there: mostly not, and a lock that all threads ask for takes time.
    has_learned: AtomicBool,
}

impl TraceIndex {
    pub fn open(path: &Path) -> Self {
        let stored = pack::load(path, KIND, VERSION).and_then(Stored::new);
        let is_started_anew = stored.is_none() && path.exists();
        Self { path: path.into(), stored, is_started_anew, learned: RwLock::default(), has_learned: AtomicBool::new(false) }
    }

    /// Whether there was a file that could not be believed.
    pub fn is_started_anew(&self) -> bool {
        self.is_started_anew
    }

    /// What is known of an action that was recorded with a trace, if its output and record are as they were then.
    pub fn known(&self, action: &Action, trace: TraceDigest, near: &mut Near) -> Option<Known> {
        let key = key_of(action);
        if self.has_learned.load(Ordering::Acquire) {
            let learned = self.learned.read().expect("no thread panics while it holds the index");
            if let Some(learned) = learned.get(&key) {
                return believed(&learned.as_ref()?.entry, &action.place, trace, near);
            }
        }
        believed(self.stored.as_ref()?.get(key)?, &action.place, trace, near)
    }

    /// Keeps what a record says; `file` is its name, `data` the digest of data that has been found to be the same.
    pub fn keep(&self, action: &Action, directory: &Path, file: &str, record: &Record, data: Digest) {
        let entry = entry_of(directory, file, record, data);
        let learned = entry.map(|entry| Learned { beside: format!("{} {}", action.id.op, action.place.directory), entry });
        self.learned.write().expect("no thread panics while it holds the index").insert(key_of(action), learned);
        self.has_learned.store(true, Ordering::Release);
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
            entries.sort_unstable_by_key(|(_, entry)| entry.as_ptr());
        }
        let mut new: Vec<(u128, &Learned)> = learned.iter().filter_map(|(key, entry)| Some((*key, entry.as_ref()?))).collect();
        new.sort_unstable_by_key(|(_, learned)| &learned.beside);
        entries.extend(new.iter().map(|(key, learned)| (*key, &learned.entry[..])));
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
        let mut places = Vec::with_capacity(entries.len());
        let mut offset = 0;
        for (key, bytes) in entries {
            places.push((*key, offset, bytes.len() as u32));
            offset += bytes.len() as u64;
        }
        places.sort_unstable();
        for (key, offset, length) in places {
            packer.wide(key).number(offset).small(length);
        }
        for (_, bytes) in entries {
            packer.raw(bytes);
        }
        packer.into_bytes()
    }

    fn key(&self, index: usize) -> Option<u128> {
        Unpacker::new(self.bytes.get(self.keys + index * KEY..)?).wide()
    }

    fn body(&self, index: usize) -> Option<&[u8]> {
        let mut at = Unpacker::new(self.bytes.get(self.keys + index * KEY..)?);
        at.wide()?;
        let (offset, length) = (usize::try_from(at.number()?).ok()?, at.small()? as usize);
        let bodies = self.bytes.get(self.keys + self.count * KEY..)?;
        bodies.get(offset..offset.checked_add(length)?)
    }

    fn get(&self, wanted: u128) -> Option<&[u8]> {
        let place = |index: usize| self.key(index).map_or(u64::MAX, |key| (key >> 64) as u64);
        let first = first_not_below((wanted >> 64) as u64, self.count, place);
        let mut alike = (first..self.count).map_while(|i| Some((i, self.key(i)?))).take_while(|(_, key)| *key <= wanted);
        self.body(alike.find(|(_, key)| *key == wanted)?.0)
    }

    fn entries(&self) -> impl Iterator<Item = (u128, &[u8])> {
        (0..self.count).filter_map(|i| Some((self.key(i)?, self.body(i)?)))
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
fn believed(entry: &[u8], place: &Place, trace: TraceDigest, near: &mut Near) -> Option<Known> {
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
    is_as_it_was(from, place, near).filter(|is| *is).map(|_| Known { output, cleaned, warned })
}

/// Whether a directory and the files in it are what the rest of an entry says.
fn is_as_it_was(mut from: Unpacker, place: &Place, near: &mut Near) -> Option<bool> {
    near.turn(&place.root, &place.directory);
    if near.directory() != Some(Stat::unpack(&mut from)?) {
        return Some(false);
    }
    for _ in 0..from.small()? {
        let name = from.text()?;
        if near.file(OsStr::new(name)) != Some(Stat::unpack(&mut from)?) {
            return Some(false);
        }
    }
    Some(true)
}
