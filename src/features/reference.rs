//! The naive reference: for each row, all events are held against the definition, and folded by the definition.
//!
//! Shares nothing with the kernels but their inputs. Slow on purpose; only tests use it.

use super::as_of::AsOf;
use super::keyed::Keyed;
use super::rolling::{Reach, Rolling, WindowSpan};
use crate::catalog::aggregate::Options;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};

/// One cell of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Whole(i128),
    Float(f64),
    Text(String),
    List(Vec<Option<Value>>),
}

impl Value {
    /// Equality as `distinct` means it.
    pub fn same(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Float(a), Value::Float(b)) => a == b || a.is_nan() && b.is_nan(),
            (a, b) => a == b,
        }
    }

    /// Equality up to the rounding of floats.
    pub fn close(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Float(a), Value::Float(b)) => self.same(other) || (a - b).abs() <= 1e-12 * a.abs().max(b.abs()).max(1.0),
            (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(a, b)),
            (a, b) => a == b,
        }
    }

    fn float(&self) -> f64 {
        match self {
            Value::Whole(whole) => *whole as f64,
            Value::Float(float) => *float,
            other => panic!("{other:?} is no number"),
        }
    }

    fn less(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Whole(a), Value::Whole(b)) => a < b,
            (Value::Float(a), Value::Float(b)) => a < b,
            (Value::Text(a), Value::Text(b)) => a < b,
            other => panic!("{other:?} have no order"),
        }
    }

    fn is_nan(&self) -> bool {
        matches!(self, Value::Float(float) if float.is_nan())
    }
}

/// [`Value::close`] of cells that may be null.
pub fn close(a: &Option<Value>, b: &Option<Value>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.close(b),
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// Reads one cell.
pub fn cell(array: &ArrayRef, row: usize) -> Option<Value> {
    if array.is_null(row) {
        return None;
    }
    let one = array.slice(row, 1);
    Some(match array.data_type() {
        DataType::UInt64 => Value::Whole(one.as_primitive::<UInt64Type>().value(0).into()),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            Value::Text(cast(&one, &DataType::Utf8).unwrap().as_string::<i32>().value(0).to_string())
        }
        DataType::List(_) => Value::List(column(&one.as_list::<i32>().value(0))),
        DataType::LargeList(_) => Value::List(column(&one.as_list::<i64>().value(0))),
        float if float.is_floating() => Value::Float(cast(&one, &DataType::Float64).unwrap().as_primitive::<Float64Type>().value(0)),
        _ => Value::Whole(cast(&one, &DataType::Int64).unwrap().as_primitive::<Int64Type>().value(0).into()),
    })
}

/// Reads all cells.
pub fn column(array: &ArrayRef) -> Vec<Option<Value>> {
    (0..array.len()).map(|row| cell(array, row)).collect()
}

/// The key of a row, unless a part is null.
fn key(side: &Keyed, row: usize) -> Option<Vec<Value>> {
    side.keys.iter().map(|part| cell(part, row)).collect()
}

fn keys(side: &Keyed) -> Vec<Option<Vec<Value>>> {
    (0..side.times.len()).map(|row| key(side, row)).collect()
}

/// Whether a window of a row at an instant covers an event.
pub fn covers(span: &WindowSpan, at: i64, event: i64) -> bool {
    let (at, event, offset) = (i128::from(at), i128::from(event), i128::from(span.offset));
    let near = if span.forward { at + offset } else { at - offset };
    match (span.reach, span.forward) {
        (Reach::Lifetime, false) => event < near,
        (Reach::Lifetime, true) => event > near,
        (Reach::Of(width), false) => near - i128::from(width) <= event && event < near,
        (Reach::Of(width), true) => near < event && event <= near + i128::from(width),
    }
}

/// For each window, the rows of the events that each row of the spine sees.
pub fn seen(spine: &Keyed, events: &Keyed, span: &WindowSpan, known: Option<&[Option<i64>]>) -> Vec<Vec<usize>> {
    let event_keys = keys(events);
    let sees = |key: &Option<Vec<Value>>, at: i64, event: usize| {
        key.is_some()
            && *key == event_keys[event]
            && covers(span, at, events.times[event])
            && known.is_none_or(|known| known[event].is_some_and(|known| known <= at))
    };
    let row = |(key, at): (Option<Vec<Value>>, &i64)| (0..events.times.len()).filter(|event| sees(&key, *at, *event)).collect();
    keys(spine).into_iter().zip(spine.times).map(row).collect()
}

/// What [`rolling`](super::rolling::rolling) should say.
pub fn rolling(spine: &Keyed, events: &Keyed, what: &Rolling, known: Option<&[Option<i64>]>) -> Vec<Vec<Option<Value>>> {
    let values = what.values.map(column);
    let one_window = |span: &WindowSpan| {
        let rows = seen(spine, events, span, known).into_iter().zip(spine.times);
        rows.map(|(seen, at)| {
            let times: Vec<i64> = seen.iter().map(|event| events.times[*event]).collect();
            let cells = values.as_ref().map(|values| seen.iter().map(|event| values[*event].clone()).collect());
            fold(what, &times, cells, *at)
        })
        .collect()
    };
    what.windows.iter().map(one_window).collect()
}

