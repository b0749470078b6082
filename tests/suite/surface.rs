//! Every command once: it runs, its JSON has the documented keys, data goes to stdout and talk to stderr.

use crate::fixture::*;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

/// A command that works on the built fixture.
const COMMANDS: &[&[&str]] = &[
    &["build", "ranker"],
    &["status", "--all"],
    &["explain", "ranker@2026-02-03"],
    &["check"],
    &["clean", "ranker", "-n"],
    &["compile", "ranking"],
    &["lineage", "ranking.likes_2d"],
    &["materialize-day", "ranking", "2026-02-03"],
    &["list"],
    &["job", "run", "everything", "@2026-02-03"],
    &["schedule", "list"],
    &["schedule", "due"],
    &["schedule", "run"],
    &["show", "ranker@2026-02-03"],
    &["runs"],
    &["log", "last"],
    &["sample", "sample", "--days", "1", "--users", "20", "--artworks", "20", "--events-per-day", "40", "--dim", "4"],
    &["demo"],
    &["fmt", "--check"],
    &["init", "starter"],
    &["completions", "zsh"],
    &["man"],
];

/// Commands whose stdout is one JSON document.
const DOCUMENTS: &[&[&str]] = &[
    &["build", "ranker", "-n", "--format", "json"],
    &["status", "--format", "json"],
    &["clean", "ranker", "-n", "--format", "json"],
    &["explain", "ranker@2026-02-03", "--format", "json"],
    &["check", "--format", "json"],
    &["compile", "ranking", "--format", "json"],
    &["lineage", "feed", "--format", "json"],
    &["lineage", "ranking", "--format", "json"],
    &["lineage", "ranker", "--format", "json"],
    &["lineage", "ranking.liked_2d", "--format", "json"],
    &["lineage", "feed.event", "--format", "json"],
    &["lineage", "ranking", "--columns", "--format", "json"],
    &["materialize-day", "ranking", "2026-02-03"],
    &["schedule", "list", "--format", "json"],
    &["schedule", "due", "--format", "json"],
    &["list", "assets", "--format", "json"],
    &["list", "views", "--format", "json"],
    &["list", "services", "--format", "json"],
    &["list", "jobs", "--format", "json"],
    &["list", "schedules", "--format", "json"],
    &["list", "profiles", "--format", "json"],
    &["list", "profiles", "--effective", "--format", "json"],
    &["show", "ranker@2026-02-03", "--format", "json"],
    &["runs", "--format", "json"],
    &["runs", "last", "--format", "json"],
    &["runs", "--asset", "ranker", "--format", "json"],
    &["log", "last", "--format", "json"],
];

fn commands_of_help(help: &str) -> Vec<&str> {
    let listed = help.lines().skip_while(|l| !l.starts_with("Commands:")).skip(1).take_while(|l| !l.trim().is_empty());
    listed.filter(|l| l.starts_with("  ") && !l.starts_with("   ")).filter_map(|l| l.split_whitespace().next()).collect()
}

fn has(object: &Value, keys: &[&str]) {
    let missing: Vec<&&str> = keys.iter().filter(|k| object.get(**k).is_none()).collect();
    assert!(missing.is_empty(), "{missing:?} in {object}");
}

#[test]
fn every_command_runs_without_an_escape_byte_and_has_help_with_an_example() {
    let workspace = Workspace::built();
    let help = workspace.daeda(&["--help"]).stdout;
    for name in commands_of_help(&help) {
        assert!(COMMANDS.iter().any(|c| c[0] == name), "`{name}` is not tried here");
    }
    for args in COMMANDS {
        let said = workspace.daeda(args);
        assert_eq!(said.code, 0, "{args:?}: {}", said.stderr);
        assert!(!said.stdout.contains('\x1b') && !said.stderr.contains('\x1b'), "{args:?}");
        let help = workspace.daeda(&[args[0], "--help"]);
        assert!(help.code == 0 && help.stdout.contains("Example"), "{}", help.stdout);
    }
}

#[test]
fn documents_parse_and_carry_their_version() {
    let workspace = Workspace::built();
    for args in DOCUMENTS {
        let said = workspace.daeda(args);
        assert_eq!(said.code, 0, "{args:?}: {}", said.stderr);
        let document = said.json();
        let is_versioned = args[0] == "materialize-day" || document.get("version").is_some();
        assert!(is_versioned, "{args:?}: {document}");
    }
}

