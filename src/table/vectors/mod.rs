//! Vectors by key: what a partition needs of a store, read from Lance once and kept in files that partitions and runs share.
//!
//! [`VectorCache::fetch`] finds which of the wanted rows lie in kept [`segment`]s, checks each against its digest, reads the others from
//! Lance into a new segment, and hands out [`Vectors`]: mapped into memory where that is within the budget, otherwise lent batch by batch by
//! reading them. Knows nothing of what vectors mean. Invariants: a vector that is handed out has the digest of its row, so that nothing that
//! happened to a file can be served; a segment never changes once it has its name; what cannot be kept is read into a file without a name,
//! so that a cache that is full, damaged or forbidden costs time only.

mod cache;
mod error;
mod key_table;
mod matrix;
mod rows;
mod segment;
mod shape;
#[cfg(test)]
mod tests;

pub use cache::{Fetched, VectorCache, Want};
pub use error::VectorError;
pub use key_table::KeyTable;
pub use matrix::{Lent, Scratch, Vectors};
pub use rows::Row;
pub use shape::{Element, Shape};
