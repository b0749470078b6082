//! The history of runs: what is in it, how it is read, and that it holds nobody up.

use crate::fixture::{DAYS, Said, Workspace};
use daeda::engine::action::ActionId;
use daeda::engine::clock::SystemClock;
use daeda::engine::event::{Event, Sink, Summary};
use daeda::engine::state::State;
use daeda::history::{Head, History, Recorder, Retention};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const KEEP: Retention = Retention { runs: 100_000, age: i64::MAX, bytes: u64::MAX };

struct Silent;

impl Sink for Silent {
    fn event(&self, _: &Event) {}
}

/// Tells of a run that builds so many actions, as an engine would.
fn run(state: &Path, keep: Retention, actions: usize) {
    let head = Head { state: state.into(), command: "daeda build ranker".into(), keep };
    let recorder = Recorder::begin(&Silent, SystemClock::default(), head);
    for number in 0..actions {
        let action = ActionId { asset: "ranker".into(), op: "skeleton".into(), key: Some(format!("2026-{number:04}").into()) };
        recorder.event(&Event::Judged { action: action.clone(), state: State::Missing, reasons: vec![] });
        recorder.event(&Event::Started { action: action.clone(), attempt: 1 });
        let metadata = serde_json::json!({"rows": number * 10, "columns": 7, "output_path": "data/training_output/ranker"});
        let metadata = metadata.as_object().unwrap().clone();
        recorder.event(&Event::Published { action, seconds: 0.5, peak_memory: 1 << 28, metadata });
    }
    recorder.event(&Event::Finished(Summary { built: actions, seconds: 1.0, ..Summary::default() }));
    assert_eq!(recorder.end(), None);
}

const FLAKY: &str = r#"daedalus version=1
asset "made" {
    op "make" rule="command" {
        env "PATH"
        source "run.sh"
        run "sh" "run.sh" "{output}"
        retry 3 delay="1ms" exit-codes="75"
    }
}
"#;

const RUN: &str = "echo attempt; echo x >> count; [ $(wc -l < count) -gt 2 ] || exit 75\necho '{\"loss\": 0.25}' >> $DAEDA_METADATA\necho done > $1/done\n";

fn flaky() -> Workspace {
    let workspace = Workspace::empty();
    workspace.write("Daedalus.kdl", FLAKY);
    workspace.write("run.sh", RUN);
    workspace
}

/// Whoever may only read it can do that: another user, where tests may become one.
#[test]
fn a_history_that_may_not_be_written_can_be_read() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65534;
    if !rustix::process::getuid().is_root() {
        return;
    }
    let workspace = flaky();
    assert_eq!(workspace.daeda(&["build", "made"]).code, 0);
    let state = workspace.path(".daeda");
    // As a process leaves it that is about to write: with what readers and writers share.
    let writer = rusqlite::Connection::open(state.join("history.sqlite")).unwrap();
    let _: i64 = writer.query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).unwrap();
    for path in [workspace.directory.path(), &state] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for (args, expected) in [(vec!["runs"], "succeeded"), (vec!["log", "last"], "made.make")] {
        let said = Said::from(workspace.command(&args).uid(NOBODY).gid(NOBODY).output().unwrap());
        assert!(said.code == 0 && said.stdout.contains(expected), "{args:?}: {} {}", said.stdout, said.stderr);
    }
}

#[test]
fn a_run_is_there_with_its_attempts_metadata_and_log() {
    let workspace = flaky();
    assert_eq!(workspace.build(&["made"]).code, 0);
    let list = workspace.daeda(&["runs"]).stdout;
    assert!(list.contains("succeeded") && list.contains("1 built, 2 retried") && list.contains("build --format json made"), "{list}");
    let run = workspace.daeda(&["runs", "last", "--format", "json"]).json();
    let action = &run["actions"][0];
    assert_eq!((&run["run"], &action["action"], &action["outcome"]), (&1.into(), &"made.make".into(), &"built".into()));
    assert_eq!(action["attempts"].as_array().unwrap().len(), 3);
    assert!(action["attempts"][0]["error"].as_str().unwrap().contains("ended with exit code 75"), "{action}");
    assert_eq!((&action["attempts"][2]["error"], &action["metadata"]["loss"]), (&serde_json::Value::Null, &0.25.into()));
    let text = workspace.daeda(&["runs", "1"]).stdout;
    assert!(text.contains("made.make: built") && text.contains("attempt 2 failed: ") && text.contains("attempt 3 succeeded"), "{text}");
    let log = workspace.daeda(&["log", "last"]).stdout;
    assert_eq!(log.matches("attempt\n").count(), 3, "{log}");
    assert_eq!(workspace.daeda(&["log", "1", "made", "--format", "json"]).json()["logs"][0]["action"], "made.make");
    assert_eq!(
        (workspace.daeda(&["log", "1", "other"]).code, workspace.daeda(&["runs", "7"]).code, workspace.daeda(&["runs", "x"]).code),
        (2, 2, 2)
    );
}

