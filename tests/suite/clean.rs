//! Stories of cleaning: what goes, what stays, and what is built again when something needs it.

use crate::fixture::*;
use crate::processes::{start, wait_for};
use daeda::table::parquet::read_note;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A workspace whose `embedder` has two ops, one reading the other, all built.
fn embedded() -> Workspace {
    let workspace = Workspace::with_embeddings();
    let built = workspace.build(&["embedder"]);
    assert_eq!(built.code, 0, "{}", built.stderr);
    workspace
}

fn clean(workspace: &Workspace, args: &[&str]) -> Value {
    let said = workspace.daeda(&[&["clean", "--format", "json"], args].concat());
    assert_eq!(said.code, 0, "{}", said.stderr);
    said.json()
}

fn cleaned(document: &Value) -> Vec<String> {
    document["outputs"].as_array().unwrap().iter().map(|o| o["action"].as_str().unwrap().to_string()).collect()
}

fn nothing() -> Vec<String> {
    Vec::new()
}

fn enriched(workspace: &Workspace, day: usize) -> PathBuf {
    workspace.path(&format!("data/training_output_enriched/embedder/dt={}", DAYS[day]))
}

/// All that lies under the output roots but locks.
fn outputs(workspace: &Workspace) -> BTreeMap<PathBuf, String> {
    let mut found = tree(&workspace.path("data"));
    found.retain(|path, _| !path.starts_with("training_output/_daeda/locks") && !path.starts_with("training_output_enriched/_daeda/locks"));
    found
}

fn record(directory: &Path) -> Value {
    serde_json::from_str(&read_note(&directory.join("_daeda.parquet"), "daeda.record").unwrap().unwrap()).unwrap()
}

/// What a partition is now: its data, or a record alone.
fn is_tombstone(directory: &Path) -> bool {
    let is_cleaned = record(directory)["cleaned"].is_string();
    assert_eq!(is_cleaned, data_files(directory).is_empty(), "{}", directory.display());
    is_cleaned
}

/// The ops of a partition with their states and marks.
fn ops(workspace: &Workspace, asset: &str, key: &str) -> Vec<Value> {
    let document = workspace.daeda(&["status", asset, "--all", "--format", "json"]).json();
    let entries = document["assets"][0]["entries"].as_array().unwrap().clone();
    entries.iter().find(|e| e["partition"] == key).unwrap()["ops"].as_array().unwrap().clone()
}

#[test]
fn what_was_built_from_a_cleaned_output_stays_fresh() {
    let workspace = embedded();
    let before = record(&workspace.published("embedder", 2));
    let done = clean(&workspace, &["embedder.skeleton@2026-02-03"]);
    assert_eq!(cleaned(&done), ["embedder.skeleton@2026-02-03"]);
    assert!(done["bytes"].as_u64().unwrap() > 0);
    let after = record(&workspace.published("embedder", 2));
    assert!(is_tombstone(&workspace.published("embedder", 2)) && !is_tombstone(&workspace.published("embedder", 1)));
    assert_eq!((&after["trace"], &after["output"], &after["action"]), (&before["trace"], &before["output"], &before["action"]));
    assert_eq!(workspace.status("embedder").states(), BTreeMap::new());
    let skeleton = &ops(&workspace, "embedder", DAYS[2])[0];
    assert_eq!((&skeleton["op"], &skeleton["state"]), (&"skeleton".into(), &"fresh".into()));
    assert!(skeleton["cleaned"].as_str().unwrap().ends_with('Z'));
    let built = workspace.build(&["embedder"]);
    assert_eq!((built.code, built.ran()), (0, nothing()));
    // The output that was named is there, and what it was made of is not asked for.
    assert_eq!(workspace.build(&["embedder@2026-02-03"]).ran(), nothing());
    fs::remove_dir_all(workspace.path(".daeda")).unwrap();
    assert_eq!(workspace.build(&["embedder"]).ran(), nothing());
    let text = workspace.daeda(&["status", "embedder"]).stdout;
    assert!(text.contains("5 fresh (1 skeleton cleaned)"), "{text}");
}

#[test]
fn a_cleaned_input_is_built_again_for_what_must_run() {
    let workspace = embedded();
    let data = data_files(&enriched(&workspace, 1));
    clean(&workspace, &["embedder.skeleton"]);
    fs::remove_dir_all(enriched(&workspace, 1)).unwrap();
    let dry = workspace.daeda(&["build", "embedder", "-n"]);
    assert!(dry.stdout.contains("will run: embedder.skeleton@2026-02-02\n    output cleaned 2026-02-06"), "{}", dry.stdout);
    let built = workspace.build(&["embedder"]);
    assert_eq!((built.code, built.ran()), (0, vec!["embedder.enrich@2026-02-02".into(), "embedder.skeleton@2026-02-02".into()]));
    assert_eq!(built.actions("judged").len(), 2, "each is said to be built once");
    assert_eq!(data_files(&enriched(&workspace, 1)), data, "the same bytes as before");
    assert_eq!(workspace.build(&["embedder"]).ran(), nothing());
    // By force, the named partition is built from a skeleton that is there.
    let built = workspace.build(&["embedder.enrich@2026-02-03", "--force"]);
    assert_eq!(built.ran().len(), 2 + built.ran().iter().filter(|a| a.contains("compile")).count(), "{:?}", built.ran());
    assert!(!is_tombstone(&workspace.published("embedder", 2)));
}

