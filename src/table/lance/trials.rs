//! A store that lives: keys and vectors that are appended, deleted, updated and compacted, for tests of what is kept about it.

use super::{Dataset, Pin, WriteMode, alter, write};
use arrow::array::{ArrayRef, FixedSizeListArray, Float64Array, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

pub const WIDTH: i32 = 4;

/// What happens to it. Keys are positions among those there ever were.
#[derive(Debug, Clone)]
pub enum Step {
    Append(usize),
    Delete(Vec<usize>),
    Update(Vec<usize>),
    Compact,
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let some = || proptest::collection::vec(0usize..64, 1..5);
    let step = prop_oneof![3 => (1usize..20).prop_map(Step::Append), 2 => some().prop_map(Step::Delete), 2 => some().prop_map(Step::Update), 1 => Just(Step::Compact)];
    proptest::collection::vec(step, 1..6)
}

pub struct Growing {
    directory: tempfile::TempDir,
    pub path: PathBuf,
    element: DataType,
    next: AtomicI64,
}

impl Growing {
    /// Of float16 vectors.
    pub fn new(keys: &[i64]) -> Self {
        Self::of(DataType::Float16, keys)
    }

    pub fn of(element: DataType, keys: &[i64]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.lance");
        let store = Self { directory, path, element, next: AtomicI64::new(1000) };
        store.write(keys, WriteMode::Create);
        store
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn open(&self) -> Dataset {
        Dataset::open(&self.path, &Pin::Latest).unwrap()
    }

    pub fn append(&self, keys: &[i64]) {
        self.write(keys, WriteMode::Append);
    }

    /// Rows that are to be embedded later: without the column.
    pub fn append_keys_alone(&self, keys: &[i64]) {
        let schema = Arc::new(Schema::new(vec![Field::new("artwork_id", DataType::Int64, true)]));
        let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(keys.to_vec()))]).unwrap();
        write(&self.path, schema, std::iter::once(batch), WriteMode::Append).unwrap();
    }

    fn next(&self) -> i64 {
        self.next.load(Ordering::Relaxed)
    }

    /// All keys that there may be by now.
    pub fn keys(&self) -> Vec<i64> {
        (0..20).chain(1000..self.next() + 3).collect()
    }

    pub fn happen(&self, step: &Step) {
        match step {
            Step::Append(count) => {
                let first = self.next.fetch_add(*count as i64, Ordering::Relaxed);
                self.append(&(first..self.next()).rev().collect::<Vec<_>>());
            }
            Step::Delete(at) => alter::delete(&self.path, &self.chosen(at)),
            Step::Update(at) => {
                let vector = format!("arrow_cast([artwork_id, 1, 2, {}], 'FixedSizeList({WIDTH}, {})')", at[0], self.element);
                alter::update(&self.path, &self.chosen(at), "embedding", &vector);
            }
            Step::Compact => alter::compact(&self.path),
        }
    }

    fn chosen(&self, at: &[usize]) -> String {
        let all = self.keys();
        let keys: Vec<String> = at.iter().map(|at| all[at % all.len()].to_string()).collect();
        format!("artwork_id IN ({})", keys.join(", "))
    }

    fn schema(&self) -> SchemaRef {
        let vector = DataType::FixedSizeList(Arc::new(Field::new("item", self.element.clone(), true)), WIDTH);
        Arc::new(Schema::new(vec![Field::new("artwork_id", DataType::Int64, true), Field::new("embedding", vector, true)]))
    }

    /// Every eleventh key has no vector.
    fn write(&self, keys: &[i64], mode: WriteMode) {
        let values = keys.iter().flat_map(|key| (0..WIDTH).map(move |i| (key * 10 + i64::from(i)) as f64 / 7.0));
        let values = cast(&Float64Array::from_iter_values(values), &self.element).unwrap();
        let valid: Vec<bool> = keys.iter().map(|key| key % 11 != 0).collect();
        let item = Arc::new(Field::new("item", self.element.clone(), true));
        let vectors: ArrayRef = Arc::new(FixedSizeListArray::new(item, WIDTH, values, Some(valid.into())));
        let batch = RecordBatch::try_new(self.schema(), vec![Arc::new(Int64Array::from(keys.to_vec())), vectors]).unwrap();
        write(&self.path, self.schema(), std::iter::once(batch), mode).unwrap();
    }
}
