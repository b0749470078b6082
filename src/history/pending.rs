//! Runs that had nothing to do: noted in a line of a small file, which costs no more than that, and taken into the database by the next run
//! that has something to write there.
//!
//! Invariant: a line that cannot be read is left out.

use super::book::Book;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// So much is noted before somebody has to take it over.
const MOST: u64 = 1 << 18;

/// A run that is over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Noted {
    pub started: i64,
    pub seconds: f64,
    pub pid: u32,
    pub command: String,
    pub state: String,
    pub summary: Value,
}

fn path(state: &Path) -> PathBuf {
    state.join("history.pending")
}

/// Adds a line. False where the file is full.
pub fn note(state: &Path, run: &Noted) -> std::io::Result<bool> {
    fs::create_dir_all(state)?;
    let mut file = File::options().append(true).create(true).open(path(state))?;
    if file.metadata()?.len() > MOST {
        return Ok(false);
    }
    let line = serde_json::to_string(run).map_err(std::io::Error::other)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    Ok(true)
}

/// What is noted.
pub fn noted(state: &Path) -> Vec<Noted> {
    read(&path(state))
}

fn read(path: &Path) -> Vec<Noted> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Puts what is noted into the database.
pub fn take_over(state: &Path, book: &mut Book) -> rusqlite::Result<()> {
    let taken = path(state).with_extension(format!("pending.{}", std::process::id()));
    if fs::rename(path(state), &taken).is_err() {
        return Ok(());
    }
    let result = book.add_all(&read(&taken));
    let _ = fs::remove_file(&taken);
    result
}
