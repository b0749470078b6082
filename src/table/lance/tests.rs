//! Datasets written, grown, thinned and read back.

use super::artworks::{WIDTH, rows, schema};
use super::runtime::block_on;
use super::*;
use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Float16Type, Schema};
use half::f16;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn batch(keys: Vec<Option<i64>>) -> RecordBatch {
    let scores = (0..keys.len() as i32).collect();
    rows(keys, scores, |key, at| (key.unwrap_or(-1) * 10 + at) as f64)
}

fn keys(range: std::ops::Range<i64>) -> RecordBatch {
    batch(range.map(Some).collect())
}

struct Shelf {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

fn shelf(first: RecordBatch) -> Shelf {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vectors #1 50%.lance");
    write(&path, schema(), std::iter::once(first), WriteMode::Create).unwrap();
    Shelf { _directory: directory, path }
}

impl Shelf {
    fn open(&self) -> Dataset {
        Dataset::open(&self.path, &Pin::Latest).unwrap()
    }

    fn append(&self, more: RecordBatch) {
        write(&self.path, schema(), std::iter::once(more), WriteMode::Append).unwrap();
    }

    fn delete(&self, predicate: &str) {
        let mut inner = (*self.open().inner).clone();
        block_on(inner.delete(predicate)).unwrap().unwrap();
    }

