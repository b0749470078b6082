//! One version of a Lance dataset: what identifies its rows, where keys lie, the vectors themselves.
//!
//! Knows nothing of what the vectors mean. Invariants: reading never changes the dataset; what is returned is complete, or an error
//! says what is missing, because Lance drops rows that it does not find without a word.

use super::addresses::Twice;
use super::runtime::block_on;
use super::{Addresses, LanceError};
use ::lance::dataset::{ProjectionRequest, TakeBuilder, builder::DatasetBuilder};
use ::lance::datatypes::Field;
use arrow::array::{Array, AsArray, FixedSizeListArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Schema, SchemaRef, UInt64Type};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Footers of data files; a take opens the same ones again and again.
const METADATA_CACHE_BYTES: usize = 256 << 20;

/// Indices are never used here.
const INDEX_CACHE_BYTES: usize = 1 << 20;

/// Lance's name for the column of addresses.
pub(super) const ROW_ADDRESS: &str = "_rowaddr";

/// Which version to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pin {
    Latest,
    Tag(String),
    Version(u64),
}

/// An opened version.
#[derive(Debug, Clone)]
pub struct Dataset {
    pub(super) inner: Arc<::lance::Dataset>,
    path: PathBuf,
}

impl Dataset {
    /// Opens the version that the pin names now.
    pub fn open(path: &Path, pin: &Pin) -> Result<Self, LanceError> {
        let location = location(path)?;
        if !path.join("_versions").is_dir() {
            return Err(LanceError::NotADataset { path: path.into() });
        }
        let latest = block_on(latest(&location))?.map_err(|error| LanceError::unreadable(path, &error))?;
        let inner = match pin {
            Pin::Latest => latest,
            Pin::Tag(tag) => tagged(path, &latest, tag)?,
            Pin::Version(version) => numbered(path, &latest, *version)?,
        };
        Ok(Self { inner: Arc::new(inner), path: path.into() })
    }

