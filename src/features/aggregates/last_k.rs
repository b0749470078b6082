//! `last_k`: the newest values, oldest first; with `distinct` each once, at its latest occurrence.

use super::super::frame::Frame;
use super::super::neighbours::{Neighbours, Past, Recency};
use super::super::rolling::KernelError;
use super::super::sweep::{Fold, Lists, Slice, Walk};
use super::{Aggregate, column, kept, scalar};
use crate::catalog::aggregate::{Options, Signature};
use crate::catalog::types::DataType;
use arrow::array::ArrayRef;
use std::ops::Range;

pub struct LastK;

impl Signature for LastK {
    fn name(&self) -> &'static str {
        "last_k"
    }

    fn version(&self) -> u32 {
        1
    }

    fn takes_column(&self) -> bool {
        true
    }

    fn options(&self) -> &'static [&'static str] {
        &["k", "distinct"]
    }

    fn output(&self, input: Option<&DataType>, options: &Options) -> Result<DataType, String> {
        kept(options.k)?;
        let input = if options.distinct { scalar(input)? } else { column(input)? };
        Ok(input.clone().list())
    }

    fn zero_when_empty(&self) -> bool {
        false
    }
}

impl Aggregate for LastK {
    fn roll(&self, frame: &Frame<'_>, options: &Options) -> Result<Vec<ArrayRef>, KernelError> {
        let k = kept(options.k).map_err(|why| frame.unfit(why))?;
        match options.distinct {
            true => frame.picked_lists(&NewestDifferent { k, words: frame.equality()? }),
            false => frame.picked_lists(&Newest { k }),
        }
    }
}

/// The `k` newest events.
struct Newest {
    k: usize,
}

impl Fold for Newest {
    type State = Vec<u32>;
    type Column = Lists;

    fn init(&self) -> Self::State {
        Vec::new()
    }

    fn update(&self, state: &mut Self::State, position: usize) {
        state.push(position as u32);
        keep_newest(state, self.k);
    }

    fn merge(&self, state: &mut Self::State, later: &Self::State) {
        state.extend(later);
        keep_newest(state, self.k);
    }

    fn finish(&self, state: &Self::State, _at: i64, column: &mut Lists) {
        column.push(state.iter().copied());
    }

    fn walk<'s>(&'s self, _frame: &'s Frame) -> impl Walk<Column = Lists> + 's {
        Tail { k: self.k }
    }
}

fn keep_newest(picks: &mut Vec<u32>, k: usize) {
    picks.drain(..picks.len().saturating_sub(k));
}

/// The end of the window.
struct Tail {
    k: usize,
}

impl Walk for Tail {
    type Column = Lists;

    fn key(&mut self, _run: Range<usize>) {}

    fn row(&mut self, slice: &Slice, column: &mut Lists) {
        let start = slice.lo.max(slice.hi.saturating_sub(self.k));
        column.push((start..slice.hi).map(|position| position as u32));
    }
}

/// The latest events of the `k` values that occurred latest.
pub struct NewestDifferent {
    pub k: usize,
    pub words: Vec<u64>,
}

impl Fold for NewestDifferent {
    type State = Vec<u32>;
    type Column = Lists;

    fn init(&self) -> Self::State {
        Vec::new()
    }

    fn update(&self, state: &mut Self::State, position: usize) {
        state.retain(|pick| self.words[*pick as usize] != self.words[position]);
        state.push(position as u32);
        keep_newest(state, self.k);
    }

    fn merge(&self, state: &mut Self::State, later: &Self::State) {
        later.iter().for_each(|position| self.update(state, *position as usize));
    }

    fn finish(&self, state: &Self::State, _at: i64, column: &mut Lists) {
        column.push(state.iter().copied());
    }

    fn walk<'s>(&'s self, _frame: &'s Frame) -> impl Walk<Column = Lists> + 's {
        Latest { fold: self, run: 0..0, neighbours: Neighbours::default(), past: Past::default(), recency: Recency::default() }
    }
}

/// Keeps the different values of the window linked in order of their latest events.
struct Latest<'a> {
    fold: &'a NewestDifferent,
    run: Range<usize>,
    neighbours: Neighbours,
    past: Past,
    recency: Recency,
}

impl Walk for Latest<'_> {
    type Column = Lists;

    fn key(&mut self, run: Range<usize>) {
        self.neighbours.link(&self.fold.words, run.clone());
        self.run = run;
    }

    fn window(&mut self) {
        self.past = Past::default();
        self.recency.clear(self.run.clone());
    }

    fn row(&mut self, slice: &Slice, column: &mut Lists) {
        let moved = self.past.advance(slice);
        self.recency.advance(&moved, slice.lo, &self.neighbours);
        column.push_reversed(self.recency.newest_first().take(self.fold.k));
    }
}
