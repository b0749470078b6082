//! What is rebuilt, what is not, and why, where it takes code to tell; the rest is told in `tests/scenarios/`.
//!
//! Invariant: states and reasons come from `status --format json`, what ran from the events of `build --format json`.

use crate::fixture::*;
use std::fs;

/// The keys of days, as `status` has them.
fn keys(days: &[usize]) -> Vec<String> {
    days.iter().map(|d| DAYS[*d].to_string()).collect()
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
