//! Features: what is computed of rows. Expressions over a batch, the point-in-time kernels, the aggregates and the pools.
//!
//! Works on Arrow batches in memory; knows nothing of files (it is handed readers and writers) nor of the manifest. Polars stays
//! in here: a column crosses over through [`bridge`], without a copy where the layouts agree. Invariant: the same rows give the
//! same bytes, for any number of threads and any cut into batches.

pub mod bridge;
pub mod evaluate;
#[cfg(test)]
mod interpret;
mod lowering;
#[cfg(test)]
mod oracle_tests;
mod udf;
