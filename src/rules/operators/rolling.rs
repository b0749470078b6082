//! Rolling aggregates: hands the spine's and the events' keys and times to the kernel, in one unit. Aggregates that follow one another run
//! together, so that rows are laid out once for all that have the same keys.
//!
//! Invariant: an aggregate's columns are those that it would have alone.

use super::joins::{Side, keys, keys_of_left};
use super::rows::{Rows, same};
use super::{arrow_failure, column, with_columns};
use crate::catalog::dag::RollingAggregate;
use crate::catalog::quantity::Window;
use crate::catalog::types::TimeUnit;
use crate::engine::failure::Failure;
use crate::features::aggregates;
use crate::features::dictionary::plain;
use crate::features::keyed::Keyed;
use crate::features::rolling::{Layout, Meeting, Reach, Rolling, Seen, Sight, WindowSpan, prepare, rolled};
use crate::features::time::{common_unit, from_millis, instants, optional_instants};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::buffer::ScalarBuffer;
use rayon::prelude::*;
use std::borrow::Cow;
use std::sync::Arc;

const DAY: i64 = 86_400_000;

/// One aggregate alone.
pub fn rolling(what: &RollingAggregate, spine: &RecordBatch, events: &RecordBatch) -> Result<RecordBatch, Failure> {
    let of = Aggregation { id: "", what, events: events.clone().into() };
    let sides = Sides::new(spine, &of)?;
    let layout = Layout::new(&sides.spine(), &sides.events()).map_err(|e| Failure::permanent(e.to_string()))?;
    let arrays = sides.rolled(&of, &layout, &layout.seen(None))?;
    with_columns(spine, what.windows.iter().map(|window| window.name.clone()).zip(arrays).collect())
}

/// Aggregates that wait for somebody who needs their columns.
#[derive(Clone)]
pub struct Waiting<'a> {
    spine: RecordBatch,
    aggregates: Vec<Aggregation<'a>>,
}

#[derive(Clone)]
struct Aggregation<'a> {
    id: &'a str,
    what: &'a RollingAggregate,
    events: Rows,
}

impl<'a> Waiting<'a> {
    /// For the first aggregate over a spine.
    pub fn new(spine: RecordBatch) -> Self {
        Self { spine, aggregates: Vec::new() }
    }

    /// Whether an aggregate of these events can wait with the others: they hold no further events, and it needs no column of theirs.
    pub fn admits(&self, what: &RollingAggregate, events: &Rows) -> bool {
        let times = |what: &RollingAggregate, rows: &Rows| rows.batch.column_by_name(&what.time.name).cloned();
        let alike = self.aggregates.iter().all(|other| match (times(what, events), times(other.what, &other.events)) {
            (Some(one), Some(other)) => Arc::ptr_eq(&one, &other),
            _ => false,
        });
        let made = || self.aggregates.iter().flat_map(|other| &other.what.windows).map(|window| &window.name);
        alike && !made().any(|name| what.on.iter().any(|on| on.left == *name) || what.left_time.name == *name)
    }

    pub fn add(&mut self, id: &'a str, what: &'a RollingAggregate, events: Rows) {
        self.aggregates.push(Aggregation { id, what, events });
    }

    /// The spine with the columns of all of them.
    pub fn run(self) -> Result<RecordBatch, Failure> {
        let named = |of: &Aggregation, f: Failure| Failure { message: format!("{}: {}", of.id, f.message), ..f };
        let sides: Result<Vec<Sides>, Failure> =
            self.aggregates.iter().map(|of| Sides::new(&self.spine, of).map_err(|f| named(of, f))).collect();
        let (sides, aggregates) = (sides?, &self.aggregates);
        let (mut layouts, layout_of) = layouts(&sides).map_err(|(index, f)| named(&aggregates[index], f))?;
        for (number, layout) in layouts.iter_mut().enumerate() {
            let asks = |of: &Aggregation| aggregates::by_name(&of.what.aggregate).is_some_and(|aggregate| aggregate.asks_ids());
            if !aggregates.iter().zip(&layout_of).any(|(of, layout)| *layout == number && asks(of)) {
                layout.forget_ids();
            }
        }
        let (seen, seen_of) = seen(aggregates, &layouts, &layout_of);
        layouts.par_iter().enumerate().for_each(|(number, layout)| {
            let of_layout = (0..aggregates.len()).filter(|index| layout_of[*index] == number);
            prepare(layout, &of_layout.flat_map(|index| spans(aggregates[index].what, sides[index].unit)).collect::<Vec<_>>());
        });
        let columns = |index: usize| {
            let (of, layout, seen) = (&aggregates[index], &layouts[layout_of[index]], &seen[seen_of[index]]);
            sides[index].rolled(of, layout, seen).map_err(|f| named(of, f))
        };
        // Of several that fail the first is told of, whichever was first to fail.
        let made: Vec<Result<Vec<ArrayRef>, Failure>> = (0..aggregates.len()).into_par_iter().map(columns).collect();
        let mut named = Vec::new();
        for (of, arrays) in aggregates.iter().zip(made) {
            named.extend(of.what.windows.iter().map(|window| window.name.clone()).zip(arrays?));
        }
        with_columns(&self.spine, named)
    }
}

/// The keys and times of both sides, in one unit.
struct Sides {
    unit: TimeUnit,
    spine_keys: Vec<ArrayRef>,
    event_keys: Vec<ArrayRef>,
    /// As they came, by which they are known.
    columns: Vec<ArrayRef>,
    times: [ArrayRef; 2],
    spine_times: ScalarBuffer<i64>,
    event_times: ScalarBuffer<i64>,
}