#[test]
fn status_has_the_documented_keys() {
    let workspace = Workspace::built();
    workspace.append(1, one_more(1));
    let status = workspace.daeda(&["status", "--format", "json"]).json();
    has(&status, &["version", "assets"]);
    let assets = status["assets"].as_array().unwrap();
    assert_eq!(assets.len(), 2);
    let asset = assets.iter().find(|a| a["asset"] == "ranker").unwrap();
    has(asset, &["asset", "group", "partitions", "counts", "causes", "entries"]);
    has(&asset["causes"][0], &["state", "count", "partitions", "ops", "causes"]);
    has(&asset["counts"], &["fresh", "drifted", "orphaned", "stale", "missing", "blocked", "failed", "running"]);
    assert_eq!((&asset["counts"]["fresh"], &asset["counts"]["stale"]), (&2.into(), &3.into()));
    let entry = &asset["entries"][0];
    has(entry, &["partition", "state", "ops"]);
    has(&entry["ops"][0], &["op", "state", "reasons"]);
    has(&entry["ops"][0]["reasons"][0], &["kind", "name", "detail", "old", "new"]);
    assert_eq!(entry["ops"][0]["reasons"][0]["root"], true);
    let all = workspace.daeda(&["status", "ranker", "--all", "--format", "json"]).json();
    let days = all["assets"][0]["entries"].as_array().unwrap().iter().filter(|e| e["partition"].is_string()).count();
    assert_eq!(days, DAYS.len());
    assert_eq!(workspace.daeda(&["status", "--exit-code"]).code, 10);
    assert_eq!(workspace.daeda(&["status", "ranker@2026-02-01", "--exit-code"]).code, 0);
}

