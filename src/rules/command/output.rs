//! What a command has left in its directory: files with their digests, in any depth, Parquet or anything else.
//!
//! Invariants: files come in the order of their names; what could change after it was published, a link, is refused.

use super::{CommandSpec, Occasion};
use crate::engine::check::{file_digest, modified};
use crate::engine::execute::Made;
use crate::engine::failure::Failure;
use crate::engine::record::OutputFile;
use crate::path::slashed;
use crate::rules::Tell;
use crate::rules::checks::{self, Staged};
use crate::rules::failures::of_table;
use crate::table::parquet::footer;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use walkdir::{DirEntry, WalkDir};

/// Names that records are kept under.
const RESERVED: &str = "_daeda";

/// The files of an output, and what its checks say of them.
pub fn collect(spec: &CommandSpec, occasion: &Occasion, tell: Tell) -> Result<Made, Failure> {
    let (staging, checks) = (occasion.staging, &spec.checks);
    still_there(staging)?;
    let mut files = Vec::new();
    remove_empty(staging);
    for entry in WalkDir::new(staging).min_depth(1).sort_by_file_name() {
        let entry = entry.map_err(|e| Failure::io("cannot read what the command wrote", &e.into()))?;
        files.extend(output_file(staging, &entry)?);
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let mut made = Made::default();
    let parquet: Vec<PathBuf> = files.iter().filter(|f| is_data(&f.name)).map(|f| staging.join(&f.name)).collect();
    let is_counted = !parquet.is_empty() || !checks.is_empty();
    if is_counted && let Some(rows) = rows(&parquet, !checks.is_empty())? {
        let staged = Staged::of(staging, occasion.period, occasion.memory, parquet, rows);
        checks::judge(checks, &staged, &mut made, tell)?;
        made.metadata.insert("rows".into(), json!(rows));
    }
    if files.is_empty() {
        made.warnings.push("the command succeeded and wrote nothing into {output}: what is published is empty".into());
    }
    made.metadata.insert("files".into(), json!(files.len()));
    made.metadata.insert("bytes".into(), json!(files.iter().map(|f| f.size).sum::<u64>()));
    made.files = files;
    Ok(made)
}

/// A link in place of the directory would lead elsewhere, where nothing is ours.
fn still_there(staging: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(staging) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Failure::io("cannot read what the command wrote", &e)),
        found => {
            let became = if found.is_ok() { "replaced" } else { "removed" };
            Err(Failure::permanent(format!("the command {became} the directory {{output}}; write into it and leave it where it is")))
        }
    }
}

/// A directory without files is no part of an output.
fn remove_empty(staging: &Path) {
    let directories = WalkDir::new(staging).min_depth(1).contents_first(true).into_iter().flatten().filter(|e| e.file_type().is_dir());
    // The others cannot be removed.
    directories.for_each(|directory| drop(fs::remove_dir(directory.path())));
}

/// Parquet that readers of the directory see.
fn is_data(name: &str) -> bool {
    name.ends_with(".parquet") && !name.split('/').any(|part| part.starts_with(['_', '.']))
}

fn output_file(staging: &Path, entry: &DirEntry) -> Result<Option<OutputFile>, Failure> {
    let below = entry.path().strip_prefix(staging).unwrap_or(entry.path());
    let name = slashed(below);
    if below.to_str().is_none() {
        return Err(Failure::permanent(format!("the command wrote a file whose name is not UTF-8: {name}")));
    }
    if name.starts_with(RESERVED) {
        return Err(Failure::permanent(format!("the command wrote {name}; names that begin with {RESERVED} are daeda's own")));
    }
    if entry.file_type().is_dir() {
        return Ok(None);
    }
    if !entry.file_type().is_file() {
        return Err(Failure::permanent(format!("the command left {name}, which is no plain file; copy what a link leads to")));
    }
    let failed = |e: std::io::Error| Failure::io(&format!("cannot read what the command wrote, {name}"), &e);
    let metadata = fs::metadata(entry.path()).map_err(failed)?;
    let digest = file_digest(entry.path()).map_err(failed)?;
    Ok(Some(OutputFile { name, size: metadata.len(), digest, modified: modified(&metadata) }))
}

/// Rows of the Parquet files; `None` where one of them is no Parquet and need not be.
fn rows(files: &[PathBuf], must_be: bool) -> Result<Option<u64>, Failure> {
    let mut rows = 0;
    for file in files {
        match footer(file) {
            Ok(found) => rows += found.rows,
            Err(_) if !must_be => return Ok(None),
            Err(error) => return Err(of_table(error)),
        }
    }
    Ok(Some(rows))
}
