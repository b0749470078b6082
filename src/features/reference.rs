//! The naive reference: for each row, all events are held against the definition, and folded by the definition.
//!
//! Shares nothing with the kernels but their inputs. Slow on purpose; only tests use it. It can be made to make a [`Bug`], so that a
//! comparison can be shown to find it.

use super::as_of::AsOf;
use super::keyed::Keyed;
use super::rolling::{Reach, Rolling, WindowSpan};
use crate::catalog::aggregate::Options;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};

/// A mistake of a kind that peers have made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// `ts <= t` for `ts < t`: a window covers the row's own instant.
    OwnInstant,
    /// An event at `t − w` is left out.
    StartExcluded,
    /// The offset moves windows the other way.
    OffsetTurned,
    /// Equal nulls are equal keys.
    NullKeysMatch,
    /// Of a composite key only the first part is compared.
    FirstPartAlone,
    /// What became known after a row is known to it.
    KnowledgeIgnored,
    /// Of rows of one instant an as-of join takes the first.
    TieLost,
    /// An as-of join takes a row of its own instant, though it is strict.
    StrictForgotten,
    /// A row exactly as old as is allowed is too old.
    MaxAgeShort,
    /// `n` for `n − 1`.
    PopulationVariance,
    /// A least or greatest value passes over NaN.
    NanSkipped,
    /// Lists of the last values hold the newest first.
    NewestFirst,
    /// Different values stand where they occur first.
    DistinctByFirst,
    /// A static join takes the last of several newest rows.
    StaticTieTaken,
}

impl Bug {
    pub const ALL: [Bug; 14] = [
        Bug::OwnInstant,
        Bug::StartExcluded,
        Bug::OffsetTurned,
        Bug::NullKeysMatch,
        Bug::FirstPartAlone,
        Bug::KnowledgeIgnored,
        Bug::TieLost,
        Bug::StrictForgotten,
        Bug::MaxAgeShort,
        Bug::PopulationVariance,
        Bug::NanSkipped,
        Bug::NewestFirst,
        Bug::DistinctByFirst,
        Bug::StaticTieTaken,
    ];
}

/// The reference, with the mistake that it is to make.
#[derive(Clone, Copy, Default)]
pub struct Naive {
    pub bug: Option<Bug>,
}

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

type Key = Vec<Option<Value>>;

fn keys(side: &Keyed) -> Vec<Key> {
    (0..side.times.len()).map(|row| side.keys.iter().map(|part| cell(part, row)).collect()).collect()
}

/// Whether a window of a row at an instant covers an event.
pub fn covers(span: &WindowSpan, at: i64, event: i64) -> bool {
    Naive::default().covers(span, at, event)
}

/// For each window, the rows of the events that each row of the spine sees.
pub fn seen(spine: &Keyed, events: &Keyed, span: &WindowSpan, known: Option<&[Option<i64>]>) -> Vec<Vec<usize>> {
    Naive::default().seen(spine, events, span, known)
}

