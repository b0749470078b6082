//! A small workspace written by code, and the binary run in it.
//!
//! Two services over five days of a feed: `ranking` (count and last k over two days, a static join) and `counting` (the count alone).
//! Invariants: the same rows give the same bytes, so that what a test changes is all that changes; the clock stands at the end of the
//! fifth day; one workspace is built once and copied for the tests that start from a built one.

use arrow::array::{ArrayRef, FixedSizeListArray, Float16Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field};
use daeda::table::lance::{self, WriteMode};
use half::f16;
use parquet::arrow::ArrowWriter;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;

/// The days of the feed.
pub const DAYS: [&str; 5] = ["2026-02-01", "2026-02-02", "2026-02-03", "2026-02-04", "2026-02-05"];
const NOW: &str = "2026-02-06T00:00:00Z";
const DAY: i64 = 86_400_000;
/// The start of the first day, in milliseconds.
const START: i64 = 1_769_904_000_000;

const MANIFEST: &str = r#"daedalus version=1
config {
    resources cpus=2 memory="2GiB"
}
entity "user" key="user_id"
entity "artwork" key="artwork_id"
partitions "daily" every="day" start="2026-02-01"
asset "ranker" {
    group "training"
    partitions "daily"
    service "ranking"
    op "compile" rule="compile"
    op "skeleton" rule="skeleton" needs="compile"
}
asset "counter" {
    description "Counts alone"
    group "training"
    partitions "daily"
    service "counting"
    op "compile" rule="compile"
    op "skeleton" rule="skeleton" needs="compile"
}
job "everything" {
    select "ranker" "counter"
}
schedule "nightly" job="everything" after="1h"
"#;

const FEED: &str = r#"feature-view "feed" {
    description "Views and likes"
    entity "user" "artwork"
    source "data/feed" format="parquet" partition="dt={day}" timestamp="event_timestamp" unit="ms" first="2026-02-01"
    fields {
        user_id "int64"
        artwork_id "int64"
        event "string"
        event_timestamp "int64"
    }
}
"#;

const ARTWORKS: &str = r#"feature-view "artworks" {
    entity "artwork"
    source "data/artworks" format="parquet" timestamp="published_at" unit="ms"
    fields {
        artwork_id "int64"
        author_id "int64"
        published_at "int64"
    }
}
"#;

const RANKING: &str = r#"feature-service "ranking" version=1 {
    spine "feed" {
        where "event IN ('view', 'like')"
    }
    join "artworks" how="static" {
        column "author_id"
    }
    rolling "likes" "liked"
    columns {
        user_id "int64"
        artwork_id "int64"
        event_timestamp "int64"
        label "bool" expr="event = 'like'"
        author_id "int64" default=-1
        likes_2d "int64"
        liked_2d "list<int64>" default="[]"
    }
}
"#;

const COUNTING: &str = r#"feature-service "counting" version=1 {
    spine "feed" {
        where "event = 'like'"
    }
    rolling "likes"
    columns {
        user_id "int64"
        event_timestamp "int64"
        likes_2d "int64"
    }
}
"#;

const AGGREGATIONS: &str = r#"aggregation "likes" view="feed" by="user_id" {
    where "event = 'like'"
    count
    windows "2d"
}
aggregation "liked" view="feed" by="user_id" {
    where "event = 'like'"
    last "artwork_id" k=4
    windows "2d"
}
"#;

const RUNTIME: &str = "runtime {\n    output compression=\"zstd\" level=1 row-group-rows=65536 shard-rows=262144\n}\n";

const EMBEDDER: &str = r#"asset "embedder" {
    partitions "daily"
    service "vectors"
    op "compile" rule="compile"
    op "skeleton" rule="skeleton" needs="compile"
    op "enrich" rule="enrich" needs="skeleton"
}
"#;

const VECTORS_VIEW: &str = r#"feature-view "vectors" {
    entity "artwork"
    source "data/vectors.lance" format="lance"
    fields {
        artwork_id "int64"
        embedding "vector<float16, 4>"
    }
}
"#;

const STORE: &str = r#"embedding-store "vectors" view="vectors" key="artwork_id" vector="embedding"
embedding "image" store="vectors" lookup="artwork_id"
embedding "taste" store="vectors" pool="mean" over="liked_2d"
"#;

const VECTORS: &str = r#"feature-service "vectors" version=1 {
    spine "feed" {
        where "event IN ('view', 'like')"
    }
    rolling "liked"
    embed "image" "taste"
    columns {
        user_id "int64"
        artwork_id "int64"
        image "vector<float16, 4>" nullable=#true
        taste "vector<float16, 4>" nullable=#true
    }
}
"#;

