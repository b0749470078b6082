//! Schedules, from outside: what is due and what was missed, each period built once and in order whoever runs it, who is told.
//!
//! Time is `DAEDA_NOW`: an instant, or a file that holds one, which tests set on while daeda watches it.

use crate::fixture::*;
use crate::processes::has_ended;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const SCHEDULE: &str = r#"schedule "nightly" job="everything" after="1h""#;

/// A schedule of the ranker alone, which notes what was told.
const TOLD: &str = r#"job "ranking" {
    select "ranker"
}
schedule "nightly" job="ranking" after="1h" deadline="6h" {
    notify "failed" "late" "recovered" {
        run "sh" "-c" "cat >> told; exit $(cat exit 2>/dev/null || echo 0)"
        env "PATH"
    }
}"#;

/// Waits for something that takes whole builds, on a machine that may be busy.
fn eventually(what: &str, happened: impl Fn() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_secs(90), "{what}: it never is");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn at(now: &str) -> String {
    format!("2026-02-{now}:00Z")
}

/// Runs a command at an instant, `06T01:00` for the sixth of February at one.
fn daeda(workspace: &Workspace, now: &str, args: &[&str]) -> Said {
    Said::from(workspace.command(args).env("DAEDA_NOW", at(now)).output().unwrap())
}

fn run(workspace: &Workspace, now: &str) -> Said {
    daeda(workspace, now, &["schedule", "run", "--log-format", "json"])
}

/// JSON lines of stderr.
fn lines(stderr: &str) -> Vec<Value> {
    stderr.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

/// The actions of an op that were published, in the order in which that began.
fn built(stderr: &str, asset: &str) -> Vec<String> {
    let events = lines(stderr);
    let of_asset = |e: &&Value| e["event"] == "published" && e["action"]["asset"] == asset && e["action"]["op"] == "skeleton";
    events.iter().filter(of_asset).map(|e| e["action"]["key"].as_str().unwrap().to_string()).collect()
}

fn told(workspace: &Workspace) -> Vec<(String, String)> {
    let text = fs::read_to_string(workspace.path("told")).unwrap_or_default();
    let of = |line: &str| {
        let told: Value = serde_json::from_str(line).unwrap();
        (told["event"].as_str().unwrap().into(), told["partition"].as_str().unwrap().into())
    };
    text.lines().map(of).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(event, day)| (event.to_string(), day.to_string())).collect()
}

