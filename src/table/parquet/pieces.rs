//! Reading columns of many files at once: each row group of each column is a piece of its own, so that all cores read, whatever the files
//! are like.
//!
//! Invariants: values come in the order of files and rows, whoever reads them; strings that the files keep in dictionaries stay in them,
//! all else has exactly the wanted type.

use super::error::TableError;
use super::extent::chosen;
use super::placed::{Place, Put, Room};
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
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The columns that are wanted of a file, each by its name there and its type.
pub struct Wanted {
    pub path: PathBuf,
    pub columns: Vec<(String, DataType)>,
    /// The row groups that are wanted; else all.
    pub groups: Option<Vec<usize>>,
}

/// What was read of files.
pub struct Joined {
    /// The rows of each file, or why it cannot be read.
    pub files: Vec<Result<usize, TableError>>,
    /// Each column that is wanted of any of them, by its name there.
    pub columns: BTreeMap<String, Stretch>,
}

/// A column of all files that it was wanted of.
pub struct Stretch {
    /// Which files these are, in their order.
    pub files: Vec<usize>,
    /// Its values in their order: as one array, where that is how they were read.
    pub pieces: Vec<ArrayRef>,
}

/// Reads all that is wanted. Of a file that cannot be read there is an error in place of its rows.
pub fn read_joined(files: &[Wanted]) -> Joined {
    let opened: Vec<Result<Opened, TableError>> = files.par_iter().map(Opened::open).collect();
    let shelves = Shelf::of(&opened);
    let mut rooms: Vec<Option<Room>> = shelves.par_iter().map(Shelf::room).collect();
    let tasks: Vec<Task> = shelves.iter().zip(&mut rooms).flat_map(|(shelf, room)| shelf.tasks(room.as_mut())).collect();
    let mut read = tasks.into_par_iter().map(Task::run).collect::<Vec<_>>().into_iter();
    let mut errors: Vec<Option<TableError>> = files.iter().map(|_| None).collect();
    let mut columns = BTreeMap::new();
    for (shelf, room) in shelves.iter().zip(rooms) {
        let done = shelf.done(read.by_ref(), &mut errors);
        let pieces = shelf.filled(done, room, &mut errors);
        columns.insert(shelf.name.to_string(), Stretch { files: shelf.files.clone(), pieces });
    }
    let result =
        |(file, error): (&Result<Opened, TableError>, Option<TableError>)| error.map_or(Ok(file.as_ref().map_or(0, Opened::rows)), Err);
    let files: Vec<Result<usize, TableError>> = opened.iter().zip(errors).map(result).collect();
    Joined { files: opened.into_iter().zip(files).map(|(file, rows)| file.and(rows)).collect(), columns }
}

/// A column of several files: where its row groups lie.
struct Shelf<'f> {
    name: &'f str,
    files: Vec<usize>,
    groups: Vec<Group<'f>>,
}

/// A row group of a file, and which of the file's wanted columns is meant.
#[derive(Clone, Copy)]
struct Group<'f> {
    index: usize,
    file: &'f Opened<'f>,
    group: usize,
    column: usize,
}

/// A column of a row group that is to be read, into its place if it has one.
struct Task<'f, 'r> {
    of: Group<'f>,
    place: Option<Place<'r>>,
}

enum Done {
    Put(Put),
    Piece(ArrayRef),
}

