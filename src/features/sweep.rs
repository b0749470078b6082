//! The walk over keys, windows and rows: where each window begins and ends among the events of its key.
//!
//! Knows no aggregate and no values; a [`Fold`] says what a window is worth, a [`Walk`] how that is found quickly. Invariants: keys
//! are independent, so that threads cannot change a result; within a key and window, rows come in time order and both ends only advance.

use super::frame::Frame;
use super::keyed::Runs;
use super::tiles::Known;
use rayon::prelude::*;
use std::ops::Range;

/// An aggregate as an algebra over positions of events. Merging joins an earlier state with a later one.
pub trait Fold: Sync + Sized {
    type State: Clone;
    type Column: Column;

    /// The state of no events, the identity of `merge`.
    fn init(&self) -> Self::State;

    fn update(&self, state: &mut Self::State, position: usize);

    fn merge(&self, state: &mut Self::State, later: &Self::State);

    /// Adds the result for a row at an instant.
    fn finish(&self, state: &Self::State, at: i64, column: &mut Self::Column);

    /// The quick way to the same results.
    fn walk<'s>(&'s self, frame: &'s Frame) -> impl Walk<Column = Self::Column> + 's;
}

/// The state of some events, in their order.
pub fn folded<F: Fold>(fold: &F, positions: impl IntoIterator<Item = usize>) -> F::State {
    let mut state = fold.init();
    positions.into_iter().for_each(|position| fold.update(&mut state, position));
    state
}

/// How the results of a frame are found.
pub enum Way {
    /// By the fold's own walk.
    Swept,
    /// Event by event, where it became known no later than the row; an instant per position.
    Known(Vec<i64>),
    /// By folding pieces of each window and merging them from left to right.
    #[cfg(test)]
    Cut(super::trials::Cuts),
}

/// One window of one row: the positions of its events, its first and last instant where it is bounded, and the row's own instant.
///
/// The side that lies nearer to the row is given by the instant that is excluded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slice {
    pub lo: usize,
    pub hi: usize,
    pub from: Option<i64>,
    pub to: Option<i64>,
    pub at: i64,
}

/// Finds results key by key, and window by window or row by row.
pub trait Walk {
    type Column;

    /// The next key's events lie here.
    fn key(&mut self, run: Range<usize>);

    /// Whether the key's windows come together, row by row, none of them beginning before `least`; else they come one after the other.
    fn together(&mut self, _least: usize) -> bool {
        false
    }

    /// The key's next window starts, again with its first row.
    fn window(&mut self) {}

    fn row(&mut self, slice: &Slice, column: &mut Self::Column);
}

/// Results of one window, in the order of the walk.
pub trait Column: Default + Send {}

impl<T: Send> Column for Vec<Option<T>> {}

/// Lists of positions; an empty one stands for null.
#[derive(Default)]
pub struct Lists {
    ends: Vec<usize>,
    picks: Vec<u32>,
}

impl Column for Lists {}

impl Lists {
    pub fn push(&mut self, positions: impl IntoIterator<Item = u32>) {
        self.picks.extend(positions);
        self.ends.push(self.picks.len());
    }

    /// Adds a list whose positions come newest first.
    pub fn push_reversed(&mut self, positions: impl IntoIterator<Item = u32>) {
        let start = self.picks.len();
        self.push(positions);
        self.picks[start..].reverse();
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u32]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.picks[start..*end])
    }
}

/// The results of a fold: for each window, columns that follow one another in the order of the spine's runs.
pub fn sweep<F: Fold>(frame: &Frame, fold: &F) -> Vec<Vec<F::Column>> {
    match &frame.way {
        Way::Swept => over_keys(frame, || fold.walk(frame)),
        Way::Known(since) => over_keys(frame, || Known::new(fold, frame, since)),
        #[cfg(test)]
        Way::Cut(cuts) => over_keys(frame, || super::trials::Cut { fold, cuts }),
    }
}

fn over_keys<W: Walk<Column: Column>>(frame: &Frame, walk: impl Fn() -> W + Sync) -> Vec<Vec<W::Column>> {
    frame.edges();
    let portions = portions(&frame.layout.spine, frame.events.runs());
    let parts: Vec<Vec<W::Column>> = portions.into_par_iter().map(|keys| over_portion(frame, keys, walk())).collect();
    let mut windows: Vec<Vec<W::Column>> = frame.windows.iter().map(|_| Vec::new()).collect();
    for part in parts {
        windows.iter_mut().zip(part).for_each(|(window, column)| window.push(column));
    }
    windows
}

/// Rows and events that are worth a portion of their own.
const PORTION: usize = if cfg!(test) { 8 } else { 1 << 14 };

/// Ranges of keys of about equal work, a few for each thread; none is empty.
pub fn portions(spine: &Runs, events: &Runs) -> Vec<Range<usize>> {
    let work = spine.rows.len() + events.rows.len();
    let enough = (work / (4 * rayon::current_num_threads())).max(PORTION);
    let (mut portions, mut start, mut held) = (Vec::new(), 0, 0);
    for key in 0..spine.keys() {
        held += spine.run(key).len() + events.run(key).len();
        if held >= enough || key + 1 == spine.keys() {
            portions.push(start..key + 1);
            (start, held) = (key + 1, 0);
        }
    }
    portions
}

fn over_portion<W: Walk<Column: Column>>(frame: &Frame, keys: Range<usize>, mut walk: W) -> Vec<W::Column> {
    let mut columns: Vec<W::Column> = frame.windows.iter().map(|_| W::Column::default()).collect();
    for key in keys {
        let run = frame.events.runs().run(key);
        walk.key(run.clone());
        let places = frame.layout.spine.run(key);
        if places.is_empty() {
            continue;
        }
        let least = (0..frame.windows.len()).map(|window| frame.slice(window, places.start, &run).lo).min();
        if walk.together(least.unwrap_or(run.start)) {
            for place in places {
                columns.iter_mut().enumerate().for_each(|(window, column)| walk.row(&frame.slice(window, place, &run), column));
            }
            continue;
        }
        for (window, column) in columns.iter_mut().enumerate() {
            walk.window();
            places.clone().for_each(|place| walk.row(&frame.slice(window, place, &run), column));
        }
    }
    columns
}

/// The first place from `start` on that is not `before`, in steps that double: near ends are found at once, far ones quickly.
#[inline]
pub fn gallop<T: Copy>(ascending: &[T], start: usize, before: impl Fn(T) -> bool) -> usize {
    let (mut low, mut step) = (start, 1);
    while low + step <= ascending.len() && before(ascending[low + step - 1]) {
        low += step;
        step *= 2;
    }
    let high = (low + step - 1).min(ascending.len());
    low + ascending[low..high].partition_point(|value| before(*value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gallop_finds_what_a_scan_finds() {
        let times: Vec<i64> = (0..70).map(|at| at / 3).collect();
        for start in 0..=times.len() {
            for limit in 0..25 {
                let scanned = (start..times.len()).find(|at| times[*at] >= limit).unwrap_or(times.len());
                assert_eq!(gallop(&times, start, |time| time < limit), scanned, "{start} {limit}");
            }
        }
    }

    #[test]
    fn lists_reverse_in_place() {
        let mut lists = Lists::default();
        lists.push([7]);
        lists.push([]);
        lists.push_reversed([3, 2, 1]);
        assert_eq!(lists.iter().collect::<Vec<_>>(), [&[7][..], &[], &[1, 2, 3]]);
    }
}
