//! Checks of assets: what blocks, what only warns, and where one sees it.

use crate::fixture::{DAYS, Event, Workspace, data_files, events, instant, skeletons};
use std::fs;

const OPS: &str = r#"    service "ranking"
    op "compile" rule="compile"
    op "skeleton" rule="skeleton" needs="compile""#;

/// The fixture with checks of its asset `ranker`.
fn with(checks: &str) -> Workspace {
    let workspace = Workspace::built();
    workspace.edit("Daedalus.kdl", OPS, &format!("{OPS}\n{checks}"));
    workspace
}

fn details(workspace: &Workspace, day: usize) -> Vec<String> {
    let built = workspace.build(&[&format!("ranker@{}", DAYS[day]), "--force"]);
    let failed = built.events.iter().filter(|event| event["event"] == "checked" && event["passed"] == false);
    failed.map(|event| format!("{}: {}", event["kind"].as_str().unwrap(), event["detail"].as_str().unwrap())).collect()
}

/// Must show: readers see the old partition, status says why, exit code 1; a warning publishes and is shown.
#[test]
fn a_blocking_check_keeps_the_old_partition_and_a_warning_publishes() {
    let workspace = with("    check \"small\" rows-max=8");
    let before = data_files(&workspace.published("ranker", 1));
    workspace.append(1, Event { user: 2, artwork: 3, event: "like", at: Some(instant(1, 20)) });
    let target = format!("ranker@{}", DAYS[1]);
    let built = workspace.build(&[&target]);
    assert_eq!((built.code, built.actions("failed")), (1, skeletons("ranker", &[1])));
    let why = "check `small` failed: 9 rows, and at most 8 are expected; nothing was published, what stood before still stands";
    assert_eq!(built.errors(), [why]);
    assert_eq!(data_files(&workspace.published("ranker", 1)), before);
    let said = workspace.daeda(&["status", "ranker"]).stdout;
    assert!(said.contains("1 failed: 2026-02-02") && said.contains("9 rows, and at most 8 are expected"), "{said}");
    // Remembered: it does not run again, and still fails.
    let again = workspace.build(&[&target]);
    assert_eq!((again.code, again.ran().len()), (1, 0));
    // Until the check changes.
    workspace.edit("Daedalus.kdl", "rows-max=8", "rows-max=8 severity=\"warn\"");
    let warned = workspace.build(&[&target]);
    assert_eq!((warned.code, warned.ran(), warned.actions("warned")), (0, skeletons("ranker", &[1]), skeletons("ranker", &[1])));
    assert_ne!(data_files(&workspace.published("ranker", 1)), before);
    let detail = "check `small`: 9 rows, and at most 8 are expected";
    let status = workspace.daeda(&["status", "ranker"]).stdout;
    assert!(status.contains("1 warned: 2026-02-02") && status.contains(&format!("2026-02-02: {detail}")), "{status}");
    let json = workspace.status("ranker").asset;
    assert_eq!((&json["warned"], &json["warnings"][0]["check"]), (&1.into(), &"small".into()));
    let show = workspace.daeda(&["show", &target]).stdout;
    assert!(show.contains("checks") && show.contains("small") && show.contains("9 rows, and at most 8"), "{show}");
    let build = workspace.daeda(&["build", &target, "--force"]);
    assert!(build.stderr.contains(&format!("warning: ranker.skeleton@2026-02-02: {detail}")), "{}", build.stderr);
}

#[test]
fn a_failure_is_forgotten_when_its_data_changes() {
    let workspace = with("    check \"small\" rows-max=8");
    workspace.append(1, Event { user: 2, artwork: 3, event: "like", at: Some(instant(1, 20)) });
    let target = format!("ranker@{}", DAYS[1]);
    assert_eq!(workspace.build(&[&target]).code, 1);
    workspace.write_feed(1, &events(1)[1..]);
    let built = workspace.build(&[&target]);
    assert_eq!((built.code, built.ran()), (0, skeletons("ranker", &[1])));
}