impl Naive {
    fn makes(self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Null keys match nothing.
    fn alike(self, one: &Key, other: &Key) -> bool {
        let parts = if self.makes(Bug::FirstPartAlone) { 1 } else { one.len() };
        let nulls = self.makes(Bug::NullKeysMatch);
        one.iter().zip(other).take(parts).all(|(one, other)| (nulls || one.is_some()) && one == other)
    }

    fn covers(self, span: &WindowSpan, at: i64, event: i64) -> bool {
        let (at, event, offset) = (i128::from(at), i128::from(event), i128::from(span.offset));
        let offset = if self.makes(Bug::OffsetTurned) { -offset } else { offset };
        // How far beyond the nearer end of the window.
        let beyond = if span.forward { event - (at + offset) } else { (at - offset) - event };
        let is_beyond = beyond > 0 || beyond == 0 && self.makes(Bug::OwnInstant);
        is_beyond
            && match span.reach {
                Reach::Lifetime => true,
                Reach::Of(width) if self.makes(Bug::StartExcluded) => beyond < i128::from(width),
                Reach::Of(width) => beyond <= i128::from(width),
            }
    }

    fn is_known(self, known: Option<&[Option<i64>]>, event: usize, at: i64) -> bool {
        self.makes(Bug::KnowledgeIgnored) || known.is_none_or(|known| known[event].is_some_and(|known| known <= at))
    }

    pub fn seen(self, spine: &Keyed, events: &Keyed, span: &WindowSpan, known: Option<&[Option<i64>]>) -> Vec<Vec<usize>> {
        let event_keys = keys(events);
        let sees = |key: &Key, at: i64, event: usize| {
            self.alike(key, &event_keys[event]) && self.covers(span, at, events.times[event]) && self.is_known(known, event, at)
        };
        let row = |(key, at): (Key, &i64)| (0..events.times.len()).filter(|event| sees(&key, *at, *event)).collect();
        keys(spine).into_iter().zip(spine.times).map(row).collect()
    }

    /// What [`rolling`](super::rolling::rolling) should say.
    pub fn rolling(self, spine: &Keyed, events: &Keyed, what: &Rolling, known: Option<&[Option<i64>]>) -> Vec<Vec<Option<Value>>> {
        let values = what.values.map(column);
        let one_window = |span: &WindowSpan| {
            let rows = self.seen(spine, events, span, known).into_iter().zip(spine.times);
            rows.map(|(seen, at)| {
                let times: Vec<i64> = seen.iter().map(|event| events.times[*event]).collect();
                let cells = values.as_ref().map(|values| seen.iter().map(|event| values[*event].clone()).collect());
                self.fold(what, &times, cells, *at)
            })
            .collect()
        };
        what.windows.iter().map(one_window).collect()
    }

    /// One window of one row; `cells` for aggregates that read a column.
    fn fold(self, what: &Rolling, times: &[i64], cells: Option<Vec<Option<Value>>>, at: i64) -> Option<Value> {
        let values = flattened(cells.unwrap_or_default(), what.options);
        let latest =
            |values: &[Value]| if self.makes(Bug::DistinctByFirst) { earliest_occurrences(values) } else { latest_occurrences(values) };
        match what.aggregate.name() {
            "count" => Some(Value::Whole(times.len() as i128)),
            "count_distinct" => Some(Value::Whole(latest_occurrences(&values).len() as i128)),
            "time_since_last" => times.iter().map(|time| at.abs_diff(*time)).min().map(|units| seconds(units, what.units_per_second)),
            _ if values.is_empty() => None,
            "sum" => Some(sum(&values)),
            "mean" => Some(Value::Float(sum(&values).float() / values.len() as f64)),
            "var" => self.variance(&values).map(Value::Float),
            "stddev" => self.variance(&values).map(|variance| Value::Float(variance.sqrt())),
            "min" => Some(self.extreme(&values, |a, b| a.less(b))),
            "max" => Some(self.extreme(&values, |a, b| b.less(a))),
            "first" => values.first().cloned(),
            "last" => values.last().cloned(),
            "first_k" => Some(first_k(values, what.options)),
            "last_k" => {
                let different = what.options.distinct.then(|| latest(&values));
                Some(self.newest(different.unwrap_or(values), what.options.k))
            }
            "distinct" => Some(self.newest(latest(&values), what.options.max)),
            other => panic!("no reference for {other}; write one"),
        }
    }

    /// In two passes.
    fn variance(self, values: &[Value]) -> Option<f64> {
        let number = values.len() as f64;
        let mean = values.iter().map(Value::float).sum::<f64>() / number;
        let squares: f64 = values.iter().map(|value| (value.float() - mean).powi(2)).sum();
        let free = if self.makes(Bug::PopulationVariance) { number } else { number - 1.0 };
        (values.len() > 1).then(|| squares / free)
    }

    fn extreme(self, values: &[Value], beats: impl Fn(&Value, &Value) -> bool) -> Value {
        let plain: Vec<Value> = values.iter().filter(|value| !self.makes(Bug::NanSkipped) || !value.is_nan()).cloned().collect();
        let values = if plain.is_empty() { values } else { &plain };
        let nan = values.iter().find(|value| value.is_nan());
        let best = || values.iter().reduce(|best, value| if beats(value, best) { value } else { best });
        nan.or_else(best).cloned().unwrap()
    }

    fn newest(self, values: Vec<Value>, k: Option<u64>) -> Value {
        let excess = k.map_or(0, |k| values.len().saturating_sub(k as usize));
        let mut newest = values[excess..].to_vec();
        if self.makes(Bug::NewestFirst) {
            newest.reverse();
        }
        list(newest)
    }

    /// What [`as_of`](super::as_of::as_of) should say.
    pub fn as_of(self, spine: &Keyed, right: &Keyed, how: &AsOf) -> Vec<Option<u32>> {
        let right_keys = keys(right);
        let inclusive = how.inclusive || self.makes(Bug::StrictForgotten);
        let is_young = |age: i128, most: i64| age < i128::from(most) || age == i128::from(most) && !self.makes(Bug::MaxAgeShort);
        let fits = |key: &Key, at: i64, row: usize| {
            let time = right.times[row];
            self.alike(key, &right_keys[row])
                && (time < at || inclusive && time == at)
                && how.max_age.is_none_or(|most| is_young(i128::from(at) - i128::from(time), most))
                && self.is_known(how.available, row, at)
        };
        let first_of_tie = |key: &Key, at: i64, found: usize| {
            (0..=found).find(|row| right.times[*row] == right.times[found] && fits(key, at, *row)).unwrap_or(found)
        };
        let row = |(key, at): (Key, &i64)| {
            let found = (0..right.times.len()).rev().find(|row| fits(&key, *at, *row))?;
            Some(if self.makes(Bug::TieLost) { first_of_tie(&key, *at, found) } else { found } as u32)
        };
        keys(spine).into_iter().zip(spine.times).map(row).collect()
    }

    /// What [`latest`](super::latest::latest) should say: the rows, or the time of the first tie along the spine and how many keys tie.
    pub fn latest(self, spine: &Keyed, right: &Keyed) -> Result<Vec<Option<u32>>, (i64, usize)> {
        let right_keys = keys(right);
        let (mut rows, mut tied) = (Vec::new(), Vec::new());
        for key in keys(spine) {
            let of_key: Vec<usize> = (0..right.times.len()).filter(|row| self.alike(&key, &right_keys[*row])).collect();
            let greatest = of_key.iter().map(|row| right.times[*row]).max();
            let newest: Vec<usize> = of_key.into_iter().filter(|row| Some(right.times[*row]) == greatest).collect();
            if newest.len() > 1 && !self.makes(Bug::StaticTieTaken) && !tied.contains(&(key.clone(), greatest)) {
                tied.push((key, greatest));
            }
            rows.push(newest.last().map(|row| *row as u32));
        }
        tied.first().map_or(Ok(rows), |(_, time)| Err((time.unwrap(), tied.len())))
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

fn list(values: Vec<Value>) -> Value {
    Value::List(values.into_iter().map(Some).collect())
}
