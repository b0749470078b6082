//! Values as 64-bit words: equal words for equal values, or words in the order of the values.
//!
//! Knows nothing of keys or time. Invariants: for equality every NaN is one value and -0.0 is 0.0; for order -0.0 comes before 0.0
//! and NaN is on top. The word of a null is arbitrary; callers leave nulls out.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Whole numbers, dates and times, widened to 64 bits; nothing is copied where they have them.
pub fn words(array: &ArrayRef) -> Option<ScalarBuffer<u64>> {
    use DataType::*;
    let wide = match array.data_type() {
        Int64 | UInt64 | Timestamp(..) | Date64 | Duration(_) => array.clone(),
        Boolean | Int8 | Int16 | Int32 | UInt8 | UInt16 | UInt32 | Date32 => cast(array, &Int64).ok()?,
        _ => return None,
    };
    let data = wide.to_data();
    Some(ScalarBuffer::new(data.buffers()[0].clone(), data.offset(), data.len()))
}

/// The bytes of strings and binaries; those of a null are empty.
pub fn texts(array: &dyn Array) -> Option<Vec<&[u8]>> {
    use DataType::*;
    Some(match array.data_type() {
        Utf8 => array.as_string::<i32>().iter().map(text_bytes).collect(),
        LargeUtf8 => array.as_string::<i64>().iter().map(text_bytes).collect(),
        Utf8View => array.as_string_view().iter().map(text_bytes).collect(),
        Binary => array.as_binary::<i32>().iter().map(Option::unwrap_or_default).collect(),
        LargeBinary => array.as_binary::<i64>().iter().map(Option::unwrap_or_default).collect(),
        BinaryView => array.as_binary_view().iter().map(Option::unwrap_or_default).collect(),
        _ => return None,
    })
}

fn text_bytes(value: Option<&str>) -> &[u8] {
    value.unwrap_or_default().as_bytes()
}

/// Equal words for equal values; nothing for types without equality here (lists, vectors).
pub fn by_equality(array: &ArrayRef) -> Option<Vec<u64>> {
    if let Some(words) = words(array) {
        return Some(words.to_vec());
    }
    if let Some(texts) = texts(array) {
        return Some(interned(&texts));
    }
    Some(floats(array)?.iter().map(|value| equal_bits(*value)).collect())
}

/// Which values have the greater words.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Up,
    Down,
}

/// Words in the order of the values, up or down; a NaN has the greatest word either way.
pub enum Ordered {
    /// Words that are turned when they are asked for.
    Words(ScalarBuffer<u64>, u64),
    Floats(ScalarBuffer<f64>, u64),
}

impl Ordered {
    /// Nothing for types without an order.
    pub fn new(array: &ArrayRef, order: Order) -> Option<Self> {
        let turn = if order == Order::Up { 0 } else { u64::MAX };
        if let Some(words) = words(array) {
            let sign = if array.data_type() == &DataType::UInt64 { 0 } else { SIGN };
            return Some(Self::Words(words, sign ^ turn));
        }
        if let Some(texts) = texts(array) {
            return Some(Self::Words(ranked(&texts).into(), turn));
        }
        Some(Self::Floats(floats(array)?, turn))
    }

    /// The word of a row.
    #[inline]
    pub fn word(&self, row: usize) -> u64 {
        match self {
            Self::Words(words, turn) => words[row] ^ turn,
            Self::Floats(values, turn) => match values[row] {
                value if value.is_nan() => u64::MAX,
                value => ordered_bits(value) ^ turn,
            },
        }
    }
}

const SIGN: u64 = 1 << 63;

/// The values of a float column as float64, which holds every narrower one.
fn floats(array: &ArrayRef) -> Option<ScalarBuffer<f64>> {
    if !array.data_type().is_floating() {
        return None;
    }
    let wide = cast(array, &DataType::Float64).ok()?;
    Some(wide.as_primitive::<Float64Type>().values().clone())
}

fn equal_bits(value: f64) -> u64 {
    match value {
        nan if nan.is_nan() => f64::NAN.to_bits(),
        0.0 => 0, // -0.0 too
        other => other.to_bits(),
    }
}

fn ordered_bits(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

/// A number for each different text, in order of appearance.
fn interned(texts: &[&[u8]]) -> Vec<u64> {
    let mut numbers = Dense::default();
    texts
        .iter()
        .map(|text| {
            let next = numbers.len() as u64;
            *numbers.entry(*text).or_insert(next)
        })
        .collect()
}

/// The rank of each text among the different ones.
fn ranked(texts: &[&[u8]]) -> Vec<u64> {
    let mut different: Vec<&[u8]> = texts.iter().map(|text| (*text, ())).collect::<Dense<_, _>>().into_keys().collect();
    different.sort_unstable();
    let ranks: Dense<&[u8], u64> = different.into_iter().zip(0..).collect();
    texts.iter().map(|text| ranks[text]).collect()
}

/// A map with a quick hash; its order of iteration is never used.
pub type Dense<K, V> = HashMap<K, V, BuildHasherDefault<Folded>>;

/// A multiply-and-fold hash, for tables that live within one call.
#[derive(Default, Clone, Copy)]
pub struct Folded(u64);

impl Folded {
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93_u128;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }
}

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u32(&mut self, word: u32) {
        self.mix(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.mix(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.mix(word as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float64Array, StringArray};
    use std::sync::Arc;

    fn by_order(array: &ArrayRef, order: Order) -> Option<Vec<u64>> {
        let words = Ordered::new(array, order)?;
        Some((0..array.len()).map(|row| words.word(row)).collect())
    }

    fn float_words(values: Vec<f64>, code: fn(&ArrayRef) -> Option<Vec<u64>>) -> Vec<u64> {
        code(&(Arc::new(Float64Array::from(values)) as ArrayRef)).unwrap()
    }

    #[test]
    fn equality_joins_nans_and_zeros() {
        let words = float_words(vec![f64::NAN, -f64::NAN, 0.0, -0.0, 1.0], by_equality);
        assert_eq!(words[0], words[1]);
        assert_eq!(words[2], words[3]);
        assert_ne!(words[2], words[4]);
    }

    #[test]
    fn order_is_that_of_the_values() {
        let values = vec![f64::NEG_INFINITY, -1.5, -0.0, 0.0, 1e-300, 7.0, f64::INFINITY, -f64::NAN];
        let up = float_words(values.clone(), |array| by_order(array, Order::Up));
        assert!(up.is_sorted_by(|a, b| a < b));
        let down = float_words(values, |array| by_order(array, Order::Down));
        assert!(down[..7].is_sorted_by(|a, b| a > b));
        assert_eq!(down[7], u64::MAX);
    }

    #[test]
    fn texts_rank_by_their_bytes() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["b", "", "é", "b", "aa"]));
        assert_eq!(by_order(&texts, Order::Up).unwrap(), [2, 0, 3, 2, 1]);
    }
}
