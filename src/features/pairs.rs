//! Rolling windows by Polars: every pair of a row and an event of its key is made, those outside the window are filtered away, the rest is
//! grouped by row. The slow engine, easy to trust: its windows are two comparisons, its keys a join, its folds Polars' own.
//!
//! Knows which events belong to a window; what they are worth says a [`recipe`](super::recipe). Shares nothing with the native kernel but its
//! inputs and the registry's names. Invariants: one answer per spine row, in spine order; rows go through Polars in portions of a bounded
//! number of pairs, so that memory does not grow with the product of both sides; the portions change no bit, since each row lies in one.

use super::bridge::{self, BridgeError};
use super::keyed::Keyed;
use super::recipe::{Recipe, VALUE, recipe};
use super::rolling::{KernelError, Reach, Rolling, WindowSpan};
use arrow::array::{Array, ArrayRef, Int64Array, UInt32Array};
use arrow::compute::{concat, take};
use polars::prelude::{
    Column, DataFrame, ExplodeOptions, Expr, IntoLazy, JoinArgs, JoinType, LazyFrame, PolarsError, SortMultipleOptions, col, cols, len,
};
use std::ops::Range;
use std::sync::Arc;

/// Pairs that one portion of the rows may make.
const PAIRS: u64 = if cfg!(test) { 40 } else { 1 << 22 };

/// One array per window, one row per spine row; with `known`, an event counts only for rows at or after the instant it became known.
pub fn rolling(spine: &Keyed, events: &Keyed, what: &Rolling, known: Option<&[Option<i64>]>) -> Result<Vec<ArrayRef>, KernelError> {
    let aggregate = what.aggregate.name();
    let values = what.values.filter(|_| what.aggregate.takes_column());
    let element = values.map(|values| values.data_type().clone());
    let none = || KernelError::Unfit { aggregate, why: "is nothing that Polars computes here; use compute engine=\"native\"".into() };
    let recipe = recipe(aggregate, element.as_ref(), what).ok_or_else(none)?;
    let unfit = |error: PairsError| error.of(aggregate);
    let history = History::new(events, values, known, what).map_err(unfit)?;
    let portions = portions(&history.counts(spine).map_err(unfit)?);
    what.windows.iter().map(|span| history.window(spine, span, &recipe, &portions).map_err(unfit)).collect()
}

/// Why there is no result.
enum PairsError {
    Bridge(BridgeError),
    /// A sum that exceeds its type.
    Overflow(&'static str),
}

impl PairsError {
    fn of(self, aggregate: &'static str) -> KernelError {
        match self {
            Self::Bridge(error) => KernelError::Unfit { aggregate, why: format!("fails in Polars: {error}") },
            Self::Overflow(limit) => KernelError::Overflow { aggregate, limit },
        }
    }
}

impl From<BridgeError> for PairsError {
    fn from(error: BridgeError) -> Self {
        Self::Bridge(error)
    }
}

impl From<PolarsError> for PairsError {
    fn from(error: PolarsError) -> Self {
        Self::Bridge(error.into())
    }
}

impl From<arrow::error::ArrowError> for PairsError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::Bridge(error.into())
    }
}

const ROW: &str = "row";
const EVENT: &str = "event";
/// An event's time, also for recipes.
pub const TIME: &str = "time";
const KNOWN: &str = "known";
const AT: &str = "at";
const NEAR: &str = "near";
const FAR: &str = "far";

/// The events that have a value, numbered in their order.
struct History {
    /// Keys, times and numbers.
    facts: DataFrame,
    /// Times and values, by number.
    values: DataFrame,
    keys: Vec<Expr>,
}

impl History {
    fn new(events: &Keyed, values: Option<&ArrayRef>, known: Option<&[Option<i64>]>, what: &Rolling) -> Result<Self, PairsError> {
        let mut columns = key_columns(events)?;
        columns.push(bridge::series(TIME, &int64(events.times.to_vec()))?.into());
        if let Some(known) = known {
            columns.push(bridge::series(KNOWN, &(Arc::new(Int64Array::from(known.to_vec())) as ArrayRef))?.into());
        }
        if let Some(values) = values {
            columns.push(bridge::series(VALUE, values)?.into());
        }
        let rows = DataFrame::new(events.times.len(), columns)?.lazy();
        let facts = with_values(rows, values.is_some(), what.options.flatten).with_row_index(EVENT, None).collect()?;
        let keys: Vec<Expr> = (0..events.keys.len()).map(|part| col(key_name(part))).collect();
        let values = facts.clone().lazy().select(value_columns(values.is_some())).collect()?;
        Ok(Self { facts: facts.drop_many([VALUE]), values, keys })
    }

