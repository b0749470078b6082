//! What every sample promises, checked on a small one that is read back.

use super::*;
use crate::table::lance::{Dataset, Pin};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Float16Type, Float64Type, Int32Type, Int64Type};
use chrono::NaiveDate;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

const DAY: i64 = 86_400_000;

fn spec() -> SampleSpec {
    SampleSpec { days: 3, users: 300, artworks: 700, events_per_day: 3_000, dim: 16, ..Default::default() }
}

fn silent(_: &str) {}

struct Sample {
    directory: tempfile::TempDir,
    summary: SampleSummary,
}

impl Sample {
    fn new(spec: &SampleSpec) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let summary = write(directory.path(), spec, &mut silent).unwrap();
        Self { directory, summary }
    }

    fn path(&self, table: &str) -> PathBuf {
        self.directory.path().join(table)
    }

    /// Start of the day in milliseconds, and its rows.
    fn days(&self, table: &str) -> Vec<(i64, RecordBatch)> {
        spec().start.iter_days().take(3).map(|date| (epoch(date), read(&self.path(&format!("{table}/dt={date}"))))).collect()
    }

    fn artworks(&self) -> RecordBatch {
        read(&self.path("artworks"))
    }
}

/// One sample for all tests that only look.
static SAMPLE: LazyLock<Sample> = LazyLock::new(|| Sample::new(&spec()));

fn epoch(date: NaiveDate) -> i64 {
    date.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp_millis()
}

fn read(directory: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(directory.join("part-0.parquet")).unwrap()).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn numbers(batch: &RecordBatch, column: &str) -> Vec<i64> {
    batch[column].as_primitive::<Int64Type>().values().to_vec()
}

fn words<'a>(batch: &'a RecordBatch, column: &str) -> Vec<&'a str> {
    batch[column].as_string::<i32>().iter().flatten().collect()
}

/// Contents by path, Lance's directory left out.
fn bytes(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = walkdir::WalkDir::new(directory).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    let parquet = files.filter(|entry| !entry.path().to_string_lossy().contains(".lance"));
    parquet.map(|entry| (entry.path().strip_prefix(directory).unwrap().into(), fs::read(entry.path()).unwrap())).collect()
}

fn vectors(path: &Path) -> (Vec<i64>, Vec<u16>) {
    let dataset = Dataset::open(&path.join("embeddings.lance"), &Pin::Latest).unwrap();
    let (keys, at): (Vec<i64>, Vec<u64>) = dataset.addresses("artwork_id").unwrap().iter().unzip();
    let taken = dataset.take(&at, "embedding").unwrap();
    let bits = taken.values().as_primitive::<Float16Type>().values().iter().map(|value| value.to_bits()).collect();
    (keys, bits)
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let again = Sample::new(&spec());
    assert_eq!(bytes(again.directory.path()), bytes(SAMPLE.directory.path()));
    assert_eq!(vectors(again.directory.path()), vectors(SAMPLE.directory.path()));
    let other = Sample::new(&SampleSpec { seed: 8, ..spec() });
    assert_ne!(bytes(other.directory.path()), bytes(SAMPLE.directory.path()));
}

/// The content for one seed is a promise to whoever compares results across versions.
#[test]
fn the_content_is_pinned() {
    let mut hasher = blake3::Hasher::new();
    for (_, day) in SAMPLE.days("feed") {
        let numbers = numbers(&day, "artwork_id").into_iter().chain(numbers(&day, "event_timestamp"));
        numbers.for_each(|number| _ = hasher.update(&number.to_le_bytes()));
    }
    vectors(SAMPLE.directory.path()).1.iter().for_each(|bits| _ = hasher.update(&bits.to_le_bytes()));
    assert_eq!(&hasher.finalize().to_hex()[..8], "b7b05836");
}

#[test]
fn more_days_leave_the_first_ones_users_alone() {
    let longer = Sample::new(&SampleSpec { days: 4, ..spec() });
    let first = |sample: &Sample| sample.days("user_attributes").remove(0).1;
    assert_eq!(first(&longer), first(&SAMPLE));
}

#[test]
fn the_summary_counts_what_was_written() {
    let rows: BTreeMap<&str, u64> = SAMPLE.summary.tables.iter().map(|table| (table.name, table.rows)).collect();
    let total = |table: &str| SAMPLE.days(table).iter().map(|(_, day)| day.num_rows() as u64).sum::<u64>();
    assert_eq!((rows["feed"], rows["artworks"]), (9_000, 700));
    assert_eq!((rows["feed"], rows["likes"], rows["user_attributes"]), (total("feed"), total("likes"), total("user_attributes")));
    assert_eq!(rows["embeddings.lance"], vectors(SAMPLE.directory.path()).0.len() as u64);
    assert!(SAMPLE.summary.tables.iter().all(|table| table.files > 0 && table.bytes > 0));
}

