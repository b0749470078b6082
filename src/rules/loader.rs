//! Reads what the scans of one action need: each file once, with the columns that any scan takes of it.
//!
//! Invariants: rows of a scan come in canonical order (time, created, file, row); a row whose time is null or outside its partition's
//! period is an error that says where, unless the view says what else becomes of it.

use super::Tell;
use super::failures::of_table;
use super::readiness::gap_warning;
use super::skeleton::SkeletonSpec;
use super::source::{PeriodFiles, SourceSpec};
use crate::catalog::calendar::Period;
use crate::catalog::dag::{Kind, Reach, Scan, ScanColumn};
use crate::catalog::declaration::Late;
use crate::catalog::model::TimeColumn;
use crate::catalog::quantity::Duration;
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
    /// The periods within reach that are not there, by view.
    pub absent: BTreeMap<String, BTreeSet<String>>,
    /// How many rows were dropped because they lie outside their partition's period, by view.
    pub late: BTreeMap<String, usize>,
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
        let (absent, late) = (BTreeMap::new(), BTreeMap::new());
        let mut loader = Self { spec, period, columns: HashMap::new(), rows: HashMap::new(), absent, late };
        let reads = loader.reads()?;
        tell(Progress::Step { message: format!("reading {} files", reads.len()), done: 0, total: spec.operators.len() as u64 });
        // Of several files that cannot be read the first one is named, whichever was tried first.
        let read: Vec<Result<_, Failure>> =
            reads.par_iter().map(|read| Ok(((read.view.clone(), read.path.clone()), load(read, spec)?))).collect();
        for read in read {
            let (file, (batch, late)) = read?;
            if late > 0 {
                *loader.late.entry(file.0.clone()).or_insert(0) += late;
            }
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
        for scan in self.scans() {
            for period in self.files(scan)? {
                if let Some(key) = period.key.as_ref().filter(|_| !period.is_there()) {
                    self.absent.entry(scan.view.clone()).or_default().insert(key.clone());
                }
                for path in period.files.into_iter().flatten() {
                    let view = scan.view.clone();
                    let new = || FileRead { path: path.clone(), view, period: period.period, columns: BTreeMap::new(), time: None };
                    let read = reads.entry((scan.view.clone(), path.clone())).or_insert_with(new);
                    read.columns.extend(scan.columns.iter().map(|c| (c.physical.clone(), c.clone())));
                    read.time = scan.time.clone();
                }
            }
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

    /// What is worth saying of what was read.
    pub fn warnings(&self) -> Vec<String> {
        let gaps = self
            .absent
            .iter()
            .filter_map(|(view, keys)| gap_warning(self.spec.sources.get(view)?, &keys.iter().cloned().collect::<Vec<_>>()));
        let late = self.late.iter().map(|(view, rows)| format!("view `{view}`: {rows} rows outside their partition's period were dropped"));
        gaps.chain(late).collect()
    }

    /// A scan of just the target period keeps just its rows, also where the source's files hold longer periods. Where late rows are allowed,
    /// membership is by timestamp for every scan: the files of later periods were read for their late rows alone.
    fn in_period(&self, batch: RecordBatch, scan: &Scan) -> Result<RecordBatch, Failure> {
        let is_of_period = matches!(scan.reach, Reach::Around { back: 0, ahead: 0 });
        let (true, Some(time)) = (is_of_period || self.source(&scan.view)?.late == Late::Allow, &scan.time) else { return Ok(batch) };
        let Some(column) = batch.column_by_name(&time.name) else { return Ok(batch) };
        let times = instants(column, time.unit, time.unit).map_err(Failure::permanent)?;
        let (start, end) = SourceSpec::range(scan.reach, self.period);
        let inside = is_within(Period { start: start.unwrap_or(i64::MIN), end }, time.unit);
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

/// The rows of a file, and how many late ones were dropped.
fn load(read: &FileRead, spec: &SkeletonSpec) -> Result<(RecordBatch, usize), Failure> {
    let wanted: Vec<_> = read.columns.values().map(|c| (c.physical.clone(), arrow_type(&c.data_type))).collect();
    let of_view = |f: Failure| Failure { message: format!("view `{}`: {}", read.view, f.message), ..f };
    let batch = read_columns(&read.path, &wanted).map_err(|e| of_view(of_table(e)))?;
    match &read.time {
        Some(time) => check_times(read, time, batch, spec),
        None => Ok((batch, 0)),
    }
}

/// Every time is there and, in a partitioned source, inside its partition's period or as late as the view allows; else its row is dropped,
/// or is an error.
fn check_times(read: &FileRead, time: &TimeColumn, batch: RecordBatch, spec: &SkeletonSpec) -> Result<(RecordBatch, usize), Failure> {
    let Some(column) = read.columns.values().find(|c| c.name == time.name).and_then(|c| batch.column_by_name(&c.physical)) else {
        return Ok((batch, 0));
    };
    let source = spec.sources.get(&read.view);
    let file = source.map_or_else(|| read.path.display().to_string(), |s| format!("{}/{}", s.shown, s.file_name(&read.path)));
    let place = format!("view `{}`, file {file}, column `{}`", read.view, time.name);
    if column.null_count() > 0 {
        let row = (0..column.len()).find(|row| column.is_null(*row)).unwrap_or_default();
        let count = column.null_count();
        return Err(Failure::permanent(format!("{place}: {count} rows have no timestamp, the first is row {row}; every event needs one")));
    }
    let Some(period) = read.period else { return Ok((batch, 0)) };
    let times = instants(column, time.unit, time.unit).map_err(|e| Failure::permanent(format!("{place}: {e}")))?;
    let inside = is_within(source.map_or(period, |s| s.admits(period)), time.unit);
    let outside = |t: &i64| !inside(t);
    let Some(row) = times.iter().position(outside) else { return Ok((batch, 0)) };
    let count = times.iter().filter(|t| outside(t)).count();
    if source.is_some_and(|s| s.late == Late::Drop) {
        let kept: BooleanArray = times.iter().map(|t| Some(inside(t))).collect();
        let kept = filter_record_batch(&batch, &kept).map_err(|e| Failure::permanent(format!("{place}: {e}")))?;
        return Ok((kept, count));
    }
    let hint = match source.filter(|s| s.late == Late::Allow) {
        Some(source) => {
            format!("lateness=\"{}\" is not enough for them, or they come before their time", Duration { millis: source.lateness })
        }
        None => "write them into the partition of their time, correct `unit`, or say late=\"drop\" or late=\"allow\"".into(),
    };
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
