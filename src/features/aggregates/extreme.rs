//! The greatest value, for `min` and `max`.
//!
//! Knows values as words of order alone; whoever seeks the least turns them round. Invariant: of equal values the earliest is picked.

use super::super::codes::{Order, Ordered};
use super::super::frame::Frame;
use super::super::keyed::NO_KEY;
use super::super::rolling::KernelError;
use super::super::sweep::{Fold, Slice, Walk};
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;

pub struct Greatest<'a> {
    /// By row.
    words: Ordered,
    /// The rows of the positions.
    rows: &'a [u32],
    /// The ids of the rows, if there are zones.
    ids: Cow<'a, [u32]>,
    zones: Vec<Zone>,
}

/// Events that a window has either whole or not at all, and the row of the greatest of each key.
struct Zone {
    rows: Range<u32>,
    best: Vec<u32>,
}

/// No event.
const NEVER: u32 = u32::MAX;

/// Rows that one thread goes through at once.
const STRETCH: usize = 1 << 20;

impl<'a> Greatest<'a> {
    pub fn new(frame: &'a Frame, order: Order) -> Result<Self, KernelError> {
        let (zones, ids) = frame.zones();
        let mut greatest = Self { words: frame.order(order)?, rows: &frame.events.runs().rows, ids, zones: Vec::new() };
        let keys = frame.layout.spine.keys();
        greatest.zones = zones.into_iter().map(|rows| Zone { best: greatest.best(&rows, keys), rows }).collect();
        Ok(greatest)
    }

    fn word(&self, position: usize) -> u64 {
        self.words.word(self.rows[position] as usize)
    }

    /// The row of the greatest event of each key among some rows, and of equal ones the earliest.
    fn best(&self, rows: &Range<u32>, keys: usize) -> Vec<u32> {
        let (rows, step) = (rows.start as usize..rows.end as usize, STRETCH.max(keys));
        let starts: Vec<usize> = rows.clone().step_by(step).collect();
        let stretches = starts.into_par_iter().map(|start| self.best_of_stretch(start..rows.end.min(start + step), keys));
        let joined = stretches.reduce_with(|earlier, later| {
            let greater = |(one, other): (&(u64, u32), &(u64, u32))| {
                if one.1 == NEVER || other.1 != NEVER && other.0 > one.0 { *other } else { *one }
            };
            earlier.iter().zip(&later).map(greater).collect()
        });
        joined.unwrap_or_default().into_iter().map(|(_, row)| row).collect()
    }

    fn best_of_stretch(&self, rows: Range<usize>, keys: usize) -> Vec<(u64, u32)> {
        let mut best = vec![(0, NEVER); keys];
        for row in rows {
            let word = self.words.word(row);
            // A row of no key has no place.
            if let Some(best) = best.get_mut(self.ids[row] as usize)
                && (best.1 == NEVER || word > best.0)
            {
                *best = (word, row as u32);
            }
        }
        best
    }
}

impl Fold for Greatest<'_> {
    type State = Option<u32>;
    type Column = Vec<Option<u32>>;

    fn init(&self) -> Self::State {
        None
    }

    fn update(&self, state: &mut Self::State, position: usize) {
        self.merge(state, &Some(position as u32));
    }

    fn merge(&self, state: &mut Self::State, later: &Self::State) {
        let word = |pick: &Option<u32>| pick.map(|position| self.word(position as usize));
        if word(later) > word(state) {
            *state = *later;
        }
    }

    fn finish(&self, state: &Self::State, _at: i64, column: &mut Self::Column) {
        column.push(*state);
    }

    fn walk<'s>(&'s self, frame: &'s Frame) -> impl Walk<Column = Self::Column> + 's {
        Descending {
            of: self,
            ends_alike: frame.windows_end_alike(),
            key: NO_KEY,
            fresh: false,
            end: 0,
            come: Vec::new(),
            picks: Vec::new(),
        }
    }
}

/// The events that no later one exceeds: of those in a window the first is the greatest, and of equal ones the earliest.
struct Descending<'a> {
    of: &'a Greatest<'a>,
    ends_alike: bool,
    /// The id of the key, and whether nothing has come of it yet.
    key: u32,
    fresh: bool,
    end: usize,
    /// The words of events that have come.
    come: Vec<u64>,
    picks: Vec<(u64, u32)>,
}