    /// How many events have the key of each row.
    fn counts(&self, spine: &Keyed) -> Result<Vec<u64>, PairsError> {
        let sizes = self.facts.clone().lazy().group_by(&self.keys).agg([len().alias("size")]);
        let rows = spine_frame(spine, 0..spine.times.len(), None)?;
        let rows = rows.lazy().join(sizes, &self.keys, &self.keys, JoinArgs::new(JoinType::Left));
        let sizes = rows.sort([ROW], SortMultipleOptions::default()).select([col("size")]).collect()?;
        let sizes = bridge::array(sizes.column("size")?.as_materialized_series(), &arrow::datatypes::DataType::UInt32)?;
        let sizes = sizes.as_any().downcast_ref::<UInt32Array>().map(|sizes| sizes.iter().map(|size| size.unwrap_or(0).into()).collect());
        Ok(sizes.unwrap_or_default())
    }

    fn window(&self, spine: &Keyed, span: &WindowSpan, recipe: &Recipe, portions: &[Range<usize>]) -> Result<ArrayRef, PairsError> {
        let mut place: Vec<Option<u32>> = vec![None; spine.times.len()];
        let (mut parts, mut found) = (vec![recipe.nothing()], 0);
        for portion in portions {
            let groups = self.groups(spine, portion.clone(), span, recipe)?;
            let rows = bridge::array(groups.column(ROW)?.as_materialized_series(), &arrow::datatypes::DataType::UInt32)?;
            for row in rows.as_any().downcast_ref::<UInt32Array>().into_iter().flat_map(|rows| rows.values()) {
                place[*row as usize] = Some(found);
                found += 1;
            }
            parts.push(recipe.finished(&groups)?.map_err(PairsError::Overflow)?);
        }
        let parts: Vec<&dyn Array> = parts.iter().map(|part| part.as_ref()).collect();
        Ok(recipe.filled(take(&concat(&parts)?, &UInt32Array::from(place), None)?))
    }

    /// Rows with events in their window, and what these are worth.
    fn groups(&self, spine: &Keyed, portion: Range<usize>, span: &WindowSpan, recipe: &Recipe) -> Result<DataFrame, PairsError> {
        let rows = spine_frame(spine, portion, Some(span))?.lazy();
        let pairs = rows.join(self.facts.clone().lazy(), &self.keys, &self.keys, JoinArgs::new(JoinType::Inner));
        let known = self.facts.column(KNOWN).is_ok().then(|| col(KNOWN).lt_eq(col(AT)));
        let inside = known.into_iter().fold(inside(span), Expr::and);
        let order = SortMultipleOptions::default();
        let pairs = pairs.filter(inside).sort([ROW, EVENT], order).select([col(ROW), col(AT), col(EVENT)]).collect()?;
        let seen = self.values.take(pairs.column(EVENT)?.as_materialized_series().idx()?)?;
        let seen = recipe.prepared(pairs.hstack(seen.columns())?)?;
        Ok(seen.lazy().group_by_stable([col(ROW)]).agg(recipe.measures()).collect()?)
    }
}

/// One event for each value that is there.
fn with_values(rows: LazyFrame, has_values: bool, flatten: bool) -> LazyFrame {
    if !has_values {
        return rows;
    }
    let each = ExplodeOptions { empty_as_null: false, keep_nulls: false };
    let rows = if flatten { rows.explode(cols([VALUE]), each) } else { rows };
    rows.filter(col(VALUE).is_not_null())
}

fn value_columns(has_values: bool) -> Vec<Expr> {
    let value = has_values.then(|| col(VALUE));
    [col(TIME)].into_iter().chain(value).collect()
}

/// `t − o − w <= ts < t − o`, or ahead `t + o < ts <= t + o + w`.
fn inside(span: &WindowSpan) -> Expr {
    match span.forward {
        false => col(FAR).lt_eq(col(TIME)).and(col(TIME).lt(col(NEAR))),
        true => col(NEAR).lt(col(TIME)).and(col(TIME).lt_eq(col(FAR))),
    }
}

/// The end that is excluded, and the one that is included, where times end if need be.
fn ends(span: &WindowSpan, at: i64) -> (i64, i64) {
    let beyond = |from: i64, by: i64| if span.forward { from.saturating_add(by) } else { from.saturating_sub(by) };
    let near = beyond(at, span.offset);
    match span.reach {
        Reach::Of(width) => (near, beyond(near, width)),
        Reach::Lifetime => (near, beyond(beyond(near, i64::MAX), i64::MAX)),
    }
}

