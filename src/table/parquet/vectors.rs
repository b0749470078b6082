//! Column chunks of vectors, encoded directly: the page of a list column of constant length is a run-length pattern of levels followed
//! by the raw values.
//!
//! Generic writers compute two levels and a value object per element, 1152 times a row; here a row costs five bytes of levels and one
//! copy. Knows nothing of row groups or files: a finished chunk is spliced in. Layout: data pages of version 1, levels by the RLE hybrid
//! (Parquet format, Encodings.md). Invariant: pages break at rows, and in the same places for the same rows and chunks.

use arrow::array::{Array, ArrayRef, FixedSizeListArray};
use arrow::datatypes::DataType;
use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, OffsetIndexBuilder};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use rayon::prelude::*;

/// Bytes of values that a page aims at.
const PAGE_BYTES: usize = 1 << 20;

/// Encodes one column chunk in memory.
pub struct VectorWriter {
    column: ColumnDescPtr,
    codec: Compression,
    out: TrackedWrite<Vec<u8>>,
    index: OffsetIndexBuilder,
    rows: u64,
    values: i64,
    uncompressed: i64,
}

/// A finished chunk and what is to be known of it.
pub struct VectorChunk {
    bytes: Bytes,
    close: ColumnCloseResult,
}

impl VectorChunk {
    /// The encoded pages, and the metadata to splice them in by.
    pub fn parts(self) -> (Bytes, ColumnCloseResult) {
        (self.bytes, self.close)
    }
}

/// Whether a column can be written here: fixed-size lists of floats, in a codec that we have.
pub fn is_writable(data_type: &DataType, codec: Compression) -> bool {
    let floats = |t: &DataType| matches!(t, DataType::Float16 | DataType::Float32 | DataType::Float64);
    let lists = matches!(data_type, DataType::FixedSizeList(item, width) if floats(item.data_type()) && *width > 0);
    lists && matches!(codec, Compression::UNCOMPRESSED | Compression::ZSTD(_))
}

impl VectorWriter {
    pub fn new(column: ColumnDescPtr, codec: Compression) -> Self {
        let (out, index) = (TrackedWrite::new(Vec::new()), OffsetIndexBuilder::new());
        Self { column, codec, out, index, rows: 0, values: 0, uncompressed: 0 }
    }

    /// Encodes rows, several pages at a time.
    pub fn write(&mut self, array: &ArrayRef) -> Result<()> {
        let lists = array.as_any().downcast_ref::<FixedSizeListArray>().ok_or_else(|| wrong("no fixed-size list"))?;
        if lists.values().null_count() > 0 {
            return Err(wrong("an element of a vector is null"));
        }
        let row_bytes = width_of(lists)? * lists.value_length() as usize;
        let page_rows = (PAGE_BYTES / row_bytes).max(1);
        let starts: Vec<usize> = (0..lists.len()).step_by(page_rows).collect();
        let encode = |start: &usize| self.page(&lists.slice(*start, page_rows.min(lists.len() - start)));
        let pages: Result<Vec<(CompressedPage, usize)>> = starts.par_iter().map(encode).collect();
        pages?.into_iter().try_for_each(|(page, rows)| self.append(page, rows))
    }

    fn append(&mut self, page: CompressedPage, rows: usize) -> Result<()> {
        let spec = SerializedPageWriter::new(&mut self.out).write_page(page)?;
        let size = i32::try_from(spec.bytes_written).map_err(|_| wrong("a page is beyond 2 GiB"))?;
        self.index.append_offset_and_size(spec.offset as i64, size);
        self.index.append_row_count(rows as i64);
        self.index.append_unencoded_byte_array_data_bytes(None);
        self.values += i64::from(spec.num_values);
        self.uncompressed += spec.uncompressed_size as i64;
        self.rows += rows as u64;
        Ok(())
    }

