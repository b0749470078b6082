//! The rows of a spine and of events, laid out by key: once for all aggregates over the same keys, whatever each of them sees of the events.
//!
//! Knows no aggregate and no values. Invariants: events come in order of time, so that of two of them the later one has the greater row, and
//! instants are compared as rows; what is kept here for others to use changes no result.

use super::kept::Ranks;
use super::keyed::{self, Keyed, Matched, NO_KEY, Runs};
use super::rolling::KernelError;
use super::sweep::{gallop, portions};
use super::zones::zones;
use arrow::buffer::BooleanBuffer;
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};

/// The rows of both sides in runs of one key.
pub struct Layout<'a> {
    pub spine: Runs,
    /// The instants of the spine, in the order of its runs.
    pub instants: Vec<i64>,
    /// How many rows the spine has, those without a key included.
    pub rows: usize,
    /// How many events there are, those of no key of the spine included.
    pub events_in_all: usize,
    ids: Option<Vec<u32>>,
    pub meeting: Arc<Meeting<'a>>,
    events: Arc<Seen>,
}

impl<'a> Layout<'a> {
    /// Lays out the rows of both sides.
    pub fn new(spine: &Keyed<'a>, events: &Keyed<'a>) -> Result<Self, KernelError> {
        Self::at(Arc::new(Meeting::new(spine.times, Cow::Borrowed(events.times))), spine, events)
    }

    /// The same, where others are laid out by other keys of the same rows.
    pub fn at(meeting: Arc<Meeting<'a>>, spine: &Keyed, events: &Keyed) -> Result<Self, KernelError> {
        check(spine, events)?;
        let Matched { spine: ids, events, keys } = keyed::matched(spine.keys, spine.times.len(), events.keys, events.times.len());
        let runs = Runs::group(&ids, keys).in_time_order(spine.times);
        let (instants, rows) = (runs.times(spine.times), spine.times.len());
        let seen = Arc::new(Seen::all(Runs::group(&events, keys)));
        Ok(Layout { instants, rows, events: seen, spine: runs, events_in_all: events.len(), ids: Some(events), meeting })
    }

    /// Where windows that end alike begin and end, as rows of the events: between which no window of any row begins or ends.
    pub fn zones(&self, begins: &[Option<Bound>], end: Bound) -> Vec<Range<u32>> {
        let reached = |bound: Bound| {
            let rows = self.meeting.first_rows(bound);
            let (first, last) = (rows.iter().min().copied().unwrap_or(0), rows.iter().max().copied().unwrap_or(0));
            first..last
        };
        let begins = begins.iter().map(|begin| begin.map_or(0..0, reached)).collect();
        zones(begins, reached(end).start, self.spine.keys())
    }

    /// All events, or those that are kept.
    pub fn seen(&self, keep: Option<&BooleanBuffer>) -> Arc<Seen> {
        keep.map_or_else(|| self.events.clone(), |keep| Arc::new(Seen::some(&self.events, keep)))
    }

    /// Finds where windows begin and end among all events, before several ask at once.
    pub fn prepare(&self, bounds: &[Bound]) {
        bounds.par_iter().for_each(|bound| drop(self.events.positions(self, &self.meeting, *bound)));
    }

    /// Lets the ids of the events go, which few ask for: together they are large.
    pub fn forget_ids(&mut self) {
        self.ids = None;
    }

    /// The ids of the events, found again if they are gone.
    pub fn ids(&self) -> Cow<'_, [u32]> {
        self.ids.as_ref().map_or_else(|| self.events.runs().ids(self.events_in_all).into(), |ids| ids.into())
    }

    /// What other events there are where these have become several or none.
    pub fn regrouped(&self, ids: &[u32]) -> Arc<Seen> {
        Arc::new(Seen::all(Runs::group(ids, self.spine.keys())))
    }
}

fn check(spine: &Keyed, events: &Keyed) -> Result<(), KernelError> {
    for side in [spine, events] {
        side.keys.iter().try_for_each(|key| same_length("keys", key.len(), side.times.len()))?;
    }
    same_length("key columns", events.keys.len(), spine.keys.len())?;
    match events.times.is_sorted() {
        true => Ok(()),
        false => Err(KernelError::Misshapen { what: "the events are not in order of time".into() }),
    }
}

pub fn same_length(what: &str, found: usize, expected: usize) -> Result<(), KernelError> {
    match found == expected {
        true => Ok(()),
        false => Err(KernelError::Misshapen { what: format!("{found} {what}, where there should be {expected}") }),
    }
}

