//! Where the value of each event occurred before and occurs next, and the different values of a window in order of their latest occurrence.
//!
//! Knows values as words of equality alone. Invariants: neighbours are of one key; positions count over all events.

use super::sweep::Slice;
use std::ops::Range;

/// No event.
const NEVER: u32 = u32::MAX;

/// For the events of one key, the neighbours with an equal value.
#[derive(Default)]
pub struct Neighbours {
    start: usize,
    /// Position of the one before, plus one; 0 without one.
    before: Vec<u32>,
    /// Position of the next; `NEVER` without one.
    next: Vec<u32>,
    slots: Vec<u32>,
}

impl Neighbours {
    /// Links the events of a run.
    pub fn link(&mut self, words: &[u64], run: Range<usize>) {
        self.start = run.start;
        self.before.clear();
        self.next.clear();
        self.next.resize(run.len(), NEVER);
        self.clear_slots(run.len());
        for position in run {
            let slot = self.slot(words, position);
            let earlier = std::mem::replace(&mut self.slots[slot], position as u32);
            self.before.push(earlier.wrapping_add(1));
            if earlier != NEVER {
                self.next[earlier as usize - self.start] = position as u32;
            }
        }
    }

    /// Makes room for twice as many as there can be; only as much is cleared as this run uses.
    fn clear_slots(&mut self, events: usize) {
        self.slots.clear();
        self.slots.resize((2 * events).next_power_of_two(), NEVER);
    }

    /// Where the latest event with the value at a position stands, or is to stand.
    fn slot(&self, words: &[u64], position: usize) -> usize {
        let mask = self.slots.len() - 1;
        let product = u128::from(words[position]) * 0x9e37_79b9_7f4a_7c15_u128;
        let mut slot = (product as u64 ^ (product >> 64) as u64) as usize & mask;
        while self.slots[slot] != NEVER && words[self.slots[slot] as usize] != words[position] {
            slot = (slot + 1) & mask;
        }
        slot
    }

    /// Whether no event with this value lies before it in a window that starts at `lo`.
    pub fn is_first(&self, position: usize, lo: usize) -> bool {
        self.before[position - self.start] as usize <= lo
    }

    /// Whether no event with this value lies after it in a window that ends before `hi`.
    pub fn is_last(&self, position: usize, hi: usize) -> bool {
        self.next[position - self.start] as usize >= hi
    }

    fn before(&self, position: usize) -> usize {
        self.before[position - self.start] as usize - 1
    }
}

/// The part of a window that has gone and the part that has come since the row before.
pub struct Moved {
    pub gone: Range<usize>,
    /// Where the window ended when these went.
    pub end: usize,
    pub come: Range<usize>,
}

/// The window of the row before.
#[derive(Default)]
pub struct Past {
    lo: usize,
    hi: usize,
}

impl Past {
    /// Moves on to a window.
    pub fn advance(&mut self, slice: &Slice) -> Moved {
        let end = self.hi;
        let moved = Moved { gone: self.lo..slice.lo.min(end).max(self.lo), end, come: end.max(slice.lo)..slice.hi };
        *self = Past { lo: slice.lo, hi: slice.hi };
        moved
    }
}

/// The different values of a window as a linked list of their latest events.
#[derive(Default)]
pub struct Recency {
    start: usize,
    older: Vec<u32>,
    newer: Vec<u32>,
    newest: u32,
}

impl Recency {
    /// Starts with an empty window.
    pub fn clear(&mut self, run: Range<usize>) {
        self.start = run.start;
        self.older.resize(run.len(), NEVER);
        self.newer.resize(run.len(), NEVER);
        self.newest = NEVER;
    }

    /// Follows a window.
    pub fn advance(&mut self, moved: &Moved, lo: usize, neighbours: &Neighbours) {
        for position in moved.gone.clone().filter(|position| neighbours.is_last(*position, moved.end)) {
            self.remove(position);
        }
        for position in moved.come.clone() {
            if !neighbours.is_first(position, lo) {
                self.remove(neighbours.before(position));
            }
            self.append(position);
        }
    }

    fn append(&mut self, position: usize) {
        let (at, newest) = (position - self.start, self.newest);
        (self.older[at], self.newer[at]) = (newest, NEVER);
        if newest != NEVER {
            self.newer[newest as usize - self.start] = position as u32;
        }
        self.newest = position as u32;
    }

    fn remove(&mut self, position: usize) {
        let at = position - self.start;
        let (older, newer) = (self.older[at], self.newer[at]);
        match newer {
            NEVER => self.newest = older,
            _ => self.older[newer as usize - self.start] = older,
        }
        if older != NEVER {
            self.newer[older as usize - self.start] = newer;
        }
    }

    /// The latest events of the different values, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = u32> {
        let some = |position: u32| (position != NEVER).then_some(position);
        std::iter::successors(some(self.newest), move |position| some(self.older[*position as usize - self.start]))
    }
}
