//! The rule `command`, from outside: what reruns and what does not, what it sees, what becomes of what it leaves, how it is ended.

use super::fixture::{DAYS, Workspace, events, feed_columns, one_more, write_parquet};
use super::processes::eventually;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// An export before the ranker, and a report after it.
const CHAIN: &str = r#"
asset "export" {
    partitions "daily"
    op "copy" rule="command" {
        source "tools/copy.sh"
        run "sh" "tools/copy.sh" "{day}" "{output}"
    }
}
asset "report" {
    partitions "daily"
    op "write" rule="command" {
        input "ranker" window="2d"
        source "tools/report.sh"
        run "sh" "tools/report.sh" "{input.ranker}" "{output}" "{partition}"
    }
}
"#;

/// Copies a day of what somebody else delivers.
const COPY: &str = "cp delivered/$1.parquet $2/part-0.parquet\n";

/// The paths it was given, below the workspace.
const REPORT: &str = "sed \"s,.*/data/,data/,\" $1 > $2/paths; echo $3 > $2/day\n";

/// The fixture, with further assets and the scripts that they run.
fn with(assets: &str, scripts: &[(&str, &str)]) -> Workspace {
    let workspace = Workspace::new();
    let manifest = workspace.read("Daedalus.kdl");
    workspace.write("Daedalus.kdl", &format!("{manifest}{assets}"));
    scripts.iter().for_each(|(name, text)| workspace.write(name, text));
    workspace
}

