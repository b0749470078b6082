//! Mistakes of people: what is said, where, and with which exit code.

use crate::fixture::*;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn diagnostics(said: &Said) -> Vec<Value> {
    said.json()["diagnostics"].as_array().unwrap().clone()
}

/// The text that a diagnostic points at, without quotes.
fn pointed_at(workspace: &Workspace, diagnostic: &Value) -> String {
    let number = |name: &str| diagnostic[name].as_u64().unwrap() as usize;
    let text = workspace.read(diagnostic["file"].as_str().unwrap());
    let line: Vec<char> = text.lines().nth(number("line") - 1).unwrap().chars().collect();
    let end = if number("end_line") == number("line") { number("end_column") - 1 } else { line.len() };
    line[number("column") - 1..end].iter().collect::<String>().trim_matches('"').to_string()
}

#[test]
fn five_mistakes_in_three_files_are_told_in_one_run() {
    let workspace = Workspace::new();
    workspace.edit("Daedalus.kdl", "asset \"counter\" {\n    description", "asset \"counter\" {\n    descripton");
    workspace.edit("Daedalus.kdl", "service \"ranking\"", "service \"rankings\"");
    workspace.edit("feature_views/artworks.kdl", "published_at \"int64\"", "published_at \"int46\"");
    workspace.edit("feature_services/counting.kdl", "event = 'like'", "event = 5");
    workspace.edit("feature_services/counting.kdl", "user_id \"int64\"", "user_id \"string\"");
    let said = workspace.daeda(&["check", "--format", "json"]);
    assert_eq!(said.code, 3, "{}", said.stderr);
    let found = diagnostics(&said);
    let places: Vec<(&str, String)> = found.iter().map(|d| (d["file"].as_str().unwrap(), pointed_at(&workspace, d))).collect();
    let expected = [
        ("Daedalus.kdl", "rankings"),
        ("Daedalus.kdl", "descripton"),
        ("feature_views/artworks.kdl", "int46"),
        ("feature_services/counting.kdl", "event = 5"),
        ("feature_services/counting.kdl", "string"),
    ];
    assert_eq!(places.len(), 5, "{places:?}");
    for (place, (file, text)) in places.iter().zip(expected) {
        assert!(place.0 == file && place.1.contains(text), "{place:?} is not {text} in {file}");
    }
    for diagnostic in &found {
        assert!(diagnostic["code"].as_str().unwrap().starts_with("daeda::"), "{diagnostic}");
        assert!(diagnostic["hint"].as_str().is_some_and(|h| !h.is_empty()), "{diagnostic}");
        let page = workspace.daeda(&["check", "--explain", diagnostic["code"].as_str().unwrap()]);
        assert!(page.code == 0 && page.stdout.len() > 80, "{}", page.stdout);
    }
    let text = workspace.daeda(&["check"]);
    assert_eq!(text.code, 3);
    for diagnostic in &found {
        let place = format!("{}:{}:{}", diagnostic["file"].as_str().unwrap(), diagnostic["line"], diagnostic["column"]);
        assert!(text.stdout.contains(&place) && text.stdout.contains(diagnostic["code"].as_str().unwrap()), "{place} in {}", text.stdout);
    }
    for args in [["build", "ranker"], ["status", "ranker"], ["list", "assets"], ["lineage", "feed"], ["compile", "ranking"]] {
        let said = workspace.daeda(&args);
        assert_eq!((said.code, said.stdout.as_str()), (3, ""), "{args:?}: {}", said.stderr);
        assert!(found.iter().all(|d| said.stderr.contains(d["code"].as_str().unwrap())), "{}", said.stderr);
    }
}

