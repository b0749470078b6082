//! The vectors that a partition needs, read once each from Lance into a file without a name that is mapped into memory.
//!
//! Why a file: the kernel may write pages back and drop them, so the process holds no more than what it works on. Invariant: a key's row
//! is its rank among the keys that were found.

use super::lance::{Addresses, Dataset, LanceError};
use super::rows::{RowError, digests};
use arrow::array::{Array, FixedSizeListArray, Float16Array};
use half::f16;
use memmap2::Mmap;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

/// Vectors by key. Rows lie one after the other.
pub struct VectorFile {
    keys: Vec<i64>,
    taken: Vec<Taken>,
    width: usize,
    map: Option<Mmap>,
}

/// A row as it was taken, also where its vector is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    pub key: i64,
    pub address: u64,
    pub digest: u128,
}

/// What can go wrong: Lance's side, or the file's.
#[derive(Debug)]
pub enum VectorError {
    Lance(LanceError),
    Rows(RowError),
    Io(io::Error),
    /// A vector that is there lacks one of its elements.
    NullElement,
    /// The column does not hold float16 vectors of the expected width.
    Width {
        expected: usize,
        found: usize,
    },
}

/// Vectors taken from Lance at once.
const CHUNK: usize = 4096;

impl VectorFile {
    /// Reads the vectors of `wanted` (sorted, without repeats) that the dataset has. The file is made in `directory`.
    pub fn read(
        dataset: &Dataset,
        addresses: &Addresses,
        column: &str,
        width: usize,
        wanted: &[i64],
        directory: &Path,
        tell: &dyn Fn(u64, u64),
    ) -> Result<Self, VectorError> {
        // In the order of addresses, so that each part of the dataset is read once, front to back.
        let mut found: Vec<(u64, i64)> = wanted.iter().filter_map(|key| addresses.get(*key).map(|address| (address, *key))).collect();
        found.sort_unstable();
        let file = tempfile::tempfile_in(directory).map_err(VectorError::Io)?;
        let mut writer = BufWriter::with_capacity(1 << 20, file);
        let (mut keys, mut taken) = (Vec::with_capacity(found.len()), Vec::with_capacity(found.len()));
        for (number, chunk) in found.chunks(CHUNK).enumerate() {
            tell((number * CHUNK) as u64, found.len() as u64);
            let rows: Vec<u64> = chunk.iter().map(|(address, _)| *address).collect();
            let vectors = dataset.take(&rows, column).map_err(VectorError::Lance)?;
            let digests = digests(&[Arc::new(vectors.clone())]).map_err(VectorError::Rows)?;
            taken.extend(chunk.iter().zip(digests).map(|((address, key), digest)| Taken { key: *key, address: *address, digest }));
            // A vector that is null is not there.
            keys.extend(chunk.iter().enumerate().filter(|(row, _)| vectors.is_valid(*row)).map(|(_, (_, key))| *key));
            append(&mut writer, &vectors, width)?;
        }
        let file = writer.into_inner().map_err(|e| VectorError::Io(e.into_error()))?;
        // SAFETY: the file has no name, so no other process can change it while it is mapped.
        let map = if keys.is_empty() { None } else { Some(unsafe { Mmap::map(&file) }.map_err(VectorError::Io)?) };
        Ok(Self { keys, taken, width, map })
    }

    /// All rows that were found.
    pub fn taken(&self) -> &[Taken] {
        &self.taken
    }

    /// The keys, in the order of the rows.
    pub fn keys(&self) -> &[i64] {
        &self.keys
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn vector(&self, row: usize) -> &[f16] {
        let bytes = self.map.as_deref().unwrap_or_default();
        let start = row * self.width * 2;
        let bytes = &bytes[start..start + self.width * 2];
        // SAFETY: any two bytes are a float16; the map starts on a page and rows are a multiple of two bytes long.
        unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast::<f16>(), self.width) }
    }
}

fn append(writer: &mut impl Write, vectors: &FixedSizeListArray, width: usize) -> Result<(), VectorError> {
    let found = vectors.value_length() as usize;
    for row in (0..vectors.len()).filter(|row| vectors.is_valid(*row)) {
        let vector = vectors.value(row);
        let values = vector.as_any().downcast_ref::<Float16Array>().filter(|_| found == width);
        let values = values.ok_or(VectorError::Width { expected: width, found })?;
        if values.null_count() > 0 {
            return Err(VectorError::NullElement);
        }
        // SAFETY: float16 values are plain two-byte numbers without padding.
        let bytes = unsafe { std::slice::from_raw_parts(values.values().as_ptr().cast::<u8>(), values.len() * 2) };
        writer.write_all(bytes).map_err(VectorError::Io)?;
    }
    Ok(())
}

impl std::fmt::Display for VectorError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lance(error) => error.fmt(f),
            Self::Rows(error) => error.fmt(f),
            Self::Io(error) => write!(f, "vectors cannot be kept beside the output: {error}"),
            Self::NullElement => f.write_str("the store holds a vector with a null element; write the vector whole, or as null"),
            Self::Width { expected, found } => {
                write!(f, "the store holds vectors that are not float16 of width {expected} (width {found}); correct the view's field")
            }
        }
    }
}