/// The feed comes from an asset, which copies what was delivered.
fn chain() -> Workspace {
    let workspace = with(CHAIN, &[("tools/copy.sh", COPY), ("tools/report.sh", REPORT)]);
    let source = r#"source "data/feed" format="parquet" partition="dt={day}""#;
    workspace.edit("feature_views/feed.kdl", source, r#"source asset="export""#);
    fs::create_dir(workspace.path("delivered")).unwrap();
    (0..DAYS.len()).for_each(|day| {
        fs::rename(workspace.feed(day), workspace.path(&format!("delivered/{}.parquet", DAYS[day]))).unwrap();
    });
    workspace
}

/// One unpartitioned command that runs a shell script in its place.
fn shell(body: &str) -> Workspace {
    with(&format!("asset \"made\" {{\n    op \"make\" rule=\"command\" {{\n{body}\n    }}\n}}\n"), &[])
}

fn made(workspace: &Workspace, name: &str) -> String {
    workspace.read(&format!("data/training_output/made/{name}"))
}

#[test]
fn export_training_and_report_are_one_graph() {
    let workspace = chain();
    let target = format!("report@{}", DAYS[2]);
    let built = workspace.build(&[&target]);
    assert_eq!(built.code, 0, "{:?} {}", built.errors(), built.stderr);
    let days = |op: &str, days: &[usize]| days.iter().map(|day| format!("{op}@{}", DAYS[*day])).collect::<Vec<_>>();
    let expected =
        [days("export.copy", &[0, 1, 2]), vec!["ranker.compile".into()], days("ranker.skeleton", &[1, 2]), days("report.write", &[2])];
    assert_eq!(built.ran(), expected.concat());
    let paths = fs::read_to_string(workspace.published("report", 2).join("paths")).unwrap();
    assert_eq!(paths, "data/training_output/ranker/dt=2026-02-02\ndata/training_output/ranker/dt=2026-02-03\n");
    assert_eq!(workspace.build(&[&target]).ran(), Vec::<String>::new());
}

#[test]
fn the_first_period_has_nothing_before_it() {
    let workspace = chain();
    assert_eq!(workspace.build(&[&format!("report@{}", DAYS[0])]).code, 0);
    let paths = fs::read_to_string(workspace.published("report", 0).join("paths")).unwrap();
    assert_eq!(paths, "data/training_output/ranker/dt=2026-02-01\n");
}

#[test]
fn an_edited_script_reruns_its_own_op_alone() {
    let workspace = chain();
    let target = format!("report@{}", DAYS[1]);
    assert_eq!(workspace.build(&[&target]).code, 0);
    workspace.write("tools/report.sh", &format!("{REPORT}echo more > $2/more\n"));
    assert_eq!(workspace.status("report").kinds(DAYS[1]), ["bytes"]);
    assert_eq!(workspace.build(&[&target]).ran(), [format!("report.write@{}", DAYS[1])]);
}

#[test]
fn the_same_output_stops_the_chain_and_another_reason_still_runs_it() {
    let workspace = chain();
    let target = format!("report@{}", DAYS[1]);
    assert_eq!(workspace.build(&[&target]).code, 0);
    // The export runs again, to the same bytes.
    workspace.write("tools/copy.sh", &format!("# copies\n{COPY}"));
    assert_eq!(workspace.build(&[&target]).ran(), [format!("export.copy@{}", DAYS[0]), format!("export.copy@{}", DAYS[1])]);
    workspace.write("tools/copy.sh", COPY);
    workspace.write("tools/report.sh", &format!("# reports\n{REPORT}"));
    let ran = workspace.build(&[&target]).ran();
    assert_eq!(
        ran,
        ["export.copy", "export.copy", "report.write"]
            .iter()
            .zip([0, 1, 1])
            .map(|(op, day)| format!("{op}@{}", DAYS[day]))
            .collect::<Vec<_>>()
    );
}

#[test]
fn other_bytes_go_all_the_way_down() {
    let workspace = chain();
    let target = format!("report@{}", DAYS[1]);
    assert_eq!(workspace.build(&[&target]).code, 0);
    workspace.write("tools/copy.sh", "cp delivered/2026-02-05.parquet $2/unused.txt; cp delivered/$1.parquet $2/part-0.parquet\n");
    let built = workspace.build(&[&target]);
    assert_eq!(built.code, 0, "{:?}", built.errors());
    assert!(built.ran().contains(&format!("ranker.skeleton@{}", DAYS[1])), "{:?}", built.ran());
}

#[test]
fn what_is_not_declared_is_not_seen_and_what_is_is_observed() {
    let workspace = shell(
        r#"env "DECLARED"
        run "sh" "-c" "echo ${{DECLARED}} ${{UNDECLARED}}. > {output}/seen""#,
    );
    let build = |declared: &str, undeclared: &str| {
        let mut command = workspace.command(&["build", "made"]);
        assert!(command.env("DECLARED", declared).env("UNDECLARED", undeclared).output().unwrap().status.success());
        made(&workspace, "seen")
    };
    assert_eq!(build("one", "a"), "one .\n");
    fs::write(workspace.path("data/training_output/made/_note"), "still the same").unwrap();
    assert_eq!(build("one", "b"), "one .\n");
    assert!(workspace.path("data/training_output/made/_note").exists(), "it ran again");
    assert_eq!(build("two", "b"), "two .\n");
    let status = workspace.command(&["status", "made", "--format", "json"]).env("DECLARED", "three").output().unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains("\"environment\"") && status.contains("three"), "{status}");
}

#[test]
fn secrets_are_in_no_file_and_no_event() {
    let workspace = shell(r#"run "sh" "-c" "echo got $0; echo $0 >&2; echo \"$0\" | wc -c > {output}/length" (env)"TOKEN""#);
    let output = workspace.command(&["build", "made", "-v"]).env("TOKEN", "hunter2-is-long").output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("got ***"), "{said}");
    assert_eq!(made(&workspace, "length").trim(), "16");
    let files = walkdir::WalkDir::new(workspace.directory.path()).into_iter().map(|e| e.unwrap()).filter(|e| e.file_type().is_file());
    for file in files {
        let bytes = fs::read(file.path()).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("hunter2"), "{}", file.path().display());
    }
    assert!(!said.contains("hunter2"), "{said}");
    // Another value of it is no reason to run.
    let again = workspace.command(&["build", "made", "--format", "json"]).env("TOKEN", "another").output().unwrap();
    assert!(!String::from_utf8_lossy(&again.stdout).contains("\"started\""));
}

