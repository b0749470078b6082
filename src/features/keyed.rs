//! Rows with keys and times: dense ids for the keys of a spine, and runs of the rows of one key.
//!
//! Knows nothing of windows or aggregates. Invariants: a row with a null in any key part has no id; ids count up in the order in
//! which keys first appear on the spine; the rows of a run keep the order they came in.

use super::codes::{self, Dense};
use arrow::array::{Array, ArrayRef};
use arrow::row::{RowConverter, Rows, SortField};
use rayon::prelude::*;
use std::hash::Hash;
use std::ops::Range;

/// Rows with (composite) keys and times, in canonical order: ascending time, ties already in (created, file, row) order. Null times never occur.
#[derive(Clone, Copy)]
pub struct Keyed<'a> {
    pub keys: &'a [ArrayRef],
    pub times: &'a [i64],
}

/// In place of the id of a row whose key has a null part, or does not occur on the spine.
pub const NO_KEY: u32 = u32::MAX;

/// Dense ids of the spine's keys, for the rows of both sides.
pub struct Matched {
    pub spine: Vec<u32>,
    pub events: Vec<u32>,
    pub keys: usize,
}

/// Gives the rows of both sides ids. The key columns are of equal types pairwise.
///
/// # Panics
/// If a key column is of a type that has no equality (a map, a union).
pub fn matched(spine: &[ArrayRef], spine_rows: usize, events: &[ArrayRef], event_rows: usize) -> Matched {
    let mut ids = Matched { spine: vec![0; spine_rows], events: vec![0; event_rows], keys: 1 };
    for (part, (spine, events)) in spine.iter().zip(events).enumerate() {
        ids.drop_nulls(spine.as_ref(), events.as_ref());
        ids.refine_by_part(part == 0, spine, events);
    }
    ids
}

impl Matched {
    fn drop_nulls(&mut self, spine: &dyn Array, events: &dyn Array) {
        drop_nulls(&mut self.spine, spine);
        drop_nulls(&mut self.events, events);
    }

    fn refine_by_part(&mut self, first: bool, spine: &ArrayRef, events: &ArrayRef) {
        if let (Some(spine), Some(events)) = (codes::words(spine), codes::words(events)) {
            return self.refine(first, &spine, &events);
        }
        if let (Some(spine), Some(events)) = (codes::texts(spine), codes::texts(events)) {
            return self.refine(first, &spine, &events);
        }
        let (spine, events) = encoded(spine, events);
        self.refine(first, &bytes(&spine), &bytes(&events));
    }

    /// Splits the ids by one more part of the key. The first part needs no id beside it, which makes single keys quicker.
    fn refine<W: Copy + Hash + Eq + Sync>(&mut self, first: bool, spine: &[W], events: &[W]) {
        match first {
            true => self.refine_by(spine, events, |_, word| word),
            false => self.refine_by(spine, events, |id, word| (id, word)),
        }
    }

    fn refine_by<W: Copy + Sync, K: Hash + Eq + Sync>(&mut self, spine: &[W], events: &[W], key: impl Fn(u32, W) -> K + Sync) {
        let mut table = Dense::default();
        for (id, word) in self.spine.iter_mut().zip(spine).filter(|(id, _)| **id != NO_KEY) {
            let next = table.len() as u32;
            *id = *table.entry(key(*id, *word)).or_insert(next);
        }
        self.keys = table.len();
        self.events.par_iter_mut().with_min_len(4096).zip(events).filter(|(id, _)| **id != NO_KEY).for_each(|(id, word)| {
            *id = table.get(&key(*id, *word)).copied().unwrap_or(NO_KEY);
        });
    }
}

/// Takes the ids from the rows that are null.
pub fn drop_nulls(ids: &mut [u32], array: &dyn Array) {
    if let Some(nulls) = array.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
        ids.iter_mut().zip(nulls.iter()).filter(|(_, valid)| !valid).for_each(|(id, _)| *id = NO_KEY);
    }
}

