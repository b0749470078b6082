//! Rows with keys and times: dense ids for the keys of a spine, and runs of the rows of one key.
//!
//! Knows nothing of windows or aggregates. Invariants: a row with a null in any key part has no id; ids count up in the order in
//! which keys first appear on the spine; the rows of a run keep the order they came in.

use super::codes::{self, Dense};
use super::kept::Ranks;
use arrow::array::{Array, ArrayRef};
use arrow::buffer::ScalarBuffer;
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

/// Places in a table of keys that a row is worth.
const ROOM_PER_ROW: usize = 4;

/// Gives the rows of both sides ids. The key columns are of equal types pairwise.
///
/// # Panics
/// If a key column is of a type that has no equality (a map, a union).
pub fn matched(spine: &[ArrayRef], spine_rows: usize, events: &[ArrayRef], event_rows: usize) -> Matched {
    let mut ids = Matched { spine: vec![0; spine_rows], events: Vec::new(), keys: 1 };
    for (part, (spine, events)) in spine.iter().zip(events).enumerate() {
        drop_nulls(&mut ids.spine, spine.as_ref());
        ids.refine_by_part(part == 0, spine, events);
        drop_nulls(&mut ids.events, events.as_ref());
    }
    if events.is_empty() {
        ids.events = vec![0; event_rows];
    }
    ids
}

impl Matched {
    fn refine_by_part(&mut self, first: bool, spine: &ArrayRef, events: &ArrayRef) {
        if let (Some(spine), Some(events)) = (codes::words(spine), codes::words(events)) {
            return match self.window(&spine, events.len()).filter(|_| first) {
                Some((least, width)) => self.number(&spine, &events, least, width),
                None => self.refine(first, &spine, &events),
            };
        }
        if let (Some(spine), Some(events)) = (codes::texts(spine), codes::texts(events)) {
            return self.refine(first, &spine, &events);
        }
        let (spine, events) = encoded(spine, events);
        self.refine(first, &bytes(&spine), &bytes(&events));
    }

    /// Splits the ids by one more part of the key. The first part needs no id beside it, which makes single keys quicker.
    fn refine<W: Copy + Hash + Eq + Sync>(&mut self, first: bool, spine: &[W], events: &[W]) {
        if first {
            let table = self.spine_by(spine, |_, word| word);
            self.events = by_word(events, |word| table.get(&word).copied().unwrap_or(NO_KEY));
            return;
        }
        let table = self.spine_by(spine, |id, word| (id, word));
        self.events.par_iter_mut().with_min_len(4096).zip(events).filter(|(id, _)| **id != NO_KEY).for_each(|(id, word)| {
            *id = table.get(&(*id, *word)).copied().unwrap_or(NO_KEY);
        });
    }

    /// The least word of the spine's rows and how far they reach from there, if a table of that size is worth it.
    fn window(&self, spine: &[u64], events: usize) -> Option<(u64, usize)> {
        let words = || self.spine.iter().zip(spine).filter(|(id, _)| **id != NO_KEY).map(|(_, word)| *word as i64);
        let (least, most) = words().fold((i64::MAX, i64::MIN), |(least, most), word| (least.min(word), most.max(word)));
        let width = usize::try_from(i128::from(most) - i128::from(least) + 1).ok()?;
        (width <= ROOM_PER_ROW * events.max(spine.len())).then_some((least as u64, width))
    }

    /// Ids of words that lie close together, by a table of all there could be.
    fn number(&mut self, spine: &[u64], events: &[u64], least: u64, width: usize) {
        let mut table = vec![NO_KEY; width];
        let mut keys = 0;
        for (id, word) in self.spine.iter_mut().zip(spine).filter(|(id, _)| **id != NO_KEY) {
            let place = &mut table[word.wrapping_sub(least) as usize];
            if *place == NO_KEY {
                *place = keys;
                keys += 1;
            }
            *id = *place;
        }
        self.keys = keys as usize;
        self.events = by_word(events, |word| table.get(word.wrapping_sub(least) as usize).copied().unwrap_or(NO_KEY));
    }

