//! What can be wrong with a Lance dataset, said with the remedy.
//!
//! Knows nothing of retries; [`LanceError::io_kind`] tells those who do what the operating system said.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a dataset could not be opened, read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LanceError {
    /// Nothing lies at the path.
    NotFound {
        path: PathBuf,
    },
    /// Something lies there, but no Lance dataset.
    NotADataset {
        path: PathBuf,
    },
    NoSuchTag {
        path: PathBuf,
        tag: String,
        known: Vec<String>,
    },
    NoSuchVersion {
        path: PathBuf,
        version: u64,
        latest: u64,
    },
    NoSuchColumn {
        path: PathBuf,
        column: String,
        known: Vec<String>,
    },
    WrongType {
        path: PathBuf,
        column: String,
        expected: &'static str,
        found: String,
    },
    /// A key beyond int64.
    KeyTooLarge {
        path: PathBuf,
        column: String,
    },
    /// Two rows of one key, by fragment and position.
    Duplicate {
        path: PathBuf,
        column: String,
        key: i64,
        first: (u64, u64),
        second: (u64, u64),
    },
    /// Some addresses name no row of this version.
    MissingRows {
        path: PathBuf,
        asked: usize,
        found: usize,
    },
    /// Create, where a dataset is already.
    Exists {
        path: PathBuf,
    },
    Unreadable {
        path: PathBuf,
        reason: String,
        kind: Option<io::ErrorKind>,
    },
    Unwritable {
        path: PathBuf,
        reason: String,
        kind: Option<io::ErrorKind>,
    },
    NoRuntime {
        reason: String,
    },
}

impl LanceError {
    pub(super) fn unreadable(path: &Path, error: &(dyn Error + 'static)) -> Self {
        Self::Unreadable { path: path.into(), reason: reason(error), kind: io_kind(error) }
    }

    pub(super) fn unwritable(path: &Path, error: &(dyn Error + 'static)) -> Self {
        Self::Unwritable { path: path.into(), reason: reason(error), kind: io_kind(error) }
    }

    /// What the operating system said, where it was asked: disk full, no permission, no such file.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::NotFound { .. } => Some(io::ErrorKind::NotFound),
            Self::Unreadable { kind, .. } | Self::Unwritable { kind, .. } => *kind,
            _ => None,
        }
    }
}

impl fmt::Display for LanceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { path } => write!(f, "there is no Lance dataset at {}; write it first, or correct the path", path.display()),
            Self::NotADataset { path } => {
                write!(f, "{} is not a Lance dataset (it has no `_versions` directory); correct the path or the format", path.display())
            }
            Self::NoSuchTag { path, tag, known } => {
                write!(f, "{} has no tag `{tag}`; {}", path.display(), choices("its tags are", known, "it has none"))
            }
            Self::NoSuchVersion { path, version, latest } => write!(
                f,
                "{} has no version {version}; the latest is {latest}, and older ones may have been cleaned up: pin one that exists",
                path.display()
            ),
            Self::NoSuchColumn { path, column, known } => {
                write!(f, "{} has no column `{column}`; {}", path.display(), choices("its columns are", known, "it has none"))
            }
            Self::WrongType { path, column, expected, found } => {
                write!(f, "column `{column}` of {} is {found}, but {expected} is needed; name another column", path.display())
            }
            Self::KeyTooLarge { path, column } => {
                write!(f, "column `{column}` of {} has keys above {}; keys must fit int64", path.display(), i64::MAX)
            }
            Self::Duplicate { path, column, key, first, second } => {
                let row = |(fragment, position): &(u64, u64)| format!("row {position} of fragment {fragment}");
                let rows = format!("{} and {}", row(first), row(second));
                write!(f, "`{column}` {key} has more than one row in {}: {rows}; delete all but one", path.display())
            }
            Self::MissingRows { path, asked, found } => write!(
                f,
                "{} of {asked} row addresses name no row of {}; they are of another version: look the keys up again",
                asked - found,
                path.display()
            ),
            Self::Exists { path } => write!(f, "{} is a Lance dataset already; append to it, or remove it first", path.display()),
            Self::Unreadable { path, reason, .. } => write!(f, "cannot read the Lance dataset {}: {reason}", path.display()),
            Self::Unwritable { path, reason, .. } => write!(f, "cannot write the Lance dataset {}: {reason}", path.display()),
            Self::NoRuntime { reason } => write!(f, "cannot run Lance: {reason}"),
        }
    }
}

impl Error for LanceError {}

fn choices(intro: &str, known: &[String], none: &str) -> String {
    match known {
        [] => none.to_string(),
        known => format!("{intro} {}", known.join(", ")),
    }
}

fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let mut kind = None;
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        kind = io.map(io::Error::kind).or(kind);
        next = match io.and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    kind
}

/// Lance's own words without the places in its source that it appends to them.
fn reason(error: &(dyn Error + 'static)) -> String {
    let text = error.to_string();
    let parts: Vec<&str> = text.split(", ").filter(|part| !is_source_location(part)).collect();
    parts.join(", ")
}

fn is_source_location(part: &str) -> bool {
    let place = part.rsplit_once(".rs:").map(|(_, place)| place);
    place.is_some_and(|place| place.chars().all(|c| c.is_ascii_digit() || c == ':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_lances_source_are_not_shown() {
        let error = io::Error::other("LanceError(IO): no space left, /x/y/lance-io-14/src/local.rs:12:5");
        assert_eq!(reason(&error), "LanceError(IO): no space left");
    }

    #[test]
    fn the_innermost_io_error_decides() {
        let wrapped = io::Error::other(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(LanceError::unwritable(Path::new("d"), &wrapped).io_kind(), Some(io::ErrorKind::StorageFull));
        assert_eq!(LanceError::unwritable(Path::new("d"), &fmt::Error).io_kind(), None);
    }
}
