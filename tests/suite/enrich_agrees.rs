//! The enrichment agrees with one in numpy, bit for bit, and the partitions are read alike by pyarrow, DuckDB and Polars.
//!
//! Needs Python with the packages of `tests/python/requirements.txt`: without them it says so, and fails in CI.

use super::example::{copy_example, edit, repository};
use super::in_process;
use chrono::NaiveDate;
use daeda::engine::action::{Action, Input, Job};
use daeda::engine::disk::SystemDisk;
use daeda::engine::record::{Output, Record, Records, SCHEME};
use daeda::rules::{self, TableRecords};
use daeda::sample::{self, SampleSpec};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Several small shards, so that readers see more than one file.
fn write_small_shards(directory: &Path) {
    edit(&directory.join("config/training/runtime.kdl"), "row-group-rows=65536 shard-rows=262144", "row-group-rows=32 shard-rows=80");
}

/// Artworks without a vector too: looked up in vain, and skipped in pools.
fn allow_absent_vectors(directory: &Path) {
    for file in ["config/training/aggregations.kdl", "feature_services/dssm_ranking.kdl"] {
        edit(&directory.join(file), "require-embedding \"artworks\"", "");
    }
}

fn spec() -> SampleSpec {
    let start = NaiveDate::from_ymd_opt(2026, 2, 1).unwrap();
    SampleSpec { start, days: 3, users: 30, artworks: 150, events_per_day: 400, dim: 1152, seed: 7 }
}

/// Runs an action where it publishes, with a record, as a build leaves it.
fn published(action: &Action, inputs: Vec<Input>) -> PathBuf {
    let place = action.place.path();
    fs::create_dir_all(&place).unwrap();
    let made =
        rules::run(&Job { action: action.clone(), staging: place.clone(), inputs, resolved: serde_json::Value::Null }, &|_| {}).unwrap();
    let record = Record {
        scheme: SCHEME,
        action: action.id.clone(),
        trace: vec![],
        output: Output::new(made.files),
        metadata: made.metadata,
        finished: "2026-02-04T00:00:00Z".into(),
        seconds: 0.0,
        attempts: 1,
        peak_memory: 0,
        cleaned: None,
    };
    TableRecords.write(&place, &record, &SystemDisk).unwrap();
    place
}

fn has_python_packages() -> bool {
    let imports = "import duckdb, lance, numpy, polars, pyarrow";
    Command::new("python3").args(["-c", imports]).output().is_ok_and(|output| output.status.success())
}

/// Runs a script and returns what it says.
fn python(script: &str, arguments: &[&Path]) -> String {
    let script = repository().join("tests/python").join(script);
    let output = Command::new("python3").arg(&script).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", script.display());
    println!("{said}");
    said.into_owned()
}

/// Two days of the example, each both skeleton and enriched; of the second not every artwork has a vector.
#[test]
fn python_agrees_with_the_enrichment_and_reads_it() {
    if !has_python_packages() {
        assert!(std::env::var_os("CI").is_none(), "CI needs the packages of tests/python/requirements.txt");
        println!("skipped: python3 lacks packages of tests/python/requirements.txt");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    copy_example(directory.path());
    write_small_shards(directory.path());
    sample::write(&directory.path().join("data"), &spec(), &mut |_| {}).unwrap();
    let (skeleton, enriched) = built(directory.path(), "2026-02-03");
    assert!(fs::read_dir(&enriched).unwrap().count() > 2, "several shards and a record");
    agree(directory.path(), &skeleton, &enriched);
    allow_absent_vectors(directory.path());
    let (skeleton, enriched) = built(directory.path(), "2026-02-02");
    let said = agree(directory.path(), &skeleton, &enriched);
    assert!(!said.contains("nulls: 0,"), "some artworks have no vector: {said}");
}

fn built(directory: &Path, day: &str) -> (PathBuf, PathBuf) {
    let workspace = in_process::open(directory).unwrap();
    let action = |op| in_process::plan(&workspace, &format!("dssm_ranking_training.{op}@{day}")).unwrap();
    let skeleton = action("skeleton");
    let path = published(&skeleton, vec![]);
    let input = Input { id: skeleton.id, rule: "skeleton".into(), path: path.clone() };
    (path, published(&action("enrich"), vec![input]))
}

fn agree(directory: &Path, skeleton: &Path, enriched: &Path) -> String {
    python("readers.py", &[skeleton, enriched]);
    python("enrich_numpy.py", &[skeleton, enriched, &directory.join("data/embeddings.lance")])
}
