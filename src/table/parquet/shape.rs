//! What the columns of a Parquet file are, by its footer: types, how many values are absent, the range of integers and instants. No
//! data page is read.
//!
//! Invariant: a range covers every row group, or there is none.

use super::error::TableError;
use super::footer::open;
use arrow::datatypes::DataType;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use std::path::Path;

/// One column of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnShape {
    pub name: String,
    pub data_type: DataType,
    /// How many values are null, where the footer says so of every row group.
    pub nulls: Option<u64>,
    /// The least and the greatest value of 64-bit integers, as they are stored.
    pub range: Option<(i64, i64)>,
}

/// The root columns of a file, in order.
pub fn shape(path: &Path) -> Result<Vec<ColumnShape>, TableError> {
    let (_, metadata) = open(path)?;
    let file = metadata.file_metadata();
    let schema = parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata()).map_err(|e| TableError::broken(path, e))?;
    let column = |(name, data_type): (&String, &DataType)| {
        let leaf = leaf(&metadata, name);
        ColumnShape {
            name: name.clone(),
            data_type: data_type.clone(),
            nulls: leaf.and_then(|leaf| nulls(&metadata, leaf)),
            range: leaf.and_then(|leaf| range(&metadata, leaf)),
        }
    };
    Ok(schema.fields().iter().map(|field| column((field.name(), field.data_type()))).collect())
}

/// The one leaf of a column that is not nested.
fn leaf(metadata: &ParquetMetaData, name: &str) -> Option<usize> {
    let descr = metadata.file_metadata().schema_descr();
    (0..descr.num_columns()).find(|leaf| matches!(descr.column(*leaf).path().parts(), [only] if only == name))
}

fn nulls(metadata: &ParquetMetaData, leaf: usize) -> Option<u64> {
    metadata.row_groups().iter().map(|group| group.column(leaf).statistics()?.null_count_opt()).sum()
}

fn range(metadata: &ParquetMetaData, leaf: usize) -> Option<(i64, i64)> {
    let mut whole: Option<(i64, i64)> = None;
    for group in metadata.row_groups().iter().filter(|group| group.num_rows() > 0) {
        let Some(Statistics::Int64(found)) = group.column(leaf).statistics() else { return None };
        let (least, greatest) = (*found.min_opt()?, *found.max_opt()?);
        whole = Some(whole.map_or((least, greatest), |(low, high)| (low.min(least), high.max(greatest))));
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;
    use std::fs::File;
    use std::sync::Arc;

    #[test]
    fn a_footer_says_types_nulls_and_ranges() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let columns: [(&str, ArrayRef); 2] =
            [("at", Arc::new(Int64Array::from(vec![Some(7), None, Some(-2)]))), ("text", Arc::new(StringArray::from(vec!["a", "b", "c"])))];
        let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(file.path()).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let found = shape(file.path()).unwrap();
        assert_eq!(found[0], ColumnShape { name: "at".into(), data_type: DataType::Int64, nulls: Some(1), range: Some((-2, 7)) });
        assert_eq!((found[1].nulls, found[1].range), (Some(0), None));
    }
}
