//! Stories of what is rebuilt, what is not, and why.
//!
//! Invariant: states and reasons come from `status --format json`, what ran from the events of `build --format json`.

use crate::fixture::*;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The keys of days, as `status` has them.
fn keys(days: &[usize]) -> Vec<String> {
    days.iter().map(|d| DAYS[*d].to_string()).collect()
}

/// Gives a file another modification time.
fn touch(path: &Path, time: SystemTime) {
    File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

#[test]
fn a_second_build_has_nothing_to_do() {
    let workspace = Workspace::new();
    let first = workspace.build(&["everything"]);
    assert_eq!((first.code, first.finished()["built"].as_u64()), (0, Some(12)), "{}", first.stderr);
    let second = workspace.build(&["everything"]);
    assert_eq!((second.code, second.ran()), (0, vec![]));
    assert_eq!(second.finished()["fresh"], 12);
    let told = workspace.daeda(&["build", "everything"]);
    assert!(told.code == 0 && told.stderr.contains("nothing to do"), "{}", told.stderr);
}

#[test]
fn one_more_row_reaches_as_far_as_the_longest_window() {
    let workspace = Workspace::built();
    workspace.append(1, one_more(1));
    let status = workspace.status("ranker");
    assert_eq!(status.keys("stale"), keys(&[1, 2, 3]));
    assert_eq!(status.states().len(), 3, "the others are fresh");
    for key in keys(&[1, 2, 3]) {
        let reasons = status.reasons(&key);
        assert!(reasons.iter().all(|r| r["kind"] == "columns" && r["name"] == "feature_view/feed@2026-02-02"), "{reasons:?}");
        assert!(reasons.iter().any(|r| r["detail"] == "event_timestamp" && r["old"] != r["new"]), "{reasons:?}");
    }
    let built = workspace.build(&["ranker"]);
    assert_eq!((built.code, built.ran()), (0, skeletons("ranker", &[1, 2, 3])));
    assert_eq!(workspace.status("ranker").states().len(), 0);
}

#[test]
fn a_change_nobody_reads_makes_nothing_stale() {
    let workspace = Workspace::built();
    let (feed, artworks) = (workspace.feed(1), workspace.path("data/artworks/artworks.parquet"));
    touch(&feed, SystemTime::now() + Duration::from_secs(3));
    workspace.assert_fresh();
    let copy = workspace.path("data/artworks/copy.tmp");
    fs::copy(&artworks, &copy).unwrap();
    fs::rename(&copy, &artworks).unwrap();
    workspace.assert_fresh();
    workspace.write_feed(2, &events(2));
    workspace.add_column(3);
    workspace.assert_fresh();
    assert_eq!(workspace.build(&["everything"]).ran(), Vec::<String>::new());
}

#[test]
fn how_a_manifest_is_written_makes_nothing_stale() {
    let workspace = Workspace::built();
    workspace.edit("Daedalus.kdl", "\"Counts alone\"", "\"Only counts\"");
    workspace.edit("feature_views/feed.kdl", "    description \"Views and likes\"\n", "    // no description any more\n");
    workspace.edit("feature_views/artworks.kdl", "entity \"artwork\"", "entity   \"artwork\"  // spaces");
    let text = workspace.read("config/training/aggregations.kdl");
    let second = text.find("aggregation \"liked\"").unwrap();
    workspace.write("config/training/aggregations.kdl", &format!("{}{}", &text[second..], &text[..second]));
    let manifest = workspace.read("Daedalus.kdl");
    let (ranker, counter) = (manifest.find("asset \"ranker\"").unwrap(), manifest.find("asset \"counter\"").unwrap());
    let job = manifest.find("job ").unwrap();
    let parts = [&manifest[..ranker], &manifest[counter..job], &manifest[ranker..counter], &manifest[job..]];
    workspace.write("Daedalus.kdl", &parts.concat());
    workspace.edit("feature_services/ranking.kdl", "rolling \"likes\" \"liked\"", "rolling \"likes\"\n    rolling \"liked\"");
    workspace.assert_fresh();
}

#[test]
fn caches_and_history_can_be_deleted() {
    let workspace = Workspace::built();
    fs::remove_dir_all(workspace.path(".daeda")).unwrap();
    workspace.assert_fresh();
    fs::create_dir_all(workspace.path(".daeda/cache")).unwrap();
    for garbage in ["", "{", "{\"format\":99,\"scheme\":1,\"files\":{}}"] {
        workspace.write(".daeda/cache/columns", garbage);
        workspace.assert_fresh();
    }
    fs::remove_dir_all(workspace.path(".daeda")).unwrap();
    assert_eq!(workspace.build(&["everything"]).ran(), Vec::<String>::new());
}

#[test]
fn a_changed_k_is_named_with_both_values_and_reaches_its_users_only() {
    let workspace = Workspace::built();
    workspace.edit("config/training/aggregations.kdl", "k=4", "k=3");
    let status = workspace.status("ranker");
    assert_eq!(status.keys("stale").len(), 1 + DAYS.len(), "every day, and the compiled service");
    let reasons = status.reasons(DAYS[2]);
    let [reason] = reasons.as_slice() else { panic!("one reason: {reasons:?}") };
    let name = reason["name"].as_str().unwrap();
    assert!(reason["kind"] == "parameter" && name.contains("liked") && name.ends_with('k'), "{reason}");
    assert_eq!((reason["old"].as_str(), reason["new"].as_str()), (Some("4"), Some("3")));
    assert_eq!(workspace.status("counter").states().len(), 0, "the other service does not use it");
    assert_eq!(workspace.build(&["everything@2026-02-03"]).ran(), ["ranker.compile", "ranker.skeleton@2026-02-03"]);
}

#[test]
fn an_upstream_that_comes_to_the_same_result_stops_the_rebuild_there() {
    let workspace = Workspace::with_embeddings();
    let first = workspace.build(&["embedder@2026-02-03"]);
    assert_eq!(first.ran(), ["embedder.compile", "embedder.enrich@2026-02-03", "embedder.skeleton@2026-02-03"], "{}", first.stderr);
    assert_eq!(first.code, 0, "{:?}", first.errors());
    workspace.edit("feature_services/vectors.kdl", "event IN ('view', 'like')", "event = 'view' OR event = 'like'");
    let plan = workspace.daeda(&["build", "-n", "embedder@2026-02-03"]).stdout;
    assert!(plan.contains("will run: embedder.skeleton@2026-02-03") && plan.contains("may run: embedder.enrich@2026-02-03"), "{plan}");
    let second = workspace.build(&["embedder@2026-02-03"]);
    assert_eq!(second.ran(), ["embedder.compile", "embedder.skeleton@2026-02-03"]);
    assert_eq!(workspace.build(&["embedder@2026-02-03"]).ran(), Vec::<String>::new());
}

#[test]
fn an_output_that_is_gone_or_edited_is_made_again() {
    let workspace = Workspace::built();
    fs::remove_dir_all(workspace.published("ranker", 0)).unwrap();
    fs::remove_file(workspace.shard("ranker", 1)).unwrap();
    fs::write(workspace.shard("ranker", 2), "edited by hand").unwrap();
    fs::remove_file(workspace.published("ranker", 3).join("_daeda.parquet")).unwrap();
    fs::write(workspace.published("ranker", 4).join("_daeda.parquet"), "garbage").unwrap();
    let status = workspace.status("ranker");
    assert_eq!(status.keys("missing"), keys(&[0, 3, 4]));
    assert_eq!(status.keys("stale"), keys(&[1, 2]));
    for (day, word) in [(1, "removed"), (2, "output modified")] {
        let reasons = status.reasons(DAYS[day]);
        let says = |r: &&serde_json::Value| r["kind"] == "output" && r.to_string().contains(word);
        assert_eq!(reasons.iter().filter(says).count(), 1, "{reasons:?}");
    }
    assert_eq!(workspace.build(&["ranker"]).ran(), skeletons("ranker", &[0, 1, 2, 3, 4]));
    workspace.assert_fresh();
}

#[test]
fn a_record_of_another_partition_is_not_trusted() {
    let workspace = Workspace::built();
    fs::remove_dir_all(workspace.published("ranker", 3)).unwrap();
    fs::rename(workspace.published("ranker", 4), workspace.published("ranker", 3)).unwrap();
    assert_eq!(workspace.status("ranker").keys("missing"), keys(&[3, 4]));
}

#[test]
fn an_edit_that_hides_its_time_is_found_by_verify() {
    let workspace = Workspace::built();
    let shard = workspace.shard("ranker", 2);
    let (time, mut bytes) = (modified(&shard), fs::read(&shard).unwrap());
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&shard, bytes).unwrap();
    touch(&shard, time);
    workspace.assert_fresh();
    let seen = workspace.daeda(&["status", "ranker", "--verify", "--format", "json"]).json();
    assert_eq!(seen["assets"][0]["counts"]["stale"], 1);
    assert_eq!(workspace.build(&["ranker", "--verify"]).ran(), skeletons("ranker", &[2]));
    assert_eq!(workspace.daeda(&["status", "ranker", "--verify", "--exit-code"]).code, 0);
}

