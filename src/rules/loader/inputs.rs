//! The files that the scans of one action read, each with the columns that any scan takes of it, and the row groups that any can need.
//!
//! Knows nothing of their rows. Invariant: what is listed here is what is read, by whichever way.

use crate::catalog::calendar::Period;
use crate::catalog::dag::{Kind, Operator, Scan, ScanColumn};
use crate::catalog::model::TimeColumn;
use crate::engine::failure::Failure;
use crate::features::arrow_type::arrow_type;
use crate::features::time::{is_within, optional_instants};
use crate::rules::failures::of_table;
use crate::rules::readiness::gap_warning;
use crate::rules::skeleton::SkeletonSpec;
use crate::rules::source::{PeriodFiles, SourceSpec};
use crate::table::listing::parquet_files;
use crate::table::parquet::{Bounds, Extent, extents};
use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A file as one view sees it: another view may read it by other types and times.
pub type FileOfView = (String, PathBuf);

pub struct Inputs<'a> {
    pub spec: &'a SkeletonSpec,
    pub period: Period,
    /// In the order in which they are read.
    pub reads: BTreeMap<FileOfView, FileRead>,
    /// The periods within reach that are not there, by view.
    pub absent: BTreeMap<String, BTreeSet<String>>,
    /// How many rows were dropped because they lie outside their partition's period, by view.
    pub late: BTreeMap<String, usize>,
}

/// What is read of one file.
pub struct FileRead {
    pub path: PathBuf,
    pub view: String,
    pub period: Option<Period>,
    pub columns: BTreeMap<String, ScanColumn>,
    pub time: Option<TimeColumn>,
    /// The row groups that can hold instants within reach of a scan, in order; else all are read.
    pub groups: Option<Vec<usize>>,
    pub rows: u64,
    /// From the earliest to the latest instant within reach of a scan, in milliseconds.
    reach: Period,
    /// The room that each column takes in memory, by its name in the file.
    bytes: BTreeMap<String, u64>,
}

impl FileRead {
    /// Its columns, as the reader wants to know them.
    pub fn wanted(&self) -> Vec<(String, DataType)> {
        self.columns.values().map(typed).collect()
    }

    /// The name of the column of times in the file, if it is read.
    pub fn time_column(&self) -> Option<&str> {
        let time = self.time.as_ref()?;
        self.columns.values().find(|c| c.name == time.name).map(|c| c.physical.as_str())
    }

    fn measure(&mut self, source: Option<&SourceSpec>) -> Result<(), Failure> {
        self.groups = source.and_then(|source| within_reach(self, source));
        let wanted = self.wanted();
        let extents = extents(&self.path, &wanted, self.groups.as_deref()).map_err(|e| of_view(self, of_table(e)))?;
        self.rows = extents.first().map_or(0, |extent| extent.rows);
        self.bytes = wanted.into_iter().zip(extents).map(|((name, _), extent)| (name, extent.bytes)).collect();
        Ok(())
    }
}

/// The row groups of a file that can hold instants within reach, where the footer says of all that their rows are as they should be: then
/// no other row has a part in any result, or could be complained of.
fn within_reach(read: &FileRead, source: &SourceSpec) -> Option<Vec<usize>> {
    let (time, column, period) = (read.time.as_ref()?, read.time_column()?, read.period?);
    // Of a file or column that is not as it should be, those speak who read it.
    let bounds = Bounds::read(&read.path, column).ok()?;
    let known = |array: &ArrayRef| optional_instants(array, time.unit, time.unit).ok();
    let (least, greatest) = (known(&bounds.least)?, known(&bounds.greatest)?);
    let spans = |group: usize| bounds.is_known(group).then(|| least[group].zip(greatest[group])).flatten();
    let (is_admitted, before, after) = (
        is_within(source.admits(period), time.unit),
        is_within(Period { start: i64::MIN, end: read.reach.start }, time.unit),
        is_within(Period { start: read.reach.end, end: i64::MAX }, time.unit),
    );
    let filled = || (0..bounds.groups()).filter(|group| !bounds.is_empty(*group));
    if !filled().all(|group| spans(group).is_some_and(|(least, greatest)| is_admitted(&least) && is_admitted(&greatest))) {
        return None;
    }
    let is_near = |group: &usize| spans(*group).is_some_and(|(least, greatest)| !before(&greatest) && !after(&least));
    Some(filled().filter(is_near).collect())
}

/// A failure that says whose file it is about.
pub fn of_view(read: &FileRead, failure: Failure) -> Failure {
    Failure { message: format!("view `{}`: {}", read.view, failure.message), ..failure }
}

