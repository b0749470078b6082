//! Stores and static views that grow and are rewritten: what was built of other rows stays fresh, and what was not says which keys.
//!
//! All five artworks of the feed are looked up on every day; four of them have a vector and an author.

use crate::fixture::*;
use crate::in_process;
use ::lance::Dataset;
use ::lance::dataset::optimize::compact_files;
use ::lance::index::DatasetIndexExt;
use ::lance::index::vector::VectorIndexParams;
use arrow::array::{ArrayRef, FixedSizeListArray, Float16Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field};
use daeda::engine::action::Job;
use daeda::engine::world::{Detail, Look, World};
use daeda::rules::{self, TableWorld};
use daeda::table::lance::{self, WriteMode};
use half::f16;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

const TARGET: &str = "embedder@2026-02-03";

fn built() -> Workspace {
    let workspace = Workspace::with_embeddings();
    let built = workspace.build(&["embedder"]);
    assert_eq!((built.code, built.errors()), (0, vec![]), "{}", built.stderr);
    workspace
}

fn store(workspace: &Workspace) -> PathBuf {
    workspace.path("data/vectors.lance")
}

fn append(workspace: &Workspace, key: i64, value: f32) {
    let field = Arc::new(Field::new("item", DataType::Float16, true));
    let items = Arc::new(Float16Array::from(vec![f16::from_f32(value); 4]));
    let vectors: ArrayRef = Arc::new(FixedSizeListArray::new(field, 4, items, None));
    let keys: ArrayRef = Arc::new(Int64Array::from(vec![key]));
    let batch = RecordBatch::try_from_iter([("artwork_id", keys), ("embedding", vectors)]).unwrap();
    lance::write(&store(workspace), batch.schema(), std::iter::once(batch), WriteMode::Append).unwrap();
}

/// What somebody does to the store with Lance itself.
fn alter<F: AsyncFnOnce(&mut Dataset)>(workspace: &Workspace, change: F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut dataset = Dataset::open(store(workspace).to_str().unwrap()).await.unwrap();
        change(&mut dataset).await;
    });
}

fn delete(workspace: &Workspace, predicate: &str) {
    alter(workspace, async |dataset| drop(dataset.delete(predicate).await.unwrap()));
}

fn compact(workspace: &Workspace) {
    alter(workspace, async |dataset| {
        compact_files(dataset, Default::default(), None).await.unwrap();
    });
}

/// Nothing is stale, and a build runs nothing.
fn assert_fresh(workspace: &Workspace, asset: &str, why: &str) {
    let status = workspace.status(asset);
    assert!(status.states().is_empty(), "{why}: {}", status.asset);
    assert_eq!(workspace.build(&[asset]).ran(), Vec::<String>::new(), "{why}");
}

/// The reasons about rows of a partition.
fn rows_of(workspace: &Workspace, asset: &str, key: &str) -> Vec<String> {
    let rows = workspace.status(asset).reasons(key).into_iter().filter(|reason| reason["kind"] == "rows");
    rows.map(|reason| format!("{}: {}", reason["name"].as_str().unwrap(), reason["detail"].as_str().unwrap())).collect()
}

#[test]
fn a_store_may_grow_be_compacted_and_indexed() {
    let workspace = built();
    append(&workspace, 77, 7.0);
    assert_fresh(&workspace, "embedder", "another key");
    append(&workspace, 78, 8.0);
    compact(&workspace);
    assert_fresh(&workspace, "embedder", "a compaction");
    alter(&workspace, async |dataset| {
        const VECTOR: i32 = 100;
        let parameters = VectorIndexParams::ivf_flat(1, "l2".try_into().unwrap());
        dataset.create_index(&["embedding"], VECTOR.try_into().unwrap(), None, &parameters, true).await.unwrap();
    });
    assert_fresh(&workspace, "embedder", "an index");
    delete(&workspace, "artwork_id = 77");
    assert_fresh(&workspace, "embedder", "a key that nobody looked up is gone");
    fs::remove_dir_all(workspace.path(".daeda")).unwrap();
    assert_fresh(&workspace, "embedder", "no cache");
}

#[test]
fn rows_that_changed_are_named_and_rebuild_their_users() {
    let workspace = built();
    append(&workspace, 5, 5.0);
    assert_eq!(rows_of(&workspace, "embedder", DAYS[2]), ["feature_view/vectors: key 5 arrived"]);
    let days = DAYS.map(|day| format!("embedder.enrich@{day}"));
    assert_eq!(workspace.build(&["embedder"]).ran(), days);
    assert_fresh(&workspace, "embedder", "built with the fifth");
    delete(&workspace, "artwork_id IN (2, 3)");
    append(&workspace, 3, 33.0);
    assert_eq!(rows_of(&workspace, "embedder", DAYS[2]), ["feature_view/vectors: key 3 updated, key 2 removed"]);
    let said = workspace.daeda(&["status", TARGET]);
    assert!(said.stdout.contains("vectors"), "{}", said.stdout);
    assert_eq!(workspace.build(&[TARGET]).ran(), ["embedder.enrich@2026-02-03"]);
    assert_fresh(&workspace, TARGET, "built without the second");
    delete(&workspace, "artwork_id = 4");
    append(&workspace, 4, 44.0);
    compact(&workspace);
    assert_eq!(rows_of(&workspace, "embedder", DAYS[2]), ["feature_view/vectors: key 4 updated"], "also through a compaction");
}

