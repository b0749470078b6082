//! `unique`: no two rows share the values of some columns.
//!
//! Each row's key is one fingerprint of 128 bits, so that memory does not grow with the width of keys, and hardly with their number.
//! Invariants: null is a value like any other; a fingerprint is of the values, not of how they are encoded.

use super::fingerprints::Fingerprints;
use super::{CheckKind, CheckSpec, Found, Staged, Tally, column};
use crate::digest::key::key;
use crate::engine::failure::Failure;
use crate::rules::failures::of_spill;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::row::{RowConverter, SortField};
use arrow::util::display::array_value_to_string;
use serde_json::json;

pub struct Unique;

impl CheckKind for Unique {
    fn name(&self) -> &'static str {
        "unique"
    }

    fn begin(&self, check: &CheckSpec, staged: &Staged) -> Option<Box<dyn Tally>> {
        let columns = check.check.unique.clone();
        let prints = Fingerprints::new(staged.scratch, staged.work);
        (!columns.is_empty()).then(|| Box::new(Keys { columns, converter: None, prints }) as Box<dyn Tally>)
    }
}

struct Keys {
    columns: Vec<String>,
    converter: Option<RowConverter>,
    prints: Fingerprints,
}

impl Tally for Keys {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn see(&mut self, rows: &RecordBatch) -> Result<(), Failure> {
        for print in prints(rows, &self.columns, &mut self.converter)? {
            self.prints.add(print).map_err(of_spill)?;
        }
        Ok(())
    }

    fn found(self: Box<Self>, staged: &Staged) -> Result<Found, Failure> {
        let repeats = self.prints.finish().map_err(of_spill)?;
        let columns = self.columns.join(" ");
        let wrong = match repeats.first {
            None => None,
            Some(first) => {
                let example = example(staged, &self.columns, first)?;
                Some(format!("{} of {} rows repeat the `{columns}` of another row, such as {example}", repeats.count, staged.rows))
            }
        };
        Ok(Found { value: json!(repeats.count), wrong })
    }
}

/// A fingerprint for each row.
fn prints(rows: &RecordBatch, columns: &[String], converter: &mut Option<RowConverter>) -> Result<Vec<u128>, Failure> {
    let arrays: Vec<ArrayRef> = columns.iter().map(|name| column(rows, name).cloned()).collect::<Result<_, _>>()?;
    let failed = |error: arrow::error::ArrowError| Failure::permanent(format!("keys cannot be compared: {error}"));
    let converter = match converter {
        Some(converter) => converter,
        None => {
            let fields = arrays.iter().map(|array| SortField::new(array.data_type().clone())).collect();
            converter.insert(RowConverter::new(fields).map_err(failed)?)
        }
    };
    let rows = converter.convert_columns(&arrays).map_err(failed)?;
    Ok(rows.iter().map(|row| key(&[row.as_ref()])).collect())
}

/// The values of the first row with a fingerprint. Read again, since only a check that fails needs it.
fn example(staged: &Staged, columns: &[String], wanted: u128) -> Result<String, Failure> {
    let mut example = String::new();
    let mut converter = None;
    staged.scan(&columns.iter().cloned().collect(), &mut |rows| {
        let found = prints(rows, columns, &mut converter)?.iter().position(|print| *print == wanted);
        if let Some(row) = found {
            let value = |name: &String| Ok(array_value_to_string(column(rows, name)?, row).unwrap_or_default());
            example = columns.iter().map(value).collect::<Result<Vec<String>, Failure>>()?.join(", ");
        }
        Ok(found.is_none())
    })?;
    Ok(example)
}
