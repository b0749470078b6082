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
    SampleSpec { start, days: 3, users: 30, artworks: 150, events_per_day: 400, dim: 1152, seed: 7, hourly: vec![] }
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

fn is_skipped() -> bool {
    let skipped = !has_python_packages();
    if skipped {
        assert!(std::env::var_os("CI").is_none(), "CI needs the packages of tests/python/requirements.txt");
        println!("skipped: python3 lacks packages of tests/python/requirements.txt");
    }
    skipped
}

/// Two days of the example, each both skeleton and enriched; of the second not every artwork has a vector.
#[test]
fn python_agrees_with_the_enrichment_and_reads_it() {
    if is_skipped() {
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

/// Further pools of the same lists: every function, and float32 on request.
const POOLS: [(&str, &str, &str); 4] = [
    ("like_sum", "sum", "float16"),
    ("like_max", "max", "float16"),
    ("like_mean_wide", "mean", "float32"),
    ("dislike_mean", "mean", "float64"),
];

fn pool_more(directory: &Path) {
    let (aggregations, service) = (directory.join("config/training/aggregations.kdl"), directory.join("feature_services/dssm_ranking.kdl"));
    let over = |name: &str| if name == "dislike_mean" { "dislike_artwork_ids" } else { "like_artwork_ids_7d" };
    let embedding =
        |(name, pool, _): &(&str, &str, &str)| format!("embedding \"{name}\" store=\"artworks\" pool=\"{pool}\" over=\"{}\"\n", over(name));
    let text = fs::read_to_string(&aggregations).unwrap() + &POOLS.iter().map(embedding).collect::<String>();
    fs::write(&aggregations, text).unwrap();
    let names: String = POOLS.iter().map(|(name, _, _)| format!(" \"{name}\"")).collect();
    edit(&service, "embed \"image_embedding\"", &format!("embed{names} \"image_embedding\""));
    let columns: String =
        POOLS.iter().map(|(name, _, element)| format!("        {name} \"vector<{element}, 1152>\" nullable=#true\n")).collect();
    edit(&service, "        image_embedding \"vector", &format!("{columns}        image_embedding \"vector"));
    // A user who liked nothing has an empty list of likes, and none of dislikes.
    edit(&service, "dislike_artwork_ids \"list<int64>\" default=\"[]\"", "dislike_artwork_ids \"list<int64>\" nullable=#true");
}

/// `DAEDA_ROWS` asks for more events a day than the few of every run.
#[test]
fn every_pool_has_the_bits_of_numpy() {
    if is_skipped() {
        return;
    }
    let rows = std::env::var("DAEDA_ROWS").ok().map_or(1500, |rows| rows.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    copy_example(directory.path());
    edit(
        &directory.path().join("config/training/runtime.kdl"),
        "row-group-rows=65536 shard-rows=262144",
        "row-group-rows=512 shard-rows=4096",
    );
    allow_absent_vectors(directory.path());
    pool_more(directory.path());
    let sample = SampleSpec { users: 40 + rows / 100, artworks: 300 + rows / 10, events_per_day: rows, ..spec() };
    sample::write(&directory.path().join("data"), &sample, &mut |_| {}).unwrap();
    let (skeleton, enriched) = built(directory.path(), "2026-02-02");
    let place = directory.path().join("data/embeddings.lance");
    let mut arguments: Vec<PathBuf> = vec![skeleton, enriched, place, "image_embedding=lookup:artwork_id".into()];
    arguments.push("like_artwork_avg_embeds=mean:like_artwork_ids_7d".into());
    for (name, pool, _) in POOLS {
        let over = if name == "dislike_mean" { "dislike_artwork_ids" } else { "like_artwork_ids_7d" };
        arguments.push(format!("{name}={pool}:{over}").into());
    }
    let arguments: Vec<&Path> = arguments.iter().map(PathBuf::as_path).collect();
    let said = python("enrich_exact.py", &arguments);
    assert_eq!(said.matches("rows agree").count(), 6, "{said}");
}
