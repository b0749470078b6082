//! Reads what the scans of one action need: each file once, with the columns that any scan takes of it.
//!
//! Invariants: rows of a scan come in canonical order (time, created, file, row); a row whose time is null or outside its partition's
//! period is an error that says where.

use super::Tell;
use super::failures::of_table;
use super::skeleton::SkeletonSpec;
use super::source::{PeriodFiles, SourceSpec};
use crate::catalog::calendar::Period;
use crate::catalog::dag::{Kind, Reach, Scan, ScanColumn};
use crate::catalog::model::TimeColumn;
use crate::engine::execute::Progress;
use crate::engine::failure::Failure;
use crate::features::arrow_type::arrow_type;
use crate::features::time::{instants, is_within};
use crate::table::listing::parquet_files;
use crate::table::parquet::read_columns;
use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array, new_empty_array};
use arrow::compute::{SortColumn, concat, filter_record_batch, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{Field, Schema};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The columns in memory, by file and name in the file.
pub struct Loader<'a> {
    spec: &'a SkeletonSpec,
    period: Period,
    columns: HashMap<FileOfView, HashMap<String, ArrayRef>>,
    rows: HashMap<FileOfView, usize>,
    /// How many periods within reach have no file, by view.
    pub absent: BTreeMap<String, usize>,
}

/// A file as one view sees it: another view may read it by other types and times.
type FileOfView = (String, PathBuf);

/// What is read of one file.
struct FileRead {
    path: PathBuf,
    view: String,
    period: Option<Period>,
    columns: BTreeMap<String, ScanColumn>,
    time: Option<TimeColumn>,
}

impl<'a> Loader<'a> {
    /// Reads everything that the scans of an action take.
    pub fn open(spec: &'a SkeletonSpec, period: Period, tell: Tell) -> Result<Self, Failure> {
        let mut loader = Self { spec, period, columns: HashMap::new(), rows: HashMap::new(), absent: BTreeMap::new() };
        let reads = loader.reads()?;
        tell(Progress { message: format!("reading {} files", reads.len()), done: 0, total: spec.operators.len() as u64 });
        let read: Result<Vec<_>, Failure> =
            reads.par_iter().map(|read| Ok(((read.view.clone(), read.path.clone()), load(read, spec)?))).collect();
        for (file, batch) in read? {
            loader.rows.insert(file.clone(), batch.num_rows());
            let named = batch.schema().fields().iter().map(|f| f.name().clone()).zip(batch.columns().iter().cloned()).collect();
            loader.columns.insert(file, named);
        }
        Ok(loader)
    }

    fn source(&self, view: &str) -> Result<&'a SourceSpec, Failure> {
        self.spec.sources.get(view).ok_or_else(|| Failure::permanent(format!("no source for view `{view}`")))
    }

    fn files(&self, scan: &Scan) -> Result<Vec<PeriodFiles>, Failure> {
        let source = self.source(&scan.view)?;
        let range = SourceSpec::range(scan.reach, self.period);
        source.periods(range, &|directory: &Path| parquet_files(directory)).map_err(|e| Failure::io(&source.shown, &e))
    }

    fn reads(&mut self) -> Result<Vec<FileRead>, Failure> {
        let mut reads: BTreeMap<FileOfView, FileRead> = BTreeMap::new();
        let mut absent: BTreeSet<(String, PathBuf)> = BTreeSet::new();
        for scan in self.scans() {
            for period in self.files(scan)? {
                let Some(files) = period.files else {
                    absent.insert((scan.view.clone(), period.directory));
                    continue;
                };
                for path in files {
                    let view = scan.view.clone();
                    let new = || FileRead { path: path.clone(), view, period: period.period, columns: BTreeMap::new(), time: None };
                    let read = reads.entry((scan.view.clone(), path.clone())).or_insert_with(new);
                    read.columns.extend(scan.columns.iter().map(|c| (c.physical.clone(), c.clone())));
                    read.time = scan.time.clone();
                }
            }
        }
        for (view, _) in absent {
            *self.absent.entry(view).or_insert(0) += 1;
        }
        Ok(reads.into_values().collect())
    }

    fn scans(&self) -> impl Iterator<Item = &'a Scan> + use<'a> {
        self.spec.operators.iter().filter_map(|o| match &o.does {
            Kind::Scan(scan) => Some(scan),
            _ => None,
        })
    }

    /// The rows of a scan in canonical order, columns under the view's names.
    pub fn scan(&self, scan: &Scan) -> Result<RecordBatch, Failure> {
        let paths = self.files(scan)?.into_iter().filter_map(|p| p.files).flatten();
        let files: Vec<FileOfView> = paths.map(|path| (scan.view.clone(), path)).collect();
        let columns: Result<Vec<ArrayRef>, Failure> = scan.columns.iter().map(|c| self.column(c, &files)).collect();
        let fields: Vec<Field> = scan.columns.iter().map(|c| Field::new(&c.name, arrow_type(&c.data_type), true)).collect();
        let rows = files.iter().filter_map(|f| self.rows.get(f)).sum();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns?, &options);
        let batch = batch.map_err(|e| Failure::permanent(format!("view `{}`: {e}", scan.view)))?;
        in_order(self.in_period(batch, scan)?, scan)
    }

    /// A scan of just the target period keeps just its rows, also where the source's files hold longer periods.
    fn in_period(&self, batch: RecordBatch, scan: &Scan) -> Result<RecordBatch, Failure> {
        let (Reach::Around { back: 0, ahead: 0 }, Some(time)) = (scan.reach, &scan.time) else { return Ok(batch) };
        let Some(column) = batch.column_by_name(&time.name) else { return Ok(batch) };
        let times = instants(column, time.unit, time.unit).map_err(Failure::permanent)?;
        let inside = is_within(self.period, time.unit);
        if times.iter().all(&inside) {
            return Ok(batch);
        }
        let mask: BooleanArray = times.iter().map(|t| Some(inside(t))).collect();
        filter_record_batch(&batch, &mask).map_err(|e| Failure::permanent(e.to_string()))
    }

    fn column(&self, column: &ScanColumn, files: &[FileOfView]) -> Result<ArrayRef, Failure> {
        let missing = |f: &FileOfView| Failure::transient(format!("{} appeared while the op ran", f.1.display()));
        let of = |f: &FileOfView| self.columns.get(f).and_then(|c| c.get(&column.physical)).ok_or_else(|| missing(f));
        let parts: Result<Vec<&ArrayRef>, Failure> = files.iter().map(of).collect();
        let parts: Vec<&dyn Array> = parts?.into_iter().map(|a| a.as_ref()).collect();
        match parts.as_slice() {
            [] => Ok(new_empty_array(&arrow_type(&column.data_type))),
            parts => concat(parts).map_err(|e| Failure::permanent(format!("column `{}`: {e}", column.name))),
        }
    }
}

