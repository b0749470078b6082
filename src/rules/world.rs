//! The world over files: answers requests by listing directories, hashing the columns that are read, and asking Lance for its fragments.
//!
//! Invariants: what is not within reach is not looked at, and columns that nobody reads are not read; within one build a directory is
//! listed once and a dataset's version resolved once, until somebody asks to look again.

use super::command;
use super::source::{PeriodFiles, PinSpec, SourceSpec};
use crate::catalog::calendar::Period;
use crate::engine::action::Request;
use crate::engine::observation::{ABSENT, Kind, Observation};
use crate::engine::world::{Look, Unobservable, World};
use crate::table::lance::{Dataset, LanceError};
use crate::table::listing::parquet_files;
use crate::table::parquet::{ColumnCache, TableError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// The files within reach, and the digests of the columns read of each period.
    Parquet { source: SourceSpec, reads: Vec<Read>, required: Option<Period> },
    /// The fragments that hold the columns read.
    Lance { source: SourceSpec, columns: Vec<String> },
    /// Whole files, each by its name and where it lies.
    Files { files: Vec<(String, PathBuf)> },
    /// Variables of the environment.
    Environment { names: Vec<String> },
}

/// Columns, by their names in the files, of the periods that overlap a range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Read {
    pub range: (Option<i64>, i64),
    pub columns: Vec<String>,
}

impl Ask {
    pub fn request(self) -> Request {
        let name = match &self {
            Self::Parquet { source, .. } | Self::Lance { source, .. } => source.name.clone(),
            Self::Files { .. } => "sources".into(),
            Self::Environment { .. } => "environment".into(),
        };
        Request { name, ask: serde_json::to_value(&self).unwrap_or_default() }
    }
}

type Listed = Option<Vec<PathBuf>>;

/// Each period within any reach, with the columns that are read of it, by key.
type Wanted = BTreeMap<Option<String>, (PeriodFiles, BTreeSet<String>)>;

/// The fragments of a dataset's columns.
type Fragments = HashMap<(PathBuf, PinSpec, Vec<String>), BTreeMap<String, String>>;

pub struct TableWorld {
    columns: ColumnCache,
    listed: Mutex<HashMap<PathBuf, Listed>>,
    fragments: Mutex<Fragments>,
    files: Mutex<HashMap<PathBuf, Observation>>,
}

impl TableWorld {
    /// `cache` is where digests of unchanged files are kept between builds.
    pub fn new(cache: &Path) -> Self {
        Self { columns: ColumnCache::open(cache), listed: Mutex::default(), fragments: Mutex::default(), files: Mutex::default() }
    }

    fn list(&self, directory: &Path, look: Look) -> io::Result<Listed> {
        let known = || self.listed.lock().expect("no thread panics while it holds the listing").get(directory).cloned();
        if let (Look::Once, Some(listed)) = (look, known()) {
            return Ok(listed);
        }
        let listed = parquet_files(directory)?;
        self.listed.lock().expect("no thread panics while it holds the listing").insert(directory.into(), listed.clone());
        Ok(listed)
    }

    fn answer(&self, request: &Request, look: Look) -> Result<Vec<Observation>, Unobservable> {
        let ask: Ask = serde_json::from_value(request.ask.clone()).map_err(|e| Unobservable::Broken(format!("{}: {e}", request.name)))?;
        match ask {
            Ask::Parquet { source, reads, required } => self.parquet(&source, &reads, required, look),
            Ask::Lance { source, columns } => self.lance(&source, &columns, look).map(|o| vec![o]),
            Ask::Files { files } => files.iter().map(|(name, path)| self.file(name, path, look)).collect(),
            Ask::Environment { names } => Ok(names.iter().map(|name| command::environment(name)).collect()),
        }
    }

    fn parquet(&self, source: &SourceSpec, reads: &[Read], required: Option<Period>, look: Look) -> Result<Vec<Observation>, Unobservable> {
        let periods = self.wanted(source, reads, look).map_err(|e| Unobservable::Broken(format!("{}: {e}", source.shown)))?;
        self.require(source, &periods, required)?;
        let mut observations = vec![listing(source, periods.values().map(|(period, _)| period))];
        for (period, columns) in periods.values() {
            observations.extend(self.columns(source, period, columns)?);
        }
        Ok(observations)
    }

    fn wanted(&self, source: &SourceSpec, reads: &[Read], look: Look) -> io::Result<Wanted> {
        let mut wanted = Wanted::new();
        // Two reads of one build must not see two listings.
        let fresh: Mutex<HashMap<PathBuf, Listed>> = Mutex::default();
        let list = |directory: &Path| {
            if let Some(listed) = fresh.lock().expect("no thread panics while it lists").get(directory) {
                return Ok(listed.clone());
            }
            let listed = self.list(directory, look)?;
            fresh.lock().expect("no thread panics while it lists").insert(directory.into(), listed.clone());
            Ok(listed)
        };
        for read in reads {
            for period in source.periods(read.range, &list)? {
                let entry = wanted.entry(period.key.clone()).or_insert_with(|| (period, BTreeSet::new()));
                entry.1.extend(read.columns.iter().cloned());
            }
        }
        Ok(wanted)
    }

