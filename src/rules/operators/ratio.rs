//! The ratio of two columns: null where either is null or the denominator is 0.

use super::{arrow_failure, column, with_columns};
use crate::engine::failure::Failure;
use arrow::array::{Array, Float64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use std::sync::Arc;

pub fn ratio(rows: &RecordBatch, numerator: &str, denominator: &str, name: &str) -> Result<RecordBatch, Failure> {
    let (over, under) = (floats(rows, numerator)?, floats(rows, denominator)?);
    let of = |(n, d): (Option<f64>, Option<f64>)| n.zip(d).filter(|(_, d)| *d != 0.0).map(|(n, d)| n / d);
    let ratios: Float64Array = over.iter().zip(under.iter()).map(of).collect();
    with_columns(rows, vec![(name.into(), Arc::new(ratios))])
}

fn floats(rows: &RecordBatch, name: &str) -> Result<Float64Array, Failure> {
    let array = cast(column(rows, name)?, &DataType::Float64).map_err(arrow_failure)?;
    let floats = array.as_any().downcast_ref::<Float64Array>().cloned();
    floats.ok_or_else(|| Failure::permanent(format!("column `{name}` is no number")))
}
