//! Puts what was computed bucket by bucket back beside the rows that it belongs to.
//!
//! Invariants: rows come in the order in which they were spilled; each run of results is in the order of its ordinals, and no ordinal comes
//! twice. A row for which an operator that filters has no result is dropped; every other has one.

use crate::engine::failure::Failure;
use crate::rules::failures::of_spill;
use crate::rules::operators::{arrow_failure, column, with_columns};
use crate::table::spill::{Spill, SpillWriter, Spilled};
use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, filter_record_batch, sort_to_indices, take_record_batch};
use std::sync::Arc;

/// The column that says which row a result belongs to. No field can have this name.
pub const ORDINAL: &str = "daeda.ordinal";

/// The rows with their numbers, counted from `first`.
pub fn numbered(rows: &RecordBatch, first: u64) -> Result<RecordBatch, Failure> {
    let ordinals: ArrayRef = Arc::new(UInt64Array::from_iter_values(first..first + rows.num_rows() as u64));
    with_columns(rows, vec![(ORDINAL.into(), ordinals)])
}

/// Results of one operator, in runs.
pub struct Results {
    adds: Vec<String>,
    is_filter: bool,
    spill: Spill,
    writer: Option<SpillWriter>,
    runs: Vec<Vec<usize>>,
    piece_rows: usize,
}

impl Results {
    pub fn new(spill: &Spill, adds: &[String], is_filter: bool, piece_rows: usize) -> Self {
        Self { adds: adds.to_vec(), is_filter, spill: spill.clone(), writer: None, runs: Vec::new(), piece_rows }
    }

    /// Adds what was computed for some rows, which carry their ordinals.
    pub fn add(&mut self, made: &RecordBatch) -> Result<(), Failure> {
        let names = std::iter::once(ORDINAL).chain(self.adds.iter().map(String::as_str));
        let columns = names.map(|name| Ok((name, column(made, name)?.clone(), true))).collect::<Result<Vec<_>, Failure>>()?;
        let run = in_order(RecordBatch::try_from_iter_with_nullable(columns).map_err(arrow_failure)?)?;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(self.spill.writer(run.schema_ref()).map_err(of_spill)?),
        };
        let pieces = (0..run.num_rows()).step_by(self.piece_rows);
        let pieces = pieces.map(|at| writer.write(&run.slice(at, self.piece_rows.min(run.num_rows() - at))));
        self.runs.push(pieces.collect::<Result<_, _>>().map_err(of_spill)?);
        Ok(())
    }

    /// The results, of which there are some, if only without rows.
    pub fn finish(self) -> Result<Part, Failure> {
        let writer = self.writer.ok_or_else(|| Failure::permanent("an operator made nothing"))?;
        let file = writer.finish().map_err(of_spill)?;
        let runs = self.runs.into_iter().map(|pieces| Run { pieces: pieces.into_iter(), piece: None }).collect();
        Ok(Part { adds: self.adds, is_filter: self.is_filter, file, runs })
    }
}

fn in_order(run: RecordBatch) -> Result<RecordBatch, Failure> {
    if ordinals(&run)?.values().is_sorted() {
        return Ok(run);
    }
    let order = sort_to_indices(column(&run, ORDINAL)?, None, None).map_err(arrow_failure)?;
    take_record_batch(&run, &order).map_err(arrow_failure)
}

fn ordinals(rows: &RecordBatch) -> Result<&UInt64Array, Failure> {
    column(rows, ORDINAL)?.as_any().downcast_ref().ok_or_else(|| Failure::permanent("ordinals are numbers"))
}

/// The results of one operator, to be read by ascending ordinals.
pub struct Part {
    adds: Vec<String>,
    is_filter: bool,
    file: Spilled,
    runs: Vec<Run>,
}

struct Run {
    pieces: std::vec::IntoIter<usize>,
    piece: Option<RecordBatch>,
}

impl Run {
    /// The rows up to an ordinal.
    fn until(&mut self, end: u64, file: &mut Spilled, taken: &mut Vec<RecordBatch>) -> Result<(), Failure> {
        loop {
            let piece = match self.piece.take() {
                Some(piece) => piece,
                None => match self.pieces.next() {
                    Some(number) => file.read(number).map_err(of_spill)?,
                    None => return Ok(()),
                },
            };
            let before = ordinals(&piece)?.values().partition_point(|ordinal| *ordinal < end);
            taken.push(piece.slice(0, before));
            if before < piece.num_rows() {
                self.piece = Some(piece.slice(before, piece.num_rows() - before));
                return Ok(());
            }
        }
    }
}

impl Part {
    /// The results of the rows up to an ordinal, in order.
    fn until(&mut self, end: u64) -> Result<RecordBatch, Failure> {
        let mut taken = Vec::new();
        for run in &mut self.runs {
            run.until(end, &mut self.file, &mut taken)?;
        }
        in_order(concat_batches(self.file.schema(), &taken).map_err(arrow_failure)?)
    }

