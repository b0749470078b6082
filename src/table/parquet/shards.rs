//! Writing a partition as shards: `part-00000-<8 hex of content>.parquet`, each with whole row groups, rows in the order given.
//!
//! Invariants: the same rows and options give the same bytes, whatever the sizes of the batches handed in and the number of threads; a shard's
//! name says its content, so a reader that listed an older partition finds no file rather than another's rows.

use super::error::TableError;
use super::row_group::RowGroup;
use crate::digest::Digest;
use crate::stat::Stat;
use arrow::array::{Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowRowGroupWriterFactory;
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    None,
    Snappy,
    Lz4,
    Zstd(u32),
}

/// How a partition is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteOptions {
    pub compression: Compression,
    pub row_group_rows: u64,
    pub shard_rows: u64,
}

/// A finished data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenFile {
    pub name: String,
    pub size: u64,
    pub digest: Digest,
    /// Nanoseconds since the epoch.
    pub modified: i64,
    pub rows: u64,
}

/// Rows that are encoded at once. Fixed, so that pages break in the same places whatever batches are handed in.
const CHUNK_ROWS: u64 = 2048;

/// A partition that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub files: Vec<WrittenFile>,
    pub rows: u64,
    /// Rows without a value, per root column.
    pub nulls: BTreeMap<String, u64>,
}

pub struct ShardWriter {
    directory: PathBuf,
    schema: SchemaRef,
    options: WriteOptions,
    /// Columns of dense floats: neither dictionary nor statistics are worth their time.
    plain: Vec<String>,
    nulls: BTreeMap<String, u64>,
    rows: u64,
    pending: VecDeque<RecordBatch>,
    pending_rows: u64,
    shard: Option<Shard>,
    done: Vec<WrittenFile>,
}

/// The file that is being written.
struct Shard {
    path: PathBuf,
    writer: SerializedFileWriter<BufWriter<File>>,
    columns: ArrowRowGroupWriterFactory,
    group: Option<RowGroup>,
    groups: usize,
    rows: u64,
}

impl ShardWriter {
    /// Writes into an existing directory. `plain` names root columns of dense floats, such as vectors.
    pub fn new(directory: &Path, schema: SchemaRef, options: WriteOptions, plain: Vec<String>) -> Self {
        let directory = directory.into();
        let nulls = schema.fields().iter().map(|f| (f.name().clone(), 0)).collect();
        Self { directory, schema, options, plain, nulls, rows: 0, pending: VecDeque::new(), pending_rows: 0, shard: None, done: Vec::new() }
    }

    pub fn write(&mut self, batch: RecordBatch) -> Result<(), TableError> {
        self.count(&batch);
        self.pending_rows += batch.num_rows() as u64;
        self.pending.push_back(batch);
        while self.pending_rows >= self.room() {
            self.chunk(self.room())?;
        }
        Ok(())
    }

    fn count(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows() as u64;
        for (nulls, array) in self.schema.fields().iter().zip(batch.columns()) {
            *self.nulls.entry(nulls.name().clone()).or_insert(0) += array.null_count() as u64;
        }
    }

    /// Writes what is left and returns the files in order. Without a row there is one empty shard, so that the schema can be read.
    pub fn finish(mut self) -> Result<Written, TableError> {
        if self.pending_rows > 0 {
            self.chunk(self.pending_rows)?;
        }
        if self.shard.is_none() && self.done.is_empty() {
            self.shard = Some(self.open_shard()?);
        }
        self.close_shard()?;
        Ok(Written { files: self.done, rows: self.rows, nulls: self.nulls })
    }

    /// Rows of the next chunk: a full one, or what is left of the row group or the shard.
    fn room(&self) -> u64 {
        let shard = self.shard.as_ref();
        let of_shard = self.options.shard_rows.max(1) - shard.map_or(0, |s| s.rows);
        let of_group = self.options.row_group_rows.max(1) - shard.and_then(|s| s.group.as_ref()).map_or(0, RowGroup::rows);
        of_shard.min(of_group).min(CHUNK_ROWS)
    }

    fn chunk(&mut self, rows: u64) -> Result<(), TableError> {
        let batch = self.take_rows(rows)?;
        let mut shard = match self.shard.take() {
            Some(shard) => shard,
            None => self.open_shard()?,
        };
        shard.append(&batch, self.options.row_group_rows.max(1)).map_err(|e| TableError::writing(&shard.path, e))?;
        let full = shard.rows >= self.options.shard_rows;
        self.shard = Some(shard);
        if full { self.close_shard() } else { Ok(()) }
    }

