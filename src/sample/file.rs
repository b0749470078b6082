//! One Parquet file of the sample.
//!
//! Knows nothing of what the tables mean. Invariants: a file appears whole under its name or not at all; nothing in it depends on the
//! machine, the time or the library's version string.

use super::SampleError;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use std::fs::{self, File};
use std::path::Path;

pub(super) const ROW_GROUP_ROWS: usize = 131_072;

/// What a table has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) rows: u64,
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.files += other.files;
        self.bytes += other.bytes;
    }
}

/// Writes `part-0.parquet` into a directory.
pub(super) fn write_part(
    directory: &Path,
    schema: SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
) -> Result<Tally, SampleError> {
    fs::create_dir_all(directory).map_err(SampleError::io(directory))?;
    let (path, temporary) = (directory.join("part-0.parquet"), directory.join(".part-0.parquet.tmp"));
    let file = File::create(&temporary).map_err(SampleError::io(&temporary))?;
    let rows = write_batches(file, schema, batches).map_err(SampleError::parquet(&temporary))?;
    fs::rename(&temporary, &path).map_err(SampleError::io(&path))?;
    let bytes = fs::metadata(&path).map_err(SampleError::io(&path))?.len();
    Ok(Tally { rows, files: 1, bytes })
}

fn write_batches(
    file: File,
    schema: SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
) -> Result<u64, ParquetError> {
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties()))?;
    let mut rows = 0;
    for batch in batches {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        writer.write(&batch)?;
    }
    writer.close()?;
    Ok(rows)
}

fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_created_by("daeda sample".into())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Page)
        .build()
}
