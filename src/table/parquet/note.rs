//! A note inside a directory of Parquet files: a file of no rows with the data's schema, and a text in its footer.
//!
//! Readers of the directory never notice it: its name starts with `_`, and those that read it all the same find no rows.

use super::error::TableError;
use super::footer::open;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::path::Path;

/// The bytes of a file without rows whose footer holds a text under a key; `path` is for messages.
pub fn note(path: &Path, schema: SchemaRef, key: &str, text: &str) -> Result<Vec<u8>, TableError> {
    let mut bytes = Vec::new();
    let note = KeyValue::new(key.to_string(), text.to_string());
    let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![note])).build();
    let written = ArrowWriter::try_new(&mut bytes, schema, Some(properties)).and_then(ArrowWriter::close);
    written.map(|_| bytes).map_err(|e| TableError::writing(path, e))
}

/// The Arrow schema of a file.
pub fn schema_of(path: &Path) -> Result<SchemaRef, TableError> {
    let file = File::open(path).map_err(|e| TableError::io(path, e))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| TableError::broken(path, e))?;
    Ok(builder.schema().clone())
}

/// The text under a key in a file's footer.
pub fn read_note(path: &Path, key: &str) -> Result<Option<String>, TableError> {
    let (_, metadata) = open(path)?;
    let notes = metadata.file_metadata().key_value_metadata();
    Ok(notes.into_iter().flatten().find(|kv| kv.key == key).and_then(|kv| kv.value.clone()))
}
