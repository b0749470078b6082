//! Evaluates expressions over the rows of a batch.
//!
//! Knows nothing of where batches come from. Only the columns that an expression names cross over to Polars. Invariants: what comes
//! out has one value per row, for constants and for no rows as well; what an expression means is said in [`crate::catalog::expr`],
//! and the tests hold this against an interpreter that goes row by row.

use super::bridge::{self, BridgeError};
use super::lowering::Lowering;
use crate::catalog::expr::{Expr, ExprError};
use crate::catalog::types::{self, DataType};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, new_empty_array, new_null_array};
use arrow::compute::{CastOptions, cast_with_options, prep_null_mask_filter};
use arrow::datatypes::{self, Float64Type, TimeUnit};
use arrow::error::ArrowError;
use polars::prelude::{Column, DataFrame, IntoLazy, OptFlags, PolarsError, Series};
use std::fmt;

/// Why an expression has no values. Each names the expression.
#[derive(Debug)]
pub enum EvaluateError {
    /// It does not go with the columns of the batch.
    Type { expr: String, error: ExprError },
    /// It reads a column of a type that no manifest can declare.
    Column { expr: String, name: String, data_type: datatypes::DataType },
    /// It gives a type that cannot become the one asked for.
    Unfit { expr: String, from: DataType, to: datatypes::DataType },
    /// A row has no value: an overflow, a cast of what does not fit.
    Row { expr: String, message: String },
}

impl fmt::Display for EvaluateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type { expr, error } => write!(f, "`{expr}`: {error}"),
            Self::Column { expr, name, data_type } => {
                write!(f, "`{expr}`: the column `{name}` is of {data_type}, which expressions do not read")
            }
            Self::Unfit { expr, from, to } => write!(f, "`{expr}` is {from}, which does not become {to} without a CAST"),
            Self::Row { expr, message } => write!(f, "`{expr}`: {message}"),
        }
    }
}

impl std::error::Error for EvaluateError {}

impl EvaluateError {
    /// A column of an expression that could not be decoded.
    pub fn encoding(expr: &Expr, error: ArrowError) -> Self {
        Self::Row { expr: expr.to_string(), message: error.to_string() }
    }
}

/// The rows for which a condition is true; not those for which it is null. The mask itself has no nulls.
pub fn filter_mask(batch: &RecordBatch, expr: &Expr) -> Result<BooleanArray, EvaluateError> {
    let mask = value(batch, expr, &datatypes::DataType::Boolean)?;
    let mask = mask.as_boolean();
    Ok(if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() })
}

/// One value per row, of a type near to the expression's own: numbers become any numbers, timestamps any of their kind, all else
/// itself. What does not fit is an error, and so is a fraction in an integer.
pub fn value(batch: &RecordBatch, expr: &Expr, to: &datatypes::DataType) -> Result<ArrayRef, EvaluateError> {
    let types = |name: &str| batch.column_by_name(name).and_then(|column| manifest_type(column.data_type()));
    let known: Vec<String> = batch.schema_ref().fields().iter().map(|field| field.name().clone()).collect();
    readable(batch, expr)?;
    let own = expr.nullable_type(&types, &known).map_err(|error| EvaluateError::Type { expr: expr.to_string(), error })?;
    let Some(own) = own else { return Ok(new_null_array(to, batch.num_rows())) };
    if !manifest_type(to).is_some_and(|to| becomes(&own, &to)) {
        return Err(EvaluateError::Unfit { expr: expr.to_string(), from: own, to: to.clone() });
    }
    if batch.num_rows() == 0 {
        return Ok(new_empty_array(to));
    }
    let in_row = |error: BridgeError| EvaluateError::Row { expr: expr.to_string(), message: first_line(&error.to_string()) };
    let lowered = Lowering { types: &types }.lower(expr, None);
    let stored = referenced(batch, expr).and_then(|frame| computed(frame, lowered, batch.num_rows())).map_err(in_row)?;
    finished(&stored, &own, to).map_err(in_row)
}

