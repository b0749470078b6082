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

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, TimestampMillisecondArray};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    /// The encodings of an array as a column of a file of its own, from which it is read again.
    fn written(array: ArrayRef) -> Vec<Encoding> {
        let field = Field::new("x", array.data_type().clone(), true);
        let EncodedArray { bytes, chunks } = encode(&field, &array, &WriterProperties::builder().build()).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap().with_batch_size(array.len()).build();
        let batches: Vec<_> = reader.unwrap().map(Result::unwrap).collect();
        assert_eq!(batches[0].column(0).as_ref(), array.as_ref());
        chunks[0].metadata.encodings().collect()
    }

    #[test]
    fn what_ascends_is_written_as_differences_and_nothing_else_is() {
        let numbers = |values: Vec<Option<i64>>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
        let delta = |array: ArrayRef| written(array).contains(&Encoding::DELTA_BINARY_PACKED);
        let ascending = || (0..5000).map(|n| Some(n * n - 9_000_000));
        assert!(delta(numbers(ascending().collect())));
        assert!(delta(numbers(vec![Some(i64::MIN), Some(0), Some(0), Some(i64::MAX)])));
        assert!(delta(Arc::new(TimestampMillisecondArray::from_iter_values([1, 2, 3]))));
        assert!(delta(numbers([Some(9)].into_iter().chain(ascending()).collect()).slice(1, 4000)));
        assert!(!delta(numbers(ascending().rev().collect())));
        assert!(!delta(numbers(vec![Some(1), None, Some(2)])));
        assert!(!delta(Arc::new(arrow::array::Int32Array::from(vec![1, 2, 3]))));
    }
}
