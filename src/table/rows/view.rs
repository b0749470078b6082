//! The rows of a static Parquet view: of each key the one that a static join takes, which is the one with the greatest time.
//!
//! The view is one part, known by its columns' digests. Invariants: files are read in batches; several rows at a key's greatest time
//! count as a row that equals none, since a join refuses them; the time chooses a row and is no value of it.

use super::PRESENT;
use super::cache::RowCache;
use super::compare::Parts;
use super::error::RowError;
use super::keys::{Form, Key, Keys};
use super::map::{RowMap, of_key};
use super::values::digests;
use crate::digest::{Digest, Hasher};
use crate::table::parquet::read_batches;
use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

const BATCH_ROWS: usize = 65_536;

/// What is read of a view: columns by their names in the files, and their types.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewRead {
    pub keys: Vec<(String, DataType)>,
    /// None where each key has one row.
    pub time: Option<(String, DataType)>,
    /// What is taken of a row.
    pub columns: Vec<(String, DataType)>,
}

impl ViewRead {
    /// All columns, each once.
    pub fn all(&self) -> Vec<(String, DataType)> {
        let mut all: Vec<(String, DataType)> = Vec::new();
        for column in self.keys.iter().chain(&self.time).chain(&self.columns) {
            if !all.iter().any(|(name, _)| *name == column.0) {
                all.push(column.clone());
            }
        }
        all
    }
}

pub struct ViewRows {
    files: Vec<PathBuf>,
    read: ViewRead,
    name: Digest,
    parts: [u128; 1],
    cache: RowCache,
    loaded: Mutex<Option<Arc<RowMap>>>,
}

impl ViewRows {
    /// The files as they are now, with the digests of the columns read, in the order of [`ViewRead::all`]. Which file is called what does not matter.
    pub fn new(files: Vec<(PathBuf, Vec<Digest>)>, read: ViewRead, cache: &RowCache) -> Self {
        let name = name(files.iter().map(|(_, columns)| columns), &read);
        let files = files.into_iter().map(|(path, _)| path).collect();
        Self { files, read, name, parts: [name.wide()], cache: cache.clone(), loaded: Mutex::default() }
    }

    pub fn files(&self) -> usize {
        self.files.len()
    }

    fn newest(&self) -> Result<RowMap, RowError> {
        let (mut form, mut newest) = (Form::Digests, Newest::new());
        for file in &self.files {
            for batch in read_batches(file, &self.read.all(), BATCH_ROWS)? {
                form = self.append(&batch?, &mut newest)?;
            }
        }
        let pairs = newest.into_iter().map(|(key, best)| (key, of_key(best.rows, best.sum)));
        Ok(RowMap::from_pairs(form, pairs.collect()))
    }

    fn append(&self, batch: &RecordBatch, newest: &mut Newest) -> Result<Form, RowError> {
        let keys = Keys::of(&columns(batch, &self.read.keys))?;
        let taken = columns(batch, &self.read.columns);
        let digests = if taken.is_empty() { vec![PRESENT; batch.num_rows()] } else { digests(&taken)? };
        let times = self.times(batch)?;
        for (row, key) in keys.keys.iter().enumerate().filter_map(|(row, key)| Some((row, (*key)?))) {
            newest.entry(key).or_default().see(times[row], digests[row]);
        }
        Ok(keys.form)
    }

    /// A row without a time is taken for the newest: so it shows, and whoever reads it says what is wrong.
    fn times(&self, batch: &RecordBatch) -> Result<Vec<i64>, RowError> {
        let Some(time) = &self.read.time else { return Ok(vec![0; batch.num_rows()]) };
        let unsupported = |_| RowError::Unsupported { data_type: time.1.to_string() };
        let times = cast(&batch[time.0.as_str()], &DataType::Int64).map_err(unsupported)?;
        Ok(times.as_primitive::<Int64Type>().iter().map(|time| time.unwrap_or(i64::MAX)).collect())
    }
}

/// The rows of a key that have its greatest time.
#[derive(Default)]
struct Best {
    time: i64,
    rows: u64,
    /// Of their digests.
    sum: u128,
}

impl Best {
    fn see(&mut self, time: i64, digest: u128) {
        if self.rows == 0 || time > self.time {
            *self = Self { time, rows: 1, sum: digest };
        } else if time == self.time {
            self.rows += 1;
            self.sum = self.sum.wrapping_add(digest);
        }
    }
}

type Newest = HashMap<Key, Best>;

fn columns(batch: &RecordBatch, wanted: &[(String, DataType)]) -> Vec<ArrayRef> {
    wanted.iter().filter_map(|(name, _)| batch.column_by_name(name).cloned()).collect()
}

/// What is read and how, and the digests of it.
fn name<'a>(files: impl Iterator<Item = &'a Vec<Digest>>, read: &ViewRead) -> Digest {
    let mut digests: Vec<Digest> = files.map(|columns| of_file(columns)).collect();
    digests.sort_unstable();
    let mut hasher = Hasher::new("view");
    for (role, columns) in [("keys", read.keys.as_slice()), ("time", read.time.as_slice()), ("columns", &read.columns)] {
        hasher.number(role, columns.len() as u64);
        for (name, data_type) in columns {
            hasher.text(name, &data_type.to_string());
        }
    }
    for digest in &digests {
        hasher.digest("file", digest);
    }
    hasher.finish()
}

fn of_file(columns: &[Digest]) -> Digest {
    Hasher::new("file").digests("columns", columns.iter()).finish()
}

impl Parts for ViewRows {
    type Error = RowError;

    fn parts(&self) -> &[u128] {
        &self.parts
    }

    fn load(&self, _: usize) -> Result<Arc<RowMap>, RowError> {
        let mut slot = self.loaded.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(map) = &*slot {
            return Ok(map.clone());
        }
        let map = Arc::new(self.cache.get(&self.name, || self.newest())?);
        *slot = Some(map.clone());
        Ok(map)
    }
}
