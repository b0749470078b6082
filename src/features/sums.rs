//! The two inner loops of pooling, in the instructions of the processor that runs them: adding float16 vectors in float64, and rounding
//! float64 to float16.
//!
//! Knows nothing of pools. Invariant: every path gives the same bits as the portable one, which tests compare it with.

use super::elements::{Vector, round_to_f16};
use half::f16;

/// Sums vectors of float16, in their order. False, and nothing done, where a vector is of another type or the processor has nothing for it.
pub fn add_float16(vectors: &[Vector], sums: &mut [f64]) -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        let float16 = |v: &Vector| matches!(v, Vector::Float16(values) if values.len() == sums.len());
        if !vectors.iter().all(float16) {
            return false;
        }
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has the instructions; all vectors are as long as the sums.
            unsafe { x86::add_wide(vectors, sums) };
            return true;
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c") {
            // SAFETY: as above.
            unsafe { x86::add(vectors, sums) };
            return true;
        }
    }
    let _ = (vectors, sums);
    false
}

/// Appends values rounded to float16.
pub fn put_float16(values: &[f64], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + values.len() * 2, 0);
    let out = &mut out[start..];
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c") {
        // SAFETY: the processor has the instructions; there are two bytes for each value.
        let done = unsafe { x86::round(values, out) };
        return put_one_by_one(&values[done..], &mut out[done * 2..]);
    }
    put_one_by_one(values, out);
}

/// Asks for a vector's memory before it is needed.
#[inline]
pub fn fetch(vector: &Vector) {
    #[cfg(target_arch = "x86_64")]
    x86::fetch(vector);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = vector;
}

