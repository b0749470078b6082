//! Joins: the latest row per key, or the last one before each left row. Left rows are never dropped, merged or duplicated.

use super::{arrow_failure, column, with_columns};
use crate::catalog::dag::{Added, On, PitJoin, StaticJoin};
use crate::engine::failure::Failure;
use crate::features::as_of::{self, AsOf};
use crate::features::keyed::Keyed;
use crate::features::latest;
use crate::features::time::{common_unit, from_millis, instants, optional_instants};
use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take;

/// The right row of each left row of a static join.
pub fn latest(left: &RecordBatch, right: &RecordBatch, join: &StaticJoin) -> Result<Vec<Option<u32>>, Failure> {
    let times = match &join.time {
        Some(time) => instants(column(right, &time.name)?, time.unit, time.unit).map_err(Failure::permanent)?,
        None => vec![0; right.num_rows()].into(),
    };
    let keys = keys(right, &join.on, Side::Right)?;
    latest::latest(&keys_of_left(left, &join.on)?, &Keyed { keys: &keys, times: &times }).map_err(|tie| {
        let (keys, key, time) = (tie.keys, tie.key, tie.time);
        let hint = "a static view needs one latest row per key: correct the data, or say how=\"as-of\"";
        Failure::permanent(format!(
            "view `{}`: {keys} keys have several rows at their latest timestamp, such as {key} at {time}; {hint}",
            join.view
        ))
    })
}

/// The as-of join.
pub fn as_of(left: &RecordBatch, right: &RecordBatch, join: &PitJoin) -> Result<RecordBatch, Failure> {
    let known = join.available_at.iter().map(|t| t.unit);
    let unit = common_unit(&known.chain([join.left_time.unit, join.time.unit]).collect::<Vec<_>>());
    let left_times = instants(column(left, &join.left_time.name)?, join.left_time.unit, unit).map_err(Failure::permanent)?;
    let right_times = instants(column(right, &join.time.name)?, join.time.unit, unit).map_err(Failure::permanent)?;
    let available = match &join.available_at {
        Some(known) => Some(optional_instants(column(right, &known.name)?, known.unit, unit).map_err(Failure::permanent)?),
        None => None,
    };
    let max_age = join.max_age.map(|millis| from_millis(millis, unit));
    let how = AsOf { max_age, inclusive: join.inclusive, available: available.as_deref() };
    let (left_keys, right_keys) = (keys_of_left(left, &join.on)?, keys(right, &join.on, Side::Right)?);
    let found = as_of::as_of(&Keyed { keys: &left_keys, times: &left_times }, &Keyed { keys: &right_keys, times: &right_times }, &how);
    attach(left, right, &join.columns, found)
}

#[derive(Clone, Copy)]
pub enum Side {
    Left,
    Right,
}

pub fn keys(rows: &RecordBatch, on: &[On], side: Side) -> Result<Vec<ArrayRef>, Failure> {
    let name = |on: &On| match side {
        Side::Left => on.left.clone(),
        Side::Right => on.right.clone(),
    };
    on.iter().map(|on| column(rows, &name(on)).cloned()).collect()
}

pub fn keys_of_left(rows: &RecordBatch, on: &[On]) -> Result<Vec<ArrayRef>, Failure> {
    keys(rows, on, Side::Left)
}

/// The left rows with columns of the right rows that were found.
pub fn attach(left: &RecordBatch, right: &RecordBatch, columns: &[Added], found: Vec<Option<u32>>) -> Result<RecordBatch, Failure> {
    let indices = UInt32Array::from(found);
    let gathered = columns.iter().map(|added| {
        let array = take(column(right, &added.from)?.as_ref(), &indices, None).map_err(arrow_failure)?;
        Ok((added.name.clone(), array))
    });
    with_columns(left, gathered.collect::<Result<Vec<_>, Failure>>()?)
}
