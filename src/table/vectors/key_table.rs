//! Keys, each once, and the number of each: a table of the smallest kind, since there may be millions.
//!
//! Invariant: numbers follow the order in which keys came. Twelve to twenty bytes a key, against some fifty of a general map.

/// No key has this number.
const EMPTY: u32 = u32::MAX;

#[derive(Debug, Clone)]
pub struct KeyTable {
    keys: Vec<i64>,
    /// Numbers of keys, at places that follow from the keys; a power of two of them, at most half taken.
    places: Vec<u32>,
}

impl Default for KeyTable {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl KeyTable {
    pub fn with_capacity(keys: usize) -> Self {
        Self { keys: Vec::with_capacity(keys), places: vec![EMPTY; (keys * 2).next_power_of_two().max(16)] }
    }

    /// The number of a key.
    pub fn get(&self, key: i64) -> Option<u32> {
        let mut place = self.first_place(key);
        loop {
            match self.places[place] {
                EMPTY => return None,
                number if self.keys[number as usize] == key => return Some(number),
                _ => place = (place + 1) & (self.places.len() - 1),
            }
        }
    }

    /// Adds a key unless it is there.
    pub fn insert(&mut self, key: i64) {
        if self.get(key).is_some() {
            return;
        }
        if (self.keys.len() + 1) * 2 > self.places.len() {
            self.grow();
        }
        self.keys.push(key);
        self.put(self.keys.len() - 1);
    }

    pub fn keys(&self) -> &[i64] {
        &self.keys
    }

    pub fn into_keys(self) -> Vec<i64> {
        self.keys
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn grow(&mut self) {
        self.places = vec![EMPTY; self.places.len() * 2];
        (0..self.keys.len()).for_each(|number| self.put(number));
    }

    fn put(&mut self, number: usize) {
        let mut place = self.first_place(self.keys[number]);
        while self.places[place] != EMPTY {
            place = (place + 1) & (self.places.len() - 1);
        }
        self.places[place] = number as u32;
    }

    /// The highest bits of a product with an odd number depend on all bits of the key.
    fn first_place(&self, key: i64) -> usize {
        let spread = (key as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (spread >> (64 - self.places.len().trailing_zeros())) as usize
    }
}

impl FromIterator<i64> for KeyTable {
    fn from_iter<I: IntoIterator<Item = i64>>(keys: I) -> Self {
        let keys = keys.into_iter();
        let mut table = Self::with_capacity(keys.size_hint().0);
        keys.for_each(|key| table.insert(key));
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn it_agrees_with_a_map(keys in proptest::collection::vec(prop_oneof![-20i64..20, any::<i64>(), (0i64..9).prop_map(|n| n << 60)], 0..300)) {
            let table: KeyTable = keys.iter().copied().collect();
            let mut map = HashMap::new();
            for key in &keys {
                let next = map.len() as u32;
                map.entry(*key).or_insert(next);
            }
            prop_assert_eq!(table.len(), map.len());
            for key in keys.iter().copied().chain(-25..25) {
                prop_assert_eq!(table.get(key), map.get(&key).copied());
            }
        }
    }
}
