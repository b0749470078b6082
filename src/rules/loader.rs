//! Reads what the scans of one action need: each file once, with the columns that any scan takes of it.
//!
//! Invariants: rows of a scan come in canonical order (time, created, file, row); a row whose time is null or outside its partition's
//! period is an error that says where, unless the view says what else becomes of it.

use super::Tell;
use super::columns::{Columns, Part};
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
use crate::table::parquet::{Pieces, TableError, Wanted, read_pieces};
use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{SortColumn, concat, filter, filter_record_batch, lexsort_to_indices, take};
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The columns in memory.
pub struct Loader<'a> {
    spec: &'a SkeletonSpec,
    period: Period,
    columns: Columns,
    rows: HashMap<FileOfView, usize>,
    /// Which rows scans leave of the files in their reach, and in which order.
    orders: Mutex<HashMap<(String, Reach), Option<Arc<Order>>>>,
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
        let (columns, rows, orders) = (Columns::default(), HashMap::new(), Mutex::default());
        let mut loader = Self { spec, period, columns, rows, orders, absent, late };
        let reads = loader.reads()?;
        tell(Progress::Step { message: format!("reading {} files", reads.len()), done: 0, total: spec.operators.len() as u64 });
        let wanted: Vec<Wanted> = reads.iter().map(FileRead::wanted).collect();
        let read: Vec<_> = read_pieces(&wanted).into_iter().zip(&reads).collect();
        // Of several files that cannot be read the first one is named, whichever was tried first.
        let read: Vec<Result<_, Failure>> = read.into_par_iter().map(|(pieces, read)| checked(read, pieces, spec)).collect();
        let mut parts = Vec::new();
        for (of, read) in reads.iter().zip(read) {
            let (pieces, late) = read?;
            if late > 0 {
                *loader.late.entry(of.view.clone()).or_insert(0) += late;
            }
            loader.rows.insert((of.view.clone(), of.path.clone()), pieces.rows);
            let part = |(physical, pieces): (&String, _)| Part { name: (of.view.clone(), physical.clone()), file: of.path.clone(), pieces };
            parts.extend(of.columns.keys().zip(pieces.columns).map(part));
        }
        loader.columns = Columns::join(parts)?;
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

    /// The rows of a scan in canonical order, columns under the view's names; strings perhaps as dictionaries.
    pub fn scan(&self, scan: &Scan) -> Result<RecordBatch, Failure> {
        let paths: Vec<PathBuf> = self.files(scan)?.into_iter().filter_map(|p| p.files).flatten().collect();
        let columns: Vec<ArrayRef> = scan.columns.iter().map(|c| self.column(scan, c, &paths)).collect::<Result<_, _>>()?;
        let fields: Vec<Field> =
            scan.columns.iter().zip(&columns).map(|(c, array)| Field::new(&c.name, array.data_type().clone(), true)).collect();
        let rows = paths.iter().filter_map(|path| self.rows.get(&(scan.view.clone(), path.clone()))).sum();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options);
        let batch = batch.map_err(|e| Failure::permanent(format!("view `{}`: {e}", scan.view)))?;
        match self.order(&batch, scan)? {
            Some(order) => order.arrange(&batch, scan),
            None => Ok(batch),
        }
    }

    /// What becomes of the rows of a scan; nothing if they are as they should be. Scans of one view and reach have the same rows.
    fn order(&self, batch: &RecordBatch, scan: &Scan) -> Result<Option<Arc<Order>>, Failure> {
        let key = (scan.view.clone(), scan.reach);
        let lock = || self.orders.lock().expect("no thread panics while it holds the orders");
        if let Some(known) = lock().get(&key) {
            return Ok(known.clone());
        }
        let inside = self.in_period(batch, scan)?;
        let kept =
            inside.as_ref().map(|mask| filter_record_batch(batch, mask)).transpose().map_err(|e| Failure::permanent(e.to_string()))?;
        let sorted = in_order(kept.as_ref().unwrap_or(batch), scan)?;
        let order = (inside.is_some() || sorted.is_some()).then(|| Arc::new(Order { inside, sorted, arranged: Mutex::default() }));
        lock().insert(key, order.clone());
        Ok(order)
    }

    /// Rows as they lie in files of a source, columns under the view's names, if they were read.
    pub fn rows_of(&self, source: &SourceSpec, files: &[PathBuf], columns: &[ScanColumn]) -> Option<RecordBatch> {
        let (view, _) = self.spec.sources.iter().find(|(_, known)| known.name == source.name)?;
        let take = |column: &ScanColumn| {
            let array = self.columns.take(view, &column.physical, files, &arrow_type(&column.data_type)).ok().flatten()?;
            Some((Field::new(&column.name, array.data_type().clone(), true), array))
        };
        let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns.iter().map(take).collect::<Option<Vec<_>>>()?.into_iter().unzip();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).ok()
    }

    /// How many periods within reach are not there, by view.
    pub fn absent_periods(&self) -> BTreeMap<String, usize> {
        self.absent.iter().map(|(view, keys)| (view.clone(), keys.len())).collect()
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
    fn in_period(&self, batch: &RecordBatch, scan: &Scan) -> Result<Option<BooleanArray>, Failure> {
        let is_of_period = matches!(scan.reach, Reach::Around { back: 0, ahead: 0 });
        let (true, Some(time)) = (is_of_period || self.source(&scan.view)?.late == Late::Allow, &scan.time) else { return Ok(None) };
        let Some(column) = batch.column_by_name(&time.name) else { return Ok(None) };
        let times = instants(column, time.unit, time.unit).map_err(Failure::permanent)?;
        let (start, end) = SourceSpec::range(scan.reach, self.period);
        let inside = is_within(Period { start: start.unwrap_or(i64::MIN), end }, time.unit);
        Ok((!times.iter().all(&inside)).then(|| times.iter().map(|t| Some(inside(t))).collect()))
    }

    fn column(&self, scan: &Scan, column: &ScanColumn, files: &[PathBuf]) -> Result<ArrayRef, Failure> {
        let found = self.columns.take(&scan.view, &column.physical, files, &arrow_type(&column.data_type))?;
        let new = || files.iter().find(|file| !self.rows.contains_key(&(scan.view.clone(), (*file).clone()))).or(files.first());
        let missing =
            || Failure::transient(format!("{} appeared while the op ran", new().map_or_else(String::new, |f| f.display().to_string())));
        found.ok_or_else(missing)
    }
}

