//! The steps of a `data` block: what happens to files between two builds.
//!
//! Knows how they are written and how plain files are changed; rows are `parquet_rows`' and `lance_rows`' business. Invariant: a change
//! that is said to keep size and time does, or is an error.

use super::age::age;
use super::generate::Generate;
use super::lance_rows::LanceChange;
use super::parquet_rows::RowChange;
use crate::fixture::{copy_tree, data_files};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub struct Change {
    act: Act,
    /// The file has the size and the time it had before.
    hidden: bool,
}

enum Act {
    Touch(String),
    Remove(String),
    Rename {
        from: String,
        to: String,
    },
    Copy {
        from: String,
        to: String,
    },
    /// One bit in the middle of a file.
    Flip(String),
    Truncate {
        path: String,
        to: u64,
    },
    Rows {
        path: String,
        change: RowChange,
    },
    Lance {
        path: String,
        change: LanceChange,
    },
    Generate(Generate),
    /// Records below a directory are of an older scheme.
    Age(String),
}

/// Published data files have names that nobody can foresee.
const DATA_FILE: &str = "the data file of ";
/// The same within a path.
const ONLY: char = '@';

const HIDDEN: &str = " keeping size and time";

impl Change {
    pub fn parse(line: &str) -> Result<Self, String> {
        let hidden = line.ends_with(HIDDEN);
        let text = line.strip_suffix(HIDDEN).unwrap_or(line).replace(DATA_FILE, &ONLY.to_string());
        let words: Vec<&str> = text.split_whitespace().collect();
        Ok(Self { act: act(&words).ok_or_else(|| unknown(line))?, hidden })
    }

    /// Does it below a directory.
    pub fn apply(&self, root: &Path) -> Result<(), String> {
        let before = self.hidden.then(|| self.act.path().map(|path| Look::at(&resolve(root, path)?))).flatten().transpose()?;
        self.act.apply(root)?;
        before.map_or(Ok(()), Look::restore)
    }
}

fn unknown(line: &str) -> String {
    const KNOWN: &str = "touch PATH · remove PATH · rename PATH to PATH · copy PATH to PATH · flip PATH · truncate PATH to BYTES · \
        append PATH column=value … · set PATH row N column=value … · drop PATH row N · column PATH name=value · rewrite PATH · \
        lance append|update|delete|compact|index|column PATH … · generate PATTERN FROM..TO [every=30m] [zone=…] · age the records of PATH \
        (PATH may be `the data file of PATH`; any step may end in `keeping size and time`)";
    format!("`{line}` is no step; they are: {KNOWN}")
}

fn act(words: &[&str]) -> Option<Act> {
    let own = |text: &str| text.to_string();
    Some(match words {
        ["touch", path] => Act::Touch(own(path)),
        ["remove", path] => Act::Remove(own(path)),
        ["rename", from, "to", to] => Act::Rename { from: own(from), to: own(to) },
        ["copy", from, "to", to] => Act::Copy { from: own(from), to: own(to) },
        ["flip", path] => Act::Flip(own(path)),
        ["truncate", path, "to", bytes] => Act::Truncate { path: own(path), to: bytes.parse().ok()? },
        ["age", "the", "records", "of", path] => Act::Age(own(path)),
        ["generate", pattern, range, options @ ..] => Act::Generate(Generate::parse(pattern, range, options)?),
        ["lance", verb, path, rest @ ..] => Act::Lance { path: own(path), change: LanceChange::parse(verb, rest)? },
        [verb, path, rest @ ..] => Act::Rows { path: own(path), change: RowChange::parse(verb, rest)? },
        _ => return None,
    })
}

impl Act {
    /// The file that is changed, where it is one.
    fn path(&self) -> Option<&str> {
        match self {
            Self::Flip(path) | Self::Rows { path, .. } => Some(path),
            _ => None,
        }
    }

    fn apply(&self, root: &Path) -> Result<(), String> {
        let at = |path: &str| resolve(root, path);
        match self {
            Self::Touch(path) => set_time(&at(path)?, SystemTime::now() + Duration::from_secs(3)),
            Self::Remove(path) => remove(&at(path)?),
            Self::Rename { from, to } => beside(&at(from)?, &at(to)?, |from, to| fs::rename(from, to)),
            Self::Copy { from, to } => beside(&at(from)?, &at(to)?, copy_tree),
            Self::Flip(path) => flip(&at(path)?),
            Self::Truncate { path, to } => truncate(&at(path)?, *to),
            Self::Rows { path, change } => change.apply(&at(path)?),
            Self::Lance { path, change } => change.apply(&at(path)?),
            Self::Age(path) => age(&at(path)?),
            Self::Generate(generate) => generate.apply(root),
        }
    }
}

/// The path of a file, or of the one data file of a published partition.
fn resolve(root: &Path, path: &str) -> Result<PathBuf, String> {
    let Some(directory) = path.strip_prefix(ONLY) else { return Ok(root.join(path)) };
    let mut files = data_files(&root.join(directory));
    if files.len() == 1 { Ok(files.remove(0)) } else { Err(format!("{directory} holds {} data files, not one", files.len())) }
}

fn told(path: &Path, result: std::io::Result<()>) -> Result<(), String> {
    result.map_err(|e| format!("{}: {e}", path.display()))
}

/// Does something to a file and its new place, whose directory need not be there yet.
fn beside(from: &Path, to: &Path, act: impl Fn(&Path, &Path) -> std::io::Result<()>) -> Result<(), String> {
    told(to, to.parent().map_or(Ok(()), fs::create_dir_all))?;
    told(from, act(from, to))
}

fn truncate(path: &Path, bytes: u64) -> Result<(), String> {
    told(path, File::options().write(true).open(path).and_then(|file| file.set_len(bytes)))
}

fn remove(path: &Path) -> Result<(), String> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    told(path, removed)
}

fn flip(path: &Path) -> Result<(), String> {
    let mut bytes = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    told(path, fs::write(path, bytes))
}

fn set_time(path: &Path, time: SystemTime) -> Result<(), String> {
    let opened = File::options().append(true).open(path);
    told(path, opened.and_then(|file| file.set_modified(time)))
}

/// What a listing shows of a file.
struct Look {
    path: PathBuf,
    size: u64,
    time: SystemTime,
}

impl Look {
    fn at(path: &Path) -> Result<Self, String> {
        let seen = fs::metadata(path).and_then(|m| Ok((m.len(), m.modified()?)));
        let (size, time) = seen.map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self { path: path.into(), size, time })
    }

    fn restore(self) -> Result<(), String> {
        set_time(&self.path, self.time)?;
        let now = Self::at(&self.path)?.size;
        if now == self.size { Ok(()) } else { Err(format!("the size went from {} to {now}: choose another value", self.size)) }
    }
}