/// An edit of the fixture, the code it provokes, and the text that is pointed at.
type Slip = (&'static str, &'static str, &'static str, &'static str, &'static str);

const SLIPS: &[Slip] = &[
    ("feature_services/ranking.kdl", "\"liked\"\n", "\"lik\"\n", "unknown-name", "lik"),
    ("Daedalus.kdl", "select \"ranker\"", "select \"rnker\"", "unknown-name", "rnker"),
    ("Daedalus.kdl", "job=\"everything\"", "job=\"evrything\"", "unknown-name", "evrything"),
    ("feature_views/feed.kdl", "entity \"user\"", "entity \"usr\"", "unknown-name", "usr"),
    (
        "feature_services/ranking.kdl",
        "column \"author_id\"",
        "column \"author_id\"\n column \"artwork_id\"",
        "duplicate-name",
        "artwork_id",
    ),
    ("feature_services/ranking.kdl", "column \"author_id\"", "column \"autor_id\"", "unknown-column", "autor_id"),
    ("feature_views/feed.kdl", "timestamp=\"event_timestamp\"", "timestamp=\"event_time\"", "unknown-column", "event_time"),
    ("feature_services/counting.kdl", "event = 'like'", "evnt = 'like'", "unknown-column", "evnt"),
    ("feature_services/counting.kdl", "event = 'like'", "event = ", "expression", ""),
    ("feature_services/counting.kdl", "event = 'like'", "likes(event)", "expression", "likes"),
    ("feature_services/counting.kdl", "event = 'like'", "event > 5", "expression", ""),
    ("feature_services/counting.kdl", "event = 'like'", "user_id + 1", "wrong-type", "user_id + 1"),
    ("feature_services/counting.kdl", "likes_2d \"int64\"", "likes_2d \"bool\"", "wrong-type", "bool"),
    ("feature_services/ranking.kdl", "default=-1", "default=\"none\"", "wrong-type", ""),
    ("feature_services/ranking.kdl", "how=\"static\"", "how=\"static\" max-age=\"1d\"", "bad-option", "1d"),
    ("feature_services/counting.kdl", "spine \"feed\"", "spine \"artworks\"", "no-time", "artworks"),
    ("feature_views/feed.kdl", "dt={day}", "dt={dya}", "layout", "{dya}"),
    ("feature_views/feed.kdl", " unit=\"ms\"", "", "no-time", "event_timestamp"),
    ("Daedalus.kdl", "start=\"2026-02-01\"", "start=\"2026-02-01T13\"", "bad-date", "2026-02-01T13"),
    ("feature_services/ranking.kdl", "        liked_2d \"list<int64>\" default=\"[]\"\n", "", "unused", "liked"),
    ("Daedalus.kdl", "select \"ranker\" \"counter\"", "select \"ranker or counter)\"", "selection", ")"),
    (
        "Daedalus.kdl",
        "job \"everything\"",
        "asset \"a\" { op \"b\" rule=\"command\" { run \"cat\" \"{outptu}\"; }; }\njob \"everything\"",
        "placeholder",
        "{outptu}",
    ),
    (
        "Daedalus.kdl",
        "job \"everything\"",
        "asset \"a\" { op \"b\" rule=\"command\" { run \"./a.sh\"; }; }\njob \"everything\"",
        "undeclared-source",
        "./a.sh",
    ),
];

#[test]
fn a_slip_is_said_once_and_where_it_is() {
    for (file, from, to, code, text) in SLIPS {
        let workspace = Workspace::new();
        workspace.edit(file, from, to);
        expect(&workspace, code, text, &format!("{file}: {from} → {to}"));
    }
    let cycle = Workspace::new();
    let ops = "op \"compile\" rule=\"compile\"\n    op \"skeleton\" rule=\"skeleton\" needs=\"compile\"\n}\njob";
    cycle.edit("Daedalus.kdl", ops, &ops.replacen("rule=\"compile\"", "rule=\"compile\" needs=\"skeleton\"", 1));
    expect(&cycle, "cycle", "", "a cycle");
    let bare = Workspace::new();
    let text = bare.read("feature_services/counting.kdl");
    bare.write("feature_services/counting.kdl", &format!("{}}}\n", &text[..text.find("    columns {").unwrap()]));
    expect(&bare, "no-columns", "counting", "a service without columns");
}

/// One mistake makes one diagnostic, of that code, at that text.
fn expect(workspace: &Workspace, code: &str, text: &str, what: &str) {
    let said = workspace.daeda(&["check", "--format", "json", "--deny", "warnings"]);
    assert_eq!(said.code, 3, "{what}: {} {}", said.stdout, said.stderr);
    let found = diagnostics(&said);
    let codes: Vec<&str> = found.iter().filter_map(|d| d["code"].as_str()?.rsplit("::").next()).collect();
    assert_eq!(codes, [code], "{what}: {found:?}");
    let at = pointed_at(workspace, &found[0]);
    assert!(text.is_empty() || at == text, "{what}: points at `{at}`");
    assert!(found[0]["hint"].as_str().is_some_and(|h| !h.is_empty()), "{what}: {}", found[0]);
}

#[test]
fn what_a_broken_join_would_have_brought_is_not_missed_again() {
    let workspace = Workspace::new();
    let join = "join \"artworks\" how=\"static\" {\n        column \"autor_id\"\n    }";
    let by = "view=\"feed\" by=\"user_id\" {\n    where \"event = 'like'\"\n    count";
    let with_join = format!("view=\"feed\" {{\n    by \"user_id\" \"author_id\"\n    {join}\n    where \"event = 'like'\"\n    count");
    workspace.edit("config/training/aggregations.kdl", by, &with_join);
    expect(&workspace, "unknown-column", "autor_id", "a join in an aggregation");
}

#[test]
fn a_field_with_a_mistake_is_not_missed_by_those_who_use_it() {
    let workspace = Workspace::new();
    workspace.edit("feature_views/feed.kdl", "event \"string\"", "event \"strin\"");
    let found = diagnostics(&workspace.daeda(&["check", "--format", "json"]));
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn what_was_mistyped_on_the_command_line_is_usage_with_a_suggestion() {
    let workspace = Workspace::new();
    let cases: &[(&[&str], &str)] = &[
        (&["build", "ranker", "--dry-runn"], "--dry-run"),
        (&["biuld", "ranker"], "build"),
        (&["build", "rankr"], "`ranker`"),
        (&["build", "ranker.skelton"], "`skeleton`"),
        (&["build", "ranking"], "`ranker`"),
        (&["build", "ranker@2026-2-1"], "2026-02-01"),
        (&["build", "ranker@2025-12-31"], "2026-02-01"),
        (&["build", "ranker@2026-02-03..2026-02-01"], "2026-02-01..2026-02-03"),
        (&["status", "rankr"], "`ranker`"),
        (&["show", "rankr@2026-02-01"], "`ranker`"),
        (&["compile", "rankin"], "`ranking`"),
        (&["lineage", "fed"], "`feed`"),
        (&["lineage", "ranking.likes_3d"], "`likes_2d`"),
        (&["materialize-day", "rankin", "2026-02-01"], "`ranking`"),
        (&["materialize-day", "ranking", "yesterday"], "2026-02-01"),
        (&["check", "--explain", "unknown-nam"], "unknown-name"),
        (&["list", "asets"], "assets"),
        (&["build", "ranker", "--set", "outputroot=x"], "`output-root`"),
        (&["build", "ranker", "--set", "output-root"], "KEY=VALUE"),
        (&["build", "ranker", "--profile", "prd"], "prd"),
        (&["build", "ranker", "-j", "0"], "-j"),
        (&["build"], "TARGET"),
    ];
    for (args, suggestion) in cases {
        let said = workspace.daeda(args);
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{args:?}: {}", said.stderr);
        assert!(said.stderr.contains(suggestion), "{args:?}: {suggestion} in {}", said.stderr);
    }
    let clock = workspace.command(&["status"]).env("DAEDA_NOW", "soon").output().unwrap();
    assert_eq!(Said::from(clock).code, 2);
    assert!(!workspace.path("data/training_output").exists() && !workspace.path(".daeda").exists(), "nothing was begun");
}

#[test]
fn outside_a_workspace_there_is_a_hint() {
    let directory = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_daeda")).args(["status"]).current_dir(&directory).output().unwrap();
    let said = Said::from(output);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("Daedalus.kdl") && said.stderr.contains("-C"), "{}", said.stderr);
}

#[test]
fn what_cannot_be_read_is_a_mistake_in_its_place() {
    let workspace = Workspace::new();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_daeda")).args(["-C", "no-such-directory", "status"]).output().unwrap();
    let missing = Said::from(output);
    assert!(missing.code == 4 && missing.stderr.contains("no-such-directory"), "{} {}", missing.code, missing.stderr);
    fs::write(workspace.path("feature_views/feed.kdl"), b"\xff\xfe").unwrap();
    let said = workspace.daeda(&["check"]);
    assert_eq!(said.code, 3, "a file that is there and is no text is a mistake in the manifest: {}", said.stderr);
    assert!(said.stdout.contains("feature_views/feed.kdl:1:1") && said.stdout.contains("UTF-16"), "{}", said.stdout);
    let workspace = Workspace::new();
    fs::remove_file(workspace.path("feature_views/feed.kdl")).unwrap();
    fs::create_dir(workspace.path("feature_views/feed.kdl")).unwrap();
    let said = workspace.daeda(&["check"]);
    assert_eq!(said.code, 3, "{}", said.stderr);
    assert!(said.stdout.contains("feature_views/feed.kdl:1:1") && said.stdout.contains("it is a directory"), "{}", said.stdout);
}

#[test]
fn an_output_root_that_cannot_be_written_is_the_environment_and_not_remembered() {
    let workspace = Workspace::new();
    workspace.write("data/training_output", "a file where a directory should be");
    let said = workspace.build(&["ranker@2026-02-01"]);
    assert_eq!(said.code, 4, "{:?} {}", said.errors(), said.stderr);
    assert!(said.errors()[0].contains("data/training_output"), "{:?}", said.errors());
    fs::remove_file(workspace.path("data/training_output")).unwrap();
    assert_eq!(workspace.build(&["ranker@2026-02-01"]).code, 0);
    let closed = workspace.path("data/training_output/ranker");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    // Who may write everywhere (root) is not stopped by this.
    let stopped = fs::create_dir(closed.join("probe")).is_err();
    let said = workspace.build(&["ranker@2026-02-02"]);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(said.code, if stopped { 4 } else { 0 }, "{:?}", said.errors());
}

#[test]
fn a_file_where_a_partition_should_be_is_named_and_kept() {
    let workspace = Workspace::new();
    workspace.write("data/training_output/ranker/dt=2026-02-01", "somebody's notes");
    let said = workspace.build(&["ranker@2026-02-01"]);
    assert_eq!(said.code, 4, "{:?}", said.errors());
    assert!(said.errors()[0].contains("ranker/dt=2026-02-01"), "{:?}", said.errors());
    assert_eq!(workspace.read("data/training_output/ranker/dt=2026-02-01"), "somebody's notes");
}

#[test]
fn links_that_lead_nowhere_or_in_circles_are_named() {
    let workspace = Workspace::built();
    for target in ["nowhere.parquet", ".."] {
        let link = workspace.feed(0).with_file_name("link.parquet");
        std::os::unix::fs::symlink(target, &link).unwrap();
        let said = workspace.build(&["ranker@2026-02-01"]);
        assert_eq!(said.code, 1, "{target}: {:?}", said.errors());
        assert!(said.errors()[0].contains("dt=2026-02-01/link.parquet"), "{:?}", said.errors());
        fs::remove_file(link).unwrap();
    }
    workspace.assert_fresh();
}

#[test]
fn the_brake_refuses_and_says_how_to_permit() {
    let workspace = Workspace::built();
    workspace.edit("Daedalus.kdl", "memory=\"2GiB\"", "memory=\"2GiB\"\n    replace-max 3");
    workspace.edit("config/training/aggregations.kdl", "k=4", "k=3");
    let refused = workspace.build(&["ranker"]);
    assert_eq!((refused.code, refused.ran()), (11, vec![]), "{}", refused.stderr);
    assert!(refused.stderr.contains("--replace"), "{}", refused.stderr);
    assert_eq!(workspace.build(&["ranker@2026-02-01..2026-02-02"]).code, 0, "two and the compiled service");
    assert_eq!(workspace.build(&["ranker", "--replace", "3"]).code, 0);
}
