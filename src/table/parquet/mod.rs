//! Parquet files: footers, column digests, reading columns, writing shards, records in footers.

mod arrays;
mod bounds;
mod cache;
mod digest;
mod error;
mod extent;
mod footer;
mod groups;
mod levels;
mod note;
mod pieces;
mod placed;
mod read;
mod row_group;
mod shape;
mod shard_file;
mod shards;
mod stream;
mod vectors;

pub use bounds::Bounds;
pub use cache::ColumnCache;
pub use digest::column_digests;
pub use error::TableError;
pub use extent::{Extent, extents};
pub use footer::{Footer, footer};
pub use groups::RowGroups;
pub use note::{note, read_note, schema_of};
pub use pieces::{Joined, Stretch, Wanted, read_joined};
pub use read::{read_batches, read_columns, read_groups, same_values};
pub use row_group::{Column, Rows};
pub use shape::{ColumnShape, shape};
pub use shards::{Compression, ShardWriter, WriteOptions, Written, WrittenFile};
pub use vectors::PageVectors;
