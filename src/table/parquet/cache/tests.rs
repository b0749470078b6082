//! The stat cache: what is hashed again and what is not, and files that cannot be believed.

use super::*;
use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

const LONG_AGO: Duration = Duration::from_secs(1_000_000_000);

/// A Parquet file of two columns, several row groups, written long ago as far as its `mtime` says.
fn table(path: &Path, a: i64, b: i64) {
    let column = |from: i64| Arc::new(Int64Array::from_iter_values(from..from + 100)) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("a", column(a)), ("b", column(b))]).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(30)).build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    File::options().write(true).open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH + LONG_AGO).unwrap();
}

/// A file's ctime cannot be set: what was just written has to come of age.
fn settle() {
    std::thread::sleep(Duration::from_millis(60));
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| n.to_string()).collect()
}

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn cache(&self) -> ColumnCache {
        ColumnCache::open(&self.file("cache/columns"))
    }
}

/// A digest with each byte from a seed.
fn digest(seed: u64) -> Digest {
    Digest::of(&seed.to_le_bytes())
}

#[test]
fn what_was_hashed_once_is_not_hashed_again() {
    let place = Place::new();
    table(&place.file("t.parquet"), 1, 2);
    settle();
    let first = place.cache();
    let both = first.digests(&place.file("t.parquet"), &names(&["a", "b"])).unwrap();
    assert!(first.meter().done() > 0);
    first.save();
    let second = place.cache();
    assert_eq!(second.digests(&place.file("t.parquet"), &names(&["b", "a"])).unwrap(), [both[1], both[0]]);
    assert_eq!(second.meter().done(), 0);
}

#[test]
fn only_the_columns_that_are_missing_are_hashed_and_both_are_kept() {
    let place = Place::new();
    table(&place.file("t.parquet"), 1, 2);
    settle();
    let one = place.cache();
    let a = one.digests(&place.file("t.parquet"), &names(&["a"])).unwrap();
    one.save();
    let two = place.cache();
    let both = two.digests(&place.file("t.parquet"), &names(&["a", "b"])).unwrap();
    assert_eq!(both[0], a[0]);
    assert_eq!(two.meter().done(), one.meter().done(), "the columns are of one size");
    two.save();
    let three = place.cache();
    assert_eq!(three.digests(&place.file("t.parquet"), &names(&["a", "b"])).unwrap(), both);
    assert_eq!(three.meter().done(), 0);
}

#[test]
fn a_file_that_was_just_written_is_not_believed() {
    let place = Place::new();
    table(&place.file("t.parquet"), 1, 2);
    let cache = place.cache();
    cache.digests(&place.file("t.parquet"), &names(&["a"])).unwrap();
    let once = cache.meter().done();
    // Within the clock's grain it could have been written again.
    if once > 0 && cache.learned.read().unwrap().is_empty() {
        cache.digests(&place.file("t.parquet"), &names(&["a"])).unwrap();
        assert_eq!(cache.meter().done(), 2 * once);
    }
}

#[test]
fn a_changed_file_is_hashed_anew_though_size_and_mtime_are_kept() {
    let place = Place::new();
    table(&place.file("t.parquet"), 1, 2);
    settle();
    let cache = place.cache();
    let before = cache.digests(&place.file("t.parquet"), &names(&["a", "b"])).unwrap();
    cache.save();
    table(&place.file("t.parquet"), 7, 2);
    let after = place.cache().digests(&place.file("t.parquet"), &names(&["a", "b"])).unwrap();
    assert_ne!(before[0], after[0]);
    assert_eq!(before[1], after[1]);
}

#[test]
fn a_damaged_file_is_started_anew_whatever_the_damage() {
    let place = Place::new();
    table(&place.file("t.parquet"), 1, 2);
    settle();
    let cache = place.cache();
    let right = cache.digests(&place.file("t.parquet"), &names(&["a", "b"])).unwrap();
    cache.save();
    assert!(!cache.is_started_anew(), "there was no file before");
    let path = place.file("cache/columns");
    let sound = fs::read(&path).unwrap();
    let cache = place.cache();
    cache.digests(&place.file("t.parquet"), &names(&["a"])).unwrap();
    assert!(!cache.is_started_anew());
    let shortened = (0..sound.len()).map(|length| sound[..length].to_vec());
    let flipped = (0..sound.len()).map(|at| {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << (at % 8);
        bytes
    });
    let foreign = [b"{\"format\": 1}".to_vec(), vec![0; 500], vec![255; 500]];
    for bytes in shortened.chain(flipped).chain(foreign) {
        fs::write(&path, bytes).unwrap();
        let cache = place.cache();
        assert_eq!(cache.digests(&place.file("t.parquet"), &names(&["a", "b"])).unwrap(), right);
        assert!(cache.is_started_anew());
    }
}