/// One window of one row; `cells` for aggregates that read a column.
fn fold(what: &Rolling, times: &[i64], cells: Option<Vec<Option<Value>>>, at: i64) -> Option<Value> {
    let values = flattened(cells.unwrap_or_default(), what.options);
    match what.aggregate.name() {
        "count" => Some(Value::Whole(times.len() as i128)),
        "count_distinct" => Some(Value::Whole(latest_occurrences(&values).len() as i128)),
        "time_since_last" => times.iter().map(|time| at.abs_diff(*time)).min().map(|units| seconds(units, what.units_per_second)),
        _ if values.is_empty() => None,
        "sum" => Some(sum(&values)),
        "mean" => Some(Value::Float(sum(&values).float() / values.len() as f64)),
        "var" => variance(&values).map(Value::Float),
        "stddev" => variance(&values).map(|variance| Value::Float(variance.sqrt())),
        "min" => Some(extreme(&values, |a, b| a.less(b))),
        "max" => Some(extreme(&values, |a, b| b.less(a))),
        "first" => values.first().cloned(),
        "last" => values.last().cloned(),
        "first_k" => Some(first_k(values, what.options)),
        "last_k" => Some(last_k(values, what.options)),
        "distinct" => Some(newest(latest_occurrences(&values), what.options.max)),
        other => panic!("no reference for {other}; write one"),
    }
}

fn flattened(cells: Vec<Option<Value>>, options: &Options) -> Vec<Value> {
    let elements = |value: Value| match value {
        Value::List(elements) if options.flatten => elements,
        single => vec![Some(single)],
    };
    cells.into_iter().flatten().flat_map(elements).flatten().collect()
}

fn seconds(units: u64, per_second: i64) -> Value {
    Value::Float(units as f64 / per_second as f64)
}

fn sum(values: &[Value]) -> Value {
    match values[0] {
        Value::Whole(_) => Value::Whole(values.iter().map(|value| if let Value::Whole(whole) = value { *whole } else { 0 }).sum()),
        _ => Value::Float(values.iter().map(Value::float).sum()),
    }
}

/// In two passes.
fn variance(values: &[Value]) -> Option<f64> {
    let number = values.len() as f64;
    let mean = values.iter().map(Value::float).sum::<f64>() / number;
    let squares: f64 = values.iter().map(|value| (value.float() - mean).powi(2)).sum();
    (values.len() > 1).then(|| squares / (number - 1.0))
}

fn extreme(values: &[Value], beats: impl Fn(&Value, &Value) -> bool) -> Value {
    let nan = values.iter().find(|value| value.is_nan());
    let best = || values.iter().reduce(|best, value| if beats(value, best) { value } else { best });
    nan.or_else(best).cloned().unwrap()
}

/// Each different value once, where it occurs last.
fn latest_occurrences(values: &[Value]) -> Vec<Value> {
    let occurs_later = |at: usize| values[at + 1..].iter().any(|later| later.same(&values[at]));
    (0..values.len()).filter(|at| !occurs_later(*at)).map(|at| values[at].clone()).collect()
}

/// Each different value once, where it occurs first.
fn earliest_occurrences(values: &[Value]) -> Vec<Value> {
    let occurs_before = |at: usize| values[..at].iter().any(|earlier| earlier.same(&values[at]));
    (0..values.len()).filter(|at| !occurs_before(*at)).map(|at| values[at].clone()).collect()
}

fn first_k(values: Vec<Value>, options: &Options) -> Value {
    let values = if options.distinct { earliest_occurrences(&values) } else { values };
    list(values.into_iter().take(options.k.unwrap() as usize).collect())
}

fn last_k(values: Vec<Value>, options: &Options) -> Value {
    newest(if options.distinct { latest_occurrences(&values) } else { values }, options.k)
}

fn newest(values: Vec<Value>, k: Option<u64>) -> Value {
    let excess = k.map_or(0, |k| values.len().saturating_sub(k as usize));
    list(values[excess..].to_vec())
}

fn list(values: Vec<Value>) -> Value {
    Value::List(values.into_iter().map(Some).collect())
}

/// What [`as_of`](super::as_of::as_of) should say.
pub fn as_of(spine: &Keyed, right: &Keyed, how: &AsOf) -> Vec<Option<u32>> {
    let right_keys = keys(right);
    let fits = |key: &Option<Vec<Value>>, at: i64, row: usize| {
        let time = right.times[row];
        key.is_some()
            && *key == right_keys[row]
            && (time < at || how.inclusive && time == at)
            && how.max_age.is_none_or(|age| i128::from(at) - i128::from(time) <= i128::from(age))
            && how.available.is_none_or(|known| known[row].is_some_and(|known| known <= at))
    };
    let row = |(key, at): (Option<Vec<Value>>, &i64)| (0..right.times.len()).rev().find(|row| fits(&key, *at, *row));
    keys(spine).into_iter().zip(spine.times).map(row).map(|row| row.map(|row| row as u32)).collect()
}

/// What [`latest`](super::latest::latest) should say: the rows, or the time of the first tie along the spine and how many keys tie.
pub fn latest(spine: &Keyed, right: &Keyed) -> Result<Vec<Option<u32>>, (i64, usize)> {
    let right_keys = keys(right);
    let (mut rows, mut tied) = (Vec::new(), Vec::new());
    for key in keys(spine) {
        let of_key: Vec<usize> = (0..right.times.len()).filter(|row| key.is_some() && right_keys[*row] == key).collect();
        let greatest = of_key.iter().map(|row| right.times[*row]).max();
        let newest: Vec<usize> = of_key.into_iter().filter(|row| Some(right.times[*row]) == greatest).collect();
        if newest.len() > 1 && !tied.contains(&(key.clone(), greatest)) {
            tied.push((key, greatest));
        }
        rows.push(newest.last().map(|row| *row as u32));
    }
    tied.first().map_or(Ok(rows), |(_, time)| Err((time.unwrap(), tied.len())))
}
