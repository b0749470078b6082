//! What went wrong in the layers below, judged: whether it may pass, and what to tell.

use crate::engine::failure::{Failure, FailureKind};
use crate::table::lance::LanceError;
use crate::table::parquet::TableError;
use crate::table::rows::RowError;
use crate::table::spill::SpillError;

/// A damaged or unfit file will not mend itself; an I/O error may.
pub fn of_table(error: TableError) -> Failure {
    match &error {
        TableError::Io { path, error } => Failure::io(&path.display().to_string(), error),
        _ => Failure::permanent(error.to_string()),
    }
}

impl From<TableError> for Failure {
    fn from(error: TableError) -> Self {
        of_table(error)
    }
}

pub fn of_lance(error: LanceError) -> Failure {
    let kind = error.io_kind().map_or(FailureKind::Permanent, FailureKind::of_io);
    Failure::new(kind, error.to_string())
}

/// A full disk is the machine's, and so is a directory that is gone.
pub fn of_spill(error: SpillError) -> Failure {
    match &error {
        SpillError::Io { error: io, .. } => Failure::new(FailureKind::of_io(io.kind()), error.to_string()),
        SpillError::Arrow(_) => Failure::permanent(error.to_string()),
    }
}

pub fn of_rows(error: RowError) -> Failure {
    match error {
        RowError::Lance(error) => of_lance(error),
        RowError::Table(error) => of_table(error),
        RowError::Unsupported { .. } | RowError::Damaged { .. } => Failure::permanent(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use parquet::arrow::ArrowWriter;
    use parquet::errors::ParquetError;
    use std::fs::File;
    use std::io::{self, ErrorKind};
    use std::path::Path;
    use std::sync::Arc;

    fn kind(error: ParquetError) -> FailureKind {
        of_table(TableError::writing(Path::new("part"), error)).kind
    }

    #[test]
    fn what_the_system_said_of_a_write_is_kept() {
        let of_system = |kind: ErrorKind| ParquetError::External(Box::new(io::Error::from(kind)));
        assert_eq!(kind(of_system(ErrorKind::StorageFull)), FailureKind::Environment);
        assert_eq!(kind(of_system(ErrorKind::QuotaExceeded)), FailureKind::Environment);
        assert_eq!(kind(of_system(ErrorKind::TimedOut)), FailureKind::Transient);
        assert_eq!(kind(ParquetError::NYI("this type".into())), FailureKind::Permanent);
    }

    #[test]
    fn a_full_disk_is_the_environments() {
        let Ok(full) = File::options().write(true).open("/dev/full") else { return };
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..9));
        let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
        let written = ArrowWriter::try_new(full, batch.schema(), None).and_then(|mut writer| {
            writer.write(&batch)?;
            writer.close()
        });
        assert_eq!(kind(written.unwrap_err()), FailureKind::Environment);
    }
}