    /// The number of the opened version.
    pub fn version(&self) -> u64 {
        self.inner.version_id()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn schema(&self) -> SchemaRef {
        Arc::new(Schema::from(self.inner.schema()))
    }

    /// Rows of this version, the deleted ones left out.
    pub fn count_rows(&self) -> Result<u64, LanceError> {
        let count = block_on(self.inner.count_rows(None))?.map_err(|error| self.unreadable(&error))?;
        Ok(count as u64)
    }

    /// What identifies the rows of `columns`: each fragment's id, and the paths of the files that hold any of them, overlays
    /// and the deletion file included. Sorted as text. A new index or another column's file changes nothing here.
    pub fn fragments(&self, columns: &[String]) -> Result<Vec<(String, String)>, LanceError> {
        let mut fields = HashSet::new();
        for column in columns {
            collect_ids(self.field(column)?, &mut fields);
        }
        let mut fragments: Vec<_> = self.inner.iter_fragments().map(|fragment| identity(fragment, &fields)).collect();
        fragments.sort_unstable();
        Ok(fragments)
    }

    /// Reads the key column alone. Null keys are skipped; a key that occurs twice is an error.
    pub fn addresses(&self, key: &str) -> Result<Addresses, LanceError> {
        let all: Vec<u64> = self.inner.iter_fragments().map(|fragment| fragment.id).collect();
        self.unique(key, self.key_rows(&all, key)?)
    }

    /// Keys and addresses of all rows, as a map; that a key occurs twice is an error that says where.
    pub fn unique(&self, key: &str, rows: Vec<(i64, u64)>) -> Result<Addresses, LanceError> {
        let place = |address: u64| (fragment_of(address), position_in(address));
        let duplicate = |twice: Twice| {
            let [first, second] = twice.rows.map(place);
            LanceError::Duplicate { path: self.path.clone(), column: key.into(), key: twice.key, first, second }
        };
        Addresses::from_pairs(rows).map_err(duplicate)
    }

    /// The keys of some fragments and the addresses of their rows, in the order of the fragments; null keys are left out.
    pub fn key_rows(&self, fragments: &[u64], key: &str) -> Result<Vec<(i64, u64)>, LanceError> {
        let found = self.column_type(key)?;
        if !found.is_integer() {
            return Err(self.wrong_type(key, "an integer", &found));
        }
        let mut pairs = Vec::new();
        self.scan_addressed::<LanceError>(fragments, &[key], |batch| self.append_pairs(key, &batch, &mut pairs))?;
        Ok(pairs)
    }

    /// The vectors at these addresses, in the order given; repeats are repeated.
    pub fn take(&self, addresses: &[u64], column: &str) -> Result<FixedSizeListArray, LanceError> {
        self.vector_type(column)?;
        if addresses.is_sorted_by(|a, b| a < b) {
            return self.take_increasing(addresses, column);
        }
        let mut unique = addresses.to_vec();
        unique.sort_unstable();
        unique.dedup();
        self.reorder(&self.take_increasing(&unique, column)?, &unique, addresses)
    }

    /// Taken by address, not by row id: the two differ where a dataset has stable row ids.
    fn take_increasing(&self, addresses: &[u64], column: &str) -> Result<FixedSizeListArray, LanceError> {
        self.assert_within(addresses)?;
        let batch = block_on(take_batch(&self.inner, addresses, column, Deletions::Heeded))?.map_err(|error| self.unreadable(&error))?;
        self.as_vectors(&batch, column, addresses.len())
    }

    /// What a vector of a column is made of, and how many of it.
    pub fn vector_type(&self, column: &str) -> Result<(DataType, usize), LanceError> {
        match self.column_type(column)? {
            DataType::FixedSizeList(item, width) => Ok((item.data_type().clone(), width as usize)),
            found => Err(self.wrong_type(column, "a fixed-size list", &found)),
        }
    }

    /// Lance panics or fails on addresses that lie in no fragment.
    pub(super) fn assert_within(&self, addresses: &[u64]) -> Result<(), LanceError> {
        let known = self.count_within(addresses);
        let missing = || LanceError::MissingRows { path: self.path.clone(), asked: addresses.len(), found: known };
        if known == addresses.len() { Ok(()) } else { Err(missing()) }
    }

    /// How many addresses lie within a fragment.
    fn count_within(&self, addresses: &[u64]) -> usize {
        let within = |chunk: &[u64]| {
            let rows = self.rows_of(fragment_of(chunk[0]));
            chunk.partition_point(|address| position_in(*address) < rows)
        };
        addresses.chunk_by(|a, b| fragment_of(*a) == fragment_of(*b)).map(within).sum()
    }

    /// Rows ever written to a fragment; where an old dataset does not say, any position is believed.
    pub(super) fn rows_of(&self, fragment: u64) -> u64 {
        let found = self.inner.get_fragment(fragment as usize);
        found.map_or(0, |fragment| fragment.metadata().physical_rows.map_or(u64::MAX, |rows| rows as u64))
    }

    fn reorder(&self, vectors: &FixedSizeListArray, unique: &[u64], wanted: &[u64]) -> Result<FixedSizeListArray, LanceError> {
        let positions = wanted.iter().map(|address| unique.partition_point(|known| known < address) as u32);
        let positions = UInt32Array::from_iter_values(positions);
        let taken = arrow::compute::take(vectors, &positions, None).map_err(|error| self.unreadable(&error))?;
        Ok(taken.as_fixed_size_list().clone())
    }

    fn append_pairs(&self, key: &str, batch: &RecordBatch, pairs: &mut Vec<(i64, u64)>) -> Result<(), LanceError> {
        let keys = self.widen(key, &batch[key])?;
        let addresses = batch[ROW_ADDRESS].as_primitive::<UInt64Type>();
        pairs.extend(keys.iter().zip(addresses.values()).filter_map(|(key, address)| Some((key?, *address))));
        Ok(())
    }

    pub(super) fn widen(&self, key: &str, keys: &dyn Array) -> Result<Int64Array, LanceError> {
        let strict = CastOptions { safe: false, ..Default::default() };
        let widened = cast_with_options(keys, &DataType::Int64, &strict);
        let too_large = |_| LanceError::KeyTooLarge { path: self.path.clone(), column: key.into() };
        widened.map(|keys| keys.as_primitive().clone()).map_err(too_large)
    }

    fn column_type(&self, column: &str) -> Result<DataType, LanceError> {
        self.field(column).map(Field::data_type)
    }

    pub(super) fn field(&self, column: &str) -> Result<&Field, LanceError> {
        let fields = &self.inner.schema().fields;
        fields.iter().find(|field| field.name == column).ok_or_else(|| LanceError::NoSuchColumn {
            path: self.path.clone(),
            column: column.into(),
            known: fields.iter().map(|field| field.name.clone()).collect(),
        })
    }

    pub(super) fn wrong_type(&self, column: &str, expected: &'static str, found: &DataType) -> LanceError {
        LanceError::WrongType { path: self.path.clone(), column: column.into(), expected, found: found.to_string() }
    }

    pub(super) fn unreadable(&self, error: &(dyn std::error::Error + 'static)) -> LanceError {
        LanceError::unreadable(&self.path, error)
    }
}

/// Lance takes addresses for URLs; an absolute path is never one.
pub(super) fn location(path: &Path) -> Result<String, LanceError> {
    let absolute = std::path::absolute(path).map_err(|error| LanceError::unreadable(path, &error))?;
    if !absolute.exists() {
        return Err(LanceError::NotFound { path: path.into() });
    }
    text(path, absolute)
}

/// Lance names paths by text.
pub(super) fn text(path: &Path, absolute: PathBuf) -> Result<String, LanceError> {
    let not_text = |_| LanceError::Unreadable { path: path.into(), reason: "its path is not UTF-8; rename it".into(), kind: None };
    absolute.into_os_string().into_string().map_err(not_text)
}

async fn latest(location: &str) -> ::lance::Result<::lance::Dataset> {
    let builder = DatasetBuilder::from_uri(location);
    builder.with_metadata_cache_size_bytes(METADATA_CACHE_BYTES).with_index_cache_size_bytes(INDEX_CACHE_BYTES).load().await
}

fn tagged(path: &Path, latest: &::lance::Dataset, tag: &str) -> Result<::lance::Dataset, LanceError> {
    let tags = block_on(async { latest.tags().list().await })?.map_err(|error| LanceError::unreadable(path, &error))?;
    if !tags.contains_key(tag) {
        let mut known: Vec<String> = tags.into_keys().collect();
        known.sort_unstable();
        return Err(LanceError::NoSuchTag { path: path.into(), tag: tag.into(), known });
    }
    block_on(latest.checkout_version(tag))?.map_err(|error| LanceError::unreadable(path, &error))
}

fn numbered(path: &Path, latest: &::lance::Dataset, version: u64) -> Result<::lance::Dataset, LanceError> {
    let versions = block_on(latest.versions())?.map_err(|error| LanceError::unreadable(path, &error))?;
    if !versions.iter().any(|known| known.version == version) {
        return Err(LanceError::NoSuchVersion { path: path.into(), version, latest: latest.version_id() });
    }
    block_on(latest.checkout_version(version))?.map_err(|error| LanceError::unreadable(path, &error))
}

/// What becomes of rows that are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deletions {
    /// They are left out.
    Heeded,
    /// They come back as they were.
    Ignored,
}

pub(super) async fn take_batch(
    dataset: &Arc<::lance::Dataset>,
    addresses: &[u64],
    column: &str,
    deletions: Deletions,
) -> ::lance::Result<RecordBatch> {
    let projection = ProjectionRequest::from(dataset.schema().project(&[column])?).into_projection_plan(dataset.clone())?;
    let take = TakeBuilder::try_new_from_addresses(dataset.clone(), addresses.to_vec(), Arc::new(projection))?;
    take.with_ignore_deletions(deletions == Deletions::Ignored).execute().await
}

/// A column's own field id and those below it.
pub(super) fn collect_ids(field: &Field, ids: &mut HashSet<i32>) {
    ids.insert(field.id);
    field.children.iter().for_each(|child| collect_ids(child, ids));
}

pub(super) fn identity(fragment: &::lance::table::format::Fragment, fields: &HashSet<i32>) -> (String, String) {
    let mut parts = contents(fragment, fields);
    parts.extend(fragment.deletion_file.as_ref().map(|file| {
        let suffix = file.file_type.suffix();
        format!("_deletions/{}-{}-{}.{suffix}", fragment.id, file.read_version, file.id)
    }));
    (fragment.id.to_string(), parts.join(" "))
}

/// The files that hold any of the fields, whether rows of them are deleted or not.
pub(super) fn contents(fragment: &::lance::table::format::Fragment, fields: &HashSet<i32>) -> Vec<String> {
    let files = fragment.files.iter().chain(fragment.overlays.iter().map(|overlay| &overlay.data_file));
    // A file's path says what it holds; which of its fields are read is said beside it, since a column can be renamed onto another.
    let mut parts: Vec<String> = files.filter_map(|file| read_of(file, fields)).collect();
    parts.sort_unstable();
    parts
}

fn read_of(file: &::lance::table::format::DataFile, fields: &HashSet<i32>) -> Option<String> {
    let mut read: Vec<i32> = file.fields.iter().copied().filter(|id| fields.contains(id)).collect();
    read.sort_unstable();
    let read: Vec<String> = read.iter().map(i32::to_string).collect();
    (!read.is_empty()).then(|| format!("data/{} fields {}", file.path, read.join(",")))
}

pub(super) fn fragment_of(address: u64) -> u64 {
    address >> 32
}

fn position_in(address: u64) -> u64 {
    address & u64::from(u32::MAX)
}