    fn require(&self, source: &SourceSpec, periods: &Wanted, required: Option<Period>) -> Result<(), Unobservable> {
        let overlaps = |p: &PeriodFiles| match (p.period, required) {
            (None, _) => true,
            (Some(period), Some(required)) => period.start < required.end && required.start < period.end,
            (Some(_), None) => false,
        };
        let is_there = |p: &PeriodFiles| p.files.as_ref().is_some_and(|files| !files.is_empty());
        let absent = periods.values().map(|(p, _)| p).find(|p| overlaps(p) && !is_there(p));
        match absent {
            Some(period) => {
                let name = named(source, period.key.as_deref());
                let shown = Path::new(&source.shown).join(source.file_name(&period.directory));
                Err(Unobservable::Blocked(format!("{name} is not there: no Parquet file in {}", shown.display())))
            }
            None if required.is_some() && !periods.values().any(|(p, _)| overlaps(p)) => {
                Err(Unobservable::Blocked(format!("{} has no period there yet: nothing in {}", source.name, source.shown)))
            }
            None => Ok(()),
        }
    }

    fn columns(&self, source: &SourceSpec, period: &PeriodFiles, columns: &BTreeSet<String>) -> Result<Option<Observation>, Unobservable> {
        let Some(files) = period.files.as_ref().filter(|f| !f.is_empty()) else { return Ok(None) };
        let wanted: Vec<String> = columns.iter().cloned().collect();
        let mut parts = BTreeMap::new();
        for file in files {
            let digests = self.columns.digests(file, &wanted).map_err(|e| unobservable(source, e))?;
            for (column, digest) in digests {
                let part = if files.len() == 1 { column } else { format!("{column} in {}", source.file_name(file)) };
                parts.insert(part, digest.hex()[..32].to_string());
            }
        }
        Ok(Some(Observation::parts(Kind::Columns, named(source, period.key.as_deref()), parts)))
    }

    fn file(&self, name: &str, path: &Path, look: Look) -> Result<Observation, Unobservable> {
        let known = || self.files.lock().expect("no thread panics while it holds the files").get(path).cloned();
        if let (Look::Once, Some(known)) = (look, known()) {
            return Ok(known);
        }
        let seen = command::file(name, path)?;
        self.files.lock().expect("no thread panics while it holds the files").insert(path.into(), seen.clone());
        Ok(seen)
    }

    fn lance(&self, source: &SourceSpec, columns: &[String], look: Look) -> Result<Observation, Unobservable> {
        let key = (source.path.clone(), source.pin.clone(), columns.to_vec());
        let known = || self.fragments.lock().expect("no thread panics while it holds the fragments").get(&key).cloned();
        if let (Look::Once, Some(parts)) = (look, known()) {
            return Ok(Observation::parts(Kind::Listing, source.name.clone(), parts));
        }
        let opened = Dataset::open(&source.path, &source.lance_pin());
        let fragments = opened.and_then(|d| d.fragments(columns)).map_err(|e| unobservable_lance(source, e))?;
        let parts: BTreeMap<String, String> = fragments.into_iter().map(|(id, files)| (format!("fragment {id}"), files)).collect();
        self.fragments.lock().expect("no thread panics while it holds the fragments").insert(key, parts.clone());
        Ok(Observation::parts(Kind::Listing, source.name.clone(), parts))
    }
}

impl World for TableWorld {
    fn observe(&self, requests: &[Request], look: Look) -> Result<Vec<Observation>, Unobservable> {
        let mut observations = Vec::new();
        for request in requests {
            observations.extend(self.answer(request, look)?);
        }
        Ok(observations)
    }

    fn remember(&self) {
        self.columns.save();
    }
}

fn named(source: &SourceSpec, key: Option<&str>) -> String {
    key.map_or_else(|| source.name.clone(), |key| format!("{}@{key}", source.name))
}

/// The periods and files within reach, absent ones included.
fn listing<'a>(source: &SourceSpec, periods: impl Iterator<Item = &'a PeriodFiles>) -> Observation {
    let part = |period: &PeriodFiles| {
        let files = match &period.files {
            None => ABSENT.to_string(),
            Some(files) => files.iter().map(|f| source.file_name(f)).collect::<Vec<_>>().join(", "),
        };
        (period.key.clone().unwrap_or_else(|| "files".into()), files)
    };
    Observation::parts(Kind::Listing, source.name.clone(), periods.map(part).collect())
}

fn unobservable(source: &SourceSpec, error: TableError) -> Unobservable {
    match &error {
        TableError::Io { error: e, .. } if e.kind() == io::ErrorKind::NotFound => {
            Unobservable::Blocked(format!("{}: {error}", source.name))
        }
        _ => Unobservable::Broken(format!("{}: {error}", source.name)),
    }
}

fn unobservable_lance(source: &SourceSpec, error: LanceError) -> Unobservable {
    match error {
        LanceError::NotFound { .. } => Unobservable::Blocked(format!("{} is not there: {error}", source.name)),
        _ => Unobservable::Broken(format!("{}: {error}", source.name)),
    }
}
