//! The rows of published files, compared with a table as a scenario writes it: a line of names, then a line a row.
//!
//! Invariant: rows are compared in their order, across the files in theirs; only the named columns are.

use super::parquet_rows::whole;
use arrow::array::{Array, RecordBatch};
use arrow::util::display::array_value_to_string;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Whether files hold the rows of a table; an error shows what they hold.
pub fn holds_rows(files: &[PathBuf], table: &[String]) -> Result<(), String> {
    let mut expected = table.iter().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let names = expected.next().ok_or("a table begins with its columns' names")?;
    let expected: Vec<Vec<&str>> = expected.collect();
    let mut found: Vec<Vec<String>> = Vec::new();
    for file in files {
        found.extend(rows(file, &names)?);
    }
    let alike = |(expected, found): (&Vec<&str>, &Vec<String>)| expected.len() == found.len() && expected.iter().zip(found).all(is_same);
    if expected.len() == found.len() && expected.iter().zip(&found).all(alike) {
        return Ok(());
    }
    let lines: Vec<String> = found.iter().map(|row| format!("    {}", row.join("  "))).collect();
    Err(format!("{} rows are there instead:\n    {}\n{}", found.len(), names.join("  "), lines.join("\n")))
}

/// As written, or the same time or number.
fn is_same((expected, found): (&&str, &String)) -> bool {
    let is_number = || expected.parse::<f64>().is_ok_and(|number| found.parse() == Ok(number));
    expected == found || whole(expected).is_some_and(|whole| found.parse() == Ok(whole)) || is_number()
}

fn rows(file: &Path, names: &[&str]) -> Result<Vec<Vec<String>>, String> {
    let open = File::open(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(open).and_then(|builder| builder.build()).map_err(|e| e.to_string())?;
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    let rows = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)));
    rows.map(|(batch, row)| names.iter().map(|name| cell(batch, row, name)).collect()).collect()
}

fn cell(batch: &RecordBatch, row: usize, name: &str) -> Result<String, String> {
    let column = batch.column_by_name(name).ok_or_else(|| format!("there is no column `{name}`"))?;
    match column.is_null(row) {
        true => Ok("null".into()),
        false => array_value_to_string(column, row).map(|text| text.replace(' ', "")).map_err(|e| e.to_string()),
    }
}
