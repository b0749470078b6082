//! `mean`: in float64. The mean of whole numbers is that of their exact sum.

use super::super::frame::Frame;
use super::super::rolling::KernelError;
use super::Aggregate;
use super::number;
use super::totals::{FloatTotals, WholeTotals};
use crate::catalog::aggregate::{Options, Signature};
use crate::catalog::types::DataType;
use arrow::array::ArrayRef;
use arrow::datatypes::{ArrowPrimitiveType, DataType as Arrow, Float64Type, Int64Type, UInt64Type};

pub struct Mean;

impl Signature for Mean {
    fn name(&self) -> &'static str {
        "mean"
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

impl Aggregate for Mean {
    fn roll(&self, frame: &Frame<'_>, _options: &Options) -> Result<Vec<ArrayRef>, KernelError> {
        match frame.type_of_values()? {
            Arrow::UInt64 => whole::<UInt64Type>(frame),
            integer if integer.is_integer() => whole::<Int64Type>(frame),
            _ => floats(frame),
        }
    }
}

fn whole<P: ArrowPrimitiveType<Native: Into<i128>>>(frame: &Frame) -> Result<Vec<ArrayRef>, KernelError> {
    let values = frame.numbers::<P>()?;
    let totals = WholeTotals { values: &values, finish: |total, number| total as f64 / number as f64 };
    Ok(frame.arrays::<Float64Type, _>(&totals, None))
}

fn floats(frame: &Frame) -> Result<Vec<ArrayRef>, KernelError> {
    let values = frame.numbers::<Float64Type>()?;
    let totals = FloatTotals { values: &values, finish: |total, number| total / number as f64 };
    Ok(frame.arrays::<Float64Type, _>(&totals, None))
}