    fn take_rows(&mut self, rows: u64) -> Result<RecordBatch, TableError> {
        let (mut taken, mut left) = (Vec::new(), rows as usize);
        while let Some(batch) = self.pending.pop_front().filter(|_| left > 0) {
            let step = batch.num_rows().min(left);
            taken.push(batch.slice(0, step));
            if step < batch.num_rows() {
                self.pending.push_front(batch.slice(step, batch.num_rows() - step));
            }
            left -= step;
            if left == 0 {
                break;
            }
        }
        self.pending_rows -= rows;
        concat_batches(&self.schema, &taken).map_err(|e| TableError::broken(&self.directory, e))
    }

    fn open_shard(&self) -> Result<Shard, TableError> {
        let path = self.directory.join(format!(".part-{:05}.tmp", self.done.len()));
        let file = File::create(&path).map_err(|e| TableError::io(&path, e))?;
        let writer = ArrowWriter::try_new(BufWriter::with_capacity(1 << 20, file), self.schema.clone(), Some(self.properties()));
        let split = writer.and_then(ArrowWriter::into_serialized_writer);
        let (writer, columns) = split.map_err(|e| TableError::writing(&path, e))?;
        Ok(Shard { path, writer, columns, group: None, groups: 0, rows: 0 })
    }

    fn properties(&self) -> WriterProperties {
        let codec = match self.options.compression {
            Compression::None => Codec::UNCOMPRESSED,
            Compression::Snappy => Codec::SNAPPY,
            Compression::Lz4 => Codec::LZ4_RAW,
            Compression::Zstd(level) => Codec::ZSTD(ZstdLevel::try_new(level as i32).unwrap_or_default()),
        };
        let builder = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_created_by("daeda".into())
            .set_compression(codec)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_max_row_group_row_count(None);
        let plain = self.plain.iter().map(|name| ColumnPath::new(vec![name.clone(), "list".into(), "item".into()]));
        let plain = plain.fold(builder, |b, path| {
            b.set_column_dictionary_enabled(path.clone(), false).set_column_statistics_enabled(path, EnabledStatistics::None)
        });
        plain.build()
    }

    fn close_shard(&mut self) -> Result<(), TableError> {
        let Some(mut shard) = self.shard.take() else { return Ok(()) };
        shard.end_group().map_err(|e| TableError::writing(&shard.path, e))?;
        let (path, rows) = (shard.path, shard.rows);
        let closed = shard.writer.into_inner().map_err(|e| TableError::writing(&path, e))?;
        closed.into_inner().map_err(|e| TableError::io(&path, e.into_error()))?;
        let file = self.name_by_content(&path, rows).map_err(|e| TableError::io(&path, e))?;
        self.done.push(file);
        Ok(())
    }

    fn name_by_content(&self, path: &Path, rows: u64) -> std::io::Result<WrittenFile> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(path)?)?;
        let digest = Digest::from_bytes(*hasher.finalize().as_bytes());
        let name = format!("part-{:05}-{}.parquet", self.done.len(), digest.short());
        let target = self.directory.join(&name);
        fs::rename(path, &target)?;
        let stat = Stat::of(&fs::metadata(&target)?);
        Ok(WrittenFile { name, size: stat.size, digest, modified: stat.modified, rows })
    }
}

impl Shard {
    /// Encodes a chunk, its columns in parallel, and ends the row group when it is full.
    fn append(&mut self, batch: &RecordBatch, group_rows: u64) -> parquet::errors::Result<()> {
        let mut group = match self.group.take() {
            Some(group) => group,
            None => RowGroup::begin(&self.writer, &self.columns, self.groups, &batch.schema())?,
        };
        group.append(batch)?;
        self.rows += batch.num_rows() as u64;
        let full = group.rows() >= group_rows;
        self.group = Some(group);
        if full { self.end_group() } else { Ok(()) }
    }