impl Descending<'_> {
    /// Takes in the events up to an end: of zones only the greatest. All zones lie before the first end.
    fn advance(&mut self, start: usize, end: usize) {
        let (of, fresh, mut next) = (self.of, self.fresh, start);
        for zone in of.zones.iter().filter(|_| fresh) {
            let place = |row: u32| next + of.rows[next..end].partition_point(|other| *other < row);
            let (from, to) = (place(zone.rows.start), place(zone.rows.end));
            if from == to {
                continue;
            }
            let best = place(zone.best[self.key as usize]);
            self.push_all(next..from);
            self.push(of.word(best), best);
            next = to;
        }
        self.fresh = false;
        self.push_all(next..end);
        self.end = end;
    }

    /// The words are fetched first: fetching need not wait for comparing.
    fn push_all(&mut self, positions: Range<usize>) {
        let mut come = std::mem::take(&mut self.come);
        come.clear();
        come.extend(positions.clone().map(|position| self.of.word(position)));
        come.iter().zip(positions).for_each(|(word, position)| self.push(*word, position));
        self.come = come;
    }

    fn push(&mut self, word: u64, position: usize) {
        while self.picks.last().is_some_and(|(last, _)| *last < word) {
            self.picks.pop();
        }
        self.picks.push((word, position as u32));
    }

    fn start(&mut self, at: usize) {
        self.end = at;
        self.picks.clear();
    }
}

impl Walk for Descending<'_> {
    type Column = Vec<Option<u32>>;

    fn key(&mut self, run: Range<usize>) {
        let first = self.of.rows.get(run.start).filter(|_| !run.is_empty());
        self.key = first.and_then(|row| self.of.ids.get(*row as usize)).copied().unwrap_or(NO_KEY);
        self.fresh = self.key != NO_KEY;
    }

    fn together(&mut self, least: usize) -> bool {
        self.start(least);
        self.ends_alike
    }

    fn window(&mut self) {
        self.start(0);
    }

    fn row(&mut self, slice: &Slice, column: &mut Self::Column) {
        if slice.hi > self.end {
            // Where windows come one after the other, nothing before this one matters to those that follow.
            let start = if self.ends_alike { self.end } else { self.end.max(slice.lo) };
            self.advance(start, slice.hi);
        }
        let first = self.picks.partition_point(|(_, position)| (*position as usize) < slice.lo);
        column.push(self.picks.get(first).map(|(_, position)| *position));
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::keyed::Keyed;
    use super::super::super::rolling::{Reach, Rolling, WindowSpan, rolling};
    use super::super::max::Max;
    use crate::catalog::aggregate::Options;
    use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
    use arrow::datatypes::Int64Type;
    use std::sync::Arc;

    /// A spine that is short beside its windows, as one day is beside a month, so that there are zones.
    #[test]
    fn zones_change_no_result() {
        let mut seed = 7u64;
        let mut next = |limit: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % limit
        };
        for case in 0..60 {
            let mut times: Vec<i64> = (0..300).map(|_| next(1000) as i64).collect();
            times.sort_unstable();
            let keys: Vec<i64> = times.iter().map(|_| next(5) as i64).collect();
            let values: Vec<i64> = times.iter().map(|_| next(9) as i64).collect();
            let spine: Vec<(i64, i64)> = (0..20).map(|_| (next(6) as i64, 900 + next(60) as i64)).collect();
            let (spine_keys, spine_times): (Vec<i64>, Vec<i64>) = spine.iter().copied().unzip();
            let reaches = [Reach::Of(50), Reach::Of(200), Reach::Of(700), Reach::Lifetime];
            let windows = reaches.map(|reach| WindowSpan { reach, offset: 30 * (case % 2), forward: false });
            let windows = &windows[..1 + case as usize % 4];
            let array = |values: &[i64]| -> ArrayRef { Arc::new(Int64Array::from(values.to_vec())) };
            let (column, options) = (array(&values), Options::default());
            let what = Rolling { aggregate: &Max, options: &options, values: Some(&column), windows, day: 100, units_per_second: 1 };
            let sides = ([array(&spine_keys)], [array(&keys)]);
            let found = rolling(&Keyed { keys: &sides.0, times: &spine_times }, &Keyed { keys: &sides.1, times: &times }, &what).unwrap();
            for (window, found) in windows.iter().zip(found) {
                let found = found.as_primitive::<Int64Type>();
                for (row, (key, at)) in spine.iter().enumerate() {
                    let from = match window.reach {
                        Reach::Of(width) => at - window.offset - width,
                        Reach::Lifetime => i64::MIN,
                    };
                    let of = |event: &usize| keys[*event] == *key && (from..at - window.offset).contains(&times[*event]);
                    let expected = (0..times.len()).filter(of).map(|event| values[event]).max();
                    assert_eq!(found.is_valid(row).then(|| found.value(row)), expected, "case {case}, {window:?}, row {row}");
                }
            }
        }
    }
}
