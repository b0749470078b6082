//! What is fetched against what Lance has, through growth, deletions, updates and compactions; and whatever may become of the files.

use super::*;
use crate::table::keys::KeyCache;
use crate::table::lance::trials::{Growing, Step, WIDTH, steps};
use crate::table::rows::digests;
use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const PLENTY: u64 = 1 << 30;

/// Key → digest and bytes, one row at a time.
type Reference = BTreeMap<i64, (u128, Option<Vec<u8>>)>;

fn reference(store: &Growing, keys: &[i64]) -> Reference {
    let dataset = store.open();
    let addresses = dataset.addresses("artwork_id").unwrap();
    let of = |key: &i64| {
        let vector = dataset.take(&[addresses.get(*key)?], "embedding").unwrap();
        let digest = digests(&[Arc::new(vector.clone()) as ArrayRef]).unwrap()[0];
        let values = vector.value(0).to_data();
        let size = values.data_type().primitive_width().unwrap();
        let bytes = values.buffers()[0].as_slice()[values.offset() * size..][..values.len() * size].to_vec();
        Some((*key, (digest, vector.is_valid(0).then_some(bytes))))
    };
    keys.iter().filter_map(of).collect()
}

fn fetch(store: &Growing, cache: &VectorCache, keys: &[i64], mapped: u64) -> Fetched {
    let dataset = store.open();
    let addresses = KeyCache::none().addresses(&dataset, "artwork_id").unwrap();
    let want = Want { store: "vectors", dataset: &dataset, column: "embedding", width: WIDTH as usize, addresses: &addresses, keys };
    cache.fetch(&want, store.directory(), mapped, &|_, _| {}).unwrap()
}

fn found(fetched: &Fetched, keys: &[i64]) -> Reference {
    let vectors = &fetched.vectors;
    let rows: Vec<u32> = (0..vectors.len() as u32).collect();
    let mut buffer = Scratch::default();
    let all = vectors.lend(&rows, &mut buffer).unwrap();
    let mut some_buffer = Scratch::default();
    let odd: Vec<u32> = rows.iter().rev().copied().filter(|row| row % 2 == 1).chain(rows.get(1).copied()).collect();
    let some = vectors.lend(&odd, &mut some_buffer).unwrap();
    odd.iter().for_each(|row| assert_eq!(some.bytes(*row), all.bytes(*row)));
    assert!(keys.iter().filter(|key| !fetched.rows.iter().any(|row| row.key == **key)).all(|key| vectors.row_of(*key).is_none()));
    fetched.rows.iter().map(|row| (row.key, (row.digest(), vectors.row_of(row.key).map(|row| all.bytes(row).to_vec())))).collect()
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut segments: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "vectors")).collect();
    segments.sort_unstable();
    segments
}

#[test]
fn fragments_without_the_column_are_kept_apart() {
    let store = Growing::new(&[1, 2, 3]);
    store.append_keys_alone(&[4, 5, 6]);
    store.append_keys_alone(&[7, 8, 9]);
    let cache = VectorCache::new(&store.directory().join("vectors"), PLENTY);
    let keys: Vec<i64> = (0..12).collect();
    let expected = reference(&store, &keys);
    for read in [9, 0] {
        let fetched = fetch(&store, &cache, &keys, PLENTY);
        assert_eq!((fetched.read, found(&fetched, &keys)), (read, expected.clone()));
    }
    assert_eq!(cache.take_damaged(), Vec::<PathBuf>::new());
}

fn elements() -> impl Strategy<Value = DataType> {
    prop_oneof![Just(DataType::Float16), Just(DataType::Float32), Just(DataType::Float64)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_is_kept_agrees_with_the_store_whatever_happens_to_it(
        element in elements(), steps in steps(), every in 1usize..4, mapped in prop_oneof![Just(0), Just(PLENTY)], limit in prop_oneof![Just(0), Just(6_000), Just(PLENTY)],
    ) {
        let store = Growing::of(element, &[1, 2, 3, 4, 5, 6, 11]);
        let cache = VectorCache::new(&store.directory().join("vectors"), limit);
        for step in &steps {
            store.happen(step);
            for shift in 0..2 {
                let keys: Vec<i64> = store.keys().into_iter().skip(shift).step_by(every).collect();
                let expected = reference(&store, &keys);
                prop_assert_eq!(found(&fetch(&store, &cache, &keys, mapped), &keys), expected.clone(), "after {:?}", step);
                let again = fetch(&store, &cache, &keys, mapped);
                if limit == PLENTY {
                    prop_assert_eq!(again.read, 0, "all of it was kept");
                }
                prop_assert_eq!(found(&again, &keys), expected);
                let kept: u64 = segments(&store.directory().join("vectors")).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
                prop_assert!(kept <= limit, "{} bytes of {}", kept, limit);
            }
        }
        prop_assert!(cache.take_damaged().is_empty());
    }
}

#[test]
fn rows_are_read_once_and_only_what_is_new_again() {
    let store = Growing::new(&(0..50).collect::<Vec<_>>());
    let cache = VectorCache::new(&store.directory().join("vectors"), PLENTY);
    let read = |keys: &[i64]| fetch(&store, &cache, keys, PLENTY).read;
    assert_eq!(read(&(0..20).collect::<Vec<_>>()), 20);
    assert_eq!(read(&(10..30).collect::<Vec<_>>()), 10, "another partition");
    store.append(&[100, 101]);
    assert_eq!(read(&[5, 25, 100]), 1);
    store.happen(&Step::Delete(vec![3]));
    assert_eq!(read(&[4, 5, 25, 100]), 0, "others of a fragment that lost a row");
    store.happen(&Step::Compact);
    assert_eq!(read(&[4, 5, 25, 100]), 4, "other fragments");
}

#[test]
fn whatever_becomes_of_a_file_what_it_serves_is_right() {
    let store = Growing::new(&(0..12).collect::<Vec<_>>());
    let directory = store.directory().join("vectors");
    let cache = VectorCache::new(&directory, PLENTY);
    let keys: Vec<i64> = (0..14).collect();
    let expected = reference(&store, &keys);
    assert_eq!(fetch(&store, &cache, &keys, PLENTY).read, 12);
    let [file] = &segments(&directory)[..] else { panic!("one segment") };
    let bytes = fs::read(file).unwrap();
    let cut = (0..bytes.len()).step_by(9).map(|length| bytes[..length].to_vec());
    let flipped = (0..bytes.len()).step_by(3).map(|at| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        bytes
    });
    let garbage = [vec![0; bytes.len()], b"null".to_vec(), [&bytes[..], &bytes[..]].concat(), vec![255; 3 * bytes.len()]];
    for (number, damaged) in cut.chain(flipped).chain(garbage).enumerate() {
        segments(&directory).iter().for_each(|other| fs::remove_file(other).unwrap());
        fs::write(file, &damaged).unwrap();
        let fetched = fetch(&store, &cache, &keys, if number % 2 == 0 { 0 } else { PLENTY });
        assert_eq!(found(&fetched, &keys), expected, "damage {number}");
        let named = cache.take_damaged();
        // The head is there for people; it is not read.
        let is_head = damaged.len() == bytes.len() && damaged[64..] == bytes[64..];
        assert!(named == [file.clone()] || is_head, "damage {number}: {named:?}");
        let again = [fetch(&store, &cache, &keys, PLENTY).read, fetch(&store, &cache, &keys, PLENTY).read];
        assert_eq!(again[1], 0, "damage {number}: it is made again: {again:?}");
    }
    fs::remove_file(file).and_then(|()| fs::create_dir(file)).unwrap();
    assert_eq!(found(&fetch(&store, &cache, &keys, PLENTY), &keys), expected);
    fs::remove_dir_all(&directory).and_then(|()| fs::write(&directory, "in the way")).unwrap();
    assert_eq!(found(&fetch(&store, &cache, &keys, PLENTY), &keys), expected);
}

