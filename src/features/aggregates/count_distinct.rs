//! `count_distinct`: how many different values there are.

use super::super::codes::Dense;
use super::super::frame::Frame;
use super::super::neighbours::{Neighbours, Past};
use super::super::rolling::KernelError;
use super::super::sweep::{Fold, Slice, Walk};
use super::Aggregate;
use super::scalar;
use crate::catalog::aggregate::{Options, Signature};
use crate::catalog::types::DataType;
use arrow::array::ArrayRef;
use arrow::datatypes::Int64Type;
use std::ops::Range;

pub struct CountDistinct;

impl Signature for CountDistinct {
    fn name(&self) -> &'static str {
        "count_distinct"
    }

    fn version(&self) -> u32 {
        1
    }

    fn takes_column(&self) -> bool {
        true
    }

    fn options(&self) -> &'static [&'static str] {
        &[]
    }

    fn output(&self, input: Option<&DataType>, _options: &Options) -> Result<DataType, String> {
        scalar(input).map(|_| DataType::Int64)
    }

    fn zero_when_empty(&self) -> bool {
        true
    }
}

impl Aggregate for CountDistinct {
    fn roll(&self, frame: &Frame<'_>, _options: &Options) -> Result<Vec<ArrayRef>, KernelError> {
        Ok(frame.arrays::<Int64Type, _>(&Values { words: frame.equality()? }, Some(0)))
    }
}

struct Values {
    words: Vec<u64>,
}

impl Fold for Values {
    type State = Dense<u64, ()>;
    type Column = Vec<Option<i64>>;

    fn init(&self) -> Self::State {
        Dense::default()
    }

    fn update(&self, state: &mut Self::State, position: usize) {
        state.insert(self.words[position], ());
    }

    fn merge(&self, state: &mut Self::State, later: &Self::State) {
        state.extend(later);
    }

    fn finish(&self, state: &Self::State, _at: i64, column: &mut Self::Column) {
        column.push(Some(state.len() as i64));
    }

    fn walk<'s>(&'s self, _frame: &'s Frame) -> impl Walk<Column = Self::Column> + 's {
        Different { words: &self.words, neighbours: Neighbours::default(), past: Past::default(), different: 0 }
    }
}

/// Counts a value when its first event comes, and no more when its last one goes.
struct Different<'a> {
    words: &'a [u64],
    neighbours: Neighbours,
    past: Past,
    different: i64,
}

impl Walk for Different<'_> {
    type Column = Vec<Option<i64>>;

    fn key(&mut self, run: Range<usize>) {
        self.neighbours.link(self.words, run);
    }

    fn window(&mut self) {
        (self.past, self.different) = (Past::default(), 0);
    }

    fn row(&mut self, slice: &Slice, column: &mut Self::Column) {
        let moved = self.past.advance(slice);
        let end = moved.end;
        self.different -= moved.gone.filter(|position| self.neighbours.is_last(*position, end)).count() as i64;
        self.different += moved.come.filter(|position| self.neighbours.is_first(*position, slice.lo)).count() as i64;
        column.push(Some(self.different));
    }
}
