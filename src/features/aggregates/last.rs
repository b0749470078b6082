//! `last`: the value of the newest event.

use super::super::frame::Frame;
use super::super::rolling::KernelError;
use super::super::sweep::{Fold, Slice, Walk};
use super::Aggregate;
use super::column;
use crate::catalog::aggregate::{Options, Signature};
use crate::catalog::types::DataType;
use arrow::array::ArrayRef;
use std::ops::Range;

pub struct Last;

impl Signature for Last {
    fn name(&self) -> &'static str {
        "last"
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
        column(input).cloned()
    }

    fn zero_when_empty(&self) -> bool {
        false
    }
}

impl Aggregate for Last {
    fn roll(&self, frame: &Frame<'_>, _options: &Options) -> Result<Vec<ArrayRef>, KernelError> {
        frame.picked(&Newest)
    }
}

/// The newest event.
struct Newest;

impl Fold for Newest {
    type State = Option<u32>;
    type Column = Vec<Option<u32>>;

    fn init(&self) -> Self::State {
        None
    }

    fn update(&self, state: &mut Self::State, position: usize) {
        *state = Some(position as u32);
    }

    fn merge(&self, state: &mut Self::State, later: &Self::State) {
        *state = later.or(*state);
    }

    fn finish(&self, state: &Self::State, _at: i64, column: &mut Self::Column) {
        column.push(*state);
    }

    fn walk<'s>(&'s self, _frame: &'s Frame) -> impl Walk<Column = Self::Column> + 's {
        Newest
    }
}

impl Walk for Newest {
    type Column = Vec<Option<u32>>;

    fn key(&mut self, _run: Range<usize>) {}

    fn row(&mut self, slice: &Slice, column: &mut Self::Column) {
        column.push((slice.lo < slice.hi).then(|| (slice.hi - 1) as u32));
    }
}
