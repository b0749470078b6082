//! `count`: how many events there are.

use super::super::frame::Frame;
use super::super::rolling::KernelError;
use super::super::sweep::{Fold, Slice, Walk};
use super::Aggregate;
use crate::catalog::aggregate::{Options, Signature};
use crate::catalog::types::DataType;
use arrow::array::ArrayRef;
use arrow::datatypes::Int64Type;
use std::ops::Range;

pub struct Count;

impl Signature for Count {
    fn name(&self) -> &'static str {
        "count"
    }

    fn version(&self) -> u32 {
        1
    }

    fn takes_column(&self) -> bool {
        false
    }

    fn options(&self) -> &'static [&'static str] {
        &[]
    }

    fn output(&self, _input: Option<&DataType>, _options: &Options) -> Result<DataType, String> {
        Ok(DataType::Int64)
    }

    fn zero_when_empty(&self) -> bool {
        true
    }
}

impl Aggregate for Count {
    fn roll(&self, frame: &Frame<'_>, _options: &Options) -> Result<Vec<ArrayRef>, KernelError> {
        Ok(frame.lengths().unwrap_or_else(|| frame.arrays::<Int64Type, _>(&Events, Some(0))))
    }
}

/// The events themselves.
struct Events;

impl Fold for Events {
    type State = i64;
    type Column = Vec<Option<i64>>;

    fn init(&self) -> i64 {
        0
    }

    fn update(&self, state: &mut i64, _position: usize) {
        *state += 1;
    }

    fn merge(&self, state: &mut i64, later: &i64) {
        *state += later;
    }

    fn finish(&self, state: &i64, _at: i64, column: &mut Self::Column) {
        column.push(Some(*state));
    }

    fn walk<'s>(&'s self, _frame: &'s Frame) -> impl Walk<Column = Self::Column> + 's {
        Length
    }
}

/// The distance between the ends of the window.
struct Length;

impl Walk for Length {
    type Column = Vec<Option<i64>>;

    fn key(&mut self, _run: Range<usize>) {}

    fn row(&mut self, slice: &Slice, column: &mut Self::Column) {
        column.push(Some((slice.hi - slice.lo) as i64));
    }
}
