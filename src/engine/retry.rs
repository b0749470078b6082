//! When a failed attempt is repeated, and after how long.
//!
//! Pure but for the jitter's random number, which is handed in.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    #[default]
    Constant,
    Linear,
    Exponential,
}

/// How often after the first attempt, and with which delays (milliseconds).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RetryPolicy {
    pub times: u64,
    pub delay: u64,
    pub backoff: Backoff,
    pub max_delay: Option<u64>,
    /// Full jitter: anything between zero and the delay.
    pub jitter: bool,
}

impl RetryPolicy {
    /// The delay before the n-th retry, from 1. `random` lies in [0, 1).
    pub fn delay(&self, retry: u64, random: f64) -> u64 {
        let delay = match self.backoff {
            Backoff::Constant => self.delay,
            Backoff::Linear => self.delay.saturating_mul(retry),
            Backoff::Exponential => self.delay.saturating_mul(1u64.checked_shl(retry as u32 - 1).unwrap_or(u64::MAX)),
        };
        let capped = delay.min(self.max_delay.unwrap_or(u64::MAX));
        if self.jitter { (capped as f64 * random) as u64 } else { capped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(backoff: Backoff, max_delay: Option<u64>) -> Vec<u64> {
        let policy = RetryPolicy { times: 4, delay: 2_000, backoff, max_delay, jitter: false };
        (1..=4).map(|n| policy.delay(n, 0.5)).collect()
    }

    #[test]
    fn delays_grow_as_declared() {
        assert_eq!(delays(Backoff::Constant, None), [2_000, 2_000, 2_000, 2_000]);
        assert_eq!(delays(Backoff::Linear, None), [2_000, 4_000, 6_000, 8_000]);
        assert_eq!(delays(Backoff::Exponential, Some(10_000)), [2_000, 4_000, 8_000, 10_000]);
    }

    #[test]
    fn full_jitter_lies_below_the_delay_and_nothing_overflows() {
        let policy = RetryPolicy { times: 99, delay: 1_000, backoff: Backoff::Exponential, max_delay: Some(60_000), jitter: true };
        assert_eq!(policy.delay(1, 0.5), 500);
        assert_eq!(policy.delay(80, 0.999), 59_940);
    }
}
