//! Pools of vectors: the mean, sum or maximum of those that a list of ids names.
//!
//! Knows nothing of where vectors lie. Invariants: finite float16 values are summed in float64, which is exact for lists of up to 8,192
//! (a float16 is a multiple of 2⁻²⁴ below 2¹⁶, so 13 more bits fit into 53); a result is rounded once, straight from float64.

use crate::catalog::declaration::Pool;
use half::f16;

/// Accumulates one row's vectors at a time.
pub struct Pooler {
    pool: Pool,
    sums: Vec<f64>,
    count: u64,
}

impl Pooler {
    pub fn new(pool: Pool, width: usize) -> Self {
        Self { pool, sums: vec![0.0; width], count: 0 }
    }

    pub fn add(&mut self, vector: &[f16]) {
        let first = self.count == 0;
        self.count += 1;
        for (sum, value) in self.sums.iter_mut().zip(vector) {
            let value = f64::from(value.to_f32());
            *sum = match self.pool {
                _ if first => value,
                Pool::Mean | Pool::Sum => *sum + value,
                Pool::Max => larger(*sum, value),
            };
        }
    }

    /// Writes the result and starts anew. False, and nothing written, where no vector was added.
    pub fn finish(&mut self, out: &mut Vec<f16>) -> bool {
        let count = std::mem::take(&mut self.count);
        if count == 0 {
            return false;
        }
        let divisor = if self.pool == Pool::Mean { count as f64 } else { 1.0 };
        out.extend(self.sums.iter().map(|sum| round_to_f16(sum / divisor)));
        true
    }
}

/// NaN wins, as in every aggregate.
fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// Rounds to the nearest float16, ties to even, by way of a float32 rounded to odd.
///
/// Rounding to nearest twice can be wrong: float32 may round a value onto the midpoint of two float16. Rounding to odd (truncate, and
/// set the last bit if anything was lost) keeps the side it lay on (Boldo and Melquiond, 2008).
pub fn round_to_f16(value: f64) -> f16 {
    let near = value as f32;
    if !value.is_finite() || !near.is_finite() || f64::from(near) == value {
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
    fn means_are_exact_sums_over_the_count() {
        let mut pooler = Pooler::new(Pool::Mean, 1);
        for value in [60_000.0, 0.1, -60_000.0] {
            pooler.add(&[f16::from_f64(value)]);
        }
        let mut out = Vec::new();
        assert!(pooler.finish(&mut out));
        let exact = (f16::from_f64(60_000.0).to_f64() + f16::from_f64(0.1).to_f64() + f16::from_f64(-60_000.0).to_f64()) / 3.0;
        assert_eq!(out, [f16::from_f64(exact)]);
        assert!(!pooler.finish(&mut out), "nothing was added since");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn rounding_agrees_with_a_search(mantissa in -4096i64..4096, exponent in -30i32..6, nudge in -3i64..=3, fine in 20i32..50) {
            let value = mantissa as f64 * 2f64.powi(exponent) + nudge as f64 * 2f64.powi(exponent - fine);
            prop_assert_eq!(round_to_f16(value).to_bits(), nearest(value).to_bits(), "{}", value);
        }
    }
}