    /// Numbers the keys of the spine; a table of them.
    fn spine_by<W: Copy, K: Hash + Eq>(&mut self, spine: &[W], key: impl Fn(u32, W) -> K) -> Dense<K, u32> {
        let mut table = Dense::default();
        for (id, word) in self.spine.iter_mut().zip(spine).filter(|(id, _)| **id != NO_KEY) {
            let next = table.len() as u32;
            *id = *table.entry(key(*id, *word)).or_insert(next);
        }
        self.keys = table.len();
        table
    }
}

/// New ids: to read zeros first would have the system hand out each page twice.
fn by_word<W: Copy + Sync>(words: &[W], id: impl Fn(W) -> u32 + Sync) -> Vec<u32> {
    words.par_iter().with_min_len(4096).map(|word| id(*word)).collect()
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
#[derive(Clone)]
pub struct Runs {
    offsets: Vec<usize>,
    /// Where each came from.
    pub rows: ScalarBuffer<u32>,
}

/// Rows that are worth a thread of their own.
const SHARE: usize = 1 << 20;

impl Runs {
    /// A counting sort by id; rows without one are left out. Threads share the keys, and each looks at all rows.
    pub fn group(ids: &[u32], keys: usize) -> Self {
        let offsets = offsets(ids, keys);
        let mut rows = vec![0; offsets[keys]];
        let threads = (rayon::current_num_threads() / 2).min(ids.len() / SHARE);
        let bands = shares(&offsets, threads);
        parted(&mut rows, &offsets, &bands).into_par_iter().zip(&bands).for_each(|(rows, band)| place(ids, &offsets, band, rows));
        Runs { offsets, rows: rows.into() }
    }

    /// The rows that are kept, in runs of the same keys.
    pub fn kept(&self, ranks: &Ranks) -> Self {
        let offsets = self.offsets.par_iter().with_min_len(4096).map(|offset| ranks.before(*offset) as usize).collect();
        Runs { offsets, rows: ranks.chosen(&self.rows).into() }
    }

    /// Puts each run in order of time, equal times in the order they came in.
    pub fn in_time_order(self, times: &[i64]) -> Self {
        let is_sorted = |key: usize| self.rows[self.run(key)].is_sorted_by_key(|row| times[*row as usize]);
        if times.is_sorted() || (0..self.keys()).all(is_sorted) {
            return self;
        }
        let mut rows = self.rows.to_vec();
        (0..self.keys()).for_each(|key| rows[self.run(key)].sort_by_key(|row| times[*row as usize]));
        Runs { rows: rows.into(), ..self }
    }

    /// The ids of so many rows, of which some are in no run.
    pub fn ids(&self, rows: usize) -> Vec<u32> {
        let mut ids = vec![NO_KEY; rows];
        for key in 0..self.keys() {
            self.rows[self.run(key)].iter().for_each(|row| ids[*row as usize] = key as u32);
        }
        ids
    }

    /// The times of the rows, in the order of the runs.
    pub fn times(&self, times: &[i64]) -> Vec<i64> {
        self.rows.par_iter().with_min_len(4096).map(|row| times[*row as usize]).collect()
    }

    pub fn keys(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Where the rows of a key lie.
    #[inline]
    pub fn run(&self, key: usize) -> Range<usize> {
        self.offsets[key]..self.offsets[key + 1]
    }
}

/// Ranges of keys with about equally many rows, in so many shares at most.
fn shares(offsets: &[usize], most: usize) -> Vec<Range<usize>> {
    let (keys, total) = (offsets.len() - 1, offsets[offsets.len() - 1]);
    let enough = total.div_ceil(most.max(1)).max(1);
    let (mut shares, mut start) = (Vec::new(), 0);
    while start < keys {
        let end = offsets.partition_point(|offset| *offset < offsets[start] + enough).clamp(start + 1, keys);
        shares.push(start..end);
        start = end;
    }
    shares
}

/// The rows of each of the bands that follow one another.
fn parted<'r>(mut rows: &'r mut [u32], offsets: &[usize], bands: &[Range<usize>]) -> Vec<&'r mut [u32]> {
    let mut parts = Vec::with_capacity(bands.len());
    for band in bands {
        let (part, rest) = rows.split_at_mut(offsets[band.end] - offsets[band.start]);
        parts.push(part);
        rows = rest;
    }
    parts
}

