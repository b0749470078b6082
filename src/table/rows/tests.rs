//! Comparing against looking at everything: parts in memory in many cases, Lance datasets and Parquet views in some.

use super::*;
use crate::digest::file::Meter;
use crate::table::lance::artworks::{self, schema};
use crate::table::lance::{Dataset, Pin, WriteMode, alter, write};
use crate::table::parquet::column_digests;
use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// All rows of a source: the digests of each key.
type Whole = BTreeMap<Key, Vec<u128>>;

fn whole<P: Parts>(source: &P) -> Whole
where
    P::Error: std::fmt::Debug,
{
    let mut whole = Whole::new();
    for index in 0..source.parts().len() {
        let map = source.load(index).unwrap();
        map.keys.iter().zip(&map.digests).for_each(|(key, digest)| whole.entry(*key).or_default().push(*digest));
    }
    whole
}

/// What an action that wants these keys would have used.
fn used_by<P: Parts>(source: &P, wanted: &BTreeSet<i64>) -> Sidecar
where
    P::Error: std::fmt::Debug,
{
    let maps: Vec<_> = (0..source.parts().len()).map(|index| source.load(index).unwrap()).collect();
    let (mut used, mut absent) = (Vec::new(), Vec::new());
    for key in wanted.iter().map(|key| Key::number(*key)) {
        let found = maps.iter().zip(0..).find_map(|(map, part)| Some(Used { key, part, digest: map.get(key)? }));
        match found {
            Some(row) => used.push(row),
            None => absent.push(key),
        }
    }
    Sidecar::new("", Form::Numbers, source.parts().to_vec(), used, absent, vec![])
}

/// The slow, obvious way: all rows then and all rows now.
fn reference(then: &Whole, now: &Whole, wanted: &BTreeSet<i64>) -> Changes {
    let mut changes = Changes::default();
    for key in wanted.iter().map(|key| Key::number(*key)) {
        match (then.get(&key), now.get(&key)) {
            (None, Some(_)) => changes.arrived.push(key),
            (Some(_), None) => changes.removed.push(key),
            (was, is) if was != is => changes.updated.push(key),
            _ => {}
        }
    }
    changes
}

/// What happens to a store.
#[derive(Debug, Clone)]
enum Event {
    Append(Vec<i64>),
    Delete(Vec<i64>),
    Update(Vec<i64>),
    Compact,
    /// The same values elsewhere.
    Move(Vec<i64>),
    /// A second row of a key, as a careless writer appends it.
    Double(i64),
}

fn events(keys: i64) -> impl Strategy<Value = Event> {
    let some = move || proptest::collection::vec(0..keys, 1..6);
    prop_oneof![
        some().prop_map(Event::Append),
        some().prop_map(Event::Delete),
        some().prop_map(Event::Update),
        Just(Event::Compact),
        some().prop_map(Event::Move),
        (0..keys).prop_map(Event::Double),
    ]
}

/// A store whose parts are plain maps.
#[derive(Default)]
struct Memory {
    parts: Vec<u128>,
    maps: Vec<BTreeMap<i64, u128>>,
    next: u128,
    loaded: RefCell<Vec<usize>>,
}

impl Parts for Memory {
    type Error = Infallible;

    fn parts(&self) -> &[u128] {
        &self.parts
    }

    fn load(&self, index: usize) -> Result<Arc<RowMap>, Infallible> {
        self.loaded.borrow_mut().push(index);
        let pairs = self.maps[index].iter().map(|(key, digest)| (Key::number(*key), *digest)).collect();
        Ok(Arc::new(RowMap::from_pairs(Form::Numbers, pairs)))
    }
}

impl Memory {
    fn add(&mut self, rows: BTreeMap<i64, u128>) {
        self.next += 1;
        self.parts.push(self.next);
        self.maps.push(rows);
    }