    fn fragments(&self, column: &str) -> Vec<(String, String)> {
        self.open().fragments(&["artwork_id".into(), column.into()]).unwrap()
    }
}

fn firsts(vectors: &FixedSizeListArray) -> Vec<i64> {
    let value = |row| vectors.value(row).as_primitive::<Float16Type>().value(0).to_f64() as i64;
    (0..vectors.len()).map(value).collect()
}

#[test]
fn vectors_come_back_in_the_order_asked() {
    let shelf = shelf(keys(0..100));
    shelf.append(keys(100..150));
    let dataset = shelf.open();
    let addresses = dataset.addresses("artwork_id").unwrap();
    assert_eq!((addresses.len(), dataset.count_rows().unwrap()), (150, 150));
    let wanted = [149, 3, 120, 3, 0, 99, 100];
    let at: Vec<u64> = wanted.iter().map(|key| addresses.get(*key).unwrap()).collect();
    let vectors = dataset.take(&at, "embedding").unwrap();
    assert_eq!(firsts(&vectors), wanted.map(|key| key * 10));
    assert_eq!(vectors.value_length(), WIDTH);
    assert_eq!(dataset.take(&[], "embedding").unwrap().len(), 0);
    assert_eq!(dataset.schema().fields(), schema().fields());
}

#[test]
fn runs_and_gaps_are_taken_alike() {
    let shelf = shelf(keys(0..50));
    let dataset = shelf.open();
    assert_eq!(firsts(&dataset.take(&[4, 5, 6], "embedding").unwrap()), [40, 50, 60]);
    assert_eq!(firsts(&dataset.take(&[4, 6, 49], "embedding").unwrap()), [40, 60, 490]);
    assert_eq!(firsts(&dataset.take(&[7], "embedding").unwrap()), [70]);
}

#[test]
fn a_deleted_row_has_no_address_and_is_not_taken() {
    let shelf = shelf(keys(0..20));
    let before = shelf.open().addresses("artwork_id").unwrap();
    shelf.delete("artwork_id = 5");
    let dataset = shelf.open();
    let after = dataset.addresses("artwork_id").unwrap();
    assert_eq!((after.len(), after.get(5), after.get(6)), (19, None, before.get(6)));
    for gone in [vec![before.get(5).unwrap()], vec![4, 5, 6], vec![9, 5, 2]] {
        let error = dataset.take(&gone, "embedding").unwrap_err();
        assert!(matches!(error, LanceError::MissingRows { asked, found, .. } if asked == gone.len() && found + 1 == asked), "{error}");
    }
    assert_eq!(firsts(&dataset.take(&[4, 6, 7], "embedding").unwrap()), [40, 60, 70]);
}

#[test]
fn an_address_of_nowhere_is_missing() {
    let dataset = shelf(keys(0..20)).open();
    for (nowhere, known) in [(vec![20], 0), (vec![3, 1 << 32], 1), (vec![19, 20, 21], 1)] {
        let error = dataset.take(&nowhere, "embedding").unwrap_err();
        assert!(matches!(error, LanceError::MissingRows { found, .. } if found == known), "{error}");
    }
}

#[test]
fn null_keys_are_skipped_and_doubles_named() {
    let with_null = shelf(batch(vec![Some(1), None, None, Some(2)]));
    let addresses = with_null.open().addresses("artwork_id").unwrap();
    assert_eq!(addresses.iter().collect::<Vec<_>>(), [(1, 0), (2, 3)]);
    with_null.append(keys(2..3));
    let error = with_null.open().addresses("artwork_id").unwrap_err();
    assert!(matches!(error, LanceError::Duplicate { key: 2, .. }), "{error}");
}

#[test]
fn narrower_keys_are_widened() {
    let addresses = shelf(keys(10..20)).open().addresses("score").unwrap();
    assert_eq!(addresses.get(9), Some(9));
}

#[test]
fn an_append_is_a_new_fragment_and_leaves_the_old_ones() {
    let shelf = shelf(keys(0..10));
    let before = shelf.fragments("embedding");
    shelf.append(keys(10..20));
    let after = shelf.fragments("embedding");
    assert_eq!((before.len(), after.len()), (1, 2));
    assert_eq!(after[0], before[0]);
    assert_ne!(after[1].1, before[0].1);
    assert!(after[0].1.starts_with("data/"), "{}", after[0].1);
}

#[test]
fn a_deletion_changes_its_fragment_alone() {
    let shelf = shelf(keys(0..10));
    shelf.append(keys(10..20));
    let before = shelf.fragments("embedding");
    shelf.delete("artwork_id = 15");
    let after = shelf.fragments("embedding");
    assert_eq!(after[0], before[0]);
    let file = after[1].1.strip_prefix(before[1].1.as_str()).unwrap().trim();
    assert!(shelf.path.join(file).is_file(), "{file}");
}

#[test]
fn another_columns_file_changes_nothing() {
    use ::lance::dataset::NewColumnTransform;
    let shelf = shelf(keys(0..10));
    let before = shelf.fragments("embedding");
    let mut inner = (*shelf.open().inner).clone();
    let added = NewColumnTransform::SqlExpressions(vec![("double".into(), "score * 2".into())]);
    block_on(inner.add_columns(added, None, None)).unwrap().unwrap();
    assert_eq!(shelf.fragments("embedding"), before);
    assert_ne!(shelf.fragments("double"), before);
}

/// Renaming writes no data file: only which of a file's fields are read tells the columns apart.
#[test]
fn a_column_renamed_onto_another_is_another_column() {
    use ::lance::dataset::ColumnAlteration;
    let shelf = shelf(keys(0..10));
    let rename = |from: &str, to: &str| {
        let mut inner = (*shelf.open().inner).clone();
        let renamed = ColumnAlteration::new(from.into()).rename(to.into());
        block_on(async { inner.alter_columns(&[renamed]).await }).unwrap().unwrap();
    };
    let fragments = |column: &str| shelf.open().fragments(&[column.into()]).unwrap();
    let (score, key) = (fragments("score"), fragments("artwork_id"));
    rename("score", "rank");
    assert_eq!(fragments("rank"), score, "the same values under another name");
    rename("artwork_id", "score");
    assert_eq!(fragments("score"), key);
    assert_ne!(fragments("score"), score);
}

#[test]
fn versions_stay_where_they_are_pinned() {
    let shelf = shelf(keys(0..10));
    let first = shelf.open();
    block_on(async { first.inner.tags().create("gold", first.version()).await }).unwrap().unwrap();
    shelf.append(keys(10..20));
    let rows = |pin| Dataset::open(&shelf.path, &pin).map(|dataset| (dataset.version(), dataset.count_rows().unwrap()));
    assert_eq!(rows(Pin::Latest), Ok((2, 20)));
    assert_eq!(rows(Pin::Version(1)), Ok((1, 10)));
    assert_eq!(rows(Pin::Tag("gold".into())), Ok((1, 10)));
    assert_eq!(first.count_rows(), Ok(10));
    let version = rows(Pin::Version(9)).unwrap_err();
    assert!(matches!(version, LanceError::NoSuchVersion { version: 9, latest: 2, .. }), "{version}");
    let tag = rows(Pin::Tag("silver".into())).unwrap_err();
    assert!(tag.to_string().contains("its tags are gold"), "{tag}");
}

#[test]
fn mistakes_are_told_apart() {
    let shelf = shelf(keys(0..3));
    let open = |path: &Path| Dataset::open(path, &Pin::Latest).unwrap_err();
    let absent = open(&shelf.path.join("absent"));
    assert_eq!(absent.io_kind(), Some(std::io::ErrorKind::NotFound));
    let parent = open(shelf.path.parent().unwrap());
    assert!(matches!(parent, LanceError::NotADataset { .. }), "{parent}");
    let dataset = shelf.open();
    let column = dataset.addresses("artwork").unwrap_err();
    assert!(column.to_string().contains("its columns are artwork_id, embedding, score"), "{column}");
    assert!(matches!(dataset.fragments(&["nope".into()]), Err(LanceError::NoSuchColumn { .. })));
    assert!(matches!(dataset.addresses("embedding"), Err(LanceError::WrongType { .. })));
    assert!(matches!(dataset.take(&[0], "score"), Err(LanceError::WrongType { .. })));
}

#[test]
fn damage_is_an_error_without_places_in_lances_source() {
    let shelf = shelf(keys(0..3));
    for entry in std::fs::read_dir(shelf.path.join("_versions")).unwrap() {
        std::fs::write(entry.unwrap().path(), b"nonsense").unwrap();
    }
    let error = Dataset::open(&shelf.path, &Pin::Latest).unwrap_err();
    assert!(matches!(error, LanceError::Unreadable { .. }), "{error}");
    assert!(!error.to_string().contains(".rs:"), "{error}");
}

#[test]
fn creating_and_appending_are_not_confused() {
    let shelf = shelf(keys(0..3));
    let again = |path: &Path, mode| write(path, schema(), std::iter::once(keys(3..6)), mode).unwrap_err();
    assert!(matches!(again(&shelf.path, WriteMode::Create), LanceError::Exists { .. }));
    assert!(matches!(again(&shelf.path.join("absent"), WriteMode::Append), LanceError::NotFound { .. }));
    assert_eq!(shelf.open().count_rows(), Ok(3));
}

/// With stable row ids, ids outlive compaction and addresses do not: a take by id would return other rows.
#[test]
fn addresses_are_not_taken_for_stable_row_ids() {
    use ::lance::dataset::{WriteParams, optimize};
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stable.lance");
    let batches = arrow::array::RecordBatchIterator::new([Ok(keys(0..10)), Ok(keys(10..20))], schema());
    let parameters = WriteParams { enable_stable_row_ids: true, max_rows_per_file: 10, ..Default::default() };
    block_on(async {
        let mut inner = ::lance::Dataset::write(batches, path.to_str().unwrap(), Some(parameters)).await.unwrap();
        inner.delete("artwork_id < 4").await.unwrap();
        optimize::compact_files(&mut inner, Default::default(), None).await.unwrap();
    })
    .unwrap();
    let dataset = Dataset::open(&path, &Pin::Latest).unwrap();
    let addresses = dataset.addresses("artwork_id").unwrap();
    let wanted = [19, 4, 12];
    let at = wanted.map(|key| addresses.get(key).unwrap());
    assert_eq!(firsts(&dataset.take(&at, "embedding").unwrap()), wanted.map(|key| key * 10));
    assert!(at.iter().all(|address| address & 0xffff_ffff < 16), "{at:?}");
}

#[test]
fn a_key_beyond_int64_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large.lance");
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::UInt64, false)]));
    let keys: ArrayRef = Arc::new(arrow::array::UInt64Array::from(vec![1, u64::MAX]));
    let batch = RecordBatch::try_new(schema.clone(), vec![keys]).unwrap();
    write(&path, schema, std::iter::once(batch), WriteMode::Create).unwrap();
    let error = Dataset::open(&path, &Pin::Latest).unwrap().addresses("id").unwrap_err();
    assert!(matches!(error, LanceError::KeyTooLarge { .. }), "{error}");
}