impl FileRead {
    fn wanted(&self) -> Wanted {
        Wanted { path: self.path.clone(), columns: self.columns.values().map(|c| (c.physical.clone(), arrow_type(&c.data_type))).collect() }
    }
}

/// What filters and sorts the rows of scans.
struct Order {
    inside: Option<BooleanArray>,
    sorted: Option<UInt32Array>,
    /// Columns as they are then, by their names in the files.
    arranged: Mutex<HashMap<String, ArrayRef>>,
}

impl Order {
    fn arrange(&self, batch: &RecordBatch, scan: &Scan) -> Result<RecordBatch, Failure> {
        let columns = batch.columns().iter().zip(&scan.columns).map(|(array, column)| self.column(array, &column.physical));
        let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>().map_err(|e| unsortable(scan, &e))?;
        RecordBatch::try_new(batch.schema(), columns).map_err(|e| unsortable(scan, &e))
    }

    fn column(&self, array: &ArrayRef, physical: &str) -> Result<ArrayRef, ArrowError> {
        let lock = || self.arranged.lock().expect("no thread panics while it holds the columns");
        if let Some(known) = lock().get(physical) {
            return Ok(known.clone());
        }
        let kept = self.inside.as_ref().map_or_else(|| Ok(array.clone()), |inside| filter(array, inside))?;
        let arranged = self.sorted.as_ref().map_or_else(|| Ok(kept.clone()), |sorted| take(&kept, sorted, None))?;
        lock().insert(physical.into(), arranged.clone());
        Ok(arranged)
    }
}

fn unsortable(scan: &Scan, error: &ArrowError) -> Failure {
    Failure::permanent(format!("view `{}` cannot be sorted: {error}", scan.view))
}

