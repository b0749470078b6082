//! What can be wrong with a Parquet file, said with its place.

use parquet::errors::ParquetError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub enum TableError {
    Io {
        path: PathBuf,
        error: io::Error,
    },
    /// Not a Parquet file, or a damaged one.
    Broken {
        path: PathBuf,
        reason: String,
    },
    /// Something that Parquet cannot hold.
    Unwritable {
        path: PathBuf,
        reason: String,
    },
    /// Batches that do not have the same columns.
    Unjoinable {
        reason: String,
    },
    NoSuchColumn {
        path: PathBuf,
        column: String,
        known: Vec<String>,
    },
    WrongType {
        path: PathBuf,
        column: String,
        wanted: String,
        found: String,
    },
}

impl TableError {
    pub fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { path: path.into(), error }
    }

    /// A file that could not be written: the system's reason where it gave one.
    pub fn writing(path: &Path, error: ParquetError) -> Self {
        match error {
            ParquetError::External(inner) => match inner.downcast::<io::Error>() {
                Ok(error) => Self::io(path, *error),
                Err(other) => Self::Unwritable { path: path.into(), reason: other.to_string() },
            },
            other => Self::Unwritable { path: path.into(), reason: other.to_string() },
        }
    }

    pub fn broken(path: &Path, reason: impl fmt::Display) -> Self {
        Self::Broken { path: path.into(), reason: reason.to_string() }
    }
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Broken { path, reason } => write!(f, "{} cannot be read as Parquet: {reason}; write the file again", path.display()),
            Self::Unwritable { path, reason } => write!(f, "{} cannot be written: {reason}", path.display()),
            Self::Unjoinable { reason } => write!(f, "rows of different columns cannot be written together: {reason}"),
            Self::NoSuchColumn { path, column, known } => {
                write!(f, "{} has no column `{column}`; it has {}", path.display(), known.join(", "))
            }
            Self::WrongType { path, column, wanted, found } => write!(
                f,
                "{}: column `{column}` is {found}, and the view declares {wanted}; correct the view's field, or write the file again",
                path.display()
            ),
        }
    }
}

impl std::error::Error for TableError {}
