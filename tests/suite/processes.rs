//! Several processes, killed processes, and how many workers there are: none of it shows in what is published.

use crate::fixture::*;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const RANKER_OPS: &str = r#"service "ranking"
    op "compile" rule="compile"
    op "skeleton" rule="skeleton" needs="compile""#;

const RETRIED_OPS: &str = r#"service "ranking"
    op "compile" rule="compile" {
        retry 5 delay="1ms"
    }
    op "skeleton" rule="skeleton" needs="compile" {
        retry 5 delay="1ms"
    }"#;

/// What lies under an output root, records and all but their times.
fn outputs(workspace: &Workspace) -> BTreeMap<PathBuf, String> {
    let mut found = tree(&workspace.path("data/training_output"));
    found.retain(|path, _| !path.starts_with("_daeda/staging") && !path.ends_with("_daeda.parquet") && !path.ends_with("_daeda.json"));
    found
}

fn staged(workspace: &Workspace) -> usize {
    fs::read_dir(workspace.path("data/training_output/_daeda/staging")).map_or(0, Iterator::count)
}

pub fn start(workspace: &Workspace, args: &[&str]) -> Child {
    workspace.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Reads events until one of a kind.
pub fn wait_for(lines: &mut impl Iterator<Item = std::io::Result<String>>, event: &str) -> Value {
    let events = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    events.into_iter().find(|e| e["event"] == event).unwrap_or_else(|| panic!("no `{event}` event"))
}

/// The processes that a process has started.
pub fn children(pid: u32) -> Vec<u32> {
    let is_child = |status: &str| status.lines().any(|l| l.strip_prefix("PPid:").is_some_and(|p| p.trim() == pid.to_string()));
    let all = fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    all.filter(|p| is_child(&fs::read_to_string(format!("/proc/{p}/status")).unwrap_or_default())).collect()
}

pub fn has_ended(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.is_empty() || status.contains("State:\tZ")
}

/// Waits for something that happens soon.
pub fn eventually(what: &str, happened: impl Fn() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what} does not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A published partition is whole: its record is there and its data can be read to the end.
fn assert_whole(partition: &Path) {
    assert!(partition.join("_daeda.parquet").exists(), "{}", partition.display());
    // A listing begun before a replacement and read after it is empty; the next one is not.
    let listed = (0..100).map(|_| data_files(partition)).find(|files| !files.is_empty());
    for file in listed.unwrap_or_else(|| panic!("no data in {}", partition.display())) {
        // A partition may be replaced between listing and opening; then the file is gone, but never half there.
        let Ok(opened) = File::open(&file) else { continue };
        let reader = SerializedFileReader::new(opened).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        assert!(reader.get_row_iter(None).unwrap().all(|row| row.is_ok()));
    }
}

fn published(workspace: &Workspace, asset: &str) -> Vec<PathBuf> {
    (0..DAYS.len()).map(|day| workspace.published(asset, day)).filter(|p| p.exists()).collect()
}

#[test]
fn a_killed_build_costs_the_work_in_flight_and_nothing_else() {
    let workspace = Workspace::new();
    let mut build = start(&workspace, &["build", "ranker", "--format", "json"]);
    let mut lines = BufReader::new(build.stdout.take().unwrap()).lines();
    wait_for(&mut lines, "published");
    wait_for(&mut lines, "started");
    eventually("a worker", || !children(build.id()).is_empty());
    let workers = children(build.id());
    build.kill().unwrap();
    build.wait().unwrap();
    eventually("the end of the workers", || workers.iter().all(|w| has_ended(*w)));
    published(&workspace, "ranker").iter().for_each(|p| assert_whole(p));
    assert!(staged(&workspace) > 0, "what was in flight is left");
    let next = workspace.build(&["ranker"]);
    assert_eq!((next.code, staged(&workspace)), (0, 0), "{}", next.stderr);
    assert_eq!(workspace.status("ranker").states(), BTreeMap::new());
}

#[test]
fn a_worker_that_is_killed_fails_its_action_only_until_it_is_retried() {
    let workspace = Workspace::new();
    workspace.edit("Daedalus.kdl", RANKER_OPS, RETRIED_OPS);
    // The only worker of the builds below is then the skeleton's.
    assert_eq!(workspace.build(&["ranker.compile"]).ran(), ["ranker.compile"]);
    // On a busy machine a worker may have finished before it is killed: then the next day shows it.
    let hit = (0..DAYS.len()).any(|day| retries_of_a_killed_worker(&workspace, DAYS[day]) == 1);
    assert!(hit, "no worker was killed in time");
    assert_eq!(workspace.build(&["ranker"]).code, 0);
    assert_eq!(workspace.status("ranker").states(), BTreeMap::new());
}

/// Builds a day, kills its worker, and says how many attempts were repeated.
fn retries_of_a_killed_worker(workspace: &Workspace, day: &str) -> u64 {
    let mut build = start(workspace, &["build", &format!("ranker@{day}"), "--format", "json"]);
    let mut lines = BufReader::new(build.stdout.take().unwrap()).lines();
    wait_for(&mut lines, "started");
    eventually("a worker, or its end", || !children(build.id()).is_empty() || has_ended(build.id()));
    if let Some(worker) = children(build.id()).first() {
        // It may have ended by itself.
        let _ = rustix::process::kill_process(rustix::process::Pid::from_raw(*worker as i32).unwrap(), rustix::process::Signal::KILL);
    }
    let events: Vec<Value> = lines.map(|l| serde_json::from_str(&l.unwrap()).unwrap()).collect();
    assert_eq!(build.wait().unwrap().code(), Some(0), "{events:?}");
    events.last().unwrap()["retried"].as_u64().unwrap()
}

#[test]
fn readers_never_see_half_a_partition() {
    let workspace = Workspace::new();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut seen = 0;
            while !over.load(Ordering::Relaxed) {
                for partition in published(&workspace, "ranker") {
                    assert_whole(&partition);
                    seen += 1;
                }
            }
            seen
        });
        for args in [["build", "ranker", "-q"], ["build", "ranker", "--force"]] {
            assert_eq!(workspace.daeda(&args).code, 0);
        }
        over.store(true, Ordering::Relaxed);
        assert!(reading.join().unwrap() > 0);
    });
}

