//! Why a sample was not written, said with the remedy.

use crate::table::lance::LanceError;
use parquet::errors::ParquetError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub enum SampleError {
    /// A size that cannot be.
    Spec {
        reason: String,
    },
    /// Something lies where a table would go, and no earlier sample put it there.
    Occupied {
        path: PathBuf,
    },
    /// The marker of an earlier sample cannot be understood.
    Marker {
        path: PathBuf,
        reason: String,
    },
    Io {
        path: PathBuf,
        error: io::Error,
    },
    Parquet {
        path: PathBuf,
        error: ParquetError,
    },
    Lance(LanceError),
}

impl SampleError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |error| Self::Io { path: path.into(), error }
    }

    pub(super) fn parquet(path: &Path) -> impl FnOnce(ParquetError) -> Self + '_ {
        move |error| Self::Parquet { path: path.into(), error }
    }
}

impl fmt::Display for SampleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spec { reason } => f.write_str(reason),
            Self::Occupied { path } => {
                write!(f, "{} exists and was not written by `daeda sample`; move it away, or choose another directory", path.display())
            }
            Self::Marker { path, reason } => write!(
                f,
                "{} does not say what an earlier sample wrote ({reason}); remove it and the tables beside it, or choose another directory",
                path.display()
            ),
            Self::Io { path, error } => write!(f, "cannot write {}: {error}", path.display()),
            Self::Parquet { path, error } => write!(f, "cannot write {}: {error}", path.display()),
            Self::Lance(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SampleError {}

impl From<LanceError> for SampleError {
    fn from(error: LanceError) -> Self {
        Self::Lance(error)
    }
}