/// A vector for each of the first four artworks.
fn write_vectors(path: &Path) {
    let items = Float16Array::from_iter_values((0..16).map(|i| f16::from_f32(i as f32)));
    let field = Arc::new(Field::new("item", DataType::Float16, true));
    let vectors = FixedSizeListArray::new(field, 4, Arc::new(items), None);
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(1..=4));
    let batch = RecordBatch::try_from_iter([("artwork_id", ids), ("embedding", Arc::new(vectors) as ArrayRef)]).unwrap();
    lance::write(path, batch.schema(), std::iter::once(batch), WriteMode::Create).unwrap();
}

/// One line of the feed.
#[derive(Clone, Copy)]
pub struct Event {
    pub user: i64,
    pub artwork: i64,
    pub event: &'static str,
    pub at: Option<i64>,
}

/// The instant `hour` hours into a day of the feed, the first being 0.
pub fn instant(day: usize, hour: i64) -> i64 {
    START + day as i64 * DAY + hour * 3_600_000
}

/// The events of a day, always the same.
pub fn events(day: usize) -> Vec<Event> {
    events_from(instant(day, 0), 3_600_000, 12)
}

/// So many events from an instant on, one every `step` milliseconds.
pub fn events_from(start: i64, step: i64, count: i64) -> Vec<Event> {
    let day = (start - START).div_euclid(DAY);
    let event = |i: i64| Event {
        user: 1 + i % 3,
        artwork: 1 + (i + day).rem_euclid(5),
        event: ["view", "like", "hide"][(i % 3 + i / 3) as usize % 3],
        at: Some(start + i * step),
    };
    (0..count).map(event).collect()
}

/// An event that is in no day of [`events`].
pub fn one_more(day: usize) -> Event {
    Event { user: 2, artwork: 5, event: "like", at: Some(instant(day, 20)) }
}

/// The columns of a feed file.
pub fn feed_columns(events: &[Event]) -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("user_id", Arc::new(Int64Array::from_iter_values(events.iter().map(|e| e.user))) as ArrayRef),
        ("artwork_id", Arc::new(Int64Array::from_iter_values(events.iter().map(|e| e.artwork)))),
        ("event", Arc::new(StringArray::from_iter_values(events.iter().map(|e| e.event)))),
        ("event_timestamp", Arc::new(Int64Array::from_iter(events.iter().map(|e| e.at)))),
    ]
}

