//! What a running action uses of the sources that it reads by key, kept beside its output.
//!
//! Invariants: every key that was looked for is noted once, found or not; a row's digest is that of the values that were used.

use super::failures::of_rows;
use super::keyed::{Keyed, keyed, view_rows};
use super::operators::Side;
use super::source::SourceSpec;
use crate::catalog::dag::{Operator, ScanColumn, StaticJoin};
use crate::digest::file::Meter;
use crate::engine::failure::Failure;
use crate::table::listing::parquet_files;
use crate::table::parquet::column_digests;
use crate::table::rows::{Form, Key, Keys, PRESENT, Parts, RowCache, Sidecar, StoreRows, Used, digests, key_text, write_sidecar};
use crate::table::vectors::Row;
use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::SchemaRef;
use std::collections::HashMap;
use std::path::Path;

/// The file that holds what was used of the n-th source.
pub fn file_name(number: usize) -> String {
    format!("_daeda.rows.{number}.parquet")
}

/// What an action has used so far.
#[derive(Default)]
pub struct Uses {
    reads: Vec<Keyed>,
    logs: HashMap<usize, Log>,
}

/// Of one source.
struct Log {
    form: Form,
    parts: Vec<u128>,
    rows: HashMap<Key, Option<(u32, u128)>>,
    /// Of stores, whose rows come all at once; there may be millions.
    used: Vec<Used>,
    absent: Vec<Key>,
    texts: Vec<(Key, String)>,
}

impl Uses {
    pub fn of(operators: &[Operator]) -> Self {
        Self { reads: keyed(operators), logs: HashMap::new() }
    }

    fn log(&mut self, read: &Keyed, parts: &[u128]) -> Result<&mut Log, Failure> {
        let number = self.reads.iter().position(|known| known == read);
        let number = number.ok_or_else(|| Failure::permanent(format!("nobody asked about {}", read.label())))?;
        let new = || Log {
            form: Form::Numbers,
            parts: parts.to_vec(),
            rows: HashMap::new(),
            used: Vec::new(),
            absent: Vec::new(),
            texts: Vec::new(),
        };
        Ok(self.logs.entry(number).or_insert_with(new))
    }

    /// Whether anything was noted of a source before.
    fn is_known(&self, read: &Keyed) -> bool {
        self.reads.iter().position(|known| known == read).is_some_and(|number| self.logs.contains_key(&number))
    }

    /// Rows that were found in a store, of the keys that were wanted, which are sorted.
    pub fn note_vectors(&mut self, read: &Keyed, store: &StoreRows, wanted: &[i64], found: &[Row]) -> Result<(), Failure> {
        let log = self.log(read, store.parts())?;
        let used = |row: &Row| Some(Used { key: Key::number(row.key), part: store.part_of(row.address)?, digest: row.digest() });
        log.used.extend(found.iter().filter_map(used));
        let mut keys: Vec<i64> = found.iter().map(|row| row.key).collect();
        keys.sort_unstable();
        let mut there = keys.iter().peekable();
        log.absent.extend(wanted.iter().filter(|key| there.next_if_eq(key).is_none()).map(|key| Key::number(*key)));
        Ok(())
    }

    /// Keys whose presence in a store was asked for; `address` says where one lies.
    pub fn note_presence(
        &mut self,
        read: &Keyed,
        store: &StoreRows,
        keys: impl Iterator<Item = i64>,
        address: impl Fn(i64) -> Option<u64>,
    ) -> Result<(), Failure> {
        let log = self.log(read, store.parts())?;
        for key in keys {
            let found = || address(key).and_then(|address| Some((store.part_of(address)?, PRESENT)));
            log.rows.entry(Key::number(key)).or_insert_with(found);
        }
        Ok(())
    }

    /// The rows that a static join found. It may be made part by part.
    pub fn note_join(&mut self, read: &Keyed, source: &SourceSpec, join: &Joined) -> Result<(), Failure> {
        let Keyed::View { columns, .. } = read else { return Ok(()) };
        if !self.is_known(read) {
            let files = parquet_files(&source.path).map_err(|error| Failure::io(&source.shown, &error))?.unwrap_or_default();
            let digests = |file: &Path, wanted: &[String]| column_digests(file, wanted, &Meter::default());
            let now = view_rows(files, read, &RowCache::none(), &digests).map_err(of_rows)?;
            self.log(read, now.parts())?;
        }
        let log = self.log(read, &[])?;
        let left = join.left_keys()?;
        let keys = Keys::of(&left).map_err(of_rows)?;
        log.form = keys.form;
        let mut found: Vec<(Key, u32)> = Vec::new();
        for (row, key) in keys.keys.iter().enumerate().filter_map(|(row, key)| Some((row, (*key)?))) {
            if log.rows.contains_key(&key) {
                continue;
            }
            log.rows.insert(key, None);
            found.extend(join.found[row].map(|right| (key, right)));
            if keys.form == Form::Digests {
                log.texts.push((key, key_text(&left, row)));
            }
        }
        let digests = join.digests(columns, &found)?;
        log.rows.extend(found.iter().zip(digests).map(|((key, _), digest)| (*key, Some((0, digest)))));
        Ok(())
    }

    /// Writes what was used of each source beside an output of this schema.
    pub fn write(self, directory: &Path, schema: &SchemaRef) -> Result<(), Failure> {
        for (number, log) in self.logs {
            let (label, path) = (self.reads[number].label(), directory.join(file_name(number)));
            write_sidecar(&path, schema.clone(), &log.into_sidecar(label)).map_err(of_rows)?;
        }
        Ok(())
    }
}

impl Log {
    fn into_sidecar(self, label: String) -> Sidecar {
        let (mut used, mut absent) = (self.used, self.absent);
        for (key, found) in self.rows {
            match found {
                Some((part, digest)) => used.push(Used { key, part, digest }),
                None => absent.push(key),
            }
        }
        Sidecar::new(label, self.form, self.parts, used, absent, self.texts)
    }
}

/// A static join that was made: for each left row the right row that was found.
pub struct Joined<'a> {
    pub left: &'a RecordBatch,
    pub right: &'a RecordBatch,
    pub join: &'a StaticJoin,
    pub found: &'a [Option<u32>],
}

impl Joined<'_> {
    /// Of the right side's types, by which its rows are told.
    fn left_keys(&self) -> Result<Vec<ArrayRef>, Failure> {
        let pairs = super::operators::keys(self.left, &self.join.on, Side::Left)?.into_iter();
        let pairs = pairs.zip(super::operators::keys(self.right, &self.join.on, Side::Right)?);
        pairs.map(|(left, right)| cast(&left, right.data_type()).map_err(|e| Failure::permanent(e.to_string()))).collect()
    }

    fn digests(&self, columns: &[ScanColumn], found: &[(Key, u32)]) -> Result<Vec<u128>, Failure> {
        let rows = UInt32Array::from_iter_values(found.iter().map(|(_, row)| *row));
        let gone = |name: &str| Failure::permanent(format!("the rows have no column `{name}`"));
        let of = |column: &ScanColumn| {
            let array = self.right.column_by_name(&column.name).ok_or_else(|| gone(&column.name))?;
            take(array.as_ref(), &rows, None).map_err(|e| Failure::permanent(e.to_string()))
        };
        digests(&columns.iter().map(of).collect::<Result<Vec<_>, Failure>>()?).map_err(of_rows)
    }
}