impl<'f> Shelf<'f> {
    /// The wanted columns of all files that could be opened.
    fn of(opened: &'f [Result<Opened<'f>, TableError>]) -> Vec<Self> {
        let mut shelves: BTreeMap<&str, Self> = BTreeMap::new();
        for (index, file) in opened.iter().enumerate().filter_map(|(index, file)| Some((index, file.as_ref().ok()?))) {
            for (column, (name, _)) in file.wanted.columns.iter().enumerate() {
                let shelf = shelves.entry(name).or_insert_with(|| Self { name, files: Vec::new(), groups: Vec::new() });
                shelf.files.push(index);
                // Of a group without rows, which some write for an empty table, there is nothing to read.
                let groups = file.groups().filter(|group| file.rows_of(*group) > 0);
                shelf.groups.extend(groups.map(|group| Group { index, file, group, column }));
            }
        }
        shelves.into_values().collect()
    }

    /// Room for all values, if they are of one width and all files have them in one way.
    fn room(&self) -> Option<Room> {
        let types: Vec<&DataType> = self.groups.iter().map(|of| of.file.type_in_place(of.column)).collect::<Option<_>>()?;
        let first = types.first().filter(|first| types.iter().all(|other| other == *first))?;
        Room::new(first, self.groups.iter().map(|of| of.file.rows_of(of.group)).collect())
    }

    fn tasks<'r>(&self, room: Option<&'r mut Room>) -> Vec<Task<'f, 'r>> {
        let places = room.map(Room::places).unwrap_or_default().into_iter().map(Some).chain(std::iter::repeat_with(|| None));
        self.groups.iter().zip(places).map(|(of, place)| Task { of: *of, place }).collect()
    }

    /// What was read, if all was; else the first error of each file is noted.
    fn done(&self, read: impl Iterator<Item = Result<Done, TableError>>, errors: &mut [Option<TableError>]) -> Option<Vec<Done>> {
        let mut done = Vec::with_capacity(self.groups.len());
        for (of, read) in self.groups.iter().zip(read) {
            match read {
                Ok(read) => done.push(read),
                Err(error) => drop(errors[of.index].get_or_insert(error)),
            }
        }
        (done.len() == self.groups.len()).then_some(done)
    }

    /// The values in their order.
    fn filled(&self, done: Option<Vec<Done>>, room: Option<Room>, errors: &mut [Option<TableError>]) -> Vec<ArrayRef> {
        let (mut put, mut pieces) = (Vec::new(), Vec::new());
        for done in done.into_iter().flatten() {
            match done {
                Done::Put(one) => put.push(one),
                Done::Piece(piece) => pieces.push(piece),
            }
        }
        if let (Some(room), Some(first), false) = (room, self.groups.first(), put.is_empty()) {
            match room.close(put) {
                Ok(array) => pieces.push(array),
                Err(error) => drop(errors[first.index].get_or_insert(TableError::broken(&first.file.wanted.path, error))),
            }
        }
        pieces
    }
}

impl Task<'_, '_> {
    fn run(self) -> Result<Done, TableError> {
        let Group { file, group, column, .. } = self.of;
        match self.place {
            Some(place) => file.put(group, column, place).map(Done::Put),
            None => file.piece(group, column).map(Done::Piece),
        }
    }
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

    /// The row groups that are wanted.
    fn groups(&self) -> impl Iterator<Item = usize> + use<'_, 'w> {
        chosen(self.wanted.groups.as_deref(), self.metadata.metadata().num_row_groups())
    }

    fn rows_of(&self, group: usize) -> usize {
        self.metadata.metadata().row_group(group).num_rows().max(0) as usize
    }

    fn rows(&self) -> usize {
        self.groups().map(|group| self.rows_of(group)).sum()
    }

    /// The type of a column as it comes from the file, if that is how it is wanted.
    fn type_in_place(&self, column: usize) -> Option<&DataType> {
        let (name, wanted) = &self.wanted.columns[column];
        let found = self.metadata.schema().field_with_name(name).ok()?.data_type();
        let is_dictionary = matches!(found, DataType::Dictionary(_, values) if **values == *wanted);
        (found == wanted || is_dictionary).then_some(found)
    }

    /// The arrays of one column of one row group, each of so many rows at most.
    fn arrays(
        &self,
        group: usize,
        column: usize,
        batch_rows: usize,
    ) -> Result<impl Iterator<Item = Result<ArrayRef, TableError>> + use<'_, 'w>, TableError> {
        let path = &self.wanted.path;
        let (name, data_type) = &self.wanted.columns[column];
        let broken = |e: ParquetError| TableError::broken(path, e);
        let chunks = self.metadata.metadata().row_group(group).columns().iter().filter(|chunk| chunk.column_path().parts()[0] == *name);
        let window = Window::read(&self.file, chunks).map_err(|e| TableError::io(path, e))?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(window, self.metadata.clone());
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots(builder.schema(), [name.as_str()].into_iter()));
        let reader =
            builder.with_projection(mask).with_row_groups(vec![group]).with_batch_size(batch_rows.max(1)).build().map_err(broken)?;
        Ok(reader.map(move |batch| typed(path, batch.map_err(|e| TableError::broken(path, e))?, (name, data_type))))
    }

    /// One column of one row group.
    fn piece(&self, group: usize, column: usize) -> Result<ArrayRef, TableError> {
        let arrays = self.arrays(group, column, self.rows_of(group))?.collect::<Result<Vec<_>, _>>()?;
        match arrays.as_slice() {
            [array] => Ok(array.clone()),
            arrays => {
                let parts: Vec<_> = arrays.iter().map(|array| array.as_ref()).collect();
                arrow::compute::concat(&parts).map_err(|e| TableError::broken(&self.wanted.path, e))
            }
        }
    }

    /// The same, into its place. Values pass by in small arrays; those that refer to a dictionary come at once, since they share it.
    fn put(&self, group: usize, column: usize, place: Place) -> Result<Put, TableError> {
        let is_dictionary = matches!(self.type_in_place(column), Some(DataType::Dictionary(..)));
        let batch_rows = if is_dictionary { self.rows_of(group) } else { BATCH_ROWS };
        place.put(&self.wanted.path, self.arrays(group, column, batch_rows)?)
    }
}

