//! One Parquet file while it is written: pieces are appended in the file's order, the footer follows from what they were.
//!
//! Knows nothing of threads or of what encodes the pieces. Invariant: nothing that was written is read again.

use super::arrays::{EncodedArray, EncodedChunk};
use super::row_group::{EncodedPart, GroupEnd, Layout, Piece};
use super::stream::Stream;
use super::vectors::{Page, VectorColumn};
use crate::digest::Digest;
use parquet::basic::{Compression, Encoding};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, KeyValue, OffsetIndexBuilder, ParquetMetaDataBuilder, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::writer::TrackedWrite;
use parquet::schema::types::ColumnDescPtr;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

const MAGIC: &[u8] = b"PAR1";

pub struct ShardFile {
    layout: Arc<Layout>,
    stream: Stream,
    group: Group,
    chunk: Option<VectorChunk>,
    groups: Vec<RowGroupMetaData>,
    offset_indexes: Vec<Vec<OffsetIndexMetaData>>,
    rows: u64,
}

/// The columns of a row group so far.
#[derive(Default)]
struct Group {
    start: Option<u64>,
    chunks: Vec<ColumnChunkMetaData>,
    offset_indexes: Vec<OffsetIndexMetaData>,
}

/// The pages of a column of vectors so far.
struct VectorChunk {
    start: u64,
    index: OffsetIndexBuilder,
    values: usize,
    uncompressed: usize,
}

