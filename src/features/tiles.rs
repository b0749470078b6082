//! The canonical tree in which floats are merged, quickly and plainly.
//!
//! Knows no aggregate. The tree itself is defined in [`super::rolling`]. [`Tiled`] walks it at a cost of about one merge per row: whole
//! days are folded once per key, the merged middle once per pair of days, suffixes are kept per event of a day, and prefixes and windows
//! within a day grow with their end. [`Known`] builds it from nothing for each row, of the events that were known.

use super::frame::Frame;
use super::layout::Day;
use super::sweep::{Fold, Slice, Walk, folded, gallop};
use std::ops::Range;
use std::sync::Arc;

/// The events of a key on one day.
#[derive(Debug, Clone, PartialEq)]
struct Tile {
    day: i64,
    events: Range<usize>,
}

/// The tiles of a run; no tile is empty.
fn tiles(rows: &[u32], days: &[Day], run: Range<usize>, tiles: &mut Vec<Tile>) {
    tiles.clear();
    let (rows, mut start, mut day) = (&rows[..run.end], run.start, 0);
    while start < run.end {
        day = gallop(days, day, |day| day.first <= rows[start]) - 1;
        let end = days.get(day + 1).map_or(run.end, |next| gallop(rows, start, |row| row < next.first));
        tiles.push(Tile { day: days[day].number, events: start..end });
        (start, day) = (end, day + 1);
    }
}

/// A state that grows as the end of its events (or tiles) advances.
struct Growing<S> {
    events: Range<usize>,
    state: S,
}

impl<S> Growing<S> {
    fn new(state: S) -> Self {
        Growing { events: 0..0, state }
    }
}

/// Folds the events of a range, starting from what is there if it starts at the same event.
fn grow<F: Fold>(fold: &F, growing: &mut Growing<F::State>, events: Range<usize>) {
    if growing.events.start != events.start || growing.events.end > events.end || growing.events.is_empty() {
        *growing = Growing { events: events.start..events.start, state: fold.init() };
    }
    (growing.events.end..events.end).for_each(|position| fold.update(&mut growing.state, position));
    growing.events.end = events.end;
}

/// The canonical tree, with everything kept that the next row can use.
pub struct Tiled<'a, F: Fold> {
    fold: &'a F,
    rows: &'a [u32],
    days: Arc<Vec<Day>>,
    length: i64,
    tiles: Vec<Tile>,
    /// The state of each tile, once it was asked for.
    whole: Vec<Option<F::State>>,
    /// The tiles in which the window begins and ends.
    first: usize,
    last: usize,
    within: Growing<F::State>,
    prefix: Growing<F::State>,
    middle: Growing<F::State>,
    /// The states of the suffixes of a tile, the shortest first.
    suffixes: Vec<F::State>,
    suffixed: Option<usize>,
}

impl<'a, F: Fold> Tiled<'a, F> {
    pub fn new(fold: &'a F, frame: &'a Frame) -> Self {
        let growing = || Growing::new(fold.init());
        Tiled {
            fold,
            rows: &frame.events.runs().rows,
            days: frame.meeting.days(frame.day),
            length: frame.day,
            tiles: Vec::new(),
            whole: Vec::new(),
            first: 0,
            last: 0,
            within: growing(),
            prefix: growing(),
            middle: growing(),
            suffixes: Vec::new(),
            suffixed: None,
        }
    }

    fn state(&mut self, slice: &Slice) -> F::State {
        let (first_day, last_day) = days(slice, self.length);
        if first_day.is_some() && first_day == last_day {
            grow(self.fold, &mut self.within, slice.lo..slice.hi);
            return self.within.state.clone();
        }
        self.find_tiles(slice);
        let begins = first_day == Some(self.tiles[self.first].day);
        let ends = last_day == Some(self.tiles[self.last].day);
        let mut state = if begins { self.suffix(slice.lo) } else { self.fold.init() };
        self.merge_middle(&mut state, self.first + usize::from(begins)..self.last + usize::from(!ends));
        if ends {
            self.merge_prefix(&mut state, slice.hi);
        }
        state
    }

    /// Moves to the tiles of the first and the last event.
    fn find_tiles(&mut self, slice: &Slice) {
        while self.tiles[self.first].events.end <= slice.lo {
            self.first += 1;
        }
        while self.tiles[self.last].events.end < slice.hi {
            self.last += 1;
        }
    }

    /// The suffix of the first tile from an event on.
    fn suffix(&mut self, lo: usize) -> F::State {
        if self.suffixed != Some(self.first) {
            self.suffixes.clear();
            self.suffixed = Some(self.first);
        }
        let end = self.tiles[self.first].events.end;
        for position in (lo..end - self.suffixes.len()).rev() {
            let longer = lengthened(self.fold, position, self.suffixes.last());
            self.suffixes.push(longer);
        }
        self.suffixes[end - 1 - lo].clone()
    }

