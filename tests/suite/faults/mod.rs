//! Faults: a process killed, the power cut, the disk full, files damaged, each at every point where it can happen.
//!
//! The points are counted by a first run, never listed by hand. `DAEDA_CASES` multiplies what is chosen at random.

mod crash;
mod damage;
mod frail;
mod full;
mod power;
mod scene;
mod volatile;

/// How many random cases a test makes: `default` of them, or as many as `DAEDA_CASES` says.
pub fn cases(default: usize) -> usize {
    std::env::var("DAEDA_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}
