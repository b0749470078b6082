//! Bugs that were found, one test each, so that they stay mended.
//!
//! Invariant: a test fails without the mending it is about, unless it says otherwise.

use crate::fixture::*;
use crate::processes::{children, eventually, has_ended, start, wait_for};
use arrow::array::{ArrayRef, AsArray, FixedSizeListArray, Float16Array, Int64Array, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Float16Type, Int64Type, TimestampMillisecondType};
use daeda::table::lance::{self, WriteMode};
use half::f16;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const DAY: &str = DAYS[2];
const TARGET: &str = "embedder@2026-02-03";

/// A day's enriched partition.
fn enriched(workspace: &Workspace, asset: &str) -> PathBuf {
    workspace.path(&format!("data/training_output_enriched/{asset}/dt={DAY}"))
}

/// What lies in a published directory with one data file.
fn rows(directory: &Path) -> RecordBatch {
    let files = data_files(directory);
    let [file] = files.as_slice() else { panic!("one file: {files:?}") };
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(|batch| batch.unwrap()).collect();
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

fn ints(rows: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    rows[name].as_primitive::<Int64Type>().iter().collect()
}

fn lists(rows: &RecordBatch, name: &str) -> Vec<Vec<i64>> {
    let list = |list: Option<ArrayRef>| list.map_or(vec![], |l| l.as_primitive::<Int64Type>().values().to_vec());
    rows[name].as_list::<i32>().iter().map(list).collect()
}

/// The first element of each vector.
fn firsts(rows: &RecordBatch, name: &str) -> Vec<Option<f32>> {
    let first = |vector: ArrayRef| vector.as_primitive::<Float16Type>().value(0).to_f32();
    rows[name].as_fixed_size_list().iter().map(|vector| vector.map(first)).collect()
}

/// Vectors of width 4 with alike elements, and null ones.
fn vectors(values: &[Option<f32>]) -> ArrayRef {
    let items = values.iter().flat_map(|value| [f16::from_f32(value.unwrap_or(99.0)); 4]);
    let field = Arc::new(Field::new("item", DataType::Float16, true));
    let there = NullBuffer::from_iter(values.iter().map(Option::is_some));
    Arc::new(FixedSizeListArray::new(field, 4, Arc::new(Float16Array::from_iter_values(items)), Some(there)))
}

fn keys(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

/// Writes the embeddings of a workspace anew, or more of them.
fn write_store(workspace: &Workspace, columns: Vec<(&str, ArrayRef)>, mode: WriteMode) {
    let path = workspace.path("data/vectors.lance");
    if matches!(mode, WriteMode::Create) && path.exists() {
        fs::remove_dir_all(&path).unwrap();
    }
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
    lance::write(&path, batch.schema(), std::iter::once(batch), mode).unwrap();
}

/// A vector for one more artwork: another version of the dataset.
fn append_vector(workspace: &Workspace, key: i64) {
    write_store(workspace, vec![("artwork_id", keys(&[key])), ("embedding", vectors(&[Some(7.0)]))], WriteMode::Append);
}

fn add(workspace: &Workspace, name: &str, text: &str) {
    workspace.write(name, &format!("{}{text}", workspace.read(name)));
}

/// A workspace whose embeddings were written here.
fn workspace_with_vectors(columns: Vec<(&str, ArrayRef)>) -> Workspace {
    let workspace = Workspace::with_embeddings();
    write_store(&workspace, columns, WriteMode::Create);
    workspace
}

fn held(path: &Path) -> File {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = File::options().create(true).truncate(false).write(true).open(path).unwrap();
    file.lock().unwrap();
    file
}

fn events_of(lines: impl Iterator<Item = std::io::Result<String>>) -> Vec<Value> {
    lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

/// An asset that looks up what version 1 of the same dataset holds.
const FROZEN_VIEW: &str = r#"feature-view "frozen" {
    entity "artwork"
    source "data/vectors.lance" format="lance" version=1
    fields {
        artwork_id "int64"
        embedding "vector<float16, 4>"
    }
}
"#;
const FROZEN_STORE: &str = r#"embedding-store "frozen" view="frozen" key="artwork_id" vector="embedding"
embedding "frozen_image" store="frozen" lookup="artwork_id"
"#;

#[test]
fn two_pins_of_one_dataset_are_two_inputs() {
    let workspace =
        workspace_with_vectors(vec![("artwork_id", keys(&[1, 2, 3, 4])), ("embedding", vectors(&[1.0, 2.0, 3.0, 4.0].map(Some)))]);
    let service = workspace.read("feature_services/vectors.kdl");
    let frozen =
        service.replace("\"vectors\" version=1", "\"frozen\" version=1").replace("embed \"image\" \"taste\"", "embed \"frozen_image\"");
    let frozen =
        frozen.replace("        taste \"vector<float16, 4>\" nullable=#true\n", "").replace("        image ", "        frozen_image ");
    let frozen = frozen.replace("    rolling \"liked\"\n", "");
    workspace.write("feature_services/frozen.kdl", &frozen);
    workspace.write("feature_views/frozen.kdl", FROZEN_VIEW);
    add(&workspace, "config/training/aggregations.kdl", FROZEN_STORE);
    let manifest = workspace.read("Daedalus.kdl");
    let asset = manifest[manifest.find("asset \"embedder\"").unwrap()..].to_string();
    add(&workspace, "Daedalus.kdl", &asset.replace("\"embedder\"", "\"frozen\"").replace("\"vectors\"", "\"frozen\""));
    let both = ["embedder@2026-02-03", "frozen@2026-02-03"];
    let first = workspace.build(&both);
    assert_eq!((first.code, first.errors()), (0, vec![]), "{}", first.stderr);
    // The fifth is looked up, the sixth is not.
    for (key, order, users) in [(5, [0, 1], vec!["embedder.enrich@2026-02-03".to_string()]), (6, [1, 0], vec![])] {
        append_vector(&workspace, key);
        let built = workspace.build(&order.map(|i| both[i]));
        assert_eq!((built.code, built.ran()), (0, users), "{order:?}");
    }
    let fifth = |asset: &str, column: &str| {
        let rows = rows(&enriched(&workspace, asset));
        let of_fifth: Vec<Option<f32>> =
            ints(&rows, "artwork_id").iter().zip(firsts(&rows, column)).filter(|(id, _)| **id == Some(5)).map(|(_, first)| first).collect();
        assert!(!of_fifth.is_empty());
        of_fifth
    };
    assert!(fifth("embedder", "image").iter().all(|f| *f == Some(7.0)));
    assert!(fifth("frozen", "frozen_image").iter().all(Option::is_none));
    workspace.edit("feature_views/frozen.kdl", "version=1", "version=2");
    assert_eq!(workspace.build(&both).ran(), ["frozen.enrich@2026-02-03"], "the pin that moved");
    assert!(fifth("frozen", "frozen_image").iter().all(|f| *f == Some(7.0)));
}

#[test]
fn an_upstream_that_changes_under_an_op_is_not_published_from() {
    let workspace = Workspace::with_embeddings();
    assert_eq!(workspace.build(&[TARGET, "embedder.skeleton@2026-02-02"]).code, 0);
    append_vector(&workspace, 5);
    let before = tree(&enriched(&workspace, "embedder"));
    let lock = held(&workspace.path("data/training_output_enriched/_daeda/locks/embedder.enrich@2026-02-03.lock"));
    let mut build = start(&workspace, &["build", TARGET, "--format", "json"]);
    let mut lines = BufReader::new(build.stdout.take().unwrap()).lines();
    wait_for(&mut lines, "waiting_for_lock");
    fs::copy(workspace.shard("embedder", 1), workspace.shard("embedder", 2)).unwrap();
    drop(lock);
    let events = events_of(lines);
    assert_eq!(build.wait().unwrap().code(), Some(1), "{events:?}");
    let error = events.iter().find(|e| e["event"] == "failed").unwrap()["error"].as_str().unwrap();
    assert!(error.contains("input changed while the op ran: the output of embedder.skeleton@2026-02-03"), "{error}");
    assert_eq!(tree(&enriched(&workspace, "embedder")), before);
    let next = workspace.build(&[TARGET]);
    assert_eq!((next.code, next.ran().len()), (0, 2), "what was changed is made again, and then what was not made: {:?}", next.errors());
}

const TWINS_STORE: &str = r#"embedding-store "twins" view="vectors" key="twin_id" vector="embedding"
embedding "twin" store="twins" lookup="artwork_id"
aggregation "liked_twins" view="feed" by="user_id" {
    where "event = 'like'"
    require-embedding "twins"
    last "artwork_id" k=9
    windows "2d"
}
aggregation "liked_known" view="feed" by="user_id" {
    where "event = 'like'"
    require-embedding "vectors"
    last "artwork_id" k=9
    windows "2d"
}
"#;

#[test]
fn stores_of_one_view_by_other_keys_have_their_own_vectors() {
    let workspace = workspace_with_vectors(vec![
        ("artwork_id", keys(&[1, 2, 3, 4])),
        ("twin_id", keys(&[5, 4, 3, 2])),
        ("embedding", vectors(&[1.0, 2.0, 3.0, 4.0].map(Some))),
    ]);
    for view in ["vectors", "feed"] {
        let file = format!("feature_views/{view}.kdl");
        workspace.edit(&file, "artwork_id \"int64\"", "artwork_id \"int64\"\n        twin_id \"int64\"");
    }
    for day in 0..DAYS.len() {
        // Coverage goes by a column called as the store's key.
        let ids = events(day).iter().map(|event| event.artwork).collect::<Vec<_>>();
        write_parquet(&workspace.feed(day), [feed_columns(&events(day)), vec![("twin_id", keys(&ids))]].concat());
    }
    add(&workspace, "config/training/aggregations.kdl", TWINS_STORE);
    let service = "feature_services/vectors.kdl";
    workspace.edit(service, "embed \"image\" \"taste\"", "embed \"image\" \"taste\" \"twin\"");
    workspace.edit(service, "rolling \"liked\"", "rolling \"liked\" \"liked_twins\" \"liked_known\"");
    let columns = "liked_twins_2d \"list<int64>\" default=\"[]\"\n        liked_known_2d \"list<int64>\" default=\"[]\"";
    let twin = "        twin \"vector<float16, 4>\" nullable=#true";
    workspace.edit(service, "        image ", &format!("        {columns}\n{twin}\n        image "));
    let built = workspace.build(&[TARGET]);
    assert_eq!((built.code, built.errors()), (0, vec![]), "{}", built.stderr);
    let rows = rows(&enriched(&workspace, "embedder"));
    for ((id, image), twin) in ints(&rows, "artwork_id").into_iter().zip(firsts(&rows, "image")).zip(firsts(&rows, "twin")) {
        let id = id.unwrap();
        assert_eq!(image, (id <= 4).then_some(id as f32), "{id}");
        assert_eq!(twin, (id >= 2).then_some((6 - id) as f32), "{id}");
    }
    let all = |name: &str| lists(&rows, name).concat();
    let (twins, known) = (all("liked_twins_2d"), all("liked_known_2d"));
    assert!(twins.contains(&5) && !twins.contains(&1), "{twins:?}");
    assert!(known.contains(&1) && !known.contains(&5), "{known:?}");
}

#[test]
fn what_a_view_reads_is_not_published_over() {
    let partition = "data/training_output/ranker/dt=2026-02-01";
    for source in [partition.to_string(), "data/training_output/ranker".into(), format!("{partition}/artworks")] {
        let workspace = Workspace::new();
        let file = workspace.path(&source).join("artworks.parquet");
        write_parquet(&file, artwork_columns(&artworks()));
        workspace.edit("feature_views/artworks.kdl", "\"data/artworks\"", &format!("\"{source}\""));
        let before = workspace.listing();
        let refused = workspace.daeda(&["build", "ranker@2026-02-01", "--force"]);
        assert_eq!(refused.code, 3, "{source}: {}", refused.stderr);
        assert!(refused.stderr.contains("over the source of view `artworks`"), "{}", refused.stderr);
        assert_eq!(workspace.listing(), before);
    }
}

#[test]
fn a_directory_of_somebody_else_is_not_replaced() {
    let workspace = Workspace::new();
    let (place, aside) = (workspace.published("ranker", 0), workspace.path("aside"));
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("notes.txt"), "mine").unwrap();
    let target = "ranker@2026-02-01";
    let refused = workspace.build(&[target]);
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(refused.errors()[0].contains("holds files that daeda did not write"), "{:?}", refused.errors());
    let forced = workspace.build(&[target, "--force", "--retry-failed"]);
    assert_eq!((forced.code, fs::read_dir(&place).unwrap().count()), (4, 1));
    assert_eq!(fs::read_to_string(place.join("notes.txt")).unwrap(), "mine");
    fs::rename(&place, &aside).unwrap();
    // That was the advice, so nothing more need be said.
    let built = workspace.build(&[target]);
    assert_eq!((built.code, built.ran()), (0, skeletons("ranker", &[0])));
    assert_eq!(fs::read_to_string(aside.join("notes.txt")).unwrap(), "mine");
}

#[test]
fn a_null_vector_is_none() {
    let workspace =
        workspace_with_vectors(vec![("artwork_id", keys(&[1, 2, 3, 4])), ("embedding", vectors(&[Some(1.0), None, Some(3.0), Some(4.0)]))]);
    let service = "feature_services/vectors.kdl";
    workspace.edit(service, "        image ", "        liked_2d \"list<int64>\" default=\"[]\"\n        image ");
    let built = workspace.build(&[TARGET]);
    assert_eq!((built.code, built.errors()), (0, vec![]), "{}", built.stderr);
    let rows = rows(&enriched(&workspace, "embedder"));
    let is_there = |id: &i64| [1, 3, 4].contains(id);
    for (id, image) in ints(&rows, "artwork_id").into_iter().flatten().zip(firsts(&rows, "image")) {
        assert_eq!(image, is_there(&id).then_some(id as f32), "{id}");
    }
    let (liked, taste) = (lists(&rows, "liked_2d"), firsts(&rows, "taste"));
    assert!(liked.iter().any(|ids| ids.contains(&2) && ids.iter().any(is_there)), "{liked:?}");
    for (ids, pooled) in liked.iter().zip(taste) {
        let found: Vec<i64> = ids.iter().copied().filter(|id| is_there(id)).collect();
        let mean = (!found.is_empty()).then(|| found.iter().sum::<i64>() as f32 / found.len() as f32);
        let near = match (mean, pooled) {
            (Some(mean), Some(pooled)) => (mean - pooled).abs() < 0.01,
            (mean, pooled) => mean.is_none() && pooled.is_none(),
        };
        assert!(near, "{ids:?}: {pooled:?}, not {mean:?}");
    }
}

/// That the values are right; what was wrong shows in the next two.
#[test]
fn views_of_one_directory_read_it_each_its_own_way() {
    let workspace = Workspace::new();
    let artworks = workspace.read("feature_views/artworks.kdl");
    // Read as seconds, the same numbers are far in the future.
    let in_seconds = artworks.replace("\"artworks\"", "\"later\"").replace("unit=\"ms\"", "unit=\"s\"");
    workspace.write("feature_views/later.kdl", &in_seconds);
    let static_join = "join \"artworks\" how=\"static\" {\n        column \"author_id\"\n    }";
    let as_of =
        |name: &str, prefix: &str| format!("join \"{name}\" how=\"as-of\" prefix=\"{prefix}\" {{\n        column \"author_id\"\n    }}");
    let service = "feature_services/ranking.kdl";
    for joins in [[("artworks", "known_"), ("later", "later_")], [("later", "later_"), ("artworks", "known_")]] {
        let workspace = workspace.copy();
        workspace.edit(service, static_join, &joins.map(|(name, prefix)| as_of(name, prefix)).join("\n    "));
        workspace.edit(
            service,
            "author_id \"int64\" default=-1",
            "known_author_id \"int64\" default=-1\n        later_author_id \"int64\" default=-1",
        );
        let built = workspace.build(&["ranker@2026-02-03"]);
        assert_eq!((built.code, built.errors()), (0, vec![]), "{}", built.stderr);
        let rows = rows(&workspace.published("ranker", 2));
        for (id, known) in ints(&rows, "artwork_id").into_iter().flatten().zip(ints(&rows, "known_author_id")) {
            assert_eq!(known, Some(if id <= 4 { 100 + id } else { -1 }), "{joins:?}");
        }
        assert!(ints(&rows, "later_author_id").iter().all(|author| *author == Some(-1)), "{joins:?}");
    }
}

#[test]
fn views_of_one_directory_may_type_a_column_differently() {
    let workspace = Workspace::new();
    let mut columns = artwork_columns(&artworks());
    columns[2].1 = Arc::new(columns[2].1.as_primitive::<Int64Type>().reinterpret_cast::<TimestampMillisecondType>());
    write_parquet(&workspace.path("data/artworks/artworks.parquet"), columns);
    let view = workspace.read("feature_views/artworks.kdl").replace(" unit=\"ms\"", "");
    workspace.write("feature_views/artworks.kdl", &view.replace("published_at \"int64\"", "published_at \"timestamp<ms>\""));
    let zoned = view.replace("published_at \"int64\"", "published_at \"timestamp<ms, +00:00>\"");
    workspace.write("feature_views/zoned.kdl", &zoned.replace("\"artworks\"", "\"zoned\""));
    let join = "join \"artworks\" how=\"static\" {\n        column \"author_id\"\n    }";
    let as_of = join.replace("static\"", "as-of\"");
    let both = format!("{as_of}\n    {}", as_of.replace("\"artworks\" how=\"as-of\"", "\"zoned\" how=\"as-of\" prefix=\"zoned_\""));
    workspace.edit("feature_services/ranking.kdl", join, &both);
    let column = "author_id \"int64\" default=-1";
    workspace.edit("feature_services/ranking.kdl", column, &format!("{column}\n        zoned_{column}"));
    let built = workspace.build(&["ranker@2026-02-03"]);
    assert_eq!((built.code, built.errors()), (0, vec![]), "{}", built.stderr);
    let rows = rows(&workspace.published("ranker", 2));
    assert_eq!(ints(&rows, "author_id"), ints(&rows, "zoned_author_id"));
    assert!(ints(&rows, "author_id").contains(&Some(101)));
}

#[test]
fn the_times_of_each_view_of_a_directory_are_checked() {
    let workspace = Workspace::new();
    let seen = workspace.read("feature_views/feed.kdl").replace("\"feed\"", "\"seen\"").replace("unit=\"ms\"", "unit=\"s\"");
    workspace.write("feature_views/seen.kdl", &seen.replace("event_timestamp", "seen_at"));
    let aggregation = "aggregation \"sights\" view=\"seen\" by=\"user_id\" {\n    count\n    windows \"2d\"\n}\n";
    add(&workspace, "config/training/aggregations.kdl", aggregation);
    workspace.edit("feature_services/ranking.kdl", "rolling \"likes\" \"liked\"", "rolling \"likes\" \"liked\" \"sights\"");
    workspace.edit("feature_services/ranking.kdl", "likes_2d \"int64\"", "likes_2d \"int64\"\n        sights_2d \"int64\"");
    let write = |day: usize, at: Option<i64>, seen_at: Option<i64>| {
        let mut rows = events(day);
        rows[3].at = at.or(rows[3].at).filter(|at| *at >= 0);
        let mut seen: Vec<Option<i64>> = events(day).iter().map(|event| event.at.map(|at| at / 1000)).collect();
        seen[5] = seen_at.or(seen[5]).filter(|at| *at >= 0);
        let seen: ArrayRef = Arc::new(Int64Array::from(seen));
        write_parquet(&workspace.feed(day), [feed_columns(&rows), vec![("seen_at", seen)]].concat());
    };
    (0..DAYS.len()).for_each(|day| write(day, None, None));
    let build = || workspace.build(&["ranker@2026-02-01"]);
    assert_eq!((build().code, build().errors()), (0, vec![]));
    let (gone, elsewhere) = (Some(-1), instant(1, 2));
    for (at, seen_at, place) in [
        (gone, None, "view `feed`"),
        (None, gone, "view `seen`"),
        (Some(elsewhere), None, "view `feed`"),
        (None, Some(elsewhere / 1000), "view `seen`"),
    ] {
        write(0, at, seen_at);
        let built = build();
        assert_eq!(built.code, 1, "{at:?} {seen_at:?}: {}", built.stderr);
        assert!(built.errors()[0].contains(place), "{:?}", built.errors());
    }
}

#[test]
fn who_waits_for_a_lock_can_be_interrupted() {
    let workspace = Workspace::new();
    let _lock = held(&workspace.path("data/training_output/_daeda/locks/ranker.skeleton@2026-02-01.lock"));
    let mut build = start(&workspace, &["build", "ranker@2026-02-01", "--format", "json"]);
    let mut lines = BufReader::new(build.stdout.take().unwrap()).lines();
    wait_for(&mut lines, "waiting_for_lock");
    let pid = rustix::process::Pid::from_raw(build.id() as i32).unwrap();
    let asked = Instant::now();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    eventually("the end of the build", || has_ended(build.id()));
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert_eq!(build.wait().unwrap().code(), Some(130));
}

#[test]
fn an_idle_worker_that_was_killed_is_replaced() {
    let workspace = Workspace::new();
    let lock = held(&workspace.path("data/training_output/_daeda/locks/ranker.skeleton@2026-02-02.lock"));
    let mut build = start(&workspace, &["build", "ranker@2026-02-01..2026-02-02", "-j", "1", "--format", "json"]);
    let mut lines = BufReader::new(build.stdout.take().unwrap()).lines();
    // The worker that has made the first day is of the size that the second one needs, and has nothing to do before the lock is free.
    wait_for(&mut lines, "published");
    wait_for(&mut lines, "published");
    wait_for(&mut lines, "waiting_for_lock");
    let workers = children(build.id());
    assert!(!workers.is_empty());
    for worker in &workers {
        let pid = rustix::process::Pid::from_raw(*worker as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    eventually("the end of the workers", || workers.iter().all(|worker| has_ended(*worker)));
    drop(lock);
    let events = events_of(lines);
    assert_eq!(build.wait().unwrap().code(), Some(0), "{events:?}");
    assert_eq!((events.last().unwrap()["built"].as_u64(), events.last().unwrap()["retried"].as_u64()), (Some(3), Some(0)), "{events:?}");
}

#[test]
fn a_cache_directory_that_cannot_be_is_no_reason_not_to_build() {
    let workspace = Workspace::new();
    workspace.write(".daeda", "no directory");
    let built = workspace.build(&["everything"]);
    assert_eq!((built.code, built.finished()["built"].as_u64()), (0, Some(12)), "{:?} {}", built.errors(), built.stderr);
    assert_eq!(workspace.build(&["everything"]).ran(), Vec::<String>::new());
    workspace.assert_fresh();
    let mut unfit = events(0);
    unfit[0].at = None;
    workspace.write_feed(0, &unfit);
    let failed = workspace.build(&["counter@2026-02-01"]);
    assert_eq!((failed.code, failed.ran()), (1, skeletons("counter", &[0])), "a failure that cannot be remembered is a failure");
    workspace.write_feed(0, &events(0));
    assert_eq!(workspace.build(&["counter@2026-02-01", "--force"]).code, 0);
    for args in [["status", "ranker"], ["show", "ranker@2026-02-01"], ["list", "assets"]] {
        assert_eq!(workspace.daeda(&args).code, 0, "{args:?}");
    }
    assert_eq!(workspace.read(".daeda"), "no directory");
}

#[test]
fn an_as_of_join_comes_from_the_time_of_the_spine_too() {
    let workspace = Workspace::new();
    let upstream = |workspace: &Workspace| {
        let said = workspace.daeda(&["lineage", "ranking.author_id", "--format", "json"]);
        let upstream = said.json()["upstream"].as_array().unwrap().clone();
        upstream.iter().map(|node| node["name"].as_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert!(!upstream(&workspace).contains(&"feed.event_timestamp".to_string()), "a static join takes the current row");
    workspace.edit("feature_services/ranking.kdl", "how=\"static\"", "how=\"as-of\"");
    let names = upstream(&workspace);
    for name in ["feed.event_timestamp", "feed.artwork_id", "artworks.author_id", "artworks.artwork_id", "artworks.published_at"] {
        assert!(names.contains(&name.to_string()), "{name} in {names:?}");
    }
}

#[test]
fn an_op_for_all_partitions_is_shown_without_a_key() {
    let workspace = Workspace::built();
    let shown = workspace.daeda(&["show", "ranker.compile", "--format", "json"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert!(shown.json().is_object());
    let many = workspace.daeda(&["show", "ranker.skeleton"]);
    assert!(many.code == 2 && many.stderr.contains("one partition at a time"), "{}", many.stderr);
}
