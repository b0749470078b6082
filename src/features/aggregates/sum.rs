//! `sum`: int64 of whole numbers (uint64 of uint64), float64 of floats. A sum that does not fit is an error.

use super::super::frame::{Frame, primitive};
use super::super::rolling::KernelError;
use super::Aggregate;
use super::number;
use super::totals::{FloatTotals, WholeTotals};
use crate::catalog::aggregate::{Options, Signature};
use crate::catalog::types::DataType;
use arrow::array::ArrayRef;
use arrow::datatypes::{ArrowPrimitiveType, DataType as Arrow, Float64Type, Int64Type, UInt64Type};

pub struct Sum;

impl Signature for Sum {
    fn name(&self) -> &'static str {
        "sum"
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
        Ok(match number(input)? {
            DataType::UInt64 => DataType::UInt64,
            whole if whole.is_integer() => DataType::Int64,
            _ => DataType::Float64,
        })
    }

    fn zero_when_empty(&self) -> bool {
        false
    }
}

impl Aggregate for Sum {
    fn roll(&self, frame: &Frame<'_>, _options: &Options) -> Result<Vec<ArrayRef>, KernelError> {
        match frame.type_of_values()? {
            Arrow::UInt64 => whole::<UInt64Type>(frame, "uint64"),
            integer if integer.is_integer() => whole::<Int64Type>(frame, "int64"),
            _ => floats(frame),
        }
    }
}

fn whole<P>(frame: &Frame, limit: &'static str) -> Result<Vec<ArrayRef>, KernelError>
where
    P: ArrowPrimitiveType,
    P::Native: Into<i128> + TryFrom<i128>,
{
    let values = frame.numbers::<P>()?;
    let totals = WholeTotals { values: &values, finish: |total, _| P::Native::try_from(total).ok() };
    frame.scalars(&totals, None).into_iter().map(|column| fitting::<P>(column).ok_or_else(|| frame.overflow(limit))).collect()
}

/// The column, if every sum fits.
fn fitting<P: ArrowPrimitiveType>(column: Vec<Option<Option<P::Native>>>) -> Option<ArrayRef> {
    match column.contains(&Some(None)) {
        true => None,
        false => Some(primitive::<P>(&column.into_iter().map(Option::flatten).collect::<Vec<_>>())),
    }
}

fn floats(frame: &Frame) -> Result<Vec<ArrayRef>, KernelError> {
    let values = frame.numbers::<Float64Type>()?;
    Ok(frame.arrays::<Float64Type, _>(&FloatTotals { values: &values, finish: |total, _| total }, None))
}

#[cfg(test)]
mod tests {
    use super::super::super::keyed::Keyed;
    use super::super::super::rolling::{Reach, Rolling, WindowSpan, rolling};
    use super::*;
    use arrow::array::{AsArray, Int64Array, UInt64Array};
    use std::sync::Arc;

    fn summed(values: ArrayRef) -> Result<ArrayRef, KernelError> {
        let keys: [ArrayRef; 1] = [Arc::new(Int64Array::from(vec![1; values.len()]))];
        let times: Vec<i64> = (0..values.len() as i64).collect();
        let spine: [ArrayRef; 1] = [Arc::new(Int64Array::from(vec![1]))];
        let windows = [WindowSpan { reach: Reach::Lifetime, offset: 0, forward: false }];
        let options = Options::default();
        let what = Rolling { aggregate: &Sum, options: &options, values: Some(&values), windows: &windows, day: 10, units_per_second: 1 };
        Ok(rolling(&Keyed { keys: &spine, times: &[99] }, &Keyed { keys: &keys, times: &times }, &what)?.remove(0))
    }

    #[test]
    fn a_sum_that_does_not_fit_is_an_error() {
        let error = summed(Arc::new(Int64Array::from(vec![i64::MAX, 1]))).unwrap_err();
        assert_eq!(error, KernelError::Overflow { aggregate: "sum", limit: "int64" });
        assert!(error.to_string().contains("`sum` exceeds int64"));
    }

    #[test]
    fn only_the_result_has_to_fit() {
        let sum = summed(Arc::new(Int64Array::from(vec![i64::MAX, 1, -1]))).unwrap();
        assert_eq!(sum.as_primitive::<Int64Type>().value(0), i64::MAX);
        let sum = summed(Arc::new(UInt64Array::from(vec![u64::MAX - 1, 1]))).unwrap();
        assert_eq!(sum.as_primitive::<UInt64Type>().value(0), u64::MAX);
    }
}
