//! `stddev`: the square root of `var`.

use super::super::frame::Frame;
use super::super::rolling::KernelError;
use super::Aggregate;
use super::number;
use super::var::spread;
use crate::catalog::aggregate::{Options, Signature};
use crate::catalog::types::DataType;
use arrow::array::ArrayRef;

pub struct Stddev;

impl Signature for Stddev {
    fn name(&self) -> &'static str {
        "stddev"
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

impl Aggregate for Stddev {
    fn roll(&self, frame: &Frame<'_>, _options: &Options) -> Result<Vec<ArrayRef>, KernelError> {
        spread(frame, f64::sqrt)
    }
}