#[test]
fn a_cleaned_output_that_would_be_another_one_is_built_for_what_was_made_of_it() {
    let workspace = embedded();
    clean(&workspace, &["embedder.skeleton"]);
    clean(&workspace, &["embedder@2026-02-03"]);
    workspace.append(2, one_more(2));
    // Of the windows that reach the third day, those of the third are needed by nothing that is published.
    assert_eq!(workspace.status("embedder").keys("stale"), [DAYS[3], DAYS[4]]);
    let ran = workspace.build(&["embedder"]).ran();
    assert!(ran.iter().all(|a| a.ends_with(DAYS[3]) || a.ends_with(DAYS[4])), "{ran:?}");
    assert!(ran.contains(&"embedder.skeleton@2026-02-04".to_string()), "{ran:?}");
    assert!(is_tombstone(&workspace.published("embedder", 0)) && is_tombstone(&workspace.published("embedder", 2)));
    assert_eq!(workspace.status("embedder").states(), BTreeMap::new());
    // Named by key it is built, of what there is today.
    let built = workspace.build(&["embedder@2026-02-03"]);
    assert_eq!((built.code, built.ran()), (0, vec!["embedder.enrich@2026-02-03".into(), "embedder.skeleton@2026-02-03".into()]));
}

#[test]
fn retention_keeps_the_newest_and_what_is_young() {
    let workspace = Workspace::built();
    let keys = |days: &[usize]| skeletons("ranker", days);
    assert_eq!(cleaned(&clean(&workspace, &["ranker", "--keep", "3", "-n"])), keys(&[0, 1]));
    assert_eq!(cleaned(&clean(&workspace, &["ranker", "--older-than", "2d", "-n"])), keys(&[0, 1, 2]));
    assert_eq!(cleaned(&clean(&workspace, &["ranker", "--older-than", "2d", "--keep", "4", "-n"])), keys(&[0]));
    assert_eq!(cleaned(&clean(&workspace, &["ranker", "--keep", "3"])), keys(&[0, 1]));
    assert_eq!(cleaned(&clean(&workspace, &["ranker", "--keep", "3"])), nothing(), "the newest of those that are there");
    let text = workspace.daeda(&["status", "ranker"]).stdout;
    assert!(text.contains("ranker (daily): 5 fresh (2 cleaned)"), "{text}");
    assert_eq!(workspace.daeda(&["status", "ranker", "--exit-code"]).code, 0);
    let document = workspace.daeda(&["status", "ranker", "--all", "--format", "json"]).json();
    let marked = document["assets"][0]["entries"].as_array().unwrap().iter().filter(|e| e["cleaned"].is_string()).count();
    assert_eq!((marked, document["assets"][0]["cleaned"].as_u64()), (2, Some(2)));
    assert_eq!(workspace.build(&["everything"]).ran(), nothing());
    // Nothing needs it: what it was made of may change.
    workspace.append(0, one_more(0));
    assert_eq!(workspace.status("ranker").keys("stale"), [DAYS[2]]);
    assert_eq!(workspace.build(&["ranker"]).ran(), keys(&[2]));
    let shown = workspace.daeda(&["show", "ranker@2026-02-01"]);
    assert!(
        shown.code != 0 && shown.stderr.contains("cleaned away") && shown.stderr.contains("daeda build ranker@2026-02-01"),
        "{shown:?}"
    );
    assert_eq!(workspace.build(&["ranker@2026-02-01"]).ran(), keys(&[0]));
    assert_eq!(workspace.daeda(&["show", "ranker@2026-02-01"]).code, 0);
}

#[test]
fn a_dry_run_changes_no_byte_and_nothing_goes_by_accident() {
    let workspace = Workspace::built();
    let before = workspace.listing();
    let said = workspace.daeda(&["clean", "everything", "--cache", "--undeclared", "-n"]);
    assert!(said.code == 0 && said.stdout.contains("would clean ranker.skeleton@2026-02-01..2026-02-05: 5 outputs"), "{}", said.stdout);
    for (args, code) in [(&["clean"][..], 2), (&["clean", "--keep", "3"], 2), (&["clean", "ranker", "--older-than", "soon"], 2)] {
        assert_eq!(workspace.daeda(args).code, code, "{args:?}");
    }
    workspace.edit("Daedalus.kdl", "config {", "config {\n    replace-max 4");
    let refused = workspace.daeda(&["clean", "ranker"]);
    assert!(refused.code == 11 && refused.stderr.contains("--replace 5"), "{}", refused.stderr);
    workspace.edit("Daedalus.kdl", "config {\n    replace-max 4", "config {");
    assert_eq!(workspace.listing(), before);
    assert_eq!(workspace.daeda(&["clean", "ranker", "--replace", "5"]).code, 0);
}

