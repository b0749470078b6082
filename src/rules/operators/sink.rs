//! The contract: columns in their order, defaults for nulls, and no null where none is allowed.

use super::{arrow_failure, column};
use crate::catalog::dag::{Sink, SinkColumn};
use crate::catalog::types::DataType;
use crate::engine::failure::Failure;
use crate::features::arrow_type::arrow_type;
use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, Scalar, StringArray, UInt64Array, new_empty_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{cast, concat, is_not_null};
use arrow::datatypes::{DataType as Arrow, Field, Schema};
use serde_json::Value;
use std::sync::Arc;

pub fn sink(rows: &RecordBatch, contract: &Sink) -> Result<RecordBatch, Failure> {
    let columns: Result<Vec<ArrayRef>, Failure> = contract.columns.iter().map(|c| fulfil(rows, c)).collect();
    RecordBatch::try_new(Arc::new(schema(contract)), columns?).map_err(arrow_failure)
}

/// The schema that a contract promises.
pub fn schema(contract: &Sink) -> Schema {
    let field = |c: &SinkColumn| Field::new(&c.name, arrow_type(&c.data_type), c.nullable);
    Schema::new(contract.columns.iter().map(field).collect::<Vec<_>>())
}

/// A column as the contract wants it.
pub fn fulfil(rows: &RecordBatch, wanted: &SinkColumn) -> Result<ArrayRef, Failure> {
    let array = column(rows, &wanted.name)?;
    let data_type = arrow_type(&wanted.data_type);
    let array = if *array.data_type() == data_type { array.clone() } else { cast(array, &data_type).map_err(arrow_failure)? };
    let array = match &wanted.default {
        Some(default) if array.null_count() > 0 => fill(&array, default, &wanted.data_type)?,
        _ => array,
    };
    refuse_nulls(wanted, array.nulls())?;
    Ok(array)
}

/// An error where a column has nulls that the contract does not allow.
pub fn refuse_nulls(wanted: &SinkColumn, nulls: Option<&NullBuffer>) -> Result<(), Failure> {
    let Some(nulls) = nulls.filter(|nulls| !wanted.nullable && nulls.null_count() > 0) else { return Ok(()) };
    let row = (0..nulls.len()).find(|row| nulls.is_null(*row)).unwrap_or_default();
    let hint = "say default=… or nullable=#true in the service's columns";
    let (count, rows) = (nulls.null_count(), nulls.len());
    Err(Failure::permanent(format!("column `{}` has {count} nulls in {rows} rows, the first in row {row}; {hint}", wanted.name)))
}

fn fill(array: &ArrayRef, default: &Value, data_type: &DataType) -> Result<ArrayRef, Failure> {
    let one = literal(default, data_type).map_err(arrow_failure)?;
    zip(&is_not_null(array).map_err(arrow_failure)?, array, &Scalar::new(one)).map_err(arrow_failure)
}

/// A value of the contract as an array of one.
fn literal(value: &Value, data_type: &DataType) -> Result<ArrayRef, arrow::error::ArrowError> {
    let wanted = arrow_type(data_type);
    if let (Value::Array(items), DataType::List(inner), Arrow::List(field)) = (value, data_type, &wanted) {
        let items: Result<Vec<ArrayRef>, _> = items.iter().map(|item| literal(item, inner)).collect();
        let items = items?;
        let parts: Vec<&dyn Array> = items.iter().map(|a| a.as_ref()).collect();
        let values = if parts.is_empty() { new_empty_array(&arrow_type(inner)) } else { concat(&parts)? };
        return Ok(Arc::new(ListArray::try_new(field.clone(), OffsetBuffer::from_lengths([values.len()]), values, None)?));
    }
    let array: ArrayRef = match value {
        Value::Bool(b) => Arc::new(BooleanArray::from(vec![*b])),
        Value::Number(n) if n.is_u64() => Arc::new(UInt64Array::from(vec![n.as_u64()])),
        Value::Number(n) if n.is_i64() => Arc::new(Int64Array::from(vec![n.as_i64()])),
        Value::Number(n) => Arc::new(Float64Array::from(vec![n.as_f64()])),
        Value::String(text) => Arc::new(StringArray::from(vec![text.as_str()])),
        _ => arrow::array::new_null_array(&wanted, 1),
    };
    cast(&array, &wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn column_of(default: Option<Value>, nullable: bool) -> Sink {
        Sink { columns: vec![SinkColumn { name: "x".into(), data_type: DataType::Int64, default, nullable }] }
    }

    fn rows() -> RecordBatch {
        let array: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        RecordBatch::try_from_iter([("x", array)]).unwrap()
    }

    #[test]
    fn defaults_replace_nulls() {
        let filled = sink(&rows(), &column_of(Some(json!(-7)), false)).unwrap();
        assert_eq!(filled.column(0).as_ref(), &Int64Array::from(vec![1, -7]) as &dyn Array);
    }

    #[test]
    fn a_null_that_is_not_allowed_is_named() {
        let failure = sink(&rows(), &column_of(None, false)).unwrap_err();
        assert!(failure.message.contains("`x` has 1 nulls in 2 rows, the first in row 1"), "{}", failure.message);
        assert!(sink(&rows(), &column_of(None, true)).is_ok());
    }

    #[test]
    fn an_empty_list_is_a_default() {
        let list = literal(&json!([]), &DataType::Int64.list()).unwrap();
        assert_eq!((list.len(), list.null_count()), (1, 0));
        let two = literal(&json!([1, 2]), &DataType::Int64.list()).unwrap();
        assert_eq!(two.as_any().downcast_ref::<ListArray>().unwrap().value(0).len(), 2);
    }
}