#[test]
fn only_days_that_used_a_row_are_stale() {
    let workspace = Workspace::with_embeddings();
    workspace.append(1, Event { user: 1, artwork: 60, event: "like", at: Some(instant(1, 13)) });
    append(&workspace, 60, 6.0);
    assert_eq!(workspace.build(&["embedder"]).code, 0);
    delete(&workspace, "artwork_id = 60");
    append(&workspace, 60, 66.0);
    // A like lies within two days' reach of the following day as well, and within one of the day after.
    let stale = workspace.status("embedder").keys("stale");
    assert!(
        stale.contains(&DAYS[1].to_string()) && !stale.contains(&DAYS[0].to_string()) && !stale.contains(&DAYS[4].to_string()),
        "{stale:?}"
    );
}

#[test]
fn without_its_sidecar_an_output_is_made_again_only_if_the_store_changes() {
    let workspace = built();
    let enriched = workspace.path(&format!("data/training_output_enriched/embedder/dt={}", DAYS[2]));
    fs::write(enriched.join("_daeda.rows.0.parquet"), "garbage").unwrap();
    assert_fresh(&workspace, TARGET, "the same token");
    append(&workspace, 77, 7.0);
    assert_eq!(workspace.status("embedder").keys("stale"), [DAYS[2]]);
    assert_eq!(workspace.build(&["embedder"]).ran(), ["embedder.enrich@2026-02-03"]);
    assert_fresh(&workspace, "embedder", "made again");
}

#[test]
fn coverage_depends_on_presence_alone() {
    let workspace = Workspace::with_embeddings();
    workspace.edit("feature_services/vectors.kdl", "like')\"\n    }", "like')\"\n        require-embedding \"vectors\"\n    }");
    assert_eq!(workspace.build(&[TARGET]).code, 0);
    assert_fresh(&workspace, TARGET, "built");
    delete(&workspace, "artwork_id = 3");
    append(&workspace, 3, 33.0);
    assert_eq!(workspace.build(&[TARGET]).ran(), ["embedder.enrich@2026-02-03"], "the skeleton read no vector");
    append(&workspace, 5, 5.0);
    let ran = workspace.build(&[TARGET]).ran();
    assert!(ran.contains(&"embedder.skeleton@2026-02-03".to_string()), "{ran:?}");
    assert_fresh(&workspace, TARGET, "built with the fifth");
}

#[test]
fn a_static_view_is_compared_row_by_row() {
    let workspace = Workspace::built();
    let path = workspace.path("data/artworks/artworks.parquet");
    let rewrite = |rows: &[(i64, i64, i64)]| write_parquet(&path, artwork_columns(rows));
    let mut rows = artworks();
    rows.reverse();
    rows.push((90, 190, 0));
    rewrite(&rows);
    assert_fresh(&workspace, "ranker", "another order, and a key that nobody looks up");
    rows.iter_mut().for_each(|row| row.2 += 1);
    rewrite(&rows);
    assert_fresh(&workspace, "ranker", "rows written again with another time");
    let second = rows.iter().position(|row| row.0 == 2).unwrap();
    rows[second].1 = 202;
    rows.push((5, 105, 0));
    rewrite(&rows);
    assert_eq!(rows_of(&workspace, "ranker", DAYS[2]), ["feature_view/artworks: key 2 updated, key 5 arrived"]);
    assert_eq!(workspace.build(&["ranker"]).ran(), skeletons("ranker", &[0, 1, 2, 3, 4]));
    fs::rename(&path, workspace.path("data/artworks/renamed.parquet")).unwrap();
    assert_fresh(&workspace, "ranker", "a file's name is no value");
    fs::remove_dir_all(workspace.path("data/artworks")).unwrap();
    assert_eq!(workspace.status("ranker").keys("orphaned"), DAYS, "what was joined has vanished");
}

#[test]
fn a_build_reads_the_version_that_it_resolved() {
    let workspace = Workspace::with_embeddings();
    workspace.edit("feature_services/vectors.kdl", "like')\"\n    }", "like')\"\n        require-embedding \"vectors\"\n    }");
    let opened = in_process::open(workspace.directory.path()).unwrap();
    let action = in_process::plan(&opened, "embedder.skeleton@2026-02-03").unwrap();
    let world = TableWorld::new(&workspace.path(".daeda/cache/columns"));
    let mut trace = world.observe(&action, Look::Once, Detail::Values).unwrap();
    append(&workspace, 5, 5.0);
    let staging = workspace.path("staging");
    fs::create_dir_all(&staging).unwrap();
    let job = Job { action: action.clone(), staging: staging.clone(), inputs: vec![], resolved: world.resolved(&action) };
    rules::run(&job, &|_| {}).unwrap();
    assert_eq!(world.observe(&action, Look::Again, Detail::Values).unwrap(), trace, "an append during a build is for the next one");
    world.discover(&action, &staging, &serde_json::Value::Null, &mut trace).unwrap();
    let place = action.place.path();
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::rename(&staging, &place).unwrap();
    let next = TableWorld::new(&workspace.path(".daeda/cache/columns"));
    let now = next.observe(&action, Look::Once, Detail::Values).unwrap();
    let rows = |trace: &[daeda::engine::observation::Observation]| trace.iter().find(|o| o.kind.name() == "rows").unwrap().clone();
    let reasons = next.refine(&action, &rows(&trace), &rows(&now)).unwrap().unwrap();
    let said: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["rows feature_view/vectors: key 5 arrived"]);
}