    fn take(&mut self, keys: &[i64]) -> BTreeMap<i64, u128> {
        let mut taken = BTreeMap::new();
        for index in 0..self.maps.len() {
            let before = self.maps[index].len();
            keys.iter().for_each(|key| taken.extend(self.maps[index].remove(key).map(|digest| (*key, digest))));
            if self.maps[index].len() != before {
                self.next += 1;
                self.parts[index] = self.next;
            }
        }
        let kept: Vec<bool> = self.maps.iter().map(|map| !map.is_empty()).collect();
        let mut keep = kept.iter();
        self.parts.retain(|_| *keep.next().unwrap());
        let mut keep = kept.iter();
        self.maps.retain(|_| *keep.next().unwrap());
        taken
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Append(keys) => {
                let new = keys.iter().filter(|key| !self.maps.iter().any(|map| map.contains_key(key)));
                let rows = new.map(|key| (*key, self.next * 100 + *key as u128)).collect();
                self.add(rows);
            }
            Event::Delete(keys) => drop(self.take(keys)),
            Event::Update(keys) => {
                let rows = self.take(keys).into_keys().map(|key| (key, self.next * 100 + 50 + key as u128)).collect();
                self.add(rows);
            }
            Event::Move(keys) => {
                let rows = self.take(keys);
                self.add(rows);
            }
            Event::Compact => {
                let middle = self.maps.len() / 2;
                let rows: Vec<BTreeMap<i64, u128>> = self.maps.drain(middle..).collect();
                self.parts.truncate(middle);
                // Rows of a doubled key stay apart.
                for rows in rows {
                    match self.maps.get_mut(middle) {
                        Some(last) if rows.keys().all(|key| !last.contains_key(key)) => last.extend(rows),
                        _ => self.add(rows),
                    }
                }
            }
            Event::Double(key) => self.add(BTreeMap::from([(*key, 7)])),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn parts_in_memory_agree_with_looking_at_everything(
        before in proptest::collection::vec(events(40), 0..12),
        after in proptest::collection::vec(events(40), 0..12),
        wanted in proptest::collection::btree_set(0_i64..45, 0..30),
    ) {
        let mut memory = Memory::default();
        before.iter().filter(|event| !matches!(event, Event::Double(_))).for_each(|event| memory.happen(event));
        let (then, sidecar) = (whole(&memory), used_by(&memory, &wanted));
        let parts: BTreeSet<u128> = memory.parts.iter().copied().collect();
        after.iter().for_each(|event| memory.happen(event));
        memory.loaded.borrow_mut().clear();
        let changes = compare(&sidecar, &memory).unwrap();
        let looked = memory.loaded.take();
        prop_assert!(looked.iter().all(|index| !parts.contains(&memory.parts[*index])), "only new parts are looked into");
        prop_assert_eq!(changes, reference(&then, &whole(&memory), &wanted));
    }
}

/// Rows whose vectors depend on key and version.
fn rows(keys: &[i64], version: i64) -> RecordBatch {
    let value = |key: Option<i64>, at| (key.unwrap_or_default() * 8 + at) as f64 + version as f64 / 64.0;
    artworks::rows(keys.iter().copied().map(Some).collect(), vec![0; keys.len()], value)
}

struct Shelf {
    directory: tempfile::TempDir,
    path: PathBuf,
    keys: BTreeSet<i64>,
    version: i64,
}

fn shelf(keys: &[i64]) -> Shelf {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.lance");
    write(&path, schema(), std::iter::once(rows(keys, 0)), WriteMode::Create).unwrap();
    Shelf { directory, path, keys: keys.iter().copied().collect(), version: 0 }
}

fn predicate(keys: &[i64]) -> String {
    let keys: Vec<String> = keys.iter().map(i64::to_string).collect();
    format!("artwork_id IN ({})", keys.join(", "))
}

impl Shelf {
    /// With a cache that other openings share, or one of its own.
    fn open(&self, columns: &[&str], cache: &str) -> StoreRows {
        let cache = RowCache::new(&self.directory.path().join(cache));
        let columns: Vec<String> = columns.iter().map(|column| column.to_string()).collect();
        StoreRows::open(Dataset::open(&self.path, &Pin::Latest).unwrap(), "artwork_id", &columns, &cache).unwrap()
    }

    fn append(&mut self, keys: &[i64]) {
        self.version += 1;
        self.keys.extend(keys);
        if !keys.is_empty() {
            write(&self.path, schema(), std::iter::once(rows(keys, self.version)), WriteMode::Append).unwrap();
        }
    }

    fn delete(&mut self, keys: &[i64]) {
        self.keys.retain(|key| !keys.contains(key));
        alter::delete(&self.path, &predicate(keys));
    }