/// Columns of the artworks: ids, authors, times.
pub fn artwork_columns(rows: &[(i64, i64, i64)]) -> Vec<(&'static str, ArrayRef)> {
    let column = |of: fn(&(i64, i64, i64)) -> i64| Arc::new(Int64Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
    vec![("artwork_id", column(|r| r.0)), ("author_id", column(|r| r.1)), ("published_at", column(|r| r.2))]
}

/// One current row per artwork; the fifth has none.
pub fn artworks() -> Vec<(i64, i64, i64)> {
    (1..=4).map(|id| (id, 100 + id, START - id * DAY)).collect()
}

/// Writes a Parquet file, always with the same settings.
pub fn write_parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// A workspace in a directory of its own.
pub struct Workspace {
    pub directory: TempDir,
}

impl Workspace {
    /// Sources and manifest; nothing is built.
    pub fn new() -> Self {
        Self::named("workspace")
    }

    /// The same in a directory whose name begins so.
    pub fn named(prefix: &str) -> Self {
        let workspace = Self { directory: tempfile::Builder::new().prefix(prefix).tempdir().unwrap() };
        let files = [
            ("Daedalus.kdl", MANIFEST),
            ("feature_views/feed.kdl", FEED),
            ("feature_views/artworks.kdl", ARTWORKS),
            ("feature_services/ranking.kdl", RANKING),
            ("feature_services/counting.kdl", COUNTING),
            ("config/training/aggregations.kdl", AGGREGATIONS),
            ("config/training/runtime.kdl", RUNTIME),
        ];
        files.iter().for_each(|(name, text)| workspace.write(name, text));
        (0..DAYS.len()).for_each(|day| workspace.write_feed(day, &events(day)));
        write_parquet(&workspace.path("data/artworks/artworks.parquet"), artwork_columns(&artworks()));
        workspace
    }

    /// A directory with nothing in it.
    pub fn empty() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// Every partition of both assets is built.
    pub fn built() -> Self {
        static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
        Self::from_template(&TEMPLATE, "services", &["everything"], Self::new)
    }

    /// Every partition of all three assets is built.
    pub fn built_with_embeddings() -> Self {
        static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
        Self::from_template(&TEMPLATE, "embeddings", &["everything", "embedder"], Self::with_embeddings)
    }

    /// A copy of what is built once.
    fn from_template(template: &OnceLock<PathBuf>, name: &str, targets: &[&str], make: fn() -> Self) -> Self {
        let template = template.get_or_init(|| {
            let workspace = make();
            let built = workspace.build(targets);
            assert_eq!(built.code, 0, "{:?} {}", built.errors(), built.stderr);
            let path = template_path(name);
            copy(workspace.directory.path(), &path);
            path
        });
        let workspace = Self::empty();
        copy(template, workspace.directory.path());
        workspace
    }

    /// The same files at another path, with their times.
    pub fn copy(&self) -> Self {
        let there = Self::empty();
        copy(self.directory.path(), there.directory.path());
        there
    }

    /// A third asset, `embedder`, that looks vectors of width 4 up.
    pub fn with_embeddings() -> Self {
        Self::new().and_embeddings()
    }

    pub fn and_embeddings(self) -> Self {
        self.write("feature_views/vectors.kdl", VECTORS_VIEW);
        self.write("feature_services/vectors.kdl", VECTORS);
        self.write("Daedalus.kdl", &format!("{MANIFEST}{EMBEDDER}"));
        self.write("config/training/aggregations.kdl", &format!("{AGGREGATIONS}{STORE}"));
        write_vectors(&self.path("data/vectors.lance"));
        self
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.directory.path().join(relative)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Replaces the one place where a text stands in a file.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert_eq!(text.matches(from).count(), 1, "`{from}` in {name}");
        self.write(name, &text.replace(from, to));
    }

    pub fn feed(&self, day: usize) -> PathBuf {
        self.path(&format!("data/feed/dt={}/part-0.parquet", DAYS[day]))
    }

    pub fn write_feed(&self, day: usize, events: &[Event]) {
        write_parquet(&self.feed(day), feed_columns(events));
    }

    pub fn append(&self, day: usize, event: Event) {
        self.write_feed(day, &[events(day), vec![event]].concat());
    }

    /// The published directory of a partition.
    pub fn published(&self, asset: &str, day: usize) -> PathBuf {
        self.path(&format!("data/training_output/{asset}/dt={}", DAYS[day]))
    }

    /// The one data file of a published partition.
    pub fn shard(&self, asset: &str, day: usize) -> PathBuf {
        let mut files = data_files(&self.published(asset, day));
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_daeda"));
        command.arg("-C").arg(self.directory.path()).args(args);
        command.env("DAEDA_NOW", NOW).env_remove("DAEDA_PROFILE").stdin(Stdio::null());
        // Tests do not wait for each other, or for whoever else builds here.
        command.env("DAEDA_RUNTIME_DIR", self.runtime_directory());
        command
    }

    /// Where the processes of this workspace meet.
    pub fn runtime_directory(&self) -> PathBuf {
        let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("runtime").join(std::process::id().to_string());
        all.join(self.directory.path().file_name().unwrap())
    }

    pub fn daeda(&self, args: &[&str]) -> Said {
        Said::from(self.command(args).output().unwrap())
    }

    /// Builds, and returns what happened.
    pub fn build(&self, args: &[&str]) -> Built {
        let said = self.daeda(&[&["build", "--format", "json"], args].concat());
        Built { code: said.code, events: said.lines(), stderr: said.stderr }
    }

    /// The partitions of an asset that are not fresh.
    pub fn status(&self, asset: &str) -> Status {
        let said = self.daeda(&["status", asset, "--format", "json"]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        Status { asset: said.json()["assets"][0].clone() }
    }

    pub fn assert_fresh(&self) {
        for asset in ["ranker", "counter"] {
            let status = self.status(asset);
            assert_eq!(status.states(), BTreeMap::new(), "{asset}: {}", status.asset);
        }
    }

    /// Every file with its content's digest.
    pub fn listing(&self) -> BTreeMap<PathBuf, String> {
        tree(self.directory.path())
    }
}

/// Where this process keeps a built workspace. Those of processes that have ended are removed: nothing is dropped at the end of one.
fn template_path(name: &str) -> PathBuf {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("built-workspaces");
    fs::create_dir_all(&all).unwrap();
    for old in fs::read_dir(&all).unwrap().map(|e| e.unwrap()) {
        if !Path::new("/proc").join(old.file_name()).exists() {
            fs::remove_dir_all(old.path()).unwrap();
        }
    }
    let own = all.join(std::process::id().to_string()).join(name);
    fs::create_dir_all(&own).unwrap();
    own
}

/// Copies a file, or a directory with its times.
pub fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    copy(from, to);
    Ok(())
}

/// Copies what lies in a directory into another one, with its times.
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap().success());
}