/// An end of windows: that of each row lies so far from it; of simultaneous events the first is meant or, `after`, the one that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    pub shift: i128,
    pub after: bool,
}

impl Bound {
    fn of(self, at: i64) -> i64 {
        (i128::from(at) + self.shift).clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    fn precedes(self, time: i64, instant: i64) -> bool {
        time < instant || self.after && time == instant
    }
}

/// The times of both sides.
pub struct Meeting<'a> {
    spine: &'a [i64],
    pub events: Cow<'a, [i64]>,
    bounds: Kept<Bound, Vec<u32>>,
    days: Kept<i64, Vec<Day>>,
}

/// A day on which there are events, and the row of the first of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    pub number: i64,
    pub first: u32,
}

impl<'a> Meeting<'a> {
    pub fn new(spine: &'a [i64], events: Cow<'a, [i64]>) -> Self {
        Meeting { spine, events, bounds: Kept::default(), days: Kept::default() }
    }

    /// The same spine, and other events.
    pub fn with(&self, events: Vec<i64>) -> Self {
        Self::new(self.spine, events.into())
    }

    /// For each row of the spine, the first row of the events that does not lie before a bound.
    fn first_rows(&self, bound: Bound) -> Arc<Vec<u32>> {
        self.bounds.get_or(bound, || {
            // The spine is in order of time, or nearly so.
            let rows = |spine: &[i64]| {
                let mut place = 0;
                let first = spine.first().map(|at| bound.of(*at));
                if let Some(first) = first {
                    place = self.events.partition_point(|time| bound.precedes(*time, first));
                }
                let found = spine.iter().map(|at| {
                    let instant = bound.of(*at);
                    if place > 0 && !bound.precedes(self.events[place - 1], instant) {
                        place = self.events[..place].partition_point(|time| bound.precedes(*time, instant));
                    }
                    place = gallop(&self.events, place, |time| bound.precedes(time, instant));
                    place as u32
                });
                found.collect::<Vec<u32>>()
            };
            self.spine.par_chunks(1 << 14).map(rows).collect::<Vec<_>>().concat()
        })
    }

    /// The days of the events.
    pub fn days(&self, length: i64) -> Arc<Vec<Day>> {
        self.days.get_or(length, || {
            let (mut days, mut row) = (Vec::new(), 0);
            while row < self.events.len() {
                let number = self.events[row].div_euclid(length);
                days.push(Day { number, first: row as u32 });
                let end = number.checked_add(1).and_then(|next| next.checked_mul(length));
                row = end.map_or(self.events.len(), |end| gallop(&self.events, row, |time| time < end));
            }
            days
        })
    }
}

/// Events that somebody sees, in runs of one key; places among them are positions.
pub struct Seen {
    events: Events,
    positions: Kept<Bound, Vec<u32>>,
}

enum Events {
    All(Runs),
    /// Some of others. Who only counts never asks for their runs.
    Some {
        of: Arc<Seen>,
        ranks: Ranks,
        runs: OnceLock<Runs>,
    },
}

impl Seen {
    fn all(runs: Runs) -> Self {
        Seen { events: Events::All(runs), positions: Kept::default() }
    }

    fn some(of: &Arc<Seen>, keep: &BooleanBuffer) -> Self {
        let ranks = Ranks::new(&of.runs().rows, keep);
        Seen { events: Events::Some { of: of.clone(), ranks, runs: OnceLock::new() }, positions: Kept::default() }
    }

    pub fn runs(&self) -> &Runs {
        match &self.events {
            Events::All(runs) => runs,
            Events::Some { of, ranks, runs } => found(runs, || of.runs().kept(ranks)),
        }
    }

    /// For each row of the spine, in the order of its runs, the first position among the events of its key that does not lie before a bound.
    pub fn positions(&self, layout: &Layout, meeting: &Meeting, bound: Bound) -> Arc<Vec<u32>> {
        self.positions.get_or(bound, || match &self.events {
            Events::All(runs) => sought(runs, layout, &meeting.first_rows(bound)),
            Events::Some { of, ranks, .. } => {
                let among_all = of.positions(layout, meeting, bound);
                among_all.par_iter().with_min_len(4096).map(|position| ranks.before(*position as usize)).collect()
            }
        })
    }

    /// The events between two bounds, to be counted only: of some of others no positions need be kept.
    pub fn between(&self, layout: &Layout, meeting: &Meeting, from: Bound, to: Bound) -> Between<'_> {
        let (of, ranks) = match &self.events {
            Events::All(_) => (self, None),
            Events::Some { of, ranks, .. } => (of.as_ref(), Some(ranks)),
        };
        Between { from: of.positions(layout, meeting, from), to: of.positions(layout, meeting, to), ranks }
    }
}

