//! Lance datasets behind a blocking interface: open a version, say what identifies its rows, find and take vectors, write.
//!
//! Knows nothing of embeddings as features. Invariants: the only place that touches the async runtime, and nothing asynchronous
//! leaves it; a [`Dataset`] is one version and never moves to a newer one by itself; rows are named by their address (`_rowaddr`:
//! fragment and position), which holds for that version only.

mod addresses;
#[cfg(test)]
pub mod alter;
#[cfg(test)]
pub(in crate::table) mod artworks;
mod dataset;
mod error;
mod fragments;
mod runtime;
mod vectors;
mod write;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub mod trials;

pub use addresses::Addresses;
pub use dataset::{Dataset, Pin};
pub use error::LanceError;
pub use fragments::Fragment;
pub use write::{WriteMode, write};
