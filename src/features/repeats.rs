//! Lists that several rows of a row group have alike: a user's list stays the same from one like to the next, so it is pooled once.
//!
//! Knows nothing of pools. Invariants: what is kept is what the row would have been computed to, so it does not matter which row comes first or
//! whether anything is kept; what is kept has a limit.

use std::collections::HashMap;
use std::sync::OnceLock;

/// Bytes of results that are kept for a row group.
const LIMIT: usize = 64 << 20;

/// A row whose list no other has.
const ALONE: u32 = u32::MAX;

/// What has been computed of lists that occur again.
pub struct Repeats {
    /// Of each row, the place of its list's result.
    places: Vec<u32>,
    results: Vec<OnceLock<Box<[u8]>>>,
}

impl Repeats {
    /// Finds the lists that occur again. Each has a result of so many bytes.
    pub fn of<'a>(lists: impl Iterator<Item = &'a [u32]> + Clone, bytes: usize) -> Self {
        let mut seen: HashMap<&[u32], u32> = HashMap::new();
        for list in lists.clone().filter(|list| !list.is_empty()) {
            *seen.entry(list).or_insert(0) += 1;
        }
        seen.retain(|_, times| *times > 1);
        seen.values_mut().for_each(|place| *place = ALONE);
        let (mut places, mut next, most) = (Vec::new(), 0, (LIMIT / bytes.max(1)) as u32);
        for list in lists {
            let place = seen.get_mut(list).map(|place| {
                if *place == ALONE && next < most {
                    *place = next;
                    next += 1;
                }
                *place
            });
            places.push(place.unwrap_or(ALONE));
        }
        Self { places, results: (0..next).map(|_| OnceLock::new()).collect() }
    }

    /// What the list of a row was computed to, if it was.
    pub fn result(&self, row: usize) -> Option<&[u8]> {
        self.results.get(self.places[row] as usize)?.get().map(|bytes| &**bytes)
    }

    /// Keeps the result of a row for those that have the same list.
    pub fn keep(&self, row: usize, result: &[u8]) {
        if let Some(place) = self.results.get(self.places[row] as usize) {
            place.get_or_init(|| result.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_occurs_again_is_kept_and_others_are_not() {
        let lists: [&[u32]; 5] = [&[1, 2], &[], &[2, 1], &[1, 2], &[]];
        let repeats = Repeats::of(lists.into_iter(), 2);
        (0..5).for_each(|row| assert_eq!(repeats.result(row), None));
        (0..5).for_each(|row| repeats.keep(row, &[row as u8, 7]));
        let kept: Vec<Option<&[u8]>> = (0..5).map(|row| repeats.result(row)).collect();
        let first: Option<&[u8]> = Some(&[0, 7]);
        assert_eq!(kept, [first, None, None, first, None]);
    }

    #[test]
    fn what_is_kept_has_a_limit() {
        let lists: Vec<[u32; 1]> = (0..100).map(|n| [n / 2]).collect();
        let repeats = Repeats::of(lists.iter().map(|list| &list[..]), LIMIT / 3);
        (0..100).for_each(|row| repeats.keep(row, &[1]));
        assert_eq!((0..100).filter(|row| repeats.result(*row).is_some()).count(), 6);
    }
}