/// Events between two bounds, for each row of the spine, in the order of its runs.
pub struct Between<'a> {
    from: Arc<Vec<u32>>,
    to: Arc<Vec<u32>>,
    ranks: Option<&'a Ranks>,
}

impl Between<'_> {
    /// How many events there are for a place of the spine.
    #[inline]
    pub fn count(&self, place: usize) -> u32 {
        let (from, to) = (self.from[place], self.to[place]);
        self.ranks.map_or_else(|| to - from, |ranks| ranks.before(to as usize) - ranks.before(from as usize))
    }
}

/// The positions of the first events that do not lie before a row, given for each row of the spine.
fn sought(runs: &Runs, layout: &Layout, first_rows: &[u32]) -> Vec<u32> {
    let mut found = vec![0; layout.spine.rows.len()];
    let (mut rest, mut parts) = (&mut found[..], Vec::new());
    for keys in portions(&layout.spine, runs) {
        let places = layout.spine.run(keys.start).start..layout.spine.run(keys.end - 1).end;
        let (part, others) = rest.split_at_mut(places.len());
        parts.push((keys, part));
        rest = others;
    }
    parts.into_par_iter().for_each(|(keys, part)| {
        let mut places = part.iter_mut();
        for key in keys {
            let run = runs.run(key);
            let (events, mut place) = (&runs.rows[..run.end], run.start);
            for (row, found) in layout.spine.rows[layout.spine.run(key)].iter().zip(&mut places) {
                let bound = first_rows[*row as usize];
                place = near(events, place, |event| event < bound);
                *found = place as u32;
            }
        }
    });
    found
}

/// [`gallop`], where the end is mostly a few steps away.
fn near(ascending: &[u32], start: usize, before: impl Fn(u32) -> bool) -> usize {
    const STEPS: usize = 6;
    let close = ascending[start..].iter().take(STEPS).take_while(|value| before(**value)).count();
    if close < STEPS { start + close } else { gallop(ascending, start + close, before) }
}

/// The event is of no key of the spine, or is not seen.
pub fn drop_unseen(ids: &mut [u32], keep: &BooleanBuffer) {
    ids.iter_mut().zip(keep.iter()).filter(|(_, kept)| !kept).for_each(|(id, _)| *id = NO_KEY);
}

/// What is there, or else is sought while nothing is held: who waits for other threads may meanwhile do what needs the same.
pub fn found<T>(there: &OnceLock<T>, seek: impl FnOnce() -> T) -> &T {
    match there.get() {
        Some(known) => known,
        None => {
            let sought = seek();
            there.get_or_init(|| sought)
        }
    }
}

/// What was found before. Nothing is held while something is sought: whoever seeks the same at the same time finds the same.
struct Kept<K, V>(Mutex<Vec<(K, Arc<V>)>>);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Kept(Mutex::default())
    }
}

impl<K: PartialEq, V> Kept<K, V> {
    fn get_or(&self, key: K, seek: impl FnOnce() -> V) -> Arc<V> {
        let known = |kept: &Vec<(K, Arc<V>)>| kept.iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone());
        if let Some(value) = known(&self.lock()) {
            return value;
        }
        let value = Arc::new(seek());
        self.lock().push((key, value.clone()));
        value
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(K, Arc<V>)>> {
        self.0.lock().expect("no thread panics while it holds what was found")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_before_the_epoch_are_whole_days_too() {
        let meeting = Meeting::new(&[], vec![-25, -24, -1, 0, 23, 24, 90].into());
        let days: Vec<_> = meeting.days(24).iter().map(|day| (day.number, day.first)).collect();
        assert_eq!(days, [(-2, 0), (-1, 1), (0, 3), (1, 5), (3, 6)]);
    }

    #[test]
    fn bounds_are_found_for_a_spine_in_any_order() {
        let (spine, events) = ([5, 1, 9, 9, 0, 7, i64::MAX, i64::MIN], [0, 1, 1, 5, 5, 5, 6, 9]);
        let meeting = Meeting::new(&spine, events[..].into());
        for (shift, after) in [(0, false), (0, true), (-4, false), (3, true), (i128::from(i64::MIN), false), (i128::from(i64::MAX), true)] {
            let bound = Bound { shift, after };
            let scan = |at: &i64| events.iter().filter(|time| bound.precedes(**time, bound.of(*at))).count() as u32;
            assert_eq!(*meeting.first_rows(bound), spine.iter().map(scan).collect::<Vec<_>>(), "{bound:?}");
        }
    }
}
