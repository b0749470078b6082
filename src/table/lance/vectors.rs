//! Many vectors at once, in the order of their rows.
//!
//! Rows are taken by address, several takes at a time. Where many rows of a stretch are asked for, the whole stretch is taken and the others
//! are left out: one read of a stretch costs less than many of its rows. A scan is never better (`docs/performance.md` has the figures).
//! Invariants: every row that is asked for is told once, or it is an error; memory holds a few takes, whatever is asked for.

use super::LanceError;
use super::dataset::{Dataset, ROW_ADDRESS, fragment_of, take_batch};
use super::runtime::{block_on, spawn};
use arrow::array::{Array, AsArray, FixedSizeListArray, RecordBatch, UInt32Array};
use arrow::datatypes::UInt64Type;
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
    /// Tells the vectors at these addresses, which increase, batch by batch; `each` gets the range of the addresses that a batch is of, and
    /// must not call into this layer.
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
            let (dataset, rows, column) = (self.inner.clone(), take.rows(addresses), column.to_string());
            spawn(async move { take_batch(&dataset, &rows, &column).await })
        };
        let mut batches = pin!(stream::iter(&takes).map(|take| async move { start(take)?.await }).buffered(TAKES));
        for take in &takes {
            let Some(batch) = block_on(batches.next())? else { break };
            let batch = batch?.map_err(|error| self.unreadable(&error))?;
            each(take.asked.clone(), self.picked(&batch, column, &addresses[take.asked.clone()])?)?;
        }
        Ok(())
    }

    /// Of what was taken the rows that were asked for. Lance leaves out, without a word, what is deleted.
    pub(super) fn picked(&self, batch: &RecordBatch, column: &str, asked: &[u64]) -> Result<FixedSizeListArray, LanceError> {
        let vectors = &batch[column];
        let wrong = || self.wrong_type(column, "a fixed-size list", vectors.data_type());
        let vectors = vectors.as_fixed_size_list_opt().ok_or_else(wrong)?;
        let found = batch[ROW_ADDRESS].as_primitive::<UInt64Type>().values();
        if **found == *asked {
            return Ok(vectors.clone());
        }
        let positions = positions(found, asked);
        if positions.len() < asked.len() {
            return Err(LanceError::MissingRows { path: self.path().into(), asked: asked.len(), found: positions.len() });
        }
        let picked = arrow::compute::take(vectors, &UInt32Array::from(positions), None).map_err(|error| self.unreadable(&error))?;
        Ok(picked.as_fixed_size_list().clone())
    }
}

impl Take {
    fn rows(&self, addresses: &[u64]) -> Vec<u64> {
        let asked = &addresses[self.asked.clone()];
        match (asked.first(), asked.last()) {
            (Some(first), Some(last)) if self.is_whole => (*first..=*last).collect(),
            _ => asked.to_vec(),
        }
    }
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

/// The positions among the rows found of those that are asked for. Both increase.
fn positions(found: &[u64], asked: &[u64]) -> Vec<u32> {
    let mut asked = asked.iter().peekable();
    let mut positions = Vec::new();
    for (position, address) in found.iter().enumerate() {
        if asked.next_if_eq(&address).is_some() {
            positions.push(position as u32);
        }
    }
    positions
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
                prop_assert_eq!(positions(&rows, &addresses[take.asked.clone()]).len(), take.asked.len());
            }
            prop_assert_eq!(next, addresses.len());
        }
    }
}
