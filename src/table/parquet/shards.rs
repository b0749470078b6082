//! Writing a partition as shards: `part-00000-<8 hex of content>.parquet`, each with whole row groups, rows in the order given.
//!
//! Invariants: the same rows and options give the same bytes, whatever the sizes of the batches handed in and the number of threads; a shard's
//! name says its content, so a reader that listed an older partition finds no file rather than another's rows.

use super::error::TableError;
use crate::digest::Digest;
use crate::table::stat::Stat;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
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

pub struct ShardWriter {
    directory: PathBuf,
    schema: SchemaRef,
    options: WriteOptions,
    /// Columns that hardly compress and have no repeats: written plain.
    plain: Vec<String>,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    shard: Option<Shard>,
    done: Vec<WrittenFile>,
}

struct Shard {
    path: PathBuf,
    writer: SerializedFileWriter<BufWriter<File>>,
    columns: ArrowRowGroupWriterFactory,
    row_groups: usize,
    rows: u64,
}

impl ShardWriter {
    /// Writes into an existing directory. `plain` names root columns of dense floats, such as vectors.
    pub fn new(directory: &Path, schema: SchemaRef, options: WriteOptions, plain: Vec<String>) -> Self {
        let directory = directory.into();
        Self { directory, schema, options, plain, pending: Vec::new(), pending_rows: 0, shard: None, done: Vec::new() }
    }

    pub fn write(&mut self, batch: RecordBatch) -> Result<(), TableError> {
        self.pending_rows += batch.num_rows();
        self.pending.push(batch);
        while self.pending_rows >= self.room() {
            self.row_group(self.room())?;
        }
        Ok(())
    }

    /// Writes what is left and returns the files in order. Without a row there is one empty shard, so that the schema can be read.
    pub fn finish(mut self) -> Result<Vec<WrittenFile>, TableError> {
        if self.pending_rows > 0 {
            self.row_group(self.pending_rows)?;
        }
        if self.shard.is_none() && self.done.is_empty() {
            self.shard = Some(self.open_shard()?);
        }
        self.close_shard()?;
        Ok(self.done)
    }

    /// Rows of the next row group: a full one, or what is left of the shard.
    fn room(&self) -> usize {
        let left = self.options.shard_rows.max(1) - self.shard.as_ref().map_or(0, |s| s.rows);
        left.min(self.options.row_group_rows.max(1)) as usize
    }

    fn row_group(&mut self, rows: usize) -> Result<(), TableError> {
        let batch = self.take_rows(rows)?;
        let mut shard = match self.shard.take() {
            Some(shard) => shard,
            None => self.open_shard()?,
        };
        shard.append(&batch).map_err(|e| TableError::broken(&shard.path, e))?;
        let full = shard.rows >= self.options.shard_rows;
        self.shard = Some(shard);
        if full { self.close_shard() } else { Ok(()) }
    }

    fn take_rows(&mut self, rows: usize) -> Result<RecordBatch, TableError> {
        let (mut taken, mut left) = (Vec::new(), rows);
        while left > 0 {
            let batch = self.pending.remove(0);
            let step = batch.num_rows().min(left);
            taken.push(batch.slice(0, step));
            if step < batch.num_rows() {
                self.pending.insert(0, batch.slice(step, batch.num_rows() - step));
            }
            left -= step;
        }
        self.pending_rows -= rows;
        concat_batches(&self.schema, &taken).map_err(|e| TableError::broken(&self.directory, e))
    }

    fn open_shard(&self) -> Result<Shard, TableError> {
        let path = self.directory.join(format!(".part-{:05}.tmp", self.done.len()));
        let file = File::create(&path).map_err(|e| TableError::io(&path, e))?;
        let writer = ArrowWriter::try_new(BufWriter::with_capacity(1 << 20, file), self.schema.clone(), Some(self.properties()));
        let split = writer.and_then(ArrowWriter::into_serialized_writer);
        let (writer, columns) = split.map_err(|e| TableError::broken(&path, e))?;
        Ok(Shard { path, writer, columns, row_groups: 0, rows: 0 })
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
        let plain = self.plain.iter().map(|name| ColumnPath::new(vec![name.clone(), "list".into(), "element".into()]));
        let plain = plain.fold(builder, |b, path| {
            b.set_column_dictionary_enabled(path.clone(), false)
                .set_column_compression(path.clone(), Codec::UNCOMPRESSED)
                .set_column_statistics_enabled(path, EnabledStatistics::None)
        });
        plain.build()
    }

    fn close_shard(&mut self) -> Result<(), TableError> {
        let Some(shard) = self.shard.take() else { return Ok(()) };
        let (path, rows) = (shard.path, shard.rows);
        let closed = shard.writer.into_inner().map_err(|e| TableError::broken(&path, e))?;
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
    /// Encodes the columns of one row group in parallel.
    fn append(&mut self, batch: &RecordBatch) -> parquet::errors::Result<()> {
        let writers = self.columns.create_column_writers(self.row_groups)?;
        let mut writers = writers.into_iter();
        let schema = batch.schema();
        let mut work: Vec<(ArrowColumnWriter, parquet::arrow::arrow_writer::ArrowLeafColumn)> = Vec::new();
        for (field, array) in schema.fields().iter().zip(batch.columns()) {
            for leaf in compute_leaves(field, array)? {
                work.extend(writers.next().map(|writer| (writer, leaf)));
            }
        }
        let encode = |(mut writer, leaf): (ArrowColumnWriter, _)| {
            writer.write(&leaf)?;
            writer.close()
        };
        let chunks: parquet::errors::Result<Vec<ArrowColumnChunk>> = work.into_par_iter().map(encode).collect();
        let mut group = self.writer.next_row_group()?;
        for chunk in chunks? {
            chunk.append_to_row_group(&mut group)?;
        }
        group.close()?;
        self.row_groups += 1;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }
}
