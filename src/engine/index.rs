//! The index of traces: what the records said when they were last read, so that a record that has not changed is not opened again.
//!
//! A cache under `.daeda/`. Invariants: an entry is believed only while the record's file, the output's directory and its data files are
//! what they were; it is made only of what the file system would show a change of (see `stat`); damaged or foreign, it is started anew.

use super::action::Action;
use super::record::Record;
use crate::digest::{Digest, Hasher, SCHEME};
use crate::pack::{self, Packer, Unpacker};
use crate::stat::{Stat, now};
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

const KIND: &str = "daeda index of traces";
const VERSION: u32 = SCHEME * 100 + 2;

/// The two halves of a trace: what the manifest says, and what the world and the upstreams are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceDigest {
    pub definition: Digest,
    pub data: Digest,
}

/// What is known of a published output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub recorded: TraceDigest,
    /// Data that differs from what was recorded by its tokens only: compared once, and found to be the same.
    pub same: Option<Digest>,
    pub output: Digest,
    /// When the output's data was cleaned away.
    pub cleaned: Option<String>,
    directory: Stat,
    /// The record's file, then the data files.
    files: Vec<(String, Stat)>,
}

impl Entry {
    /// Whether data of that digest is what was recorded.
    pub fn has_data(&self, data: Digest) -> bool {
        self.recorded.data == data || self.same == Some(data)
    }
}

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
    learned: Mutex<HashMap<u128, Option<Entry>>>,
}

impl TraceIndex {
    pub fn open(path: &Path) -> Self {
        Self { path: path.into(), stored: pack::load(path, KIND, VERSION).and_then(Stored::new), learned: Mutex::default() }
    }

    /// Whether there is a file that could not be believed.
    pub fn is_started_anew(&self) -> bool {
        self.stored.is_none() && self.path.exists()
    }

    /// The entry of an action whose output and record are as they were when it was made.
    pub fn entry(&self, action: &Action, directory: &Path) -> Option<Entry> {
        let key = key_of(action);
        let learned = self.learned.lock().expect("no thread panics while it holds the index").get(&key).cloned();
        let entry = learned.unwrap_or_else(|| self.stored.as_ref()?.get(key))?;
        entry.is_as_it_was(directory).then_some(entry)
    }

    /// Keeps what a record says; `file` is its name, `data` the digest of data that has been found to be the same.
    pub fn keep(&self, action: &Action, directory: &Path, file: &str, record: &Record, data: Digest) {
        let entry = Entry::of(directory, file, record, data);
        self.learned.lock().expect("no thread panics while it holds the index").insert(key_of(action), entry);
    }

    /// Writes what was learned beside what was known. Best effort: a cache that cannot be written costs time only.
    pub fn save(&self) {
        let learned = std::mem::take(&mut *self.learned.lock().expect("no thread panics while it holds the index"));
        if learned.is_empty() {
            return;
        }
        let mut entries: Vec<(u128, Vec<u8>)> = Vec::new();
        if let Some(stored) = &self.stored {
            entries.extend(stored.entries().filter(|(key, _)| !learned.contains_key(key)).map(|(key, bytes)| (key, bytes.to_vec())));
        }
        entries.extend(learned.iter().filter_map(|(key, entry)| Some((*key, entry.as_ref()?.packed()))));
        entries.sort_unstable_by_key(|(key, _)| *key);
        let _ = pack::save(&self.path, KIND, VERSION, &Stored::packed(&entries));
    }
}

/// An action at its place: another output root has another index of its own.
fn key_of(action: &Action) -> u128 {
    let mut hasher = Hasher::new("action at its place");
    hasher.digest("place", &action.place.print()).text("asset", &action.id.asset).text("op", &action.id.op);
    hasher.finish().wide()
}

impl Stored {
    fn new((bytes, start): (Vec<u8>, usize)) -> Option<Self> {
        let mut head = Unpacker::new(&bytes[start..]);
        let count = head.number()? as usize;
        head.raw(count.checked_mul(KEY)?)?;
        Some(Self { bytes, keys: start + 8, count })
    }

    fn packed(entries: &[(u128, Vec<u8>)]) -> Vec<u8> {
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

    fn get(&self, wanted: u128) -> Option<Entry> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = (low + high) / 2;
            match self.key(middle)?.0.cmp(&wanted) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Entry::unpacked(self.body(middle)?),
            }
        }
        None
    }

    fn entries(&self) -> impl Iterator<Item = (u128, &[u8])> {
        (0..self.count).filter_map(|i| Some((self.key(i)?.0, self.body(i)?)))
    }
}

impl Entry {
    /// `None` where something changed so recently that its next change might not show.
    fn of(directory: &Path, file: &str, record: &Record, data: Digest) -> Option<Self> {
        let looked = now();
        let settled = |path: &Path| fs::metadata(path).ok().map(|m| Stat::of(&m)).filter(|stat| stat.is_settled(looked));
        let data_files = if record.cleaned.is_none() { &record.output.files[..] } else { &[] };
        let recorded = || data_files.iter().map(|f| f.name.as_str());
        // A file more in a directory below changes that directory alone.
        let below: BTreeSet<&str> = recorded().flat_map(|name| name.match_indices('/').map(|(end, _)| &name[..end])).collect();
        let names = std::iter::once(file).chain(recorded()).chain(below);
        let files: Option<Vec<_>> = names.map(|name| Some((name.to_string(), settled(&directory.join(name))?))).collect();
        let recorded = record.trace_digest();
        let same = (data != recorded.data).then_some(data);
        let (output, cleaned) = (record.output.digest, record.cleaned.clone());
        Some(Self { recorded, same, output, cleaned, directory: settled(directory)?, files: files? })
    }

    fn is_as_it_was(&self, directory: &Path) -> bool {
        let is = |path: &Path, stat: &Stat| fs::metadata(path).is_ok_and(|m| Stat::of(&m) == *stat);
        is(directory, &self.directory) && self.files.iter().all(|(name, stat)| is(&directory.join(name), stat))
    }

    fn packed(&self) -> Vec<u8> {
        let mut packer = Packer::default();
        packer.digest(&self.recorded.definition).digest(&self.recorded.data).digest(&self.output);
        packer.small(u32::from(self.same.is_some())).digest(&self.same.unwrap_or(self.output));
        packer.text(self.cleaned.as_deref().unwrap_or_default());
        self.directory.pack(&mut packer);
        packer.small(self.files.len() as u32);
        for (name, stat) in &self.files {
            packer.text(name);
            stat.pack(&mut packer);
        }
        packer.into_bytes()
    }

    fn unpacked(bytes: &[u8]) -> Option<Self> {
        let mut from = Unpacker::new(bytes);
        let recorded = TraceDigest { definition: from.digest()?, data: from.digest()? };
        let output = from.digest()?;
        let has_same = from.small()? == 1;
        let same = from.digest().filter(|_| has_same);
        let cleaned = Some(from.text()?.to_string()).filter(|time| !time.is_empty());
        let directory = Stat::unpack(&mut from)?;
        let count = from.small()?;
        let files: Option<Vec<_>> = (0..count).map(|_| Some((from.text()?.to_string(), Stat::unpack(&mut from)?))).collect();
        Some(Self { recorded, same, output, cleaned, directory, files: files? })
    }
}