#[test]
fn what_daeda_did_not_write_stays() {
    let workspace = Workspace::built();
    workspace.write("data/training_output/ranker/dt=2026-02-01/_notes.txt", "mine");
    let shard = workspace.shard("ranker", 1);
    fs::write(&shard, "edited").unwrap();
    fs::remove_file(workspace.published("ranker", 2).join("_daeda.parquet")).unwrap();
    let left = [0, 1, 2].map(|day| tree(&workspace.published("ranker", day)));
    let done = clean(&workspace, &["ranker"]);
    assert_eq!(cleaned(&done), skeletons("ranker", &[3, 4]));
    assert_eq!(done["left_alone"].as_array().unwrap().len(), 3, "{done}");
    assert_eq!([0, 1, 2].map(|day| tree(&workspace.published("ranker", day))), left);
}

#[test]
fn caches_and_leftovers_go_and_history_stays() {
    let workspace = Workspace::built();
    workspace.write("data/training_output/_daeda/staging/dead/0/part.parquet", "left");
    workspace.write("data/training_output/_daeda/staging/dead.owner", "");
    workspace.write(".daeda/failed/some.json", "{}");
    let done = clean(&workspace, &["--cache"]);
    assert_eq!(done["rest"].as_array().unwrap().len(), 2, "{done}");
    assert!(!workspace.path(".daeda/cache").exists() && workspace.path(".daeda/failed/some.json").exists());
    assert!(!workspace.path("data/training_output/_daeda/staging/dead").exists());
    workspace.assert_fresh();
}

#[test]
fn what_the_manifest_does_not_declare_any_more_goes_only_when_asked() {
    let workspace = Workspace::built();
    let manifest = workspace.read("Daedalus.kdl");
    let (from, to) = (manifest.find("asset \"counter\"").unwrap(), manifest.find("job ").unwrap());
    workspace.write("Daedalus.kdl", &format!("{}{}", &manifest[..from], manifest[to..].replace(" \"counter\"", "")));
    let told = workspace.daeda(&["clean", "ranker@2026-02-01"]);
    assert!(told.code == 0 && told.stderr.contains("counter.skeleton") && told.stderr.contains("--undeclared"), "{told:?}");
    assert!(workspace.published("counter", 0).exists());
    let done = clean(&workspace, &["--undeclared"]);
    assert_eq!(done["undeclared"].as_array().unwrap().len(), 6, "{done}");
    assert!((0..DAYS.len()).all(|day| !workspace.published("counter", day).exists() && workspace.published("ranker", day).exists()));
    assert_eq!(clean(&workspace, &["--undeclared"])["undeclared"].as_array().unwrap().len(), 0);
}

#[test]
fn clean_waits_for_a_build_that_reads_what_it_would_remove() {
    let workspace = Workspace::with_embeddings();
    let mut build = start(&workspace, &["build", "embedder", "--format", "json"]);
    let mut lines = BufReader::new(build.stdout.take().unwrap()).lines();
    let is_skeleton = |event: &Value| event["action"]["op"] == "skeleton";
    while !is_skeleton(&wait_for(&mut lines, "published")) {}
    // While the build goes on, what it has published is removed under its feet, again and again.
    let mut removed = 0;
    for _ in 0..20 {
        removed += cleaned(&clean(&workspace, &["embedder.skeleton"])).len();
    }
    let events: Vec<Value> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    build.wait().unwrap();
    let errors: Vec<&str> = events.iter().filter(|e| e["event"] == "failed").map(|e| e["error"].as_str().unwrap()).collect();
    assert!(errors.iter().all(|e| e.contains("was cleaned meanwhile")), "{errors:?}");
    assert!(removed > 0);
    let again = workspace.build(&["embedder"]);
    assert_eq!(again.code, 0, "{:?}", again.errors());
    assert_eq!(workspace.status("embedder").states(), BTreeMap::new());
}

#[test]
fn a_clean_that_is_killed_leaves_each_partition_whole_or_cleaned() {
    let template = Workspace::built();
    let mut seen = [0, 0];
    for delay in (0..60).step_by(4) {
        let workspace = template.copy();
        let mut clean = start(&workspace, &["clean", "everything"]);
        std::thread::sleep(Duration::from_millis(delay));
        clean.kill().unwrap();
        clean.wait().unwrap();
        for directory in ["ranker", "counter"].iter().flat_map(|asset| (0..DAYS.len()).map(|day| workspace.published(asset, day))) {
            seen[usize::from(is_tombstone(&directory))] += 1;
        }
        workspace.assert_fresh();
        assert_eq!(workspace.build(&["everything"]).ran(), nothing());
        self::clean(&workspace, &["everything"]);
        assert!(outputs(&workspace).keys().all(|path| !path.to_string_lossy().contains("staging/")));
    }
    assert!(seen[0] > 0, "{seen:?}");
}
