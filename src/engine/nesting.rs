//! Outputs inside outputs: a place that lies in, or holds, what was published for partitions of another cadence.
//!
//! Publishing replaces a directory whole, so one output must never hold another. Looked for only where an action has published nothing.

use super::action::Action;
use super::record::{Record, Records};
use std::fs;
use std::path::{Path, PathBuf};

const REMEDY: &str = "move it away, name another output root, or give the op output=\"…\"";

/// Why an action must not publish in its place, if so.
pub fn conflict(action: &Action, records: &dyn Records) -> Option<String> {
    let said = |what: &str, path: &Path, record: &Record| {
        let (place, path) = (action.place.path(), path.display());
        format!(
            "{} {what} the output of {} in {path}, which is of another cadence than {}; {REMEDY}",
            place.display(),
            record.action,
            action.id
        )
    };
    if let Some((path, record)) = above(action, records) {
        return Some(said("lies inside", &path, &record));
    }
    below(&action.place.path(), records, 2).map(|(path, record)| said("holds", &path, &record))
}

/// An output that the place lies in.
fn above(action: &Action, records: &dyn Records) -> Option<(PathBuf, Record)> {
    let ancestors = Path::new(&action.place.directory).ancestors().skip(1).filter(|p| !p.as_os_str().is_empty());
    ancestors.map(|p| action.place.root.join(p)).find_map(|path| records.read(&path).map(|record| (path, record)))
}

/// An output that lies in the place.
fn below(place: &Path, records: &dyn Records, depth: usize) -> Option<(PathBuf, Record)> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let mut directories: Vec<PathBuf> = entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()).collect();
    directories.sort();
    let found = directories.iter().find_map(|path| records.read(path).map(|record| (path.clone(), record)));
    found.or_else(|| if depth > 1 { directories.iter().find_map(|path| below(path, records, depth - 1)) } else { None })
}
