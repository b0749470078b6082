//! What went wrong in the layers below, judged: whether it may pass, and what to tell.

use crate::engine::failure::{Failure, FailureKind};
use crate::table::lance::LanceError;
use crate::table::parquet::TableError;
use std::io::ErrorKind;

/// A damaged or unfit file will not mend itself; an I/O error may.
pub fn of_table(error: TableError) -> Failure {
    match &error {
        TableError::Io { path, error } => Failure::io(&path.display().to_string(), error),
        _ => Failure::permanent(error.to_string()),
    }
}

pub fn of_lance(error: LanceError) -> Failure {
    let kind = match error.io_kind() {
        None => FailureKind::Permanent,
        Some(ErrorKind::StorageFull | ErrorKind::PermissionDenied | ErrorKind::NotFound) => FailureKind::Environment,
        Some(_) => FailureKind::Transient,
    };
    Failure::new(kind, error.to_string())
}
