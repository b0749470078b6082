//! The house rules that `ARCHITECTURE.md` states, held by reading the sources: who may use whom, who may print, who may do I/O.
//!
//! It reads text, not syntax trees: comments are skipped, `crate::…` paths are taken wherever they stand, tests within `src/` included.
//! So that nothing slips by, a spelling it cannot read (`use crate::{…}`) is an offence too.

use std::fs;
use std::path::{Path, PathBuf};

/// Who may use whom, beside itself. A layer that is not named here uses nothing of this crate.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "catalog",
            "digest",
            "engine",
            "features",
            "history",
            "manifest",
            "path",
            "query",
            "report",
            "rules",
            "sample",
            "schedule",
            "source",
            "table",
            "workspace",
        ],
    ),
    // A consumer of events, as reports are.
    ("history", &["engine"]),
    // Beside the workspace and the engine: `runs` reads the history, `lineage`, `declared` and `pipeline` answer from what the catalog resolved, `published` reads
    // rows through `table`, and records are read by the one reader of records there is, which lies in `rules`. `source` has
    // "did you mean"; `path` and `digest` are words that the answers are put in.
    ("query", &["schedule", "workspace", "engine", "history", "table", "catalog", "rules", "source", "path", "digest"]),
    // What is due is asked of the calendar, how it stands of verdicts.
    ("schedule", &["workspace", "engine", "catalog"]),
    // It draws diagnostics as well as events, and a diagnostic is drawn on its source text.
    ("report", &["engine", "source"]),
    // `source` and `path` are what it reads: texts by workspace-relative names.
    ("workspace", &["rules", "catalog", "manifest", "engine", "source", "path", "digest"]),
    // The file system's word for a file, packed and checked: what caches are made of.
    ("stat", &["pack"]),
    ("pack", &["digest"]),
    // What a rule observes is digested by canonical hashing, and named by workspace-relative paths.
    ("rules", &["features", "catalog", "table", "engine", "digest", "path", "source"]),
    ("features", &["catalog", "table", "source"]),
    ("engine", &["digest", "path", "stat", "pack"]),
    ("table", &["digest", "stat", "pack"]),
    ("catalog", &["source", "digest"]),
    ("manifest", &["catalog", "source", "path"]),
    ("sample", &["table"]),
];

/// Layers that may write to the terminal.
const PRINTING: [&str; 2] = ["src/cli/", "src/report/"];

/// Speaks its protocol with the parent over stdout, which is a pipe and not a terminal.
const WORKER: &str = "src/engine/worker.rs";

/// Decides without touching the world, so that it can be tested, replayed and explained.
const PURE: [&str; 12] = [
    "src/manifest/",
    "src/catalog/",
    "src/engine/action.rs",
    "src/engine/graph.rs",
    "src/engine/decision.rs",
    "src/engine/envelope/ledger.rs",
    "src/engine/observation.rs",
    "src/engine/plan.rs",
    "src/engine/plan/",
    "src/engine/series.rs",
    "src/engine/state.rs",
    "src/engine/trace.rs",
];

/// Names that say nothing about what a file is for.
const EMPTY_NAMES: [&str; 5] = ["common", "utils", "helpers", "core", "imp"];

const MOST_LINES: usize = 600;

/// A source file of the crate.
struct File {
    /// From the repository's root, with `/` between the parts.
    path: String,
    text: String,
}

impl File {
    /// The folder below `src/`, or the name of a file that stands there alone.
    fn layer(&self) -> &str {
        let inner = self.path.trim_start_matches("src/");
        inner.split('/').next().unwrap_or(inner).trim_end_matches(".rs")
    }

    /// Lines of code with their numbers; lines that are only comment are left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Lines of code that hold one of the words, as offences.
    fn lines_with(&self, words: &[&str], rule: &str) -> Vec<String> {
        let found = self.code().filter(|(_, line)| words.iter().any(|word| line.contains(word)));
        found.map(|(number, line)| format!("{}:{number}: {rule}: {}", self.path, line.trim())).collect()
    }

