//! Reading columns of many files at once: each row group of each column is a piece of its own, so that all cores read, whatever the files
//! are like.
//!
//! Invariants: pieces come in the order of files and rows, whoever reads them; strings that the file keeps in dictionaries stay in them,
//! all else has exactly the wanted type.

use super::error::TableError;
use super::read::{arrange, check_types, roots};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use bytes::{Buf, Bytes};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Encoding, PageType};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};
use rayon::prelude::*;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The columns that are wanted of a file, each by its name there and its type.
pub struct Wanted {
    pub path: PathBuf,
    pub columns: Vec<(String, DataType)>,
}

/// What was read of a file: for each wanted column its pieces.
pub struct Pieces {
    pub rows: usize,
    pub columns: Vec<Vec<ArrayRef>>,
}

/// Reads all that is wanted. Each file has its own result.
pub fn read_pieces(files: &[Wanted]) -> Vec<Result<Pieces, TableError>> {
    let opened: Vec<Result<Opened, TableError>> = files.par_iter().map(Opened::open).collect();
    let groups = |file: &Opened| file.metadata.metadata().num_row_groups();
    let tasks = opened
        .iter()
        .flatten()
        .flat_map(|file| (0..groups(file)).flat_map(move |group| file.columns().map(move |column| (file, group, column))));
    let tasks: Vec<(&Opened, usize, usize)> = tasks.collect();
    let mut read = tasks.par_iter().map(|(file, group, column)| file.piece(*group, *column)).collect::<Vec<_>>().into_iter();
    let mut found = Vec::with_capacity(opened.len());
    for file in &opened {
        found.push(match file {
            Ok(file) => file.gathered(read.by_ref().take(groups(file) * file.wanted.columns.len())),
            Err(_) => Ok(Pieces { rows: 0, columns: Vec::new() }),
        });
    }
    opened.into_iter().zip(found).map(|(file, found)| file.and(found)).collect()
}

/// A file and what its footer says.
struct Opened<'w> {
    wanted: &'w Wanted,
    file: File,
    metadata: ArrowReaderMetadata,
}

impl<'w> Opened<'w> {
    fn open(wanted: &'w Wanted) -> Result<Self, TableError> {
        let path = &wanted.path;
        let broken = |e: ParquetError| TableError::broken(path, e);
        let file = File::open(path).map_err(|e| TableError::io(path, e))?;
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(broken)?;
        check_types(path, metadata.schema(), &wanted.columns)?;
        let metadata = match with_dictionaries(&metadata, wanted) {
            Some(schema) => {
                let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
                ArrowReaderMetadata::try_new(metadata.metadata().clone(), options).map_err(broken)?
            }
            None => metadata,
        };
        Ok(Self { wanted, file, metadata })
    }

    fn columns(&self) -> std::ops::Range<usize> {
        0..self.wanted.columns.len()
    }

    /// One column of one row group.
    fn piece(&self, group: usize, column: usize) -> Result<ArrayRef, TableError> {
        let path = &self.wanted.path;
        let (name, data_type) = &self.wanted.columns[column];
        let broken = |e: ParquetError| TableError::broken(path, e);
        let chunks = self.metadata.metadata().row_group(group).columns().iter().filter(|chunk| chunk.column_path().parts()[0] == *name);
        let window = Window::read(&self.file, chunks).map_err(|e| TableError::io(path, e))?;
        let rows = self.metadata.metadata().row_group(group).num_rows() as usize;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(window, self.metadata.clone());
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots(builder.schema(), [name.as_str()].into_iter()));
        let reader = builder.with_projection(mask).with_row_groups(vec![group]).with_batch_size(rows.max(1)).build().map_err(broken)?;
        let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().map_err(|e| TableError::broken(path, e))?;
        let arrays = batches.into_iter().map(|batch| typed(path, batch, (name, data_type))).collect::<Result<Vec<_>, _>>()?;
        match arrays.as_slice() {
            [array] => Ok(array.clone()),
            arrays => {
                let parts: Vec<_> = arrays.iter().map(|array| array.as_ref()).collect();
                arrow::compute::concat(&parts).map_err(|e| TableError::broken(path, e))
            }
        }
    }

    /// What was read of it, row group by row group.
    fn gathered(&self, read: impl Iterator<Item = Result<ArrayRef, TableError>>) -> Result<Pieces, TableError> {
        let mut columns = vec![Vec::new(); self.wanted.columns.len()];
        let width = columns.len();
        for (index, piece) in read.collect::<Vec<_>>().into_iter().enumerate() {
            columns[index % width].push(piece?);
        }
        Ok(Pieces { rows: self.metadata.metadata().file_metadata().num_rows() as usize, columns })
    }
}

fn typed(path: &Path, batch: RecordBatch, (name, data_type): (&String, &DataType)) -> Result<ArrayRef, TableError> {
    match batch
        .column_by_name(name)
        .filter(|column| matches!(column.data_type(), DataType::Dictionary(_, values) if **values == *data_type))
    {
        Some(dictionary) => Ok(dictionary.clone()),
        None => Ok(arrange(path, batch, &[(name.clone(), data_type.clone())])?.column(0).clone()),
    }
}

/// The schema in which strings are dictionaries, where all of them are stored so.
fn with_dictionaries(metadata: &ArrowReaderMetadata, wanted: &Wanted) -> Option<Schema> {
    let is_dictionary = |field: &Field| {
        let texts = *field.data_type() == DataType::Utf8;
        texts
            && wanted.columns.iter().any(|(name, to)| name == field.name() && to == field.data_type())
            && is_encoded(metadata, field.name())
    };
    let fields = metadata.schema().fields();
    if !fields.iter().any(|field| is_dictionary(field)) {
        return None;
    }
    let dictionary = |field: &Field| DataType::Dictionary(DataType::Int32.into(), field.data_type().clone().into());
    let field = |field: &Arc<Field>| {
        if is_dictionary(field) { Arc::new(Field::clone(field).with_data_type(dictionary(field))) } else { field.clone() }
    };
    Some(Schema::new_with_metadata(fields.iter().map(field).collect::<Vec<_>>(), metadata.schema().metadata().clone()))
}

