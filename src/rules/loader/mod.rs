//! Reads what the scans of one action need: each file once with the columns that any scan takes of it, or, where that has no room in
//! memory, batch by batch for each scan.
//!
//! Invariants: rows of a scan come in canonical order (time, created, file, row); a row whose time is null or outside its partition's
//! period is an error that says where, unless the view says what else becomes of it. Both ways give the same rows, and say the same of bad ones.

mod ahead;
mod inputs;
mod stream;
mod times;

pub use inputs::{Inputs, scan_of};
pub use stream::{Batches, Stream};
pub use times::{in_order, order};

use super::Tell;
use super::failures::of_table;
use crate::catalog::dag::{Scan, ScanColumn};
use crate::engine::execute::Progress;
use crate::engine::failure::Failure;
use crate::features::arrow_type::arrow_type;
use crate::table::parquet::read_columns;
use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow::compute::{concat, filter_record_batch};
use arrow::datatypes::{Field, Schema};
use inputs::{FileOfView, FileRead, of_view};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use times::{TimeCheck, in_period};

/// The columns in memory, by file and name in the file.
pub struct Loader<'a> {
    pub inputs: Inputs<'a>,
    columns: HashMap<FileOfView, HashMap<String, ArrayRef>>,
    rows: HashMap<FileOfView, usize>,
}

impl<'a> Loader<'a> {
    /// Reads everything that the scans of an action take.
    pub fn open(inputs: Inputs<'a>, tell: Tell) -> Result<Self, Failure> {
        let mut loader = Self { inputs, columns: HashMap::new(), rows: HashMap::new() };
        let inputs = &loader.inputs;
        let total = inputs.spec.operators.len() as u64;
        tell(Progress::Step { message: format!("reading {} files", inputs.reads.len()), done: 0, total });
        // Of several files that cannot be read the first one is named, whichever was tried first.
        let reads: Vec<(&FileOfView, &FileRead)> = inputs.reads.iter().collect();
        let read: Vec<Result<_, Failure>> = reads.par_iter().map(|(file, read)| Ok(((*file).clone(), load(read, inputs)?))).collect();
        for read in read {
            let (file, (batch, late)) = read?;
            if late > 0 {
                *loader.inputs.late.entry(file.0.clone()).or_insert(0) += late;
            }
            loader.rows.insert(file.clone(), batch.num_rows());
            let named = batch.schema().fields().iter().map(|f| f.name().clone()).zip(batch.columns().iter().cloned()).collect();
            loader.columns.insert(file, named);
        }
        Ok(loader)
    }

    /// The rows of a scan in canonical order, columns under the view's names.
    pub fn scan(&self, scan: &Scan) -> Result<RecordBatch, Failure> {
        let files = self.inputs.files(scan)?;
        let columns: Result<Vec<ArrayRef>, Failure> = scan.columns.iter().map(|c| self.column(c, &files)).collect();
        let rows = files.iter().filter_map(|f| self.rows.get(f)).sum();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::new(schema(scan)), columns?, &options);
        let batch = batch.map_err(|e| Failure::permanent(format!("view `{}`: {e}", scan.view)))?;
        in_order(in_period(batch, scan, &self.inputs)?, scan)
    }

    fn column(&self, column: &ScanColumn, files: &[FileOfView]) -> Result<ArrayRef, Failure> {
        let missing = |f: &FileOfView| Failure::transient(format!("{} appeared while the op ran", f.1.display()));
        let of = |f: &FileOfView| self.columns.get(f).and_then(|c| c.get(&column.physical)).ok_or_else(|| missing(f));
        let parts: Result<Vec<&ArrayRef>, Failure> = files.iter().map(of).collect();
        let parts: Vec<&dyn Array> = parts?.into_iter().map(|a| a.as_ref()).collect();
        match parts.as_slice() {
            [] => Ok(new_empty_array(&arrow_type(&column.data_type))),
            parts => concat(parts).map_err(|e| Failure::permanent(format!("column `{}`: {e}", column.name))),
        }
    }
}

/// A scan's columns under the view's names.
fn schema(scan: &Scan) -> Schema {
    Schema::new(scan.columns.iter().map(|c| Field::new(&c.name, arrow_type(&c.data_type), true)).collect::<Vec<_>>())
}

/// The rows of a file, and how many late ones were dropped.
fn load(read: &FileRead, inputs: &Inputs) -> Result<(RecordBatch, usize), Failure> {
    let batch = read_columns(&read.path, &read.wanted()).map_err(|e| of_view(read, of_table(e)))?;
    let Some(mut check) = TimeCheck::of(read, inputs) else { return Ok((batch, 0)) };
    let Some(column) = check.column().and_then(|name| batch.column_by_name(name)) else { return Ok((batch, 0)) };
    let kept = check.look(column)?;
    let late = check.verdict()?;
    let batch = match kept {
        Some(kept) => filter_record_batch(&batch, &kept).map_err(|e| of_view(read, Failure::permanent(e.to_string())))?,
        None => batch,
    };
    Ok((batch, late))
}