fn readable(batch: &RecordBatch, expr: &Expr) -> Result<(), EvaluateError> {
    let columns = expr.columns().into_iter();
    let mut found = columns.filter_map(|name| batch.column_by_name(&name).map(|column| (name, column.data_type().clone())));
    match found.find(|(_, data_type)| manifest_type(data_type).is_none()) {
        Some((name, data_type)) => Err(EvaluateError::Column { expr: expr.to_string(), name, data_type }),
        None => Ok(()),
    }
}

/// The columns that an expression reads, in their stored form.
fn referenced(batch: &RecordBatch, expr: &Expr) -> Result<DataFrame, BridgeError> {
    let column = |name: &String| Some((name.clone(), batch.column_by_name(name)?));
    let columns = expr.columns();
    let columns = columns.iter().filter_map(column);
    let columns = columns.map(|(name, array)| Ok(Column::from(bridge::series(&name, &stored_array(array)?)?)));
    Ok(DataFrame::new(batch.num_rows(), columns.collect::<Result<_, BridgeError>>()?)?)
}

fn computed(frame: DataFrame, expr: polars::prelude::Expr, rows: usize) -> Result<Series, BridgeError> {
    // Nothing is left to optimise or coerce in a single projection of which every cast is written out.
    let flags = OptFlags::schema_only();
    let result = frame.lazy().with_optimizations(flags).select([expr.alias(RESULT)]).collect()?;
    let series = result.column(RESULT)?.as_materialized_series().clone();
    match series.len() {
        length if length == rows => Ok(series),
        1 => Ok(series.new_from_index(0, rows)),
        length => Err(PolarsError::ShapeMismatch(format!("{length} values for {rows} rows").into()).into()),
    }
}

const RESULT: &str = "value";

/// From the stored form to the type asked for.
fn finished(stored: &Series, own: &DataType, to: &datatypes::DataType) -> Result<ArrayRef, BridgeError> {
    let own = arrow_type(own, to);
    let array = strict_cast(&bridge::array(stored, &stored_type(&own))?, &own)?;
    if own.is_floating() && to.is_integer() {
        no_fractions(&array)?;
    }
    Ok(strict_cast(&array, to)?)
}

fn no_fractions(array: &ArrayRef) -> Result<(), ArrowError> {
    let floats = strict_cast(array, &datatypes::DataType::Float64)?;
    match floats.as_primitive::<Float64Type>().iter().flatten().find(|value| value.fract() != 0.0) {
        Some(value) => Err(ArrowError::CastError(format!("{value} is no integer; round or CAST it"))),
        None => Ok(()),
    }
}

fn strict_cast(array: &ArrayRef, to: &datatypes::DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == to {
        return Ok(array.clone());
    }
    cast_with_options(array, to, &CastOptions { safe: false, ..CastOptions::default() })
}

fn stored_array(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    strict_cast(array, &stored_type(array.data_type()))
}

/// Times as their epochs, vectors as lists: what the lowered expressions work on.
fn stored_type(data_type: &datatypes::DataType) -> datatypes::DataType {
    use datatypes::DataType::*;
    let element = |field: &datatypes::FieldRef| datatypes::Field::clone(field).with_data_type(stored_type(field.data_type())).into();
    match data_type {
        Date32 => Int32,
        Timestamp(..) => Int64,
        List(field) | LargeList(field) | FixedSizeList(field, _) => List(element(field)),
        other => other.clone(),
    }
}

/// Whether values of one type are taken for another without a cast.
fn becomes(own: &DataType, to: &DataType) -> bool {
    use DataType::{List, Timestamp, Vector};
    match (own, to) {
        (Timestamp { zone: own, .. }, Timestamp { zone: to, .. }) => own.is_some() == to.is_some(),
        (List(own) | Vector(own, _), List(to) | Vector(to, _)) => becomes(own, to),
        (own, to) => own == to || (own.is_number() && to.is_number()),
    }
}

