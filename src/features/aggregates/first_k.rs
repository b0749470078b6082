//! `first_k`: the oldest values, oldest first; with `distinct` each once, at its earliest occurrence.

use super::super::frame::Frame;
use super::super::neighbours::Neighbours;
use super::super::rolling::KernelError;
use super::super::sweep::{Fold, Lists, Slice, Walk};
use super::{Aggregate, column, kept, scalar};
use crate::catalog::aggregate::{Options, Signature};
use crate::catalog::types::DataType;
use arrow::array::ArrayRef;
use std::ops::Range;

pub struct FirstK;

impl Signature for FirstK {
    fn name(&self) -> &'static str {
        "first_k"
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

impl Aggregate for FirstK {
    fn roll(&self, frame: &Frame<'_>, options: &Options) -> Result<Vec<ArrayRef>, KernelError> {
        let k = kept(options.k).map_err(|why| frame.unfit(why))?;
        let words = options.distinct.then(|| frame.equality()).transpose()?;
        frame.picked_lists(&Oldest { k, words })
    }
}

/// The `k` oldest events; with words of equality, those of different values.
struct Oldest {
    k: usize,
    words: Option<Vec<u64>>,
}

impl Oldest {
    fn is_new(&self, picks: &[u32], position: usize) -> bool {
        let Some(words) = &self.words else { return true };
        picks.iter().all(|pick| words[*pick as usize] != words[position])
    }
}

impl Fold for Oldest {
    type State = Vec<u32>;
    type Column = Lists;

    fn init(&self) -> Self::State {
        Vec::new()
    }

    fn update(&self, state: &mut Self::State, position: usize) {
        if state.len() < self.k && self.is_new(state, position) {
            state.push(position as u32);
        }
    }

    fn merge(&self, state: &mut Self::State, later: &Self::State) {
        later.iter().for_each(|position| self.update(state, *position as usize));
    }

    fn finish(&self, state: &Self::State, _at: i64, column: &mut Lists) {
        column.push(state.iter().copied());
    }

    fn walk<'s>(&'s self, _frame: &'s Frame) -> impl Walk<Column = Lists> + 's {
        FromTheStart { fold: self, neighbours: Neighbours::default() }
    }
}

/// Goes forward from the start of the window, no further than needed.
struct FromTheStart<'a> {
    fold: &'a Oldest,
    neighbours: Neighbours,
}

impl Walk for FromTheStart<'_> {
    type Column = Lists;

    fn key(&mut self, run: Range<usize>) {
        if let Some(words) = &self.fold.words {
            self.neighbours.link(words, run);
        }
    }

    fn row(&mut self, slice: &Slice, column: &mut Lists) {
        let is_new = |position: &usize| self.fold.words.is_none() || self.neighbours.is_first(*position, slice.lo);
        column.push((slice.lo..slice.hi).filter(is_new).take(self.fold.k).map(|position| position as u32));
    }
}