fn load(read: &FileRead, spec: &SkeletonSpec) -> Result<RecordBatch, Failure> {
    let wanted: Vec<_> = read.columns.values().map(|c| (c.physical.clone(), arrow_type(&c.data_type))).collect();
    let of_view = |f: Failure| Failure { message: format!("view `{}`: {}", read.view, f.message), ..f };
    let batch = read_columns(&read.path, &wanted).map_err(|e| of_view(of_table(e)))?;
    if let Some(time) = &read.time {
        check_times(read, time, &batch, spec)?;
    }
    Ok(batch)
}

/// Every time is there and, in a partitioned source, inside its partition's period.
fn check_times(read: &FileRead, time: &TimeColumn, batch: &RecordBatch, spec: &SkeletonSpec) -> Result<(), Failure> {
    let Some(column) = read.columns.values().find(|c| c.name == time.name).and_then(|c| batch.column_by_name(&c.physical)) else {
        return Ok(());
    };
    let file = spec
        .sources
        .get(&read.view)
        .map_or_else(|| read.path.display().to_string(), |s| format!("{}/{}", s.shown, s.file_name(&read.path)));
    let place = format!("view `{}`, file {file}, column `{}`", read.view, time.name);
    if column.null_count() > 0 {
        let row = (0..column.len()).find(|row| column.is_null(*row)).unwrap_or_default();
        let count = column.null_count();
        return Err(Failure::permanent(format!("{place}: {count} rows have no timestamp, the first is row {row}; every event needs one")));
    }
    let Some(period) = read.period else { return Ok(()) };
    let times = instants(column, time.unit, time.unit).map_err(|e| Failure::permanent(format!("{place}: {e}")))?;
    let inside = is_within(period, time.unit);
    let outside = |t: &i64| !inside(t);
    let Some(row) = times.iter().position(outside) else { return Ok(()) };
    let count = times.iter().filter(|t| outside(t)).count();
    let hint = "write them into the partition of their time, or correct `unit`";
    Err(Failure::permanent(format!(
        "{place}: {count} rows lie outside their partition's period, the first is row {row} with {}; {hint}",
        times[row]
    )))
}

/// Sorts rows by (time, created), equal ones as they were read: by file and row. Most sources are in order already.
fn in_order(batch: RecordBatch, scan: &Scan) -> Result<RecordBatch, Failure> {
    let names = scan.time.iter().map(|t| &t.name).chain(&scan.created);
    let keys: Vec<ArrayRef> = names.filter_map(|name| batch.column_by_name(name).cloned()).collect();
    if keys.is_empty() || is_in_order(&keys, scan) {
        return Ok(batch);
    }
    // The row number makes the order total, whatever the sort does with equals.
    let ordinal: ArrayRef = Arc::new(UInt32Array::from_iter_values(0..batch.num_rows() as u32));
    let sort: Vec<SortColumn> = keys.into_iter().chain([ordinal]).map(|values| SortColumn { values, options: None }).collect();
    let sorted = lexsort_to_indices(&sort, None).and_then(|indices| take_record_batch(&batch, &indices));
    sorted.map_err(|e| Failure::permanent(format!("view `{}` cannot be sorted: {e}", scan.view)))
}

fn is_in_order(keys: &[ArrayRef], scan: &Scan) -> bool {
    let (Some(time), [only]) = (&scan.time, keys) else { return false };
    instants(only, time.unit, time.unit).is_ok_and(|times| times.is_sorted())
}
