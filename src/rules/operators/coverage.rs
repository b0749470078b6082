//! Coverage: keeps the rows for whose key a store holds a vector. Only the store's keys are read.

use super::{column, keep_mask};
use crate::catalog::dag::StoreRef;
use crate::engine::failure::Failure;
use crate::rules::failures::{of_lance, of_rows};
use crate::rules::keyed::{Keyed, store_rows};
use crate::rules::source::SourceSpec;
use crate::rules::uses::Uses;
use crate::table::keys::KeyCache;
use crate::table::lance::{Addresses, Dataset};
use crate::table::rows::{RowCache, StoreRows};
use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

/// The keys of each store, found once per action.
pub struct Coverages {
    keys: KeyCache,
    /// By view and key column.
    stores: HashMap<(String, String), Known>,
}

/// Where a store's keys lie.
struct Known {
    addresses: Addresses,
    rows: StoreRows,
}

impl Coverages {
    pub fn new(keys: KeyCache) -> Self {
        Self { keys, stores: HashMap::new() }
    }

    /// Kept files that were not what they should have been.
    pub fn damaged(&self) -> Vec<PathBuf> {
        self.keys.take_damaged()
    }

    pub fn keep(
        &mut self,
        rows: &RecordBatch,
        store: &StoreRef,
        name: &str,
        sources: &BTreeMap<String, SourceSpec>,
        uses: &mut Uses,
    ) -> Result<RecordBatch, Failure> {
        let name_of_keys = (store.view.clone(), store.key.clone());
        if !self.stores.contains_key(&name_of_keys) {
            self.stores.insert(name_of_keys.clone(), open(store, sources, &self.keys)?);
        }
        let known = &self.stores[&name_of_keys];
        let keys = int64_keys(column(rows, name)?)?;
        let mask: BooleanArray = keys.iter().map(|key| Some(key.is_some_and(|key| known.addresses.contains(key)))).collect();
        uses.note_presence(&Keyed::coverage(store), &known.rows, keys.iter().flatten(), |key| known.addresses.get(key))?;
        keep_mask(rows, &mask)
    }
}

fn open(store: &StoreRef, sources: &BTreeMap<String, SourceSpec>, keys: &KeyCache) -> Result<Known, Failure> {
    let source = sources.get(&store.view).ok_or_else(|| Failure::permanent(format!("no source for view `{}`", store.view)))?;
    let dataset = Dataset::open(&source.path, &source.lance_pin()).map_err(of_lance)?;
    let addresses = keys.addresses(&dataset, &store.key).map_err(of_lance)?;
    let rows = store_rows(dataset, &store.key, None, &RowCache::none()).map_err(of_rows)?;
    Ok(Known { addresses, rows })
}

/// Keys of any integer type, as the store's are.
pub fn int64_keys(array: &ArrayRef) -> Result<Int64Array, Failure> {
    let keys = cast(array, &DataType::Int64).map_err(super::arrow_failure)?;
    keys.as_any().downcast_ref::<Int64Array>().cloned().ok_or_else(|| Failure::permanent("a store's key is an integer"))
}