/// Every file below a directory with its content's digest.
pub fn tree(directory: &Path) -> BTreeMap<PathBuf, String> {
    let files = walkdir::WalkDir::new(directory).into_iter().map(|e| e.unwrap());
    let shown = |e: walkdir::DirEntry| {
        let content = if e.file_type().is_file() { blake3::hash(&fs::read(e.path()).unwrap()).to_string() } else { String::new() };
        (e.path().strip_prefix(directory).unwrap().to_path_buf(), content)
    };
    files.map(shown).collect()
}

/// The files of a directory that readers of a dataset see.
pub fn data_files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().map(|e| e.unwrap().path());
    let is_data = |p: &PathBuf| !p.file_name().unwrap().to_string_lossy().starts_with(['_', '.']);
    let mut files: Vec<PathBuf> = entries.filter(is_data).collect();
    files.sort();
    files
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what is said is UTF-8");
        let said = Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) };
        assert!(!said.stderr.contains("panicked at"), "{}", said.stderr);
        said
    }
}

impl Said {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {} {}", self.stdout, self.stderr))
    }

    pub fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect()
    }
}

/// What a build did.
#[derive(Debug)]
pub struct Built {
    pub code: i32,
    pub events: Vec<Value>,
    pub stderr: String,
}

impl Built {
    /// The actions that had such an event, sorted.
    pub fn actions(&self, event: &str) -> Vec<String> {
        let mut actions: Vec<String> = self.events.iter().filter(|e| e["event"] == event).map(|e| id(&e["action"])).collect();
        actions.sort();
        actions
    }

    pub fn ran(&self) -> Vec<String> {
        self.actions("started")
    }

    /// The last event: the summary.
    pub fn finished(&self) -> &Value {
        let last = self.events.last().unwrap_or_else(|| panic!("no events: {}", self.stderr));
        assert_eq!(last["event"], "finished");
        last
    }

    /// What failed actions said.
    pub fn errors(&self) -> Vec<&str> {
        self.events.iter().filter(|e| e["event"] == "failed").map(|e| e["error"].as_str().unwrap()).collect()
    }
}

/// An action's name, from its JSON.
pub fn id(action: &Value) -> String {
    let key = action["key"].as_str().map_or(String::new(), |k| format!("@{k}"));
    format!("{}.{}{key}", action["asset"].as_str().unwrap(), action["op"].as_str().unwrap())
}

/// The skeletons of an asset's days, as [`Built::ran`] names them.
pub fn skeletons(asset: &str, days: &[usize]) -> Vec<String> {
    days.iter().map(|day| format!("{asset}.skeleton@{}", DAYS[*day])).collect()
}

/// An asset of `status --format json`.
pub struct Status {
    pub asset: Value,
}

impl Status {
    fn entries(&self) -> &Vec<Value> {
        self.asset["entries"].as_array().unwrap()
    }

    /// Partitions that are not fresh, with their states. What is not of one partition has the empty key.
    pub fn states(&self) -> BTreeMap<String, String> {
        let state = |e: &Value| (e["partition"].as_str().unwrap_or_default().to_string(), e["state"].as_str().unwrap().to_string());
        self.entries().iter().map(state).collect()
    }

    /// The partitions in a state.
    pub fn keys(&self, state: &str) -> Vec<String> {
        self.states().into_iter().filter(|(_, s)| s == state).map(|(key, _)| key).collect()
    }

    /// The reasons of all ops of a partition.
    pub fn reasons(&self, key: &str) -> Vec<Value> {
        let entry = self.entries().iter().find(|e| e["partition"].as_str().unwrap_or_default() == key);
        let ops = entry.unwrap_or_else(|| panic!("{key} is fresh")).get("ops").and_then(Value::as_array).unwrap();
        ops.iter().flat_map(|op| op["reasons"].as_array().unwrap().clone()).collect()
    }

    /// The kinds of those reasons, each once.
    pub fn kinds(&self, key: &str) -> Vec<String> {
        let mut kinds: Vec<String> = self.reasons(key).iter().map(|r| r["kind"].as_str().unwrap().to_string()).collect();
        kinds.sort();
        kinds.dedup();
        kinds
    }
}
