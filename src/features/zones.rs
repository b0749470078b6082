//! The events that every window of every row has either whole or not at all: what is to be known of them is found in one pass in the order
//! of time, which is that of memory, and not key by key.
//!
//! Knows no aggregate. Invariant: a zone is a range of rows of the events, and no window begins or ends within one.

use std::ops::Range;

/// Rows that are worth a pass of their own, for each key.
const ROWS_PER_KEY: usize = if cfg!(test) { 0 } else { 4 };

/// The zones between the rows at which windows begin (for each window the first and the last of these) and the first row at which one ends.
/// What lies in none of them is left to who walks.
pub fn zones(mut begins: Vec<Range<u32>>, end: u32, keys: usize) -> Vec<Range<u32>> {
    begins.sort_by_key(|begin| begin.start);
    let (mut zones, mut next) = (Vec::new(), None);
    for begin in &begins {
        let start = *next.get_or_insert(begin.start);
        zones.push(start..begin.start.min(end));
        next = Some(start.max(begin.end));
    }
    zones.extend(next.map(|start| start..end));
    zones.retain(|zone| zone.len() > ROWS_PER_KEY * keys);
    zones
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::single_range_in_vec_init)]
    fn zones_lie_between_the_ends() {
        assert_eq!(zones(vec![5..9, 40..45, 0..3], 70, 0), [3..5, 9..40, 45..70]);
        assert_eq!(zones(vec![5..9, 0..7], 8, 0), []);
        assert_eq!(zones(vec![5..9, 6..7], 30, 2), [9..30]);
        assert_eq!(zones(vec![5..5, 6..7], 6, 0), [5..6]);
        assert_eq!(zones(vec![0..3, 60..80], 50, 0), [3..50]);
        assert_eq!(zones(vec![], 50, 0), []);
    }
}