    fn is_below(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder, by path.
fn files(folder: &str) -> Vec<File> {
    let mut paths = Vec::new();
    collect(&root().join(folder), &mut paths);
    paths.sort();
    paths.into_iter().map(|path| File { path: name(&path), text: fs::read_to_string(&path).unwrap() }).collect()
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn assert_none(offences: Vec<String>) {
    assert!(offences.is_empty(), "{} offence(s):\n{}", offences.len(), offences.join("\n"));
}

/// What a layer may use.
fn allowed(layer: &str) -> &'static [&'static str] {
    ARROWS.iter().find(|(from, _)| *from == layer).map_or(&[], |(_, to)| to)
}

fn layers() -> Vec<String> {
    let mut layers: Vec<String> = files("src").iter().map(|file| file.layer().to_string()).collect();
    layers.dedup();
    layers
}

/// The layers that a line of code reaches: by `crate::…`, from `main` by `daeda::…`, and by `super::super::…` out of its own folder.
fn reached<'l>(file: &File, line: &'l str, layers: &[String]) -> Vec<&'l str> {
    let depth = file.path.trim_start_matches("src/").trim_end_matches("/mod.rs").split('/').count();
    let up = "super::".repeat(depth);
    let first_names = |prefix: &str| -> Vec<&'l str> {
        line.split(prefix).skip(1).map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("")).collect()
    };
    let mut found = first_names("crate::");
    if file.layer() == "main" {
        found.extend(first_names("daeda::"));
    }
    found.extend(first_names(&up).into_iter().filter(|name| layers.iter().any(|layer| layer == name)));
    found
}

#[test]
fn layers_use_only_what_their_arrows_allow() {
    let layers = layers();
    let mut offences = Vec::new();
    for file in files("src").iter().filter(|file| file.layer() != "lib") {
        for (number, line) in file.code() {
            for to in reached(file, line, &layers).into_iter().filter(|to| *to != file.layer() && !allowed(file.layer()).contains(to)) {
                let why = if to.is_empty() { "write one `use crate::layer::…` a line" } else { "no such arrow" };
                offences.push(format!("{}:{number}: {} → {to}: {why}", file.path, file.layer()));
            }
        }
    }
    assert_none(offences);
}

/// A stale name in the table would allow what nobody meant to allow.
#[test]
fn arrows_lead_between_layers_that_exist_and_never_back() {
    let layers = layers();
    for (from, to) in ARROWS {
        for name in to.iter().chain([from]) {
            assert!(layers.iter().any(|layer| layer == name), "there is no layer `{name}`");
        }
        for name in *to {
            assert!(!allowed(name).contains(from), "`{from}` and `{name}` use each other");
        }
    }
}

#[test]
fn only_the_edge_prints() {
    let words = ["println!", "print!", "dbg!", "io::stdout", "io::stderr", "indicatif::"];
    let inner = files("src").into_iter().filter(|file| !file.is_below(&PRINTING) && file.path != WORKER);
    assert_none(inner.flat_map(|file| file.lines_with(&words, "only cli/ and report/ print")).collect());
}

#[test]
fn only_lance_is_asynchronous() {
    let inner = files("src").into_iter().filter(|file| !file.is_below(&["src/table/lance/"]));
    assert_none(inner.flat_map(|file| file.lines_with(&["tokio::", "futures::"], "only table/lance/ is asynchronous")).collect());
}

#[test]
fn what_decides_does_no_io() {
    let words = ["std::fs", "std::io", "std::env", "std::process", "std::net", "std::{"];
    let pure = files("src").into_iter().filter(|file| file.is_below(&PURE));
    assert_none(pure.flat_map(|file| file.lines_with(&words, "this file is pure")).collect());
    for place in PURE {
        assert!(root().join(place).exists(), "{place} is held to be pure and is not there");
    }
}

#[test]
fn files_say_what_they_are_and_stay_small() {
    let mut offences = Vec::new();
    for file in files("src").iter().chain(&files("tests")) {
        if !file.text.starts_with("//!") {
            offences.push(format!("{}:1: does not open with `//!`: what it does, and what it does not know", file.path));
        }
        let lines = file.text.lines().count();
        if lines > MOST_LINES {
            offences.push(format!("{}: {lines} lines; {MOST_LINES} are the most", file.path));
        }
        let parts = file.path.trim_end_matches(".rs").split('/');
        offences.extend(parts.filter(|part| EMPTY_NAMES.contains(part)).map(|part| format!("{}: `{part}` says nothing", file.path)));
    }
    assert_none(offences);
}
