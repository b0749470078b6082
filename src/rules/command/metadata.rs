//! What a command says of its result: JSON objects, one a line, in the file that `DAEDA_METADATA` names.
//!
//! Invariants: what daeda measures itself is not a program's to say, for checks and `status` go by it; no secret is taken over; what is not
//! understood is a warning, one for all of it, for the output is good all the same; a file of whatever size or kind holds nothing up.

use super::fill::Filled;
use crate::engine::execute::Made;
use crate::engine::record::CHECKS;
use serde_json::{Map, Value};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// Names under which daeda says what it has measured. Whether it could measure it this time makes no difference to who reads it.
const OWN: [&str; 5] = ["rows", "files", "bytes", "output_path", CHECKS];

/// So much of it is read, in bytes: all of it travels with the output, in its record.
const MOST: usize = 1 << 20;

pub fn add(file: &Path, filled: &Filled, made: &mut Made) {
    let (told, warnings) = read(file);
    let (own, others): (Map<String, Value>, Map<String, Value>) = told.into_iter().partition(|(name, _)| OWN.contains(&name.as_str()));
    made.warnings.extend(warnings);
    made.warnings.extend(of_own(&own));
    made.metadata.extend(redacted_fields(others, filled));
}

/// The objects of a file as one, in which the last word counts, and what has to be said of the rest.
fn read(file: &Path) -> (Map<String, Value>, Vec<String>) {
    // To open what is no file, such as a pipe, may wait for ever.
    match fs::metadata(file) {
        Err(_) => return Default::default(),
        Ok(metadata) if !metadata.is_file() => {
            return (Map::new(), vec!["DAEDA_METADATA is no plain file any more and was left out".into()]);
        }
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|file| file.take(MOST as u64 + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        return (Map::new(), vec![format!("DAEDA_METADATA cannot be read and was left out: {error}")]);
    }
    let is_cut = cut(&mut bytes);
    let (told, wrong) = objects(&String::from_utf8_lossy(&bytes));
    let cut = is_cut.then(|| format!("DAEDA_METADATA holds more than {} MiB; the rest was left out", MOST >> 20));
    (told, wrong.into_iter().chain(cut).collect())
}

/// Cuts what is too much off, with the line that it begins in.
fn cut(bytes: &mut Vec<u8>) -> bool {
    let is_too_much = bytes.len() > MOST;
    if is_too_much {
        bytes.truncate(MOST);
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(0));
    }
    is_too_much
}

/// What the lines say, and a warning where some say nothing that can be understood.
fn objects(text: &str) -> (Map<String, Value>, Option<String>) {
    let mut told = Map::new();
    let mut wrong = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(Value::Object(object)) => told.extend(object),
            _ => wrong.push(number + 1),
        }
    }
    let warning = match wrong.as_slice() {
        [] => None,
        [line] => Some(format!("line {line} of DAEDA_METADATA is no JSON object and was left out")),
        [first, others @ ..] => {
            Some(format!("line {first} of DAEDA_METADATA and {} more are no JSON objects and were left out", others.len()))
        }
    };
    (told, warning)
}

/// One warning for all the names that are not the program's.
fn of_own(own: &Map<String, Value>) -> Option<String> {
    let names: Vec<&str> = own.keys().map(String::as_str).collect();
    let hint = "give what the program counts another name";
    (!names.is_empty()).then(|| format!("DAEDA_METADATA says {}, which is daeda's to say, and was left out: {hint}", names.join(", ")))
}

fn redacted_fields(fields: Map<String, Value>, filled: &Filled) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (filled.redacted(&name), redacted(value, filled))).collect()
}

fn redacted(value: Value, filled: &Filled) -> Value {
    match value {
        Value::String(text) => Value::String(filled.redacted(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| redacted(item, filled)).collect()),
        Value::Object(fields) => Value::Object(redacted_fields(fields, filled)),
        Value::Number(number) => {
            let text = number.to_string();
            let shown = filled.redacted(&text);
            if shown == text { Value::Number(number) } else { Value::String(shown) }
        }
        other => other,
    }
}
