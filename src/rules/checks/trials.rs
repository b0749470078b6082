//! Each kind of check against a reference that has all rows in a list, on random partitions of several files.

use super::*;
use crate::catalog::check::{Condition, Newest, Nulls, Rows, Values};
use crate::catalog::expr::parse;
use crate::catalog::quantity::Duration;
use crate::catalog::types::TimeUnit;
use crate::engine::action::Interval;
use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const END: i64 = 1_769_990_400_000;
const HOUR: i64 = 3_600_000;

/// A row: a key, a label, a score, an instant in milliseconds.
type Row = (Option<i64>, Option<String>, Option<f64>, Option<i64>);

fn row() -> impl Strategy<Value = Row> {
    let label = prop::option::weighted(0.8, prop::sample::select(vec!["a", "b", "c"]).prop_map(String::from));
    let score = prop::option::weighted(0.8, prop_oneof![(-3i32..4).prop_map(f64::from), Just(f64::NAN), Just(-0.0)]);
    let at = prop::option::weighted(0.9, (END - 30 * HOUR)..END);
    (prop::option::weighted(0.9, 0i64..40), label, score, at)
}

/// Rows in files of random lengths.
fn partition() -> impl Strategy<Value = Vec<Vec<Row>>> {
    prop::collection::vec(prop::collection::vec(row(), 0..40), 0..4)
}

fn write(directory: &Path, files: &[Vec<Row>]) -> Vec<PathBuf> {
    let write = |(number, rows): (usize, &Vec<Row>)| {
        let path = directory.join(format!("{number}.parquet"));
        let columns: [(&str, ArrayRef); 4] = [
            ("key", Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.0)))),
            ("label", Arc::new(StringArray::from_iter(rows.iter().map(|row| row.1.as_deref())))),
            ("score", Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.2)))),
            ("at", Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.3)))),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        path
    };
    files.iter().enumerate().map(write).collect()
}

fn spec(change: impl FnOnce(&mut Check)) -> CheckSpec {
    let mut check = Check { name: "c".into(), blocks: true, ..Check::default() };
    change(&mut check);
    CheckSpec { check, earlier: None }
}

/// What one check says of a partition.
fn result(files: &[Vec<Row>], change: impl FnOnce(&mut Check)) -> CheckResult {
    let directory = tempfile::tempdir().unwrap();
    let rows = files.iter().map(Vec::len).sum::<usize>() as u64;
    let period = Some(Interval { start: END - 24 * HOUR, end: END });
    let staging = directory.path().join("staging");
    let staged = Staged { work: 0, ..Staged::of(&staging, period, 1 << 30, write(directory.path(), files), rows) };
    let mut results = results(&[spec(change)], &staged).unwrap();
    assert_eq!(results.len(), 1);
    results.remove(0)
}

fn all(files: &[Vec<Row>]) -> Vec<Row> {
    files.concat()
}