#[test]
fn files_that_come_go_or_are_renamed_are_reasons_of_the_listing() {
    let workspace = Workspace::built();
    let part = |day: usize, name: &str| workspace.feed(day).with_file_name(name);
    let is_listing = |key: &str| {
        let status = workspace.status("ranker");
        assert!(status.keys("stale").contains(&key.to_string()), "{}", status.asset);
        let reasons = status.reasons(key);
        let named = |r: &&serde_json::Value| r["kind"] == "listing" && r["name"] == "feature_view/feed";
        assert!(reasons.iter().filter(named).any(|r| r["detail"] == DAYS[3]), "{reasons:?}");
    };
    fs::rename(workspace.feed(3), part(3, "part-9.parquet")).unwrap();
    is_listing(DAYS[4]);
    fs::rename(part(3, "part-9.parquet"), workspace.feed(3)).unwrap();
    workspace.assert_fresh();
    write_parquet(&part(3, "part-1.parquet"), feed_columns(&[one_more(3)]));
    is_listing(DAYS[4]);
    is_listing(DAYS[3]);
    assert_eq!(workspace.build(&["ranker"]).ran(), skeletons("ranker", &[3, 4]));
    fs::remove_file(part(3, "part-1.parquet")).unwrap();
    is_listing(DAYS[4]);
    assert_eq!(workspace.build(&["ranker"]).code, 0);
    workspace.status("counter");
}

