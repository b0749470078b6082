//! Columns on disk and in memory: Parquet, Lance, Arrow; schemas, column digests, streaming readers and writers.
//!
//! Knows nothing of features, rules or the manifest. Invariant: readers and writers stream, so memory is bounded by batches and
//! never by the size of a source.

pub mod kept;
mod kept_files;
pub mod keys;
pub mod lance;
pub mod listing;
pub mod ordered;
pub mod parquet;
pub mod rows;
pub mod snapshot;
pub mod spill;
pub mod vectors;
