//! What a Parquet file's footer says: rows and columns, notes. No data page is read.

use super::error::TableError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use std::fs::File;
use std::path::Path;

/// Statistics of one file from its footer alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    pub rows: u64,
    /// Names of the root columns, in order.
    pub columns: Vec<String>,
}

pub(super) fn open(path: &Path) -> Result<(File, ParquetMetaData), TableError> {
    let file = File::open(path).map_err(|e| TableError::io(path, e))?;
    let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Skip);
    let metadata = reader.parse_and_finish(&file).map_err(|e| TableError::broken(path, e))?;
    Ok((file, metadata))
}

pub(super) fn root_columns(metadata: &ParquetMetaData) -> Vec<String> {
    metadata.file_metadata().schema().get_fields().iter().map(|f| f.name().to_string()).collect()
}

pub fn footer(path: &Path) -> Result<Footer, TableError> {
    let (_, metadata) = open(path)?;
    let rows = metadata.file_metadata().num_rows() as u64;
    Ok(Footer { rows, columns: root_columns(&metadata) })
}
