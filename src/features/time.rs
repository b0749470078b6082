//! Columns of instants as 64-bit numbers in one unit, so that times of different units compare exactly.

use crate::catalog::calendar::Period;
use crate::catalog::types::TimeUnit;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};

/// The finest of several units, and never coarser than milliseconds, in which windows are given.
pub fn common_unit(units: &[TimeUnit]) -> TimeUnit {
    units.iter().copied().chain([TimeUnit::Ms]).max_by_key(|u| u.per_second()).unwrap_or(TimeUnit::Ms)
}

/// Instants of a column in `unit`, given in its `own` (a timestamp column's type has the same). Null times are no instants: an error. Where
/// the unit is the same nothing is copied.
pub fn instants(column: &ArrayRef, own: TimeUnit, unit: TimeUnit) -> Result<ScalarBuffer<i64>, String> {
    let numbers = numbers(column)?;
    if numbers.null_count() > 0 {
        return Err("a row has no timestamp".to_string());
    }
    match unit.per_second() / own.per_second() {
        1 => Ok(numbers.values().clone()),
        factor => numbers.values().iter().map(|value| scaled(*value, factor)).collect(),
    }
}

/// The same where null is allowed.
pub fn optional_instants(column: &ArrayRef, own: TimeUnit, unit: TimeUnit) -> Result<Vec<Option<i64>>, String> {
    let factor = unit.per_second() / own.per_second();
    numbers(column)?.iter().map(|value| value.map(|value| scaled(value, factor)).transpose()).collect()
}

fn numbers(column: &ArrayRef) -> Result<Int64Array, String> {
    let numbers = cast(column, &DataType::Int64).map_err(|e| e.to_string())?;
    numbers.as_primitive_opt::<Int64Type>().cloned().ok_or_else(|| "a time is no 64-bit number".to_string())
}

fn scaled(value: i64, factor: i64) -> Result<i64, String> {
    value.checked_mul(factor).ok_or_else(|| format!("time {value} is too far from 1970"))
}

/// Whether an instant of a unit lies in a period.
pub fn is_within(period: Period, unit: TimeUnit) -> impl Fn(&i64) -> bool {
    let per_second = i128::from(unit.per_second());
    // The first instant of the unit that is not before so many milliseconds.
    let first =
        |millis: i64| (i128::from(millis) * per_second).div_euclid(1000) + i128::from((i128::from(millis) * per_second) % 1000 != 0);
    let (start, end) = (first(period.start), first(period.end));
    // Beyond 64 bits there is no instant, before them there is nothing but instants.
    let start = i64::try_from(start.max(i128::from(i64::MIN)));
    let last = i64::try_from((end - 1).min(i128::from(i64::MAX)));
    let bounds = start.ok().zip(last.ok());
    move |instant| bounds.is_some_and(|(start, last)| (start..=last).contains(instant))
}

/// Milliseconds in a unit.
pub fn from_millis(millis: i64, unit: TimeUnit) -> i64 {
    millis.saturating_mul(unit.per_second() / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn units_meet_in_the_finer_one() {
        let seconds: ArrayRef = Arc::new(Int64Array::from(vec![2]));
        let unit = common_unit(&[TimeUnit::S, TimeUnit::Us]);
        assert_eq!(instants(&seconds, TimeUnit::S, unit).unwrap()[..], [2_000_000]);
        assert_eq!(common_unit(&[TimeUnit::S]), TimeUnit::Ms);
    }

    #[test]
    fn a_period_ends_before_its_end() {
        let in_seconds = is_within(Period { start: 1_000, end: 3_000 }, TimeUnit::S);
        assert_eq!([0, 1, 2, 3].map(|t| in_seconds(&t)), [false, true, true, false]);
        let in_nanos = is_within(Period { start: 1, end: 2 }, TimeUnit::Ns);
        assert!(in_nanos(&1_999_999) && !in_nanos(&2_000_000));
    }

    #[test]
    fn periods_without_a_bound_have_all_instants() {
        for unit in [TimeUnit::S, TimeUnit::Ms, TimeUnit::Us, TimeUnit::Ns] {
            let ever = is_within(Period { start: i64::MIN, end: 5 }, unit);
            assert!(ever(&-3) && ever(&(i64::MIN / 1_000_000)) && !ever(&i64::MAX));
            let per_second = i128::from(unit.per_second());
            let period = Period { start: -7_001, end: 12_999 };
            let (inside, exact) = (is_within(period, unit), i128::from(period.start) * per_second..i128::from(period.end) * per_second);
            let near = [period.start, period.end].map(|millis| (i128::from(millis) * per_second).div_euclid(1000) as i64);
            for instant in near.into_iter().flat_map(|at| at - 3..at + 4) {
                assert_eq!(inside(&instant), exact.contains(&(i128::from(instant) * 1000)), "{unit:?} {instant}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let far: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX]));
        assert!(instants(&far, TimeUnit::S, TimeUnit::Ns).is_err());
        let null: ArrayRef = Arc::new(Int64Array::from(vec![None]));
        assert!(instants(&null, TimeUnit::Ms, TimeUnit::Ms).is_err());
    }
}
