//! Cutting rows into row groups, whatever batches they come in.
//!
//! Invariant: where row `n` of a partition lies follows from the options alone: shards begin at multiples of `shard_rows`, row groups at
//! multiples of `row_group_rows` within their shard.

use super::error::TableError;
use super::shards::WriteOptions;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use std::collections::VecDeque;

impl WriteOptions {
    /// Rows of the row group that begins at a row of the partition, if there are enough.
    fn rows_of_group(&self, start: u64) -> u64 {
        let shard = self.shard_rows.max(1);
        (shard - start % shard).min(self.row_group_rows.max(1))
    }
}

/// Rows that have not been cut off yet.
pub struct Pending {
    options: WriteOptions,
    batches: VecDeque<RecordBatch>,
    rows: u64,
    /// Rows cut off so far.
    start: u64,
}

impl Pending {
    pub fn new(options: WriteOptions) -> Self {
        Self { options, batches: VecDeque::new(), rows: 0, start: 0 }
    }

    pub fn push(&mut self, batch: RecordBatch) {
        self.rows += batch.num_rows() as u64;
        self.batches.push_back(batch);
    }

    /// The next row group, if there are rows for a full one.
    pub fn full(&mut self) -> Option<Result<RecordBatch, TableError>> {
        let rows = self.options.rows_of_group(self.start);
        (self.rows >= rows).then(|| self.cut(rows))
    }

    /// What is left for a last row group.
    pub fn rest(&mut self) -> Option<Result<RecordBatch, TableError>> {
        (self.rows > 0).then(|| self.cut(self.rows))
    }

    fn cut(&mut self, rows: u64) -> Result<RecordBatch, TableError> {
        let (mut taken, mut left) = (Vec::new(), rows as usize);
        while let Some(batch) = self.batches.pop_front() {
            let step = batch.num_rows().min(left);
            taken.push(batch.slice(0, step));
            if step < batch.num_rows() {
                self.batches.push_front(batch.slice(step, batch.num_rows() - step));
            }
            left -= step;
            if left == 0 {
                break;
            }
        }
        self.rows -= rows;
        self.start += rows;
        let schema = taken[0].schema();
        concat_batches(&schema, &taken).map_err(|e| TableError::Unjoinable { reason: e.to_string() })
    }
}

/// Batches as row groups.
pub struct RowGroups<B> {
    batches: B,
    pending: Pending,
}

impl<B: Iterator<Item = Result<RecordBatch, TableError>>> RowGroups<B> {
    pub fn new(batches: B, options: &WriteOptions) -> Self {
        Self { batches, pending: Pending::new(options.clone()) }
    }
}

impl<B: Iterator<Item = Result<RecordBatch, TableError>>> Iterator for RowGroups<B> {
    type Item = Result<RecordBatch, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(group) = self.pending.full() {
                return Some(group);
            }
            match self.batches.next() {
                Some(Ok(batch)) => self.pending.push(batch),
                Some(Err(error)) => return Some(Err(error)),
                None => return self.pending.rest(),
            }
        }
    }
}
