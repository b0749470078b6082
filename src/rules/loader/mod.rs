//! Reads what the scans of one action need: each file once with the columns that any scan takes of it, or, where that has no room in
//! memory, batch by batch for each scan.
//!
//! Invariants: rows of a scan come in canonical order (time, created, file, row); a row whose time is null or outside its partition's
//! period is an error that says where, unless the view says what else becomes of it. Both ways give the same rows, and say the same of bad ones.

mod ahead;
mod inputs;
mod stream;
mod times;

pub use inputs::{Inputs, scan_of};
pub use stream::{Batches, Stream};
pub use times::{in_order, order};

use super::Tell;
use super::columns::{Columns, Part};
use super::failures::of_table;
use super::source::SourceSpec;
use crate::catalog::dag::{Reach, Scan, ScanColumn};
use crate::engine::execute::{Progress, Unit};
use crate::engine::failure::Failure;
use crate::features::arrow_type::arrow_type;
use crate::table::parquet::{Pieces, TableError, Wanted, read_pieces};
use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{concat, filter, filter_record_batch, take};
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;
use inputs::{FileOfView, FileRead, of_view};
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use times::{TimeCheck, outside_period, sorting, unsortable};

/// By view and reach; nothing where rows are as they should be.
type Orders = HashMap<(String, Reach), Option<Arc<Order>>>;

/// The columns in memory.
pub struct Loader<'a> {
    pub inputs: Inputs<'a>,
    columns: Columns,
    rows: HashMap<FileOfView, usize>,
    /// Which rows scans leave of the files in their reach, and in which order.
    orders: Mutex<Orders>,
}

impl<'a> Loader<'a> {
    /// Reads everything that the scans of an action take.
    pub fn open(inputs: Inputs<'a>, tell: Tell) -> Result<Self, Failure> {
        let (columns, rows, orders) = (Columns::default(), HashMap::new(), Mutex::default());
        let mut loader = Self { inputs, columns, rows, orders };
        let parts = loader.read(tell)?;
        loader.columns = Columns::join(parts)?;
        Ok(loader)
    }

    fn read(&mut self, tell: Tell) -> Result<Vec<Part>, Failure> {
        let reads: Vec<&FileRead> = self.inputs.reads.values().collect();
        let (total, files) = (reads.iter().map(|read| read.rows).sum(), reads.len());
        tell(Progress::Step { message: format!("reading {files} files"), done: 0, total, unit: Unit::Rows });
        let wanted: Vec<Wanted> = reads.iter().map(|read| Wanted { path: read.path.clone(), columns: read.wanted() }).collect();
        let read: Vec<_> = read_pieces(&wanted).into_iter().zip(&reads).collect();
        // Of several files that cannot be read the first one is named, whichever was tried first.
        let read: Vec<Result<_, Failure>> = read.into_par_iter().map(|(pieces, read)| checked(read, pieces, &self.inputs)).collect();
        let mut parts = Vec::new();
        for (of, read) in reads.iter().zip(read) {
            let (pieces, late) = read?;
            if late > 0 {
                *self.inputs.late.entry(of.view.clone()).or_insert(0) += late;
            }
            self.rows.insert((of.view.clone(), of.path.clone()), pieces.rows);
            let part = |(physical, pieces): (&String, _)| Part { name: (of.view.clone(), physical.clone()), file: of.path.clone(), pieces };
            parts.extend(of.columns.keys().zip(pieces.columns).map(part));
        }
        Ok(parts)
    }

    /// The rows of a scan in canonical order, columns under the view's names; strings perhaps as dictionaries.
    pub fn scan(&self, scan: &Scan) -> Result<RecordBatch, Failure> {
        let paths: Vec<PathBuf> = self.inputs.files(scan)?.into_iter().map(|(_, path)| path).collect();
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
        let inside = outside_period(batch, scan, &self.inputs)?;
        let kept =
            inside.as_ref().map(|mask| filter_record_batch(batch, mask)).transpose().map_err(|e| Failure::permanent(e.to_string()))?;
        let sorted = sorting(kept.as_ref().unwrap_or(batch), scan)?;
        let order = (inside.is_some() || sorted.is_some()).then(|| Arc::new(Order { inside, sorted, arranged: Mutex::default() }));
        lock().insert(key, order.clone());
        Ok(order)
    }

    /// Rows as they lie in files of a source, columns under the view's names, if they were read.
    pub fn rows_of(&self, source: &SourceSpec, files: &[PathBuf], columns: &[ScanColumn]) -> Option<RecordBatch> {
        let (view, _) = self.inputs.spec.sources.iter().find(|(_, known)| known.name == source.name)?;
        let take = |column: &ScanColumn| {
            let array = self.columns.take(view, &column.physical, files, &arrow_type(&column.data_type)).ok().flatten()?;
            Some((Field::new(&column.name, array.data_type().clone(), true), array))
        };
        let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns.iter().map(take).collect::<Option<Vec<_>>>()?.into_iter().unzip();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).ok()
    }

    fn column(&self, scan: &Scan, column: &ScanColumn, files: &[PathBuf]) -> Result<ArrayRef, Failure> {
        let found = self.columns.take(&scan.view, &column.physical, files, &arrow_type(&column.data_type))?;
        let new = || files.iter().find(|file| !self.rows.contains_key(&(scan.view.clone(), (*file).clone()))).or(files.first());
        let missing =
            || Failure::transient(format!("{} appeared while the op ran", new().map_or_else(String::new, |f| f.display().to_string())));
        found.ok_or_else(missing)
    }
}

/// A scan's columns under the view's names.
fn schema(scan: &Scan) -> Schema {
    Schema::new(scan.columns.iter().map(|c| Field::new(&c.name, arrow_type(&c.data_type), true)).collect::<Vec<_>>())
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

/// The pieces of a file, and how many late rows were dropped.
fn checked(read: &FileRead, pieces: Result<Pieces, TableError>, inputs: &Inputs) -> Result<(Pieces, usize), Failure> {
    let pieces = pieces.map_err(|e| of_view(read, of_table(e)))?;
    let Some(mut check) = TimeCheck::of(read, inputs).filter(|_| pieces.rows > 0) else { return Ok((pieces, 0)) };
    let Some(index) = check.column().and_then(|name| read.columns.keys().position(|column| column == name)) else { return Ok((pieces, 0)) };
    let whole = |parts: &Vec<ArrayRef>| concat(&parts.iter().map(|part| part.as_ref()).collect::<Vec<&dyn Array>>());
    let broken = |e: ArrowError| of_view(read, Failure::permanent(e.to_string()));
    let kept = check.look(&whole(&pieces.columns[index]).map_err(broken)?)?;
    let late = check.verdict()?;
    let Some(kept) = kept else { return Ok((pieces, late)) };
    let columns = pieces.columns.iter().map(|parts| Ok(vec![filter(&whole(parts)?, &kept)?]));
    Ok((Pieces { rows: kept.true_count(), columns: columns.collect::<Result<_, _>>().map_err(broken)? }, late))
}