#[test]
fn a_period_is_due_once_it_has_ended_plus_after() {
    let workspace = Workspace::new();
    let due = |now: &str| {
        let said = daeda(&workspace, now, &["schedule", "due", "--format", "json"]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        let schedule = said.json()["schedules"][0].clone();
        let periods = schedule["periods"].as_array().unwrap().iter().map(|p| p["partition"].as_str().unwrap().to_string());
        (periods.collect::<Vec<_>>(), schedule["next"]["partition"].as_str().unwrap().to_string())
    };
    assert_eq!(due("02T00:59"), (vec![], DAYS[0].to_string()));
    assert_eq!(due("02T01:00"), (vec![DAYS[0].to_string()], DAYS[1].to_string()));
    assert_eq!(run(&workspace, "02T01:00").code, 0);
    assert_eq!(due("02T23:00"), (vec![], DAYS[1].to_string()));
    let listed = daeda(&workspace, "04T12:00", &["schedule", "list"]).stdout;
    assert!(listed.contains("nightly   everything  2026-02-04  2026-02-05T01:00:00Z  2"), "{listed}");
}

#[test]
fn what_is_due_is_built_once_the_oldest_first_for_all_assets_of_a_day() {
    let workspace = Workspace::new();
    let said = run(&workspace, "04T12:00");
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert_eq!(built(&said.stderr, "ranker"), DAYS[..3]);
    assert_eq!(built(&said.stderr, "counter"), DAYS[..3]);
    let events = lines(&said.stderr);
    let order: Vec<&str> = events.iter().filter(|e| e["event"] == "published").filter_map(|e| e["action"]["key"].as_str()).collect();
    assert!(order.is_sorted(), "{order:?}");
    let again = run(&workspace, "04T12:00");
    assert_eq!((again.code, built(&again.stderr, "ranker")), (0, vec![]), "{}", again.stderr);
    // What changes within reach is brought up to date like anything else.
    workspace.append(2, one_more(2));
    assert_eq!(built(&run(&workspace, "04T12:00").stderr, "ranker"), [DAYS[2]]);
}

#[test]
fn catching_up_is_bounded_and_what_is_missed_is_named() {
    let workspace = Workspace::new();
    workspace.edit("Daedalus.kdl", SCHEDULE, r#"schedule "nightly" job="everything" after="1h" catch-up="2d""#);
    let said = run(&workspace, "06T01:00");
    assert_eq!(built(&said.stderr, "ranker"), [DAYS[3], DAYS[4]]);
    let missed = lines(&said.stderr).into_iter().find(|e| e["what"] == "missed").unwrap();
    let message = missed["message"].as_str().unwrap();
    assert!(
        message.contains("missed 2026-02-01..2026-02-03") && message.contains("job run everything @2026-02-01..2026-02-03"),
        "{message}"
    );
    let built = daeda(&workspace, "06T01:00", &["job", "run", "everything", "@2026-02-01..2026-02-03"]);
    assert_eq!(built.code, 0, "{}", built.stderr);
    assert!(!run(&workspace, "06T01:00").stderr.contains("missed"));
}

#[test]
fn the_latest_period_is_built_however_long_ago_it_came_due() {
    let workspace = Workspace::new();
    workspace.edit("Daedalus.kdl", r#"every="day" start="2026-02-01""#, r#"every="day" start="2026-02-01" end="2026-02-02""#);
    workspace.edit("Daedalus.kdl", SCHEDULE, r#"schedule "nightly" job="everything" after="1h" catch-up="0s""#);
    assert_eq!(built(&run(&workspace, "20T00:00").stderr, "ranker"), [DAYS[1]]);
}

#[test]
fn what_waits_for_its_input_is_no_failure_and_stays_due() {
    let workspace = Workspace::new();
    fs::rename(workspace.feed(2), workspace.path("later")).unwrap();
    let said = run(&workspace, "04T12:00");
    assert_eq!((said.code, built(&said.stderr, "ranker")), (0, DAYS[..2].iter().map(|d| d.to_string()).collect()));
    assert!(said.stderr.contains("still due: 2026-02-03"), "{}", said.stderr);
    fs::create_dir_all(workspace.feed(2).parent().unwrap()).unwrap();
    fs::rename(workspace.path("later"), workspace.feed(2)).unwrap();
    assert_eq!(built(&run(&workspace, "04T12:00").stderr, "ranker"), [DAYS[2]]);
}

fn start(workspace: &Workspace, now: &str, args: &[&str]) -> Child {
    let mut command = workspace.command(&[&["schedule", "run", "--log-format", "json"], args].concat());
    command.env("DAEDA_NOW", now).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn ended(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// What several processes have built, each by itself in order.
fn built_by_all(said: &[(Option<i32>, String)], asset: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (code, stderr) in said {
        assert_eq!(*code, Some(0), "{stderr}");
        let own = built(stderr, asset);
        assert!(own.is_sorted(), "{own:?}");
        all.extend(own);
    }
    all.sort();
    all
}

#[test]
fn of_overlapping_runs_each_builds_what_the_other_does_not() {
    let workspace = Workspace::new();
    for (now, days) in [("03T01:00", &DAYS[..2]), ("06T01:00", &DAYS[2..])] {
        let running = [0, 1].map(|_| start(&workspace, &at(now), &[]));
        let said = running.map(ended);
        for asset in ["ranker", "counter"] {
            assert_eq!(built_by_all(&said, asset), days, "{said:?}");
        }
    }
    workspace.assert_fresh();
}

/// A clock that tests set.
struct Hands(PathBuf);

impl Hands {
    fn new(workspace: &Workspace, now: &str) -> Self {
        let hands = Self(workspace.path("clock"));
        hands.set(now);
        hands
    }

    fn set(&self, now: &str) {
        let next = self.0.with_extension("next");
        fs::write(&next, at(now)).unwrap();
        fs::rename(next, &self.0).unwrap();
    }

    fn name(&self) -> String {
        format!("@{}", self.0.display())
    }
}

fn terminate(child: &Child) {
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), Signal::TERM).unwrap();
}

fn is_published(workspace: &Workspace, day: usize) -> bool {
    ["ranker", "counter"].iter().all(|asset| workspace.published(asset, day).join("_daeda.parquet").exists())
}

#[test]
fn two_that_watch_a_clock_jump_over_three_days_build_each_day_once_and_in_order() {
    let workspace = Workspace::new();
    let hands = Hands::new(&workspace, "03T00:30");
    let watching = [0, 1].map(|_| start(&workspace, &hands.name(), &["--watch"]));
    eventually("the first day is built", || is_published(&workspace, 0));
    assert!(!is_published(&workspace, 1));
    hands.set("03T01:00");
    eventually("the second day is built", || is_published(&workspace, 1));
    // Three days pass at once; and a clock that is set back changes nothing.
    hands.set("06T01:00");
    eventually("the last day is built", || is_published(&workspace, 4));
    hands.set("04T00:00");
    std::thread::sleep(Duration::from_millis(500));
    watching.iter().for_each(terminate);
    let said = watching.map(ended);
    for asset in ["ranker", "counter"] {
        assert_eq!(built_by_all(&said, asset), DAYS, "{said:?}");
    }
}

#[test]
fn a_watch_survives_a_failing_period_and_a_broken_manifest_and_ends_when_told_to() {
    let workspace = Workspace::new();
    fs::remove_file(workspace.path("data/artworks/artworks.parquet")).unwrap();
    fs::write(workspace.path("data/artworks/artworks.parquet"), "no parquet").unwrap();
    let hands = Hands::new(&workspace, "02T01:00");
    let watching = start(&workspace, &hands.name(), &["--watch"]);
    eventually("one asset is built", || workspace.published("counter", 0).exists());
    let manifest = workspace.read("Daedalus.kdl");
    workspace.write("Daedalus.kdl", "nonsense {");
    hands.set("03T01:00");
    std::thread::sleep(Duration::from_millis(700));
    workspace.write("Daedalus.kdl", &manifest);
    hands.set("04T01:00");
    eventually("later days are built", || workspace.published("counter", 2).exists());
    assert!(!has_ended(watching.id()));
    terminate(&watching);
    let output = watching.wait_with_output().unwrap();
    // It may have been building just then.
    assert!(matches!(output.status.code(), Some(0 | 130)), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_interrupted_run_leaves_the_rest_due() {
    let workspace = Workspace::new();
    let slow = r#"asset "slow" {
    partitions "daily"
    op "wait" rule="command" {
        run "sh" "-c" "touch begun; sleep 600; touch {output}/x"
        env "PATH"
    }
}
job "slow" { select "slow"; }
schedule "slow" job="slow"
"#;
    workspace.write("Daedalus.kdl", &format!("{}{slow}", workspace.read("Daedalus.kdl")));
    let running = start(&workspace, &at("03T01:00"), &["slow"]);
    eventually("it has begun", || workspace.path("begun").exists());
    terminate(&running);
    let (code, stderr) = ended(running);
    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains("still due: 2026-02-01..2026-02-02"), "{stderr}");
}

fn with_notices() -> Workspace {
    let workspace = Workspace::new();
    workspace.edit("Daedalus.kdl", SCHEDULE, TOLD);
    workspace
}

fn break_artworks(workspace: &Workspace) {
    fs::write(workspace.path("data/artworks/artworks.parquet"), "no parquet").unwrap();
}

fn mend_artworks(workspace: &Workspace) {
    write_parquet(&workspace.path("data/artworks/artworks.parquet"), artwork_columns(&artworks()));
}

#[test]
fn failed_late_and_recovered_are_told_once_each() {
    let workspace = with_notices();
    break_artworks(&workspace);
    assert_eq!(run(&workspace, "02T01:00").code, 1);
    assert_eq!(told(&workspace), pairs(&[("failed", DAYS[0])]));
    run(&workspace, "02T02:00");
    assert_eq!(told(&workspace).len(), 1);
    run(&workspace, "02T07:00");
    run(&workspace, "02T08:00");
    assert_eq!(told(&workspace), pairs(&[("failed", DAYS[0]), ("late", DAYS[0])]));
    mend_artworks(&workspace);
    assert_eq!(run(&workspace, "02T09:00").code, 0);
    run(&workspace, "02T10:00");
    assert_eq!(told(&workspace), pairs(&[("failed", DAYS[0]), ("late", DAYS[0]), ("recovered", DAYS[0])]));
    let document: Value = serde_json::from_str(workspace.read("told").lines().next().unwrap()).unwrap();
    assert_eq!(document["schedule"], "nightly");
    assert_eq!(document["due"], "2026-02-02T01:00:00Z");
    assert_eq!(document["deadline"], "2026-02-02T07:00:00Z");
    assert_eq!(document["assets"], json!(["ranker"]));
    assert!(document["failed"][0]["message"].as_str().unwrap().contains("artworks"), "{document}");
    assert_eq!(document["next"], "daeda explain ranker@2026-02-01");
}

#[test]
fn a_lost_ledger_or_a_failing_program_repeats_a_notice_and_loses_none() {
    let workspace = with_notices();
    break_artworks(&workspace);
    workspace.write("exit", "3");
    let said = run(&workspace, "02T01:00");
    assert!(said.stderr.contains("\"what\":\"warning\"") && said.stderr.contains("exit status: 3"), "{}", said.stderr);
    assert_eq!(said.code, 1);
    workspace.write("exit", "0");
    run(&workspace, "02T01:00");
    run(&workspace, "02T01:00");
    assert_eq!(told(&workspace), pairs(&[("failed", DAYS[0]); 2]));
    fs::remove_file(workspace.path(".daeda/schedules/nightly.json")).unwrap();
    run(&workspace, "02T01:00");
    assert_eq!(told(&workspace), pairs(&[("failed", DAYS[0]); 3]));
}

/// A second listener beside the one that notes what was told.
fn with_another(run: &str) -> Workspace {
    let workspace = with_notices();
    let notify = r#"    notify "failed""#;
    workspace.edit(
        "Daedalus.kdl",
        notify,
        &format!("    notify \"failed\" \"recovered\" {{\n        env \"PATH\"\n        {run}\n    }}\n{notify}"),
    );
    break_artworks(&workspace);
    workspace
}

#[test]
fn of_several_listeners_only_those_are_told_again_that_have_not_heard_it() {
    let workspace = with_another(r#"run "sh" "-c" "cat >> other; [ -e well ]""#);
    let others = || fs::read_to_string(workspace.path("other")).unwrap_or_default().lines().count();
    for times in 1..=3 {
        assert_eq!(run(&workspace, "02T01:00").code, 1);
        assert_eq!((told(&workspace), others()), (pairs(&[("failed", DAYS[0])]), times));
    }
    workspace.write("well", "");
    run(&workspace, "02T01:00");
    run(&workspace, "02T01:00");
    assert_eq!((told(&workspace).len(), others()), (1, 4));
    mend_artworks(&workspace);
    run(&workspace, "02T01:00");
    run(&workspace, "02T01:00");
    assert_eq!((told(&workspace), others()), (pairs(&[("failed", DAYS[0]), ("recovered", DAYS[0])]), 5));
}

#[test]
fn who_recovers_before_all_have_heard_of_it_is_told_of_all_the_same() {
    let workspace = with_another(r#"run "false""#);
    run(&workspace, "02T01:00");
    mend_artworks(&workspace);
    run(&workspace, "02T01:00");
    assert_eq!(told(&workspace), pairs(&[("failed", DAYS[0]), ("recovered", DAYS[0])]));
    // A relapse is news, also to those who know of the recovery.
    break_artworks(&workspace);
    run(&workspace, "02T01:00");
    assert_eq!(told(&workspace).last(), pairs(&[("failed", DAYS[0])]).last());
}

#[test]
fn nothing_that_is_told_outlives_its_notice() {
    let workspace = with_another(
        r#"run "sh" "-c" "setsid sleep 600 >/dev/null 2>&1 & echo $! >> pids; setsid sh -c 'sleep 600 & echo $! >> pids' >/dev/null 2>&1; until [ $(wc -l < pids) -ge 2 ]; do sleep 0.05; done""#,
    );
    run(&workspace, "02T01:00");
    let pids: Vec<u32> = workspace.read("pids").lines().map(|line| line.trim().parse().unwrap()).collect();
    assert_eq!(pids.len(), 2);
    for pid in pids {
        eventually("it has ended", || has_ended(pid));
    }
}

#[test]
fn an_interruption_is_heard_while_somebody_is_told() {
    let workspace = with_another(
        r#"run "sh" "-c" "touch telling; sleep 600"
        timeout "10m""#,
    );
    let running = start(&workspace, &at("02T01:00"), &[]);
    eventually("it tells", || workspace.path("telling").exists());
    let began = Instant::now();
    terminate(&running);
    let (code, stderr) = ended(running);
    assert!(code == Some(130) && began.elapsed() < Duration::from_secs(60), "{code:?} {stderr}");
    assert!(stderr.contains("was stopped, as daeda itself was") && told(&workspace).is_empty(), "{stderr}");
    workspace.edit("Daedalus.kdl", "sleep 600", "true");
    run(&workspace, "02T01:00");
    assert_eq!(told(&workspace), pairs(&[("failed", DAYS[0])]));
}

#[test]
fn a_clock_without_a_time_is_refused() {
    let workspace = Workspace::new();
    workspace.write("clock", "junk");
    for name in ["clock", "no-such-file"] {
        let now = format!("@{}", workspace.path(name).display());
        let said = Said::from(workspace.command(&["status"]).env("DAEDA_NOW", now).output().unwrap());
        assert!(said.code == 2 && said.stderr.contains("holds no time"), "{} {}", said.code, said.stderr);
    }
}

#[test]
fn a_clock_that_is_being_written_stands_still() {
    let workspace = with_notices();
    let hands = Hands::new(&workspace, "02T00:30");
    let watching = start(&workspace, &hands.name(), &["--watch"]);
    std::thread::sleep(Duration::from_millis(1500));
    fs::write(&hands.0, "").unwrap();
    std::thread::sleep(Duration::from_millis(1000));
    assert!(!has_ended(watching.id()) && !workspace.published("ranker", 0).exists());
    hands.set("02T01:00");
    eventually("the first day is built", || workspace.published("ranker", 0).join("_daeda.parquet").exists());
    terminate(&watching);
    let (_, stderr) = ended(watching);
    assert_eq!(built(&stderr, "ranker"), [DAYS[0]]);
}

#[test]
fn what_waits_is_late_too_and_told_while_a_build_still_runs() {
    let workspace = with_notices();
    let slow = r#"asset "slow" {
    partitions "daily"
    op "wait" rule="command" {
        run "sh" "-c" "touch begun; until [ -e go ]; do sleep 0.05; done; touch {output}/x"
        env "PATH"
    }
}
"#;
    workspace.edit(
        "Daedalus.kdl",
        r#"select "ranker"
}"#,
        "select \"slow\"\n}",
    );
    workspace.write("Daedalus.kdl", &format!("{}{slow}", workspace.read("Daedalus.kdl")));
    let hands = Hands::new(&workspace, "02T06:59");
    let running = start(&workspace, &hands.name(), &[]);
    eventually("it has begun", || workspace.path("begun").exists());
    assert_eq!(told(&workspace), vec![]);
    hands.set("02T07:00");
    eventually("it is told", || told(&workspace) == pairs(&[("late", DAYS[0])]));
    workspace.write("go", "");
    let (code, stderr) = ended(running);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(told(&workspace), pairs(&[("late", DAYS[0]), ("recovered", DAYS[0])]));
}

#[test]
fn mistakes_in_schedules_are_found_when_the_manifest_is_read() {
    let workspace = Workspace::new();
    let manifest = workspace.read("Daedalus.kdl");
    let says = |schedule: &str| {
        workspace.write("Daedalus.kdl", &format!("{manifest}{schedule}\n"));
        let said = workspace.daeda(&["check"]);
        (said.code, format!("{}{}", said.stdout, said.stderr))
    };
    for (schedule, expected) in [
        ("schedule \"a\" job=\"everything\" { notify \"late\" { run \"true\"; }; }", "it has no deadline"),
        ("schedule \"a\" job=\"everything\" { notify \"broken\" { run \"true\"; }; }", "`broken` is not known here"),
        ("schedule \"a\" job=\"everything\" { notify \"failed\"; }", "run"),
        ("schedule \"a\" job=\"everything\" catch-up=7", "a duration"),
        ("job \"none\"\nschedule \"a\" job=\"none\"", "nothing of it is ever due"),
        (
            "asset \"b\" { op \"c\" rule=\"command\" { run \"true\"; }; }\njob \"b\" { select \"b\"; }\nschedule \"a\" job=\"b\"",
            "no asset with partitions",
        ),
    ] {
        let (code, text) = says(schedule);
        assert_eq!(code, 3, "{schedule}: {text}");
        assert!(text.contains(expected), "{schedule}: {text}");
    }
}

#[test]
fn jobs_run_whole_or_by_key() {
    let workspace = Workspace::new();
    let asset = "asset \"once\" { op \"c\" rule=\"command\" { run \"sh\" \"-c\" \"touch {output}/x\"; env \"PATH\"; }; }\n";
    workspace.edit("Daedalus.kdl", r#"select "ranker" "counter""#, r#"select "ranker" "counter" "once""#);
    workspace.write("Daedalus.kdl", &format!("{}{asset}", workspace.read("Daedalus.kdl")));
    let said = workspace.daeda(&["job", "run", "everything", "@2026-02-01", "@2026-02-03", "--format", "json"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let keys: Vec<String> = built(&said.stdout, "ranker");
    assert_eq!(keys, [DAYS[0], DAYS[2]]);
    assert!(workspace.path("data/training_output/once/x").exists());
    assert_eq!(workspace.daeda(&["job", "run", "everything"]).code, 0);
    workspace.assert_fresh();
    let unknown = workspace.daeda(&["job", "run", "everythin"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("did you mean `everything`?"), "{}", unknown.stderr);
}

#[test]
fn what_has_no_partitions_follows_the_periods() {
    let workspace = Workspace::new();
    let asset = r#"asset "model" {
    op "fit" rule="command" {
        input "counter"
        run "sh" "-c" "wc -l < {input.counter} > {output}/days"
        env "PATH"
    }
}
"#;
    workspace.edit("Daedalus.kdl", r#"select "ranker" "counter""#, r#"select "counter" "model""#);
    workspace.write("Daedalus.kdl", &format!("{}{asset}", workspace.read("Daedalus.kdl")));
    let days = || workspace.read("data/training_output/model/days").trim().to_string();
    assert_eq!(run(&workspace, "03T01:00").code, 0);
    assert_eq!(days(), "2");
    assert_eq!(run(&workspace, "04T01:00").code, 0);
    assert_eq!(days(), "3");
}

/// A workspace whose files a test has not changed stays as it is when schedules are listed.
#[test]
fn looking_changes_nothing_that_is_published() {
    let workspace = Workspace::built();
    let published = |directory: &Path| fs::read_dir(directory).unwrap().count();
    let before = published(&workspace.path("data/training_output/ranker"));
    for args in [["schedule", "list"], ["schedule", "due"]] {
        assert_eq!(workspace.daeda(&args).code, 0);
    }
    assert_eq!(published(&workspace.path("data/training_output/ranker")), before);
}