#[test]
fn history_that_goes_and_comes_is_seen_by_the_days_that_reach_it() {
    let workspace = Workspace::built();
    let (day, aside) = (workspace.path("data/feed/dt=2026-02-02"), workspace.path("aside"));
    fs::rename(&day, &aside).unwrap();
    let status = workspace.status("ranker");
    assert_eq!(status.states()[DAYS[1]], "orphaned", "its own period is required, and what was made from it stands");
    for key in keys(&[2, 3]) {
        assert!(status.kinds(&key).contains(&"listing".to_string()), "{}", status.asset);
    }
    assert!(!status.states().contains_key(DAYS[4]), "beyond the window");
    fs::rename(&aside, &day).unwrap();
    workspace.assert_fresh();
}

#[test]
fn what_was_made_from_more_stands_unless_asked() {
    let workspace = Workspace::built();
    fs::remove_dir_all(workspace.path("data/feed/dt=2026-02-01")).unwrap();
    let status = workspace.status("ranker");
    assert_eq!(status.keys("orphaned"), keys(&[0, 1, 2]), "it is, or their windows reach, the day that vanished");
    assert!(status.kinds(DAYS[1]).contains(&"listing".to_string()));
    let later = format!("ranker@{}..{}", DAYS[1], DAYS[2]);
    assert_eq!(workspace.build(&[&later]).ran(), Vec::<String>::new());
    assert_eq!(workspace.build(&[&later, "--force"]).ran(), ["ranker.compile"], "the partitions stand, forced or not");
    assert_eq!(workspace.build(&[&later, "--allow-missing"]).ran(), skeletons("ranker", &[1, 2]));
    assert_eq!(workspace.status("ranker").keys("orphaned"), keys(&[0]), "nothing is left to build it from");
}

