//! Pools of vectors: the mean, sum or maximum of those that a list of ids names.
//!
//! Knows nothing of where vectors lie. Invariants: everything is computed in float64, in the order of the list, and rounded once, straight to
//! the type of the result; so finite float16 values are summed exactly in lists of up to 8,192 (a float16 is a multiple of 2⁻²⁴ below
//! 2¹⁶, so 13 more bits fit into 53), whatever the order. A NaN is the one quiet NaN without a sign: which of several wins would depend
//! on the machine. The results are the same bits on every processor.

use super::elements::{Vector, put};
use super::sums;
use crate::catalog::declaration::Pool;
use crate::table::vectors::Element;

/// Elements that are summed at once: few enough for the registers, and a multiple of what these hold.
const BLOCK: usize = 64;

/// Pools rows of vectors into rows of one element type.
pub struct Pooler {
    pool: Pool,
    element: Element,
    sums: Vec<f64>,
}

impl Pooler {
    pub fn new(pool: Pool, width: usize, element: Element) -> Self {
        Self { pool, element, sums: vec![0.0; width] }
    }

    /// Appends the pool of some vectors, at least one.
    pub fn pool(&mut self, vectors: &[Vector], out: &mut Vec<u8>) {
        match self.pool {
            Pool::Mean | Pool::Sum => self.sum(vectors),
            Pool::Max => self.max(vectors),
        }
        if self.pool == Pool::Mean {
            let count = vectors.len() as f64;
            self.sums.iter_mut().for_each(|sum| *sum /= count);
        }
        put(&self.sums, self.element, out);
    }

    /// Block by block, so that a block's sums stay in registers while all vectors are added.
    fn sum(&mut self, vectors: &[Vector]) {
        if sums::add_float16(vectors, &mut self.sums) {
            return;
        }
        for (number, sums) in self.sums.chunks_mut(BLOCK).enumerate() {
            sums.fill(0.0);
            for vector in vectors {
                vector.each(number * BLOCK, sums, |sum, value| *sum += value);
            }
        }
    }

    fn max(&mut self, vectors: &[Vector]) {
        for (number, sums) in self.sums.chunks_mut(BLOCK).enumerate() {
            sums.fill(f64::NEG_INFINITY);
            for vector in vectors {
                vector.each(number * BLOCK, sums, |max, value| *max = larger(*max, value));
            }
        }
    }
}

/// NaN wins, as in every aggregate; of two zeros the later does.
fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;
    use proptest::prelude::*;

    fn pooled(pool: Pool, vectors: &[Vec<f16>]) -> Vec<u16> {
        let of: Vec<Vector> = vectors.iter().map(|v| Vector::Float16(v)).collect();
        let mut out = Vec::new();
        Pooler::new(pool, vectors[0].len(), Element::Float16).pool(&of, &mut out);
        out.chunks(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect()
    }

    /// One element at a time, with the numbers of the standard library.
    fn slowly(pool: Pool, vectors: &[Vec<f16>], place: usize) -> u16 {
        let values: Vec<f64> = vectors.iter().map(|v| v[place].to_f64()).collect();
        let sum = values.iter().fold(0.0, |sum, value| sum + value);
        let result = match pool {
            Pool::Sum => sum,
            Pool::Mean => sum / values.len() as f64,
            Pool::Max if values.iter().any(|v| v.is_nan()) => f64::NAN,
            Pool::Max => values.into_iter().reduce(|a, b| if a > b { a } else { b }).unwrap(),
        };
        if result.is_nan() { 0x7e00 } else { crate::features::elements::round_to_f16(result).to_bits() }
    }

    /// As numpy has it: a sum begins at zero.
    #[test]
    fn negative_zeros_sum_to_zero() {
        let zeros = vec![vec![f16::NEG_ZERO; 70]; 3];
        for pool in [Pool::Sum, Pool::Mean] {
            assert!(pooled(pool, &zeros).iter().all(|bits| *bits == 0));
        }
        assert!(pooled(Pool::Max, &zeros).iter().all(|bits| *bits == 0x8000));
    }

    #[test]
    fn means_are_exact_sums_over_the_count() {
        let vectors: Vec<Vec<f16>> = [60_000.0, 0.1, -60_000.0].iter().map(|v| vec![f16::from_f64(*v)]).collect();
        let exact = f16::from_f64(f16::from_f64(0.1).to_f64() / 3.0);
        assert_eq!(pooled(Pool::Mean, &vectors), [exact.to_bits()]);
    }

    #[test]
    fn sums_of_eight_thousand_are_exact_in_any_order() {
        let mut vectors: Vec<Vec<f16>> = (0..4096).flat_map(|_| [vec![f16::MAX], vec![f16::from_bits(1)]]).collect();
        vectors.extend((0..4096).map(|_| vec![f16::MIN]));
        vectors.truncate(8192 + 4096);
        let forth = pooled(Pool::Sum, &vectors);
        vectors.reverse();
        assert_eq!(pooled(Pool::Sum, &vectors), forth);
        assert_eq!(forth, [f16::from_f64(4096.0 * 2f64.powi(-24)).to_bits()]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn any_bits_pool_as_one_element_at_a_time(
            width in 1usize..150,
            bits in prop::collection::vec(any::<u16>(), 1..1500),
            tame in any::<bool>(),
        ) {
            let tamed = |b: u16| if tame { f16::from_bits(b & 0xbfff) } else { f16::from_bits(b) };
            let rows = (bits.len() / width).max(1);
            let value = |row: usize, place: usize| tamed(bits[(row * width + place) % bits.len()]);
            let vectors: Vec<Vec<f16>> = (0..rows).map(|row| (0..width).map(|place| value(row, place)).collect()).collect();
            for pool in [Pool::Sum, Pool::Mean, Pool::Max] {
                let expected: Vec<u16> = (0..width).map(|place| slowly(pool, &vectors, place)).collect();
                prop_assert_eq!(pooled(pool, &vectors), expected);
            }
        }

        #[test]
        fn every_element_type_is_pooled_in_float64(values in prop::collection::vec((-1e6f32..1e6, -1e-6f32..1e-6), 1..20)) {
            let expected: f64 = values.iter().map(|(a, _)| f64::from(*a)).fold(0.0, |sum, v| sum + v);
            let narrow: Vec<[f32; 2]> = values.iter().map(|(a, b)| [*a, *b]).collect();
            let wide: Vec<[f64; 2]> = values.iter().map(|(a, b)| [f64::from(*a), f64::from(*b)]).collect();
            let narrow: Vec<Vector> = narrow.iter().map(|v| Vector::Float32(v)).collect();
            let wide: Vec<Vector> = wide.iter().map(|v| Vector::Float64(v)).collect();
            for vectors in [narrow, wide] {
                let mut out = Vec::new();
                Pooler::new(Pool::Sum, 2, Element::Float64).pool(&vectors, &mut out);
                prop_assert_eq!(&out[..8], &expected.to_le_bytes());
                let mut out = Vec::new();
                Pooler::new(Pool::Sum, 2, Element::Float32).pool(&vectors, &mut out);
                prop_assert_eq!(&out[..4], &(expected as f32).to_le_bytes());
            }
        }
    }
}
