//! `time_since_last`: seconds from the newest event of the window to the row; forward, from the row to the nearest one.

use super::super::frame::Frame;
use super::super::rolling::KernelError;
use super::super::sweep::{Fold, Slice, Walk};
use super::Aggregate;
use crate::catalog::aggregate::{Options, Signature};
use crate::catalog::types::DataType;
use arrow::array::ArrayRef;
use arrow::datatypes::Float64Type;
use std::ops::Range;

pub struct TimeSinceLast;

impl Signature for TimeSinceLast {
    fn name(&self) -> &'static str {
        "time_since_last"
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
        Ok(DataType::Float64)
    }

    fn zero_when_empty(&self) -> bool {
        false
    }
}

impl Aggregate for TimeSinceLast {
    fn roll(&self, frame: &Frame<'_>, _options: &Options) -> Result<Vec<ArrayRef>, KernelError> {
        let distance = Distance { frame, units_per_second: frame.units_per_second as f64 };
        Ok(frame.arrays::<Float64Type, _>(&distance, None))
    }
}

/// The distance of a row from the nearer end of the events.
struct Distance<'a> {
    frame: &'a Frame<'a>,
    units_per_second: f64,
}

impl Distance<'_> {
    fn seconds(&self, first: i64, last: i64, at: i64) -> f64 {
        at.abs_diff(first).min(at.abs_diff(last)) as f64 / self.units_per_second
    }
}

impl Fold for Distance<'_> {
    /// The times of the first and the last event.
    type State = Option<(i64, i64)>;
    type Column = Vec<Option<f64>>;

    fn init(&self) -> Self::State {
        None
    }

    fn update(&self, state: &mut Self::State, position: usize) {
        let time = self.frame.time(position);
        self.merge(state, &Some((time, time)));
    }

    fn merge(&self, state: &mut Self::State, later: &Self::State) {
        *state = match (*state, *later) {
            (Some((first, _)), Some((_, last))) => Some((first, last)),
            (one, other) => one.or(other),
        };
    }

    fn finish(&self, state: &Self::State, at: i64, column: &mut Self::Column) {
        column.push(state.map(|(first, last)| self.seconds(first, last, at)));
    }

    fn walk<'s>(&'s self, _frame: &'s Frame) -> impl Walk<Column = Self::Column> + 's {
        Ends { distance: self }
    }
}

/// The ends of the window.
struct Ends<'s, 'a> {
    distance: &'s Distance<'a>,
}

impl Walk for Ends<'_, '_> {
    type Column = Vec<Option<f64>>;

    fn key(&mut self, _run: Range<usize>) {}

    fn row(&mut self, slice: &Slice, column: &mut Self::Column) {
        let time = |position: usize| self.distance.frame.time(position);
        let seconds = || self.distance.seconds(time(slice.lo), time(slice.hi - 1), slice.at);
        column.push((slice.lo < slice.hi).then(seconds));
    }
}
