//! Rows of a Lance dataset: appended, updated, deleted; and what changes the dataset but no row: compaction, an index, another column.

use super::parquet_rows::{Written, written};
use arrow::array::{ArrayRef, FixedSizeListArray, Float16Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field};
use daeda::table::lance::{WriteMode, write};
use half::f16;
use lance::Dataset;
use lance::dataset::{NewColumnTransform, UpdateBuilder, optimize};
use lance::index::DatasetIndexExt;
use lance_index::IndexType;
use lance_index::scalar::ScalarIndexParams;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use tokio::runtime::Runtime;

/// Keys are int64; a vector is written as the one number that all its elements are.
pub enum LanceChange {
    Append(Vec<Written>),
    Update(Vec<Written>),
    Delete(Vec<Written>),
    Compact,
    Index(String),
    /// A column that is computed from others.
    Column(Vec<Written>),
}

const WIDTH: i32 = 4;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime for the datasets of scenarios"));

impl LanceChange {
    pub fn parse(verb: &str, rest: &[&str]) -> Option<Self> {
        Some(match (verb, rest) {
            ("append", values) => Self::Append(written(values)?),
            ("update", values) => Self::Update(written(values).filter(|values| values.len() == 2)?),
            ("delete", values) => Self::Delete(written(values).filter(|values| values.len() == 1)?),
            ("compact", []) => Self::Compact,
            ("index", [column]) => Self::Index(column.to_string()),
            ("column", values) => Self::Column(written(values)?),
            _ => return None,
        })
    }

    pub fn apply(&self, path: &Path) -> Result<(), String> {
        if let Self::Append(values) = self {
            return append(path, values);
        }
        RUNTIME.block_on(self.change(path)).map_err(|e| e.to_string())
    }

    async fn change(&self, path: &Path) -> lance::Result<()> {
        let mut dataset = Dataset::open(&path.to_string_lossy()).await?;
        match self {
            Self::Append(_) => {}
            Self::Update(values) => update(dataset, &values[0], &values[1]).await?,
            Self::Delete(values) => {
                dataset.delete(&condition(&values[0])).await?;
            }
            Self::Compact => {
                optimize::compact_files(&mut dataset, Default::default(), None).await?;
            }
            Self::Index(column) => index(&mut dataset, column).await?,
            Self::Column(values) => {
                let columns = values.iter().map(|(name, text)| (name.clone(), text.clone())).collect();
                dataset.add_columns(NewColumnTransform::SqlExpressions(columns), None, None).await?;
            }
        }
        Ok(())
    }
}

fn condition((name, value): &Written) -> String {
    format!("{name} = {value}")
}

/// The row of a key gets another vector.
async fn update(dataset: Dataset, key: &Written, vector: &Written) -> lance::Result<()> {
    let elements = vec![vector.1.clone(); WIDTH as usize].join(", ");
    let value = format!("arrow_cast([{elements}], 'FixedSizeList({WIDTH}, Float16)')");
    let update = UpdateBuilder::new(Arc::new(dataset)).update_where(&condition(key))?.set(&vector.0, &value)?.build()?;
    update.execute().await.map(drop)
}

async fn index(dataset: &mut Dataset, column: &str) -> lance::Result<()> {
    dataset.create_index(&[column], IndexType::BTree, None, &ScalarIndexParams::default(), true).await.map(drop)
}

fn append(path: &Path, values: &[Written]) -> Result<(), String> {
    let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
    for (name, text) in values {
        let column: ArrayRef = match name.as_str() {
            "embedding" => vector(text.parse().map_err(|_| format!("`{text}` is no number"))?),
            _ => Arc::new(Int64Array::from(vec![text.parse::<i64>().map_err(|_| format!("`{text}` is no key"))?])),
        };
        columns.push((name, column));
    }
    let batch = RecordBatch::try_from_iter(columns).map_err(|e| e.to_string())?;
    write(path, batch.schema(), std::iter::once(batch), WriteMode::Append).map_err(|e| e.to_string())
}

fn vector(value: f32) -> ArrayRef {
    let items = Float16Array::from_iter_values([f16::from_f32(value); WIDTH as usize]);
    let field = Arc::new(Field::new("item", DataType::Float16, true));
    Arc::new(FixedSizeListArray::new(field, WIDTH, Arc::new(items), None))
}
