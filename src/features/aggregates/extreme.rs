//! The greatest value, for `min` and `max`.
//!
//! Knows values as words of order alone; whoever seeks the least turns them round. Invariant: of equal values the earliest is picked.

use super::super::frame::Frame;
use super::super::sweep::{Fold, Slice, Walk};
use std::collections::VecDeque;
use std::ops::Range;

pub struct Greatest {
    pub words: Vec<u64>,
}

impl Fold for Greatest {
    type State = Option<u32>;
    type Column = Vec<Option<u32>>;

    fn init(&self) -> Self::State {
        None
    }

    fn update(&self, state: &mut Self::State, position: usize) {
        self.merge(state, &Some(position as u32));
    }

    fn merge(&self, state: &mut Self::State, later: &Self::State) {
        let word = |pick: &Option<u32>| pick.map(|position| self.words[position as usize]);
        if word(later) > word(state) {
            *state = *later;
        }
    }

    fn finish(&self, state: &Self::State, _at: i64, column: &mut Self::Column) {
        column.push(*state);
    }

    fn walk<'s>(&'s self, _frame: &'s Frame) -> impl Walk<Column = Self::Column> + 's {
        Descending { words: &self.words, end: 0, picks: VecDeque::new() }
    }
}

/// The events of the window that no later one exceeds or precedes with the same value: the first of them is the greatest.
struct Descending<'a> {
    words: &'a [u64],
    end: usize,
    picks: VecDeque<u32>,
}

impl Descending<'_> {
    fn push(&mut self, position: usize) {
        let exceeded = |pick: &u32| self.words[*pick as usize] < self.words[position];
        while self.picks.back().is_some_and(exceeded) {
            self.picks.pop_back();
        }
        self.picks.push_back(position as u32);
    }
}

impl Walk for Descending<'_> {
    type Column = Vec<Option<u32>>;

    fn key(&mut self, _run: Range<usize>) {}

    fn window(&mut self) {
        self.end = 0;
        self.picks.clear();
    }

    fn row(&mut self, slice: &Slice, column: &mut Self::Column) {
        (self.end.max(slice.lo)..slice.hi).for_each(|position| self.push(position));
        self.end = slice.hi;
        while self.picks.front().is_some_and(|pick| (*pick as usize) < slice.lo) {
            self.picks.pop_front();
        }
        column.push(self.picks.front().copied());
    }
}
