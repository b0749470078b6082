//! `newest-within`: how old the newest instant of a column is when the partition's period ends.
//!
//! Without a period it is compared with the clock.

use super::{CheckKind, CheckSpec, Found, Staged, Tally, column};
use crate::catalog::check::Newest as Asked;
use crate::catalog::quantity::Duration;
use crate::catalog::types::TimeUnit;
use crate::engine::clock::{Clock, SystemClock, rfc3339};
use crate::engine::failure::Failure;
use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{cast, max};
use arrow::datatypes::{DataType, Int64Type, TimeUnit as Unit};
use serde_json::{Value, json};

pub struct Newest;

impl CheckKind for Newest {
    fn name(&self) -> &'static str {
        "newest"
    }

    fn begin(&self, check: &CheckSpec, _: &Staged) -> Option<Box<dyn Tally>> {
        Some(Box::new(Latest { asked: check.check.newest.clone()?, newest: None }))
    }
}

struct Latest {
    asked: Asked,
    /// In nanoseconds since the epoch.
    newest: Option<i128>,
}

impl Tally for Latest {
    fn columns(&self) -> Vec<String> {
        vec![self.asked.column.clone()]
    }

    fn see(&mut self, rows: &RecordBatch) -> Result<(), Failure> {
        let values = column(rows, &self.asked.column)?;
        let unit = unit_of(values.data_type(), self.asked.unit).ok_or_else(|| self.no_instants(values.data_type()))?;
        let numbers = cast(values, &DataType::Int64).map_err(|_| self.no_instants(values.data_type()))?;
        let newest =
            max(numbers.as_primitive::<Int64Type>()).map(|newest| i128::from(newest) * (1_000_000_000 / i128::from(unit.per_second())));
        self.newest = self.newest.max(newest);
        Ok(())
    }

    fn found(self: Box<Self>, staged: &Staged) -> Result<Found, Failure> {
        let end = staged.period.map_or_else(|| SystemClock::of_environment().now(), |period| period.end);
        let Asked { column, within, .. } = &self.asked;
        let Some(newest) = self.newest.map(|nanos| nanos.div_euclid(1_000_000)) else {
            let wrong = (staged.rows > 0).then(|| format!("none of {} rows has a `{column}`, so none is new", staged.rows));
            return Ok(Found { value: Value::Null, wrong });
        };
        let newest = i64::try_from(newest).unwrap_or(if newest < 0 { i64::MIN } else { i64::MAX });
        let age = end.saturating_sub(newest);
        let said = || {
            let age = Duration { millis: age };
            format!("the newest `{column}` is {}, {age} before {}, and at most {within} is expected", rfc3339(newest), rfc3339(end))
        };
        Ok(Found { value: json!(rfc3339(newest)), wrong: (age > within.millis).then(said) })
    }
}

impl Latest {
    fn no_instants(&self, data_type: &DataType) -> Failure {
        let hint = "name a timestamp, or an int64 with unit=\"ms\"";
        Failure::permanent(format!("`{}` is {data_type} in the output, which holds no instants; {hint}", self.asked.column))
    }
}

fn unit_of(data_type: &DataType, said: Option<TimeUnit>) -> Option<TimeUnit> {
    match data_type {
        DataType::Timestamp(Unit::Second, _) => Some(TimeUnit::S),
        DataType::Timestamp(Unit::Millisecond, _) => Some(TimeUnit::Ms),
        DataType::Timestamp(Unit::Microsecond, _) => Some(TimeUnit::Us),
        DataType::Timestamp(Unit::Nanosecond, _) => Some(TimeUnit::Ns),
        DataType::Int64 => said,
        _ => None,
    }
}
