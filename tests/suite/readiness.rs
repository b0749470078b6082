//! Stories of what counts as there: markers, quiet files, gaps, late rows, and when a period is due.

use crate::fixture::*;
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

const MINUTE: i64 = 60_000;

/// A workspace whose feed says more of its source.
fn saying(properties: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.edit("feature_views/feed.kdl", " first=\"2026-02-01\"", &format!(" first=\"2026-02-01\" {properties}"));
    workspace
}

fn mark(workspace: &Workspace, day: usize) {
    fs::write(workspace.feed(day).with_file_name("_SUCCESS"), "").unwrap();
}

/// Gives a file a time, in milliseconds since the epoch.
fn date(path: &Path, millis: i64) {
    File::options().append(true).open(path).unwrap().set_modified(UNIX_EPOCH + Duration::from_millis(millis as u64)).unwrap();
}

fn warnings(built: &Built) -> Vec<&str> {
    built.events.iter().filter(|e| e["event"] == "warned").map(|e| e["message"].as_str().unwrap()).collect()
}

/// What a build's only published skeleton said of itself.
fn metadata(built: &Built) -> &Value {
    let published = built.events.iter().find(|e| e["event"] == "published" && e["action"]["op"] == "skeleton");
    &published.unwrap_or_else(|| panic!("{:?} {}", built.events, built.stderr))["metadata"]
}

#[test]
fn a_day_without_its_marker_is_waited_for_and_absent_as_history() {
    let workspace = saying("ready=\"_SUCCESS\"");
    let target = "ranker@2026-02-03";
    let waiting = workspace.daeda(&["build", target]);
    assert_eq!(waiting.code, 12);
    assert!(waiting.stderr.contains("not ready: no _SUCCESS in data/feed/dt=2026-02-03"), "{}", waiting.stderr);
    assert_eq!(workspace.status("ranker").keys("blocked").len(), DAYS.len());
    mark(&workspace, 2);
    let built = workspace.build(&[target]);
    assert_eq!(built.code, 0, "{:?}", built.errors());
    assert_eq!(metadata(&built)["absent_periods"]["feed"], 2, "the days before are not ready");
    assert!(workspace.build(&[target]).ran().is_empty());
    mark(&workspace, 1);
    let status = workspace.status(target);
    assert_eq!((status.keys("stale"), status.kinds(DAYS[2])), (vec![DAYS[2].to_string()], vec!["listing".into(), "selection".into()]));
    assert_eq!(workspace.build(&[target]).ran(), skeletons("ranker", &[2]));
}

#[test]
fn files_that_have_just_changed_are_waited_for() {
    let workspace = saying("quiet=\"15m\"");
    let now = instant(5, 0);
    (0..DAYS.len()).for_each(|day| date(&workspace.feed(day), now - 60 * MINUTE));
    date(&workspace.feed(2), now - 3 * MINUTE);
    let waiting = workspace.daeda(&["build", "counter@2026-02-03"]);
    assert_eq!(waiting.code, 12);
    let says = "not ready: data/feed/dt=2026-02-03 changed 3 minutes ago, quiet=15m";
    assert!(waiting.stderr.contains(says), "{}", waiting.stderr);
    let keyless = workspace.build(&["counter"]);
    assert_eq!((keyless.code, keyless.ran()), (0, skeletons("counter", &[0, 1, 3, 4])));
    date(&workspace.feed(2), now - 15 * MINUTE);
    assert_eq!(workspace.status("counter").keys("stale"), DAYS[3..].to_vec(), "it has arrived");
    assert_eq!(workspace.build(&["counter"]).ran(), skeletons("counter", &[2, 3, 4]));
    assert_eq!(workspace.status("counter").states().len(), 0);
}

#[test]
fn a_gap_warns_or_blocks_or_is_empty() {
    let target = "counter@2026-02-03";
    let gap = |properties: &str| {
        let workspace = saying(properties);
        fs::remove_dir_all(workspace.path("data/feed/dt=2026-02-02")).unwrap();
        workspace
    };
    let warned = gap("").build(&[target]);
    assert_eq!((warned.code, warnings(&warned).len()), (0, 1));
    assert!(
        warnings(&warned)[0].contains("feature_view/feed: 1 periods within reach are not there")
            && warnings(&warned)[0].contains("2026-02-02")
    );
    assert_eq!(metadata(&warned)["absent_periods"]["feed"], 1);
    let empty = gap("gaps=\"empty\"").build(&[target]);
    assert_eq!((empty.code, warnings(&empty).len()), (0, 0));
    let blocking = gap("gaps=\"block\"");
    let blocked = blocking.daeda(&["build", target]);
    assert_eq!(blocked.code, 12);
    assert!(blocked.stderr.contains("data/feed/dt=2026-02-02") && blocked.stderr.contains("gaps=\"block\""), "{}", blocked.stderr);
    blocking.write_feed(1, &events(1));
    assert_eq!(blocking.build(&[target]).code, 0);
    fs::remove_dir_all(blocking.path("data/feed/dt=2026-02-02")).unwrap();
    assert_eq!(blocking.status(target).keys("orphaned"), [DAYS[2]], "what was built before the gap stands");
    let less = blocking.build(&[target, "--allow-missing"]);
    assert_eq!((less.code, less.ran()), (0, skeletons("counter", &[2])));
    assert_eq!(blocking.status(target).states().len(), 0);
}

#[test]
fn before_the_first_period_there_is_no_gap() {
    let workspace = Workspace::new();
    workspace.edit("feature_views/feed.kdl", "first=\"2026-02-01\"", "first=\"2026-02-03\"");
    fs::remove_dir_all(workspace.path("data/feed/dt=2026-02-02")).unwrap();
    let built = workspace.build(&["counter@2026-02-03"]);
    assert_eq!((built.code, warnings(&built).len()), (0, 0), "{:?}", built.errors());
}

