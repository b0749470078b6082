//! Columns as arrow-rs encodes them: everything but vectors.
//!
//! Knows nothing of the file they come to lie in. Invariant: the bytes follow from the values alone.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves};
use parquet::basic::Encoding;
use parquet::errors::Result;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use std::ops::Range;
use std::sync::Arc;

/// Rows that are encoded at once, so that pages break in the same places whatever the size of the row group.
const CHUNK_ROWS: usize = 2048;

/// The chunks of a root column, one after the other.
pub struct EncodedArray {
    pub bytes: Vec<u8>,
    pub chunks: Vec<EncodedChunk>,
}

/// A leaf's chunk: where its bytes lie, and what is to be known of it; offsets count from its own start.
pub struct EncodedChunk {
    pub bytes: Range<usize>,
    pub metadata: ColumnChunkMetaData,
    pub offset_index: Option<OffsetIndexMetaData>,
}

/// Encodes a root column of a row group by way of a file in memory that has no other.
pub fn encode(field: &Field, array: &ArrayRef, properties: &WriterProperties) -> Result<EncodedArray> {
    let schema = Arc::new(Schema::new(vec![field.clone()]));
    let properties = if ascends(array) { as_differences(field, properties) } else { properties.clone() };
    let (mut file, factory) = ArrowWriter::try_new(Vec::new(), schema, Some(properties))?.into_serialized_writer()?;
    let chunks = encode_leaves(field, array, factory.create_column_writers(0)?)?;
    // Before the first chunk stands the file's magic number.
    let mut start = file.bytes_written();
    let mut placed = Vec::new();
    let mut group = file.next_row_group()?;
    for chunk in chunks {
        let (metadata, offset_index) = (chunk.close().metadata.clone(), chunk.close().offset_index.clone());
        let end = start + metadata.compressed_size() as usize;
        placed.push(EncodedChunk { bytes: start..end, metadata, offset_index });
        start = end;
        chunk.append_to_row_group(&mut group)?;
    }
    group.close()?;
    Ok(EncodedArray { bytes: file.into_inner()?, chunks: placed })
}

/// Whether whole numbers or instants of 64 bits come in order, as times do: nearly all differ, by little.
fn ascends(array: &ArrayRef) -> bool {
    let data = array.to_data();
    let is_whole = matches!(array.data_type(), DataType::Int64 | DataType::Timestamp(..));
    is_whole && array.null_count() == 0 && data.buffers()[0].typed_data::<i64>()[data.offset()..data.offset() + data.len()].is_sorted()
}

/// A dictionary of values that hardly repeat is larger than they are, and what differs little is small as differences.
fn as_differences(field: &Field, properties: &WriterProperties) -> WriterProperties {
    let path = ColumnPath::new(vec![field.name().clone()]);
    let builder = properties.clone().into_builder().set_column_dictionary_enabled(path.clone(), false);
    builder.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED).build()
}

fn encode_leaves(field: &Field, array: &ArrayRef, mut writers: Vec<ArrowColumnWriter>) -> Result<Vec<ArrowColumnChunk>> {
    for start in (0..array.len()).step_by(CHUNK_ROWS) {
        let rows = array.slice(start, CHUNK_ROWS.min(array.len() - start));
        let leaves = compute_leaves(field, &rows)?;
        writers.iter_mut().zip(leaves).try_for_each(|(writer, leaf)| writer.write(&leaf))?;
    }
    writers.into_iter().map(ArrowColumnWriter::close).collect()
}