/// Rows that are decoded at once: few enough to stay in a core's cache.
const BATCH_ROWS: usize = 1 << 13;

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
    fn columns_hold_what_the_files_hold() {
        let directory = tempfile::tempdir().unwrap();
        let columns = [("t", DataType::Utf8), ("l", DataType::new_list(DataType::Int64, true)), ("n", DataType::Int64)];
        let columns: Vec<_> = columns.map(|(name, data_type)| (name.to_string(), data_type)).into();
        let all = [(0, true), (1, true), (250, true), (420, true), (250, false)];
        let files = all.map(|(rows, dictionary)| save(directory.path(), &format!("{rows}-{dictionary}"), rows, dictionary));
        for cases in [&[0][..], &[0, 1, 2], &[2, 3], &[0, 4], &[2, 4, 3]] {
            let wanted: Vec<Wanted> =
                cases.iter().map(|case| Wanted { path: files[*case].clone(), columns: columns.clone(), groups: None }).collect();
            let read = read_joined(&wanted);
            let rows: Vec<usize> = read.files.into_iter().map(Result::unwrap).collect();
            assert_eq!(rows, cases.iter().map(|case| all[*case].0 as usize).collect::<Vec<_>>());
            let encoded = cases.iter().all(|case| all[*case].1 || all[*case].0 == 0);
            for (name, data_type) in &columns {
                let expected: Vec<ArrayRef> =
                    cases.iter().map(|case| read_columns(&files[*case], &columns).unwrap().column_by_name(name).unwrap().clone()).collect();
                let expected = concat(&expected.iter().map(|array| array.as_ref()).collect::<Vec<&dyn Array>>()).unwrap();
                let Stretch { files, pieces } = &read.columns[name];
                assert_eq!(*files, (0..cases.len()).collect::<Vec<_>>());
                let plain: Vec<ArrayRef> = pieces.iter().map(|piece| cast(piece, data_type).unwrap()).collect();
                let parts: Vec<&dyn Array> = plain.iter().map(|piece| piece.as_ref()).collect();
                assert_eq!(
                    pieces.len() <= 1,
                    rows.iter().sum::<usize>() <= 1 || name == "n" || name == "t" && encoded,
                    "{name} of {cases:?}"
                );
                if !parts.is_empty() {
                    assert_eq!(&concat(&parts).unwrap(), &expected);
                }
            }
        }
    }

    /// As pyarrow writes an empty table: one row group, of no rows.
    fn save_empty_group(directory: &Path) -> PathBuf {
        let schema = parquet::schema::parser::parse_message_type("message m { optional boolean f; optional binary t (STRING); }").unwrap();
        let path = directory.join("empty");
        let properties = WriterProperties::builder().build();
        let file = File::create(&path).unwrap();
        let mut writer = parquet::file::writer::SerializedFileWriter::new(file, schema.into(), properties.into()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        while let Some(column) = group.next_column().unwrap() {
            column.close().unwrap();
        }
        group.close().unwrap();
        writer.close().unwrap();
        path
    }

    #[test]
    fn a_row_group_may_be_empty() {
        let directory = tempfile::tempdir().unwrap();
        let columns = vec![("f".to_string(), DataType::Boolean), ("t".to_string(), DataType::Utf8)];
        let path = save_empty_group(directory.path());
        let wanted = Wanted { path, columns, groups: None };
        assert_eq!(Opened::open(&wanted).unwrap().groups().count(), 1);
        let read = read_joined(&[wanted]);
        assert_eq!(read.files[0].as_ref().unwrap(), &0);
        assert!(read.columns.values().all(|column| column.pieces.is_empty()));
    }

    #[test]
    fn a_file_that_cannot_be_read_spoils_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let columns = vec![("n".to_string(), DataType::Int64)];
        let good = Wanted { path: save(directory.path(), "good", 3, true), columns: columns.clone(), groups: None };
        let absent = Wanted { path: directory.path().join("absent"), columns: columns.clone(), groups: None };
        let other = Wanted { columns: vec![("x".to_string(), DataType::Int64)], path: good.path.clone(), groups: None };
        let read = read_joined(&[absent, good, other]);
        assert!(read.files[0].is_err() && read.files[2].is_err());
        assert_eq!(read.files[1].as_ref().unwrap(), &3);
        assert_eq!((&read.columns["n"].files[..], read.columns["n"].pieces[0].len()), (&[1][..], 3));
    }
}
