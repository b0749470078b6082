//! `var`: the variance with n − 1, in float64; null of fewer than two values. Welford's updates, Chan's merges.

use super::super::frame::Frame;
use super::super::rolling::KernelError;
use super::super::sweep::{Fold, Walk};
use super::super::tiles::Tiled;
use super::Aggregate;
use super::number;
use super::totals::one_nan;
use crate::catalog::aggregate::{Options, Signature};
use crate::catalog::types::DataType;
use arrow::array::ArrayRef;
use arrow::datatypes::Float64Type;

pub struct Var;

impl Signature for Var {
    fn name(&self) -> &'static str {
        "var"
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
        number(input).map(|_| DataType::Float64)
    }

    fn zero_when_empty(&self) -> bool {
        false
    }
}

impl Aggregate for Var {
    fn roll(&self, frame: &Frame<'_>, _options: &Options) -> Result<Vec<ArrayRef>, KernelError> {
        spread(frame, |variance| variance)
    }
}

/// The variances, each made into a result.
pub fn spread(frame: &Frame, finish: fn(f64) -> f64) -> Result<Vec<ArrayRef>, KernelError> {
    let values = frame.numbers::<Float64Type>()?;
    Ok(frame.arrays::<Float64Type, _>(&Spread { values: &values, finish }, None))
}

struct Spread<'a> {
    values: &'a [f64],
    finish: fn(f64) -> f64,
}

/// Number, mean, and sum of the squared distances from the mean.
#[derive(Clone, Copy)]
struct Moments {
    number: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Infinite values leave no mean to be distant from.
    fn variance(&self) -> f64 {
        if self.mean.is_finite() { self.squares / (self.number - 1.0) } else { f64::NAN }
    }
}

impl Fold for Spread<'_> {
    type State = Moments;
    type Column = Vec<Option<f64>>;

    fn init(&self) -> Moments {
        Moments { number: 0.0, mean: 0.0, squares: 0.0 }
    }

    fn update(&self, state: &mut Moments, position: usize) {
        let value = self.values[position];
        let distance = value - state.mean;
        state.number += 1.0;
        state.mean += distance / state.number;
        state.squares += distance * (value - state.mean);
    }

    fn merge(&self, state: &mut Moments, later: &Moments) {
        if state.number == 0.0 || later.number == 0.0 {
            *state = if later.number == 0.0 { *state } else { *later };
            return;
        }
        let number = state.number + later.number;
        let distance = later.mean - state.mean;
        state.mean += distance * (later.number / number);
        state.squares += later.squares + distance * distance * (state.number * later.number / number);
        state.number = number;
    }

    fn finish(&self, state: &Moments, _at: i64, column: &mut Self::Column) {
        column.push((state.number > 1.0).then(|| one_nan((self.finish)(state.variance()))));
    }

    fn walk<'s>(&'s self, frame: &'s Frame) -> impl Walk<Column = Self::Column> + 's {
        Tiled::new(self, frame)
    }
}
