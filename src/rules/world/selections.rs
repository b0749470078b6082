//! What reads with a `where` take of each period, known by the digests of the columns that it is taken of, so that a period is read once.
//!
//! Knows nothing of ranges and of what is done with a digest. Invariants: a digest is kept only for columns that were the same before and
//! after they were read; where a run would reject the files, or cannot be shown not to, all of their columns count.

use super::super::source::{PeriodFiles, SourceSpec};
use super::ask::Selects;
use super::unobservable;
use crate::catalog::calendar::Period;
use crate::catalog::declaration::Late;
use crate::catalog::types::TimeUnit;
use crate::digest::{Digest, Hasher};
use crate::engine::world::Unobservable;
use crate::features::arrow_type::arrow_type;
use crate::features::selection::{Selection, Selections as SharedSelections};
use crate::features::time::{instants, is_within};
use crate::table::kept::KeptDigests;
use crate::table::parquet::{ColumnCache, TableError, read_columns};
use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// To be raised when anything changes that a digest is made of.
const VERSION: u32 = 1;

/// Digests of selections by what they are taken of.
pub struct Selections(KeptDigests);

/// What a run tells of the rows that it had in memory, by what they were taken of.
#[derive(Default)]
pub struct Told(HashMap<u128, u128>);

impl Told {
    /// What was told before, as [`Told::text`] says it; whatever is no such text was not told.
    pub fn parse(seen: &Value) -> Self {
        let number = |text: &str| u128::from_str_radix(text, 16).ok();
        let selections = seen.get("selections").and_then(Value::as_object).into_iter().flatten();
        Self(selections.filter_map(|(of, rows)| Some((number(of)?, number(rows.as_str()?)?))).collect())
    }

    pub fn text(&self) -> Value {
        let selections: Map<String, Value> =
            self.0.iter().map(|(of, rows)| (format!("{of:032x}"), json!(format!("{rows:032x}")))).collect();
        json!({ "selections": selections })
    }
}

impl FromIterator<(u128, u128)> for Told {
    fn from_iter<I: IntoIterator<Item = (u128, u128)>>(told: I) -> Self {
        Self(told.into_iter().collect())
    }
}

/// Where digests are found before anything is read.
pub struct KnownSelections<'a> {
    pub kept: &'a Selections,
    pub told: &'a Told,
}

/// The rows that a read takes of the files of one period.
pub struct Taken<'a> {
    pub source: &'a SourceSpec,
    pub files: &'a PeriodFiles,
    pub selects: &'a Selects,
    /// The names of the columns in the files.
    pub columns: &'a [String],
    /// The instants within reach.
    pub reach: Period,
}

/// What reach and lateness make of the times of a period's rows.
struct Times<'a> {
    name: &'a str,
    unit: TimeUnit,
    /// Where rows may lie.
    admitted: Period,
    /// Where rows that are taken lie.
    within: Period,
}

impl Selections {
    pub fn new(path: &Path) -> Self {
        Self(KeptDigests::new(path, VERSION))
    }

    pub fn save(&self) {
        self.0.save();
    }
}

impl KnownSelections<'_> {
    /// The digest of what is taken of files that are there.
    pub fn digest(&self, taken: &Taken, columns: &ColumnCache) -> Result<Digest, Unobservable> {
        let leaves = taken.leaves(columns)?;
        let key = taken.key(&leaves);
        if let Some(known) = self.kept.0.get(key) {
            return Ok(of_rows(known));
        }
        let told = self.told.0.get(&taken.identity()).copied();
        let made = match told.map_or_else(|| taken.read(), |rows| Ok(Some(rows)))? {
            Some(rows) => rows,
            None => Hasher::new("all columns").digests("of", leaves.iter()).finish().wide(),
        };
        if taken.leaves(columns)? != leaves {
            return Err(Unobservable::Blocked(format!("{} changed while it was read", taken.source.period_name(taken.files))));
        }
        self.kept.0.keep(key, made);
        Ok(of_rows(made))
    }
}

fn of_rows(digest: u128) -> Digest {
    Hasher::new("selection of a period").part("rows", &digest.to_le_bytes()).finish()
}

