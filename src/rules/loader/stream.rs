//! Scans batch by batch: nothing but a batch is in memory.
//!
//! Invariants: rows come by file and row; all times were looked at before the first row is handed out, so that an error says as much of a
//! file as if it had been read at once. Which scans are in canonical order as they are read is found out on the way.

use super::ahead::ahead;
use super::inputs::{FileOfView, FileRead, Inputs, of_view, typed};
use super::schema;
use super::times::{TimeCheck, outside_period};
use crate::catalog::dag::Scan;
use crate::engine::failure::Failure;
use crate::rules::failures::of_table;
use crate::table::parquet::{read_batches, read_groups};
use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use rayon::prelude::*;
use std::sync::Arc;

/// Batches of rows, one after the other.
pub type Batches<'s> = Box<dyn Iterator<Item = Result<RecordBatch, Failure>> + 's>;

/// The files of an action, whose times are as they should be.
pub struct Stream<'a> {
    pub inputs: Inputs<'a>,
}

/// Rows that are looked at together when only their times are.
const LOOK_ROWS: usize = 1 << 16;

impl<'a> Stream<'a> {
    /// Looks at all times.
    pub fn open(mut inputs: Inputs<'a>) -> Result<Self, Failure> {
        let reads: Vec<(&FileOfView, &FileRead)> = inputs.reads.iter().collect();
        let looked: Vec<Result<usize, Failure>> = reads.par_iter().map(|(_, read)| look(read, &inputs)).collect();
        let views: Vec<String> = reads.iter().map(|(file, _)| file.0.clone()).collect();
        for (view, late) in views.into_iter().zip(looked) {
            match late? {
                0 => {}
                late => *inputs.late.entry(view).or_insert(0) += late,
            }
        }
        Ok(Self { inputs })
    }

    /// The rows of a scan by file and row, columns under the view's names. There is always a batch, if only one without rows.
    pub fn scan<'s>(&'s self, scan: &'s Scan, batch_rows: usize) -> Result<Batches<'s>, Failure> {
        let files = self.inputs.files(scan)?;
        let empty = RecordBatch::new_empty(Arc::new(schema(scan)));
        let rows = files.into_iter().flat_map(move |file| match self.file(&file, scan, batch_rows) {
            Ok(batches) => batches,
            Err(failure) => Box::new(std::iter::once(Err(failure))),
        });
        Ok(Box::new(std::iter::once(Ok(empty)).chain(rows)))
    }

    fn file<'s>(&'s self, file: &FileOfView, scan: &'s Scan, batch_rows: usize) -> Result<Batches<'s>, Failure> {
        let read = self.inputs.read(file)?;
        let mut wanted: Vec<_> = scan.columns.iter().map(typed).collect();
        let mut check = TimeCheck::of(read, &self.inputs);
        let time = check.as_ref().and_then(TimeCheck::column).map(str::to_string);
        // What is late is told by the time, also where the scan does not take it.
        let extra = time.as_ref().filter(|name| !wanted.iter().any(|(column, _)| column == *name));
        wanted.extend(extra.and_then(|name| read.columns.get(name)).map(typed));
        let names = Arc::new(schema(scan));
        let batches = read_groups(&read.path, &wanted, read.groups.as_deref(), batch_rows).map_err(|e| of_view(read, of_table(e)))?;
        Ok(Box::new(ahead(batches).map(move |batch| {
            let mut batch = batch.map_err(|e| of_view(read, of_table(e)))?;
            if let (Some(check), Some(column)) = (&mut check, time.as_ref().and_then(|name| batch.column_by_name(name)))
                && let Some(kept) = check.look(column)?
            {
                batch = filter_record_batch(&batch, &kept).map_err(|e| Failure::permanent(e.to_string()))?;
            }
            let columns = batch.columns()[..names.fields().len()].to_vec();
            let named = RecordBatch::try_new(names.clone(), columns).map_err(|e| Failure::permanent(e.to_string()))?;
            match outside_period(&named, scan, &self.inputs)? {
                Some(inside) => filter_record_batch(&named, &inside).map_err(|e| Failure::permanent(e.to_string())),
                None => Ok(named),
            }
        })))
    }
}

/// Looks at the times of a file; how many rows are late and dropped.
fn look(read: &FileRead, inputs: &Inputs) -> Result<usize, Failure> {
    let unfit = |e| of_view(read, of_table(e));
    // The types of all columns are judged as well, before anything is read.
    drop(read_batches(&read.path, &read.wanted(), LOOK_ROWS).map_err(unfit)?);
    let Some(mut check) = TimeCheck::of(read, inputs) else { return Ok(0) };
    let Some(column) = check.column().and_then(|name| read.columns.get(name)) else { return Ok(0) };
    let batches = read_groups(&read.path, &[typed(column)], read.groups.as_deref(), LOOK_ROWS).map_err(unfit)?;
    for batch in batches {
        check.look(batch.map_err(unfit)?.column(0))?;
    }
    check.verdict()
}