impl Sides {
    fn new(spine: &RecordBatch, of: &Aggregation) -> Result<Self, Failure> {
        let (what, events) = (of.what, &of.events.batch);
        let known = what.available_at.iter().map(|t| t.unit);
        let unit = common_unit(&known.chain([what.left_time.unit, what.time.unit]).collect::<Vec<_>>());
        let times = [column(spine, &what.left_time.name)?.clone(), column(events, &what.time.name)?.clone()];
        let (spine_keys, columns) = (keys_of_left(spine, &what.on)?, keys(events, &what.on, Side::Right)?);
        Ok(Self {
            unit,
            event_keys: columns.iter().map(plain).collect::<Result<_, _>>().map_err(arrow_failure)?,
            columns: spine_keys.iter().chain(&columns).cloned().collect(),
            spine_keys,
            spine_times: instants(&times[0], what.left_time.unit, unit).map_err(Failure::permanent)?,
            event_times: instants(&times[1], what.time.unit, unit).map_err(Failure::permanent)?,
            times,
        })
    }

    fn spine(&self) -> Keyed<'_> {
        Keyed { keys: &self.spine_keys, times: &self.spine_times }
    }

    fn events(&self) -> Keyed<'_> {
        Keyed { keys: &self.event_keys, times: &self.event_times }
    }

    fn meets_as(&self, other: &Self) -> bool {
        self.unit == other.unit && same(&self.times, &other.times)
    }

    fn is_laid_out_as(&self, other: &Self) -> bool {
        self.meets_as(other) && same(&self.columns, &other.columns)
    }

    fn rolled(&self, of: &Aggregation, layout: &Layout, seen: &Arc<Seen>) -> Result<Vec<ArrayRef>, Failure> {
        let (what, events, unit) = (of.what, &of.events.batch, self.unit);
        let aggregate = aggregates::by_name(&what.aggregate);
        let aggregate = aggregate.ok_or_else(|| Failure::permanent(format!("no aggregate `{}`", what.aggregate)))?;
        let values = what.column.as_ref().map(|name| plain(column(events, name)?).map_err(arrow_failure)).transpose()?;
        let windows = spans(what, unit);
        let (day, units_per_second) = (from_millis(DAY, unit), unit.per_second());
        let rolling = Rolling { aggregate, options: &what.options, values: values.as_ref(), windows: &windows, day, units_per_second };
        let known = what.available_at.as_ref();
        let known = known.map(|known| optional_instants(column(events, &known.name)?, known.unit, unit).map_err(Failure::permanent));
        let known = known.transpose()?;
        let sight = Sight { keep: of.events.kept.as_deref(), seen: Some(seen), known: known.as_deref() };
        rolled(layout, &rolling, &sight).map_err(|e| Failure::permanent(e.to_string()))
    }
}

/// The layouts that there are, and which of them each aggregate has.
fn layouts(sides: &[Sides]) -> Result<(Vec<Layout<'_>>, Vec<usize>), (usize, Failure)> {
    let (different, layout_of) = different(sides, Sides::is_laid_out_as);
    let (meetings, meeting_of) = different_meetings(sides);
    let layout = |index: &usize| {
        let layout = Layout::at(meetings[meeting_of[*index]].clone(), &sides[*index].spine(), &sides[*index].events());
        layout.map_err(|e| (*index, Failure::permanent(e.to_string())))
    };
    let layouts: Vec<Result<Layout, (usize, Failure)>> = different.par_iter().map(layout).collect();
    Ok((layouts.into_iter().collect::<Result<_, _>>()?, layout_of))
}

fn different_meetings(sides: &[Sides]) -> (Vec<Arc<Meeting<'_>>>, Vec<usize>) {
    let (different, meeting_of) = different(sides, Sides::meets_as);
    let meeting = |index: usize| Arc::new(Meeting::new(&sides[index].spine_times, Cow::Borrowed(&sides[index].event_times)));
    (different.into_iter().map(meeting).collect(), meeting_of)
}

/// The first of each that are alike, and which of these each of them is like.
fn different<T>(all: &[T], alike: fn(&T, &T) -> bool) -> (Vec<usize>, Vec<usize>) {
    let (mut different, mut like): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    for (index, one) in all.iter().enumerate() {
        let known = different.iter().position(|other| alike(&all[*other], one));
        like.push(known.unwrap_or(different.len()));
        if known.is_none() {
            different.push(index);
        }
    }
    (different, like)
}

/// What aggregates see, once for all that see the same, and which of it each of them sees.
fn seen(aggregates: &[Aggregation], layouts: &[Layout], layout_of: &[usize]) -> (Vec<Arc<Seen>>, Vec<usize>) {
    let kept = |index: usize| aggregates[index].events.kept.as_ref();
    let keys: Vec<(usize, Option<usize>)> =
        (0..aggregates.len()).map(|i| (layout_of[i], kept(i).map(|kept| Arc::as_ptr(kept) as usize))).collect();
    let (different, seen_of) = different(&keys, |one, other| one == other);
    (different.into_par_iter().map(|index| layouts[layout_of[index]].seen(kept(index).map(Arc::as_ref))).collect(), seen_of)
}

fn spans(what: &RollingAggregate, unit: TimeUnit) -> Vec<WindowSpan> {
    what.windows.iter().map(|w| span(w.window, what, unit)).collect()
}

fn span(window: Window, what: &RollingAggregate, unit: TimeUnit) -> WindowSpan {
    let reach = match window {
        Window::Of(duration) => Reach::Of(from_millis(duration.millis, unit)),
        Window::Lifetime => Reach::Lifetime,
    };
    WindowSpan { reach, offset: from_millis(what.offset, unit), forward: what.forward }
}