/// The manifest's word for an Arrow type, if it has one.
fn manifest_type(data_type: &datatypes::DataType) -> Option<DataType> {
    use datatypes::DataType as Arrow;
    Some(match data_type {
        Arrow::Boolean => DataType::Bool,
        Arrow::Int8 => DataType::Int8,
        Arrow::Int16 => DataType::Int16,
        Arrow::Int32 => DataType::Int32,
        Arrow::Int64 => DataType::Int64,
        Arrow::UInt8 => DataType::UInt8,
        Arrow::UInt16 => DataType::UInt16,
        Arrow::UInt32 => DataType::UInt32,
        Arrow::UInt64 => DataType::UInt64,
        Arrow::Float16 => DataType::Float16,
        Arrow::Float32 => DataType::Float32,
        Arrow::Float64 => DataType::Float64,
        Arrow::Utf8 | Arrow::LargeUtf8 | Arrow::Utf8View => DataType::String,
        Arrow::Binary | Arrow::LargeBinary | Arrow::BinaryView => DataType::Binary,
        Arrow::Date32 => DataType::Date,
        Arrow::Timestamp(unit, zone) => {
            DataType::Timestamp { unit: manifest_unit(*unit), zone: zone.as_ref().map(|zone| zone.to_string()) }
        }
        Arrow::List(field) | Arrow::LargeList(field) => manifest_type(field.data_type())?.list(),
        Arrow::FixedSizeList(field, width) => DataType::Vector(Box::new(manifest_type(field.data_type())?), u32::try_from(*width).ok()?),
        _ => return None,
    })
}

fn manifest_unit(unit: TimeUnit) -> types::TimeUnit {
    match unit {
        TimeUnit::Second => types::TimeUnit::S,
        TimeUnit::Millisecond => types::TimeUnit::Ms,
        TimeUnit::Microsecond => types::TimeUnit::Us,
        TimeUnit::Nanosecond => types::TimeUnit::Ns,
    }
}

/// Arrow's type for the expression's own, as near to the one asked for as it goes.
fn arrow_type(own: &DataType, to: &datatypes::DataType) -> datatypes::DataType {
    use datatypes::DataType as Arrow;
    match (own, to) {
        (DataType::Bool, _) => Arrow::Boolean,
        (DataType::Int8, _) => Arrow::Int8,
        (DataType::Int16, _) => Arrow::Int16,
        (DataType::Int32, _) => Arrow::Int32,
        (DataType::Int64, _) => Arrow::Int64,
        (DataType::UInt8, _) => Arrow::UInt8,
        (DataType::UInt16, _) => Arrow::UInt16,
        (DataType::UInt32, _) => Arrow::UInt32,
        (DataType::UInt64, _) => Arrow::UInt64,
        (DataType::Float16, _) => Arrow::Float16,
        (DataType::Float32, _) => Arrow::Float32,
        (DataType::Float64, _) => Arrow::Float64,
        (DataType::Date, _) => Arrow::Date32,
        (DataType::Timestamp { unit, .. }, Arrow::Timestamp(_, zone)) => Arrow::Timestamp(arrow_unit(*unit), zone.clone()),
        (DataType::List(own) | DataType::Vector(own, _), Arrow::List(field) | Arrow::LargeList(field) | Arrow::FixedSizeList(field, _)) => {
            Arrow::List(datatypes::Field::clone(field).with_data_type(arrow_type(own, field.data_type())).into())
        }
        (_, to) => to.clone(),
    }
}

fn arrow_unit(unit: types::TimeUnit) -> TimeUnit {
    match unit {
        types::TimeUnit::S => TimeUnit::Second,
        types::TimeUnit::Ms => TimeUnit::Millisecond,
        types::TimeUnit::Us => TimeUnit::Microsecond,
        types::TimeUnit::Ns => TimeUnit::Nanosecond,
    }
}