/// Whether all data pages of a column refer to a dictionary.
fn is_encoded(metadata: &ArrowReaderMetadata, name: &str) -> bool {
    let mut chunks =
        metadata.metadata().row_groups().iter().flat_map(|group| group.columns()).filter(|c| c.column_path().parts()[0] == *name);
    chunks.all(|chunk| {
        chunk
            .page_encoding_stats_mask()
            .is_some_and(|mask| mask.is_only(Encoding::RLE_DICTIONARY) || mask.is_only(Encoding::PLAIN_DICTIONARY))
            || chunk.page_encoding_stats().is_some_and(|stats| {
                let mut data = stats.iter().filter(|page| matches!(page.page_type, PageType::DATA_PAGE | PageType::DATA_PAGE_V2));
                data.all(|page| matches!(page.encoding, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY))
            })
    })
}

/// A part of a file in memory, read at once. Readers that share a file would share its cursor.
struct Window {
    start: u64,
    bytes: Bytes,
    length: u64,
}

impl Window {
    fn read<'c>(file: &File, chunks: impl Iterator<Item = &'c ColumnChunkMetaData>) -> std::io::Result<Self> {
        let ranges: Vec<(u64, u64)> = chunks.map(|chunk| chunk.byte_range()).collect();
        let start = ranges.iter().map(|(start, _)| *start).min().unwrap_or(0);
        let end = ranges.iter().map(|(start, length)| start + length).max().unwrap_or(0);
        let mut bytes = vec![0; (end - start) as usize];
        file.read_exact_at(&mut bytes, start)?;
        Ok(Self { start, bytes: bytes.into(), length: end })
    }

    fn place(&self, at: u64) -> ParquetResult<usize> {
        let place = at.checked_sub(self.start).filter(|place| *place <= self.bytes.len() as u64);
        place.map(|place| place as usize).ok_or_else(|| ParquetError::EOF(format!("{at} lies outside the column")))
    }
}

impl Length for Window {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Window {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(self.bytes.slice(self.place(start)?..).reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let (from, to) = (self.place(start)?, self.place(start + length as u64)?);
        Ok(self.bytes.slice(from..to))
    }
}

#[cfg(test)]
mod tests {
    use super::super::read_columns;
    use super::*;
    use arrow::array::{Array, Int64Array, ListArray, StringArray};
    use arrow::compute::{cast, concat};
    use arrow::datatypes::Int64Type;
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;

    fn save(directory: &Path, name: &str, rows: i64, dictionary: bool) -> PathBuf {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter((0..rows).map(|row| (row % 7 > 0).then_some(row * row))));
        let texts: ArrayRef = Arc::new(StringArray::from_iter((0..rows).map(|row| (row % 5 > 0).then(|| format!("text {}", row % 3)))));
        let lists: ArrayRef =
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>((0..rows).map(|row| (row % 4 > 0).then(|| (0..row % 4).map(Some)))));
        let batch = RecordBatch::try_from_iter_with_nullable([("n", numbers, true), ("t", texts, true), ("l", lists, true)]).unwrap();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(100)).set_dictionary_enabled(dictionary).build();
        let path = directory.join(name);
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        path
    }

    #[test]
    fn pieces_hold_what_the_file_holds() {
        let directory = tempfile::tempdir().unwrap();
        let columns = [("t", DataType::Utf8), ("l", DataType::new_list(DataType::Int64, true)), ("n", DataType::Int64)];
        let columns: Vec<_> = columns.map(|(name, data_type)| (name.to_string(), data_type)).into();
        let cases = [(0, true), (1, true), (250, true), (250, false)];
        let files = cases.map(|(rows, dictionary)| save(directory.path(), &format!("{rows}-{dictionary}"), rows, dictionary));
        let wanted: Vec<Wanted> = files.iter().map(|path| Wanted { path: path.clone(), columns: columns.clone() }).collect();
        for (((rows, dictionary), path), found) in cases.iter().zip(&files).zip(read_pieces(&wanted)) {
            let (found, expected) = (found.unwrap(), read_columns(path, &columns).unwrap());
            assert_eq!(found.rows, *rows as usize);
            for (pieces, expected) in found.columns.iter().zip(expected.columns()).filter(|_| *rows > 0) {
                let parts: Vec<&dyn Array> = pieces.iter().map(|piece| piece.as_ref()).collect();
                let whole = concat(&parts).unwrap();
                let is_encoded = matches!(whole.data_type(), DataType::Dictionary(..));
                assert_eq!(is_encoded, *dictionary && *expected.data_type() == DataType::Utf8);
                assert_eq!(&cast(&whole, expected.data_type()).unwrap(), expected);
            }
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_spoils_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let columns = vec![("n".to_string(), DataType::Int64)];
        let good = Wanted { path: save(directory.path(), "good", 3, true), columns: columns.clone() };
        let absent = Wanted { path: directory.path().join("absent"), columns: columns.clone() };
        let other = Wanted { columns: vec![("x".to_string(), DataType::Int64)], path: good.path.clone() };
        let read = read_pieces(&[absent, good, other]);
        assert!(read[0].is_err() && read[2].is_err());
        assert_eq!(read[1].as_ref().unwrap().columns[0][0].len(), 3);
    }
}