impl ShardFile {
    pub fn create(path: &Path, layout: Arc<Layout>) -> io::Result<Self> {
        let mut stream = Stream::create(path)?;
        stream.write(MAGIC)?;
        let (group, groups, offset_indexes) = (Group::default(), Vec::new(), Vec::new());
        Ok(Self { layout, stream, group, chunk: None, groups, offset_indexes, rows: 0 })
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Appends what was encoded next. What ends a row group is handed back.
    pub fn append(&mut self, piece: Piece) -> Result<Option<GroupEnd>> {
        self.group.start.get_or_insert(self.stream.written());
        match piece.part {
            EncodedPart::Array(array) => self.append_array(array)?,
            EncodedPart::Page { column, page, is_last } => {
                self.append_page(&page)?;
                self.layout.recycle(page);
                if is_last {
                    self.end_vectors(&column)?;
                }
            }
        }
        piece.end.map(|end| self.end_group(end)).transpose()
    }

    fn append_array(&mut self, array: EncodedArray) -> Result<()> {
        for EncodedChunk { bytes, metadata, offset_index } in array.chunks {
            let start = self.stream.written() as i64;
            self.stream.write(&array.bytes[bytes])?;
            let (data, dictionary) = (metadata.data_page_offset(), metadata.dictionary_page_offset());
            let placed = metadata
                .into_builder()
                .set_data_page_offset(start + data)
                .set_dictionary_page_offset(dictionary.map(|offset| start + offset))
                .build()?;
            let mut offset_index = offset_index.ok_or_else(|| ParquetError::General("a chunk without its pages' places".into()))?;
            offset_index.page_locations.iter_mut().for_each(|page| page.offset += start);
            self.group.chunks.push(placed);
            self.group.offset_indexes.push(offset_index);
        }
        Ok(())
    }

    fn append_page(&mut self, page: &Page) -> Result<()> {
        let start = self.stream.written();
        self.stream.write(&page.header)?;
        self.stream.write(&page.body)?;
        let new = || VectorChunk { start, index: OffsetIndexBuilder::new(), values: 0, uncompressed: 0 };
        let chunk = self.chunk.get_or_insert_with(new);
        chunk.index.append_offset_and_size(start as i64, (page.header.len() + page.body.len()) as i32);
        chunk.index.append_row_count(page.rows as i64);
        chunk.values += page.values;
        chunk.uncompressed += page.uncompressed;
        Ok(())
    }

    fn end_vectors(&mut self, column: &VectorColumn) -> Result<()> {
        let Some(chunk) = self.chunk.take() else { return Ok(()) };
        let size = self.stream.written() - chunk.start;
        self.group.chunks.push(chunk.metadata(self.leaf(), column.codec(), size)?);
        self.group.offset_indexes.push(chunk.index.build());
        Ok(())
    }

    /// The column that the next chunk belongs to.
    fn leaf(&self) -> ColumnDescPtr {
        self.layout.leaves.column(self.group.chunks.len())
    }

    fn end_group(&mut self, end: GroupEnd) -> Result<GroupEnd> {
        let group = std::mem::take(&mut self.group);
        let ordinal = i16::try_from(self.groups.len()).map_err(|_| {
            ParquetError::General("a file holds 32,767 row groups at most: raise row-group-rows, or lower shard-rows".into())
        })?;
        let metadata = RowGroupMetaData::builder(self.layout.leaves.clone())
            .set_total_byte_size(group.chunks.iter().map(|chunk| chunk.uncompressed_size()).sum())
            .set_column_metadata(group.chunks)
            .set_num_rows(end.rows as i64)
            .set_ordinal(ordinal)
            .set_file_offset(group.start.unwrap_or_default() as i64)
            .build()?;
        self.groups.push(metadata);
        self.offset_indexes.push(group.offset_indexes);
        self.rows += end.rows;
        Ok(end)
    }

    /// Writes the footer. Returns the file's size and digest.
    pub fn finish(mut self) -> Result<(u64, Digest)> {
        let footer = self.footer()?;
        self.stream.write(&footer)?;
        let size = self.stream.written();
        Ok((size, self.stream.finish()?))
    }

    fn footer(&mut self) -> Result<Vec<u8>> {
        let properties = &self.layout.properties;
        let schema = KeyValue::new(parquet::arrow::ARROW_SCHEMA_META_KEY.into(), parquet::arrow::encode_arrow_schema(&self.layout.schema));
        let (version, created_by) = (properties.writer_version().as_num(), properties.created_by().to_string());
        let file = FileMetaData::new(version, self.rows as i64, Some(created_by), Some(vec![schema]), self.layout.leaves.clone(), None);
        let metadata = ParquetMetaDataBuilder::new(file)
            .set_row_groups(std::mem::take(&mut self.groups))
            .set_offset_index(Some(std::mem::take(&mut self.offset_indexes)))
            .build();
        let mut footer = Vec::new();
        let mut out = TrackedWrite::new(After { skip: self.stream.written(), out: &mut footer });
        skip(&mut out, self.stream.written())?;
        ParquetMetaDataWriter::new_with_tracked(out, &metadata).finish()?;
        Ok(footer)
    }
}

impl VectorChunk {
    fn metadata(&self, leaf: ColumnDescPtr, codec: Compression, size: u64) -> Result<ColumnChunkMetaData> {
        ColumnChunkMetaData::builder(leaf)
            .set_compression(codec)
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE])
            .set_total_compressed_size(size as i64)
            .set_total_uncompressed_size(self.uncompressed as i64)
            .set_num_values(self.values as i64)
            .set_data_page_offset(self.start as i64)
            .build()
    }
}

/// Keeps what comes after so many bytes: the footer's writer names places in the file, and counts to know them.
struct After<'a> {
    skip: u64,
    out: &'a mut Vec<u8>,
}

impl Write for After<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let skipped = self.skip.min(bytes.len() as u64);
        self.skip -= skipped;
        self.out.extend_from_slice(&bytes[skipped as usize..]);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Counts bytes that lie in the file already.
fn skip(out: &mut TrackedWrite<After<'_>>, mut bytes: u64) -> io::Result<()> {
    const NOTHING: &[u8] = &[0; 1 << 16];
    while bytes > 0 {
        let step = bytes.min(NOTHING.len() as u64);
        out.write_all(&NOTHING[..step as usize])?;
        bytes -= step;
    }
    Ok(())
}