/// Rows with their numbers, keys, instants and the ends of their windows.
fn spine_frame(spine: &Keyed, rows: Range<usize>, span: Option<&WindowSpan>) -> Result<DataFrame, PairsError> {
    let times = &spine.times[rows.clone()];
    let numbers: ArrayRef = Arc::new(UInt32Array::from_iter_values(rows.start as u32..rows.end as u32));
    let mut columns: Vec<Column> = vec![bridge::series(ROW, &numbers)?.into()];
    for (part, key) in spine.keys.iter().enumerate() {
        columns.push(bridge::series(&key_name(part), &key.slice(rows.start, rows.len()))?.into());
    }
    if let Some(span) = span {
        let end = |of: fn((i64, i64)) -> i64| int64(times.iter().map(|at| of(ends(span, *at))).collect());
        for (name, array) in [(AT, int64(times.to_vec())), (NEAR, end(|ends| ends.0)), (FAR, end(|ends| ends.1))] {
            columns.push(bridge::series(name, &array)?.into());
        }
    }
    Ok(DataFrame::new(rows.len(), columns)?)
}

fn key_columns(side: &Keyed) -> Result<Vec<Column>, PairsError> {
    side.keys.iter().enumerate().map(|(part, key)| Ok(bridge::series(&key_name(part), key)?.into())).collect()
}

fn key_name(part: usize) -> String {
    format!("key {part}")
}

fn int64(values: Vec<i64>) -> ArrayRef {
    Arc::new(Int64Array::from(values))
}

/// Ranges of rows that make few enough pairs, or are single rows.
fn portions(counts: &[u64]) -> Vec<Range<usize>> {
    let (mut portions, mut start, mut pairs) = (Vec::new(), 0, 0);
    for (row, count) in counts.iter().enumerate() {
        if row > start && pairs + count > PAIRS {
            portions.push(start..row);
            (start, pairs) = (row, 0);
        }
        pairs += count;
    }
    portions.extend((start < counts.len()).then_some(start..counts.len()));
    portions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_hold_few_pairs_or_one_row() {
        assert!(portions(&[]).is_empty());
        assert_eq!(portions(&[0, PAIRS, 0, 1]), [0..3, 3..4]);
        assert_eq!(portions(&[5 * PAIRS, 7 * PAIRS]), [0..1, 1..2]);
    }

    #[test]
    fn whole_sums_are_exact_and_do_not_wrap() {
        let keys: [ArrayRef; 1] = [int64(vec![1, 1, 1])];
        let spine: [ArrayRef; 1] = [int64(vec![1])];
        let summed = |values: ArrayRef| {
            let windows = [WindowSpan { reach: Reach::Lifetime, offset: 0, forward: false }];
            let (aggregate, options) = (crate::features::aggregates::by_name("sum").unwrap(), Default::default());
            let what = Rolling { aggregate, options: &options, values: Some(&values), windows: &windows, day: 10, units_per_second: 1 };
            let (spine, events) = (Keyed { keys: &spine, times: &[99] }, Keyed { keys: &keys, times: &[1, 2, 3] });
            assert_eq!(rolling(&spine, &events, &what, None).ok(), super::super::rolling::rolling(&spine, &events, &what).ok());
            rolling(&spine, &events, &what, None)
        };
        let sum = summed(int64(vec![i64::MAX, 1, -1])).unwrap();
        assert_eq!(sum[0].as_ref(), &Int64Array::from(vec![i64::MAX]) as &dyn Array);
        assert_eq!(summed(int64(vec![i64::MAX, 1, 0])).unwrap_err(), KernelError::Overflow { aggregate: "sum", limit: "int64" });
        assert!(summed(int64(vec![i64::MIN, i64::MAX, 1])).is_ok());
        assert!(summed(Arc::new(arrow::array::UInt64Array::from(vec![u64::MAX - 1, 1, 0]))).is_ok());
        assert!(summed(Arc::new(arrow::array::UInt64Array::from(vec![u64::MAX, 1, 0]))).is_err());
    }

    #[test]
    fn a_window_without_end_reaches_as_far_as_times_do() {
        let lifetime = |forward| WindowSpan { reach: Reach::Lifetime, offset: 1, forward };
        assert_eq!(ends(&lifetime(false), 10), (9, i64::MIN));
        assert_eq!(ends(&lifetime(true), -10), (-9, i64::MAX));
        assert_eq!(ends(&WindowSpan { reach: Reach::Of(3), offset: 1, forward: false }, i64::MIN + 2), (i64::MIN + 1, i64::MIN));
    }
}
