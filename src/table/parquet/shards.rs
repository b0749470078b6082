//! Writing a partition as shards: `part-00000-<8 hex of content>.parquet`, each with whole row groups, rows in the order given.
//!
//! A file's columns are encoded by all threads and appended in order by one.
//!
//! Invariants: the same rows and options give the same bytes, whatever the sizes of the batches handed in and the number of threads; a shard's
//! name says its content, so a reader that listed an older partition finds no file rather than another's rows.

use super::error::TableError;
use super::groups::Pending;
use super::row_group::{GroupEnd, Layout, Piece, Rows};
use super::shard_file::ShardFile;
use crate::digest::Digest;
use crate::stat::Stat;
use crate::table::ordered::in_order;
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

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
    layout: Arc<Layout>,
    options: WriteOptions,
    pending: Pending,
    shard: Option<Shard>,
    written: Written,
}

/// The file that is being written.
struct Shard {
    path: PathBuf,
    file: ShardFile,
}

impl ShardWriter {
    /// Writes into an existing directory. `plain` names root columns of dense floats, such as vectors.
    pub fn new(directory: &Path, schema: SchemaRef, options: WriteOptions, plain: &[String]) -> Result<Self, TableError> {
        let nulls = schema.fields().iter().map(|f| (f.name().clone(), 0)).collect();
        let properties = properties(&schema, options.compression, plain);
        let layout = Layout::new(schema, Arc::new(properties), directory)?;
        let written = Written { files: Vec::new(), rows: 0, nulls };
        Ok(Self {
            directory: directory.into(),
            layout: Arc::new(layout),
            pending: Pending::new(options.clone()),
            options,
            shard: None,
            written,
        })
    }

    /// Writes rows that come in batches of any size.
    pub fn write(&mut self, batch: RecordBatch) -> Result<(), TableError> {
        self.pending.push(batch);
        let full: Vec<_> = std::iter::from_fn(|| self.pending.full()).collect();
        self.write_groups(full.into_iter().map(|group| group.map(Rows::from)))
    }

    /// Writes row groups, cut as [`RowGroups`](super::RowGroups) does. They are read ahead by a thread of their own, and encoded by all.
    pub fn write_groups<E: From<TableError> + Send>(&mut self, groups: impl Iterator<Item = Result<Rows, E>> + Send) -> Result<(), E> {
        let (layout, directory) = (self.layout.clone(), self.directory.clone());
        let failed = |error| E::from(TableError::writing(&directory, error));
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel(1);
            scope.spawn(|| {
                let steps = groups.map(|rows| layout.steps(rows?).map_err(failed));
                let _ = send_all(steps, sender);
            });
            let steps = receiver.into_iter().flat_map(|steps| match steps {
                Ok(steps) => steps.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            });
            in_order(steps, |step| layout.encode(step?).map_err(failed), |piece| Ok(self.append(piece?)?))
        })
    }

    fn append(&mut self, piece: Piece) -> Result<(), TableError> {
        let mut shard = match self.shard.take() {
            Some(shard) => shard,
            None => self.open_shard()?,
        };
        let end = shard.file.append(piece).map_err(|e| TableError::writing(&shard.path, e))?;
        let full = shard.file.rows() >= self.options.shard_rows;
        self.shard = Some(shard);
        end.into_iter().for_each(|end| self.count(&end));
        if full { self.close_shard() } else { Ok(()) }
    }

    fn count(&mut self, end: &GroupEnd) {
        self.written.rows += end.rows;
        for (field, nulls) in self.layout.schema.fields().iter().zip(&end.nulls) {
            *self.written.nulls.entry(field.name().clone()).or_insert(0) += nulls;
        }
    }

    /// Writes what is left and returns the files in order. Without a row there is one empty shard, so that the schema can be read.
    pub fn finish(mut self) -> Result<Written, TableError> {
        let rest = self.pending.rest();
        self.write_groups(rest.into_iter().map(|group| group.map(Rows::from)))?;
        if self.shard.is_none() && self.written.files.is_empty() {
            self.shard = Some(self.open_shard()?);
        }
        self.close_shard()?;
        Ok(self.written)
    }

    fn open_shard(&self) -> Result<Shard, TableError> {
        let path = self.directory.join(format!(".part-{:05}.tmp", self.written.files.len()));
        let file = ShardFile::create(&path, self.layout.clone()).map_err(|e| TableError::io(&path, e))?;
        Ok(Shard { path, file })
    }

    fn close_shard(&mut self) -> Result<(), TableError> {
        let Some(Shard { path, file }) = self.shard.take() else { return Ok(()) };
        let rows = file.rows();
        let (_, digest) = file.finish().map_err(|e| TableError::writing(&path, e))?;
        let file = self.name_by_content(&path, digest, rows).map_err(|e| TableError::io(&path, e))?;
        self.written.files.push(file);
        Ok(())
    }

    fn name_by_content(&self, path: &Path, digest: Digest, rows: u64) -> std::io::Result<WrittenFile> {
        let name = format!("part-{:05}-{}.parquet", self.written.files.len(), digest.short());
        let target = self.directory.join(&name);
        fs::rename(path, &target)?;
        let stat = Stat::of(&fs::metadata(&target)?);
        Ok(WrittenFile { name, size: stat.size, digest, modified: stat.modified, rows })
    }
}

/// Up to the first error; none is sent when nobody listens any more.
fn send_all<T, E>(items: impl Iterator<Item = Result<T, E>>, sender: SyncSender<Result<T, E>>) -> Option<()> {
    for item in items {
        let failed = item.is_err();
        sender.send(item).ok().filter(|()| !failed)?;
    }
    Some(())
}

fn properties(schema: &Schema, compression: Compression, plain: &[String]) -> WriterProperties {
    let codec = match compression {
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
    let plain = plain.iter().map(|name| ColumnPath::new(vec![name.clone(), "list".into(), "item".into()]));
    let plain = plain.fold(builder, |b, path| {
        b.set_column_dictionary_enabled(path.clone(), false).set_column_statistics_enabled(path, EnabledStatistics::None)
    });
    // Floats seldom repeat: looking each one up takes longer than to write it, and codecs find those that do.
    let floats = schema.fields().iter().filter(|field| field.data_type().is_floating());
    floats.fold(plain, |b, field| b.set_column_dictionary_enabled(ColumnPath::new(vec![field.name().clone()]), false)).build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::parquet::{read_columns, schema_of};
    use arrow::array::{Array, ArrayRef, FixedSizeListArray, Float16Array, Float32Array, Int64Array};
    use arrow::buffer::NullBuffer;
    use arrow::datatypes::{DataType, Field};
    use half::f16;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn write(batches: &[usize], options: &WriteOptions) -> (tempfile::TempDir, Vec<WrittenFile>) {
        let directory = tempfile::tempdir().unwrap();
        let batch = |from: i64, rows: usize| {
            let array: ArrayRef = Arc::new(Int64Array::from_iter_values(from..from + rows as i64));
            RecordBatch::try_from_iter([("x", array)]).unwrap()
        };
        let mut writer = ShardWriter::new(directory.path(), batch(0, 0).schema(), options.clone(), &[]).unwrap();
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
        let threads = |n: usize| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
        let (_a, whole) = threads(1).install(|| write(&[12_001], &options));
        let (_b, parts) = threads(5).install(|| write(&[1, 2999, 4000, 0, 5001], &options));
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
            let mut writer = ShardWriter::new(directory.path(), schema, options, &["v".into()]).unwrap();
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
