//! The rows of a Lance dataset: each fragment is a part.
//!
//! Invariants: a fragment is read only when it is asked for, once for all who ask, and in bounded memory; with no columns beside the key only
//! keys are read.

use super::PRESENT;
use super::cache::RowCache;
use super::compare::Parts;
use super::error::RowError;
use super::keys::{Form, Key};
use super::map::RowMap;
use super::values::digests;
use crate::digest::{Digest, Hasher};
use crate::table::lance::{Dataset, Fragment};
use arrow::array::{ArrayRef, RecordBatch};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

pub struct StoreRows {
    dataset: Dataset,
    key: String,
    columns: Vec<String>,
    fragments: Vec<Fragment>,
    names: Vec<Digest>,
    /// The same of the key column alone.
    key_names: Vec<Digest>,
    parts: Vec<u128>,
    by_id: HashMap<u64, u32>,
    cache: RowCache,
    loaded: Vec<Slot>,
    loaded_keys: Vec<Slot>,
}

type Slot = Mutex<Option<Arc<RowMap>>>;

impl StoreRows {
    /// The rows of one version: `columns` are those that are read beside the key, none if only presence matters.
    pub fn open(dataset: Dataset, key: &str, columns: &[String], cache: &RowCache) -> Result<Self, RowError> {
        let roles: Vec<&str> = std::iter::once(key).chain(columns.iter().map(String::as_str)).collect();
        let fragments = dataset.identities(&roles)?;
        let names: Vec<Digest> = fragments.iter().map(|fragment| name(fragment, columns.len())).collect();
        Ok(Self {
            parts: names.iter().map(Digest::wide).collect(),
            by_id: fragments.iter().zip(0..).map(|(fragment, index)| (fragment.id, index)).collect(),
            loaded: fragments.iter().map(|_| Mutex::default()).collect(),
            loaded_keys: fragments.iter().map(|_| Mutex::default()).collect(),
            key_names: dataset.identities(&[key])?.iter().map(|fragment| name(fragment, 0)).collect(),
            cache: cache.clone(),
            key: key.into(),
            columns: columns.to_vec(),
            dataset,
            fragments,
            names,
        })
    }

    /// Which part holds the row at an address of this version.
    pub fn part_of(&self, address: u64) -> Option<u32> {
        self.by_id.get(&(address >> 32)).copied()
    }

    /// The rows of a fragment, digested over these columns.
    fn read(&self, id: u64, columns: &[String]) -> Result<RowMap, RowError> {
        let mut pairs = Vec::new();
        let others = columns.iter().map(String::as_str).filter(|column| *column != self.key);
        let read: Vec<&str> = std::iter::once(self.key.as_str()).chain(others).collect();
        self.dataset.scan_fragment(id, &read, |batch| self.append(&batch, columns, &mut pairs))?;
        Ok(RowMap::from_pairs(Form::Numbers, pairs))
    }

    fn append(&self, batch: &RecordBatch, columns: &[String], pairs: &mut Vec<(Key, u128)>) -> Result<(), RowError> {
        let keys = self.dataset.keys_in(batch, &self.key)?;
        let columns: Vec<ArrayRef> = columns.iter().filter_map(|column| batch.column_by_name(column).cloned()).collect();
        let rows = if columns.is_empty() { vec![PRESENT; keys.len()] } else { digests(&columns)? };
        pairs.extend(keys.iter().zip(rows).filter_map(|(key, digest)| Some((Key::number(key?), digest))));
        Ok(())
    }
}

impl Parts for StoreRows {
    type Error = RowError;

    fn parts(&self) -> &[u128] {
        &self.parts
    }

    fn load(&self, index: usize) -> Result<Arc<RowMap>, RowError> {
        once(&self.loaded[index], || self.cache.get(&self.names[index], || self.read(self.fragments[index].id, &self.columns)))
    }

    fn load_keys(&self, index: usize) -> Result<Arc<RowMap>, RowError> {
        once(&self.loaded_keys[index], || self.cache.get(&self.key_names[index], || self.read(self.fragments[index].id, &[])))
    }
}

fn once(slot: &Slot, make: impl FnOnce() -> Result<RowMap, RowError>) -> Result<Arc<RowMap>, RowError> {
    let mut slot = slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(map) = &*slot {
        return Ok(map.clone());
    }
    let map = Arc::new(make()?);
    *slot = Some(map.clone());
    Ok(map)
}

fn name(fragment: &Fragment, columns: usize) -> Digest {
    Hasher::new("fragment").number("columns", columns as u64).text("is", &fragment.identity).finish()
}
