//! Secrets: whatever a build, a schedule or a question leaves behind or says, a secret's value is not in it.

use crate::fixture::*;
use std::fs;
use std::process::Output;

const SECRET: &str = "hunter2-is-long";

/// A command and a program that is told, both of which say aloud what they must not.
const TELLTALES: &str = r#"asset "made" {
    partitions "daily"
    op "make" rule="command" {
        env "PATH" (env)"TOKEN"
        run "sh" "-c" "echo got $TOKEN; echo $0 >&2; echo \"{\\\"token\\\": \\\"$TOKEN\\\"}\" > $DAEDA_METADATA; [ -e good ] || { echo bad $TOKEN >&2; exit 3; }; printf %s \"$TOKEN$0\" | wc -c > {output}/length" (env)"TOKEN"
    }
}
job "making" { select "made"; }
schedule "nightly" job="making" deadline="1h" {
    notify "failed" "recovered" "late" {
        env "PATH" (env)"TOKEN"
        run "sh" "-c" "cat > told.$$; echo no: $TOKEN $0 >&2; exit 7" (env)"TOKEN"
    }
}
"#;

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    let manifest = workspace.read("Daedalus.kdl");
    let manifest = manifest.replace(r#"schedule "nightly" job="everything" after="1h""#, "");
    workspace.write("Daedalus.kdl", &format!("{manifest}{TELLTALES}"));
    workspace
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn run(workspace: &Workspace, args: &[&str]) -> String {
    let output = workspace.command(args).env("TOKEN", SECRET).env("DAEDA_NOW", "2026-02-02T03:00:00Z").output().unwrap();
    let said = text(&output);
    assert!(!said.contains("hunter2"), "{args:?}: {said}");
    said
}

fn assert_nowhere(workspace: &Workspace) {
    let files = walkdir::WalkDir::new(workspace.directory.path()).into_iter().map(|e| e.unwrap()).filter(|e| e.file_type().is_file());
    for file in files {
        let bytes = fs::read(file.path()).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("hunter2"), "{}", file.path().display());
    }
}

#[test]
fn a_secret_is_in_nothing_that_is_left_behind_or_said() {
    let workspace = workspace();
    let target = "made@2026-02-01";
    let trace = workspace.path("trace.json");
    let failing = run(&workspace, &["build", target, "-v", "--trace", trace.to_str().unwrap()]);
    assert!(failing.contains("bad ***"), "{failing}");
    run(&workspace, &["build", target, "--retry-failed", "--format", "json"]);
    let scheduled = run(&workspace, &["schedule", "run"]);
    assert!(scheduled.contains("could not tell") && scheduled.contains("no: *** ***"), "{scheduled}");
    run(&workspace, &["schedule", "run", "--log-format", "json"]);
    assert_nowhere(&workspace);
    workspace.write("good", "");
    let well = run(&workspace, &["build", target, "-v", "--retry-failed"]);
    assert!(well.contains("got ***"), "{well}");
    let length = fs::read_to_string(workspace.published("made", 0).join("length")).unwrap();
    assert_eq!(length.trim(), (2 * SECRET.len()).to_string(), "the program has both");
    for args in [
        &["schedule", "run"][..],
        &["schedule", "due", "--format", "json"],
        &["status", "made", "--all", "--format", "json"],
        &["explain", target],
        &["show", target, "--format", "json"],
        &["list", "profiles", "--effective", "--format", "json"],
        &["list", "schedules"],
        &["build", target, "-n", "--format", "json", "--force"],
    ] {
        run(&workspace, args);
    }
    assert_nowhere(&workspace);
}

#[test]
fn another_value_of_a_secret_is_no_reason_and_its_absence_is_said_by_name() {
    let workspace = workspace();
    workspace.write("good", "");
    let target = "made@2026-02-01";
    run(&workspace, &["build", target]);
    let other = workspace.command(&["build", target, "--format", "json"]).env("TOKEN", "another").output().unwrap();
    assert!(!text(&other).contains("\"started\""), "{}", text(&other));
    let absent = workspace.command(&["build", target, "--force"]).env_remove("TOKEN").output().unwrap();
    assert_eq!(absent.status.code(), Some(4), "{}", text(&absent));
    assert!(text(&absent).contains("export TOKEN=…"), "{}", text(&absent));
}

/// A command whose secret gets into the names of files and into metadata, and one with white space at its end.
const LEAKY: &str = r#"asset "leaky" {
    op "make" rule="command" {
        env "PATH" (env)"TOKEN" (env)"PADDED" (env)"NUMBER"
        run "sh" "run.sh" "{output}"
        source "run.sh"
    }
}
"#;

#[test]
fn a_secret_is_in_no_name_no_number_and_has_no_white_space_to_hide_behind() {
    let workspace = workspace();
    workspace.write("Daedalus.kdl", &format!("{}{LEAKY}", workspace.read("Daedalus.kdl")));
    let run = |script: &str| {
        workspace.write("run.sh", script);
        let mut command = workspace.command(&["build", "leaky", "-v"]);
        command.env("TOKEN", SECRET).env("PADDED", "padded-hunter2 \r").env("NUMBER", "77123499");
        let said = text(&command.output().unwrap());
        assert!(!said.contains("hunter2") && !said.contains("77123499"), "{said}");
        said
    };
    let failed = run("ln -s x $1/got-$TOKEN\n");
    assert!(failed.contains("the command left got-***, which is no plain file"), "{failed}");
    let built =
        run("echo [$PADDED]; echo x > $1/x; echo \"{\\\"$TOKEN\\\": 1, \\\"n\\\": $NUMBER, \\\"loss\\\": 0.5}\" > $DAEDA_METADATA\n");
    assert!(built.contains("[***"), "{built}");
    let shown = workspace.daeda(&["show", "leaky", "--format", "json"]).json();
    let metadata = &shown["metadata"];
    assert_eq!((&metadata["***"], &metadata["n"], &metadata["loss"]), (&1.into(), &"***".into(), &0.5.into()));
    assert_nowhere(&workspace);
}
