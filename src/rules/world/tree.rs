//! A tree of digests over consecutive periods, shared by all that read any range of them: a range of hundreds costs a few nodes.
//!
//! Knows nothing of what a leaf is. Invariants: a node is made of sixteen aligned ones below it, so that every range is cut in one way and
//! equal ranges have equal digests; only the leaves of ranges that somebody asks for are made, each once.

use crate::digest::{Digest, Hasher};
use std::sync::OnceLock;

const WIDTH: i64 = 16;
/// Nodes of sixteen, of 256 and of 4096 leaves.
const HEIGHT: u32 = 3;
const CHUNK: i64 = WIDTH.pow(HEIGHT);

/// Values by consecutive numbers, each made once. Looked up by all threads at once, hundreds of times for each action: so without a lock.
#[derive(Debug)]
pub struct Memo<T> {
    chunks: Box<[OnceLock<Chunk<T>>]>,
}

/// Values of so many numbers as are made room for at once.
type Chunk<T> = Box<[OnceLock<T>]>;

/// Chunks on either side of the number 0: hours reach more than two centuries from 1970, days more than five millennia from the year 1.
const CHUNKS: i64 = 512;

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self { chunks: (0..2 * CHUNKS).map(|_| OnceLock::new()).collect() }
    }
}

impl<T: Clone> Memo<T> {
    /// The value of a number, made if it is not known. What cannot be made is not kept.
    pub fn get<E>(&self, number: i64, make: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let Some(cell) = self.cell(number) else { return make() };
        if let Some(known) = cell.get() {
            return Ok(known.clone());
        }
        let made = make()?;
        Ok(cell.get_or_init(|| made).clone())
    }

    /// None for a number so far off that its value is not kept.
    fn cell(&self, number: i64) -> Option<&OnceLock<T>> {
        let chunk = usize::try_from(number.div_euclid(CHUNK) + CHUNKS).ok()?;
        let chunk = self.chunks.get(chunk)?.get_or_init(|| (0..CHUNK).map(|_| OnceLock::new()).collect());
        chunk.get(number.rem_euclid(CHUNK) as usize)
    }
}

/// Digests of leaves and of the nodes above them.
#[derive(Debug, Default)]
pub struct Tree {
    levels: [Memo<Digest>; HEIGHT as usize + 1],
}

impl Tree {
    /// The digest of the leaves `from..=to`.
    pub fn range<E>(&self, from: i64, to: i64, leaf: &dyn Fn(i64) -> Result<Digest, E>) -> Result<Digest, E> {
        let mut nodes = Vec::with_capacity(64);
        for (level, number) in cut(from, to) {
            nodes.push(self.node(level, number, leaf)?);
        }
        Ok(Hasher::new("periods").number("from", from as u64).number("to", to as u64).digests("nodes", nodes.iter()).finish())
    }

    fn node<E>(&self, level: u32, number: i64, leaf: &dyn Fn(i64) -> Result<Digest, E>) -> Result<Digest, E> {
        self.levels[level as usize].get(number, || {
            if level == 0 {
                return leaf(number);
            }
            let below: Result<Vec<Digest>, E> = (0..WIDTH).map(|i| self.node(level - 1, number * WIDTH + i, leaf)).collect();
            Ok(Hasher::new("node").digests("of", below?.iter()).finish())
        })
    }
}

/// The largest aligned nodes that cover a range, in order: level and number.
fn cut(from: i64, to: i64) -> Vec<(u32, i64)> {
    let mut nodes = Vec::with_capacity(64);
    let mut at = from;
    while at <= to {
        let fits = |level: &u32| {
            let width = WIDTH.pow(*level);
            at.rem_euclid(width) == 0 && at + width - 1 <= to
        };
        let level = (0..=HEIGHT).rev().find(fits).unwrap_or(0);
        nodes.push((level, at.div_euclid(WIDTH.pow(level))));
        at += WIDTH.pow(level);
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;
    use std::convert::Infallible;

    fn leaf(changed: Option<i64>) -> impl Fn(i64) -> Result<Digest, Infallible> {
        move |number| Ok(Digest::of(format!("{number}{}", if changed == Some(number) { "!" } else { "" }).as_bytes()))
    }

    proptest! {
        #[test]
        fn a_range_is_covered_without_gap_or_overlap(from in -9000i64..9000, length in 0i64..9000) {
            let mut next = from;
            for (level, number) in cut(from, from + length) {
                prop_assert_eq!(number * WIDTH.pow(level), next);
                next += WIDTH.pow(level);
            }
            prop_assert_eq!(next, from + length + 1);
        }

        #[test]
        fn a_digest_differs_exactly_where_a_leaf_within_it_does(from in -300i64..300, length in 0i64..700, changed in -400i64..1100) {
            let to = from + length;
            let Ok(plain) = Tree::default().range(from, to, &leaf(None));
            let Ok(other) = Tree::default().range(from, to, &leaf(Some(changed)));
            prop_assert_eq!(plain != other, (from..=to).contains(&changed));
        }
    }

    #[test]
    fn leaves_are_made_once_and_only_where_asked_for() {
        let tree = Tree::default();
        let made = Cell::new(0);
        let count = |number| {
            made.set(made.get() + 1);
            leaf(None)(number)
        };
        for day in 720..820 {
            let Ok(_) = tree.range(day - 719, day, &count);
        }
        assert_eq!(made.get(), 819);
    }

    #[test]
    fn numbers_far_off_are_made_each_time() {
        let memo = Memo::default();
        for number in [i64::MIN, -CHUNK * CHUNKS - 1, -CHUNK * CHUNKS, 0, CHUNK * CHUNKS - 1, CHUNK * CHUNKS, i64::MAX] {
            let value = || memo.get(number, || Ok::<_, Infallible>(number));
            assert_eq!((value(), value()), (Ok(number), Ok(number)));
        }
    }

    #[test]
    fn a_long_range_costs_few_nodes() {
        assert!(cut(5, 5 + 719).len() <= 62);
        assert!(cut(7, 100_007).len() <= 4 * 32);
    }
}