#[test]
fn materialize_day_prints_its_summary_and_nothing_else() {
    let workspace = Workspace::new();
    let said = workspace.daeda(&["materialize-day", "ranking", "2026-02-03"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let summary = said.json();
    has(&summary, &["service", "date", "rows", "output_path", "embedding_columns"]);
    assert_eq!((&summary["service"], &summary["date"]), (&"ranking".into(), &"2026-02-03".into()));
    assert_eq!(summary["output_path"], "data/training_output/ranker/dt=2026-02-03");
    let spine = events(2).iter().filter(|e| e.event != "hide").count();
    assert_eq!(summary["rows"], spine);
    assert_eq!(summary["embedding_columns"], Value::Array(vec![]));
    std::fs::remove_dir_all(workspace.path("data/feed/dt=2026-02-04")).unwrap();
    let waiting = workspace.daeda(&["materialize-day", "ranking", "2026-02-04"]);
    assert_eq!((waiting.code, waiting.stdout.as_str()), (12, ""), "{}", waiting.stderr);
}

#[test]
fn a_summary_names_the_columns_that_hold_vectors() {
    let workspace = Workspace::with_embeddings();
    let said = workspace.daeda(&["materialize-day", "vectors", "2026-02-02"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let summary = said.json();
    assert_eq!(summary["embedding_columns"], Value::Array(vec!["image".into(), "taste".into()]));
    assert_eq!(summary["output_path"], "data/training_output_enriched/embedder/dt=2026-02-02");
    has(&summary, &["ids", "ids_not_found"]);
}

#[test]
fn a_build_streams_events_and_ends_with_its_summary() {
    let workspace = Workspace::new();
    let built = workspace.build(&["ranker@2026-02-01..2026-02-02"]);
    has(built.finished(), &["built", "fresh", "failed", "skipped", "retried", "seconds"]);
    assert_eq!((&built.finished()["built"], built.stderr.as_str()), (&3.into(), ""));
    let logged = workspace.daeda(&["build", "ranker@2026-02-01", "--log-format", "json"]);
    assert_eq!(logged.stdout, "");
    assert!(logged.stderr.lines().all(|l| serde_json::from_str::<Value>(l).is_ok()), "{}", logged.stderr);
    let quiet = workspace.daeda(&["build", "ranker", "-q"]);
    assert_eq!((quiet.code, quiet.stdout.as_str(), quiet.stderr.as_str()), (0, "", ""));
}

#[test]
fn targets_name_what_they_say() {
    let workspace = Workspace::new();
    let planned = |target: &str| {
        let plan = workspace.daeda(&["build", target, "-n", "--format", "json"]).json();
        let actions = plan["actions"].as_array().unwrap().iter().map(|a| a["action"].as_str().unwrap().to_string());
        actions.collect::<Vec<_>>()
    };
    let with_compile = |days: &[usize]| [vec!["ranker.compile".to_string()], skeletons("ranker", days)].concat();
    assert_eq!(planned("ranker.compile"), ["ranker.compile"]);
    assert_eq!(planned("ranker@2026-02-02..2026-02-03"), with_compile(&[1, 2]));
    assert_eq!(planned("ranker@2026-02"), with_compile(&[0, 1, 2, 3, 4]));
    assert_eq!(planned("ranker"), planned("ranker@2026-02"), "until the last period that has ended");
    assert_eq!(planned("ranker@latest"), with_compile(&[4]));
    assert_eq!(planned("ranker.skeleton@2026-02-05"), with_compile(&[4]));
    assert_eq!(planned("everything@latest").len(), 4);
}

#[test]
fn data_goes_to_stdout_and_talk_to_stderr() {
    let workspace = Workspace::new();
    let built = workspace.daeda(&["build", "ranker"]);
    assert!(built.stdout.is_empty() && !built.stderr.is_empty());
    for args in [["status", "-q"], ["list", "-q"], ["check", "-q"]] {
        assert_eq!(workspace.daeda(&args).stderr, "", "{args:?}");
    }
    workspace.edit("feature_services/ranking.kdl", "        liked_2d \"list<int64>\" default=\"[]\"\n", "");
    let warned = workspace.daeda(&["status", "--format", "json"]);
    assert!(warned.json().is_object() && warned.stderr.contains("warning"), "{}", warned.stderr);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let workspace = Workspace::built();
    for args in COMMANDS.iter().chain(DOCUMENTS).chain(&[["--help"].as_slice(), &["build", "ranker", "--force", "--format", "json"]]) {
        let mut child = workspace.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{args:?}: {said}");
        assert!(!said.contains("panicked"), "{args:?}: {said}");
        if args[0] == "sample" {
            std::fs::remove_dir_all(workspace.path("sample")).unwrap();
        }
    }
    let mut deaf = workspace.command(&["build", "ranker", "--force"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    BufReader::new(deaf.stderr.take().unwrap()).lines().next();
    assert_eq!(deaf.wait().unwrap().code(), Some(0), "talk that nobody hears");
    workspace.assert_fresh();
}

#[test]
fn colour_is_only_where_it_is_asked_for() {
    let workspace = Workspace::new();
    workspace.edit("Daedalus.kdl", "service \"ranking\"", "service \"rankings\"");
    let shows = |args: &[&str], no_color: bool| {
        let mut command = workspace.command(args);
        if no_color {
            command.env("NO_COLOR", "1");
        }
        let said = Said::from(command.output().unwrap());
        said.stdout.contains('\x1b') || said.stderr.contains('\x1b')
    };
    for args in [["check"].as_slice(), &["build", "ranker"]] {
        assert!(!shows(args, false) && !shows(args, true), "{args:?}");
        assert!(shows(&[args, &["--color", "always"]].concat(), false), "{args:?}");
        assert!(!shows(&[args, &["--color", "never"]].concat(), false), "{args:?}");
    }
}

#[test]
fn text_fits_eighty_columns() {
    let workspace = Workspace::built();
    std::fs::remove_dir_all(workspace.published("ranker", 1)).unwrap();
    let status = workspace.daeda(&["status", "--all"]).stdout;
    workspace.edit("Daedalus.kdl", "service \"ranking\"", "service \"rankings\"");
    workspace.edit("feature_views/feed.kdl", "unit=\"ms\"", "unit=\"millis\"");
    let check = workspace.daeda(&["check"]).stdout;
    for line in status.lines().chain(check.lines()) {
        // Source lines are shown as they are written, to be copied.
        assert!(line.chars().count() <= 80 || line.contains(['│', '·']), "{line}");
    }
    assert!(check.lines().count() > 5 && status.lines().count() > 2);
}

#[test]
fn a_workspace_may_have_any_name_and_is_found_from_below() {
    let workspace = Workspace::named("odd a b#c%20ü?").and_embeddings();
    let built = workspace.build(&["embedder@2026-02-02"]);
    assert_eq!((built.code, built.errors()), (0, vec![]), "{}", built.stderr);
    let mut below = std::process::Command::new(env!("CARGO_BIN_EXE_daeda"));
    below.current_dir(workspace.path("feature_views")).args(["status", "embedder@2026-02-02", "--exit-code"]);
    assert_eq!(Said::from(below.output().unwrap()).code, 0);
}

#[test]
fn before_the_first_period_has_ended_there_is_nothing_to_do() {
    let workspace = Workspace::new();
    let early = |args: &[&str]| Said::from(workspace.command(args).env("DAEDA_NOW", "2026-02-01T23:59:59Z").output().unwrap());
    assert_eq!((early(&["build", "everything"]).code, early(&["status"]).code), (0, 0));
    let latest = early(&["build", "ranker@latest"]);
    assert_eq!(latest.code, 2, "{}", latest.stderr);
    assert!(!workspace.path("data/training_output").join("ranker").exists());
    let on_time = Said::from(workspace.command(&["build", "ranker@latest"]).env("DAEDA_NOW", "2026-02-02").output().unwrap());
    assert_eq!(on_time.code, 0, "{}", on_time.stderr);
    assert!(workspace.published("ranker", 0).exists());
}
