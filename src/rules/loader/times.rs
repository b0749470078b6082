//! Times of rows as they are read: that they are there and lie where they may, and the canonical order that they make.
//!
//! Invariant: what is said of a file does not depend on the batches in which it was read.

use super::inputs::{FileRead, Inputs};
use crate::catalog::calendar::Period;
use crate::catalog::dag::{Reach, Scan};
use crate::catalog::declaration::Late;
use crate::catalog::model::TimeColumn;
use crate::catalog::quantity::Duration;
use crate::engine::failure::Failure;
use crate::features::time::{instants, is_within};
use crate::rules::source::SourceSpec;
use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, lexsort_to_indices, take_record_batch};
use arrow::error::ArrowError;
use std::sync::Arc;

/// Looks at the times of a file, batch after batch: every one is there and, in a partitioned source, inside its partition's period or as late
/// as the view allows; else its row is dropped, or is an error.
pub struct TimeCheck<'a> {
    read: &'a FileRead,
    time: &'a TimeColumn,
    source: Option<&'a SourceSpec>,
    rows: usize,
    nulls: Misfits,
    outside: Misfits,
}

/// Rows that are not as they should be: how many, and the first with its time.
#[derive(Default)]
struct Misfits {
    count: usize,
    first: Option<(usize, i64)>,
}

impl Misfits {
    fn add(&mut self, row: usize, time: i64) {
        self.count += 1;
        self.first.get_or_insert((row, time));
    }
}

impl<'a> TimeCheck<'a> {
    /// Nothing where the rows of a file have no times.
    pub fn of(read: &'a FileRead, inputs: &Inputs<'a>) -> Option<Self> {
        let time = read.time.as_ref()?;
        let source = inputs.spec.sources.get(&read.view);
        Some(Self { read, time, source, rows: 0, nulls: Misfits::default(), outside: Misfits::default() })
    }

    /// The name of the column of times in the file, if it is read.
    pub fn column(&self) -> Option<&'a str> {
        self.read.time_column()
    }

    fn place(&self) -> String {
        let shown = |source: &SourceSpec| format!("{}/{}", source.shown, source.file_name(&self.read.path));
        let file = self.source.map_or_else(|| self.read.path.display().to_string(), shown);
        format!("view `{}`, file {file}, column `{}`", self.read.view, self.time.name)
    }

    fn is_inside(&self) -> Option<impl Fn(&i64) -> bool + use<'a>> {
        let period = self.read.period?;
        Some(is_within(self.source.map_or(period, |s| s.admits(period)), self.time.unit))
    }

    /// Takes the next times of the file into account; a mask of those that stay where some are to be dropped.
    pub fn look(&mut self, column: &ArrayRef) -> Result<Option<BooleanArray>, Failure> {
        let from = self.rows;
        self.rows += column.len();
        if column.null_count() > 0 {
            (0..column.len()).filter(|row| column.is_null(*row)).for_each(|row| self.nulls.add(from + row, 0));
        }
        let Some(inside) = self.is_inside().filter(|_| self.nulls.count == 0) else { return Ok(None) };
        let times = instants(column, self.time.unit, self.time.unit);
        let times = times.map_err(|e| Failure::permanent(format!("{}: {e}", self.place())))?;
        if times.iter().all(&inside) {
            return Ok(None);
        }
        times.iter().enumerate().filter(|(_, t)| !inside(t)).for_each(|(row, t)| self.outside.add(from + row, *t));
        Ok(Some(times.iter().map(|t| Some(inside(t))).collect()))
    }

    /// What there is to say of the file: an error, or how many rows are dropped.
    pub fn verdict(self) -> Result<usize, Failure> {
        let place = self.place();
        if let Misfits { count, first: Some((row, _)) } = self.nulls {
            return Err(Failure::permanent(format!(
                "{place}: {count} rows have no timestamp, the first is row {row}; every event needs one"
            )));
        }
        let Misfits { count, first: Some((row, time)) } = self.outside else { return Ok(0) };
        if self.source.is_some_and(|s| s.late == Late::Drop) {
            return Ok(count);
        }
        let hint = match self.source.filter(|s| s.late == Late::Allow) {
            Some(source) => {
                format!("lateness=\"{}\" is not enough for them, or they come before their time", Duration { millis: source.lateness })
            }
            None => "write them into the partition of their time, correct `unit`, or say late=\"drop\" or late=\"allow\"".into(),
        };
        Err(Failure::permanent(format!(
            "{place}: {count} rows lie outside their partition's period, the first is row {row} with {time}; {hint}"
        )))
    }
}

/// A scan of just the target period keeps just its rows, also where the source's files hold longer periods. Where late rows are allowed,
/// membership is by timestamp for every scan: the files of later periods were read for their late rows alone. A mask of the rows that stay,
/// where some do not.
pub fn outside_period(batch: &RecordBatch, scan: &Scan, inputs: &Inputs) -> Result<Option<BooleanArray>, Failure> {
    let is_of_period = matches!(scan.reach, Reach::Around { back: 0, ahead: 0 });
    let (true, Some(time)) = (is_of_period || inputs.source(&scan.view)?.late == Late::Allow, &scan.time) else { return Ok(None) };
    let Some(column) = batch.column_by_name(&time.name) else { return Ok(None) };
    let times = instants(column, time.unit, time.unit).map_err(Failure::permanent)?;
    let (start, end) = SourceSpec::range(scan.reach, inputs.period);
    let inside = is_within(Period { start: start.unwrap_or(i64::MIN), end }, time.unit);
    Ok((!times.iter().all(&inside)).then(|| times.iter().map(|t| Some(inside(t))).collect()))
}

/// The columns that put the rows of a scan in order.
pub fn order(batch: &RecordBatch, scan: &Scan) -> Vec<ArrayRef> {
    let names = scan.time.iter().map(|t| &t.name).chain(&scan.created);
    names.filter_map(|name| batch.column_by_name(name).cloned()).collect()
}

/// The order of rows by (time, created), equal ones as they were read: by file and row. Most sources are in order already.
pub fn sorting(batch: &RecordBatch, scan: &Scan) -> Result<Option<UInt32Array>, Failure> {
    let keys = order(batch, scan);
    if keys.is_empty() || is_in_order(&keys, scan) {
        return Ok(None);
    }
    // The row number makes the order total, whatever the sort does with equals.
    let ordinal: ArrayRef = Arc::new(UInt32Array::from_iter_values(0..batch.num_rows() as u32));
    let sort: Vec<SortColumn> = keys.into_iter().chain([ordinal]).map(|values| SortColumn { values, options: None }).collect();
    lexsort_to_indices(&sort, None).map(Some).map_err(|e| unsortable(scan, &e))
}

/// The rows in that order.
pub fn in_order(batch: RecordBatch, scan: &Scan) -> Result<RecordBatch, Failure> {
    match sorting(&batch, scan)? {
        Some(indices) => take_record_batch(&batch, &indices).map_err(|e| unsortable(scan, &e)),
        None => Ok(batch),
    }
}

fn is_in_order(keys: &[ArrayRef], scan: &Scan) -> bool {
    let (Some(time), [only]) = (&scan.time, keys) else { return false };
    instants(only, time.unit, time.unit).is_ok_and(|times| times.is_sorted())
}

pub fn unsortable(scan: &Scan, error: &ArrowError) -> Failure {
    Failure::permanent(format!("view `{}` cannot be sorted: {error}", scan.view))
}
