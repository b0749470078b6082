//! `min`: the least value, of the type of its column. A NaN in the window gives NaN; -0.0 is less than 0.0.

use super::super::codes::Order;
use super::super::frame::Frame;
use super::super::rolling::KernelError;
use super::Aggregate;
use super::extreme::Greatest;
use super::scalar;
use crate::catalog::aggregate::{Options, Signature};
use crate::catalog::types::DataType;
use arrow::array::ArrayRef;

pub struct Min;

impl Signature for Min {
    fn name(&self) -> &'static str {
        "min"
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
        scalar(input).cloned()
    }

    fn zero_when_empty(&self) -> bool {
        false
    }
}

impl Aggregate for Min {
    fn roll(&self, frame: &Frame<'_>, _options: &Options) -> Result<Vec<ArrayRef>, KernelError> {
        frame.picked(&Greatest::new(frame, Order::Down)?)
    }

    fn asks_ids(&self) -> bool {
        true
    }
}
