//! The rows of one part: key → digest, sorted by key.
//!
//! Knows nothing of what a part is. Invariant: keys are strictly increasing; several rows of one key count as one row that is equal to
//! none of them, which is what makes them show.

use super::keys::{Form, Key};
use crate::digest::Hasher;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowMap {
    pub(super) form: Form,
    pub(super) keys: Vec<Key>,
    pub(super) digests: Vec<u128>,
}

impl RowMap {
    pub fn from_pairs(form: Form, mut pairs: Vec<(Key, u128)>) -> Self {
        pairs.sort_unstable();
        let mut map = Self { form, keys: Vec::with_capacity(pairs.len()), digests: Vec::with_capacity(pairs.len()) };
        for rows in pairs.chunk_by(|a, b| a.0 == b.0) {
            map.keys.push(rows[0].0);
            map.digests.push(digest_of(rows));
        }
        map
    }

    pub fn form(&self) -> Form {
        self.form
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub fn get(&self, key: Key) -> Option<u128> {
        self.keys.binary_search(&key).ok().map(|at| self.digests[at])
    }

    /// The digests of sorted keys, told by their position. Both sides are walked once, in growing steps.
    pub fn find(&self, wanted: impl Iterator<Item = Key>, mut tell: impl FnMut(usize, u128)) {
        let mut at = 0;
        for (position, key) in wanted.enumerate() {
            at += position_from(&self.keys[at..], key);
            match self.keys.get(at) {
                Some(found) if *found == key => tell(position, self.digests[at]),
                Some(_) => {}
                None => return,
            }
        }
    }
}

/// The first position whose key is not below: near ones are found in a few steps.
fn position_from(keys: &[Key], key: Key) -> usize {
    let mut bound = 1;
    while bound < keys.len() && keys[bound] < key {
        bound *= 2;
    }
    let start = bound / 2;
    start + keys[start..keys.len().min(bound + 1)].partition_point(|known| *known < key)
}

fn digest_of(rows: &[(Key, u128)]) -> u128 {
    of_key(rows.len() as u64, rows.iter().fold(0, |sum, (_, digest)| sum.wrapping_add(*digest)))
}

/// The digest of a key from the number of its rows and the sum of their digests, which no order changes.
pub(super) fn of_key(rows: u64, sum: u128) -> u128 {
    match rows {
        1 => sum,
        _ => Hasher::new("rows of one key").number("rows", rows).part("sum", &sum.to_le_bytes()).finish().wide(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(i64, u128)]) -> RowMap {
        RowMap::from_pairs(Form::Numbers, pairs.iter().map(|(key, digest)| (Key::number(*key), *digest)).collect())
    }

    #[test]
    fn all_keys_are_found_and_no_other() {
        let even = map(&(0..500).rev().map(|n| (n * 2, n as u128 + 1)).collect::<Vec<_>>());
        for step in [1, 2, 3, 7, 100, 999] {
            let wanted: Vec<i64> = (-5..1100).step_by(step).collect();
            let mut found = Vec::new();
            even.find(wanted.iter().map(|key| Key::number(*key)), |position, digest| found.push((wanted[position], digest)));
            let expected: Vec<_> =
                wanted.iter().filter(|key| (0..1000).contains(*key) && **key % 2 == 0).map(|key| (*key, *key as u128 / 2 + 1)).collect();
            assert_eq!(found, expected, "step {step}");
            assert!(wanted.iter().all(|key| even.get(Key::number(*key)).is_some() == expected.iter().any(|(known, _)| known == key)));
        }
        map(&[]).find([Key::number(1)].into_iter(), |_, _| panic!("nothing is in an empty map"));
    }

    #[test]
    fn a_second_row_of_a_key_shows_whatever_it_holds() {
        let single = map(&[(1, 5)]).get(Key::number(1));
        let twice = map(&[(1, 5), (1, 5)]);
        assert_eq!(twice.len(), 1);
        assert_ne!(twice.get(Key::number(1)), single);
        assert_eq!(map(&[(1, 6), (1, 5)]), map(&[(1, 5), (1, 6)]));
    }
}
