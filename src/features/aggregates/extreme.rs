//! The greatest value, for `min` and `max`.
//!
//! Knows values as words of order alone; whoever seeks the least turns them round. Invariant: of equal values the earliest is picked.

use super::super::codes::Ordered;
use super::super::frame::Frame;
use super::super::sweep::{Fold, Slice, Walk};
use std::ops::Range;

pub struct Greatest<'a> {
    /// By row.
    pub words: Ordered,
    /// The rows of the positions.
    pub rows: &'a [u32],
}

impl Greatest<'_> {
    fn word(&self, position: usize) -> u64 {
        self.words.word(self.rows[position] as usize)
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
        Descending { of: self, ends_alike: frame.windows_end_alike(), end: 0, come: Vec::new(), picks: Vec::new() }
    }
}

/// The events that no later one exceeds: of those in a window the first is the greatest, and of equal ones the earliest.
struct Descending<'a> {
    of: &'a Greatest<'a>,
    ends_alike: bool,
    end: usize,
    /// The words of events that have come.
    come: Vec<u64>,
    picks: Vec<(u64, u32)>,
}

impl Descending<'_> {
    /// Takes in the events up to an end. Their words are fetched first: fetching need not wait for comparing.
    fn advance(&mut self, start: usize, end: usize) {
        self.come.clear();
        self.come.extend((start..end).map(|position| self.of.word(position)));
        for (word, position) in self.come.iter().zip(start..end) {
            while self.picks.last().is_some_and(|(last, _)| last < word) {
                self.picks.pop();
            }
            self.picks.push((*word, position as u32));
        }
        self.end = end;
    }

    fn start(&mut self, at: usize) {
        self.end = at;
        self.picks.clear();
    }
}

impl Walk for Descending<'_> {
    type Column = Vec<Option<u32>>;

    fn key(&mut self, _run: Range<usize>) {}

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
