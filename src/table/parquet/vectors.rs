//! Columns of vectors, encoded page by page: the page of a list column of constant length is a run-length pattern of levels followed
//! by the raw values.
//!
//! Knows nothing of row groups or files. The values may be made while their page is: no whole column of them need be in memory.
//! Layout: data pages of version 1. Invariant: pages break at rows, and in the same places for the same rows.

use super::levels::{stretches, write_levels};
use arrow::array::{Array, FixedSizeListArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use parquet::basic::Compression;
use parquet::errors::{ParquetError, Result};
use parquet::schema::types::ColumnDescPtr;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of values that a page aims at.
const PAGE_BYTES: usize = 1 << 20;

/// A column of vectors, of which some rows may be null.
pub trait PageVectors: Send + Sync {
    fn nulls(&self) -> Option<&NullBuffer>;

    /// Appends the elements of a range of rows, none of which is null, as plain little-endian numbers.
    fn append(&self, rows: Range<usize>, out: &mut Vec<u8>) -> io::Result<()>;
}

/// A column of one row group, and how its pages are encoded.
pub struct VectorColumn {
    vectors: Arc<dyn PageVectors>,
    column: ColumnDescPtr,
    width: usize,
    row_bytes: usize,
    codec: Compression,
}

/// An encoded page.
pub struct Page {
    pub header: Vec<u8>,
    pub body: Vec<u8>,
    pub rows: usize,
    pub values: usize,
    /// Bytes of header and body, before the body was compressed.
    pub uncompressed: usize,
}

/// Whether a column is written here: fixed-size lists of floats.
pub fn is_writable(data_type: &DataType) -> bool {
    row_bytes(data_type).is_some()
}

fn row_bytes(data_type: &DataType) -> Option<(usize, usize)> {
    match data_type {
        DataType::FixedSizeList(item, width) if item.data_type().is_floating() && *width > 0 => {
            Some((*width as usize, item.data_type().primitive_width()? * *width as usize))
        }
        _ => None,
    }
}

impl VectorColumn {
    /// A column of `rows` rows. It is compressed if that pays, which with codecs that only look for repeats it does not.
    pub fn new(
        vectors: Arc<dyn PageVectors>,
        data_type: &DataType,
        column: ColumnDescPtr,
        codec: Compression,
        rows: usize,
    ) -> Result<Self> {
        let (width, row_bytes) = row_bytes(data_type).ok_or_else(|| wrong("the elements of a vector are no floats"))?;
        let mut column = Self { vectors, column, width, row_bytes, codec };
        if !column.compression_pays(rows)? {
            column.codec = Compression::UNCOMPRESSED;
        }
        Ok(column)
    }

    pub fn codec(&self) -> Compression {
        self.codec
    }

    pub fn nulls(&self) -> usize {
        self.vectors.nulls().map_or(0, NullBuffer::null_count)
    }

    /// The rows of each page.
    pub fn pages(&self, rows: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let step = (PAGE_BYTES / self.row_bytes).max(1);
        (0..rows).step_by(step).map(move |start| start..rows.min(start + step))
    }

    /// Whether the first page shrinks by an eighth at least. Floats hardly do, and then every reader would pay for nothing.
    fn compression_pays(&self, rows: usize) -> Result<bool> {
        let Some(first) = self.pages(rows).next().filter(|_| self.codec != Compression::UNCOMPRESSED) else { return Ok(false) };
        let page = self.page(first, Vec::new())?;
        Ok(page.body.len() as u64 * 8 <= page.uncompressed as u64 * 7)
    }

    /// Encodes a page into a buffer that is no longer needed.
    pub fn page(&self, rows: Range<usize>, mut body: Vec<u8>) -> Result<Page> {
        let stretches = stretches(self.vectors.nulls(), rows.clone());
        let present: usize = stretches.iter().filter(|s| s.present).map(|s| s.rows.len()).sum();
        body.clear();
        write_levels(&mut body, &stretches, self.width as u64, self.column.max_def_level() as u8);
        body.reserve(present * self.row_bytes);
        stretches.into_iter().filter(|s| s.present).try_for_each(|s| self.vectors.append(s.rows, &mut body))?;
        let raw = body.len();
        if let Compression::ZSTD(level) = self.codec {
            body = zstd::bulk::compress(&body, level.compression_level()).map_err(|e| ParquetError::External(e.into()))?;
        }
        let values = present * self.width + (rows.len() - present);
        let header = page_header(raw, body.len(), values)?;
        Ok(Page { uncompressed: header.len() + raw, header, body, rows: rows.len(), values })
    }
}

fn wrong(what: &str) -> ParquetError {
    ParquetError::General(what.into())
}

/// Thrift's compact protocol: PageHeader { 1: DATA_PAGE, 2: raw size, 3: compressed size, 5: { 1: values, 2: PLAIN, 3: RLE, 4: RLE } }.
fn page_header(raw: usize, compressed: usize, values: usize) -> Result<Vec<u8>> {
    const I32_FIELD: u8 = 0x15;
    const STRUCT_TWO_ON: u8 = 0x2c;
    const END: u8 = 0;
    const RLE: usize = 3;
    let mut out = Vec::with_capacity(32);
    let number = |out: &mut Vec<u8>, value: usize| -> Result<()> {
        let value = i32::try_from(value).map_err(|_| wrong("a page is beyond 2 GiB"))?;
        out.push(I32_FIELD);
        let mut zigzag = (value as u32) << 1;
        while zigzag >= 0x80 {
            out.push(zigzag as u8 | 0x80);
            zigzag >>= 7;
        }
        out.push(zigzag as u8);
        Ok(())
    };
    for value in [0, raw, compressed] {
        number(&mut out, value)?;
    }
    out.push(STRUCT_TWO_ON);
    for value in [values, 0, RLE, RLE] {
        number(&mut out, value)?;
    }
    out.extend([END, END]);
    Ok(out)
}

/// Arrow's bytes are Parquet's plain encoding.
pub struct ArrayVectors {
    lists: FixedSizeListArray,
    row_bytes: usize,
}

impl ArrayVectors {
    pub fn new(array: &dyn Array) -> Result<Self> {
        let lists = array.as_any().downcast_ref::<FixedSizeListArray>().ok_or_else(|| wrong("no fixed-size list"))?;
        let (width, row_bytes) = row_bytes(lists.data_type()).ok_or_else(|| wrong("the elements of a vector are no floats"))?;
        // The elements of a null row may be anything.
        let is_whole = |row: usize| lists.is_null(row) || lists.value(row).null_count() == 0;
        if width > 0 && lists.values().null_count() > 0 && !(0..lists.len()).all(is_whole) {
            return Err(wrong("an element of a vector is null"));
        }
        Ok(Self { lists: lists.clone(), row_bytes })
    }
}

impl PageVectors for ArrayVectors {
    fn nulls(&self) -> Option<&NullBuffer> {
        self.lists.nulls()
    }

    fn append(&self, rows: Range<usize>, out: &mut Vec<u8>) -> io::Result<()> {
        let data = self.lists.values().to_data();
        let element = self.row_bytes / self.lists.value_length() as usize;
        // A sliced list keeps its whole child, from which `value_offset` counts.
        let start = (data.offset() + self.lists.value_offset(rows.start) as usize) * element;
        out.extend_from_slice(&data.buffers()[0].as_slice()[start..start + rows.len() * self.row_bytes]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use parquet::basic::Encoding;
    use parquet::column::page::{CompressedPage, Page as ParquetPage, PageWriter};
    use parquet::file::writer::{SerializedPageWriter, TrackedWrite};

    #[test]
    fn the_header_is_the_one_of_the_parquet_crate() {
        for (raw, compressed, values) in [(0, 0, 0), (100, 100, 7), (1 << 20, 999_999, 524_160), (i32::MAX as usize, 127, 128)] {
            let mut out = TrackedWrite::new(Vec::new());
            let buf = Bytes::from(vec![0; compressed]);
            let (encoding, levels) = (Encoding::PLAIN, Encoding::RLE);
            let page = ParquetPage::DataPage {
                buf,
                num_values: values as u32,
                encoding,
                def_level_encoding: levels,
                rep_level_encoding: levels,
                statistics: None,
            };
            SerializedPageWriter::new(&mut out).write_page(CompressedPage::new(page, raw)).unwrap();
            let written = out.into_inner().unwrap();
            assert_eq!(page_header(raw, compressed, values).unwrap(), written[..written.len() - compressed]);
        }
    }
}
