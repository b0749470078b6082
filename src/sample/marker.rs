//! The marker `_sample.json`: which tables of a directory are a sample's own, so that nothing else is ever replaced.
//!
//! Knows nothing of the tables' content. Invariant: the marker is there before the first table and names all of them, so that what an
//! interrupted run left behind is still known as the sample's.

use super::{SampleError, SampleSpec};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

const NAME: &str = "_sample.json";
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    version: u32,
    /// False while tables are being written.
    complete: bool,
    spec: Written,
    tables: Vec<String>,
}

/// The spec as text: a record for the reader.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    start: String,
    days: u32,
    users: u32,
    artworks: u32,
    events_per_day: u32,
    dim: u32,
    seed: u64,
}

/// Makes room for the tables: removes those that an earlier sample wrote, refuses to touch anything else.
pub(super) fn claim(directory: &Path, spec: &SampleSpec, tables: &[&str]) -> Result<(), SampleError> {
    fs::create_dir_all(directory).map_err(SampleError::io(directory))?;
    let own = read(directory)?;
    let there: Vec<&str> = tables.iter().copied().filter(|table| holds_something(&directory.join(table))).collect();
    if let Some(foreign) = there.iter().find(|table| !own.iter().any(|name| name == *table)) {
        return Err(SampleError::Occupied { path: directory.join(foreign) });
    }
    mark(directory, spec, tables, false)?;
    there.iter().try_for_each(|table| remove(&directory.join(table)))
}

/// Says that all tables are whole.
pub(super) fn complete(directory: &Path, spec: &SampleSpec, tables: &[&str]) -> Result<(), SampleError> {
    mark(directory, spec, tables, true)
}

fn read(directory: &Path) -> Result<Vec<String>, SampleError> {
    let path = directory.join(NAME);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(SampleError::io(&path))?,
    };
    match serde_json::from_str::<Marker>(&text) {
        Ok(marker) if marker.version == VERSION => Ok(marker.tables),
        Ok(marker) => Err(unclear(path, format!("it has version {}", marker.version))),
        Err(error) => Err(unclear(path, error.to_string())),
    }
}

fn unclear(path: PathBuf, reason: String) -> SampleError {
    SampleError::Marker { path, reason }
}

fn holds_something(path: &Path) -> bool {
    match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => path.symlink_metadata().is_ok(),
    }
}

fn remove(path: &Path) -> Result<(), SampleError> {
    fs::remove_dir_all(path).map_err(SampleError::io(path))
}

fn mark(directory: &Path, spec: &SampleSpec, tables: &[&str], complete: bool) -> Result<(), SampleError> {
    let (path, temporary) = (directory.join(NAME), directory.join(".sample.json.tmp"));
    let tables = tables.iter().map(|table| table.to_string()).collect();
    let marker = Marker { version: VERSION, complete, spec: Written::from(spec), tables };
    let text = serde_json::to_string_pretty(&marker).map_err(|error| SampleError::io(&path)(error.into()))?;
    fs::write(&temporary, text + "\n").map_err(SampleError::io(&temporary))?;
    fs::rename(&temporary, &path).map_err(SampleError::io(&path))
}

impl From<&SampleSpec> for Written {
    fn from(spec: &SampleSpec) -> Self {
        let SampleSpec { start, days, users, artworks, events_per_day, dim, seed, hourly: _ } = *spec;
        Self { start: start.to_string(), days, users, artworks, events_per_day, dim, seed }
    }
}
