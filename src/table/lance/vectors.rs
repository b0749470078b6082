//! Many vectors at once, in the order of their rows.
//!
//! Rows are taken by address, several takes at a time. Where many rows of a stretch are asked for, the whole stretch is taken and the others
//! are left out: one read of a stretch costs less than many of its rows. A scan is never better (`docs/performance.md` has the figures).
//! Invariants: every row that is asked for is told once, or it is an error; memory holds a few takes, whatever is asked for.

use super::LanceError;
use super::dataset::{Dataset, Deletions, fragment_of, take_batch};
use super::runtime::{block_on, spawn};
use arrow::array::{Array, AsArray, FixedSizeListArray, RecordBatch, UInt32Array};
use futures::{StreamExt, stream};
use std::ops::Range;
use std::pin::pin;

/// Of so many rows of a stretch one must be asked for, so that the whole stretch is taken.
const ONE_OF: usize = 4;

/// Bytes of vectors taken at once, and how many such takes are under way.
const TAKEN_BYTES: usize = 8 << 20;
const TAKES: usize = 3;

/// Rows of one take at most.
const TAKEN_ROWS: usize = 1 << 16;

/// Rows that are taken together.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Take {
    /// Of the addresses that are asked for.
    asked: Range<usize>,
    /// Whether all rows from the first to the last of them are taken.
    is_whole: bool,
}

impl Dataset {
    /// Tells the vectors at these addresses, which increase and are those of rows that there are, batch by batch; `each` gets the range of the
    /// addresses that a batch is of, and must not call into this layer.
    pub fn vectors<E: From<LanceError>>(
        &self,
        addresses: &[u64],
        column: &str,
        mut each: impl FnMut(Range<usize>, FixedSizeListArray) -> Result<(), E>,
    ) -> Result<(), E> {
        let (item, width) = self.vector_type(column)?;
        self.assert_within(addresses)?;
        let bytes = width * item.primitive_width().unwrap_or(8);
        let takes = takes(addresses, (TAKEN_BYTES / bytes.max(1)).clamp(1, TAKEN_ROWS));
        let start = |take: &Take| {
            let (dataset, rows, column, deletions) = (self.inner.clone(), take.rows(addresses), column.to_string(), deletions_of(take));
            spawn(async move { take_batch(&dataset, &rows, &column, deletions).await })
        };
        let mut batches = pin!(stream::iter(&takes).map(|take| async move { start(take)?.await }).buffered(TAKES));
        for take in &takes {
            let Some(batch) = block_on(batches.next())? else { break };
            let batch = batch?.map_err(|error| self.unreadable(&error))?;
            each(take.asked.clone(), self.picked(&batch, column, take, addresses)?)?;
        }
        Ok(())
    }

    /// Of what was taken the rows that were asked for.
    fn picked(&self, batch: &RecordBatch, column: &str, take: &Take, addresses: &[u64]) -> Result<FixedSizeListArray, LanceError> {
        let vectors = self.as_vectors(batch, column, take.len(addresses))?;
        let asked = &addresses[take.asked.clone()];
        if vectors.len() == asked.len() {
            return Ok(vectors);
        }
        let positions = UInt32Array::from_iter_values(asked.iter().map(|address| (address - asked[0]) as u32));
        let picked = arrow::compute::take(&vectors, &positions, None).map_err(|error| self.unreadable(&error))?;
        Ok(picked.as_fixed_size_list().clone())
    }

    /// The one column of a batch that should have so many rows: Lance leaves out, without a word, what it does not find.
    pub(super) fn as_vectors(&self, batch: &RecordBatch, column: &str, rows: usize) -> Result<FixedSizeListArray, LanceError> {
        if batch.num_rows() != rows {
            return Err(LanceError::MissingRows { path: self.path().into(), asked: rows, found: batch.num_rows() });
        }
        let found = batch.column(0);
        let wrong = || self.wrong_type(column, "a fixed-size list", found.data_type());
        found.as_fixed_size_list_opt().cloned().ok_or_else(wrong)
    }
}

impl Take {
    fn rows(&self, addresses: &[u64]) -> Vec<u64> {
        let asked = &addresses[self.asked.clone()];
        if self.is_whole { (asked[0]..=asked[asked.len() - 1]).collect() } else { asked.to_vec() }
    }

    fn len(&self, addresses: &[u64]) -> usize {
        let asked = &addresses[self.asked.clone()];
        if self.is_whole { (asked[asked.len() - 1] - asked[0]) as usize + 1 } else { asked.len() }
    }
}

/// In a stretch lie deleted rows, which would be missing; those that are asked for are not among them.
fn deletions_of(take: &Take) -> Deletions {
    if take.is_whole { Deletions::Ignored } else { Deletions::Heeded }
}

/// Stretches of at most `most` rows that are dense enough as a whole, and what lies between them in takes of as many rows.
fn takes(addresses: &[u64], most: usize) -> Vec<Take> {
    let mut takes: Vec<Take> = Vec::new();
    let mut start = 0;
    while start < addresses.len() {
        let stretch = stretch(&addresses[start..], most);
        let asked = start..start + stretch.len();
        start = asked.end;
        let is_whole = stretch.len() * ONE_OF >= most;
        match takes.last_mut() {
            Some(before) if !is_whole && !before.is_whole && before.asked.len() + asked.len() <= most => before.asked.end = asked.end,
            _ => takes.push(Take { asked, is_whole }),
        }
    }
    takes
}

/// The first addresses that lie within so many rows of one fragment.
fn stretch(addresses: &[u64], most: usize) -> &[u64] {
    let first = addresses[0];
    let near =
        addresses.iter().take(most).take_while(|address| **address - first < most as u64 && fragment_of(**address) == fragment_of(first));
    &addresses[..near.count()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dense_stretches_are_taken_whole_and_sparse_rows_together() {
        let mut addresses: Vec<u64> = (0..100).step_by(3).chain((1000..90_000).step_by(700)).collect();
        addresses.extend([1 << 32, (1 << 32) + 1]);
        let takes = takes(&addresses, 50);
        let of = |take: &Take| (take.asked.len(), take.is_whole);
        assert_eq!(takes.iter().map(of).collect::<Vec<_>>(), [(17, true), (17, true), (50, false), (50, false), (30, false)]);
        assert_eq!(takes[0].rows(&addresses), (0..=48).collect::<Vec<u64>>());
    }

    proptest! {
        #[test]
        fn every_row_is_taken_once_and_no_take_is_large(gaps in proptest::collection::vec(prop_oneof![3 => 1u64..4, 1 => 1u64..400, 1 => Just(1u64 << 32)], 1..300), most in 1usize..60) {
            let addresses: Vec<u64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
            let mut next = 0;
            for take in takes(&addresses, most) {
                prop_assert_eq!(take.asked.start, next);
                next = take.asked.end;
                let rows = take.rows(&addresses);
                prop_assert!(rows.len() <= most && rows.is_sorted_by(|a, b| a < b));
                prop_assert_eq!(rows.len(), take.len(&addresses));
                prop_assert!(addresses[take.asked.clone()].iter().all(|address| rows.binary_search(address).is_ok()));
            }
            prop_assert_eq!(next, addresses.len());
        }
    }
}
