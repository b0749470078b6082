//! Compact binary files for caches: little-endian numbers and length-prefixed bytes, with a name, a version and a checksum.
//!
//! Knows nothing of what is kept. Invariants: a file that is truncated, damaged, foreign or of another version reads as nothing; a file is
//! written whole or not at all.

use crate::digest::Digest;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

/// Writes values one after the other.
#[derive(Debug, Default)]
pub struct Packer {
    bytes: Vec<u8>,
}

impl Packer {
    pub fn number(&mut self, value: u64) -> &mut Self {
        self.bytes.extend(value.to_le_bytes());
        self
    }

    pub fn small(&mut self, value: u32) -> &mut Self {
        self.bytes.extend(value.to_le_bytes());
        self
    }

    pub fn wide(&mut self, value: u128) -> &mut Self {
        self.bytes.extend(value.to_le_bytes());
        self
    }

    pub fn digest(&mut self, value: &Digest) -> &mut Self {
        self.bytes.extend(value.bytes());
        self
    }

    pub fn text(&mut self, value: &str) -> &mut Self {
        self.small(value.len() as u32);
        self.bytes.extend(value.as_bytes());
        self
    }

    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads them in the same order; `None` where there is not enough.
#[derive(Debug, Clone, Copy)]
pub struct Unpacker<'a> {
    rest: &'a [u8],
}

impl<'a> Unpacker<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    pub fn raw(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.raw(N)?.try_into().ok()
    }

    pub fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn small(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn wide(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }

    pub fn digest(&mut self) -> Option<Digest> {
        self.array().map(Digest::from_bytes)
    }

    pub fn text(&mut self) -> Option<&'a str> {
        let length = self.small()? as usize;
        std::str::from_utf8(self.raw(length)?).ok()
    }
}

const CHECKSUM: usize = 32;

/// Writes a file of a kind and version; `kind` is a word that no other file begins with.
pub fn save(path: &Path, kind: &str, version: u32, contents: &[u8]) -> io::Result<()> {
    let mut file = Packer::default();
    file.text(kind).small(version).raw(contents);
    let mut bytes = file.into_bytes();
    let checksum = blake3::hash(&bytes);
    bytes.extend(checksum.as_bytes());
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(directory)?;
    if path.is_dir() {
        // Nothing of ours, and what lies among caches may be lost.
        fs::remove_dir_all(path)?;
    }
    clear_abandoned(directory);
    let temporary = path.with_extension(format!("{}.{TEMPORARY}", std::process::id()));
    let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

const TEMPORARY: &str = "tmp";

/// Writing a file takes moments: what was not moved to its place within an hour never will be.
fn clear_abandoned(directory: &Path) {
    const HOUR: Duration = Duration::from_secs(3600);
    let is_old = |entry: &fs::DirEntry| entry.metadata().and_then(|m| m.modified()).is_ok_and(|t| t.elapsed().is_ok_and(|age| age > HOUR));
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries.filter(|e| e.path().extension().is_some_and(|x| x == TEMPORARY) && is_old(e)) {
        let _ = fs::remove_file(entry.path());
    }
}

/// The whole file and where its contents start, if it is one of that kind and version, undamaged.
pub fn load(path: &Path, kind: &str, version: u32) -> Option<(Vec<u8>, usize)> {
    let mut bytes = fs::read(path).ok()?;
    let end = bytes.len().checked_sub(CHECKSUM)?;
    let is_whole = *blake3::hash(&bytes[..end]).as_bytes() == bytes[end..];
    bytes.truncate(end);
    let mut head = Unpacker::new(&bytes);
    let is_ours = head.text()? == kind && head.small()? == version;
    let start = bytes.len() - head.rest.len();
    (is_whole && is_ours).then_some((bytes, start))
}

/// Whether a file begins as one of that kind and version does, and is not too short for one. The rest of it may be damaged.
pub fn is_of(path: &Path, kind: &str, version: u32) -> bool {
    let mut start = vec![0; 4 + kind.len() + 4 + CHECKSUM];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    let mut head = Unpacker::new(&start);
    read.is_ok() && head.text() == Some(kind) && head.small() == Some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_or_changed_or_foreign_reads_as_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cache/index");
        save(&path, "index", 1, b"contents").unwrap();
        let (bytes, start) = load(&path, "index", 1).unwrap();
        assert_eq!(&bytes[start..], b"contents");
        assert!(load(&path, "index", 2).is_none() && load(&path, "other", 1).is_none());
        assert!(is_of(&path, "index", 1) && !is_of(&path, "index", 2) && !is_of(&path, "other", 1));
        assert!(!is_of(&directory.path().join("none"), "index", 1));
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(load(&path, "index", 1).is_none(), "{cut}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, damaged).unwrap();
            assert!(load(&path, "index", 1).is_none(), "{at}");
        }
    }

    #[test]
    fn values_read_back_in_order() {
        let mut packer = Packer::default();
        packer.number(7).text("name").small(3).wide(9).digest(&Digest::of(b"x"));
        let bytes = packer.into_bytes();
        let mut unpacker = Unpacker::new(&bytes);
        assert_eq!((unpacker.number(), unpacker.text(), unpacker.small(), unpacker.wide()), (Some(7), Some("name"), Some(3), Some(9)));
        assert_eq!(unpacker.digest(), Some(Digest::of(b"x")));
        assert_eq!(unpacker.small(), None);
    }

    #[test]
    fn what_was_abandoned_or_stands_in_the_way_goes() {
        let directory = tempfile::tempdir().unwrap();
        let (path, abandoned, recent) =
            (directory.path().join("index"), directory.path().join("index.1.tmp"), directory.path().join("x.2.tmp"));
        fs::create_dir_all(path.join("inner")).unwrap();
        [&abandoned, &recent].into_iter().for_each(|path| fs::write(path, "").unwrap());
        let long_ago = std::time::SystemTime::now() - 2 * Duration::from_secs(3600);
        fs::File::options().write(true).open(&abandoned).unwrap().set_modified(long_ago).unwrap();
        save(&path, "index", 1, b"contents").unwrap();
        assert!(load(&path, "index", 1).is_some() && !abandoned.exists() && recent.exists());
    }
}
