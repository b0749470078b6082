//! Why the rows of a source cannot be told.

use crate::table::lance::LanceError;
use crate::table::parquet::TableError;
use std::fmt;
use std::path::PathBuf;

#[derive(Debug)]
pub enum RowError {
    Lance(LanceError),
    Table(TableError),
    /// Values of a type that has no digest.
    Unsupported {
        data_type: String,
    },
    /// A sidecar that is not what was written.
    Damaged {
        path: PathBuf,
    },
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lance(error) => error.fmt(f),
            Self::Table(error) => error.fmt(f),
            Self::Unsupported { data_type } => write!(f, "values of type {data_type} cannot be compared; leave the column out"),
            Self::Damaged { path } => write!(f, "{} does not say which rows were used; build its partition again", path.display()),
        }
    }
}

impl std::error::Error for RowError {}

impl From<LanceError> for RowError {
    fn from(error: LanceError) -> Self {
        Self::Lance(error)
    }
}

impl From<TableError> for RowError {
    fn from(error: TableError) -> Self {
        Self::Table(error)
    }
}