/// Sealed nonsense: nobody writes it, and still it may not bring anything down.
#[test]
fn no_sealed_bytes_bring_a_lookup_down() {
    let place = Place::new();
    let path = place.file("cache");
    let mut writer = Writer::default();
    let stat = Stat { size: 1, modified: 2, changed: 3, inode: 4 };
    writer.add(Path::new("/a"), &stat, [("x", digest(1)), ("y", digest(2))].into_iter());
    writer.save(&path, 1).unwrap();
    let sound = fs::read(&path).unwrap();
    for at in 0..sound.len() - 32 {
        for value in [0, 1, 127, 255] {
            let mut bytes = sound[..sound.len() - 32].to_vec();
            bytes[at] = value;
            bytes.extend(*blake3::hash(&bytes).as_bytes());
            fs::write(&path, bytes).unwrap();
            let Some(file) = CacheFile::open(&path) else { continue };
            file.entries().for_each(|e| assert!(file.columns(&e).count() <= 2));
            let _ = file.find(Path::new("/a")).map(|e| file.column(&e, "y"));
        }
    }
}

#[test]
fn entries_of_files_that_are_gone_are_dropped_in_time() {
    let place = Place::new();
    for number in 0..40 {
        table(&place.file(&format!("{number}.parquet")), number, 2);
    }
    settle();
    let learn = |from: i64, to: i64| {
        let cache = place.cache();
        (from..to).for_each(|n| drop(cache.digests(&place.file(&format!("{n}.parquet")), &names(&["a"])).unwrap()));
        cache.save();
    };
    learn(0, 20);
    (0..20).for_each(|n| fs::remove_file(place.file(&format!("{n}.parquet"))).unwrap());
    (0..TURNS as i64).for_each(|turn| learn(20 + turn, 21 + turn));
    let left = CacheFile::open(&place.file("cache/columns")).unwrap();
    assert_eq!(left.entries().count(), TURNS as usize);
}

#[test]
fn two_processes_keep_what_each_has_learned() {
    let place = Place::new();
    table(&place.file("1.parquet"), 1, 2);
    table(&place.file("2.parquet"), 3, 4);
    settle();
    let (one, two) = (place.cache(), place.cache());
    one.digests(&place.file("1.parquet"), &names(&["a"])).unwrap();
    two.digests(&place.file("2.parquet"), &names(&["a"])).unwrap();
    one.save();
    two.save();
    assert_eq!(CacheFile::open(&place.file("cache/columns")).unwrap().entries().count(), 2);
}

proptest! {
    /// The file against a plain map.
    #[test]
    fn the_file_holds_what_a_map_would(files in proptest::collection::btree_map("[a-z/é]{0,12}", proptest::collection::btree_map("[a-c]{1,2}", any::<u64>(), 0..5), 0..60)) {
        let place = Place::new();
        let path = place.file("cache");
        let mut writer = Writer::default();
        let stat = |name: &str| Stat { size: name.len() as u64, modified: -5, changed: i64::MAX, inode: u64::MAX };
        for (name, columns) in &files {
            writer.add(Path::new(name), &stat(name), columns.iter().map(|(c, seed)| (c.as_str(), digest(*seed))));
        }
        writer.save(&path, 7).unwrap();
        let file = CacheFile::open(&path).unwrap();
        prop_assert_eq!(file.saves, 7);
        prop_assert_eq!(file.entries().count(), files.len());
        for (name, columns) in &files {
            let entry = file.find(Path::new(name)).unwrap();
            prop_assert_eq!(entry.stat, stat(name));
            let there: BTreeMap<String, Digest> = file.columns(&entry).map(|(c, d)| (c.to_string(), d)).collect();
            let expected: BTreeMap<String, Digest> = columns.iter().map(|(c, seed)| (c.clone(), digest(*seed))).collect();
            prop_assert_eq!(there, expected);
        }
        prop_assert!(file.find(Path::new("absent!")).is_none());
    }
}

#[test]
fn a_directory_is_listed_as_it_is() {
    let place = Place::new();
    let directory = place.directory.path().join("listed");
    let names = |cache: &ColumnCache| {
        let files = cache.files(&directory).unwrap();
        files.map(|files| files.iter().map(|f| f.strip_prefix(&directory).unwrap().to_str().unwrap().to_string()).collect::<Vec<_>>())
    };
    let settle = || std::thread::sleep(std::time::Duration::from_millis(120));
    let cache = place.cache();
    assert_eq!(names(&cache), None);
    fs::create_dir(&directory).unwrap();
    for name in ["b.parquet", "a.parquet", "_hidden.parquet", "notes.txt"] {
        fs::write(directory.join(name), "").unwrap();
    }
    settle();
    assert_eq!(names(&cache).unwrap(), ["a.parquet", "b.parquet"]);
    cache.save();
    let again = place.cache();
    assert_eq!(names(&again).unwrap(), ["a.parquet", "b.parquet"]);
    fs::rename(directory.join("b.parquet"), directory.join("c.parquet")).unwrap();
    assert_eq!(names(&again).unwrap(), ["a.parquet", "c.parquet"]);
    // What lies deeper changes without the directory's changing.
    fs::create_dir(directory.join("deep")).unwrap();
    settle();
    assert_eq!(names(&again).unwrap(), ["a.parquet", "c.parquet"]);
    fs::write(directory.join("deep/d.parquet"), "").unwrap();
    assert_eq!(names(&again).unwrap(), ["a.parquet", "c.parquet", "deep/d.parquet"]);
}
