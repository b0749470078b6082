//! Records as an older version of daeda would have left them: of the scheme before today's, with digests that say nothing today.
//!
//! Knows of a record only that it is JSON with a `scheme` and digests in its `trace`. Invariant: what a record says in words is left alone.

use daeda::digest::SCHEME;
use daeda::table::parquet::{note, read_note, schema_of};
use serde_json::Value;
use std::fs;
use std::path::Path;

const KEY: &str = "daeda.record";

/// Ages every record below a directory.
pub fn age(directory: &Path) -> Result<(), String> {
    let files = walkdir::WalkDir::new(directory).into_iter().filter_map(Result::ok);
    let mut aged = 0;
    for file in files.filter(|file| file.path().is_file()) {
        aged += match file.file_name().to_str() {
            Some("_daeda.parquet") => in_footer(file.path())?,
            Some("_daeda.json") => in_text(file.path())?,
            _ => 0,
        };
    }
    if aged == 0 { Err(format!("there is no record in {}", directory.display())) } else { Ok(()) }
}

fn in_footer(path: &Path) -> Result<usize, String> {
    let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let text = read_note(path, KEY).map_err(|e| wrong(&e))?.ok_or_else(|| wrong(&"no record"))?;
    let schema = schema_of(path).map_err(|e| wrong(&e))?;
    let older = note(path, schema, KEY, &older(&text)?).map_err(|e| wrong(&e))?;
    fs::write(path, older).map_err(|e| wrong(&e))?;
    Ok(1)
}

fn in_text(path: &Path) -> Result<usize, String> {
    let text = fs::read_to_string(path).map_err(|e| e.to_string())?;
    fs::write(path, older(&text)?).map_err(|e| e.to_string())?;
    Ok(1)
}

fn older(text: &str) -> Result<String, String> {
    let mut record: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    record["scheme"] = (SCHEME - 1).into();
    for observation in record["trace"].as_array_mut().into_iter().flatten() {
        if let Some(Value::String(digest)) = observation.get_mut("digest") {
            *digest = blake3::hash(digest.as_bytes()).to_string();
        }
    }
    Ok(record.to_string())
}
