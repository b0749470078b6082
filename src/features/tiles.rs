//! The canonical tree in which floats are merged, quickly and plainly.
//!
//! Knows no aggregate. The tree itself is defined in [`super::rolling`]. [`Tiled`] walks it at a cost of about one merge per row: whole
//! days are folded once per key, the merged middle once per pair of days, suffixes are kept per event of a day, and prefixes and windows
//! within a day grow with their end. [`Known`] builds it from nothing for each row, of the events that were known.

use super::frame::Frame;
use super::sweep::{Fold, Slice, Walk, folded};
use std::ops::Range;

/// The events of a key on one day.
#[derive(Debug, Clone, PartialEq)]
struct Tile {
    day: i64,
    events: Range<usize>,
}

/// The tiles of a run; no tile is empty.
fn tiles(times: &[i64], run: Range<usize>, length: i64, tiles: &mut Vec<Tile>) {
    tiles.clear();
    let mut start = run.start;
    while start < run.end {
        let day = times[start].div_euclid(length);
        let end = run.end.min(start + same_day(&times[start..run.end], day, length));
        tiles.push(Tile { day, events: start..end });
        start = end;
    }
}

/// How many of the times, the first of which lies in a day, lie in it.
fn same_day(times: &[i64], day: i64, length: i64) -> usize {
    match day.checked_add(1).and_then(|next| next.checked_mul(length)) {
        Some(end) => times.iter().position(|time| *time >= end).unwrap_or(times.len()),
        None => times.len(),
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
    times: &'a [i64],
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
            times: &frame.events.times,
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
        tiles(self.times, run, self.length, &mut self.tiles);
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
fn canonical<F: Fold>(fold: &F, positions: &[usize], times: &[i64], length: i64, slice: &Slice) -> F::State {
    let (first_day, last_day) = days(slice, length);
    if first_day.is_some() && first_day == last_day {
        return folded(fold, positions.iter().copied());
    }
    let day = |position: usize| Some(times[position].div_euclid(length));
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
    times: &'a [i64],
    since: &'a [i64],
    length: i64,
    positions: Vec<usize>,
}

impl<'a, F: Fold> Known<'a, F> {
    pub fn new(fold: &'a F, frame: &'a Frame, since: &'a [i64]) -> Self {
        Known { fold, times: &frame.events.times, since, length: frame.day, positions: Vec::new() }
    }
}

impl<F: Fold> Walk for Known<'_, F> {
    type Column = F::Column;

    fn key(&mut self, _run: Range<usize>) {}

    fn row(&mut self, slice: &Slice, column: &mut F::Column) {
        self.positions.clear();
        self.positions.extend((slice.lo..slice.hi).filter(|position| self.since[*position] <= slice.at));
        let state = canonical(self.fold, &self.positions, self.times, self.length, slice);
        self.fold.finish(&state, slice.at, column);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_before_the_epoch_are_whole_days_too() {
        let times = [-25, -24, -1, 0, 23, 24, 90];
        let mut found = Vec::new();
        tiles(&times, 0..7, 24, &mut found);
        let pairs: Vec<_> = found.into_iter().map(|tile| (tile.day, tile.events)).collect();
        assert_eq!(pairs, [(-2, 0..1), (-1, 1..3), (0, 3..5), (1, 5..6), (3, 6..7)]);
    }
}
