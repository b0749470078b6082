//! Puts rows that are not in canonical order into it, part by part: ranges of time are spilled, and each is sorted in memory.
//!
//! Invariant: rows that are equal in what orders them stay as they came.

use super::buckets::{Buckets, Parting, Partitioner, UNIT};
use crate::catalog::dag::Scan;
use crate::engine::failure::Failure;
use crate::features::time::instants;
use crate::rules::loader::{Batches, in_order, order};
use crate::rules::operators::{arrow_failure, column};
use crate::table::spill::Spill;
use arrow::array::RecordBatch;
use arrow::row::{OwnedRow, RowConverter, SortField};

/// Finds out whether rows come in order, and at which times.
pub struct Look<'s> {
    scan: &'s Scan,
    last: Option<OwnedRow>,
    in_order: bool,
    /// Some of the times.
    sample: Vec<i64>,
    rows: u64,
}

/// Of so many times one is kept.
const STRIDE: usize = 64;

impl<'s> Look<'s> {
    pub fn new(scan: &'s Scan) -> Self {
        Self { scan, last: None, in_order: true, sample: Vec::new(), rows: 0 }
    }

    pub fn look(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let keys = order(batch, self.scan);
        let (false, Some(time)) = (keys.is_empty() || batch.num_rows() == 0, &self.scan.time) else { return Ok(()) };
        let times = instants(column(batch, &time.name)?, UNIT, UNIT).map_err(Failure::permanent)?;
        self.sample.extend(times.iter().step_by(STRIDE));
        self.rows += times.len() as u64;
        let fields = keys.iter().map(|key| SortField::new(key.data_type().clone())).collect();
        let rows = RowConverter::new(fields).and_then(|converter| converter.convert_columns(&keys)).map_err(arrow_failure)?;
        self.in_order &= (1..rows.num_rows()).all(|row| rows.row(row - 1) <= rows.row(row));
        self.in_order &= self.last.as_ref().is_none_or(|last| last.row() <= rows.row(0));
        self.last = Some(rows.row(rows.num_rows() - 1).owned());
        Ok(())
    }

    pub fn is_in_order(&self) -> bool {
        self.in_order
    }

    /// Times that part the rows into so many ranges of about equal length.
    fn bounds(mut self, ranges: usize) -> Vec<i64> {
        self.sample.sort_unstable();
        let mut bounds: Vec<i64> = (1..ranges).filter_map(|range| self.sample.get(range * self.sample.len() / ranges).copied()).collect();
        bounds.dedup();
        bounds
    }

    /// The rows, of which these are all, in order.
    pub fn sorted<'b>(self, rows: Batches<'b>, ranges: usize, batch_rows: usize, spill: &Spill) -> Result<Batches<'b>, Failure>
    where
        's: 'b,
    {
        let (scan, time) = (self.scan, self.scan.time.as_ref().map(|time| time.name.clone()).unwrap_or_default());
        let bounds = self.bounds(ranges);
        let count = bounds.len() + 1;
        let mut partitioner = None;
        for batch in rows {
            let batch = batch?;
            let partitioner = match &mut partitioner {
                Some(partitioner) => partitioner,
                none => {
                    let parting = Parting::Ranges { column: time.clone(), bounds: bounds.clone() };
                    none.insert(Partitioner::new(spill, batch.schema_ref(), parting, count, batch_rows)?)
                }
            };
            partitioner.write(batch)?;
        }
        let Some(partitioner) = partitioner else { return Ok(Box::new(std::iter::empty())) };
        let mut buckets: Buckets = partitioner.finish()?;
        Ok(Box::new((0..count).flat_map(move |bucket| match buckets.load(bucket).and_then(|rows| in_order(rows, scan)) {
            Ok(rows) => slices(rows, batch_rows),
            Err(failure) => vec![Err(failure)],
        })))
    }
}

/// Rows in batches, of which there is at least one.
fn slices(rows: RecordBatch, batch_rows: usize) -> Vec<Result<RecordBatch, Failure>> {
    let starts = (0..rows.num_rows().max(1)).step_by(batch_rows);
    starts.map(|at| Ok(rows.slice(at, batch_rows.min(rows.num_rows() - at)))).collect()
}