#[test]
fn a_run_with_nothing_to_do_is_there_without_a_database() {
    let workspace = flaky();
    assert_eq!(workspace.daeda(&["runs"]).stdout, "no runs yet: `daeda build` makes one\n");
    assert_eq!(workspace.build(&["made"]).code, 0);
    fs::remove_file(workspace.path(".daeda/history.sqlite")).unwrap();
    assert_eq!(workspace.build(&["made"]).code, 0);
    assert!(!workspace.path(".daeda/history.sqlite").exists() && workspace.path(".daeda/history.pending").exists());
    let runs = workspace.daeda(&["runs", "--format", "json"]).json();
    assert_eq!((&runs["runs"][0]["state"], &runs["runs"][0]["summary"]["fresh"]), (&"succeeded".into(), &1.into()));
    // The next run that does something takes it over.
    assert_eq!(workspace.build(&["made", "--force"]).code, 0);
    assert!(!workspace.path(".daeda/history.pending").exists());
    assert_eq!(workspace.daeda(&["runs", "--format", "json"]).json()["runs"].as_array().unwrap().len(), 2);
}

#[test]
fn failures_and_checks_are_told() {
    let workspace = Workspace::new();
    let ops = "    op \"skeleton\" rule=\"skeleton\" needs=\"compile\"\n}\nasset \"counter\"";
    workspace.edit(
        "Daedalus.kdl",
        ops,
        &ops.replacen("\n}", "\n    check \"few\" rows-max=3\n    check \"any\" rows-min=1 severity=\"warn\"\n}", 1),
    );
    let target = format!("ranker@{}", DAYS[0]);
    assert_eq!(workspace.build(&[&target]).code, 1);
    let text = workspace.daeda(&["runs", "last"]).stdout;
    for words in [
        "failed after",
        "ranker.skeleton@2026-02-01: failed",
        "check `few` failed, rows: 8 rows, and at most 3",
        "check `any` passed, rows (8)",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn an_asset_over_time_has_a_sparkline() {
    let workspace = Workspace::built();
    let text = workspace.daeda(&["runs", "--asset", "ranker"]).stdout;
    assert!(text.starts_with("ranker.skeleton: 5 built, 2026-02-01..2026-02-05\n") && text.contains("▅▅▅▅▅"), "{text}");
    let one = workspace.daeda(&["runs", "--asset", "ranker.skeleton", "--metric", "rows"]).stdout;
    assert!(one.contains("2026-02-03  8"), "{one}");
    let json = workspace.daeda(&["runs", "--asset", "ranker", "--format", "json"]).json();
    assert_eq!((&json["points"][4]["partition"], &json["points"][4]["numbers"]["rows"]), (&DAYS[4].into(), &8.0.into()));
    let unknown = workspace.daeda(&["runs", "--asset", "rankr"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("`ranker`"), "{}", unknown.stderr);
}

#[test]
fn what_is_damaged_or_foreign_is_set_aside_and_said_so() {
    let workspace = flaky();
    for (bytes, why) in
        [("no database at all, but text that is long enough to be looked at, once and again".repeat(40), "is damaged"), (String::new(), "")]
    {
        fs::create_dir_all(workspace.path(".daeda")).unwrap();
        fs::write(workspace.path(".daeda/history.sqlite"), bytes).unwrap();
        let read = workspace.daeda(&["runs"]);
        assert_eq!(read.code, if why.is_empty() { 0 } else { 4 }, "{}", read.stderr);
        let built = workspace.daeda(&["build", "made", "--force"]);
        assert_eq!(built.code, 0, "{}", built.stderr);
        assert_eq!(built.stderr.contains("it was set aside as"), !why.is_empty(), "{}", built.stderr);
        assert!(built.stderr.contains(why) && workspace.daeda(&["runs"]).stdout.contains("1 built"));
    }
    let foreign = rusqlite::Connection::open(workspace.path(".daeda/history.sqlite")).unwrap();
    foreign.pragma_update(None, "user_version", 99).unwrap();
    drop(foreign);
    assert!(workspace.daeda(&["runs"]).stderr.contains("has version 99"));
    let built = workspace.daeda(&["build", "made", "--force"]);
    assert!(built.code == 0 && built.stderr.contains("has version 99") && built.stderr.contains("set aside"), "{}", built.stderr);
    assert!(workspace.path(".daeda/history.sqlite.2.aside").exists());
}

#[test]
fn a_history_that_cannot_be_written_is_a_warning() {
    let workspace = flaky();
    fs::create_dir_all(workspace.path(".daeda/history.sqlite")).unwrap();
    let built = workspace.daeda(&["build", "made"]);
    assert!(built.code == 0 && built.stderr.contains("warning: ") && built.stderr.contains("history"), "{}", built.stderr);
}

/// Must show: `runs` under 100 ms with 10,000 runs; retention holds the file's size.
#[test]
fn ten_thousand_runs_are_read_at_once() {
    let workspace = Workspace::new();
    let state = workspace.path(".daeda");
    fill(&state, 10_000);
    let read = || {
        let start = Instant::now();
        let said: Said = workspace.daeda(&["runs"]);
        assert_eq!((said.code, said.stdout.lines().count()), (0, 21), "{}", said.stderr);
        start.elapsed()
    };
    let best = (0..10).map(|_| read()).min().unwrap();
    // Without optimisation, on a busy machine, the program's start included; a release build takes a tenth.
    assert!(best < Duration::from_millis(1500), "{best:?}");
    let history = History::open(&state).unwrap();
    let start = Instant::now();
    assert_eq!(history.runs(20).unwrap().len(), 20);
    assert!(start.elapsed() < Duration::from_millis(100), "{:?}", start.elapsed());
}

/// So many runs of three actions each, in one transaction.
fn fill(state: &Path, runs: usize) {
    run(state, KEEP, 3);
    let connection = rusqlite::Connection::open(state.join("history.sqlite")).unwrap();
    connection.execute_batch("BEGIN").unwrap();
    for number in 0..runs - 1 {
        let sql = "INSERT INTO runs (started, seconds, pid, command, state, summary) SELECT started - ?1, seconds, pid, command, state, summary FROM runs WHERE id = 1";
        connection.execute(sql, [number as i64]).unwrap();
        let sql = "INSERT INTO actions (run, asset, op, key, outcome, started, seconds, attempts, peak_memory, metadata) \
                   SELECT ?1, asset, op, key, outcome, started, seconds, attempts, peak_memory, metadata FROM actions WHERE run = 1";
        connection.execute(sql, [connection.last_insert_rowid()]).unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
}

#[test]
fn retention_holds_the_size_and_the_number() {
    let directory = tempfile::tempdir().unwrap();
    let size = || fs::metadata(directory.path().join("history.sqlite")).unwrap().len();
    let few = Retention { runs: 5, ..KEEP };
    (0..12).for_each(|_| run(directory.path(), few, 2));
    let history = History::open(directory.path()).unwrap();
    let numbers: Vec<Option<i64>> = history.runs(100).unwrap().iter().map(|run| run.number).collect();
    assert_eq!(numbers, [12, 11, 10, 9, 8].map(Some));
    drop(history);
    let small = Retention { bytes: 300 << 10, ..KEEP };
    let mut largest = 0;
    for _ in 0..25 {
        run(directory.path(), small, 200);
        largest = largest.max(size());
    }
    assert!(largest < 600 << 10, "{largest}");
    // A larger one that is bounded later shrinks.
    (0..25).for_each(|_| run(directory.path(), KEEP, 200));
    let before = size();
    run(directory.path(), small, 1);
    assert!(before > 900 << 10 && size() < 400 << 10, "{before} {}", size());
    let old = Retention { age: 0, ..KEEP };
    run(directory.path(), old, 1);
    std::thread::sleep(Duration::from_millis(5));
    run(directory.path(), old, 1);
    assert_eq!(History::open(directory.path()).unwrap().runs(100).unwrap().len(), 1);
}

/// Must show: a build and a reader together never see "database is locked".
#[test]
fn builds_and_readers_do_not_get_in_each_other_s_way() {
    let workspace = flaky();
    assert_eq!(workspace.build(&["made"]).code, 0);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reading = || {
            let mut read = 0;
            while !over.load(Ordering::Relaxed) {
                for args in [&["runs"][..], &["runs", "last"], &["log", "last"]] {
                    let said = workspace.daeda(args);
                    assert_eq!(said.code, 0, "{}", said.stderr);
                    read += 1;
                }
            }
            read
        };
        let readers: Vec<_> = (0..3).map(|_| scope.spawn(reading)).collect();
        let state = workspace.path(".daeda");
        let writer = scope.spawn(move || (0..60).for_each(|_| run(&state, Retention { runs: 20, ..KEEP }, 20)));
        for _ in 0..6 {
            let built = workspace.daeda(&["build", "made", "--force"]);
            assert!(built.code == 0 && !built.stderr.contains("history") && !built.stderr.contains("locked"), "{}", built.stderr);
        }
        writer.join().unwrap();
        over.store(true, Ordering::Relaxed);
        assert!(readers.into_iter().map(|reader| reader.join().unwrap()).sum::<usize>() > 3);
    });
}
