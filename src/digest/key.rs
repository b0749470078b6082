//! Keys of tables, in memory and in caches: quick to make, and never the identity of content.
//!
//! Knows nothing of what is kept. Invariants: parts are told apart by their lengths; 128 bits are enough that no two of a workspace's names
//! share a key by chance; a key in a cache's file means the same to every build of daeda (XXH3 is a published algorithm).

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// A key made of parts, in their order.
pub fn key(parts: &[&[u8]]) -> u128 {
    const SHORT: usize = 256;
    let length = parts.iter().map(|part| part.len() + 4).sum();
    if length > SHORT {
        let mut bytes = vec![0; length];
        return xxh3_128(laid_out(parts, &mut bytes));
    }
    xxh3_128(laid_out(parts, &mut [0; SHORT]))
}

/// Each part after its length.
fn laid_out<'a>(parts: &[&[u8]], into: &'a mut [u8]) -> &'a [u8] {
    let mut at = 0;
    for part in parts {
        into[at..at + 4].copy_from_slice(&(part.len() as u32).to_le_bytes());
        into[at + 4..at + 4 + part.len()].copy_from_slice(part);
        at += 4 + part.len();
    }
    &into[..at]
}

/// A short key, for tables that compare the name itself as well.
pub fn short_key(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// Values by key.
pub type Table<V> = HashMap<u128, V, BuildHasherDefault<Spread>>;

/// Keys are spread evenly as they are.
#[derive(Debug, Default, Clone, Copy)]
pub struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64(bytes);
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

/// The first place of a sorted list of evenly spread keys that is not below one: found in a few steps, by where such a key should lie.
/// `at` gives the key of a place.
pub fn first_not_below(wanted: u64, count: usize, at: impl Fn(usize) -> u64) -> usize {
    // All before `low` are below, and none from `high` on is; `floor..=ceiling` holds the keys between.
    let (mut low, mut high, mut floor, mut ceiling) = (0, count, 0, u64::MAX);
    let mut steps = 0;
    while low < high {
        let middle = match steps {
            0..8 => low + guess(wanted, floor, ceiling, high - low),
            // Keys that are not as even as they should be are halved.
            _ => low + (high - low) / 2,
        };
        steps += 1;
        let key = at(middle);
        if key < wanted {
            (low, floor) = (middle + 1, key);
        } else {
            (high, ceiling) = (middle, key);
        }
    }
    low
}

/// Where among `length` places a key between two others should lie.
fn guess(wanted: u64, floor: u64, ceiling: u64, length: usize) -> usize {
    let (above, width) = (wanted.saturating_sub(floor), ceiling.saturating_sub(floor));
    if width == 0 {
        return 0;
    }
    let place = u128::from(above) * length as u128 / u128::from(width);
    (place as usize).min(length - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_tell_parts_apart_and_are_pinned() {
        assert_ne!(key(&[b"ab", b"c"]), key(&[b"a", b"bc"]));
        assert_ne!(key(&[b"ab"]), key(&[b"ab", b""]));
        assert_eq!(key(&[b"a"]), key(&[b"a"]));
        for length in [0, 1, 247, 248, 249, 1000] {
            let part = vec![7; length];
            let bytes = [&(length as u32).to_le_bytes()[..], &part, &1u32.to_le_bytes(), b"x"].concat();
            assert_eq!(key(&[&part, b"x"]), xxh3_128(&bytes), "{length}");
        }
        assert_eq!(short_key(b""), 0x2d06_8005_38d3_94c2, "XXH3 of nothing, as published");
    }

    #[test]
    fn a_table_holds_what_is_put_into_it() {
        let mut table = Table::default();
        table.extend((0..1000u32).map(|n| (key(&[&n.to_le_bytes()]), n)));
        assert!((0..1000u32).all(|n| table.get(&key(&[&n.to_le_bytes()])) == Some(&n)));
    }

    proptest! {
        #[test]
        fn a_place_is_found_among_any_keys(mut keys in prop::collection::vec(any::<u64>(), 0..300), near in any::<u64>(), dense in any::<bool>()) {
            if dense {
                keys.iter_mut().for_each(|key| *key = near.saturating_add(*key % 50));
            }
            keys.sort_unstable();
            for wanted in keys.iter().flat_map(|k| [k.saturating_sub(1), *k, k.saturating_add(1)]).chain([near, 0, u64::MAX]) {
                let found = first_not_below(wanted, keys.len(), |place| keys[place]);
                prop_assert_eq!(found, keys.partition_point(|key| *key < wanted));
            }
        }
    }
}
