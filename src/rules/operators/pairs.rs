//! Rolling aggregates by Polars, one operator at a time: the slow way that the native one is held against.
//!
//! Knows nothing of how the native one lays rows out, and shares nothing with it but the units of times.

use super::joins::{Side, keys, keys_of_left};
use super::{arrow_failure, column, with_columns};
use crate::catalog::dag::RollingAggregate;
use crate::catalog::quantity::Window;
use crate::catalog::types::TimeUnit;
use crate::engine::failure::Failure;
use crate::features::aggregates;
use crate::features::keyed::Keyed;
use crate::features::pairs;
use crate::features::rolling::{Reach, Rolling, WindowSpan};
use crate::features::time::{common_unit, from_millis, instants, optional_instants};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;

const DAY: i64 = 86_400_000;

pub fn rolling(spine: &RecordBatch, events: &RecordBatch, what: &RollingAggregate) -> Result<RecordBatch, Failure> {
    let known = what.available_at.as_ref();
    let unit = common_unit(&known.into_iter().chain([&what.left_time, &what.time]).map(|time| time.unit).collect::<Vec<_>>());
    let spine_times = instants(column(spine, &what.left_time.name)?, what.left_time.unit, unit).map_err(Failure::permanent)?;
    let event_times = instants(column(events, &what.time.name)?, what.time.unit, unit).map_err(Failure::permanent)?;
    let known = known.map(|known| optional_instants(column(events, &known.name)?, known.unit, unit).map_err(Failure::permanent));
    let known = known.transpose()?;
    let (spine_keys, event_keys) = (unpacked(keys_of_left(spine, &what.on)?)?, unpacked(keys(events, &what.on, Side::Right)?)?);
    let values = what.column.iter().map(|name| column(events, name).cloned()).collect::<Result<Vec<_>, Failure>>()?;
    let values = unpacked(values)?;
    let aggregate = aggregates::by_name(&what.aggregate).ok_or_else(|| Failure::permanent(format!("no aggregate `{}`", what.aggregate)))?;
    let windows: Vec<WindowSpan> = what.windows.iter().map(|w| span(w.window, what, unit)).collect();
    let (day, units_per_second) = (from_millis(DAY, unit), unit.per_second());
    let rolling = Rolling { aggregate, options: &what.options, values: values.first(), windows: &windows, day, units_per_second };
    let (spine_side, event_side) = (Keyed { keys: &spine_keys, times: &spine_times }, Keyed { keys: &event_keys, times: &event_times });
    let arrays = pairs::rolling(&spine_side, &event_side, &rolling, known.as_deref()).map_err(|e| Failure::permanent(e.to_string()))?;
    with_columns(spine, what.windows.iter().map(|w| w.name.clone()).zip(arrays).collect())
}

/// Columns whose values are written out, not referred to: Polars is built without dictionaries here.
fn unpacked(columns: Vec<ArrayRef>) -> Result<Vec<ArrayRef>, Failure> {
    let one = |array: ArrayRef| match array.data_type() {
        DataType::Dictionary(_, values) => cast(&array, values).map_err(arrow_failure),
        _ => Ok(array),
    };
    columns.into_iter().map(one).collect()
}

fn span(window: Window, what: &RollingAggregate, unit: TimeUnit) -> WindowSpan {
    let reach = match window {
        Window::Of(duration) => Reach::Of(from_millis(duration.millis, unit)),
        Window::Lifetime => Reach::Lifetime,
    };
    WindowSpan { reach, offset: from_millis(what.offset, unit), forward: what.forward }
}
