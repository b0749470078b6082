//! The vectors of a partition, by key: rows of files that are mapped into memory, or read for each batch that asks.
//!
//! Knows nothing of where the files come from. Invariants: rows are numbered in the order in which they lie, so that whoever asks for
//! sorted rows reads forward; what is mapped at once was within the budget, so that pages that stay resident do not exceed it.

use super::key_table::KeyTable;
use super::shape::Shape;
use memmap2::{Advice, Mmap};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

pub struct Vectors {
    pub(super) shape: Shape,
    /// The number of a key is its row.
    pub(super) keys: KeyTable,
    /// File and slot of a row.
    pub(super) places: Vec<(u32, u32)>,
    pub(super) files: Vec<Held>,
}

/// A file of vectors.
pub(super) struct Held {
    pub file: File,
    map: Option<Mmap>,
}

/// Rows of one batch, to be looked at.
pub struct Lent<'a> {
    vectors: &'a Vectors,
    /// The rows that were read, sorted, and their bytes; none where files are mapped.
    read: Option<(&'a [u32], &'a [u8])>,
}

/// Where rows that are read lie meanwhile; made once and used for many batches.
#[derive(Debug, Default)]
pub struct Scratch {
    rows: Vec<u32>,
    /// Of eight bytes each, so that elements of any type are aligned.
    words: Vec<u64>,
}

impl Held {
    pub fn new(file: File) -> Self {
        Self { file, map: None }
    }

    /// SAFETY of mapping: a segment never changes once it has its name, and one without a name is nobody else's. Somebody who cuts one
    /// while it is mapped ends the process, which costs the work in flight.
    pub fn map(&mut self, is_dense: bool) -> io::Result<()> {
        let map = unsafe { Mmap::map(&self.file) }?;
        if is_dense {
            // One call instead of a fault for each few pages; older kernels do not know it.
            let _ = map.advise(Advice::PopulateRead);
        }
        self.map = Some(map);
        Ok(())
    }
}

impl Vectors {
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// How many keys have a vector.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub fn row_of(&self, key: i64) -> Option<u32> {
        self.keys.get(key)
    }

    /// Whether rows can be lent without reading them.
    pub fn is_mapped(&self) -> bool {
        self.files.iter().all(|held| held.map.is_some())
    }

    /// Bytes that are mapped.
    pub fn mapped_bytes(&self) -> u64 {
        self.files.iter().filter_map(|held| held.map.as_ref()).map(|map| map.len() as u64).sum()
    }

    /// Lends rows, in any order; what has to be read lies in the scratch meanwhile, each row once.
    pub fn lend<'a>(&'a self, rows: &[u32], scratch: &'a mut Scratch) -> io::Result<Lent<'a>> {
        if self.is_mapped() {
            return Ok(Lent { vectors: self, read: None });
        }
        let Scratch { rows: sorted, words } = scratch;
        sorted.clear();
        sorted.extend_from_slice(rows);
        sorted.sort_unstable();
        sorted.dedup();
        let length = sorted.len() * self.shape.row_bytes();
        if words.len() * 8 < length {
            words.resize(length.div_ceil(8), 0);
        }
        // SAFETY: any eight bytes are a number, and there are enough of them.
        let bytes = unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast::<u8>(), length) };
        self.read(sorted, bytes)?;
        Ok(Lent { vectors: self, read: Some((&*sorted, &*bytes)) })
    }

    fn read(&self, rows: &[u32], mut bytes: &mut [u8]) -> io::Result<()> {
        let place = |row: &u32| self.places[*row as usize];
        for run in rows.chunk_by(|a, b| is_next(place(a), place(b))) {
            let (of_run, rest) = bytes.split_at_mut(run.len() * self.shape.row_bytes());
            let (file, slot) = place(&run[0]);
            self.files[file as usize].file.read_exact_at(of_run, self.span(slot).start as u64)?;
            bytes = rest;
        }
        Ok(())
    }

    fn span(&self, slot: u32) -> Range<usize> {
        span(self.shape, slot)
    }

    /// A row of a file that is mapped.
    fn mapped(&self, row: u32) -> &[u8] {
        let (file, slot) = self.places[row as usize];
        let map = self.files[file as usize].map.as_deref().unwrap_or_default();
        &map[self.span(slot)]
    }
}

impl<'a> Lent<'a> {
    /// The bytes of a row: one of those that were asked for. Aligned for its elements.
    pub fn bytes(&self, row: u32) -> &'a [u8] {
        match self.read {
            None => self.vectors.mapped(row),
            Some((rows, bytes)) => {
                let at = rows.partition_point(|read| *read < row) * self.vectors.shape.row_bytes();
                &bytes[at..at + self.vectors.shape.row_bytes()]
            }
        }
    }
}

/// Where a slot lies in its file.
pub(super) fn span(shape: Shape, slot: u32) -> Range<usize> {
    let start = super::segment::HEAD + slot as usize * shape.row_bytes();
    start..start + shape.row_bytes()
}

pub(super) fn is_next(a: (u32, u32), b: (u32, u32)) -> bool {
    a.0 == b.0 && a.1.checked_add(1) == Some(b.1)
}