/// The pieces of a file, and how many late rows were dropped.
fn checked(read: &FileRead, pieces: Result<Pieces, TableError>, spec: &SkeletonSpec) -> Result<(Pieces, usize), Failure> {
    let of_view = |f: Failure| Failure { message: format!("view `{}`: {}", read.view, f.message), ..f };
    let pieces = pieces.map_err(|e| of_view(of_table(e)))?;
    let Some(time) = &read.time else { return Ok((pieces, 0)) };
    let Some(index) = read.columns.values().position(|c| c.name == time.name) else { return Ok((pieces, 0)) };
    let whole = |parts: &Vec<ArrayRef>| concat(&parts.iter().map(|part| part.as_ref()).collect::<Vec<&dyn Array>>());
    if pieces.rows == 0 {
        return Ok((pieces, 0));
    }
    let broken = |e: ArrowError| of_view(Failure::permanent(e.to_string()));
    let Some(kept) = check_times(read, time, &whole(&pieces.columns[index]).map_err(broken)?, spec)? else { return Ok((pieces, 0)) };
    let (rows, late) = (kept.true_count(), kept.len() - kept.true_count());
    let columns = pieces.columns.iter().map(|parts| Ok(vec![filter(&whole(parts)?, &kept)?]));
    Ok((Pieces { rows, columns: columns.collect::<Result<_, _>>().map_err(broken)? }, late))
}

/// Every time is there and, in a partitioned source, inside its partition's period or as late as the view allows; else its row is not kept,
/// or is an error. Nothing is said if all are kept.
fn check_times(read: &FileRead, time: &TimeColumn, column: &ArrayRef, spec: &SkeletonSpec) -> Result<Option<BooleanArray>, Failure> {
    let source = spec.sources.get(&read.view);
    let file = source.map_or_else(|| read.path.display().to_string(), |s| format!("{}/{}", s.shown, s.file_name(&read.path)));
    let place = format!("view `{}`, file {file}, column `{}`", read.view, time.name);
    if column.null_count() > 0 {
        let row = (0..column.len()).find(|row| column.is_null(*row)).unwrap_or_default();
        let count = column.null_count();
        return Err(Failure::permanent(format!("{place}: {count} rows have no timestamp, the first is row {row}; every event needs one")));
    }
    let Some(period) = read.period else { return Ok(None) };
    let times = instants(column, time.unit, time.unit).map_err(|e| Failure::permanent(format!("{place}: {e}")))?;
    let inside = is_within(source.map_or(period, |s| s.admits(period)), time.unit);
    let outside = |t: &i64| !inside(t);
    let Some(row) = times.iter().position(outside) else { return Ok(None) };
    let count = times.iter().filter(|t| outside(t)).count();
    if source.is_some_and(|s| s.late == Late::Drop) {
        return Ok(Some(times.iter().map(|t| Some(inside(t))).collect()));
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

/// The order of rows by (time, created), equal ones as they were read: by file and row. Most sources are in order already.
fn in_order(batch: &RecordBatch, scan: &Scan) -> Result<Option<UInt32Array>, Failure> {
    let names = scan.time.iter().map(|t| &t.name).chain(&scan.created);
    let keys: Vec<ArrayRef> = names.filter_map(|name| batch.column_by_name(name).cloned()).collect();
    if keys.is_empty() || is_in_order(&keys, scan) {
        return Ok(None);
    }
    // The row number makes the order total, whatever the sort does with equals.
    let ordinal: ArrayRef = Arc::new(UInt32Array::from_iter_values(0..batch.num_rows() as u32));
    let sort: Vec<SortColumn> = keys.into_iter().chain([ordinal]).map(|values| SortColumn { values, options: None }).collect();
    lexsort_to_indices(&sort, None).map(Some).map_err(|e| unsortable(scan, &e))
}

fn is_in_order(keys: &[ArrayRef], scan: &Scan) -> bool {
    let (Some(time), [only]) = (&scan.time, keys) else { return false };
    instants(only, time.unit, time.unit).is_ok_and(|times| times.is_sorted())
}
