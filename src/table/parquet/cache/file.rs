//! The stat cache's file: one block of bytes, read whole and looked up where it lies, so that opening it costs no more than reading it.
//!
//! | part | what |
//! |---|---|
//! | head | number of saves, of names, of entries |
//! | index | per entry, sorted: a hash of its path, where it starts |
//! | names | of columns |
//! | entries | path, stat, number of columns; per column the number of its name, and its digest |
//!
//! What stands around them (kind, version, checksum) is `pack`'s. Invariant: nothing in the bytes can make a lookup panic.

use crate::digest::{Digest, SCHEME, key};
use crate::pack::{self, Packer, Unpacker};
use crate::stat::Stat;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const KIND: &str = "daeda column digests";
pub const VERSION: u32 = SCHEME * 100 + 3;

/// Bytes of a hash and a place.
const INDEXED: usize = 16;
/// Bytes of the number of a name and a digest.
const COLUMN: usize = 4 + 32;

/// What is known of a file's columns.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    pub path: &'a Path,
    pub stat: Stat,
    columns: &'a [u8],
}

pub struct CacheFile {
    bytes: Vec<u8>,
    /// Where the contents start, from which places are counted.
    start: usize,
    pub saves: u32,
    names: Vec<String>,
    index: Range<usize>,
}

impl CacheFile {
    /// Whether a file begins as one of this kind and version does.
    pub fn is_of_our_kind(path: &Path) -> bool {
        pack::is_of(path, KIND, VERSION)
    }

    /// `None` where there is no file that can be believed.
    pub fn open(path: &Path) -> Option<Self> {
        let (bytes, start) = pack::load(path, KIND, VERSION)?;
        let mut head = Unpacker::new(bytes.get(start..)?);
        let (saves, names, entries) = (head.small()?, head.small()?, head.small()?);
        let length = (entries as usize).checked_mul(INDEXED)?;
        let index = start + 12..start + 12 + length;
        head.raw(length)?;
        let names = (0..names).map(|_| head.text().map(String::from)).collect::<Option<_>>()?;
        Some(Self { bytes, start, saves, names, index })
    }

    /// The entry of a path.
    pub fn find(&self, path: &Path) -> Option<Entry<'_>> {
        let hash = hash(path);
        let first = key::first_not_below(hash, self.len(), |place| self.indexed(place).map_or(u64::MAX, |(hash, _)| hash));
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
            let mut column = Unpacker::new(column);
            let name = self.names.get(column.small()? as usize)?;
            Some((name.as_str(), column.digest()?))
        })
    }

    fn len(&self) -> usize {
        self.index.len() / INDEXED
    }

    /// The hash and the place of an entry.
    fn indexed(&self, number: usize) -> Option<(u64, usize)> {
        let mut at = Unpacker::new(self.bytes.get(self.index.clone())?.get(number * INDEXED..)?);
        Some((at.number()?, at.number()? as usize))
    }

    fn entry(&self, at: usize) -> Option<Entry<'_>> {
        let mut rest = Unpacker::new(self.bytes.get(self.start.checked_add(at)?..)?);
        let length = rest.small()? as usize;
        let path = Path::new(OsStr::from_bytes(rest.raw(length)?));
        let (stat, count) = (Stat::unpack(&mut rest)?, rest.small()? as usize);
        Some(Entry { path, stat, columns: rest.raw(count.checked_mul(COLUMN)?)? })
    }
}

/// Paths are spread evenly by it; two that share a hash are told apart by themselves.
pub fn hash(path: &Path) -> u64 {
    key::short_key(path.as_os_str().as_bytes())
}

/// Puts a new file together.
#[derive(Default)]
pub struct Writer<'a> {
    names: HashMap<&'a str, u32>,
    index: Vec<(u64, u64)>,
    entries: Packer,
}

impl<'a> Writer<'a> {
    pub fn add(&mut self, path: &Path, stat: &Stat, columns: impl ExactSizeIterator<Item = (&'a str, Digest)>) {
        self.index.push((hash(path), self.entries.len() as u64));
        let path = path.as_os_str().as_bytes();
        self.entries.small(path.len() as u32).raw(path);
        stat.pack(&mut self.entries);
        self.entries.small(columns.len() as u32);
        for (name, digest) in columns {
            let next = self.names.len() as u32;
            self.entries.small(*self.names.entry(name).or_insert(next)).digest(&digest);
        }
    }

    pub fn save(self, path: &Path, saves: u32) -> io::Result<()> {
        pack::save(path, KIND, VERSION, &self.finish(saves))
    }

    fn finish(mut self, saves: u32) -> Vec<u8> {
        let mut named: Vec<(u32, &str)> = self.names.into_iter().map(|(name, number)| (number, name)).collect();
        named.sort_unstable();
        let mut names = Packer::default();
        named.iter().for_each(|(_, name)| {
            names.text(name);
        });
        let mut contents = Packer::default();
        contents.small(saves).small(named.len() as u32).small(self.index.len() as u32);
        let entries = (contents.len() + self.index.len() * INDEXED + names.len()) as u64;
        self.index.sort_unstable();
        for (hash, at) in &self.index {
            contents.number(*hash).number(entries + at);
        }
        contents.raw(&names.into_bytes()).raw(&self.entries.into_bytes());
        contents.into_bytes()
    }
}
