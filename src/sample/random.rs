//! Randomness that repeats: numbered streams of one seed, and draws by weight.
//!
//! Knows nothing of what is drawn. Invariants: each table and day has a stream of its own, so that no table's content depends on the
//! order in which tables are written; weights are whole numbers, so that a last bit of a platform's logarithm moves no draw.

use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The generator behind every stream.
pub(super) type Stream = ChaCha8Rng;

/// Who draws. The numbers are part of "same seed, same bytes".
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    People = 1,
    Gallery = 2,
    Feed = 3,
    Attributes = 4,
    Embeddings = 5,
}

/// The stream of one purpose and day (0 where there are no days).
pub(super) fn stream(seed: u64, purpose: Purpose, day: u32) -> Stream {
    let mut stream = Stream::seed_from_u64(seed);
    stream.set_stream((purpose as u64) << 32 | u64::from(day));
    stream
}

/// Draws positions in proportion to their weights, also from a stretch of them.
#[derive(Debug, Clone)]
pub(super) struct Wheel(Vec<u64>);

impl Wheel {
    /// Resolution of weights: an average of one keeps three digits.
    const STEPS: f64 = 1024.0;

    /// Every weight counts for at least one step.
    pub(super) fn new(weights: impl Iterator<Item = f64>) -> Self {
        let steps = weights.map(|weight| ((weight * Self::STEPS).round() as u64).max(1));
        let mut sums = vec![0];
        sums.extend(steps.scan(0, |sum, step| {
            *sum += step;
            Some(*sum)
        }));
        Self(sums)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len() - 1
    }

    pub(super) fn draw(&self, stream: &mut Stream) -> usize {
        self.draw_within(0, self.len(), stream)
    }

    /// From the positions `low..high`, of which there must be one.
    pub(super) fn draw_within(&self, low: usize, high: usize, stream: &mut Stream) -> usize {
        let point = stream.random_range(self.0[low]..self.0[high]);
        self.0.partition_point(|sum| *sum <= point) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_weights_and_stay_within() {
        let wheel = Wheel::new([8.0, 1.0, 1.0, 0.0].into_iter());
        let mut stream = stream(7, Purpose::People, 0);
        let mut counts = [0; 4];
        (0..10_000).for_each(|_| counts[wheel.draw(&mut stream)] += 1);
        assert!((7_500..8_500).contains(&counts[0]), "{counts:?}");
        assert!((0..1_000).all(|_| (1..3).contains(&wheel.draw_within(1, 3, &mut stream))));
    }

    #[test]
    fn streams_differ_by_purpose_and_day_and_repeat() {
        let first = |purpose, day| stream(7, purpose, day).random::<u64>();
        assert_eq!(first(Purpose::Feed, 3), first(Purpose::Feed, 3));
        assert_ne!(first(Purpose::Feed, 3), first(Purpose::Feed, 4));
        assert_ne!(first(Purpose::Feed, 3), first(Purpose::Attributes, 3));
    }
}