#[test]
fn events_lie_in_their_day_in_order() {
    for (start, day) in SAMPLE.days("feed") {
        let times = numbers(&day, "event_timestamp");
        assert!(times.is_sorted());
        assert!(times.iter().all(|time| (start..start + DAY).contains(time)));
        assert_eq!(day.num_columns(), 7);
    }
}

#[test]
fn nothing_is_seen_before_it_was_published() {
    let artworks = SAMPLE.artworks();
    let published: HashMap<i64, i64> = numbers(&artworks, "id").into_iter().zip(numbers(&artworks, "published_at")).collect();
    assert_eq!(published.len(), artworks.num_rows());
    let start = epoch(spec().start);
    assert!(published.values().any(|time| *time < start) && published.values().any(|time| *time >= start));
    for (_, day) in SAMPLE.days("feed") {
        let seen = numbers(&day, "artwork_id").into_iter().zip(numbers(&day, "event_timestamp"));
        assert!(seen.into_iter().all(|(artwork, time)| published[&artwork] < time));
    }
}

#[test]
fn properties_are_plausible() {
    let artworks = SAMPLE.artworks();
    let users: HashSet<i64> = numbers(&SAMPLE.days("user_attributes")[0].1, "user_id").into_iter().collect();
    assert!(numbers(&artworks, "author_id").iter().all(|author| users.contains(author)));
    let ratings = artworks["rating"].as_primitive::<Int32Type>().values();
    assert!(ratings.iter().all(|rating| (0..=4).contains(rating)));
    assert!(ratings.iter().filter(|rating| **rating <= 2).count() > 550);
    let tags = artworks["tack_ids"].as_list::<i32>();
    assert!((0..tags.len()).all(|row| (1..=6).contains(&tags.value_length(row))));
    let types: HashSet<&str> = words(&artworks, "model_type").into_iter().collect();
    assert_eq!(types, HashSet::from(["sdxl", "dit", "sd15", "flux"]));
}

#[test]
fn all_kinds_of_events_occur_in_their_shares() {
    for (_, day) in SAMPLE.days("feed") {
        let mut shares: HashMap<&str, f64> = HashMap::new();
        words(&day, "event").into_iter().for_each(|event| *shares.entry(event).or_default() += 1.0 / day.num_rows() as f64);
        let between = |event: &str, low: f64, high: f64| {
            let share = shares.get(event).copied().unwrap_or_default();
            assert!((low..high).contains(&share), "{event}: {share}");
        };
        between("view", 0.75, 0.92);
        between("like", 0.04, 0.15);
        between("dislike_click", 0.01, 0.06);
        between("download", 0.01, 0.05);
        between("share", 0.0005, 0.02);
    }
}

#[test]
fn sessions_are_short_and_of_all_moods() {
    let mut sessions: HashMap<i64, (i64, i64, u32, HashSet<i64>)> = HashMap::new();
    let mut unnumbered = 0;
    for (_, day) in SAMPLE.days("feed") {
        let ids = day["feed_session"].as_primitive::<Int64Type>();
        unnumbered += ids.null_count();
        let (users, times, events) = (numbers(&day, "user_id"), numbers(&day, "event_timestamp"), words(&day, "event"));
        for row in (0..day.num_rows()).filter(|row| ids.is_valid(*row)) {
            let session = sessions.entry(ids.value(row)).or_insert((times[row], times[row], 0, HashSet::new()));
            session.1 = times[row];
            session.2 += u32::from(events[row] == "like");
            session.3.insert(users[row]);
        }
    }
    assert!((100..1_000).contains(&unnumbered), "{unnumbered}");
    assert!(sessions.values().all(|(first, last, _, users)| last - first <= DAY / 48 && users.len() == 1));
    let liking = |wanted: fn(u32) -> bool| sessions.values().filter(|session| wanted(session.2)).count() * 10 > sessions.len();
    assert!(liking(|likes| likes == 0) && liking(|likes| likes == 1) && liking(|likes| likes > 1));
}

#[test]
fn activity_and_popularity_have_long_tails() {
    for (column, most) in [("user_id", 0.3), ("artwork_id", 0.3)] {
        let mut counts: HashMap<i64, usize> = HashMap::new();
        for (_, day) in SAMPLE.days("feed") {
            numbers(&day, column).into_iter().for_each(|id| *counts.entry(id).or_default() += 1);
        }
        let mut counts: Vec<usize> = counts.into_values().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let top: usize = counts[..counts.len() / 10].iter().sum();
        assert!(top as f64 > most * counts.iter().sum::<usize>() as f64, "{column}: {top}");
    }
}

