//! What vectors consist of: float16, float32 or float64, widened to float64 without loss and rounded from it once.
//!
//! Invariants: a value that keeps its type keeps its bits; a NaN that was computed is the one quiet NaN without a sign.

use super::sums;
use crate::table::vectors::Element;
use half::f16;

/// A vector, of the type that its store has.
#[derive(Debug, Clone, Copy)]
pub enum Vector<'a> {
    Float16(&'a [f16]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
}

impl<'a> Vector<'a> {
    /// The vector that lies in some bytes, which must be aligned for its elements.
    pub fn of(element: Element, bytes: &'a [u8]) -> Self {
        match element {
            Element::Float16 => Self::Float16(numbers(bytes)),
            Element::Float32 => Self::Float32(numbers(bytes)),
            Element::Float64 => Self::Float64(numbers(bytes)),
        }
    }
}

impl Vector<'_> {
    /// Combines the elements from `start` on with as many others, all in float64.
    #[inline]
    pub fn each(&self, start: usize, with: &mut [f64], does: impl Fn(&mut f64, f64)) {
        let end = start + with.len();
        match self {
            Self::Float16(values) => with.iter_mut().zip(&values[start..end]).for_each(|(w, v)| does(w, f64::from(widen(v.to_bits())))),
            Self::Float32(values) => with.iter_mut().zip(&values[start..end]).for_each(|(w, v)| does(w, f64::from(*v))),
            Self::Float64(values) => with.iter_mut().zip(&values[start..end]).for_each(|(w, v)| does(w, *v)),
        }
    }

    /// Appends the vector in another type, or as it is.
    pub fn put(&self, element: Element, out: &mut Vec<u8>) {
        match (self, element) {
            (Self::Float16(values), Element::Float16) => out.extend_from_slice(bytes_of(values)),
            (Self::Float32(values), Element::Float32) => out.extend_from_slice(bytes_of(values)),
            (Self::Float64(values), Element::Float64) => out.extend_from_slice(bytes_of(values)),
            _ => put(&self.widened(), element, out),
        }
    }

    fn widened(&self) -> Vec<f64> {
        let mut wide = vec![0.0; self.len()];
        self.each(0, &mut wide, |wide, value| *wide = value);
        wide
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Float16(values) => values.len(),
            Self::Float32(values) => values.len(),
            Self::Float64(values) => values.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Plain numbers: without padding, and any bits are one.
trait Plain {}
impl Plain for f16 {}
impl Plain for f32 {}
impl Plain for f64 {}

fn numbers<T: Plain>(bytes: &[u8]) -> &[T] {
    // SAFETY: any bytes are such a number.
    let (before, numbers, after) = unsafe { bytes.align_to::<T>() };
    assert!(before.is_empty() && after.is_empty(), "a vector lies where its elements may");
    numbers
}

fn bytes_of<T: Plain>(values: &[T]) -> &[u8] {
    // SAFETY: the numbers have no padding, and a byte needs no alignment.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), std::mem::size_of_val(values)) }
}

/// Appends values rounded to an element type.
pub fn put(values: &[f64], element: Element, out: &mut Vec<u8>) {
    match element {
        Element::Float16 => sums::put_float16(values, out),
        Element::Float32 => values.iter().for_each(|v| out.extend((if v.is_nan() { f32::NAN } else { *v as f32 }).to_le_bytes())),
        Element::Float64 => values.iter().for_each(|v| out.extend((if v.is_nan() { f64::NAN } else { *v }).to_le_bytes())),
    }
}

/// A float16 as a float32, in arithmetic that compilers turn into vector instructions.
#[inline]
pub fn widen(bits: u16) -> f32 {
    // Moved into place, the exponent is 112 too small; multiplying mends that, and subnormals too.
    let moved = u32::from(bits & 0x7fff) << 13;
    let finite = (f32::from_bits(moved) * f32::from_bits(0x7780_0000)).to_bits();
    let magnitude = if moved >= 0x0f80_0000 { moved | 0x7f80_0000 } else { finite };
    f32::from_bits(magnitude | (u32::from(bits & 0x8000) << 16))
}

/// Rounds to the nearest float16, ties to even, by way of a float32 rounded to odd.
///
/// Rounding to nearest twice can be wrong: float32 may round a value onto the midpoint of two float16. Rounding to odd (truncate, and
/// set the last bit if anything was lost) keeps the side it lay on (Boldo and Melquiond, 2008).
pub fn round_to_f16(value: f64) -> f16 {
    if value.is_nan() {
        return f16::NAN;
    }
    let near = value as f32;
    if !value.is_finite() || f64::from(near) == value {
        return f16::from_f32(near);
    }
    let truncated = if f64::from(near).abs() > value.abs() { near.to_bits() - 1 } else { near.to_bits() };
    f16::from_f32(f32::from_bits(truncated | 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The nearest float16 by trying them all around the value.
    fn nearest(value: f64) -> f16 {
        let finite = (0..=0xFFFFu16).map(f16::from_bits).filter(|h| h.is_finite());
        let limit = 65_520.0;
        if value.abs() >= limit {
            return if value > 0.0 { f16::INFINITY } else { f16::NEG_INFINITY };
        }
        let distance = |h: &f16| (h.to_f64() - value).abs();
        let even_first = |h: &f16| h.to_bits() & 1;
        let best = finite.min_by(|a, b| distance(a).total_cmp(&distance(b)).then(even_first(a).cmp(&even_first(b)))).unwrap();
        if best == f16::ZERO && value.is_sign_negative() { f16::NEG_ZERO } else { best }
    }

    #[test]
    fn a_value_just_above_a_midpoint_rounds_up() {
        // 1 + 2^-11 is midway between 1 and 1 + 2^-10; float32 cannot see the 2^-40 beside it.
        let value = 1.0 + 2f64.powi(-11) + 2f64.powi(-40);
        assert_eq!(round_to_f16(value).to_f64(), 1.0 + 2f64.powi(-10));
        assert_eq!(round_to_f16(1.0 + 2f64.powi(-11)).to_f64(), 1.0);
        assert_eq!(round_to_f16(1.0 + 2f64.powi(-11) - 2f64.powi(-40)).to_f64(), 1.0);
    }

    #[test]
    fn every_float16_is_widened_as_the_library_does() {
        for bits in 0..=u16::MAX {
            let (ours, theirs) = (widen(bits), f16::from_bits(bits).to_f32());
            assert!(ours.to_bits() == theirs.to_bits() || (ours.is_nan() && theirs.is_nan()), "{bits:#x}: {ours} {theirs}");
        }
    }

    #[test]
    fn what_keeps_its_type_keeps_its_bits() {
        let bits: Vec<f16> = [0x7c01u16, 0xfe00, 0x8000, 1].into_iter().map(f16::from_bits).collect();
        let mut out = Vec::new();
        Vector::Float16(&bits).put(Element::Float16, &mut out);
        assert_eq!(out, [1, 0x7c, 0, 0xfe, 0, 0x80, 1, 0]);
    }

    #[test]
    fn a_float64_is_rounded_to_float16_once() {
        let mut out = Vec::new();
        Vector::Float64(&[1.0 + 2f64.powi(-11) + 2f64.powi(-40)]).put(Element::Float16, &mut out);
        assert_eq!(out, f16::from_f64(1.0 + 2f64.powi(-10)).to_le_bytes());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn rounding_agrees_with_a_search(mantissa in -4096i64..4096, exponent in -30i32..6, nudge in -3i64..=3, fine in 20i32..50) {
            let value = mantissa as f64 * 2f64.powi(exponent) + nudge as f64 * 2f64.powi(exponent - fine);
            prop_assert_eq!(round_to_f16(value).to_bits(), nearest(value).to_bits(), "{}", value);
        }

        #[test]
        fn many_are_rounded_as_one_is(bits in prop::collection::vec(any::<u64>(), 0..70), tame in prop::collection::vec(-70000.0f64..70000.0, 0..70)) {
            let halves = (0..70u32).map(|i| 1.0 + f64::from(i) * 2f64.powi(-11) + f64::from(i % 3) * 2f64.powi(-45) - 2f64.powi(-45));
            let values: Vec<f64> = bits.into_iter().map(f64::from_bits).chain(tame).chain(halves).collect();
            let mut out = Vec::new();
            put(&values, Element::Float16, &mut out);
            let one: Vec<u8> = values.iter().flat_map(|v| round_to_f16(*v).to_le_bytes()).collect();
            prop_assert_eq!(out, one);
        }
    }
}
