//! The vectors that an enrichment needs of its stores: which keys its rows ask for, and opening them.
//!
//! Knows nothing of how vectors are pooled. Invariants: embeddings of one dataset, key and column share their vectors; each store's rows that
//! are used, and the keys that are not there, are noted as they were read.

use super::Tell;
use super::failures::{of_lance, of_rows, of_table};
use super::kept::Kept;
use super::keyed::{Keyed, store_rows};
use super::source::SourceSpec;
use super::uses::Uses;
use crate::catalog::dag::Embed;
use crate::catalog::types::DataType;
use crate::engine::execute::{Progress, Unit};
use crate::engine::failure::Failure;
use crate::features::arrow_type::arrow_type;
use crate::features::elements::Vector;
use crate::features::embed::{Lend, Matrix};
use crate::table::keys::KeyCache;
use crate::table::lance::Dataset;
use crate::table::parquet::read_batches;
use crate::table::rows::RowCache;
use crate::table::vectors::{Element, KeyTable, Lent, Scratch, VectorCache, VectorError, Vectors, Want};
use arrow::array::{Array, ArrayRef, Int64Array, ListArray};
use arrow::datatypes::DataType as Arrow;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Skeleton rows whose keys are looked at at once.
const BATCH_ROWS: usize = 4096;

/// The vectors of each store, by [`store_name`].
pub type Stores = HashMap<String, Arc<Vectors>>;

/// What stores are opened for.
pub struct Opening<'a> {
    pub embeds: Vec<&'a Embed>,
    pub sources: &'a BTreeMap<String, SourceSpec>,
    /// The files of the skeleton.
    pub inputs: &'a [PathBuf],
    pub kept: &'a Kept,
    /// A directory for what cannot be kept.
    pub scratch: &'a Path,
    /// Bytes of files that may be mapped.
    pub mapped: u64,
    pub tell: Tell<'a>,
}

impl Opening<'_> {
    /// Reads what any of the embeddings needs, and notes it; with what there is to warn of.
    pub fn open(&self, uses: &mut Uses) -> Result<(Stores, Vec<String>), Failure> {
        let (keys, cache) = (self.kept.keys(), self.kept.vectors());
        let (mut stores, mut mapped) = (Stores::new(), self.mapped);
        for embed in &self.embeds {
            let name = store_name(embed);
            if stores.contains_key(&name) {
                continue;
            }
            let vectors = self.open_store(embed, &keys, &cache, mapped, uses)?;
            mapped = mapped.saturating_sub(vectors.mapped_bytes());
            stores.insert(name, Arc::new(vectors));
        }
        let damaged = keys.take_damaged().into_iter().chain(cache.take_damaged());
        Ok((stores, damaged.map(|path| self.kept.started_anew(&path)).collect()))
    }

    fn open_store(&self, embed: &Embed, keys: &KeyCache, cache: &VectorCache, mapped: u64, uses: &mut Uses) -> Result<Vectors, Failure> {
        let source = self.sources.get(&embed.store.view);
        let source = source.ok_or_else(|| Failure::permanent(format!("no source for view `{}`", embed.store.view)))?;
        let dataset = Dataset::open(&source.path, &source.lance_pin()).map_err(of_lance)?;
        let wanted = self.wanted(&store_name(embed))?;
        let width = match &embed.data_type {
            DataType::Vector(_, width) => *width as usize,
            other => return Err(Failure::permanent(format!("an embedding is a vector, and `{}` is {other}", embed.name))),
        };
        let addresses = keys.addresses(&dataset, &embed.store.key).map_err(of_lance)?;
        let message = format!("reading vectors of {}", source.shown);
        let tell = |done, total| (self.tell)(Progress::Step { message: message.clone(), done, total, unit: Unit::Rows });
        let (store, column) = (&source.name, &embed.store.vector);
        let want = Want { store, dataset: &dataset, column, width, addresses: &addresses, keys: &wanted };
        let fetched = cache.fetch(&want, self.scratch, mapped, &tell).map_err(of_vectors)?;
        drop(addresses);
        let known = store_rows(dataset, &embed.store.key, Some(&embed.store.vector), &RowCache::none()).map_err(of_rows)?;
        uses.note_vectors(&Keyed::embedding(embed), &known, &wanted, &fetched.rows)?;
        Ok(fetched.vectors)
    }

    /// The keys that rows ask of a store, sorted, each once.
    fn wanted(&self, store: &str) -> Result<Vec<i64>, Failure> {
        let mut wanted = KeyTable::default();
        let of_store = self.embeds.iter().filter(|embed| store_name(embed) == store);
        let mut columns: Vec<(String, Arrow)> = of_store.map(|embed| (embed.input.clone(), input_type(embed))).collect();
        columns.sort_by(|a, b| a.0.cmp(&b.0));
        columns.dedup();
        for input in self.inputs {
            for batch in read_batches(input, &columns, BATCH_ROWS).map_err(of_table)? {
                for keys in batch.map_err(of_table)?.columns().iter().filter_map(keys_of) {
                    keys.iter().flatten().for_each(|key| wanted.insert(key));
                }
            }
        }
        let mut wanted = wanted.into_keys();
        wanted.sort_unstable();
        Ok(wanted)
    }
}

/// Embeddings of one dataset, key and column share their vectors.
pub fn store_name(embed: &Embed) -> String {
    format!("{}.{} by {}", embed.store.view, embed.store.vector, embed.store.key)
}

fn input_type(embed: &Embed) -> Arrow {
    let key = DataType::Int64;
    arrow_type(&if embed.pool.is_some() { key.list() } else { key })
}

/// The keys in a column of keys or of lists of keys.
fn keys_of(column: &ArrayRef) -> Option<Int64Array> {
    let any = column.as_any();
    let flat = any.downcast_ref::<Int64Array>().cloned();
    flat.or_else(|| {
        let lists = any.downcast_ref::<ListArray>()?;
        let (start, end) = (lists.value_offsets().first()?, lists.value_offsets().last()?);
        lists.values().slice(*start as usize, (end - start) as usize).as_any().downcast_ref::<Int64Array>().cloned()
    })
}

fn of_vectors(error: VectorError) -> Failure {
    match error {
        VectorError::Lance(error) => of_lance(error),
        VectorError::Rows(error) => of_rows(error),
        VectorError::Io(error) => Failure::io("vectors cannot be kept beside the output", &error),
        VectorError::Width { .. } | VectorError::Element { .. } | VectorError::NullElement => Failure::permanent(error.to_string()),
    }
}

impl Matrix for Vectors {
    fn width(&self) -> usize {
        self.shape().width
    }

    fn row_of(&self, key: i64) -> Option<u32> {
        Vectors::row_of(self, key)
    }

    fn lend<'a>(&'a self, rows: &[u32], scratch: &'a mut Scratch) -> io::Result<Box<dyn Lend + 'a>> {
        Ok(Box::new(LentVectors { element: self.shape().element, lent: Vectors::lend(self, rows, scratch)? }))
    }
}

/// Lent vectors, as numbers.
struct LentVectors<'a> {
    element: Element,
    lent: Lent<'a>,
}

impl Lend for LentVectors<'_> {
    fn vector(&self, row: u32) -> Vector<'_> {
        Vector::of(self.element, self.lent.bytes(row))
    }
}
