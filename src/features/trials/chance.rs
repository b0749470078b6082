//! Random small cases that a seed decides: few keys and instants, so that ties, edges and empty windows are common. Quick to make, so that
//! there can be many.

use super::cases::{Case, DAY, Event, Key, KeyKind, ValueKind};
use crate::features::rolling::{Reach, WindowSpan};

/// SplitMix64.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Something, so many times in a hundred.
    pub fn maybe<T>(&mut self, percent: usize, of: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.percent(percent).then(|| of(self))
    }
}

const KEYS: [KeyKind; 6] =
    [KeyKind::Int64, KeyKind::UInt8, KeyKind::Text, KeyKind::Date, KeyKind::Int32AndText, KeyKind::UInt64AndBoolAndText];

const VALUES: [ValueKind; 16] = [
    ValueKind::Int64,
    ValueKind::Int32,
    ValueKind::UInt64,
    ValueKind::UInt8,
    ValueKind::Float64,
    ValueKind::Float32,
    ValueKind::Float16,
    ValueKind::Text,
    ValueKind::LargeText,
    ValueKind::TextView,
    ValueKind::Bool,
    ValueKind::Date,
    ValueKind::Timestamp,
    ValueKind::ListOfInts,
    ValueKind::LargeListOfTexts,
    ValueKind::ListOfFloats,
];

fn key(chance: &mut Chance) -> Key {
    (chance.maybe(90, |chance| chance.below(2) as u8), chance.maybe(92, |chance| chance.below(2) as u8))
}

/// Around the boundaries of a few days, those before the epoch included.
fn instant(chance: &mut Chance) -> i64 {
    (chance.below(3) as i64 - 1) * DAY + chance.pick(&[-1, 0, 0, 1, 6])
}

fn value(chance: &mut Chance) -> Option<u8> {
    chance.maybe(80, |chance| chance.below(8) as u8)
}

fn event(chance: &mut Chance) -> Event {
    let time = instant(chance);
    Event {
        key: key(chance),
        time,
        value: value(chance),
        list: chance.maybe(85, |chance| (0..chance.below(4)).map(|_| value(chance)).collect()),
        known: chance.maybe(90, |chance| time + chance.pick(&[0, 0, 1, DAY])),
    }
}

fn window(chance: &mut Chance) -> WindowSpan {
    let width = |chance: &mut Chance| Reach::Of(chance.pick(&[1, 2, 7, DAY, DAY, DAY + 1, 2 * DAY, i64::MAX]));
    let reach = if chance.percent(15) { Reach::Lifetime } else { width(chance) };
    WindowSpan { reach, offset: chance.pick(&[0, 0, 0, 1, DAY]), forward: chance.percent(25) }
}

/// The case of a seed, and what else is to be decided about it.
pub fn case(seed: u64) -> (Case, Chance) {
    let mut chance = Chance::new(seed);
    let (keys, values) = (chance.pick(&KEYS), chance.pick(&VALUES));
    let spine = (0..1 + chance.below(6)).map(|_| (key(&mut chance), instant(&mut chance))).collect();
    let number = if chance.percent(8) { 0 } else { 4 + chance.below(20) };
    let mut events: Vec<Event> = (0..number).map(|_| event(&mut chance)).collect();
    events.sort_by_key(|event| event.time);
    let windows = (0..1 + chance.below(2)).map(|_| window(&mut chance)).collect();
    let k = 1 + chance.below(3) as u64;
    (Case { keys, values, spine, events, windows, k }, chance)
}