fn values(column: &str, wrong: &str) -> Values {
    Values { column: column.into(), wrong: parse(wrong).unwrap(), expected: "such".into() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn rows(files in partition(), min in 0u64..100, max in 0u64..100) {
        let count = all(&files).len() as u64;
        let found = result(&files, |check| check.rows = Some(Rows { min: Some(min), max: Some(max) }));
        prop_assert_eq!(found.passed, min <= count && count <= max);
    }

    #[test]
    fn nulls(files in partition(), ratio_max in 0.0f64..1.0) {
        let rows = all(&files);
        let nulls = rows.iter().filter(|row| row.1.is_none()).count();
        let found = result(&files, |check| check.nulls = Some(Nulls { column: "label".into(), ratio_max }));
        prop_assert_eq!(found.passed, rows.is_empty() || nulls as f64 / rows.len() as f64 <= ratio_max);
    }

    #[test]
    fn unique(files in partition(), both in any::<bool>()) {
        let mut counts: HashMap<(Option<i64>, Option<String>), u64> = HashMap::new();
        for row in all(&files) {
            *counts.entry((row.0, row.1.filter(|_| both))).or_default() += 1;
        }
        let repeats: u64 = counts.values().map(|count| count - 1).sum();
        let columns = if both { vec!["key".to_string(), "label".into()] } else { vec!["key".to_string()] };
        let found = result(&files, |check| check.unique = columns);
        prop_assert_eq!(&found.value, &json!(repeats));
        prop_assert_eq!(found.passed, repeats == 0);
        prop_assert_eq!(found.detail.is_some_and(|detail| detail.contains("such as")), repeats > 0);
    }

    #[test]
    fn range(files in partition()) {
        // NaN is greater than any number, null passes.
        let wrong = all(&files).iter().filter(|row| row.2.is_some_and(|score| !(-1.0..=2.0).contains(&score))).count();
        let found = result(&files, |check| check.range = Some(values("score", "score < -1.0 OR score > 2.0")));
        prop_assert_eq!(&found.value, &json!(wrong));
        prop_assert_eq!(found.passed, wrong == 0);
    }

    #[test]
    fn accepted(files in partition()) {
        let wrong = all(&files).iter().filter(|row| row.1.as_deref().is_some_and(|label| !["a", "b"].contains(&label))).count();
        let found = result(&files, |check| check.accepted = Some(values("label", "label NOT IN ('a', 'b')")));
        prop_assert_eq!(&found.value, &json!(wrong));
        prop_assert_eq!(found.passed, wrong == 0);
    }

    #[test]
    fn newest(files in partition(), hours in 0i64..30) {
        let newest = all(&files).iter().filter_map(|row| row.3).max();
        let within = Duration { millis: hours * HOUR };
        let found = result(&files, |check| check.newest = Some(Newest { column: "at".into(), unit: Some(TimeUnit::Ms), within }));
        prop_assert_eq!(found.passed, all(&files).is_empty() || newest.is_some_and(|newest| END - newest <= hours * HOUR));
    }

    #[test]
    fn condition(files in partition(), share_min in 0.0f64..1.0, max in 0u64..50) {
        let rows = all(&files);
        let count = rows.iter().filter(|row| row.0.is_some_and(|key| key % 2 == 0)).count();
        let asked = Condition { condition: parse("key % 2 = 0").unwrap(), rows: Rows { min: None, max: Some(max) }, share_min: Some(share_min), share_max: None };
        let found = result(&files, |check| check.condition = Some(asked));
        let enough = rows.is_empty() || count as f64 / rows.len() as f64 >= share_min;
        prop_assert_eq!(found.passed, enough && count as u64 <= max);
    }

    #[test]
    fn medians(numbers in prop::collection::vec(0u64..1000, 1..20)) {
        let median = median::median(&numbers).unwrap();
        let below = numbers.iter().filter(|number| (**number as f64) < median).count();
        let above = numbers.iter().filter(|number| (**number as f64) > median).count();
        prop_assert!(below * 2 <= numbers.len() && above * 2 <= numbers.len(), "{} {:?}", median, numbers);
    }
}

#[test]
fn a_constant_condition_holds_of_all_rows_or_of_none() {
    let file = vec![vec![(Some(1), None, None, None), (Some(2), None, None, None)]];
    let asked = |text: &str| Condition {
        condition: parse(text).unwrap(),
        rows: Rows { min: Some(2), max: None },
        share_min: None,
        share_max: None,
    };
    assert!(result(&file, |check| check.condition = Some(asked("1 = 1"))).passed);
    assert!(!result(&file, |check| check.condition = Some(asked("1 = 2"))).passed);
}

#[test]
fn without_partitions_before_there_is_no_median() {
    assert_eq!(median::median(&[]), None);
    assert_eq!(median::median(&[4, 1, 9, 2]), Some(3.0));
}

#[test]
fn a_column_that_is_not_there_is_named_with_its_check() {
    let directory = tempfile::tempdir().unwrap();
    let files = write(directory.path(), &[vec![(Some(1), None, None, None)]]);
    let staging = directory.path().join("staging");
    let staged = Staged::of(&staging, None, 1 << 30, files, 1);
    let failure = results(&[spec(|check| check.unique = vec!["id".into()])], &staged).unwrap_err();
    assert_eq!(failure.message, "check `c`: the output has no column `id`");
}

#[test]
fn an_error_blocks_a_warning_warns_and_both_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let staging = directory.path().join("staging");
    let staged = Staged::of(&staging, None, 1 << 30, vec![], 0);
    let told = std::sync::Mutex::new(Vec::new());
    let tell = |progress| told.lock().unwrap().push(progress);
    let rows = |blocks| {
        let mut spec = spec(|check| check.rows = Some(Rows { min: Some(1), max: None }));
        spec.check.blocks = blocks;
        spec
    };
    let mut made = Made::default();
    assert!(judge(&[rows(false)], &staged, &mut made, &tell).is_ok());
    assert_eq!((made.warnings.len(), made.metadata["checks"][0]["passed"].clone()), (1, json!(false)));
    let failure = judge(&[rows(true)], &staged, &mut Made::default(), &tell).unwrap_err();
    assert!(
        failure.message.starts_with("check `c` failed: 0 rows, and at least 1 are expected; nothing was published"),
        "{}",
        failure.message
    );
    assert_eq!(told.into_inner().unwrap().len(), 2);
}

#[test]
fn every_kind_has_a_name_of_its_own() {
    let names: BTreeSet<&str> = REGISTRY.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), REGISTRY.len());
    let nothing = spec(|_| {});
    let directory = tempfile::tempdir().unwrap();
    let staging = directory.path().join("staging");
    let staged = Staged::of(&staging, None, 1 << 30, vec![], 0);
    assert!(REGISTRY.iter().all(|kind| kind.begin(&nothing, &staged).is_none()), "a check that asks nothing of a kind begins none");
}
