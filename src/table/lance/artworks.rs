//! Rows of artworks with vectors, as tests of datasets and of their rows write them.

use arrow::array::{ArrayRef, FixedSizeListArray, Float16Array, Int32Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use half::f16;
use std::sync::Arc;

pub const WIDTH: i32 = 4;

fn item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Float16, true))
}

pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("artwork_id", DataType::Int64, true),
        Field::new("embedding", DataType::FixedSizeList(item(), WIDTH), true),
        Field::new("score", DataType::Int32, true),
    ]))
}

/// A row for each key; `value` gives the numbers of its vector.
pub fn rows(keys: Vec<Option<i64>>, scores: Vec<i32>, value: impl Fn(Option<i64>, i64) -> f64) -> RecordBatch {
    let values = keys.iter().flat_map(|key| (0..i64::from(WIDTH)).map(|at| f16::from_f64(value(*key, at))));
    let values: ArrayRef = Arc::new(Float16Array::from_iter_values(values.collect::<Vec<_>>()));
    let vectors = FixedSizeListArray::new(item(), WIDTH, values, None);
    let columns: [ArrayRef; 3] = [Arc::new(Int64Array::from(keys)), Arc::new(vectors), Arc::new(Int32Array::from(scores))];
    RecordBatch::try_new(schema(), columns.to_vec()).unwrap()
}