/// Polars says a lot; the first line has the reason.
fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or(message).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::expr::parse;
    use arrow::array::*;
    use arrow::datatypes::{DataType as Arrow, Float16Type, Int8Type, Int32Type, Int64Type};
    use std::sync::Arc;

    fn batch() -> RecordBatch {
        let seconds = TimestampSecondArray::from(vec![Some(1_769_904_000), None, Some(0)]).with_timezone("Europe/Berlin");
        let vector = |x: f32| Some([x, x].map(|x| Some(half::f16::from_f32(x))));
        let columns: [(&str, ArrayRef); 9] = [
            ("event", Arc::new(StringArray::from(vec![Some("like"), None, Some("view")]))),
            ("n", Arc::new(Int64Array::from(vec![Some(300), None, Some(-1)]))),
            ("f", Arc::new(Float64Array::from(vec![Some(2.5), None, Some(-2.5)]))),
            ("digits", Arc::new(StringArray::from(vec![Some("12"), None, Some("1e2")]))),
            ("at", Arc::new(seconds)),
            ("vector", Arc::new(FixedSizeListArray::from_iter_primitive::<Float16Type, _, _>(vec![vector(1.0), None, vector(0.5)], 2))),
            ("price", Arc::new(Decimal128Array::from(vec![1, 2, 3]))),
            ("large", Arc::new(LargeStringArray::from(vec!["x", "y", "z"]))),
            ("blob", Arc::new(BinaryArray::from(vec![&b"\xff"[..], b"", b"a"]))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
    }

    fn mask(text: &str) -> Vec<bool> {
        filter_mask(&batch(), &parse(text).unwrap()).unwrap_or_else(|error| panic!("{error}")).iter().flatten().collect()
    }

    fn values(text: &str, to: &Arrow) -> ArrayRef {
        value(&batch(), &parse(text).unwrap(), to).unwrap_or_else(|error| panic!("{error}"))
    }

    fn refused(text: &str, to: &Arrow) -> String {
        value(&batch(), &parse(text).unwrap(), to).expect_err(text).to_string()
    }

    #[test]
    fn null_is_not_true() {
        let cases = [
            ("event = 'like'", [true, false, false]),
            ("event <> 'like'", [false, false, true]),
            ("NOT event = 'like'", [false, false, true]),
            ("event = 'like' OR event IS NULL", [true, true, false]),
            ("event IN ('like', NULL)", [true, false, false]),
            ("event NOT IN ('like', NULL)", [false, false, false]),
            ("event NOT IN ('like')", [false, false, true]),
            ("(event = 'like') IS NOT TRUE", [false, true, true]),
            ("n BETWEEN -1 AND f", [false, false, false]),
            ("n > 0 AND NULL", [false, false, false]),
            ("n < 0 OR NULL", [false, false, true]),
            ("TRUE", [true, true, true]),
            ("NULL", [false, false, false]),
            ("vector IS NOT NULL", [true, false, true]),
            ("list_contains(vector, 0.5)", [false, false, true]),
            ("at < TIMESTAMP '2026-02-01 00:00:00.000001Z' AND at > TIMESTAMP '2026-01-31 23:59:59.999999Z'", [true, false, false]),
            ("large LIKE 'x'", [true, false, false]),
            ("blob = blob", [true, true, true]),
            ("CAST(CAST(at AS bigint) AS timestamp<s, UTC>) = at", [true, false, true]),
        ];
        for (text, expected) in cases {
            assert_eq!(mask(text), expected, "{text}");
        }
    }

    #[test]
    fn values_take_the_type_asked_for() {
        assert_eq!(values("n > 0", &Arrow::Boolean).as_ref(), &BooleanArray::from(vec![Some(true), None, Some(false)]));
        assert_eq!(values("n / 2", &Arrow::Float32).as_ref(), &Float32Array::from(vec![Some(150.0), None, Some(-0.5)]));
        assert_eq!(values("n", &Arrow::Int32).as_primitive::<Int32Type>().values()[2], -1);
        assert_eq!(values("round(f)", &Arrow::Int8).as_primitive::<Int8Type>().values()[2], -3);
        assert_eq!(values("CAST(f AS bigint)", &Arrow::Int64).as_primitive::<Int64Type>().values()[2], -2);
        assert_eq!(values("event", &Arrow::LargeUtf8).as_string::<i64>().value(2), "view");
        assert_eq!(values("CAST(digits AS float64)", &Arrow::Float64).as_primitive::<Float64Type>().values()[2], 100.0);
        for column in batch().schema().fields().iter().filter(|field| field.name() != "price") {
            assert_eq!(&values(column.name(), column.data_type()), batch().column_by_name(column.name()).unwrap());
        }
    }

    #[test]
    fn constants_and_no_rows_have_their_length() {
        assert_eq!(values("1 + 1", &Arrow::Int64).as_ref(), &Int64Array::from(vec![2, 2, 2]));
        assert_eq!(values("NULL", &Arrow::Utf8).null_count(), 3);
        for text in ["1 + 1", "n", "coalesce(n, 1)"] {
            let none = value(&batch().slice(0, 0), &parse(text).unwrap(), &Arrow::Int64).unwrap();
            assert_eq!((none.len(), none.data_type()), (0, &Arrow::Int64), "{text}");
        }
        assert_eq!(values("n", &Arrow::Int64).slice(2, 1).as_ref(), &Int64Array::from(vec![-1]));
        let tail = value(&batch().slice(2, 1), &parse("concat(event, '!')").unwrap(), &Arrow::Utf8).unwrap();
        assert_eq!(tail.as_string::<i32>().value(0), "view!");
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let cases = [
            ("n", Arrow::Int8, "`n`: Cast error"),
            ("n * 9223372036854775807", Arrow::Int64, "300 * 9223372036854775807 is beyond int64"),
            ("CAST(n AS int8)", Arrow::Int8, "`CAST(n AS int8)`: conversion"),
            ("CAST(digits AS bigint)", Arrow::Int64, "'1e2' is no"),
            ("f", Arrow::Int64, "2.5 is no integer"),
            ("event", Arrow::Int64, "`event` is string"),
            ("n", Arrow::Utf8, "`n` is int64, which does not become Utf8"),
            ("n", Arrow::Boolean, "does not become Boolean"),
            ("evnt", Arrow::Utf8, "did you mean `event`?"),
            ("price", Arrow::Int64, "Decimal128"),
        ];
        for (text, to, said) in cases {
            let message = refused(text, &to);
            assert!(message.contains(said), "{text}: {message}");
        }
        assert!(filter_mask(&batch(), &parse("n").unwrap()).is_err());
    }

    #[test]
    fn a_branch_not_taken_cannot_fail() {
        let text = "CASE WHEN event = 'view' THEN CAST(n AS uint8) ELSE 0 END";
        assert!(refused(text, &Arrow::Int64).contains("conversion"));
        let text = "CASE WHEN n < 300 THEN CAST(n AS int8) * 9223372036854775807 ELSE n END";
        assert_eq!(values(text, &Arrow::Int64).as_primitive::<Int64Type>().values()[2], -i64::MAX);
    }

    /// On the small stack of a test's thread.
    #[test]
    fn the_longest_expression_is_evaluated() {
        let chain = vec!["n = 1"; 148].join(" OR ") + " OR n = -1";
        assert_eq!(mask(&chain), [false, false, true]);
        let nested = format!("{}n{}", "abs(-".repeat(40), ")".repeat(40));
        assert_eq!(values(&nested, &Arrow::Int64).as_primitive::<Int64Type>().values()[0], 300);
    }
}