/// A file under another's name: whole, but of other rows.
#[test]
fn a_segment_of_another_store_serves_nothing() {
    let (one, other) = (Growing::new(&[1, 2, 3]), Growing::new(&[1, 2, 3]));
    other.happen(&Step::Update(vec![1, 2, 3]));
    let directory = one.directory().join("vectors");
    let cache = VectorCache::new(&directory, PLENTY);
    let keys = [1, 2, 3];
    fetch(&one, &cache, &keys, PLENTY);
    fetch(&other, &VectorCache::new(&other.directory().join("vectors"), PLENTY), &keys, PLENTY);
    let foreign = &segments(&other.directory().join("vectors"))[0];
    fs::copy(foreign, &segments(&directory)[0]).unwrap();
    assert_eq!(found(&fetch(&one, &cache, &keys, PLENTY), &keys), reference(&one, &keys));
}

#[test]
fn the_least_recently_used_segment_goes_when_there_is_no_room() {
    let store = Growing::new(&(0..300).collect::<Vec<_>>());
    let directory = store.directory().join("vectors");
    let cache = VectorCache::new(&directory, 9_000);
    let read = |range: std::ops::Range<i64>| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        fetch(&store, &cache, &range.collect::<Vec<_>>(), PLENTY).read
    };
    assert_eq!((read(1..101), read(101..201)), (100, 100));
    assert_eq!(read(1..101), 0, "used again");
    assert_eq!(read(201..300), 99);
    assert_eq!((read(1..101), read(101..201)), (0, 100), "the second was the least recently used");
    assert_eq!(read(0..300), fetch(&store, &cache, &(0..300).collect::<Vec<_>>(), PLENTY).read, "more than there is room for");
}

#[test]
fn several_at_once_read_each_row_once() {
    let store = Growing::new(&(0..200).collect::<Vec<_>>());
    let cache = VectorCache::new(&store.directory().join("vectors"), PLENTY);
    let keys: Vec<i64> = (0..200).collect();
    let expected = reference(&store, &keys);
    let read: u64 = std::thread::scope(|scope| {
        let fetches: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let fetched = fetch(&store, &cache, &keys, PLENTY);
                    assert_eq!(found(&fetched, &keys), expected);
                    fetched.read
                })
            })
            .collect();
        fetches.into_iter().map(|fetch| fetch.join().unwrap()).sum()
    });
    assert_eq!(read, 200);
}

#[test]
fn what_a_killed_process_left_goes() {
    let store = Growing::new(&[1, 2, 3]);
    let directory = store.directory().join("vectors");
    let cache = VectorCache::new(&directory, PLENTY);
    fetch(&store, &cache, &[1], PLENTY);
    let name = segments(&directory)[0].file_name().unwrap().to_str().unwrap()[..16].to_string();
    let left = directory.join(format!(".{name}-killed"));
    fs::write(&left, "half").unwrap();
    assert_eq!(fetch(&store, &cache, &[1, 2], PLENTY).read, 1);
    assert!(!left.exists());
}

#[test]
fn a_declared_width_that_is_not_the_stores_is_refused() {
    let store = Growing::new(&[1]);
    let dataset = store.open();
    let addresses = dataset.addresses("artwork_id").unwrap();
    let want = Want { store: "vectors", dataset: &dataset, column: "embedding", width: 5, addresses: &addresses, keys: &[1] };
    let error = VectorCache::none().fetch(&want, store.directory(), 0, &|_, _| {}).err().unwrap();
    assert!(error.to_string().contains("width 4, not 5"), "{error}");
}
