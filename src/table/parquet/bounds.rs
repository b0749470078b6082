//! Between which values those of a column lie, row group by row group, by the file's footer. No data page is read.
//!
//! Invariant: what a footer does not say is null here; of values there are none beyond the bounds.

use super::error::TableError;
use super::footer::open;
use arrow::array::{Array, ArrayRef, UInt64Array};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::errors::Result;
use parquet::file::metadata::ParquetMetaData;
use std::path::Path;

/// What a footer says of one column; a value for each row group.
pub struct Bounds {
    /// In the column's own type.
    pub least: ArrayRef,
    pub greatest: ArrayRef,
    nulls: UInt64Array,
    rows: Vec<u64>,
}

impl Bounds {
    /// Of a root column that is not nested.
    pub fn read(path: &Path, column: &str) -> std::result::Result<Self, TableError> {
        let (_, metadata) = open(path)?;
        Self::of(&metadata, column).map_err(|e| TableError::broken(path, e))
    }

    fn of(metadata: &ParquetMetaData, column: &str) -> Result<Self> {
        let (file, groups) = (metadata.file_metadata(), metadata.row_groups());
        let schema = parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata())?;
        let said = StatisticsConverter::try_new(column, &schema, file.schema_descr())?.with_missing_null_counts_as_zero(false);
        Ok(Self {
            least: said.row_group_mins(groups)?,
            greatest: said.row_group_maxes(groups)?,
            nulls: said.row_group_null_counts(groups)?,
            rows: groups.iter().map(|group| group.num_rows().max(0) as u64).collect(),
        })
    }

    pub fn groups(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self, group: usize) -> bool {
        self.rows[group] == 0
    }

    /// Whether the footer says that no value is null, and between which the values lie.
    pub fn is_known(&self, group: usize) -> bool {
        self.nulls.is_valid(group) && self.nulls.value(group) == 0 && self.least.is_valid(group) && self.greatest.is_valid(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, RecordBatch, TimestampSecondArray};
    use arrow::datatypes::TimestampSecondType;
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;
    use std::fs::File;
    use std::sync::Arc;

    /// Parquet has no seconds: the file holds milliseconds.
    #[test]
    fn bounds_are_in_the_unit_of_the_column() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let times: ArrayRef = Arc::new(TimestampSecondArray::from(vec![Some(5), Some(3), Some(9), None]));
        let batch = RecordBatch::try_from_iter_with_nullable([("at", times, true)]).unwrap();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(2)).build();
        let mut writer = ArrowWriter::try_new(File::create(file.path()).unwrap(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let bounds = Bounds::read(file.path(), "at").unwrap();
        assert_eq!(bounds.groups(), 2);
        assert_eq!(bounds.least.as_primitive::<TimestampSecondType>().value(0), 3);
        assert_eq!(bounds.greatest.as_primitive::<TimestampSecondType>().value(0), 5);
        assert_eq!((bounds.is_known(0), bounds.is_known(1), bounds.is_empty(0)), (true, false, false));
    }
}
