//! A partition that was written and is not published yet, as checks see it.

use crate::engine::action::{Interval, Job};
use crate::engine::failure::Failure;
use crate::rules::budget::Budget;
use crate::rules::failures::of_table;
use crate::table::parquet::{Written, read_batches, schema_of};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Rows that are looked at together.
const BATCH_ROWS: usize = 8192;

pub struct Staged<'a> {
    /// Its data files.
    pub files: Vec<PathBuf>,
    pub rows: u64,
    /// Rows without a value per column, where that was counted.
    pub nulls: Option<&'a BTreeMap<String, u64>>,
    pub period: Option<Interval>,
    /// A directory for what has no room in memory.
    pub scratch: &'a Path,
    /// Bytes that may be held.
    pub work: u64,
}

impl<'a> Staged<'a> {
    /// What a job's own writer has written.
    pub fn written(job: &'a Job, written: &'a Written) -> Self {
        let files = written.files.iter().map(|file| job.staging.join(&file.name)).collect();
        let memory = job.action.common.resources.memory;
        Self { nulls: Some(&written.nulls), ..Self::of(&job.staging, job.action.period, memory, files, written.rows) }
    }

    /// What a program has left in a directory, with so many bytes of memory to look at it.
    pub fn of(staging: &'a Path, period: Option<Interval>, memory: u64, files: Vec<PathBuf>, rows: u64) -> Self {
        let scratch = staging.parent().unwrap_or(staging);
        Self { files, rows, nulls: None, period, scratch, work: Budget::of(memory).work() / 2 }
    }

    /// Shows the rows of all files, with those of the columns that a file has, until told to stop.
    pub fn scan(&self, columns: &BTreeSet<String>, see: &mut dyn FnMut(&RecordBatch) -> Result<bool, Failure>) -> Result<(), Failure> {
        for file in &self.files {
            let wanted = wanted(&*schema_of(file).map_err(of_table)?, columns);
            for batch in read_batches(file, &wanted, BATCH_ROWS).map_err(of_table)? {
                if !see(&batch.map_err(of_table)?)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

fn wanted(schema: &Schema, columns: &BTreeSet<String>) -> Vec<(String, DataType)> {
    let fields = schema.fields().iter().filter(|field| columns.contains(field.name()));
    fields.map(|field| (field.name().clone(), plain(field.data_type()))).collect()
}

/// The type that all encodings of the same values share.
fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain(values),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    }
}