impl<'a> Taken<'a> {
    fn paths(&self) -> impl Iterator<Item = &'a PathBuf> {
        self.files.files.iter().flatten()
    }

    /// The digests of all columns of all files, in their order.
    fn leaves(&self, columns: &ColumnCache) -> Result<Vec<Digest>, Unobservable> {
        let of = |file: &PathBuf| columns.digests(file, self.columns).map_err(|e| unobservable(self.source, e));
        Ok(self.paths().map(of).collect::<Result<Vec<_>, _>>()?.concat())
    }

    fn times(&self) -> Option<Times<'a>> {
        let (time, period) = (self.selects.time.as_ref()?, self.files.period?);
        let admitted = self.source.admits(period);
        let within = Period { start: admitted.start.max(self.reach.start), end: admitted.end.min(self.reach.end) };
        Some(Times { name: &time.name, unit: time.unit, admitted, within })
    }

    fn key(&self, leaves: &[Digest]) -> u128 {
        let mut hasher = Hasher::new("selection");
        hasher.text("columns", &self.columns.join(", ")).digests("leaves", leaves.iter());
        self.say(&mut hasher);
        hasher.finish().wide()
    }

    /// What tells it from all else that one run takes.
    pub fn identity(&self) -> u128 {
        let mut hasher = Hasher::new("selection of a run");
        hasher.text("source", &self.source.name).text("columns", &self.columns.join(", "));
        for path in self.paths() {
            hasher.part("file", path.as_os_str().as_encoded_bytes());
        }
        self.say(&mut hasher);
        hasher.finish().wide()
    }

    fn say(&self, hasher: &mut Hasher) {
        hasher.text("selects", &self.selects.text());
        hasher.number("drops late rows", u64::from(self.source.late == Late::Drop));
        if let Some(Times { admitted, within, .. }) = self.times() {
            let bounds = [("from", admitted.start), ("to", admitted.end), ("within", within.start), ("until", within.end)];
            for (name, at) in bounds {
                hasher.number(name, at as u64);
            }
        }
    }

    /// The rows that are taken as one digest; none where they cannot be told from those that are not.
    fn read(&self) -> Result<Option<u128>, Unobservable> {
        match self.rows() {
            Ok(rows) => Ok(rows.and_then(|rows| self.digest_of(&rows, &mut SharedSelections::default()))),
            Err(error @ TableError::Io { .. }) => Err(unobservable(self.source, error)),
            Err(_) => Ok(None),
        }
    }

    /// The rows that are taken of all rows of the files, columns under the view's names; what others take alike is shared with them.
    pub fn digest_of(&self, rows: &RecordBatch, shared: &mut SharedSelections) -> Option<u128> {
        let Selects { columns, time, created, filter } = self.selects;
        let times = self.times();
        if times.as_ref().is_some_and(|times| !self.admits(rows, times)) {
            return None;
        }
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let order: Vec<String> = time.iter().map(|time| time.name.clone()).chain(created.clone()).collect();
        let within = times.map(|times| (times.name, times.unit, times.within));
        shared.digest(rows, &Selection { columns: &names, filter: Some(filter), order: &order, within }).ok()
    }

    /// Whether a run would take the files as they are: every row has its time and, where others are not dropped, a right one.
    fn admits(&self, rows: &RecordBatch, times: &Times) -> bool {
        let Some(column) = rows.column_by_name(times.name).filter(|column| column.null_count() == 0) else { return false };
        let Ok(instants) = instants(column, times.unit, times.unit) else { return false };
        let inside = is_within(times.admitted, times.unit);
        self.source.late == Late::Drop || instants.iter().all(inside)
    }

    /// All rows of the files, columns under the view's names.
    fn rows(&self) -> Result<Option<RecordBatch>, TableError> {
        let wanted: Vec<_> = self.selects.columns.iter().map(|column| (column.physical.clone(), arrow_type(&column.data_type))).collect();
        let batches: Vec<RecordBatch> = self.paths().map(|file| read_columns(file, &wanted)).collect::<Result<_, _>>()?;
        let fields = self.selects.columns.iter().map(|column| Field::new(&column.name, arrow_type(&column.data_type), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let named = |batch: &RecordBatch| {
            let columns: Option<Vec<ArrayRef>> =
                self.selects.columns.iter().map(|column| batch.column_by_name(&column.physical).cloned()).collect();
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            RecordBatch::try_new_with_options(schema.clone(), columns?, &options).ok()
        };
        let batches: Option<Vec<RecordBatch>> = batches.iter().map(named).collect();
        Ok(batches.and_then(|batches| concat_batches(&schema, &batches).ok()))
    }
}