    fn happen(&mut self, event: &Event) {
        let unique = |keys: &[i64]| keys.iter().copied().collect::<BTreeSet<i64>>();
        match event {
            Event::Append(keys) => self.append(&unique(keys).difference(&self.keys.clone()).copied().collect::<Vec<_>>()),
            Event::Delete(keys) => self.delete(keys),
            Event::Update(keys) => {
                let there: Vec<i64> = unique(keys).intersection(&self.keys).copied().collect();
                self.delete(&there.iter().copied().chain([-1]).collect::<Vec<_>>());
                self.append(&there);
            }
            Event::Move(keys) => alter::update(&self.path, &predicate(keys), "score", "score + 1"),
            Event::Compact => alter::compact(&self.path),
            Event::Double(key) => write(&self.path, schema(), std::iter::once(rows(&[*key], 1)), WriteMode::Append).unwrap(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn datasets_agree_with_looking_at_everything(
        before in proptest::collection::vec(events(30), 0..4),
        after in proptest::collection::vec(events(30), 0..5),
        wanted in proptest::collection::btree_set(0_i64..35, 1..20),
    ) {
        let mut shelf = shelf(&(0..20).collect::<Vec<_>>());
        before.iter().filter(|event| !matches!(event, Event::Double(_))).for_each(|event| shelf.happen(event));
        let (vectors, keys) = (shelf.open(&["embedding"], "rows"), shelf.open(&[], "rows"));
        let (then, there) = (whole(&vectors), whole(&keys));
        let (sidecar, coverage) = (used_by(&vectors, &wanted), used_by(&keys, &wanted));
        after.iter().for_each(|event| shelf.happen(event));
        // What is cached from before must not be mistaken for what is there now.
        let (now, now_there) = (whole(&shelf.open(&["embedding"], "fresh")), whole(&shelf.open(&[], "fresh")));
        prop_assert_eq!(compare(&sidecar, &shelf.open(&["embedding"], "rows")).unwrap(), reference(&then, &now, &wanted));
        prop_assert_eq!(compare(&coverage, &shelf.open(&[], "rows")).unwrap(), reference(&there, &now_there, &wanted));
    }
}

fn wanted(keys: &[i64]) -> BTreeSet<i64> {
    keys.iter().copied().collect()
}

#[test]
fn what_changes_no_value_changes_no_verdict() {
    let mut shelf = shelf(&[1, 2, 3, 4]);
    shelf.append(&[5, 6]);
    let sidecar = used_by(&shelf.open(&["embedding"], "rows"), &wanted(&[2, 5, 9]));
    let then = token(&sidecar.parts);
    let tokens_and_changes = |shelf: &Shelf| {
        let now = shelf.open(&["embedding"], "rows");
        (token(now.parts()) == then, compare(&sidecar, &now).unwrap())
    };
    alter::add_column(&shelf.path, "double", "score * 2");
    alter::add_index(&shelf.path, "embedding");
    assert_eq!(tokens_and_changes(&shelf), (true, Changes::default()), "an index and a column that nobody reads");
    shelf.append(&[7, 8]);
    assert_eq!(tokens_and_changes(&shelf), (false, Changes::default()), "growth");
    shelf.delete(&[1]);
    alter::compact(&shelf.path);
    assert_eq!(tokens_and_changes(&shelf), (false, Changes::default()), "a compaction");
    assert!(shelf.open(&["embedding"], "rows").parts().len() < 3, "fragments were merged");
    shelf.append(&[9]);
    shelf.delete(&[5]);
    shelf.happen(&Event::Update(vec![2]));
    let (_, changes) = tokens_and_changes(&shelf);
    assert_eq!(changes.describe(&sidecar), "key 2 updated, key 5 removed, key 9 arrived");
}

/// A vector that is not read has no digest in the cache.
#[test]
fn growth_is_told_by_its_keys_alone() {
    let mut shelf = shelf(&[1, 2, 3]);
    let sidecar = used_by(&shelf.open(&["embedding"], "then"), &wanted(&[2, 900]));
    shelf.append(&(100..1000).collect::<Vec<_>>());
    let now = shelf.open(&["embedding"], "now");
    assert_eq!(compare(&sidecar, &now).unwrap().describe(&sidecar), "key 900 arrived");
    let sizes = std::fs::read_dir(shelf.directory.path().join("now")).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
    let sizes: Vec<u64> = sizes.collect();
    assert!(matches!(sizes[..], [size] if size < 900 * 9), "keys of one fragment: {sizes:?}");
}

#[test]
fn presence_reads_keys_alone_and_no_update_shows() {
    let mut shelf = shelf(&[1, 2, 3]);
    let coverage = used_by(&shelf.open(&[], "rows"), &wanted(&[1, 2, 9]));
    shelf.happen(&Event::Update(vec![1]));
    assert_eq!(compare(&coverage, &shelf.open(&[], "rows")).unwrap(), Changes::default());
    shelf.delete(&[2]);
    shelf.append(&[9]);
    let changes = compare(&coverage, &shelf.open(&[], "rows")).unwrap();
    assert_eq!(changes.describe(&coverage), "key 2 removed, key 9 arrived");
}

/// The worker digests what it takes by address; it must be what a scan digests.
#[test]
fn taken_vectors_have_the_digests_of_scanned_ones() {
    let mut shelf = shelf(&[4, 2, 7]);
    shelf.append(&[1, 9]);
    shelf.delete(&[2]);
    let dataset = Dataset::open(&shelf.path, &Pin::Latest).unwrap();
    let addresses = dataset.addresses("artwork_id").unwrap();
    let store = shelf.open(&["embedding"], "rows");
    for (key, address) in addresses.iter() {
        let taken: ArrayRef = Arc::new(dataset.take(&[address], "embedding").unwrap());
        let part = store.part_of(address).unwrap();
        assert_eq!(store.load(part as usize).unwrap().get(Key::number(key)), Some(digests(&[taken]).unwrap()[0]));
    }
}

#[test]
fn several_keys_are_counted_and_many_cut() {
    let key = |n: &i64| Key::number(*n);
    let sidecar = Sidecar::new("", Form::Numbers, vec![], vec![], vec![], vec![]);
    let arrived = [5, 9].iter().map(key).collect();
    let changes = Changes { updated: vec![Key::number(17)], removed: (0..7).map(|n| key(&n)).collect(), arrived };
    assert_eq!(changes.describe(&sidecar), "key 17 updated, keys 0, 1, 2, 3, 4, … removed (7), keys 5, 9 arrived (2)");
}

/// A static view: user, country → score, at a time.
type Row = (Option<i64>, &'static str, i64, i32);

fn save(path: &Path, rows: &[Row], unread: i32) {
    let columns: [(&str, ArrayRef); 5] = [
        ("user", Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.0)))),
        ("country", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1)))),
        ("ts", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2)))),
        ("score", Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.3)))),
        ("unread", Arc::new(Int32Array::from(vec![unread; rows.len()]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn read_by(keys: &[&str]) -> ViewRead {
    let all = [("user", DataType::Int64), ("country", DataType::Utf8)];
    let keys = all.iter().filter(|(name, _)| keys.contains(name)).map(|(name, data_type)| (name.to_string(), data_type.clone())).collect();
    ViewRead { keys, time: Some(("ts".into(), DataType::Int64)), columns: vec![("score".into(), DataType::Int32)] }
}

fn view(directory: &Path, read: ViewRead) -> ViewRows {
    let names: Vec<String> = read.all().into_iter().map(|(name, _)| name).collect();
    let files = crate::table::listing::parquet_files(directory).unwrap().unwrap();
    let files = files.into_iter().map(|file| (file.clone(), column_digests(&file, &names, &Meter::default()).unwrap())).collect();
    ViewRows::new(files, read, &RowCache::new(&directory.join("_cache")))
}

#[test]
fn a_view_rewritten_with_one_row_changed_names_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.parquet");
    save(&path, &[(Some(1), "DE", 10, 5), (Some(1), "DE", 20, 6), (Some(2), "FR", 10, 7), (None, "FR", 10, 8)], 0);
    let open = || view(directory.path(), read_by(&["user"]));
    let sidecar = used_by(&open(), &wanted(&[1, 2, 3]));
    assert_eq!(sidecar.used.len(), 2);
    let changes = || compare(&sidecar, &open()).unwrap().describe(&sidecar);
    save(&path, &[(Some(1), "DE", 10, 5), (Some(1), "DE", 20, 6), (Some(2), "FR", 10, 7), (None, "FR", 10, 8)], 1);
    assert_eq!(open().parts(), sidecar.parts, "a column that nobody reads is rewritten");
    // Order, files, times and older rows are no values of what is taken.
    save(&path, &[(Some(2), "FR", 30, 7), (Some(1), "DE", 10, 99)], 0);
    save(&directory.path().join("b.parquet"), &[(Some(1), "DE", 20, 6)], 0);
    assert_ne!(open().parts(), sidecar.parts);
    assert_eq!(changes(), "");
    save(&path, &[(Some(2), "FR", 30, 8), (Some(3), "DE", 10, 99)], 0);
    assert_eq!(changes(), "key 2 updated, key 3 arrived");
    save(&path, &[(Some(1), "DE", 20, 6)], 0);
    assert_eq!(changes(), "key 1 updated, key 2 removed", "two rows at the greatest time are no row to join");
}

#[test]
fn composite_keys_are_told_by_their_parts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.parquet");
    save(&path, &[(Some(1), "DE", 10, 5), (Some(1), "FR", 10, 6)], 0);
    let open = || view(directory.path(), read_by(&["user", "country"]));
    let spine: [ArrayRef; 2] = [Arc::new(Int64Array::from(vec![1, 1, 2])), Arc::new(StringArray::from(vec!["DE", "FR", "DE"]))];
    let keys = Keys::of(&spine).unwrap();
    let map = open().load(0).unwrap();
    let named: Vec<(Key, String)> = keys.keys.iter().enumerate().map(|(row, key)| (key.unwrap(), key_text(&spine, row))).collect();
    let used = named[..2].iter().map(|(key, _)| Used { key: *key, part: 0, digest: map.get(*key).unwrap() }).collect();
    let sidecar = Sidecar::new("", keys.form, open().parts().to_vec(), used, vec![named[2].0], named);
    save(&path, &[(Some(2), "DE", 10, 5), (Some(1), "FR", 10, 7)], 0);
    let changes = compare(&sidecar, &open()).unwrap();
    assert_eq!(changes.describe(&sidecar), "key 1, FR updated, key 1, DE removed, key 2, DE arrived");
}