fn put_one_by_one(values: &[f64], out: &mut [u8]) {
    for (value, bytes) in values.iter().zip(out.chunks_exact_mut(2)) {
        bytes.copy_from_slice(&round_to_f16(*value).to_le_bytes());
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Vector, f16};
    use crate::features::elements::widen;
    use std::arch::x86_64::*;

    fn values<'a>(vector: &Vector<'a>) -> &'a [f16] {
        match vector {
            Vector::Float16(values) => values,
            _ => &[],
        }
    }

    pub fn fetch(vector: &Vector) {
        const LINE: usize = 64;
        let (start, bytes) = match vector {
            Vector::Float16(values) => (values.as_ptr().cast::<i8>(), size_of_val(*values)),
            Vector::Float32(values) => (values.as_ptr().cast::<i8>(), size_of_val(*values)),
            Vector::Float64(values) => (values.as_ptr().cast::<i8>(), size_of_val(*values)),
        };
        for offset in (0..bytes).step_by(LINE) {
            // SAFETY: every x86-64 has the instruction, and it may be given any address.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(start.add(offset)) };
        }
    }

    /// The elements from `start` on that no block covers.
    fn add_rest(vectors: &[Vector], sums: &mut [f64], start: usize) {
        for (place, sum) in sums.iter_mut().enumerate().skip(start) {
            *sum = vectors.iter().fold(0.0, |sum, vector| sum + f64::from(widen(values(vector)[place].to_bits())));
        }
    }

    /// # Safety
    /// Needs AVX-512F; every vector is of float16 and as long as the sums.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn add_wide(vectors: &[Vector], sums: &mut [f64]) {
        const LANES: usize = 8;
        let mut start = 0;
        while start + 8 * LANES <= sums.len() {
            unsafe { block_wide::<8>(vectors, sums, start) };
            start += 8 * LANES;
        }
        while start + 2 * LANES <= sums.len() {
            unsafe { block_wide::<2>(vectors, sums, start) };
            start += 2 * LANES;
        }
        add_rest(vectors, sums, start);
    }

    /// Sums `N` registers of eight elements.
    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn block_wide<const N: usize>(vectors: &[Vector], sums: &mut [f64], start: usize) {
        unsafe {
            let mut registers = [_mm512_setzero_pd(); N];
            for vector in vectors {
                let from = values(vector).as_ptr().add(start);
                for (pair, two) in registers.chunks_exact_mut(2).enumerate() {
                    let wide = _mm512_cvtph_ps(_mm256_loadu_si256(from.add(pair * 16).cast()));
                    let (low, high) = (_mm512_castps512_ps256(wide), _mm512_extractf64x4_pd::<1>(_mm512_castps_pd(wide)));
                    two[0] = _mm512_add_pd(two[0], _mm512_cvtps_pd(low));
                    two[1] = _mm512_add_pd(two[1], _mm512_cvtps_pd(_mm256_castpd_ps(high)));
                }
            }
            for (number, register) in registers.iter().enumerate() {
                _mm512_storeu_pd(sums.as_mut_ptr().add(start + number * 8), *register);
            }
        }
    }

    /// # Safety
    /// Needs AVX2 and F16C; every vector is of float16 and as long as the sums.
    #[target_feature(enable = "avx2,f16c")]
    pub unsafe fn add(vectors: &[Vector], sums: &mut [f64]) {
        const LANES: usize = 4;
        let mut start = 0;
        while start + 8 * LANES <= sums.len() {
            unsafe { block::<8>(vectors, sums, start) };
            start += 8 * LANES;
        }
        while start + 2 * LANES <= sums.len() {
            unsafe { block::<2>(vectors, sums, start) };
            start += 2 * LANES;
        }
        add_rest(vectors, sums, start);
    }

    /// Sums `N` registers of four elements.
    #[target_feature(enable = "avx2,f16c")]
    #[inline]
    unsafe fn block<const N: usize>(vectors: &[Vector], sums: &mut [f64], start: usize) {
        unsafe {
            let mut registers = [_mm256_setzero_pd(); N];
            for vector in vectors {
                let from = values(vector).as_ptr().add(start);
                for (pair, two) in registers.chunks_exact_mut(2).enumerate() {
                    let wide = _mm256_cvtph_ps(_mm_loadu_si128(from.add(pair * 8).cast()));
                    two[0] = _mm256_add_pd(two[0], _mm256_cvtps_pd(_mm256_castps256_ps128(wide)));
                    two[1] = _mm256_add_pd(two[1], _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(wide)));
                }
            }
            for (number, register) in registers.iter().enumerate() {
                _mm256_storeu_pd(sums.as_mut_ptr().add(start + number * 4), *register);
            }
        }
    }

    /// Rounds eight at a time and returns how many were: as [`super::round_to_f16`] does, by way of float32 rounded to odd.
    ///
    /// # Safety
    /// Needs AVX2 and F16C; `out` has two bytes for each value.
    #[target_feature(enable = "avx2,f16c")]
    pub unsafe fn round(values: &[f64], out: &mut [u8]) -> usize {
        let whole = values.len() / 8 * 8;
        for start in (0..whole).step_by(8) {
            unsafe {
                let (low, high) = (to_odd(values.as_ptr().add(start)), to_odd(values.as_ptr().add(start + 4)));
                let narrow = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm256_set_m128(high, low));
                _mm_storeu_si128(out.as_mut_ptr().add(start * 2).cast(), narrow);
            }
        }
        whole
    }

    /// Four float64 as float32, truncated, with the last bit set where anything was lost; NaN without a sign or payload.
    #[target_feature(enable = "avx2,f16c")]
    #[inline]
    unsafe fn to_odd(from: *const f64) -> __m128 {
        unsafe {
            let value = _mm256_loadu_pd(from);
            let near = _mm256_cvtpd_ps(value);
            let back = _mm256_cvtps_pd(near);
            let sign = _mm256_set1_pd(-0.0);
            let lost = lanes(_mm256_cmp_pd::<_CMP_NEQ_OQ>(back, value));
            let above = lanes(_mm256_cmp_pd::<_CMP_GT_OQ>(_mm256_andnot_pd(sign, back), _mm256_andnot_pd(sign, value)));
            // All bits of a lane that holds are −1.
            let truncated = _mm_add_epi32(_mm_castps_si128(near), above);
            let odd = _mm_or_si128(truncated, _mm_and_si128(lost, _mm_set1_epi32(1)));
            let nan = _mm_cmpunord_ps(near, near);
            _mm_blendv_ps(_mm_castsi128_ps(odd), _mm_set1_ps(f32::NAN), nan)
        }
    }

    /// Four masks of 64 bits as masks of 32.
    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn lanes(mask: __m256d) -> __m128i {
        let even = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
        _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(_mm256_castpd_si256(mask), even))
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use proptest::prelude::*;

        proptest! {
            #[test]
            fn all_paths_add_alike(width in 1usize..200, rows in 1usize..9, seed in any::<u64>(), wild in any::<bool>()) {
                let bits = |i: usize| (seed.wrapping_mul(i as u64 * 2 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u16;
                let value = |i: usize| f16::from_bits(if wild { bits(i) } else { bits(i) & 0xbfff });
                let vectors: Vec<Vec<f16>> = (0..rows).map(|row| (0..width).map(|place| value(row * width + place)).collect()).collect();
                let vectors: Vec<Vector> = vectors.iter().map(|v| Vector::Float16(v)).collect();
                let canonical = |sums: Vec<f64>| sums.into_iter().map(|s| if s.is_nan() { 1 } else { s.to_bits() }).collect::<Vec<_>>();
                let (mut one, mut two, mut three) = (vec![0.0; width], vec![0.0; width], vec![0.0; width]);
                add_rest(&vectors, &mut one, 0);
                let one = canonical(one);
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c") {
                    // SAFETY: detected above; the lengths agree.
                    unsafe { add(&vectors, &mut two) };
                    prop_assert_eq!(&one, &canonical(two));
                }
                if is_x86_feature_detected!("avx512f") {
                    // SAFETY: detected above; the lengths agree.
                    unsafe { add_wide(&vectors, &mut three) };
                    prop_assert_eq!(&one, &canonical(three));
                }
            }
        }
    }
}
