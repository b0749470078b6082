//! Rows of keyed sources (embedding datasets, static views): a digest for each, what an action used of them, and what became of that.
//!
//! A source consists of *parts* that never change (fragments of a Lance dataset; a Parquet view is one part, known by its columns' digests).
//! A [`Sidecar`] says which parts there were and which rows were used. To [`compare`] it with the source as it is now, only parts that
//! were not there are looked into: so a source that grows costs its growth, and one that stands costs nothing. Knows nothing of why a
//! row is used. Invariants: equal values have equal digests, however they are stored, so that a compaction changes parts and no
//! verdict; a cached part is believed only as it was written.

mod cache;
mod compare;
mod error;
mod keys;
mod map;
mod sidecar;
mod store;
#[cfg(test)]
mod tests;
mod values;
mod view;

pub use cache::RowCache;
pub use compare::{Changes, Parts, compare, token};
pub use error::RowError;
pub use keys::{Form, Key, Keys, text as key_text};
pub use map::RowMap;
pub use sidecar::{Sidecar, Used, read_sidecar, write_sidecar};
pub use store::StoreRows;
pub use values::{digest_of_column, digest_of_columns, digests};
pub use view::{ViewRead, ViewRows};

/// In place of a row's digest where only its presence matters.
pub const PRESENT: u128 = 0;
