//! What a Parquet file's footer says: rows, columns, null counts, notes. No data page is read.

use super::error::TableError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// Statistics of one file from its footer alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    pub rows: u64,
    /// Names of the root columns, in order.
    pub columns: Vec<String>,
    /// Rows without a value, per root column, where the statistics say it.
    pub nulls: BTreeMap<String, u64>,
}

pub(super) fn open(path: &Path) -> Result<(File, ParquetMetaData), TableError> {
    let file = File::open(path).map_err(|e| TableError::io(path, e))?;
    let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Skip);
    let metadata = reader.parse_and_finish(&file).map_err(|e| TableError::broken(path, e))?;
    Ok((file, metadata))
}

/// Names of a file's root columns, in order.
pub fn columns_of(path: &Path) -> Result<Vec<String>, TableError> {
    open(path).map(|(_, metadata)| root_columns(&metadata))
}

pub(super) fn root_columns(metadata: &ParquetMetaData) -> Vec<String> {
    metadata.file_metadata().schema().get_fields().iter().map(|f| f.name().to_string()).collect()
}

pub fn footer(path: &Path) -> Result<Footer, TableError> {
    let (_, metadata) = open(path)?;
    let rows = metadata.file_metadata().num_rows() as u64;
    let mut nulls = BTreeMap::new();
    for group in metadata.row_groups() {
        for column in group.columns() {
            // Below a list, a leaf's null count is of its elements: only flat columns tell of rows.
            let parts = column.column_path().parts();
            if let (1, Some(count)) = (parts.len(), column.statistics().and_then(|s| s.null_count_opt())) {
                *nulls.entry(parts[0].clone()).or_insert(0) += count;
            }
        }
    }
    Ok(Footer { rows, columns: root_columns(&metadata), nulls })
}
