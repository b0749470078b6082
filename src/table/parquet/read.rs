//! Reading columns of a Parquet file, of the types that were asked for.
//!
//! Invariant: a column comes out with exactly the wanted Arrow type, or there is an error: encodings of one type (large strings,
//! dictionaries, views) are unified, different types are not.

use super::error::TableError;
use super::extent::chosen;
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// The wanted columns (name in the file, type) in their order, as batches. The batches' fields are named as in the file.
pub fn read_batches(
    path: &Path,
    wanted: &[(String, DataType)],
    batch_rows: usize,
) -> Result<impl Iterator<Item = Result<RecordBatch, TableError>> + use<>, TableError> {
    read_groups(path, wanted, None, batch_rows)
}

/// [`read_batches`] of some row groups.
pub fn read_groups(
    path: &Path,
    wanted: &[(String, DataType)],
    groups: Option<&[usize]>,
    batch_rows: usize,
) -> Result<impl Iterator<Item = Result<RecordBatch, TableError>> + use<>, TableError> {
    let file = File::open(path).map_err(|e| TableError::io(path, e))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| TableError::broken(path, e))?;
    check_types(path, builder.schema(), wanted)?;
    let names = wanted.iter().map(|(name, _)| name.as_str());
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots(builder.schema(), names));
    let groups = chosen(groups, builder.metadata().num_row_groups()).collect();
    let builder = builder.with_projection(mask).with_row_groups(groups).with_batch_size(batch_rows);
    let reader = builder.build().map_err(|e| TableError::broken(path, e))?;
    let (path, wanted) = (path.to_path_buf(), wanted.to_vec());
    Ok(reader.map(move |batch| arrange(&path, batch.map_err(|e| TableError::broken(&path, e))?, &wanted)))
}

/// The wanted columns of a whole file in one batch.
pub fn read_columns(path: &Path, wanted: &[(String, DataType)]) -> Result<RecordBatch, TableError> {
    let batches: Result<Vec<RecordBatch>, TableError> = read_batches(path, wanted, 1 << 16)?.collect();
    let fields: Vec<Field> = wanted.iter().map(|(name, t)| Field::new(name, t.clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    arrow::compute::concat_batches(&schema, &batches?).map_err(|e| TableError::broken(path, e))
}

pub(super) fn roots<'a>(schema: &'a SchemaRef, names: impl Iterator<Item = &'a str>) -> Vec<usize> {
    names.filter_map(|name| schema.index_of(name).ok()).collect()
}

pub(super) fn check_types(path: &Path, schema: &SchemaRef, wanted: &[(String, DataType)]) -> Result<(), TableError> {
    for (column, data_type) in wanted {
        let Ok(field) = schema.field_with_name(column) else {
            let known = schema.fields().iter().map(|f| f.name().clone()).collect();
            return Err(TableError::NoSuchColumn { path: path.into(), column: column.clone(), known });
        };
        if !same_values(field.data_type(), data_type) {
            let (wanted, found) = (data_type.to_string(), field.data_type().to_string());
            return Err(TableError::WrongType { path: path.into(), column: column.clone(), wanted, found });
        }
    }
    Ok(())
}

/// Whether two types hold the same values, so that one can be turned into the other without loss.
pub fn same_values(found: &DataType, wanted: &DataType) -> bool {
    use DataType::*;
    match (found, wanted) {
        (Dictionary(_, values), _) => same_values(values, wanted),
        (Utf8 | LargeUtf8 | Utf8View, Utf8) | (Binary | LargeBinary | BinaryView, Binary) => true,
        (List(f) | LargeList(f) | FixedSizeList(f, _), List(w)) => same_values(f.data_type(), w.data_type()),
        (FixedSizeList(f, n), FixedSizeList(w, m)) => n == m && same_values(f.data_type(), w.data_type()),
        (Timestamp(f, _), Timestamp(w, _)) => f == w,
        _ => found == wanted,
    }
}

pub(super) fn arrange(path: &Path, batch: RecordBatch, wanted: &[(String, DataType)]) -> Result<RecordBatch, TableError> {
    let column = |(name, data_type): &(String, DataType)| -> Result<ArrayRef, TableError> {
        let array = batch.column_by_name(name).ok_or_else(|| TableError::broken(path, format!("column `{name}` was not read")))?;
        if array.data_type() == data_type {
            return Ok(array.clone());
        }
        cast(array, data_type).map_err(|e| TableError::broken(path, e))
    };
    let columns: Result<Vec<ArrayRef>, TableError> = wanted.iter().map(column).collect();
    let fields: Vec<Field> = wanted.iter().map(|(name, t)| Field::new(name, t.clone(), true)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns?, &options).map_err(|e| TableError::broken(path, e))
}
