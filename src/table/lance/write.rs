//! Writing batches to a Lance dataset.
//!
//! Knows nothing of their content. Invariant: batches are pulled as they are written, so memory holds a few of them.

use super::LanceError;
use super::dataset::text;
use super::runtime::block_on;
use ::lance::dataset::WriteParams;
use arrow::array::{RecordBatch, RecordBatchIterator};
use arrow::datatypes::SchemaRef;
use std::path::Path;

/// What a write does about what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// Nothing may be there.
    Create,
    /// A dataset must be there; a new fragment joins it.
    Append,
}

/// Writes one new version. The iterator runs on the runtime's threads and must not call into this layer.
pub fn write(
    path: &Path,
    schema: SchemaRef,
    batches: impl Iterator<Item = RecordBatch> + Send + 'static,
    mode: WriteMode,
) -> Result<(), LanceError> {
    match (mode, path.join("_versions").is_dir()) {
        (WriteMode::Create, true) => return Err(LanceError::Exists { path: path.into() }),
        (WriteMode::Append, false) => return Err(LanceError::NotFound { path: path.into() }),
        _ => {}
    }
    let absolute = std::path::absolute(path).map_err(|error| LanceError::unwritable(path, &error))?;
    let location = text(path, absolute)?;
    let batches = RecordBatchIterator::new(batches.map(Ok), schema);
    let written = block_on(::lance::Dataset::write(batches, &location, Some(parameters(mode))))?;
    written.map(drop).map_err(|error| LanceError::unwritable(path, &error))
}

fn parameters(mode: WriteMode) -> WriteParams {
    let mode = match mode {
        WriteMode::Create => ::lance::dataset::WriteMode::Create,
        WriteMode::Append => ::lance::dataset::WriteMode::Append,
    };
    WriteParams { mode, ..Default::default() }
}
