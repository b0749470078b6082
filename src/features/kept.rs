//! Which of the rows of runs are kept: a bit for each position, and how many of those before it are set.
//!
//! Knows nothing of keys' values or of time. Invariant: to keep rows of runs and count, and to count without keeping, come to the same.

use arrow::buffer::BooleanBuffer;
use rayon::prelude::*;

/// Bits in the order of positions, and their sums.
pub struct Ranks {
    words: Vec<u64>,
    /// The set bits before each word, and all of them.
    before: Vec<u32>,
}

/// Words that one thread makes at once.
const SHARE: usize = 1 << 10;

impl Ranks {
    /// Of rows in the order of positions, those that are kept.
    pub fn new(rows: &[u32], keep: &BooleanBuffer) -> Self {
        let word = |rows: &[u32]| rows.iter().rev().fold(0, |word, row| word << 1 | u64::from(keep.value(*row as usize)));
        let words: Vec<u64> = rows.par_chunks(64).with_min_len(SHARE).map(word).collect();
        let mut before = Vec::with_capacity(words.len() + 1);
        let mut sum = 0;
        before.push(sum);
        before.extend(words.iter().map(|word| {
            sum += word.count_ones();
            sum
        }));
        Self { words, before }
    }

    /// How many of the positions before this one are kept.
    #[inline]
    pub fn before(&self, position: usize) -> u32 {
        let (word, bit) = (position / 64, position % 64);
        let within = self.words.get(word).map_or(0, |bits| (bits & ((1 << bit) - 1)).count_ones());
        self.before[word] + within
    }

    /// What stands at the positions that are kept.
    pub fn chosen(&self, rows: &[u32]) -> Vec<u32> {
        let mut chosen = vec![0; self.before[self.words.len()] as usize];
        let (mut rest, mut parts) = (&mut chosen[..], Vec::new());
        for start in (0..self.words.len()).step_by(SHARE) {
            let end = (start + SHARE).min(self.words.len());
            let (part, others) = rest.split_at_mut((self.before[end] - self.before[start]) as usize);
            parts.push((start..end, part));
            rest = others;
        }
        parts.into_par_iter().for_each(|(words, part)| {
            let mut places = part.iter_mut();
            for word in words {
                let mut bits = self.words[word];
                while bits != 0 {
                    if let Some(place) = places.next() {
                        *place = rows[64 * word + bits.trailing_zeros() as usize];
                    }
                    bits &= bits - 1;
                }
            }
        });
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_what_is_chosen() {
        for rows in [0, 1, 63, 64, 65, 128, 1000, 64 * SHARE + 77] {
            let order: Vec<u32> = (0..rows as u32).map(|row| (row * 7 + 3) % rows as u32).collect();
            let keep: BooleanBuffer = (0..rows).map(|row| row % 5 == 1 || row % 64 == 0).collect();
            let ranks = Ranks::new(&order, &keep);
            let expected: Vec<u32> = order.iter().copied().filter(|row| keep.value(*row as usize)).collect();
            assert_eq!(ranks.chosen(&order), expected);
            let mut count = 0;
            for (position, row) in order.iter().enumerate() {
                assert_eq!(ranks.before(position), count);
                count += u32::from(keep.value(*row as usize));
            }
            assert_eq!(ranks.before(rows) as usize, expected.len());
        }
    }
}
