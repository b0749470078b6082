//! Fragments of one version: what tells whether the rows of one are still the same, and reading one of them.
//!
//! Invariants: equal identities mean equal rows, whatever version they are seen in; a fragment is read in batches of bounded memory, and
//! its deleted rows are left out.

use super::LanceError;
use super::dataset::{Dataset, collect_ids, contents, identity};
use super::runtime::block_on;
use ::lance::dataset::scanner::DatasetRecordBatchStream;
use arrow::array::{Int64Array, RecordBatch};
use futures::TryStreamExt;
use std::collections::HashSet;

/// Bytes of one batch.
const BATCH_BYTES: u64 = 4 << 20;

/// Rows of one batch, where rows are narrow.
const BATCH_ROWS: usize = 65_536;

/// Bytes read ahead.
const READ_AHEAD: u64 = 32 << 20;

/// A fragment of an opened version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// Its number, which is the upper half of its rows' addresses.
    pub id: u64,
    /// Of each column the files that hold it, by their unique names, and the deletion file.
    pub identity: String,
}

impl Dataset {
    /// The fragments, by what identifies their rows of these columns, each in its role. A new index or another column's file changes
    /// nothing here, and neither does a fragment that comes or goes beside.
    pub fn identities(&self, columns: &[&str]) -> Result<Vec<Fragment>, LanceError> {
        let fields: Vec<HashSet<i32>> = columns.iter().map(|column| self.ids_of(column)).collect::<Result<_, _>>()?;
        let of = |fragment: &::lance::table::format::Fragment| {
            let roles: Vec<String> = fields.iter().map(|fields| identity(fragment, fields).1).collect();
            Fragment { id: fragment.id, identity: roles.join("; ") }
        };
        Ok(self.inner.iter_fragments().map(of).collect())
    }

    /// The fragments, by what identifies the values that were ever written to a column of them, the deleted ones included: a value stays at
    /// its position as long as this is the same.
    pub fn contents(&self, column: &str) -> Result<Vec<Fragment>, LanceError> {
        let fields = self.ids_of(column)?;
        let of =
            |fragment: &::lance::table::format::Fragment| Fragment { id: fragment.id, identity: contents(fragment, &fields).join(" ") };
        Ok(self.inner.iter_fragments().map(of).collect())
    }

    fn ids_of(&self, column: &str) -> Result<HashSet<i32>, LanceError> {
        let mut ids = HashSet::new();
        collect_ids(self.field(column)?, &mut ids);
        Ok(ids)
    }

    /// Reads columns of one fragment, batch by batch; `each` must not call into this layer.
    pub fn scan_fragment<E: From<LanceError>>(
        &self,
        id: u64,
        columns: &[&str],
        each: impl FnMut(RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        self.scan_with(&[id], columns, false, each)
    }

    /// The same of several fragments, in their order, with a column of addresses.
    pub(super) fn scan_addressed<E: From<LanceError>>(
        &self,
        ids: &[u64],
        columns: &[&str],
        each: impl FnMut(RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        self.scan_with(ids, columns, true, each)
    }

    fn scan_with<E: From<LanceError>>(
        &self,
        ids: &[u64],
        columns: &[&str],
        addressed: bool,
        mut each: impl FnMut(RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        let unreadable = |error: ::lance::Error| E::from(self.unreadable(&error));
        let mut stream = block_on(self.stream(ids, columns, addressed))??;
        while let Some(batch) = block_on(stream.try_next())?.map_err(unreadable)? {
            each(batch)?;
        }
        Ok(())
    }

    async fn stream(&self, ids: &[u64], columns: &[&str], addressed: bool) -> Result<DatasetRecordBatchStream, LanceError> {
        let unreadable = |error: ::lance::Error| self.unreadable(&error);
        let wanted: HashSet<u64> = ids.iter().copied().collect();
        let fragments: Vec<_> = self.inner.iter_fragments().filter(|fragment| wanted.contains(&fragment.id)).cloned().collect();
        let mut scan = self.inner.scan();
        scan.with_fragments(fragments).project(columns).map_err(unreadable)?;
        scan.batch_size(BATCH_ROWS).batch_size_bytes(BATCH_BYTES).io_buffer_size(READ_AHEAD).batch_readahead(2).fragment_readahead(1);
        if addressed {
            scan.with_row_address();
        }
        scan.try_into_stream().await.map_err(unreadable)
    }

    /// The keys in a batch, as 64-bit numbers.
    pub fn keys_in(&self, batch: &RecordBatch, key: &str) -> Result<Int64Array, LanceError> {
        self.field(key)?;
        self.widen(key, &batch[key])
    }
}