    /// One page: repetition levels, definition levels, values.
    fn page(&self, lists: &FixedSizeListArray) -> Result<(CompressedPage, usize)> {
        let width = lists.value_length() as u64;
        let present = lists.len() - lists.null_count();
        let values = width * present as u64 + lists.null_count() as u64;
        let mut buffer = Vec::new();
        prefixed(&mut buffer, |out| repetition_levels(out, lists, width));
        prefixed(&mut buffer, |out| definition_levels(out, lists, width, self.column.max_def_level() as u8));
        copy_values(&mut buffer, lists)?;
        let uncompressed = buffer.len();
        let buf = Bytes::from(match self.codec {
            Compression::ZSTD(level) => {
                zstd::bulk::compress(&buffer, level.compression_level()).map_err(|e| ParquetError::External(e.into()))?
            }
            _ => buffer,
        });
        let num_values = u32::try_from(values).map_err(|_| wrong("a page holds too many values"))?;
        let (encoding, levels) = (Encoding::PLAIN, Encoding::RLE);
        let page = Page::DataPage { buf, num_values, encoding, def_level_encoding: levels, rep_level_encoding: levels, statistics: None };
        Ok((CompressedPage::new(page, uncompressed), lists.len()))
    }

    pub fn close(self) -> Result<VectorChunk> {
        let bytes_written = self.out.bytes_written() as u64;
        let metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(self.codec)
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE])
            .set_total_compressed_size(bytes_written as i64)
            .set_total_uncompressed_size(self.uncompressed)
            .set_num_values(self.values)
            .set_data_page_offset(0)
            .build()?;
        let bytes = Bytes::from(self.out.into_inner()?);
        let offset_index = Some(self.index.build());
        let close =
            ColumnCloseResult { bytes_written, rows_written: self.rows, metadata, bloom_filter: None, column_index: None, offset_index };
        Ok(VectorChunk { bytes, close })
    }
}

fn wrong(what: &str) -> ParquetError {
    ParquetError::General(what.into())
}

fn width_of(lists: &FixedSizeListArray) -> Result<usize> {
    lists.value_type().primitive_width().ok_or_else(|| wrong("the elements of a vector are no numbers"))
}

/// Levels are preceded by their length in bytes.
fn prefixed(buffer: &mut Vec<u8>, levels: impl FnOnce(&mut Vec<u8>)) {
    let start = buffer.len();
    buffer.extend([0; 4]);
    levels(buffer);
    let length = (buffer.len() - start - 4) as u32;
    buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// A new row is 0, a further element of it is 1.
fn repetition_levels(out: &mut Vec<u8>, lists: &FixedSizeListArray, width: u64) {
    for row in 0..lists.len() {
        run(out, 1, 0);
        if lists.is_valid(row) {
            run(out, width - 1, 1);
        }
    }
}

/// An element that is there has the greatest level; a row that is null has level 0, once.
fn definition_levels(out: &mut Vec<u8>, lists: &FixedSizeListArray, width: u64, greatest: u8) {
    for (start, end, valid) in stretches(lists) {
        let rows = (end - start) as u64;
        if valid { run(out, rows * width, greatest) } else { run(out, rows, 0) }
    }
}

/// A run of the RLE hybrid: its length shifted by one as a varint, then the value in one byte.
fn run(out: &mut Vec<u8>, length: u64, value: u8) {
    if length == 0 {
        return;
    }
    let mut header = length << 1;
    while header >= 0x80 {
        out.push(header as u8 | 0x80);
        header >>= 7;
    }
    out.extend([header as u8, value]);
}

/// Rows from and to (exclusive) that are alike present or null.
fn stretches(lists: &FixedSizeListArray) -> Vec<(usize, usize, bool)> {
    let mut out: Vec<(usize, usize, bool)> = Vec::new();
    for row in 0..lists.len() {
        let valid = lists.is_valid(row);
        match out.last_mut() {
            Some(last) if last.2 == valid => last.1 = row + 1,
            _ => out.push((row, row + 1, valid)),
        }
    }
    out
}

/// The raw values of the rows that are there: Arrow's bytes are Parquet's plain encoding.
fn copy_values(buffer: &mut Vec<u8>, lists: &FixedSizeListArray) -> Result<()> {
    let row_bytes = width_of(lists)? * lists.value_length() as usize;
    let data = lists.values().to_data();
    let start = data.offset() * width_of(lists)?;
    let bytes = &data.buffers()[0].as_slice()[start..];
    // A sliced list keeps its whole child, from which `value_offset` counts.
    let first = lists.value_offset(0) as usize * width_of(lists)?;
    for (from, to, _) in stretches(lists).into_iter().filter(|(_, _, valid)| *valid) {
        buffer.extend_from_slice(&bytes[first + from * row_bytes..first + to * row_bytes]);
    }
    Ok(())
}