/// A column by its name in the file, with its type.
pub fn typed(column: &ScanColumn) -> (String, DataType) {
    (column.physical.clone(), arrow_type(&column.data_type))
}

impl<'a> Inputs<'a> {
    /// Lists what the scans of an action read.
    pub fn list(spec: &'a SkeletonSpec, period: Period) -> Result<Self, Failure> {
        let mut inputs = Self { spec, period, reads: BTreeMap::new(), absent: BTreeMap::new(), late: BTreeMap::new() };
        for (operator, scan) in spec.operators.iter().filter_map(|operator| Some((operator, scan_of(operator)?))) {
            let reach = inputs.reach(operator, scan);
            for period in inputs.periods(scan)? {
                inputs.add(scan, period, reach);
            }
        }
        let measure = |((view, _), read): (&FileOfView, &mut FileRead)| read.measure(spec.sources.get(view));
        let measured: Vec<Result<(), Failure>> = inputs.reads.par_iter_mut().map(measure).collect();
        measured.into_iter().collect::<Result<(), _>>()?;
        Ok(inputs)
    }

    /// The instants that have a part in a result, in milliseconds. A static join takes the current row of all that the files hold.
    fn reach(&self, operator: &Operator, scan: &Scan) -> Period {
        let is_current = |taker: &Operator| matches!(taker.does, Kind::Join(_)) && taker.inputs.contains(&operator.id);
        let (start, end) = SourceSpec::range(scan.reach, self.period);
        match self.spec.operators.iter().any(is_current) {
            true => Period { start: i64::MIN, end: i64::MAX },
            false => Period { start: start.unwrap_or(i64::MIN), end },
        }
    }

    fn add(&mut self, scan: &Scan, period: PeriodFiles, reach: Period) {
        if let Some(key) = period.key.as_ref().filter(|_| !period.is_there()) {
            self.absent.entry(scan.view.clone()).or_default().insert(key.clone());
        }
        for path in period.files.into_iter().flatten() {
            let view = scan.view.clone();
            let new = || FileRead {
                path: path.clone(),
                view,
                period: period.period,
                columns: BTreeMap::new(),
                time: None,
                groups: None,
                rows: 0,
                reach: Period { start: i64::MAX, end: i64::MIN },
                bytes: BTreeMap::new(),
            };
            let read = self.reads.entry((scan.view.clone(), path.clone())).or_insert_with(new);
            read.columns.extend(scan.columns.iter().map(|c| (c.physical.clone(), c.clone())));
            read.time = scan.time.clone();
            let Period { start: earliest, end: latest } = read.reach;
            read.reach = Period { start: earliest.min(reach.start), end: latest.max(reach.end) };
        }
    }

    pub fn source(&self, view: &str) -> Result<&'a SourceSpec, Failure> {
        self.spec.sources.get(view).ok_or_else(|| Failure::permanent(format!("no source for view `{view}`")))
    }

    fn periods(&self, scan: &Scan) -> Result<Vec<PeriodFiles>, Failure> {
        let source = self.source(&scan.view)?;
        let range = SourceSpec::range(scan.reach, self.period);
        source.periods(range, &|directory: &Path| parquet_files(directory)).map_err(|e| Failure::io(&source.shown, &e))
    }

    /// The files of a scan, in canonical order.
    pub fn files(&self, scan: &Scan) -> Result<Vec<FileOfView>, Failure> {
        let paths = self.periods(scan)?.into_iter().filter_map(|p| p.files).flatten();
        Ok(paths.map(|path| (scan.view.clone(), path)).collect())
    }

    /// What is read of a file that a scan names.
    pub fn read(&self, file: &FileOfView) -> Result<&FileRead, Failure> {
        self.reads.get(file).ok_or_else(|| Failure::transient(format!("{} appeared while the op ran", file.1.display())))
    }

    /// The room that a scan's columns take.
    pub fn extent(&self, scan: &Scan) -> Result<Extent, Failure> {
        let mut all = Extent::default();
        for file in self.files(scan)? {
            let read = self.read(&file)?;
            all.rows += read.rows;
            all.bytes += scan.columns.iter().filter_map(|column| read.bytes.get(&column.physical)).sum::<u64>();
        }
        Ok(all)
    }

    /// The bytes of all that is read, each column of a file once.
    pub fn bytes(&self) -> u64 {
        self.reads.values().flat_map(|read| read.bytes.values()).sum()
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
}

pub fn scan_of(operator: &Operator) -> Option<&Scan> {
    match &operator.does {
        Kind::Scan(scan) => Some(scan),
        _ => None,
    }
}
