//! The synthetic data behind `daeda sample`: a feed, artworks, likes, user attributes and embeddings that hang together.
//!
//! Knows nothing of views, services or the manifest. Invariants: the same spec gives the same bytes (Lance names its files at random,
//! their content is the same); a day at a time is in memory; only tables that a sample wrote are ever replaced.
//!
//! Users are active and artworks popular with long tails. Both have a taste, and likes follow where tastes meet; authors are users.

mod attributes;
mod error;
mod feed;
mod file;
mod gallery;
mod marker;
mod people;
mod properties;
mod random;
mod sessions;
mod spec;
mod vectors;
mod write;

#[cfg(test)]
mod tests;

pub use error::SampleError;
pub use spec::SampleSpec;
pub use write::{PARTITIONED, SampleSummary, TableSummary, write};
