//! The enrichment agrees with one in numpy, bit for bit, and the partitions are read alike by pyarrow, DuckDB and Polars.
//!
//! Needs Python with the packages of `tests/python/requirements.txt`: without them it says so, and fails in CI.

use super::in_process;
use chrono::NaiveDate;
use daeda::digest::SCHEME;
use daeda::engine::action::Action;
use daeda::engine::record::{Output, Record, Records};
use daeda::rules::{self, TableRecords};
use daeda::sample::{self, SampleSpec};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const DEFINITIONS: [&str; 4] = ["Daedalus.kdl", "config/training", "feature_views", "feature_services"];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Copies the example's definitions.
fn copy_example(directory: &Path) {
    for name in DEFINITIONS {
        let from = repository().join(name);
        let files: Vec<PathBuf> = match from.is_file() {
            true => vec![from],
            false => fs::read_dir(&from).unwrap().map(|entry| entry.unwrap().path()).collect(),
        };
        for file in files {
            let to = directory.join(file.strip_prefix(repository()).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(&file, to).unwrap();
        }
    }
}

/// Several small shards, so that readers see more than one file.
fn write_small_shards(directory: &Path) {
    let runtime = directory.join("config/training/runtime.kdl");
    let text = fs::read_to_string(&runtime).unwrap().replace("row-group-rows=65536 shard-rows=262144", "row-group-rows=32 shard-rows=80");
    assert!(text.contains("shard-rows=80"));
    fs::write(runtime, text).unwrap();
}

fn spec() -> SampleSpec {
    let start = NaiveDate::from_ymd_opt(2026, 2, 1).unwrap();
    SampleSpec { start, days: 3, users: 30, artworks: 150, events_per_day: 400, dim: 1152, seed: 7 }
}

/// Runs an action where it publishes, with a record, as a build leaves it.
fn published(action: &Action) -> PathBuf {
    let place = action.place.path();
    fs::create_dir_all(&place).unwrap();
    let made = rules::run(action, &place, &|_| {}).unwrap();
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
    };
    TableRecords.write(&place, &record).unwrap();
    place
}

fn has_python_packages() -> bool {
    let imports = "import duckdb, lance, numpy, polars, pyarrow";
    Command::new("python3").args(["-c", imports]).output().is_ok_and(|output| output.status.success())
}

fn python(script: &str, arguments: &[&Path]) {
    let script = repository().join("tests/python").join(script);
    let output = Command::new("python3").arg(&script).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", script.display());
    println!("{said}");
}

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
    let workspace = in_process::open(directory.path()).unwrap();
    let place = |op| published(&in_process::plan(&workspace, &format!("dssm_ranking_training.{op}@2026-02-03")).unwrap());
    let (skeleton, enriched) = (place("skeleton"), place("enrich"));
    assert!(fs::read_dir(&enriched).unwrap().count() > 2, "several shards and a record");
    python("enrich_numpy.py", &[&skeleton, &enriched, &directory.path().join("data/embeddings.lance")]);
    python("readers.py", &[&skeleton, &enriched]);
}
