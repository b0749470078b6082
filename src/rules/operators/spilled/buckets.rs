//! Rows in buckets, spilled: by hash of their key, or by ranges of their time.
//!
//! Invariants: rows of one key are in one bucket; the rows of a bucket keep the order in which they came.

use super::hash::hashes;
use crate::engine::failure::Failure;
use crate::rules::failures::of_spill;
use crate::rules::operators::{arrow_failure, column};
use crate::table::parquet::Extent;
use crate::table::spill::{Spill, SpillWriter, Spilled};
use arrow::array::{Array, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;

/// Which bucket a row belongs to.
#[derive(Debug, Clone)]
pub enum Parting {
    /// By hash of these columns. A row whose key has a null matches none: it goes anywhere, or nowhere.
    Keys { columns: Vec<String>, seed: u64, nulls: Nulls },
    /// By the given bucket of each row, from a function of the batch.
    Ranges { column: String, bounds: Vec<i64> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nulls {
    Keep,
    Drop,
}

/// Puts rows into buckets.
pub struct Partitioner {
    parting: Parting,
    writer: SpillWriter,
    schema: SchemaRef,
    buckets: Vec<Bucket>,
    held: Vec<RecordBatch>,
    held_rows: usize,
    /// So many rows are parted at once.
    batch_rows: usize,
}

#[derive(Default, Clone)]
struct Bucket {
    batches: Vec<usize>,
    extent: Extent,
}

impl Partitioner {
    pub fn new(spill: &Spill, schema: &SchemaRef, parting: Parting, buckets: usize, batch_rows: usize) -> Result<Self, Failure> {
        let writer = spill.writer(schema).map_err(of_spill)?;
        let buckets = vec![Bucket::default(); buckets];
        Ok(Self { parting, writer, schema: schema.clone(), buckets, held: Vec::new(), held_rows: 0, batch_rows })
    }

    pub fn write(&mut self, batch: RecordBatch) -> Result<(), Failure> {
        self.held_rows += batch.num_rows();
        self.held.push(batch);
        if self.held_rows >= self.batch_rows { self.part() } else { Ok(()) }
    }

    pub fn finish(mut self) -> Result<Buckets, Failure> {
        self.part()?;
        let (file, schema, buckets) = (self.writer.finish().map_err(of_spill)?, self.schema, self.buckets);
        Ok(Buckets { file, schema, buckets })
    }

    /// Parts the rows that are held.
    fn part(&mut self) -> Result<(), Failure> {
        let held = std::mem::take(&mut self.held);
        self.held_rows = 0;
        let batch = concat_batches(&self.schema, &held).map_err(arrow_failure)?;
        drop(held);
        let (rows, ends) = by_bucket(&self.parting.buckets(&batch, self.buckets.len())?, self.buckets.len());
        let sorted = take_record_batch(&batch, &rows).map_err(arrow_failure)?;
        let mut start = 0;
        for (bucket, end) in ends.into_iter().enumerate().filter(|(_, end)| *end > 0) {
            if end > start {
                self.add(bucket, &sorted.slice(start, end - start))?;
                start = end;
            }
        }
        Ok(())
    }

    fn add(&mut self, bucket: usize, rows: &RecordBatch) -> Result<(), Failure> {
        let number = self.writer.write(rows).map_err(of_spill)?;
        let bucket = &mut self.buckets[bucket];
        bucket.batches.push(number);
        bucket.extent += Extent { rows: rows.num_rows() as u64, bytes: bytes(rows) };
        Ok(())
    }
}

/// What the rows of a batch take, be it a slice of a larger one.
pub fn bytes(rows: &RecordBatch) -> u64 {
    rows.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0) as u64).sum()
}

/// Rows in the order of their buckets, and where each bucket ends. Rows of no bucket are left out.
fn by_bucket(buckets: &[Option<u32>], count: usize) -> (UInt32Array, Vec<usize>) {
    let mut next = vec![0; count + 1];
    buckets.iter().flatten().for_each(|bucket| next[*bucket as usize + 1] += 1);
    (0..count).for_each(|bucket| next[bucket + 1] += next[bucket]);
    let mut rows = vec![0; next[count]];
    for (row, bucket) in buckets.iter().enumerate().filter_map(|(row, bucket)| Some((row, (*bucket)? as usize))) {
        rows[next[bucket]] = row as u32;
        next[bucket] += 1;
    }
    next.truncate(count);
    (rows.into(), next)
}

impl Parting {
    fn buckets(&self, batch: &RecordBatch, count: usize) -> Result<Vec<Option<u32>>, Failure> {
        match self {
            Self::Keys { columns, seed, nulls } => {
                let keys: Vec<_> = columns.iter().map(|name| column(batch, name).cloned()).collect::<Result<_, _>>()?;
                let hashes = hashes(&keys, batch.num_rows(), *seed)?;
                let anywhere = |row: usize| (*nulls == Nulls::Keep).then_some(row as u64);
                let bucket = |(row, hash): (usize, Option<u64>)| hash.or_else(|| anywhere(row)).map(|hash| (hash % count as u64) as u32);
                Ok(hashes.into_iter().enumerate().map(bucket).collect())
            }
            Self::Ranges { column: name, bounds } => {
                let times = crate::features::time::instants(column(batch, name)?, UNIT, UNIT).map_err(Failure::permanent)?;
                Ok(times.iter().map(|time| Some(bounds.partition_point(|bound| bound <= time) as u32)).collect())
            }
        }
    }
}

/// Any: epochs are compared as they are.
pub const UNIT: crate::catalog::types::TimeUnit = crate::catalog::types::TimeUnit::Ms;

/// Rows that were parted.
pub struct Buckets {
    file: Spilled,
    schema: SchemaRef,
    buckets: Vec<Bucket>,
}

impl Buckets {
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub fn extent(&self, bucket: usize) -> Extent {
        self.buckets[bucket].extent
    }

    /// The rows of a bucket.
    pub fn load(&mut self, bucket: usize) -> Result<RecordBatch, Failure> {
        let numbers = self.buckets[bucket].batches.iter();
        let batches = numbers.map(|number| self.file.read(*number)).collect::<Result<Vec<_>, _>>().map_err(of_spill)?;
        concat_batches(&self.schema, &batches).map_err(arrow_failure)
    }

    /// Parts the rows of one bucket once more.
    pub fn split(&mut self, bucket: usize, mut into: Partitioner) -> Result<Buckets, Failure> {
        for number in self.buckets[bucket].batches.clone() {
            into.write(self.file.read(number).map_err(of_spill)?)?;
        }
        into.finish()
    }
}
