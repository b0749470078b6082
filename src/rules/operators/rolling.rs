//! Rolling aggregates: hands the spine's and the events' keys and times to the kernel, in one unit.

use super::joins::{Side, keys, keys_of_left};
use super::{column, with_columns};
use crate::catalog::dag::RollingAggregate;
use crate::catalog::quantity::Window;
use crate::catalog::types::TimeUnit;
use crate::engine::failure::Failure;
use crate::features::aggregates;
use crate::features::keyed::Keyed;
use crate::features::rolling::{self as kernel, Reach, Rolling, WindowSpan};
use crate::features::time::{common_unit, from_millis, instants, optional_instants};
use arrow::array::{ArrayRef, RecordBatch};

const DAY: i64 = 86_400_000;

pub fn rolling(spine: &RecordBatch, events: &RecordBatch, what: &RollingAggregate) -> Result<RecordBatch, Failure> {
    let known = what.available_at.iter().map(|t| t.unit);
    let unit = common_unit(&known.chain([what.left_time.unit, what.time.unit]).collect::<Vec<_>>());
    let spine_times = instants(column(spine, &what.left_time.name)?, what.left_time.unit, unit).map_err(Failure::permanent)?;
    let event_times = instants(column(events, &what.time.name)?, what.time.unit, unit).map_err(Failure::permanent)?;
    let (spine_keys, event_keys) = (keys_of_left(spine, &what.on)?, keys(events, &what.on, Side::Right)?);
    let aggregate = aggregates::by_name(&what.aggregate).ok_or_else(|| Failure::permanent(format!("no aggregate `{}`", what.aggregate)))?;
    let values: Option<&ArrayRef> = what.column.as_ref().map(|name| column(events, name)).transpose()?;
    let windows: Vec<WindowSpan> = what.windows.iter().map(|w| span(w.window, what, unit)).collect();
    let (day, units_per_second) = (from_millis(DAY, unit), unit.per_second());
    let rolling = Rolling { aggregate, options: &what.options, values, windows: &windows, day, units_per_second };
    let (spine_rows, event_rows) = (Keyed { keys: &spine_keys, times: &spine_times }, Keyed { keys: &event_keys, times: &event_times });
    let computed = match &what.available_at {
        None => kernel::rolling(&spine_rows, &event_rows, &rolling),
        Some(known) => {
            let known = optional_instants(column(events, &known.name)?, known.unit, unit).map_err(Failure::permanent)?;
            kernel::rolling_known(&spine_rows, &event_rows, &rolling, &known)
        }
    };
    let arrays = computed.map_err(|e| Failure::permanent(e.to_string()))?;
    with_columns(spine, what.windows.iter().map(|w| w.name.clone()).zip(arrays).collect())
}

fn span(window: Window, what: &RollingAggregate, unit: TimeUnit) -> WindowSpan {
    let reach = match window {
        Window::Of(duration) => Reach::Of(from_millis(duration.millis, unit)),
        Window::Lifetime => Reach::Lifetime,
    };
    WindowSpan { reach, offset: from_millis(what.offset, unit), forward: what.forward }
}
