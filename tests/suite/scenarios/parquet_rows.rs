//! Rows of a Parquet file: a table written out, and single rows appended, set and dropped.
//!
//! Invariant: the same rows give the same bytes, whether they were written at once or changed one by one.

use crate::fixture::write_parquet;
use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow::compute::{concat, concat_batches};
use arrow::datatypes::DataType;
use chrono::NaiveDateTime;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

/// A column's name and what is written for its value.
pub type Written = (String, String);

pub enum RowChange {
    Append(Vec<Written>),
    Set {
        row: usize,
        values: Vec<Written>,
    },
    Drop {
        row: usize,
    },
    /// A column with one value in every row, added or in place of the one of that name.
    Column(Vec<Written>),
    Rewrite,
}

/// `name=value` words.
pub fn written(words: &[&str]) -> Option<Vec<Written>> {
    let pairs = words.iter().map(|word| word.split_once('=').map(|(name, value)| (name.to_string(), value.to_string())));
    pairs.collect::<Option<Vec<_>>>().filter(|pairs| !pairs.is_empty())
}

impl RowChange {
    pub fn parse(verb: &str, rest: &[&str]) -> Option<Self> {
        Some(match (verb, rest) {
            ("append", values) => Self::Append(written(values)?),
            ("set", ["row", row, values @ ..]) => Self::Set { row: row.parse().ok()?, values: written(values)? },
            ("drop", ["row", row]) => Self::Drop { row: row.parse().ok()? },
            ("column", values) => Self::Column(written(values)?),
            ("rewrite", []) => Self::Rewrite,
            _ => return None,
        })
    }

    pub fn apply(&self, path: &Path) -> Result<(), String> {
        let mut columns = read(path)?;
        let rows = columns.first().map_or(0, |(_, column)| column.len());
        match self {
            Self::Append(values) => splice(&mut columns, rows, 0, values)?,
            Self::Set { row, .. } | Self::Drop { row } if *row >= rows => return Err(format!("there is no row {row} among {rows}")),
            Self::Set { row, values } => splice(&mut columns, *row, 1, values)?,
            Self::Drop { row } => columns.iter_mut().try_for_each(|(_, column)| put(column, *row, 1, None))?,
            Self::Column(values) => add(&mut columns, rows, values),
            Self::Rewrite => {}
        }
        write(path, columns)
    }
}

type Columns = Vec<(String, ArrayRef)>;

fn read(path: &Path) -> Result<Columns, String> {
    let unreadable = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let file = File::open(path).map_err(|e| unreadable(&e))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|b| b.build()).map_err(|e| unreadable(&e))?;
    let schema = arrow::array::RecordBatchReader::schema(&reader);
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().map_err(|e| unreadable(&e))?;
    let batch = concat_batches(&schema, &batches).map_err(|e| unreadable(&e))?;
    let name = |i: usize| schema.field(i).name().clone();
    Ok((0..batch.num_columns()).map(|i| (name(i), batch.column(i).clone())).collect())
}

pub fn count_rows(path: &Path) -> Result<usize, String> {
    Ok(read(path)?.first().map_or(0, |(_, column)| column.len()))
}

/// In one go, as whoever exports files does: nobody reads half a file.
fn write(path: &Path, columns: Columns) -> Result<(), String> {
    let aside = path.with_extension("parquet.aside");
    write_parquet(&aside, columns.iter().map(|(name, column)| (name.as_str(), column.clone())).collect());
    fs::rename(aside, path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Replaces some rows by one with these values. What a value is not given for keeps the one of the row that goes, or is null.
fn splice(columns: &mut Columns, at: usize, gone: usize, values: &[Written]) -> Result<(), String> {
    if let Some((name, _)) = values.iter().find(|(name, _)| !columns.iter().any(|(column, _)| column == name)) {
        return Err(format!("there is no column `{name}`"));
    }
    for (name, column) in columns {
        let value = match values.iter().find(|(written, _)| written == name) {
            Some((_, text)) => one(column.data_type(), text)?,
            None if gone == 1 => column.slice(at, 1),
            None => new_null_array(column.data_type(), 1),
        };
        put(column, at, gone, Some(value))?;
    }
    Ok(())
}

fn put(column: &mut ArrayRef, at: usize, gone: usize, value: Option<ArrayRef>) -> Result<(), String> {
    let (before, after) = (column.slice(0, at), column.slice(at + gone, column.len() - at - gone));
    let parts = [Some(before), value, Some(after)];
    let parts: Vec<&dyn Array> = parts.iter().flatten().map(|part| part.as_ref()).collect();
    *column = concat(&parts).map_err(|e| e.to_string())?;
    Ok(())
}

fn add(columns: &mut Columns, rows: usize, values: &[Written]) {
    for (name, text) in values {
        let column = column(&vec![text.as_str(); rows]);
        match columns.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = column,
            None => columns.push((name.clone(), column)),
        }
    }
}

/// One value of a type, as it is written.
fn one(data_type: &DataType, text: &str) -> Result<ArrayRef, String> {
    let value = if text == "null" { new_null_array(data_type, 1) } else { column(&[text]) };
    arrow::compute::cast(&value, data_type).map_err(|e| e.to_string())
}

/// A column of what is written: whole numbers, times (in milliseconds), numbers, or else texts.
fn column(texts: &[&str]) -> ArrayRef {
    let is_null = |text: &&str| *text == "null";
    let all = |test: fn(&str) -> bool| texts.iter().filter(|text| !is_null(text)).all(|text| test(text));
    if all(|text| whole(text).is_some()) {
        Arc::new(texts.iter().map(|text| whole(text)).collect::<Int64Array>())
    } else if all(|text| text.parse::<f64>().is_ok()) {
        Arc::new(texts.iter().map(|text| text.parse().ok()).collect::<Float64Array>())
    } else {
        Arc::new(texts.iter().map(|text| (!is_null(text)).then_some(*text)).collect::<StringArray>())
    }
}

pub fn whole(text: &str) -> Option<i64> {
    let time = || ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%.f"].iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    text.parse().ok().or_else(|| time().map(|time| time.and_utc().timestamp_millis()))
}

/// Writes a table: a line of names, then a line a row.
pub fn write_table(path: &Path, lines: &[String]) -> Result<(), String> {
    let mut rows = lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let names = rows.next().ok_or("a table begins with its columns' names")?;
    let rows: Vec<Vec<&str>> = rows.collect();
    if let Some(row) = rows.iter().find(|row| row.len() != names.len()) {
        return Err(format!("{} values for {} columns: {}", row.len(), names.len(), row.join(" ")));
    }
    let of = |index: usize| column(&rows.iter().map(|row| row[index]).collect::<Vec<_>>());
    write(path, names.iter().enumerate().map(|(index, name)| (name.to_string(), of(index))).collect())
}
