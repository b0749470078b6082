//! Sums, for `sum` and `mean`: exact ones of whole numbers, those of floats along the canonical tree.
//!
//! Invariants: a sum of whole numbers never wraps (128 bits hold 2⁶³ of the largest); -0.0 is the identity of float addition.

use super::super::frame::Frame;
use super::super::sweep::{Fold, Slice, Walk};
use super::super::tiles::Tiled;
use std::ops::Range;

/// Sums of whole numbers; `finish` makes a result of the sum and the number of values, of which there is at least one.
pub struct WholeTotals<'a, T, R> {
    pub values: &'a [T],
    pub finish: fn(i128, u64) -> R,
}

impl<T: Copy + Into<i128> + Sync, R: Send> WholeTotals<'_, T, R> {
    fn push(&self, total: i128, number: u64, column: &mut Vec<Option<R>>) {
        column.push((number > 0).then(|| (self.finish)(total, number)));
    }
}

impl<T: Copy + Into<i128> + Sync, R: Send> Fold for WholeTotals<'_, T, R> {
    type State = (i128, u64);
    type Column = Vec<Option<R>>;

    fn init(&self) -> Self::State {
        (0, 0)
    }

    fn update(&self, state: &mut Self::State, position: usize) {
        *state = (state.0 + self.values[position].into(), state.1 + 1);
    }

    fn merge(&self, state: &mut Self::State, later: &Self::State) {
        *state = (state.0 + later.0, state.1 + later.1);
    }

    fn finish(&self, state: &Self::State, _at: i64, column: &mut Self::Column) {
        self.push(state.0, state.1, column);
    }

    fn walk<'s>(&'s self, _frame: &'s Frame) -> impl Walk<Column = Self::Column> + 's {
        Running { totals: self, start: 0, sums: Vec::new() }
    }
}

/// Running sums of a key, so that a window is a difference of two.
struct Running<'s, 'a, T, R> {
    totals: &'s WholeTotals<'a, T, R>,
    start: usize,
    /// The sum before each event, and the whole sum.
    sums: Vec<i128>,
}

impl<T: Copy + Into<i128> + Sync, R: Send> Walk for Running<'_, '_, T, R> {
    type Column = Vec<Option<R>>;

    fn key(&mut self, run: Range<usize>) {
        self.start = run.start;
        self.sums.clear();
        self.sums.push(0);
        let mut sum = 0;
        self.sums.extend(self.totals.values[run].iter().map(|value| {
            sum += (*value).into();
            sum
        }));
    }

    fn row(&mut self, slice: &Slice, column: &mut Self::Column) {
        let before = |position: usize| self.sums[position - self.start];
        self.totals.push(before(slice.hi) - before(slice.lo), (slice.hi - slice.lo) as u64, column);
    }
}

/// Sums of floats; `finish` makes a result of the sum and the number of values, of which there is at least one.
pub struct FloatTotals<'a> {
    pub values: &'a [f64],
    pub finish: fn(f64, u64) -> f64,
}

impl Fold for FloatTotals<'_> {
    type State = (f64, u64);
    type Column = Vec<Option<f64>>;

    fn init(&self) -> Self::State {
        (-0.0, 0)
    }

    fn update(&self, state: &mut Self::State, position: usize) {
        *state = (state.0 + self.values[position], state.1 + 1);
    }

    fn merge(&self, state: &mut Self::State, later: &Self::State) {
        *state = (state.0 + later.0, state.1 + later.1);
    }

    fn finish(&self, (total, number): &Self::State, _at: i64, column: &mut Self::Column) {
        column.push((*number > 0).then(|| one_nan((self.finish)(*total, *number))));
    }

    fn walk<'s>(&'s self, frame: &'s Frame) -> impl Walk<Column = Self::Column> + 's {
        Tiled::new(self, frame)
    }
}

/// The one NaN for all: which of several survives an addition is the processor's choice.
pub fn one_nan(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value }
}