#[test]
fn bytes_do_not_depend_on_workers_or_on_the_place() {
    let reference = Workspace::new();
    assert_eq!(reference.build(&["everything", "-j", "1"]).code, 0);
    let expected = outputs(&reference);
    assert!(expected.keys().filter(|p| p.extension().is_some_and(|e| e == "parquet")).count() >= 10);
    for args in [["-j", "2"], ["--set", "resources.cpus=1"]] {
        let workspace = Workspace::new();
        assert_eq!(workspace.build(&[&["everything"], args.as_slice()].concat()).code, 0);
        assert_eq!(outputs(&workspace), expected, "{args:?}");
    }
    let copy = reference.copy();
    copy.assert_fresh();
    assert_eq!(copy.build(&["everything", "--force"]).ran().len(), 12);
    assert_eq!(outputs(&copy), expected);
}

#[test]
fn a_lock_that_nobody_holds_any_more_is_no_obstacle() {
    let workspace = Workspace::built();
    let locks = workspace.path("data/training_output/_daeda/locks");
    assert!(locks.join("ranker.skeleton@2026-02-01.lock").exists());
    fs::remove_dir_all(workspace.published("ranker", 0)).unwrap();
    assert_eq!(workspace.build(&["ranker"]).ran(), skeletons("ranker", &[0]));
    let mut text = String::new();
    File::open(locks.join("ranker.skeleton@2026-02-01.lock")).unwrap().read_to_string(&mut text).unwrap();
}