#[test]
fn likes_are_those_of_the_feed() {
    let likes = SAMPLE.days("likes").into_iter();
    for ((_, feed), (_, likes)) in SAMPLE.days("feed").into_iter().zip(likes) {
        let events = words(&feed, "event");
        let liked = |column: &str| {
            let values = numbers(&feed, column).into_iter().zip(&events);
            values.filter(|(_, event)| **event == "like").map(|(value, _)| value).collect::<Vec<_>>()
        };
        assert_eq!(liked("user_id"), numbers(&likes, "user_id"));
        assert_eq!(liked("artwork_id"), numbers(&likes, "artwork_id"));
        assert_eq!(liked("event_timestamp"), numbers(&likes, "liked_at"));
        assert!(likes["weight"].as_primitive::<Float64Type>().values().iter().all(|weight| (1.0..3.0).contains(weight)));
    }
}

#[test]
fn attributes_start_whole_and_change_slowly() {
    let days = SAMPLE.days("user_attributes");
    let (start, first) = &days[0];
    assert_eq!(numbers(first, "user_id").into_iter().collect::<HashSet<_>>().len(), 300);
    assert!(numbers(first, "updated_at").iter().all(|time| time == start));
    assert!(numbers(first, "registered_at").iter().all(|time| time < start));
    for (start, day) in &days[1..] {
        assert!((1..40).contains(&day.num_rows()), "{}", day.num_rows());
        let times = numbers(day, "updated_at");
        assert!(times.is_sorted() && times.iter().all(|time| (*start..start + DAY).contains(time)));
    }
    let known: HashSet<&str> = words(first, "membership").into_iter().collect();
    assert_eq!(known, HashSet::from(["free", "plus", "pro"]));
}

#[test]
fn most_artworks_have_a_unit_vector() {
    let (keys, bits) = vectors(SAMPLE.directory.path());
    let ids: HashSet<i64> = numbers(&SAMPLE.artworks(), "id").into_iter().collect();
    assert!(keys.iter().all(|key| ids.contains(key)));
    assert!((631..700).contains(&keys.len()), "{}", keys.len());
    for vector in bits.chunks(16) {
        let length: f64 = vector.iter().map(|bits| half::f16::from_bits(*bits).to_f64().powi(2)).sum();
        assert!((length - 1.0).abs() < 0.01, "{length}");
    }
}

#[test]
fn files_say_nothing_of_the_librarys_version() {
    let path = SAMPLE.path("artworks/part-0.parquet");
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    assert_eq!(reader.metadata().file_metadata().created_by(), Some("daeda sample"));
}

#[test]
fn a_day_without_changes_has_a_file() {
    let sample = Sample::new(&SampleSpec { users: 1, artworks: 1, events_per_day: 0, ..spec() });
    let days = sample.days("user_attributes");
    assert_eq!(days.iter().map(|(_, day)| day.num_rows()).collect::<Vec<_>>()[0], 1);
    assert!(sample.days("feed").iter().all(|(_, day)| day.num_rows() == 0));
}

#[test]
fn one_user_and_one_artwork_suffice() {
    let sample = Sample::new(&SampleSpec { users: 1, artworks: 1, events_per_day: 50, dim: 1, ..spec() });
    assert_eq!(sample.days("feed")[2].1.num_rows(), 50);
}

#[test]
fn an_earlier_sample_is_replaced_whole() {
    let sample = Sample::new(&SampleSpec { start: NaiveDate::from_ymd_opt(2025, 12, 31).unwrap(), ..spec() });
    write(sample.directory.path(), &spec(), &mut silent).unwrap();
    assert_eq!(bytes(sample.directory.path()).keys().collect::<Vec<_>>(), bytes(SAMPLE.directory.path()).keys().collect::<Vec<_>>());
}

#[test]
fn what_others_wrote_is_refused_and_stays() {
    let directory = tempfile::tempdir().unwrap();
    let precious = directory.path().join("feed/precious.parquet");
    fs::create_dir_all(precious.parent().unwrap()).unwrap();
    fs::write(&precious, "rows").unwrap();
    let error = write(directory.path(), &spec(), &mut silent).unwrap_err();
    assert!(matches!(&error, SampleError::Occupied { path } if path.ends_with("feed")), "{error}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(&precious).unwrap(), "rows");
}

#[test]
fn a_marker_that_cannot_be_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("_sample.json"), "{\"version\": 9").unwrap();
    let error = write(directory.path(), &spec(), &mut silent).unwrap_err();
    assert!(matches!(&error, SampleError::Marker { .. }), "{error}");
}

#[test]
fn impossible_sizes_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let refused = |spec: SampleSpec| write(directory.path(), &spec, &mut silent).unwrap_err().to_string();
    assert!(refused(SampleSpec { users: 0, ..spec() }).contains("--users"));
    assert!(refused(SampleSpec { days: u32::MAX, ..spec() }).contains("--days"));
    assert!(refused(SampleSpec { dim: 1 << 20, ..spec() }).contains("--dim"));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
