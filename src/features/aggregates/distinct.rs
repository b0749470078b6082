//! `distinct`: the different values in order of their latest occurrence, of list elements with `flatten`; `max` keeps the newest.

use super::super::frame::Frame;
use super::super::rolling::KernelError;
use super::last_k::NewestDifferent;
use super::{Aggregate, at_least_one, column, scalar};
use crate::catalog::aggregate::{Options, Signature};
use crate::catalog::types::DataType;
use arrow::array::ArrayRef;

pub struct Distinct;

impl Signature for Distinct {
    fn name(&self) -> &'static str {
        "distinct"
    }

    fn version(&self) -> u32 {
        1
    }

    fn takes_column(&self) -> bool {
        true
    }

    fn options(&self) -> &'static [&'static str] {
        &["flatten", "max"]
    }

    fn output(&self, input: Option<&DataType>, options: &Options) -> Result<DataType, String> {
        most(options)?;
        match (options.flatten, column(input)?) {
            (true, DataType::List(element)) => scalar(Some(element)).map(|element| element.clone().list()),
            (true, other) => Err(format!("flattens lists, and {other} is none; leave `flatten` out")),
            (false, other) => scalar(Some(other)).map(|value| value.clone().list()),
        }
    }

    fn zero_when_empty(&self) -> bool {
        false
    }
}

impl Aggregate for Distinct {
    fn roll(&self, frame: &Frame<'_>, options: &Options) -> Result<Vec<ArrayRef>, KernelError> {
        let k = most(options).map_err(|why| frame.unfit(why))?;
        frame.picked_lists(&NewestDifferent { k, words: frame.equality()? })
    }
}

/// How many values to keep.
fn most(options: &Options) -> Result<usize, String> {
    options.max.map_or(Ok(usize::MAX), |max| at_least_one("max", max))
}