    fn end_group(&mut self) -> parquet::errors::Result<()> {
        let Some(group) = self.group.take() else { return Ok(()) };
        group.append_to(&mut self.writer)?;
        self.groups += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::parquet::{read_columns, schema_of};
    use arrow::array::{ArrayRef, FixedSizeListArray, Float16Array, Float32Array, Int64Array};
    use arrow::buffer::NullBuffer;
    use arrow::datatypes::{DataType, Field, Schema};
    use half::f16;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn write(batches: &[usize], options: &WriteOptions) -> (tempfile::TempDir, Vec<WrittenFile>) {
        let directory = tempfile::tempdir().unwrap();
        let batch = |from: i64, rows: usize| {
            let array: ArrayRef = Arc::new(Int64Array::from_iter_values(from..from + rows as i64));
            RecordBatch::try_from_iter([("x", array)]).unwrap()
        };
        let mut writer = ShardWriter::new(directory.path(), batch(0, 0).schema(), options.clone(), vec![]);
        let mut from = 0;
        for rows in batches {
            writer.write(batch(from, *rows)).unwrap();
            from += *rows as i64;
        }
        let files = writer.finish().unwrap().files;
        (directory, files)
    }

    #[test]
    fn the_same_rows_give_the_same_bytes_however_they_come() {
        let options = WriteOptions { compression: Compression::Zstd(1), row_group_rows: 3000, shard_rows: 5000 };
        let (_a, whole) = write(&[12_001], &options);
        let (_b, parts) = write(&[1, 2999, 4000, 0, 5001], &options);
        let digests = |files: &[WrittenFile]| files.iter().map(|f| (f.name.clone(), f.digest, f.rows)).collect::<Vec<_>>();
        assert_eq!(digests(&whole), digests(&parts));
        assert_eq!(whole.iter().map(|f| f.rows).collect::<Vec<_>>(), [5000, 5000, 2001]);
    }

    #[test]
    fn no_rows_make_one_empty_shard() {
        let options = WriteOptions { compression: Compression::None, row_group_rows: 10, shard_rows: 10 };
        let (directory, files) = write(&[], &options);
        assert_eq!(files.len(), 1);
        let footer = crate::table::parquet::footer(&directory.path().join(&files[0].name)).unwrap();
        assert_eq!((footer.rows, footer.columns), (0, vec!["x".to_string()]));
    }

    fn vectors(width: i32, rows: &[Option<u8>], wide: bool) -> ArrayRef {
        let values =
            rows.iter().enumerate().flat_map(|(row, seed)| (0..width).map(move |i| f32::from(seed.unwrap_or(0)) + (row as i32 * i) as f32));
        let (values, data_type): (ArrayRef, DataType) = match wide {
            true => (Arc::new(Float32Array::from_iter_values(values)), DataType::Float32),
            false => (Arc::new(Float16Array::from_iter_values(values.map(f16::from_f32))), DataType::Float16),
        };
        let valid = NullBuffer::from(rows.iter().map(Option::is_some).collect::<Vec<_>>());
        Arc::new(FixedSizeListArray::new(Arc::new(Field::new("item", data_type, true)), width, values, Some(valid)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn vectors_read_back_through_the_generic_reader(
            width in 1i32..300,
            rows in prop::collection::vec(prop::option::weighted(0.8, any::<u8>()), 0..400),
            cut in 0usize..400,
            wide in any::<bool>(),
            zstd in any::<bool>(),
            group in 1u64..300,
        ) {
            let array = vectors(width, &rows, wide);
            let schema = Arc::new(Schema::new(vec![Field::new("v", array.data_type().clone(), true)]));
            let whole = RecordBatch::try_new(schema.clone(), vec![array]).unwrap();
            let directory = tempfile::tempdir().unwrap();
            let compression = if zstd { Compression::Zstd(1) } else { Compression::None };
            let options = WriteOptions { compression, row_group_rows: group, shard_rows: 1000 };
            let mut writer = ShardWriter::new(directory.path(), schema, options, vec!["v".into()]);
            let cut = cut.min(rows.len());
            writer.write(whole.slice(0, cut)).unwrap();
            writer.write(whole.slice(cut, rows.len() - cut)).unwrap();
            let written = writer.finish().unwrap();
            let path = directory.path().join(&written.files[0].name);
            let wanted = vec![("v".to_string(), schema_of(&path).unwrap().field(0).data_type().clone())];
            let read = read_columns(&path, &wanted).unwrap();
            prop_assert_eq!(read.column(0), whole.column(0));
            prop_assert_eq!(written.nulls["v"], rows.iter().filter(|r| r.is_none()).count() as u64);
        }
    }
}