#[test]
fn what_waits_for_its_input_is_counted_and_only_a_named_one_is_a_failure() {
    let workspace = Workspace::new();
    fs::remove_dir_all(workspace.path("data/feed/dt=2026-02-03")).unwrap();
    let keyless = workspace.build(&["ranker"]);
    assert_eq!((keyless.code, keyless.finished()["blocked"].as_u64()), (0, Some(1)));
    assert_eq!(keyless.ran().len(), 5, "compile and four days");
    let named = workspace.build(&["ranker@2026-02-03"]);
    assert_eq!((named.code, named.ran()), (12, vec![]));
    let told = workspace.daeda(&["build", "ranker@2026-02-03"]);
    assert_eq!(told.code, 12);
    assert!(told.stderr.contains("data/feed/dt=2026-02-03"), "{}", told.stderr);
    workspace.write_feed(2, &events(2));
    assert_eq!(workspace.build(&["ranker@2026-02-03"]).ran(), skeletons("ranker", &[2]));
    assert_eq!(workspace.status("ranker").keys("stale"), keys(&[3, 4]), "they were built without that day");
}

#[test]
fn a_row_outside_its_day_is_an_error_that_is_remembered_until_it_is_mended() {
    let workspace = Workspace::built();
    let mut rows = events(2);
    rows[3].at = Some(instant(3, 1));
    rows[7].at = Some(instant(1, 1));
    workspace.write_feed(2, &rows);
    let target = "ranker@2026-02-03";
    let first = workspace.build(&[target]);
    assert_eq!((first.code, first.ran()), (1, skeletons("ranker", &[2])));
    let error = first.errors()[0].to_string();
    for part in ["`feed`", "data/feed/dt=2026-02-03/part-0.parquet", "`event_timestamp`", "2 rows", "row 3"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    let again = workspace.build(&[target]);
    assert_eq!((again.code, again.ran()), (1, vec![]));
    assert!(again.errors()[0].contains(&error), "it still says why");
    let status = workspace.status(target);
    assert_eq!(status.states()[DAYS[2]], "failed");
    assert!(status.kinds(DAYS[2]).contains(&"failed".to_string()));
    assert_eq!(workspace.build(&[target, "--retry-failed"]).ran(), skeletons("ranker", &[2]));
    fs::remove_dir_all(workspace.path(".daeda")).unwrap();
    assert_eq!(workspace.build(&[target]).ran(), skeletons("ranker", &[2]), "deleting the history forgets it");
    workspace.write_feed(2, &events(2));
    assert_eq!(workspace.build(&[target]).code, 0);
    workspace.assert_fresh();
}

#[test]
fn unfit_files_are_clear_errors() {
    let workspace = Workspace::built();
    let error = |what: &str| {
        let built = workspace.build(&["ranker@2026-02-01"]);
        assert_eq!(built.code, 1, "{what}: {}", built.stderr);
        let error = built.errors()[0].to_string();
        assert!(error.contains("dt=2026-02-01/part-0.parquet"), "{what}: {error}");
        error
    };
    let columns = || feed_columns(&events(0));
    write_parquet(&workspace.feed(0), columns().into_iter().filter(|(name, _)| *name != "event").collect());
    assert!(error("a column is missing").contains("`event`"));
    let mut wrong = columns();
    wrong[0].1 = wrong[2].1.clone();
    write_parquet(&workspace.feed(0), wrong);
    let said = error("a column of another type");
    assert!(said.contains("user_id") && said.to_lowercase().contains("int64"), "{said}");
    let mut rows = events(0);
    rows[5].at = None;
    workspace.write_feed(0, &rows);
    assert!(error("no timestamp").contains("row 5"));
    workspace.write_feed(0, &events(0));
    let bytes = fs::read(workspace.feed(0)).unwrap();
    fs::write(workspace.feed(0), &bytes[..bytes.len() / 2]).unwrap();
    error("truncated");
    fs::write(workspace.feed(0), "").unwrap();
    error("empty");
    workspace.write_feed(0, &events(0));
    workspace.assert_fresh();
}

#[test]
fn a_key_with_two_latest_rows_is_named() {
    let workspace = Workspace::built();
    let mut rows = artworks();
    rows.push((2, 777, rows[1].2));
    write_parquet(&workspace.path("data/artworks/artworks.parquet"), artwork_columns(&rows));
    let built = workspace.build(&["ranker@2026-02-01"]);
    assert_eq!(built.code, 1);
    let error = built.errors()[0];
    assert!(error.contains("`artworks`") && error.contains("such as 2 at"), "{error}");
}

#[test]
fn a_failure_ends_the_build_unless_told_to_keep_going() {
    let workspace = Workspace::new();
    let mut rows = events(0);
    rows[0].at = None;
    workspace.write_feed(0, &rows);
    let stopped = workspace.build(&["ranker", "-j", "1"]);
    assert_eq!((stopped.code, stopped.finished()["failed"].as_u64(), stopped.finished()["skipped"].as_u64()), (1, Some(1), Some(4)));
    assert_eq!(stopped.actions("skipped"), skeletons("ranker", &[1, 2, 3, 4]));
    let went_on = workspace.build(&["ranker", "-k", "--retry-failed"]);
    assert_eq!(went_on.code, 1);
    // The second and third day reach back into the broken file.
    assert_eq!(went_on.actions("failed"), skeletons("ranker", &[0, 1, 2]));
    assert_eq!(went_on.actions("published"), skeletons("ranker", &[3, 4]));
}

#[test]
fn an_embedding_dataset_that_is_not_there_is_waited_for() {
    let workspace = Workspace::with_embeddings();
    let (store, aside) = (workspace.path("data/vectors.lance"), workspace.path("aside"));
    fs::rename(&store, &aside).unwrap();
    let waiting = workspace.daeda(&["build", "embedder@2026-02-03"]);
    assert_eq!(waiting.code, 12, "{}", waiting.stderr);
    assert!(waiting.stderr.contains("data/vectors.lance"), "{}", waiting.stderr);
    assert_eq!(workspace.status("embedder@2026-02-03").states()[DAYS[2]], "blocked");
    fs::rename(&aside, &store).unwrap();
    assert_eq!(workspace.build(&["embedder@2026-02-03"]).ran(), ["embedder.enrich@2026-02-03"]);
}

#[test]
fn another_output_root_is_another_set_of_outputs() {
    let workspace = Workspace::built();
    let elsewhere = ["ranker@2026-02-01", "--set", "output-root=data/elsewhere"];
    assert_eq!(workspace.build(&elsewhere).ran(), ["ranker.compile", "ranker.skeleton@2026-02-01"]);
    assert!(workspace.path("data/elsewhere/ranker/dt=2026-02-01/_daeda.parquet").exists());
    assert_eq!(workspace.build(&elsewhere).ran(), Vec::<String>::new());
    workspace.assert_fresh();
}