#[test]
fn many_vectors_come_in_order_whether_stretches_or_single_rows_are_taken() {
    let shelf = shelf(keys(0..70_000));
    shelf.append(keys(70_000..140_000));
    shelf.delete("artwork_id % 5 = 0 AND artwork_id < 90000");
    let dataset = shelf.open();
    let addresses = dataset.addresses("artwork_id").unwrap();
    for every in [1, 3, 50] {
        let wanted: Vec<i64> = (0..140_000).step_by(every).collect();
        let (rows, found): (Vec<u64>, Vec<i64>) = addresses.find(&wanted).into_iter().unzip();
        let mut next = 0;
        let check = |range: std::ops::Range<usize>, vectors: FixedSizeListArray| {
            assert_eq!(range.start, next, "every {every}");
            // As the store rounded it.
            let expected = |key: &i64| f16::from_f64((key * 10) as f64).to_f64() as i64;
            assert!(firsts(&vectors).into_iter().eq(found[range.clone()].iter().map(expected)), "every {every}, {range:?}");
            next = range.end;
            Ok::<(), LanceError>(())
        };
        dataset.vectors(&rows, "embedding", check).unwrap();
        assert_eq!(next, rows.len());
    }
    let beyond = [addresses.get(1).unwrap(), 70_000];
    assert!(dataset.vectors(&beyond, "embedding", |_, _| Ok::<(), LanceError>(())).is_err());
}
