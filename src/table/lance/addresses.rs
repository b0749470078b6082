//! Where each key's row lies: the key column of one version, sorted.
//!
//! Knows nothing of Lance. Invariant: keys are strictly increasing, so each has one address.

/// Key → row address. Sixteen bytes a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses(Vec<(i64, u64)>);

/// A key with more than one row: the smallest such, and its first two rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twice {
    pub key: i64,
    pub rows: [u64; 2],
}

impl Addresses {
    /// Sorts the pairs; a key that occurs twice is returned as the error. Pairs that come in a few sorted runs, as those of known fragments
    /// do, are merged in linear time.
    pub fn from_pairs(mut pairs: Vec<(i64, u64)>) -> Result<Self, Twice> {
        pairs.sort();
        match pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(Twice { key: pair[0].0, rows: [pair[0].1, pair[1].1] }),
            None => Ok(Self(pairs)),
        }
    }

    /// Rows of those of the keys that are there, in the order of the rows. The keys are sorted, each once.
    pub fn find(&self, keys: &[i64]) -> Vec<(u64, i64)> {
        let mut rest = &self.0[..];
        let mut found = Vec::with_capacity(keys.len().min(self.0.len()));
        for key in keys {
            rest = &rest[steps_below(rest, *key)..];
            match rest.first() {
                Some((known, address)) if known == key => found.push((*address, *key)),
                Some(_) => {}
                None => break,
            }
        }
        found.sort_unstable();
        found
    }

    pub fn get(&self, key: i64) -> Option<u64> {
        let at = self.0.binary_search_by_key(&key, |pair| pair.0).ok()?;
        Some(self.0[at].1)
    }

    pub fn contains(&self, key: i64) -> bool {
        self.get(key).is_some()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keys and addresses, by key.
    pub fn iter(&self) -> impl Iterator<Item = (i64, u64)> + '_ {
        self.0.iter().copied()
    }
}

/// How many pairs have smaller keys: near ones are found in a few steps.
fn steps_below(pairs: &[(i64, u64)], key: i64) -> usize {
    let mut bound = 1;
    while bound < pairs.len() && pairs[bound].0 < key {
        bound *= 2;
    }
    let start = bound / 2;
    start + pairs[start..pairs.len().min(bound + 1)].partition_point(|pair| pair.0 < key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_any_order_of_arrival() {
        let addresses = Addresses::from_pairs(vec![(7, 2), (-3, 1), (5, 0)]).unwrap();
        assert_eq!(addresses.get(-3), Some(1));
        assert_eq!(addresses.get(6), None);
        assert_eq!(addresses.iter().map(|(key, _)| key).collect::<Vec<_>>(), [-3, 5, 7]);
    }

    #[test]
    fn many_keys_are_found_as_one_is() {
        let addresses = Addresses::from_pairs((0..300).map(|n| (n * 3, ((n as u64 * 7919) % 300) << 3)).collect()).unwrap();
        for step in [1, 2, 5, 100, 2000] {
            let keys: Vec<i64> = (-4..950).step_by(step).collect();
            let mut expected: Vec<(u64, i64)> = keys.iter().filter_map(|key| Some((addresses.get(*key)?, *key))).collect();
            expected.sort_unstable();
            assert_eq!(addresses.find(&keys), expected, "every {step}");
        }
        assert!(Addresses::from_pairs(vec![]).unwrap().find(&[1]).is_empty());
    }

    #[test]
    fn a_second_row_of_a_key_is_named() {
        assert_eq!(Addresses::from_pairs(vec![(9, 0), (4, 1), (9, 2), (4, 3)]), Err(Twice { key: 4, rows: [1, 3] }));
    }
}
