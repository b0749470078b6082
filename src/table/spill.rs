//! Rows that have no room in memory: Arrow IPC files without names, written once and read batch by batch, in any order.
//!
//! Knows nothing of what the rows are. Why without names: the kernel takes such a file back when the process ends, however it ends, so
//! nothing is ever left to clear. Invariants: a batch comes back as it was written; what was written is counted.

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, FileReaderBuilder};
use arrow::ipc::writer::FileWriter;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where rows are spilled.
#[derive(Debug, Clone)]
pub struct Spill {
    directory: PathBuf,
    bytes: Arc<AtomicU64>,
}

/// Why rows could not be put aside, or not be taken back.
#[derive(Debug)]
pub enum SpillError {
    Io { directory: PathBuf, error: io::Error },
    Arrow(ArrowError),
}

impl fmt::Display for SpillError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { directory, error } => {
                write!(f, "rows that do not fit the op's memory cannot be kept in {}: {error}; ", directory.display())?;
                f.write_str("make room there, or give the op more `resources memory`")
            }
            Self::Arrow(error) => write!(f, "rows that do not fit the op's memory cannot be put aside: {error}"),
        }
    }
}

impl std::error::Error for SpillError {}

impl Spill {
    /// Files are made in a directory that exists.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.into(), bytes: Arc::default() }
    }

    /// How much was written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// A new file for rows of one schema.
    pub fn writer(&self, schema: &SchemaRef) -> Result<SpillWriter, SpillError> {
        let file = tempfile::tempfile_in(&self.directory).map_err(|error| self.io(error))?;
        let writer = FileWriter::try_new(BufWriter::with_capacity(BUFFER, file), schema).map_err(|error| self.judged(error))?;
        Ok(SpillWriter { spill: self.clone(), writer, batches: 0 })
    }

    fn io(&self, error: io::Error) -> SpillError {
        SpillError::Io { directory: self.directory.clone(), error }
    }

    /// What the system said, where it said something.
    fn judged(&self, error: ArrowError) -> SpillError {
        match error {
            ArrowError::IoError(_, error) => self.io(error),
            other => SpillError::Arrow(other),
        }
    }
}

const BUFFER: usize = 1 << 18;

/// A file that is being written.
pub struct SpillWriter {
    spill: Spill,
    writer: FileWriter<BufWriter<File>>,
    batches: usize,
}

impl SpillWriter {
    /// Adds a batch; its number is what it is read by.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<usize, SpillError> {
        self.writer.write(batch).map_err(|error| self.spill.judged(error))?;
        self.batches += 1;
        Ok(self.batches - 1)
    }

    /// The file, to be read.
    pub fn finish(self) -> Result<Spilled, SpillError> {
        let spill = self.spill;
        let schema = self.writer.schema().clone();
        let buffered = self.writer.into_inner().map_err(|error| spill.judged(error))?;
        let mut file = buffered.into_inner().map_err(|error| spill.io(error.into_error()))?;
        let length = file.stream_position().map_err(|error| spill.io(error))?;
        spill.bytes.fetch_add(length, Ordering::Relaxed);
        // A table of the footer for each batch: the bound is there for files of strangers.
        let builder = FileReaderBuilder::new().with_max_footer_fb_tables(usize::MAX);
        let reader = builder.build(file).map_err(|error| spill.judged(error))?;
        Ok(Spilled { spill, schema, reader, batches: self.batches })
    }
}

/// A file that was written.
pub struct Spilled {
    spill: Spill,
    schema: SchemaRef,
    reader: FileReader<File>,
    batches: usize,
}

impl Spilled {
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    pub fn batches(&self) -> usize {
        self.batches
    }

    /// The batch of a number.
    pub fn read(&mut self, batch: usize) -> Result<RecordBatch, SpillError> {
        let read = self.reader.set_index(batch).and_then(|()| self.reader.next().transpose());
        let read = read.map_err(|error| self.spill.judged(error))?;
        read.ok_or_else(|| SpillError::Arrow(ArrowError::IpcError(format!("batch {batch} is gone"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, ListArray, StringArray, TimestampMillisecondArray};
    use arrow::datatypes::Int64Type;

    fn batch(from: i64, rows: usize) -> RecordBatch {
        let numbers = from..from + rows as i64;
        let list = |number: i64| (number % 3 != 0).then(|| (0..number % 4).map(Some).collect::<Vec<_>>());
        let columns: [(&str, ArrayRef); 4] = [
            ("number", Arc::new(Int64Array::from_iter(numbers.clone().map(|number| (number % 5 != 0).then_some(number))))),
            (
                "text",
                Arc::new(StringArray::from_iter(numbers.clone().map(|number| (number % 2 != 0).then(|| "x".repeat(number as usize))))),
            ),
            ("list", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(numbers.clone().map(list)))),
            ("at", Arc::new(TimestampMillisecondArray::from_iter_values(numbers).with_timezone("UTC"))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
    }

    #[test]
    fn batches_come_back_in_any_order_and_nothing_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let spill = Spill::new(directory.path());
        let mut writer = spill.writer(batch(0, 0).schema_ref()).unwrap();
        let all = batch(0, 40);
        let slices = [(0, 7), (7, 0), (7, 20), (27, 13)].map(|(at, rows)| all.slice(at, rows));
        let numbers: Vec<usize> = slices.iter().map(|slice| writer.write(slice).unwrap()).collect();
        assert_eq!(numbers, [0, 1, 2, 3]);
        let mut spilled = writer.finish().unwrap();
        for number in [2, 0, 3, 1, 2] {
            assert_eq!(spilled.read(number).unwrap(), slices[number]);
        }
        assert!(spilled.read(4).is_err());
        assert!(spill.bytes() > 0);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_full_disk_is_said_to_be_one() {
        let Ok(full) = File::options().write(true).open("/dev/full") else { return };
        let spill = Spill::new(Path::new("somewhere"));
        let rows = batch(0, 1000);
        let writer = FileWriter::try_new(BufWriter::with_capacity(16, full), rows.schema_ref()).map_err(|error| spill.judged(error));
        let written = writer.and_then(|mut writer| writer.write(&rows).map_err(|error| spill.judged(error)));
        let error = written.unwrap_err();
        assert!(matches!(&error, SpillError::Io { error, .. } if error.kind() == io::ErrorKind::StorageFull), "{error:?}");
        assert!(error.to_string().contains("somewhere"), "{error}");
    }
}
