//! Records of other schemes: those of the first one are upgraded as they are read, those of a newer one are left alone.
//!
//! `tests/fixtures/scheme-1` holds what the first scheme recorded of the data in this workspace. What the manifest says (rules, parameters)
//! and what was published is of today, so that a new version of a rule or another writer does not disturb what is tested here.

use crate::fixture::*;
use daeda::table::parquet::{note, read_note, schema_of};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Some of the partitions, so that there are records of both schemes.
const RECORDED: [(&str, usize); 5] = [("ranker", 0), ("ranker", 2), ("counter", 0), ("counter", 2), ("counter", 4)];

fn record_file(workspace: &Workspace, asset: &str, day: usize) -> PathBuf {
    workspace.published(asset, day).join("_daeda.parquet")
}

fn edit_record(file: &Path, edit: impl FnOnce(&mut Value)) {
    let mut record: Value = serde_json::from_str(&read_note(file, "daeda.record").unwrap().unwrap()).unwrap();
    edit(&mut record);
    let schema = schema_of(file).unwrap();
    fs::write(file, note(file, schema, "daeda.record", &record.to_string()).unwrap()).unwrap();
}

/// A built workspace, some of whose records are of the first scheme.
fn with_old_records() -> Workspace {
    let workspace = Workspace::built();
    for (asset, day) in RECORDED {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/scheme-1/{asset}@{}.json", DAYS[day]));
        let old: Value = serde_json::from_str(&fs::read_to_string(fixture).unwrap()).unwrap();
        edit_record(&record_file(&workspace, asset, day), |record| {
            assert_eq!(record["action"], old["action"]);
            record["scheme"] = old["scheme"].clone();
            let trace = record["trace"].as_array_mut().unwrap();
            trace.retain(|o| o["kind"] == "rule" || o["kind"] == "parameter");
            trace.extend(old["trace"].as_array().unwrap().iter().cloned());
        });
    }
    workspace
}

#[test]
fn what_the_first_scheme_recorded_is_fresh_and_stays_as_it_is() {
    let workspace = with_old_records();
    let before = tree(&workspace.path("data"));
    workspace.assert_fresh();
    let built = workspace.build(&["everything"]);
    assert_eq!((built.code, built.ran()), (0, vec![]));
    assert_eq!(tree(&workspace.path("data")), before, "no record is rewritten");
    fs::remove_dir_all(workspace.path(".daeda")).unwrap();
    workspace.assert_fresh();
}

#[test]
fn what_has_changed_since_is_named_by_period() {
    let workspace = with_old_records();
    workspace.append(1, one_more(1));
    let status = workspace.status("ranker");
    assert_eq!(status.keys("stale"), [DAYS[1], DAYS[2], DAYS[3]]);
    let reasons = status.reasons(DAYS[2]);
    assert!(reasons.iter().all(|r| r["kind"] == "selection" && r["name"] == "feature_view/feed@2026-02-02"), "{reasons:?}");
    assert!(reasons.iter().any(|r| r["detail"] == "where event = 'like'" && r["old"] != r["new"] && r["old"].is_string()), "{reasons:?}");
    assert_eq!(workspace.status("counter").keys("stale"), [DAYS[1], DAYS[2], DAYS[3]]);
    let built = workspace.build(&["ranker"]);
    assert_eq!((built.code, built.ran()), (0, skeletons("ranker", &[1, 2, 3])));
    edit_record(&record_file(&workspace, "ranker", 2), |record| assert_eq!(record["scheme"], 2));
}

#[test]
fn a_file_that_was_renamed_or_removed_since_is_seen() {
    let workspace = with_old_records();
    fs::rename(workspace.feed(1), workspace.feed(1).with_file_name("part-1.parquet")).unwrap();
    let reasons = workspace.status("ranker").reasons(DAYS[2]);
    let listing = reasons.iter().find(|r| r["kind"] == "listing").unwrap();
    let said = ["detail", "old", "new"].map(|field| listing[field].as_str().unwrap_or_default());
    assert_eq!(said, ["2026-02-02", "part-0.parquet", "part-1.parquet"]);
    fs::remove_dir_all(workspace.feed(1).parent().unwrap()).unwrap();
    assert_eq!(workspace.status("ranker").states()[DAYS[2]], "orphaned");
}

#[test]
fn what_a_newer_version_has_written_is_left_alone() {
    let workspace = Workspace::built();
    let file = record_file(&workspace, "ranker", 2);
    edit_record(&file, |record| {
        record["scheme"] = 99.into();
        record["trace"] = "something that this version cannot read".into();
    });
    let before = fs::read(&file).unwrap();
    let status = workspace.status("ranker");
    assert_eq!(status.states()[DAYS[2]], "failed");
    assert!(status.reasons(DAYS[2])[0]["detail"].as_str().unwrap().contains("written by a newer daeda"));
    for args in [&["ranker"][..], &["ranker@2026-02-03", "--force"], &["ranker", "--retry-failed"]] {
        let built = workspace.build(args);
        assert_eq!(built.code, 1, "{args:?}");
        assert!(built.errors().iter().any(|e| e.contains("written by a newer daeda")), "{:?}", built.errors());
        assert_eq!(fs::read(&file).unwrap(), before);
    }
}