/// Any other type, as bytes that are equal for equal values.
fn encoded(spine: &ArrayRef, events: &ArrayRef) -> (Rows, Rows) {
    let field = SortField::new(spine.data_type().clone());
    let converter = RowConverter::new(vec![field]).expect("a key has a type with equality");
    let encode = |array: &ArrayRef| converter.convert_columns(std::slice::from_ref(array)).expect("both sides have one type of key");
    (encode(spine), encode(events))
}

fn bytes(rows: &Rows) -> Vec<&[u8]> {
    (0..rows.num_rows()).map(|row| rows.row(row).data()).collect()
}

/// Rows gathered by key: contiguous runs, each in the order the rows came in.
pub struct Runs {
    offsets: Vec<usize>,
    /// Where each came from.
    pub rows: Vec<u32>,
    pub times: Vec<i64>,
}

impl Runs {
    /// A counting sort by id; rows without one are left out.
    pub fn group(ids: &[u32], keys: usize, times: &[i64]) -> Self {
        let offsets = offsets(ids, keys);
        let total = offsets[keys];
        let mut next = offsets.clone();
        let mut runs = Runs { offsets, rows: vec![0; total], times: vec![0; total] };
        for (row, (id, time)) in ids.iter().zip(times).enumerate().filter(|(_, (id, _))| **id != NO_KEY) {
            let place = &mut next[*id as usize];
            runs.rows[*place] = row as u32;
            runs.times[*place] = *time;
            *place += 1;
        }
        runs
    }

    /// Puts each run in order of time, equal times in the order they came in.
    pub fn in_time_order(mut self) -> Self {
        for key in 0..self.keys() {
            let run = self.run(key);
            if !self.times[run.clone()].is_sorted() {
                self.sort(run);
            }
        }
        self
    }

    fn sort(&mut self, run: Range<usize>) {
        let mut pairs: Vec<(i64, u32)> = run.clone().map(|at| (self.times[at], self.rows[at])).collect();
        pairs.sort_unstable();
        for (at, (time, row)) in run.zip(pairs) {
            self.times[at] = time;
            self.rows[at] = row;
        }
    }

    pub fn keys(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Where the rows of a key lie.
    pub fn run(&self, key: usize) -> Range<usize> {
        self.offsets[key]..self.offsets[key + 1]
    }
}

fn offsets(ids: &[u32], keys: usize) -> Vec<usize> {
    let mut offsets = vec![0; keys + 1];
    for id in ids.iter().filter(|id| **id != NO_KEY) {
        offsets[*id as usize + 1] += 1;
    }
    for key in 0..keys {
        offsets[key + 1] += offsets[key];
    }
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringArray};
    use std::sync::Arc;

    #[test]
    fn composite_keys_match_part_by_part() {
        let spine: [ArrayRef; 2] =
            [Arc::new(Int64Array::from(vec![Some(1), Some(1), None, Some(2)])), Arc::new(StringArray::from(vec!["a", "b", "a", "a"]))];
        let events: [ArrayRef; 2] =
            [Arc::new(Int64Array::from(vec![2, 1, 2, 1])), Arc::new(StringArray::from(vec![Some("a"), Some("b"), Some("b"), None]))];
        let ids = matched(&spine, 4, &events, 4);
        assert_eq!(ids.spine, [0, 1, NO_KEY, 2]);
        assert_eq!(ids.events, [2, 1, NO_KEY, NO_KEY]);
        assert_eq!(ids.keys, 3);
    }

    #[test]
    fn runs_are_contiguous_and_stable() {
        let runs = Runs::group(&[1, 0, NO_KEY, 1, 0], 2, &[10, 20, 30, 40, 5]);
        assert_eq!(runs.rows, [1, 4, 0, 3]);
        assert_eq!(runs.run(1), 2..4);
        assert_eq!(runs.in_time_order().rows, [4, 1, 0, 3]);
    }
}