#[test]
fn a_command_that_writes_its_own_input_fails_and_names_the_file() {
    let workspace = chain();
    workspace.write("tools/report.sh", "echo x > $2/x; for d in $(cat $1); do echo more > $d/more; done\n");
    let built = workspace.build(&[&format!("report@{}", DAYS[1])]);
    assert_eq!(built.code, 1);
    assert!(built.errors()[0].starts_with("data/training_output/ranker/dt=2026-02-01/more was written"), "{:?}", built.errors());
    assert!(!workspace.published("report", 1).exists());
    assert_eq!(built.actions("retrying"), Vec::<String>::new());
}

/// Its input is built anew by somebody else, and of that it fails: whatever it says counts for nothing.
#[test]
fn a_command_that_fails_while_its_input_is_replaced_has_not_failed_of_itself() {
    let workspace = chain();
    let day = DAYS[1];
    workspace.edit("Daedalus.kdl", "\"{partition}\"\n", "\"{partition}\"\n        retry 1 delay=\"1ms\"\n");
    workspace.write("tools/report.sh", "touch begun; until [ -e go ]; do sleep 0.05; done; echo broken input >&2; exit 3\n");
    assert_eq!(workspace.build(&[&format!("ranker@{day}")]).code, 0);
    // It waits for the other one, which must not wait for its room.
    let mut apart = workspace.command(&["build", &format!("report.write@{day}"), "--format", "json"]);
    apart.env("DAEDA_RUNTIME_DIR", workspace.runtime_directory().join("apart")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let building = apart.spawn().unwrap();
    eventually("the command begins", || workspace.path("begun").exists());
    let delivered = format!("delivered/{day}.parquet");
    fs::remove_file(workspace.path(&delivered)).unwrap();
    write_parquet(&workspace.path(&delivered), feed_columns(&[events(1), vec![one_more(1)]].concat()));
    let other = workspace.build(&[&format!("export@{day}"), &format!("ranker@{day}"), "--force"]);
    assert_eq!(other.code, 0, "{:?}", other.errors());
    workspace.write("go", "");
    let said = building.wait_with_output().unwrap();
    let events: Vec<Value> = String::from_utf8_lossy(&said.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let retried = events.iter().find(|event| event["event"] == "retrying").unwrap_or_else(|| panic!("{events:?}"));
    let error = retried["error"].as_str().unwrap();
    for part in
        ["input changed while the op ran: the output of ranker.skeleton@2026-02-0", "it failed: `sh` ended with exit code 3: broken"]
    {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(said.status.code(), Some(1));
    // Nothing is remembered: what it failed of was never judged.
    assert_eq!(fs::read_dir(workspace.path(".daeda/failed")).map_or(0, Iterator::count), 0);
    let again = workspace.build(&[&format!("report@{day}")]);
    assert_eq!((again.code, again.actions("retrying").len()), (1, 0), "on input that stands still it fails of itself");
    assert!(workspace.build(&[&format!("report@{day}")]).ran().is_empty(), "which is remembered");
}

#[test]
fn what_failed_leaves_nothing_to_see_and_what_stood_stands() {
    let workspace = shell(
        r#"source "tools/make.sh"
        run "sh" "tools/make.sh" "{output}""#,
    );
    workspace.write("tools/make.sh", "echo half > $1/data; echo it broke >&2; exit 3\n");
    let built = workspace.build(&["made"]);
    assert_eq!(built.code, 1);
    assert_eq!(built.errors(), ["`sh` ended with exit code 3: it broke"]);
    let failed = built.events.iter().find(|event| event["event"] == "failed").unwrap();
    assert_eq!(failed["log"], ".daeda/logs/made.make.log");
    assert!(!workspace.path("data/training_output/made").exists());
    // Remembered, until something changes.
    assert_eq!(workspace.build(&["made"]).ran(), Vec::<String>::new());
    workspace.write("tools/make.sh", "echo whole > $1/data\n");
    assert_eq!(workspace.build(&["made"]).code, 0);
    workspace.write("tools/make.sh", "echo half > $1/data; exit 3\n");
    assert_eq!(workspace.build(&["made"]).code, 1);
    assert_eq!(made(&workspace, "data"), "whole\n");
}

#[test]
fn listed_exit_codes_are_tried_again() {
    let workspace = shell(
        r#"retry 2 delay="1ms" exit-codes="75"
        run "sh" "-c" "test -e tried && echo yes > {output}/done && exit 0; touch tried; exit 75""#,
    );
    let built = workspace.build(&["made"]);
    assert_eq!(built.code, 0, "{:?} {}", built.errors(), built.stderr);
    assert_eq!(built.actions("retrying"), ["made.make"]);
    assert_eq!(made(&workspace, "done"), "yes\n");
}

#[test]
fn a_program_that_is_not_there_is_the_environments() {
    let workspace = shell(r#"run "no-such-program-9" "{output}""#);
    let built = workspace.build(&["made"]);
    assert_eq!(built.code, 4);
    assert!(built.errors()[0].contains("no program `no-such-program-9` in PATH"), "{:?}", built.errors());
}

#[test]
fn directories_within_an_output_are_part_of_it() {
    let workspace = shell(r#"run "sh" "-c" "mkdir -p {output}/model/v1; echo w > {output}/model/v1/weights; echo m > {output}/readme""#);
    assert_eq!(workspace.build(&["made"]).code, 0);
    assert_eq!(workspace.build(&["made"]).ran(), Vec::<String>::new());
    workspace.write("data/training_output/made/model/extra", "x");
    assert_eq!(workspace.build(&["made"]).ran(), ["made.make"]);
    assert!(!workspace.path("data/training_output/made/model/extra").exists());
    fs::write(workspace.path("data/training_output/made/model/v1/weights"), "y\n").unwrap();
    assert_eq!(workspace.build(&["made"]).ran(), ["made.make"]);
    assert_eq!(made(&workspace, "model/v1/weights"), "w\n");
}

#[test]
fn an_empty_output_is_published_with_a_warning() {
    let workspace = shell(r#"run "true""#);
    let built = workspace.build(&["made"]);
    assert_eq!((built.code, built.actions("warned")), (0, vec!["made.make".to_string()]));
    assert_eq!(workspace.build(&["made"]).ran(), Vec::<String>::new());
}

#[test]
fn checks_look_at_what_a_command_wrote() {
    let workspace = chain();
    workspace.edit("Daedalus.kdl", "asset \"export\" {", "asset \"export\" {\n    check \"many\" rows-min=13");
    let built = workspace.build(&[&format!("export@{}", DAYS[0])]);
    assert_eq!(built.code, 1);
    assert!(built.errors()[0].contains("12 rows, and at least 13 are expected"), "{:?}", built.errors());
    workspace.edit("Daedalus.kdl", "rows-min=13", "rows-min=12");
    assert_eq!(workspace.build(&["--retry-failed", &format!("export@{}", DAYS[0])]).code, 0);
}

#[test]
fn ops_of_one_asset_read_what_they_need() {
    let workspace = with(
        r#"asset "made" {
    op "two" rule="command" needs="one" {
        run "sh" "-c" "cat $(cat $0)/a > {output}/b" "{input.one}"
    }
    op "one" rule="command" {
        source "text"
        run "cp" "text" "{output}/a"
        output "{output-root}/{asset}-{op}"
    }
}
"#,
        &[("text", "first\n")],
    );
    assert_eq!(workspace.build(&["made"]).ran(), ["made.one", "made.two"]);
    assert_eq!(made(&workspace, "b"), "first\n");
    workspace.write("text", "second\n");
    assert_eq!(workspace.build(&["made"]).ran(), ["made.one", "made.two"]);
    assert_eq!(made(&workspace, "b"), "second\n");
}

#[test]
fn an_asset_without_partitions_reads_all_that_has_ended() {
    let workspace = shell(
        r#"input "ranker"
        run "sh" "-c" "wc -l < {input.ranker} > {output}/count""#,
    );
    assert_eq!(workspace.build(&["made"]).code, 0);
    assert_eq!(made(&workspace, "count").trim(), DAYS.len().to_string());
    assert_eq!(workspace.build(&["made"]).ran(), Vec::<String>::new());
}

fn is_running(pid: &str) -> bool {
    Path::new("/proc").join(pid.trim()).join("exe").exists()
}

fn wait_for(what: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !what() {
        assert!(Instant::now() < deadline, "it did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A command whose child notes its process and sleeps; ignoring what asks it to end, where it is stubborn.
fn sleeper(timeout: &str) -> Workspace {
    shell(&format!("        {timeout}\n        source \"sleep.sh\"\n        run \"sh\" \"sleep.sh\""))
        .tap("sleep.sh", "trap '' TERM\n(echo half > half; sleep 600; true) &\necho $! > pid.tmp; mv pid.tmp pid; wait\n")
}

impl Workspace {
    fn tap(self, name: &str, text: &str) -> Self {
        self.write(name, text);
        self
    }
}

#[test]
fn a_timeout_ends_the_whole_tree() {
    let workspace = sleeper("timeout \"700ms\"");
    let built = workspace.build(&["made"]);
    assert_eq!(built.code, 1);
    assert!(built.errors()[0].contains("timed out"), "{:?}", built.errors());
    assert!(!is_running(&workspace.read("pid")));
    assert!(!workspace.path("data/training_output/made").exists());
}

#[test]
fn an_interrupt_ends_the_whole_tree() {
    let workspace = sleeper("");
    let mut child = workspace.command(&["build", "made"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for(|| workspace.path("pid").exists());
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!is_running(&workspace.read("pid")));
}

#[test]
fn what_it_runs_ends_with_daeda_however_that_ends() {
    let workspace = sleeper("");
    let mut child = workspace.command(&["build", "made"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for(|| workspace.path("pid").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for(|| !is_running(&workspace.read("pid")));
}

/// The repository's own report, where there is a Python to run it.
#[test]
fn the_example_s_report_counts_rows_by_itself() {
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        return;
    }
    let asset = r#"asset "made" {
    partitions "daily"
    op "report" rule="command" {
        input "ranker" window="7d"
        source "tools/report.py"
        env "LANG"
        run "python3" "tools/report.py" "{input.ranker}" "{output}" "{partition}"
    }
}
"#;
    let script = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/report.py")).unwrap();
    let workspace = with(asset, &[("tools/report.py", &script)]);
    let built = workspace.build(&[&format!("made@{}", DAYS[2])]);
    assert_eq!(built.code, 0, "{:?}", built.errors());
    let days: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(workspace.published("made", 2).join("report.json")).unwrap()).unwrap();
    let rows_of = |event: &&serde_json::Value| event["event"] == "published" && event["action"]["op"] == "skeleton";
    let rows: Vec<_> = built.events.iter().filter(rows_of).map(|event| (&event["action"]["key"], &event["metadata"]["rows"])).collect();
    let reported: Vec<_> = days.as_array().unwrap().iter().map(|day| (&day["partition"], &day["rows"])).collect();
    assert_eq!(reported.len(), 3);
    assert!(rows.iter().all(|row| reported.contains(row)), "{rows:?} {reported:?}");
    assert_eq!(days[0]["partition"], DAYS[0]);
}

#[test]
fn a_link_in_place_of_its_directory_is_not_followed() {
    let workspace = shell("        run \"sh\" \"-c\" \"rmdir $0; ln -s $PWD/elsewhere $0\" \"{output}\"");
    fs::create_dir_all(workspace.path("elsewhere/empty")).unwrap();
    fs::write(workspace.path("elsewhere/theirs"), "").unwrap();
    let built = workspace.build(&["made"]);
    assert_eq!(built.code, 1, "{}", built.stderr);
    assert!(built.errors()[0].contains("replaced the directory {output}"), "{:?}", built.errors());
    assert!(!workspace.path("data/training_output/made").exists());
    let left: Vec<_> = fs::read_dir(workspace.path("elsewhere")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}