    fn merge_middle(&mut self, state: &mut F::State, tiles: Range<usize>) {
        if tiles.is_empty() {
            return;
        }
        if self.middle.events.start != tiles.start || self.middle.events.end > tiles.end || self.middle.events.is_empty() {
            self.middle = Growing { events: tiles.start..tiles.start, state: self.fold.init() };
        }
        for tile in self.middle.events.end..tiles.end {
            let whole = self.whole[tile].get_or_insert_with(|| folded(self.fold, self.tiles[tile].events.clone()));
            self.fold.merge(&mut self.middle.state, whole);
        }
        self.middle.events.end = tiles.end;
        self.fold.merge(state, &self.middle.state);
    }

    fn merge_prefix(&mut self, state: &mut F::State, hi: usize) {
        grow(self.fold, &mut self.prefix, self.tiles[self.last].events.start..hi);
        self.fold.merge(state, &self.prefix.state);
    }
}

impl<F: Fold> Walk for Tiled<'_, F> {
    type Column = F::Column;

    fn key(&mut self, run: Range<usize>) {
        tiles(self.rows, &self.days, run, &mut self.tiles);
        self.whole.clear();
        self.whole.resize(self.tiles.len(), None);
    }

    fn window(&mut self) {
        (self.first, self.last, self.suffixed) = (0, 0, None);
        self.middle.events = 0..0;
    }

    fn row(&mut self, slice: &Slice, column: &mut F::Column) {
        let state = if slice.lo < slice.hi { self.state(slice) } else { self.fold.init() };
        self.fold.finish(&state, slice.at, column);
    }
}

/// The days of the first and the last instant.
fn days(slice: &Slice, length: i64) -> (Option<i64>, Option<i64>) {
    let day = |instant: i64| instant.div_euclid(length);
    (slice.from.map(day), slice.to.map(day))
}

/// A suffix with one more event before it.
fn lengthened<F: Fold>(fold: &F, position: usize, suffix: Option<&F::State>) -> F::State {
    let mut longer = folded(fold, [position]);
    if let Some(suffix) = suffix {
        fold.merge(&mut longer, suffix);
    }
    longer
}

/// The canonical tree of some events, from nothing.
fn canonical<F: Fold>(fold: &F, positions: &[usize], frame: &Frame, slice: &Slice) -> F::State {
    let (first_day, last_day) = days(slice, frame.day);
    if first_day.is_some() && first_day == last_day {
        return folded(fold, positions.iter().copied());
    }
    let day = |position: usize| Some(frame.time(position).div_euclid(frame.day));
    let (mut suffix, mut middle, mut prefix) = (fold.init(), fold.init(), fold.init());
    for tile in positions.chunk_by(|a, b| day(*a) == day(*b)) {
        match day(tile[0]) {
            first if first == first_day => suffix = suffix_of(fold, tile),
            last if last == last_day => prefix = folded(fold, tile.iter().copied()),
            _ => fold.merge(&mut middle, &folded(fold, tile.iter().copied())),
        }
    }
    fold.merge(&mut suffix, &middle);
    fold.merge(&mut suffix, &prefix);
    suffix
}

fn suffix_of<F: Fold>(fold: &F, tile: &[usize]) -> F::State {
    let (last, earlier) = tile.split_last().expect("a tile has an event");
    let shortest = lengthened(fold, *last, None);
    earlier.iter().rfold(shortest, |suffix, position| lengthened(fold, *position, Some(&suffix)))
}

/// Events that count only for rows at or after the instant they became known.
pub struct Known<'a, F> {
    fold: &'a F,
    frame: &'a Frame<'a>,
    since: &'a [i64],
    positions: Vec<usize>,
}

impl<'a, F: Fold> Known<'a, F> {
    pub fn new(fold: &'a F, frame: &'a Frame<'a>, since: &'a [i64]) -> Self {
        Known { fold, frame, since, positions: Vec::new() }
    }
}

impl<F: Fold> Walk for Known<'_, F> {
    type Column = F::Column;

    fn key(&mut self, _run: Range<usize>) {}

    fn row(&mut self, slice: &Slice, column: &mut F::Column) {
        self.positions.clear();
        self.positions.extend((slice.lo..slice.hi).filter(|position| self.since[*position] <= slice.at));
        let state = canonical(self.fold, &self.positions, self.frame, slice);
        self.fold.finish(&state, slice.at, column);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_a_tile_for_each_of_its_days() {
        let days = [(-2, 0), (-1, 4), (0, 7), (3, 9), (4, 12)].map(|(number, first)| Day { number, first });
        let mut found = Vec::new();
        tiles(&[9, 1, 3, 7, 8, 13, 14, 0], &days, 1..7, &mut found);
        let pairs: Vec<_> = found.into_iter().map(|tile| (tile.day, tile.events)).collect();
        assert_eq!(pairs, [(-2, 1..3), (0, 3..5), (4, 5..7)]);
    }
}
