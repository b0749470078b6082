//! A file of vectors: rows one after the other, then what they are rows of.
//!
//!     16 bytes   the kind of file and its version, padded to 64
//!     rows       of equal length
//!     index      element, width, number of rows; of each part (a fragment's column) its name and its rows: position, slot, digest
//!     56 bytes   checksum and length of the index, the kind again
//!
//! Knows nothing of Lance. Invariants: the index is written last, so a file that was cut is none; vectors are not covered by its checksum but each
//! by its own digest, which whoever reads compares. So opening costs the index alone.

use super::rows::NO_VECTOR;
use super::shape::{Element, Shape};
use crate::digest::Digest;
use crate::pack::{Packer, Unpacker};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

const KIND: &[u8; 16] = b"daeda vectors 1\n";

/// Rows start at a multiple of this.
pub const HEAD: usize = 64;

const TAIL: usize = 32 + 8 + KIND.len();

/// A row of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub position: u32,
    /// `NO_VECTOR` where the row has none.
    pub slot: u32,
    digest: [u8; 16],
}

impl Entry {
    pub fn digest(&self) -> u128 {
        u128::from_le_bytes(self.digest)
    }
}

/// The rows that a file holds of a fragment, by position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub name: u128,
    pub entries: Vec<Entry>,
}

/// A file that is whole.
pub struct Segment {
    pub file: File,
    pub shape: Shape,
    /// How many vectors it holds.
    pub slots: u32,
    pub parts: Vec<Part>,
}

impl Segment {
    /// Nothing where it is damaged or foreign.
    pub fn open(path: &Path) -> Option<Self> {
        // Looked at first: what is no file may never open.
        fs::metadata(path).ok().filter(|metadata| metadata.is_file())?;
        let file = File::open(path).ok()?;
        let length = file.metadata().ok()?.len();
        let mut tail = [0; TAIL];
        file.read_exact_at(&mut tail, length.checked_sub(TAIL as u64)?).ok()?;
        let (checksum, rest) = tail.split_first_chunk::<32>()?;
        let (index_length, kind) = rest.split_first_chunk::<8>()?;
        let index_length = u64::from_le_bytes(*index_length);
        let index_start = length.checked_sub(TAIL as u64)?.checked_sub(index_length)?;
        if kind != KIND {
            return None;
        }
        let mut index = vec![0; usize::try_from(index_length).ok()?];
        file.read_exact_at(&mut index, index_start).ok()?;
        if Digest::of(&index).bytes() != checksum {
            return None;
        }
        let (shape, slots, parts) = decode(&index)?;
        let rows_end = HEAD as u64 + u64::from(slots) * shape.row_bytes() as u64;
        (rows_end == index_start).then_some(Self { file, shape, slots, parts })
    }
}

/// Writes one.
pub struct SegmentWriter {
    file: BufWriter<File>,
    shape: Shape,
    slots: u32,
    parts: Vec<Part>,
}

impl SegmentWriter {
    pub fn new(file: File, shape: Shape) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 20, file);
        let mut head = [0; HEAD];
        head[..KIND.len()].copy_from_slice(KIND);
        file.write_all(&head)?;
        Ok(Self { file, shape, slots: 0, parts: Vec::new() })
    }

    /// Adds a row of a part, with its vector if it has one, and says in which slot. Positions within a part increase.
    pub fn push(&mut self, part: u128, position: u32, digest: u128, vector: Option<&[u8]>) -> io::Result<u32> {
        let slot = match vector {
            Some(vector) => {
                self.file.write_all(vector)?;
                self.slots += 1;
                self.slots - 1
            }
            None => NO_VECTOR,
        };
        if self.parts.last().is_none_or(|last| last.name != part) {
            self.parts.push(Part { name: part, entries: Vec::new() });
        }
        let entry = Entry { position, slot, digest: digest.to_le_bytes() };
        self.parts.last_mut().into_iter().for_each(|part| part.entries.push(entry));
        Ok(slot)
    }

    /// The file, and a digest that says all of its content.
    pub fn finish(mut self) -> io::Result<(File, Digest)> {
        let index = encode(self.shape, self.slots, &self.parts);
        let checksum = Digest::of(&index);
        self.file.write_all(&index)?;
        self.file.write_all(checksum.bytes())?;
        self.file.write_all(&(index.len() as u64).to_le_bytes())?;
        self.file.write_all(KIND)?;
        Ok((self.file.into_inner().map_err(io::IntoInnerError::into_error)?, checksum))
    }
}

fn encode(shape: Shape, slots: u32, parts: &[Part]) -> Vec<u8> {
    let mut packer = Packer::default();
    packer.small(shape.element.bytes() as u32).number(shape.width as u64).small(slots).small(parts.len() as u32);
    for part in parts {
        packer.wide(part.name).number(part.entries.len() as u64);
    }
    for entry in parts.iter().flat_map(|part| &part.entries) {
        packer.small(entry.position).small(entry.slot).raw(&entry.digest);
    }
    packer.into_bytes()
}

/// Bytes of a file with so many rows of so many parts, at most.
pub fn most_bytes(shape: Shape, rows: usize, parts: usize) -> u64 {
    const PART: usize = 24;
    (HEAD + TAIL + 64 + rows * (shape.row_bytes() + ENTRY) + parts * PART) as u64
}

/// Bytes of an entry in the file.
const ENTRY: usize = 24;

fn decode(index: &[u8]) -> Option<(Shape, u32, Vec<Part>)> {
    let mut from = Unpacker::new(index);
    let element = match from.small()? {
        2 => Element::Float16,
        4 => Element::Float32,
        8 => Element::Float64,
        _ => return None,
    };
    let shape = Shape { element, width: usize::try_from(from.number()?).ok()? };
    let (slots, count) = (from.small()?, from.small()?);
    let heads: Vec<(u128, usize)> =
        (0..count).map(|_| Some((from.wide()?, usize::try_from(from.number()?).ok()?))).collect::<Option<_>>()?;
    let part = |(name, length): (u128, usize)| {
        let (bytes, _) = from.raw(length.checked_mul(ENTRY)?)?.as_chunks::<ENTRY>();
        let entries: Vec<Entry> = bytes.iter().map(entry).collect();
        let is_sound = entries.iter().all(|entry| entry.slot < slots || entry.slot == NO_VECTOR);
        (is_sound && entries.is_sorted_by(|a, b| a.position < b.position)).then_some(Part { name, entries })
    };
    let parts = heads.into_iter().map(part).collect::<Option<_>>()?;
    Some((shape, slots, parts))
}

fn entry(bytes: &[u8; ENTRY]) -> Entry {
    let [p0, p1, p2, p3, s0, s1, s2, s3, digest @ ..] = *bytes;
    Entry { position: u32::from_le_bytes([p0, p1, p2, p3]), slot: u32::from_le_bytes([s0, s1, s2, s3]), digest }
}
