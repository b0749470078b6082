//! How much room columns of a file take in memory, by its footer. No data page is read.
//!
//! Invariant: an estimate from above wherever the footer allows one; where it does not say how long texts are, a guess.

use super::error::TableError;
use super::footer::open;
use arrow::datatypes::DataType;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use std::path::Path;

/// Rows, and the bytes that they take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    pub rows: u64,
    pub bytes: u64,
}

impl std::ops::AddAssign for Extent {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.bytes += other.bytes;
    }
}

/// The extent of each of some columns (name in the file, type) of a file, or of some row groups of it.
pub fn extents(path: &Path, columns: &[(String, DataType)], groups: Option<&[usize]>) -> Result<Vec<Extent>, TableError> {
    let (_, metadata) = open(path)?;
    let groups: Vec<&RowGroupMetaData> = chosen(groups, metadata.num_row_groups()).map(|group| metadata.row_group(group)).collect();
    let rows = groups.iter().map(|group| group.num_rows().max(0) as u64).sum();
    let extent = |(name, data_type): &(String, DataType)| Extent { rows, bytes: of_column(&groups, name, data_type, rows) };
    Ok(columns.iter().map(extent).collect())
}

/// All row groups of so many, or some of them, which are in order.
pub(super) fn chosen(groups: Option<&[usize]>, all: usize) -> impl Iterator<Item = usize> + use<'_> {
    let is_chosen = move |group: &usize| groups.is_none_or(|some| some.binary_search(group).is_ok());
    (0..all).filter(is_chosen)
}

fn of_column(groups: &[&RowGroupMetaData], name: &str, data_type: &DataType, rows: u64) -> u64 {
    let of_name = |chunk: &&ColumnChunkMetaData| chunk.column_path().parts().first().is_some_and(|root| root == name);
    let groups = groups.iter();
    groups.flat_map(|group| group.columns().iter().filter(of_name)).map(|chunk| of_chunk(chunk, data_type)).sum::<u64>()
        + nested(data_type) * rows
}

/// The values of a leaf, and a bit for each that says whether it is there.
fn of_chunk(chunk: &ColumnChunkMetaData, data_type: &DataType) -> u64 {
    let values = chunk.num_values().max(0) as u64;
    let wide = match leaf(data_type).primitive_width() {
        Some(width) => values * width as u64,
        None if *leaf(data_type) == DataType::Boolean => values / 8,
        None => values * OFFSET + texts(chunk, values),
    };
    wide + values / 8
}

/// Bytes of texts: as the footer says, else at least those of the pages, where texts that repeat may stand once.
fn texts(chunk: &ColumnChunkMetaData, values: u64) -> u64 {
    let said = chunk.unencoded_byte_array_data_bytes().map(|bytes| bytes.max(0) as u64);
    said.unwrap_or_else(|| (chunk.uncompressed_size().max(0) as u64).max(values * GUESSED_TEXT))
}

const OFFSET: u64 = 4;
const GUESSED_TEXT: u64 = 16;

/// What a row takes beside its values.
fn nested(data_type: &DataType) -> u64 {
    match data_type {
        DataType::List(element) | DataType::LargeList(element) => OFFSET + nested(element.data_type()),
        _ => 0,
    }
}

fn leaf(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _) => leaf(element.data_type()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, ArrayRef, Int32Array, Int64Array, ListArray, RecordBatch, StringArray};
    use arrow::datatypes::Int64Type;
    use parquet::arrow::ArrowWriter;
    use std::fs::File;
    use std::sync::Arc;

    #[test]
    fn an_estimate_lies_a_little_above_what_is_taken() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lists = (0..1000).map(|row| (row % 7 != 0).then(|| (0..row % 5).map(Some).collect::<Vec<_>>()));
        let columns: [(&str, ArrayRef); 4] = [
            ("wide", Arc::new(Int64Array::from_iter((0..1000).map(|row| (row % 3 != 0).then_some(row))))),
            ("narrow", Arc::new(Int32Array::from_iter_values(0..1000))),
            ("text", Arc::new(StringArray::from_iter_values((0..1000).map(|row| "word".repeat(row % 2))))),
            ("list", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists))),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(file.path()).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
            let found = extents(file.path(), &[(field.name().clone(), field.data_type().clone())], None).unwrap()[0];
            let taken = array.to_data().get_slice_memory_size().unwrap() as u64;
            assert_eq!(found.rows, 1000);
            assert!((taken * 9 / 10..taken * 3 / 2 + 200).contains(&found.bytes), "{field}: {found:?} for {taken}");
        }
    }
}