#[test]
fn what_checks_say_is_in_the_record() {
    let workspace =
        with("    check \"keys\" unique=\"user_id event_timestamp\"\n    check \"likes\" where=\"label\" share-min=0.1 rows-max=100");
    let target = format!("ranker@{}", DAYS[0]);
    assert_eq!(workspace.build(&[&target, "--force"]).code, 0);
    let shown = workspace.daeda(&["show", &target, "--format", "json"]).json();
    let checks = shown["metadata"]["checks"].as_array().unwrap();
    let told: Vec<(&str, &str, bool)> =
        checks.iter().map(|c| (c["check"].as_str().unwrap(), c["kind"].as_str().unwrap(), c["passed"].as_bool().unwrap())).collect();
    assert_eq!(told, [("keys", "unique", true), ("likes", "where", true)]);
    assert_eq!(checks[0]["value"], 0);
    assert_eq!(checks[1]["value"]["rows"], 4);
}

#[test]
fn each_kind_says_what_is_wrong() {
    let workspace = with(concat!(
        "    check \"a\" column=\"author_id\" null-ratio-max=0.0 min=101 max=103\n",
        "    check \"b\" unique=\"user_id\"\n",
        "    check \"c\" column=\"author_id\" { accepted 101 102; }\n",
        "    check \"d\" column=\"event_timestamp\" newest-within=\"12h\" unit=\"ms\"\n",
        "    check \"e\" where=\"likes_2d > 100\" rows-min=1\n",
        "    check \"f\" where=\"likes_2d >= 0\" share-max=0.5\n",
        "    check \"g\" median-min=1.5 median-of=2",
    ));
    let all = details(&workspace, 2);
    let starts = [
        "median: 8 rows, and at least 1.5 times 8 are expected, the median of the 2 published periods before",
        "range: ",
        "unique: 5 of 8 rows repeat the `user_id` of another row, such as ",
        "accepted: ",
        "newest: the newest `event_timestamp` is 2026-02-03T10:00:00Z, 14h before 2026-02-04T00:00:00Z, and at most 12h is expected",
        "where: 0 rows satisfy `likes_2d > 100`, and at least 1 are expected",
        "where: 8 of 8 rows satisfy `likes_2d >= 0` (1.0000), and at most 0.5 is expected",
    ];
    for start in starts {
        assert!(all.iter().any(|detail| detail.starts_with(start)), "{start}: {all:#?}");
    }
    assert!(all.iter().any(|detail| detail.contains("that is not from 101 to 103, the first ")), "{all:#?}");
    assert!(all.iter().any(|detail| detail.contains("that is not one of 101, 102, the first ")), "{all:#?}");
}

#[test]
fn a_partition_with_nothing_to_produce_is_a_success_unless_a_check_says_otherwise() {
    let workspace = with("    check \"k\" unique=\"user_id\"\n    check \"n\" column=\"author_id\" null-ratio-max=0.0 min=1");
    workspace.write_feed(2, &[]);
    let target = format!("ranker@{}", DAYS[2]);
    assert_eq!(workspace.build(&[&target]).code, 0);
    assert_eq!(workspace.daeda(&["show", &target, "--format", "json"]).json()["metadata"]["rows"], 0);
    workspace.edit("Daedalus.kdl", "    check \"k\"", "    check \"some\" rows-min=1\n    check \"k\"");
    let built = workspace.build(&[&target, "--force"]);
    assert_eq!(built.code, 1);
    assert!(built.errors()[0].starts_with("check `some` failed: 0 rows, and at least 1 are expected"), "{:?}", built.errors());
}

#[test]
fn what_a_command_writes_is_checked_too() {
    let command = r#"asset "copied" {
    partitions "daily"
    op "copy" rule="command" {
        run "cp" "data/feed/dt={day}/part-0.parquet" "{output}"
    }
    check "events" column="event" { accepted "view" "like"; }
    check "users" column="user_id" null-ratio-max=0.0
}
"#;
    let workspace = Workspace::new();
    let manifest = workspace.read("Daedalus.kdl");
    workspace.write("Daedalus.kdl", &format!("{manifest}{command}"));
    let built = workspace.build(&[&format!("copied@{}", DAYS[0])]);
    assert_eq!(built.code, 1);
    let why = "check `events` failed: 4 of 12 rows have a `event` that is not one of 'view', 'like', the first hide";
    assert!(built.errors()[0].starts_with(why), "{:?}", built.errors());
    assert!(!workspace.published("copied", 0).exists());
}

