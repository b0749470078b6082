//! Columns that say each of their different values once: conditions on them are tried once for each value, not for each row.
//!
//! Invariant: an answer is that of the plain column. A condition is a conjunction of parts; a row passes if it passes each of them.

use super::evaluate::{EvaluateError, filter_mask};
use crate::catalog::expr::{Expr, Operator};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use arrow::error::ArrowError;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A column of plain values.
pub fn plain(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match column.data_type() {
        DataType::Dictionary(_, values) => cast(column, values),
        _ => Ok(column.clone()),
    }
}

/// The same rows in plain columns, of those columns that are wanted.
pub fn plain_columns(rows: &RecordBatch, wanted: impl Fn(&str) -> bool) -> Result<RecordBatch, ArrowError> {
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in rows.schema_ref().fields().iter().zip(rows.columns()).filter(|(field, _)| wanted(field.name())) {
        let column = plain(column)?;
        fields.push(Arc::new(Field::clone(field).with_data_type(column.data_type().clone())));
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

/// The rows for which a condition is true.
pub fn passing(rows: &RecordBatch, expr: &Expr) -> Result<BooleanBuffer, EvaluateError> {
    if let Expr::Binary { operator: Operator::And, left, right } = expr {
        return Ok(&passing(rows, left)? & &passing(rows, right)?);
    }
    let names = expr.columns();
    match names.iter().next().and_then(|name| rows.column_by_name(name).map(|column| (name, column))) {
        Some((name, column)) if names.len() == 1 && is_dictionary(column) => passing_values(name, column, expr),
        _ => passing_rows(rows, &names, expr),
    }
}

/// With the keys that the reader makes.
fn is_dictionary(column: &ArrayRef) -> bool {
    matches!(column.data_type(), DataType::Dictionary(keys, _) if **keys == DataType::Int32)
}

fn passing_rows(rows: &RecordBatch, names: &BTreeSet<String>, expr: &Expr) -> Result<BooleanBuffer, EvaluateError> {
    let is_plain = |name: &String| rows.column_by_name(name).is_none_or(|column| !matches!(column.data_type(), DataType::Dictionary(..)));
    let mask = match names.iter().all(is_plain) {
        true => filter_mask(rows, expr)?,
        // All other columns stay, so that an error can say what there is.
        false => filter_mask(&plain_columns(rows, |_| true).map_err(|error| EvaluateError::encoding(expr, error))?, expr)?,
    };
    Ok(mask.values().clone())
}

fn passing_values(name: &str, column: &ArrayRef, expr: &Expr) -> Result<BooleanBuffer, EvaluateError> {
    let unfit = |error: ArrowError| EvaluateError::encoding(expr, error);
    let dictionary = column.as_dictionary::<Int32Type>();
    let values = dictionary.values();
    // What a null says is said last. A value that no row has must not be tried: it could fail.
    let used = used(dictionary.keys().values(), column.logical_nulls().as_ref(), values.len());
    let null = new_null_array(values.data_type(), usize::from(column.null_count() > 0));
    let tried = arrow::compute::filter(values, &used).and_then(|used| concat(&[used.as_ref(), null.as_ref()])).map_err(unfit)?;
    let tried = RecordBatch::try_from_iter_with_nullable([(name, tried, true)]).map_err(unfit)?;
    let passes = filter_mask(&tried, expr)?;
    let mut answers = passes.iter().flatten();
    let of_values: Vec<bool> = used.iter().map(|used| used == Some(true) && answers.next().unwrap_or(false)).collect();
    let of_null = answers.next().unwrap_or(false);
    let keys = dictionary.keys();
    let of_row = |row: usize| of_values.get(keys.value(row) as usize).copied().unwrap_or(false);
    Ok(match column.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
        None => BooleanBuffer::collect_bool(keys.len(), of_row),
        Some(nulls) => BooleanBuffer::collect_bool(keys.len(), |row| if nulls.is_valid(row) { of_row(row) } else { of_null }),
    })
}

/// The values that some row has.
fn used(keys: &[i32], nulls: Option<&arrow::buffer::NullBuffer>, values: usize) -> BooleanArray {
    let mut used = vec![false; values];
    for (row, key) in keys.iter().enumerate() {
        if nulls.is_none_or(|nulls| nulls.is_valid(row)) {
            used[*key as usize] = true;
        }
    }
    used.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::expr::parse;
    use arrow::array::{DictionaryArray, Int64Array};

    fn rows(is_dictionary: bool) -> RecordBatch {
        let events: DictionaryArray<Int32Type> =
            [Some("like"), None, Some("view"), Some("12"), Some("like"), Some("")].into_iter().collect();
        let events: ArrayRef = Arc::new(events);
        let events = if is_dictionary { events } else { plain(&events).unwrap() };
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), None, Some(4), Some(5), Some(6)]));
        RecordBatch::try_from_iter_with_nullable([("event", events, true), ("n", numbers, true)]).unwrap()
    }

    #[test]
    fn conditions_hold_for_the_same_rows() {
        let conditions = [
            "event = 'like'",
            "event <> 'like'",
            "event IS NULL",
            "event IS NOT NULL AND n > 1",
            "event IN ('like', 'view') AND (n > 1 OR event = 'like')",
            "length(event) = n",
            "event = 'like' AND NULL",
            "coalesce(event, 'view') = 'view'",
            "n < 5",
            "TRUE",
        ];
        for condition in conditions.map(|text| parse(text).unwrap()) {
            let expected = filter_mask(&rows(false), &condition).unwrap();
            assert_eq!(&passing(&rows(true), &condition).unwrap(), expected.values(), "{condition}");
            let sliced = passing(&rows(true).slice(1, 4), &condition).unwrap();
            assert_eq!(sliced, expected.values().slice(1, 4), "{condition}");
        }
    }

    #[test]
    fn values_of_no_row_cannot_fail() {
        let digits = parse("CAST(event AS bigint) = 12").unwrap();
        let message = passing(&rows(true), &digits).unwrap_err().to_string();
        assert!(message.contains("'like' is no"), "{message}");
        assert_eq!(passing(&rows(true).slice(3, 1), &digits).unwrap().iter().collect::<Vec<_>>(), [true]);
    }
}