    /// Brings the results of rows, the first of which has the ordinal `first`, to them. A mask for who filters.
    fn attach(&mut self, rows: RecordBatch, first: u64) -> Result<(RecordBatch, Option<BooleanArray>), Failure> {
        let results = self.until(first + rows.num_rows() as u64)?;
        let found = ordinals(&results)?;
        if self.is_filter {
            let mut mask = vec![false; rows.num_rows()];
            found.values().iter().for_each(|ordinal| mask[(ordinal - first) as usize] = true);
            return Ok((rows, Some(mask.into())));
        }
        if found.len() != rows.num_rows() {
            return Err(Failure::permanent(format!("{} results for {} rows", found.len(), rows.num_rows())));
        }
        let added = self.adds.iter().map(|name| Ok((name.clone(), column(&results, name)?.clone())));
        Ok((with_columns(&rows, added.collect::<Result<_, Failure>>()?)?, None))
    }
}

/// The spilled rows with all results.
pub struct Restored {
    chunks: Spilled,
    next: usize,
    first: u64,
    parts: Vec<Part>,
}

impl Restored {
    pub fn new(chunks: Spilled, parts: Vec<Part>) -> Self {
        Self { chunks, next: 0, first: 0, parts }
    }

    fn chunk(&mut self) -> Result<RecordBatch, Failure> {
        let mut rows = self.chunks.read(self.next).map_err(of_spill)?;
        let (first, count) = (self.first, rows.num_rows() as u64);
        (self.next, self.first) = (self.next + 1, first + count);
        let mut kept: Option<BooleanArray> = None;
        for part in &mut self.parts {
            let (attached, mask) = part.attach(rows, first)?;
            rows = attached;
            kept = mask.or(kept);
        }
        match kept {
            Some(mask) => filter_record_batch(&rows, &mask).map_err(arrow_failure),
            None => Ok(rows),
        }
    }
}

impl Iterator for Restored {
    type Item = Result<RecordBatch, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.next < self.chunks.batches()).then(|| self.chunk())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::Int64Type;

    fn batch(name: &str, values: impl Iterator<Item = i64>) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
        RecordBatch::try_from_iter_with_nullable([(name, column, true)]).unwrap()
    }

    /// Results of the rows that `of` picks, in runs by remainder, each back to front.
    fn results(spill: &Spill, rows: u64, is_filter: bool, of: fn(u64) -> bool) -> Part {
        let adds = if is_filter { vec![] } else { vec!["square".to_string()] };
        let mut results = Results::new(spill, &adds, is_filter, 3);
        for run in 0..5 {
            let ordinals: Vec<u64> = (0..rows).rev().filter(|row| row % 5 == run && of(*row)).collect();
            let made = batch("square", ordinals.iter().map(|ordinal| (ordinal * ordinal) as i64));
            let ordinals: ArrayRef = Arc::new(UInt64Array::from(ordinals));
            results.add(&with_columns(&made, vec![(ORDINAL.into(), ordinals)]).unwrap()).unwrap();
        }
        results.finish().unwrap()
    }

    fn chunks(spill: &Spill, sizes: &[i64]) -> Spilled {
        let mut writer = spill.writer(batch("row", 0..0).schema_ref()).unwrap();
        let mut first = 0;
        for size in sizes {
            writer.write(&batch("row", first..first + size)).unwrap();
            first += size;
        }
        writer.finish().unwrap()
    }

    #[test]
    fn every_row_gets_its_own_and_filters_drop_the_others() {
        let directory = tempfile::tempdir().unwrap();
        let spill = Spill::new(directory.path());
        let sizes = [7, 0, 1, 30, 12];
        let parts = vec![results(&spill, 50, false, |_| true), results(&spill, 50, true, |row| row % 3 == 0)];
        let restored: Vec<RecordBatch> = Restored::new(chunks(&spill, &sizes), parts).map(Result::unwrap).collect();
        assert_eq!(restored.len(), sizes.len());
        let rows = restored.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec());
        let squares = restored.iter().flat_map(|batch| batch.column(1).as_primitive::<Int64Type>().values().to_vec());
        assert!(rows.zip(squares).eq((0..50).filter(|row| row % 3 == 0).map(|row| (row, row * row))));
    }

    #[test]
    fn a_row_without_a_result_is_found_out() {
        let directory = tempfile::tempdir().unwrap();
        let spill = Spill::new(directory.path());
        let mut restored = Restored::new(chunks(&spill, &[10]), vec![results(&spill, 10, false, |row| row != 4)]);
        assert!(restored.next().unwrap().unwrap_err().message.contains("9 results for 10 rows"));
    }
}
