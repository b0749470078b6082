//! Scenarios: stories of what is rebuilt, what is not, and why, in `tests/scenarios/*.md`, read here and run. Their language is told
//! in `tests/scenarios/README.md`.
//!
//! Invariants: every line of [`LINES`] has its file and every file its line; an unknown step is an error; what is in [`NOT_YET`] is
//! read like the others, and leaves that table as soon as it holds.
//!
//! `DAEDA_SCENARIO=<part of a name>` runs some of them, `DAEDA_BLESS=1` rewrites what they expect.

mod age;
mod change;
mod claim;
mod console;
mod generate;
mod lance_rows;
mod parquet_rows;
mod peers;
mod periods;
mod plain;
mod run;
mod spec;
mod step;
mod story;
mod table;
mod told;
mod trials;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use story::Story;

/// What must be shown: a file's name, and its heading.
const LINES: &[(&str, &str)] = &[
    ("01-no-op", "No-op"),
    ("02-touch", "Touch"),
    ("03-same-size-and-time", "Content changed with mtime and size kept"),
    ("04-parameter", "Parameter changed"),
    ("05-cosmetic", "Cosmetic edits"),
    ("06-one-config-key", "One config key read by one op"),
    ("07-early-cutoff", "Early cutoff stops the chain, and a second reason still runs it"),
    ("08-output-deleted", "Output deleted"),
    ("09-output-edited", "Output edited by hand"),
    ("10-caches-deleted", "`.daeda/` deleted"),
    ("11-caches-deleted-output-edited", "`.daeda/` deleted and output edited"),
    ("12-input-edited-meanwhile", "Input edited while the op runs"),
    ("13-command-writes-its-input", "A command that writes its own input"),
    ("14-failed-op-had-written", "Failed op that had written output"),
    ("15-fail-then-revert", "Fail, then revert the config"),
    ("16-input-files", "Input file added, removed"),
    ("16-input-renamed", "Input file renamed"),
    ("17-input-period-removed", "A whole input period removed"),
    ("18-one-parent-of-many", "One parent period of many changed: exactly it is named"),
    ("19-many-parents", "400 parent periods"),
    ("20-unread-column", "Unread column added, rewritten"),
    ("21-excluded-late-event", "Late event that a `where` excludes"),
    ("22-embedding-rows", "Embedding rows appended, updated, deleted, dataset compacted, index added"),
    ("23-absent-embedding", "Absent embedding arrives"),
    ("24-static-view", "Static view rewritten with one row changed"),
    ("25-join", "Join added, removed"),
    ("26-there-and-back", "A → B → A, unbuilt and built"),
    ("27-dry-run", "Dry run changes no byte on disk"),
    ("28-keep-going", "Keep going"),
    ("29-two-processes", "Two processes, same and different partitions"),
    ("30-older-scheme", "Record of an older scheme"),
    ("31-gaps", "Gaps"),
    ("32-ranges", "Range selections"),
    ("33-settled", "Settled partition drifts"),
    ("34-brake", "Brake refuses, then permits"),
    ("35-not-ready", "Not ready, then ready"),
    ("36-long-and-short-days", "23- and 25-hour days"),
    ("37-unhashed-field", "A new spec field that nobody hashed fails the suite"),
    ("38-engine", "Another engine for rolling aggregates"),
];

/// Scenarios of what does not hold yet, and why.
const NOT_YET: &[(&str, &str)] = &[];

fn is_not_yet(story: &Story) -> bool {
    NOT_YET.iter().any(|(name, _)| *name == story.name())
}

/// Every scenario, or those that were asked for, by name.
fn stories() -> Vec<Story> {
    stories_of("tests/scenarios")
}

fn stories_of(folder: &str) -> Vec<Story> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "md") && path.file_name().is_some_and(|name| name != "README.md"));
    paths.sort();
    let wanted = std::env::var("DAEDA_SCENARIO").unwrap_or_default();
    let stories = paths.iter().map(|path| Story::read(path).unwrap_or_else(|what| panic!("{what}")));
    stories.filter(|story| story.name().contains(&wanted)).collect()
}

/// Runs several stories at once, and returns what is wrong with which.
fn run_all(stories: &[Story], bless: bool) -> Vec<(String, String)> {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(story) = stories.get(next.fetch_add(1, Ordering::Relaxed)) {
            let ran = catch_unwind(AssertUnwindSafe(|| run::run(story, bless)));
            if let Err(what) = ran.unwrap_or_else(|_| Err(format!("{}: panicked, see above", story.place(1)))) {
                wrong.lock().unwrap().push((story.name(), what));
            }
        }
    };
    // Mostly they wait: for processes, and for the disk to have what is published.
    let threads = 3 * std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    wrong
}

#[test]
fn every_scenario_tells_what_happens() {
    let mut stories = stories();
    // What is asked for by name runs, whether it is expected to hold or not.
    stories.retain(|story| std::env::var_os("DAEDA_SCENARIO").is_some() || !is_not_yet(story));
    all_hold(&stories);
}

fn all_hold(stories: &[Story]) {
    let wrong = run_all(stories, std::env::var_os("DAEDA_BLESS").is_some());
    let told: Vec<&str> = wrong.iter().map(|(_, what)| what.as_str()).collect();
    assert!(wrong.is_empty(), "{} of {} scenarios\n\n{}", wrong.len(), stories.len(), told.join("\n\n"));
}

#[test]
fn what_is_not_yet_is_read_and_does_not_hold() {
    let mut stories = stories();
    stories.retain(is_not_yet);
    stories.iter().for_each(|story| drop(step::steps(story).unwrap_or_else(|what| panic!("{what}"))));
    let wrong: BTreeSet<String> = run_all(&stories, false).into_iter().map(|(name, _)| name).collect();
    let holds: Vec<String> = stories.iter().map(Story::name).filter(|name| !wrong.contains(name)).collect();
    assert!(holds.is_empty(), "these hold by now; take them out of NOT_YET: {}", holds.join(", "));
}

#[test]
fn every_line_has_its_scenario() {
    let names: BTreeSet<&str> = LINES.iter().map(|(name, _)| *name).collect();
    assert!(NOT_YET.iter().all(|(name, why)| names.contains(name) && !why.is_empty()));
    if std::env::var_os("DAEDA_SCENARIO").is_some() {
        return;
    }
    let found: Vec<(String, String)> = stories().iter().map(|story| (story.name(), story.title().unwrap_or_default().into())).collect();
    let listed: Vec<(String, String)> = LINES.iter().map(|(name, title)| (name.to_string(), title.to_string())).collect();
    assert_eq!(found, listed);
}
