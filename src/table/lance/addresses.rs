//! Where each key's row lies: the key column of one version, sorted.
//!
//! Knows nothing of Lance. Invariant: keys are strictly increasing, so each has one address.

/// Key → row address. Sixteen bytes a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses(Vec<(i64, u64)>);

impl Addresses {
    /// Sorts the pairs; a key that occurs twice is returned as the error, the smallest such.
    pub fn from_pairs(mut pairs: Vec<(i64, u64)>) -> Result<Self, i64> {
        pairs.sort_unstable();
        match pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(pair[0].0),
            None => Ok(Self(pairs)),
        }
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
    fn a_second_row_of_a_key_is_named() {
        assert_eq!(Addresses::from_pairs(vec![(9, 0), (4, 1), (9, 2), (4, 3)]), Err(4));
    }
}
