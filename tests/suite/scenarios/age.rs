//! Records as an older version of daeda has left them: `tests/fixtures/scheme-1` holds what the first scheme recorded of the services' data.
//!
//! Invariant: what the manifest says and what was published is left as it is.

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
    record["scheme"] = 1.into();
    if let Some(key) = record["action"]["key"].as_str() {
        let file = format!("tests/fixtures/scheme-1/{}@{key}.json", record["action"]["asset"].as_str().unwrap_or_default());
        let recorded = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file)).map_err(|e| format!("{file}: {e}"))?;
        let recorded: Value = serde_json::from_str(&recorded).map_err(|e| format!("{file}: {e}"))?;
        let trace = record["trace"].as_array_mut().ok_or("a record without a trace")?;
        trace.retain(|o| o["kind"] == "rule" || o["kind"] == "parameter");
        trace.extend(recorded["trace"].as_array().into_iter().flatten().cloned());
    }
    Ok(record.to_string())
}