/// Puts the rows of some keys in their places.
fn place(ids: &[u32], offsets: &[usize], band: &Range<usize>, rows: &mut [u32]) {
    let mut next: Vec<u32> = offsets[band.clone()].iter().map(|offset| (offset - offsets[band.start]) as u32).collect();
    for (row, id) in ids.iter().enumerate() {
        if let Some(place) = (*id as usize).checked_sub(band.start).and_then(|key| next.get_mut(key)) {
            rows[*place as usize] = row as u32;
            *place += 1;
        }
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
    use arrow::buffer::BooleanBuffer;
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
        let runs = Runs::group(&[1, 0, NO_KEY, 1, 0], 2);
        assert_eq!(runs.rows[..], [1, 4, 0, 3]);
        assert_eq!(runs.run(1), 2..4);
        assert_eq!(runs.ids(5), [1, 0, NO_KEY, 1, 0]);
        assert_eq!(runs.in_time_order(&[10, 20, 30, 40, 5]).rows[..], [4, 1, 0, 3]);
    }

    #[test]
    fn what_is_kept_stays_in_its_run() {
        let ids: Vec<u32> = (0..1000).map(|row| row * 7 % 13).collect();
        let (runs, keep) = (Runs::group(&ids, 13), BooleanBuffer::from_iter((0..1000).map(|row| row % 3 == 1)));
        let kept = runs.kept(&Ranks::new(&runs.rows, &keep));
        for key in 0..13 {
            let expected: Vec<u32> = runs.rows[runs.run(key)].iter().copied().filter(|row| row % 3 == 1).collect();
            assert_eq!(kept.rows[kept.run(key)], expected);
        }
    }

    #[test]
    fn bands_of_keys_fill_all_places() {
        let ids: Vec<u32> = (0..500).map(|row| if row % 11 == 0 { NO_KEY } else { row * row % 17 }).collect();
        let offsets = offsets(&ids, 17);
        for most in 1..20 {
            let (bands, mut rows) = (shares(&offsets, most), vec![0; offsets[17]]);
            assert_eq!((bands[0].start, bands[bands.len() - 1].end), (0, 17));
            parted(&mut rows, &offsets, &bands).into_iter().zip(&bands).for_each(|(part, band)| place(&ids, &offsets, band, part));
            assert_eq!(rows[..], Runs::group(&ids, 17).rows[..], "{most}");
        }
    }

    #[test]
    fn words_close_together_and_far_apart_have_the_same_ids() {
        let near: [ArrayRef; 2] = [Arc::new(Int64Array::from(vec![5, -3, 5, 9])), Arc::new(Int64Array::from(vec![9, 4, -3, i64::MIN, 5]))];
        let far: [ArrayRef; 2] =
            [Arc::new(Int64Array::from(vec![5, -3, 5, i64::MAX])), Arc::new(Int64Array::from(vec![i64::MAX, 4, -3, 1, 5]))];
        for [spine, events] in [near, far] {
            let ids = matched(&[spine], 4, &[events], 5);
            assert_eq!((ids.spine, ids.events, ids.keys), (vec![0, 1, 0, 2], vec![2, NO_KEY, 1, NO_KEY, 0], 3));
        }
    }
}
