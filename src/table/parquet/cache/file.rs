//! The stat cache's file: one block of bytes, read whole and looked up where it lies, so that opening it costs no more than reading it.
//!
//! | part | what |
//! |---|---|
//! | head | magic, format, hashing scheme, number of saves, of names, of entries |
//! | index | per entry, sorted: a hash of its path, where it starts |
//! | names | of columns: length, UTF-8 |
//! | entries | path, stat, number of columns; per column the number of its name, and its digest |
//! | seal | blake3 of all before |
//!
//! Numbers are little-endian. Invariants: what is not sealed, or is of another format or scheme, is not opened; nothing in the bytes can make a
//! lookup panic.

use crate::digest::{Digest, SCHEME};
use crate::stat::Stat;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const MAGIC: &[u8; 12] = b"daeda column";
const FORMAT: u32 = 1;
const SEAL: usize = 32;
const INDEXED: usize = 16;

/// What is known of a file's columns.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    pub path: &'a Path,
    pub stat: Stat,
    columns: &'a [u8],
}

const COLUMN: usize = 4 + 32;

pub struct CacheFile {
    bytes: Vec<u8>,
    pub saves: u32,
    names: Vec<String>,
    index: Range<usize>,
}

impl CacheFile {
    /// `None` where there is no file that can be believed.
    pub fn open(path: &Path) -> Option<Self> {
        let bytes = fs::read(path).ok()?;
        let (body, seal) = bytes.split_at_checked(bytes.len().checked_sub(SEAL)?)?;
        if blake3::hash(body).as_bytes() != seal {
            return None;
        }
        let mut rest = Bytes(body);
        let is_ours = rest.take(MAGIC.len())? == MAGIC && rest.u32()? == FORMAT && rest.u32()? == SCHEME;
        let (saves, names, entries) = (rest.u32()?, rest.u32()?, rest.u32()?);
        let start = body.len() - rest.0.len();
        rest.take((entries as usize).checked_mul(INDEXED)?)?;
        let index = start..body.len() - rest.0.len();
        let names = (0..names).map(|_| Some(std::str::from_utf8(rest.counted()?).ok()?.to_string())).collect::<Option<_>>()?;
        is_ours.then_some(Self { saves, names, index, bytes })
    }

    /// The entry of a path.
    pub fn find(&self, path: &Path) -> Option<Entry<'_>> {
        let hash = hash(path);
        let first = self.first_not_below(hash);
        let same = (first..self.len()).map_while(|i| self.indexed(i).filter(|(h, _)| *h == hash));
        same.filter_map(|(_, at)| self.entry(at)).find(|entry| entry.path == path)
    }

    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.len()).filter_map(|i| self.entry(self.indexed(i)?.1))
    }

    /// The digest of one column.
    pub fn column(&self, entry: &Entry, name: &str) -> Option<Digest> {
        self.columns(entry).find(|(known, _)| *known == name).map(|(_, digest)| digest)
    }

    pub fn columns<'a>(&'a self, entry: &Entry<'a>) -> impl Iterator<Item = (&'a str, Digest)> {
        entry.columns.chunks_exact(COLUMN).filter_map(|column| {
            let mut column = Bytes(column);
            let name = self.names.get(column.u32()? as usize)?;
            Some((name.as_str(), Digest::from_bytes(column.array()?)))
        })
    }

    fn len(&self) -> usize {
        self.index.len() / INDEXED
    }

    /// The hash and the place of an entry.
    fn indexed(&self, number: usize) -> Option<(u64, usize)> {
        let mut at = Bytes(self.bytes.get(self.index.clone())?.get(number * INDEXED..)?);
        Some((at.u64()?, at.u64()? as usize))
    }

    fn first_not_below(&self, hash: u64) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let is_below = self.indexed(middle).is_some_and(|(h, _)| h < hash);
            if is_below { low = middle + 1 } else { high = middle }
        }
        low
    }

    fn entry(&self, at: usize) -> Option<Entry<'_>> {
        let mut rest = Bytes(self.bytes.get(at..)?);
        let path = Path::new(OsStr::from_bytes(rest.counted()?));
        let (size, modified, changed, inode) = (rest.u64()?, rest.u64()? as i64, rest.u64()? as i64, rest.u64()?);
        let count = rest.u32()? as usize;
        Some(Entry { path, stat: Stat { size, modified, changed, inode }, columns: rest.take(count.checked_mul(COLUMN)?)? })
    }
}

/// Paths are spread evenly by it; two that share a hash are told apart by themselves.
pub fn hash(path: &Path) -> u64 {
    let digest = blake3::hash(path.as_os_str().as_bytes());
    Bytes(digest.as_bytes()).u64().unwrap_or_default()
}

/// Reads numbers and parts off the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn counted(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()? as usize;
        self.take(length)
    }
}

/// Puts a new file together.
#[derive(Default)]
pub struct Writer<'a> {
    names: HashMap<&'a str, u32>,
    index: Vec<(u64, u64)>,
    entries: Vec<u8>,
}

impl<'a> Writer<'a> {
    pub fn add(&mut self, path: &Path, stat: &Stat, columns: impl ExactSizeIterator<Item = (&'a str, Digest)>) {
        self.index.push((hash(path), self.entries.len() as u64));
        put(&mut self.entries, path.as_os_str().as_bytes());
        for number in [stat.size, stat.modified as u64, stat.changed as u64, stat.inode] {
            self.entries.extend(number.to_le_bytes());
        }
        self.entries.extend((columns.len() as u32).to_le_bytes());
        for (name, digest) in columns {
            let next = self.names.len() as u32;
            self.entries.extend(self.names.entry(name).or_insert(next).to_le_bytes());
            self.entries.extend(digest.bytes());
        }
    }

    /// Writes it beside `path` and moves it there: readers see the old file or the new one, whole.
    pub fn save(self, path: &Path, saves: u32) -> io::Result<()> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let done = fs::write(&temporary, self.finish(saves)).and_then(|()| fs::rename(&temporary, path));
        done.inspect_err(|_| drop(fs::remove_file(&temporary)))
    }

    fn finish(mut self, saves: u32) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for number in [FORMAT, SCHEME, saves, self.names.len() as u32, self.index.len() as u32] {
            bytes.extend(number.to_le_bytes());
        }
        let mut names: Vec<(&str, u32)> = self.names.into_iter().collect();
        names.sort_unstable_by_key(|(_, number)| *number);
        let mut named = Vec::new();
        names.iter().for_each(|(name, _)| put(&mut named, name.as_bytes()));
        let start = (bytes.len() + self.index.len() * INDEXED + named.len()) as u64;
        self.index.sort_unstable();
        for (hash, at) in &self.index {
            bytes.extend(hash.to_le_bytes());
            bytes.extend((start + at).to_le_bytes());
        }
        bytes.extend(named);
        bytes.extend(self.entries);
        let seal = blake3::hash(&bytes);
        bytes.extend(seal.as_bytes());
        bytes
    }
}

fn put(into: &mut Vec<u8>, bytes: &[u8]) {
    into.extend((bytes.len() as u32).to_le_bytes());
    into.extend(bytes);
}
