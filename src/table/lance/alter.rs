//! What others do to a dataset, for tests: rows deleted, files compacted, columns and indices added.

use super::runtime::block_on;
use super::{Dataset, Pin};
use ::lance::dataset::{NewColumnTransform, UpdateBuilder, optimize};
use ::lance::index::DatasetIndexExt;
use ::lance::index::vector::VectorIndexParams;
use std::path::Path;
use std::sync::Arc;

fn latest(path: &Path) -> ::lance::Dataset {
    (*Dataset::open(path, &Pin::Latest).unwrap().inner).clone()
}

pub fn delete(path: &Path, predicate: &str) {
    let mut dataset = latest(path);
    block_on(dataset.delete(predicate)).unwrap().unwrap();
}

/// Sets a column where a predicate holds; the rows move to a new fragment.
pub fn update(path: &Path, predicate: &str, column: &str, value: &str) {
    let dataset = Arc::new(latest(path));
    let job = UpdateBuilder::new(dataset).update_where(predicate).unwrap().set(column, value).unwrap().build().unwrap();
    block_on(job.execute()).unwrap().unwrap();
}

pub fn compact(path: &Path) {
    let mut dataset = latest(path);
    block_on(optimize::compact_files(&mut dataset, Default::default(), None)).unwrap().unwrap();
}

/// Adds a column computed by SQL from others.
pub fn add_column(path: &Path, name: &str, sql: &str) {
    let mut dataset = latest(path);
    let added = NewColumnTransform::SqlExpressions(vec![(name.into(), sql.into())]);
    block_on(dataset.add_columns(added, None, None)).unwrap().unwrap();
}

/// Adds an index of vectors.
pub fn add_index(path: &Path, column: &str) {
    const VECTOR: i32 = 100;
    let mut dataset = latest(path);
    let parameters = VectorIndexParams::ivf_flat(1, "l2".try_into().unwrap());
    let index_type = VECTOR.try_into().unwrap();
    block_on(dataset.create_index(&[column], index_type, None, &parameters, true)).unwrap().unwrap();
}