/// One row of the second day lies in the third day's file.
fn with_a_late_row(workspace: &Workspace) {
    workspace.write_feed(2, &[events(2), vec![one_more(1)]].concat());
}

/// Timestamps and counts of a published day.
fn rows(directory: &Path) -> Vec<(i64, i64, i64)> {
    let mut rows = Vec::new();
    for file in data_files(directory) {
        for batch in ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap().build().unwrap() {
            let batch = batch.unwrap();
            let column = |name: &str| batch[name].as_primitive::<Int64Type>().values().to_vec();
            let (users, times, likes) = (column("user_id"), column("event_timestamp"), column("likes_2d"));
            rows.extend((0..batch.num_rows()).map(|i| (users[i], times[i], likes[i])));
        }
    }
    rows
}

#[test]
fn late_rows_are_dropped_and_counted_where_the_view_says_so() {
    let workspace = saying("late=\"drop\"");
    with_a_late_row(&workspace);
    let built = workspace.build(&["counter@2026-02-03"]);
    assert_eq!(built.code, 0, "{:?}", built.errors());
    assert_eq!(metadata(&built)["late_rows"]["feed"], 1);
    assert!(warnings(&built).iter().any(|w| w.contains("1 rows outside")), "{:?}", warnings(&built));
    let plain = Workspace::new();
    assert_eq!(plain.build(&["counter@2026-02-03"]).code, 0);
    assert_eq!(rows(&workspace.published("counter", 2)), rows(&plain.published("counter", 2)));
    workspace.edit("feature_views/feed.kdl", "late=\"drop\"", "");
    assert!(workspace.status("counter@2026-02-03").kinds(DAYS[2]).contains(&"parameter".to_string()));
}

#[test]
fn late_rows_belong_to_their_own_day_where_they_are_allowed() {
    let workspace = saying("late=\"allow\" lateness=\"1d\"");
    with_a_late_row(&workspace);
    let built = workspace.build(&["counter"]);
    assert_eq!((built.code, built.ran().len()), (0, 1 + 4), "{:?}: the fifth day is not due", built.errors());
    let plain = Workspace::new();
    plain.append(1, one_more(1));
    assert_eq!(plain.build(&["counter"]).code, 0);
    for day in 0..4 {
        assert_eq!(rows(&workspace.published("counter", day)), rows(&plain.published("counter", day)), "{day}");
    }
    assert_eq!(workspace.build(&["counter"]).ran(), Vec::<String>::new());
    let named = workspace.daeda(&["build", "counter@2026-02-05"]);
    assert_eq!(named.code, 12);
    let said = |text: &str| named.stderr.contains(text);
    assert!(said("2026-02-06 is not there") || said("due at 2026-02-07T00:00:00Z"), "{}", named.stderr);
    write_parquet(&workspace.path("data/feed/dt=2026-02-06/part-0.parquet"), feed_columns(&events(5)));
    let early = workspace.daeda(&["build", "counter@2026-02-05"]);
    assert!(early.code == 12 && early.stderr.contains("due at 2026-02-07T00:00:00Z"), "{}", early.stderr);
    let later = workspace.command(&["build", "counter"]).env("DAEDA_NOW", "2026-02-07").output().unwrap();
    assert!(later.status.success() && String::from_utf8_lossy(&later.stderr).contains("1 built"), "{later:?}");
}

#[test]
fn what_looks_ahead_is_due_once_that_has_passed() {
    let workspace = Workspace::new();
    let windows = "    windows \"2d\"\n}\naggregation \"liked\"";
    workspace.edit("config/training/aggregations.kdl", windows, &windows.replace("\"2d\"", "\"2d\" direction=\"forward\""));
    let built = workspace.build(&["counter"]);
    assert_eq!((built.code, built.ran().len()), (0, 1 + 3), "{:?}", built.errors());
    let named = workspace.daeda(&["build", "counter@2026-02-05"]);
    assert!(named.code == 12 && named.stderr.contains("due at 2026-02-08T00:00:00Z"), "{}", named.stderr);
}

#[test]
fn a_row_later_than_allowed_is_an_error() {
    let workspace = saying("late=\"allow\" lateness=\"12h\"");
    let too_late = Event { at: Some(instant(1, 11)), ..one_more(1) };
    workspace.write_feed(2, &[events(2), vec![too_late]].concat());
    let built = workspace.build(&["counter@2026-02-02"]);
    assert_eq!(built.code, 1);
    assert!(built.errors()[0].contains("1 rows lie outside") && built.errors()[0].contains("lateness=\"12h\""), "{:?}", built.errors());
}

#[test]
fn what_means_nothing_is_refused_with_the_way_out() {
    let cases = [
        ("feed", "lateness=\"2d\"", "without late=\"allow\""),
        ("feed", "late=\"allow\"", "does not say how late"),
        ("feed", "late=\"allow\" lateness=\"0s\"", "allows nothing"),
        ("feed", "ready=\"part-0.parquet\"", "cannot be the marker"),
        ("artworks", "ready=\"_SUCCESS\"", "this source has none"),
        ("artworks", "quiet=\"15m\"", "this source has none"),
        ("artworks", "gaps=\"block\"", "this source has none"),
        ("artworks", "late=\"drop\"", "this source has none"),
    ];
    for (view, property, says) in cases {
        let workspace = Workspace::new();
        workspace.edit(&format!("feature_views/{view}.kdl"), "format=\"parquet\"", &format!("format=\"parquet\" {property}"));
        let said = workspace.daeda(&["check"]);
        let text = format!("{}{}", said.stdout, said.stderr);
        assert!(said.code == 3 && text.contains(says), "{view} {property}: {text}");
    }
}
