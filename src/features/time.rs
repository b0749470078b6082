//! Columns of instants as 64-bit numbers in one unit, so that times of different units compare exactly.

use crate::catalog::calendar::Period;
use crate::catalog::types::TimeUnit;
use arrow::array::{Array, ArrayRef, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::DataType;

/// The finest of several units, and never coarser than milliseconds, in which windows are given.
pub fn common_unit(units: &[TimeUnit]) -> TimeUnit {
    units.iter().copied().chain([TimeUnit::Ms]).max_by_key(|u| u.per_second()).unwrap_or(TimeUnit::Ms)
}

/// Instants of a column in `unit`, given in its `own` (a timestamp column's type has the same). Null times are no instants: an error.
pub fn instants(column: &ArrayRef, own: TimeUnit, unit: TimeUnit) -> Result<Vec<i64>, String> {
    let known = optional_instants(column, own, unit)?;
    known.into_iter().collect::<Option<Vec<i64>>>().ok_or_else(|| "a row has no timestamp".to_string())
}

/// The same where null is allowed.
pub fn optional_instants(column: &ArrayRef, own: TimeUnit, unit: TimeUnit) -> Result<Vec<Option<i64>>, String> {
    let numbers = cast(column, &DataType::Int64).map_err(|e| e.to_string())?;
    let numbers = numbers.as_any().downcast_ref::<Int64Array>().ok_or("a time is no 64-bit number")?;
    let factor = unit.per_second() / own.per_second();
    let scaled =
        |value: Option<i64>| value.map(|v| v.checked_mul(factor).ok_or_else(|| format!("time {v} is too far from 1970"))).transpose();
    numbers.iter().map(scaled).collect()
}

/// Whether an instant of a unit lies in a period.
pub fn is_within(period: Period, unit: TimeUnit) -> impl Fn(&i64) -> bool {
    let per_second = i128::from(unit.per_second());
    let millis = i128::from(period.start) * per_second..i128::from(period.end) * per_second;
    move |instant| millis.contains(&(i128::from(*instant) * 1000))
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
        assert_eq!(instants(&seconds, TimeUnit::S, unit).unwrap(), [2_000_000]);
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
    fn what_does_not_fit_is_an_error() {
        let far: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX]));
        assert!(instants(&far, TimeUnit::S, TimeUnit::Ns).is_err());
        let null: ArrayRef = Arc::new(Int64Array::from(vec![None]));
        assert!(instants(&null, TimeUnit::Ms, TimeUnit::Ms).is_err());
    }
}