#[test]
fn a_warning_about_a_column_that_is_not_there_is_a_warning() {
    let command = r#"asset "copied" {
    partitions "daily"
    op "copy" rule="command" {
        run "cp" "data/feed/dt={day}/part-0.parquet" "{output}"
    }
    check "gone" column="zz" min=1 severity="warn"
    check "twice" unique="zz" severity="warn"
    check "where" where="zz > 1" rows-min=1 severity="warn"
    check "users" column="user_id" null-ratio-max=0.0
}
"#;
    let workspace = Workspace::new();
    let manifest = workspace.read("Daedalus.kdl");
    workspace.write("Daedalus.kdl", &format!("{manifest}{command}"));
    let target = format!("copied@{}", DAYS[0]);
    let built = workspace.build(&[&target]);
    assert_eq!(built.code, 0, "{:?}", built.errors());
    assert!(workspace.published("copied", 0).exists());
    let checks = workspace.daeda(&["show", &target, "--format", "json"]).json()["metadata"]["checks"].clone();
    let failed: Vec<&str> =
        checks.as_array().unwrap().iter().filter(|c| c["passed"] == false).filter_map(|c| c["check"].as_str()).collect();
    assert_eq!(failed, ["gone", "twice", "where"], "{checks}");
    assert_eq!(checks[0]["detail"], "the output has no column `zz`");
    workspace.edit("Daedalus.kdl", "\"zz\" min=1 severity=\"warn\"", "\"zz\" min=1");
    let blocked = workspace.build(&[&target, "--force"]);
    assert_eq!(blocked.code, 1);
    assert!(blocked.errors()[0].contains("check `gone`: the output has no column `zz`"), "{:?}", blocked.errors());
}

/// A program that says how many rows it has read, and a check that must not believe it.
#[test]
fn a_median_goes_by_what_was_measured_and_warnings_are_not_a_programs_to_hide() {
    let command = r#"asset "copied" {
    partitions "daily"
    op "copy" rule="command" {
        env "PATH"
        run "sh" "-c" "cp data/feed/dt={day}/part-0.parquet {output}; echo '{\"rows\": 1000000, \"checks\": []}' > $DAEDA_METADATA"
    }
    check "like-before" median-min=0.5 median-max=2.0
    check "many" rows-min=1000 severity="warn"
}
"#;
    let workspace = Workspace::new();
    let manifest = workspace.read("Daedalus.kdl");
    workspace.write("Daedalus.kdl", &format!("{manifest}{command}"));
    let built = workspace.build(&[&format!("copied@{}..{}", DAYS[0], DAYS[1])]);
    assert_eq!(built.code, 0, "{:?}", built.errors());
    let status = workspace.status("copied").asset;
    assert_eq!((&status["warned"], &status["warnings"][0]["check"]), (&2.into(), &"many".into()), "{status}");
    let shown = workspace.daeda(&["show", &format!("copied@{}", DAYS[1]), "--format", "json"]).json();
    assert!(shown["metadata"]["rows"].as_u64().unwrap() < 1000, "{shown}");
}

#[test]
fn mistakes_in_checks_are_found_where_they_stand() {
    let cases = [
        ("check \"a\" unique=\"user\"", "`user`"),
        ("check \"a\" column=\"user_id\"", "checks nothing"),
        ("check \"a\" column=\"author_id\" min=\"low\"", "low"),
        ("check \"a\" where=\"likes_2d + 1\" rows-max=0", "true or false"),
        ("check \"a\" where=\"label\"", "not how many"),
        ("check \"a\" share-min=0.5", "where"),
        ("check \"a\" column=\"event_timestamp\" newest-within=\"1h\"", "unit"),
        ("check \"a\" column=\"label\" newest-within=\"1h\"", "instant"),
        ("check \"a\" rows-min=5 rows-max=4", "never pass"),
        ("check \"a\" median-of=3", "no bound"),
        ("check \"a\" median-min=\"half\"", "number"),
        ("check \"a\" column=\"author_id\" { accepted \"x\"; }", "author_id"),
    ];
    let workspace = Workspace::new();
    let manifest = workspace.read("Daedalus.kdl");
    for (check, expected) in cases {
        workspace.write("Daedalus.kdl", &manifest.replacen(OPS, &format!("{OPS}\n    {check}"), 1));
        let said = workspace.daeda(&["check"]);
        let text = format!("{}{}", said.stdout, said.stderr);
        assert!(said.code == 3 && text.contains(expected), "{check}: {text}");
    }
    fs::remove_dir_all(workspace.directory.path()).unwrap();
}
