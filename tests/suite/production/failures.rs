//! Failures of real programs: what is tried again, what ends with them, and what is told of it.

use crate::fixture::{Built, Workspace};
use crate::processes::{eventually, has_ended};
use serde_json::Value;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A workspace with one unpartitioned command that runs a shell script, and how it is run.
fn shell(script: &str, more: &str) -> Workspace {
    let workspace = Workspace::empty();
    workspace.write("run.sh", script);
    let asset = format!(
        "asset \"made\" {{\n    op \"make\" rule=\"command\" {{\n        env \"PATH\"\n        source \"run.sh\"\n        run \"sh\" \"run.sh\" \"{{output}}\"\n        {more}\n    }}\n}}\n"
    );
    workspace.write("Daedalus.kdl", &format!("daedalus version=1\n{asset}"));
    workspace
}

fn attempts(built: &Built) -> usize {
    built.ran().len()
}

fn retried(built: &Built) -> Vec<&str> {
    built.events.iter().filter(|e| e["event"] == "retrying").map(|e| e["error"].as_str().unwrap()).collect()
}

/// A script that fails in one way until it has been run so often.
fn until(times: usize, fails: &str) -> String {
    format!("echo x >> count\nif [ $(wc -l < count) -le {times} ]; then {fails}; fi\necho done > $1/done\n")
}

#[test]
fn each_way_to_fail_that_can_pass_is_tried_again() {
    let cases = [
        (until(2, "exit 75"), "exit-codes=\"75\"", "", "ended with exit code 75"),
        (until(2, "kill -9 $$"), "", "", "was killed by signal 9"),
        (until(2, "kill -9 $PPID; sleep 5"), "", "", "the worker ended"),
        (until(2, "sleep 60"), "", "timeout \"1s\"", "timed out after 1 s"),
    ];
    for (script, codes, more, why) in cases {
        let workspace = shell(&script, &format!("retry 3 delay=\"1ms\" {codes}\n        {more}"));
        let built = workspace.build(&["made"]);
        assert_eq!((built.code, attempts(&built)), (0, 3), "{script} {:?} {}", built.events, built.stderr);
        assert!(retried(&built).iter().all(|error| error.contains(why)), "{why}: {:?}", retried(&built));
        // Visible in the record as well.
        let shown = workspace.daeda(&["show", "made", "--format", "json"]).json();
        assert_eq!(shown["attempts"], 3);
    }
}

#[test]
fn other_exit_codes_are_not() {
    let workspace = shell(&until(1, "echo 'no such column' >&2; exit 3"), "retry 3 delay=\"1ms\" exit-codes=\"75 76\"");
    let built = workspace.build(&["made"]);
    assert_eq!((built.code, attempts(&built)), (1, 1));
    assert!(built.errors()[0].ends_with("ended with exit code 3: no such column"), "{:?}", built.errors());
    // Remembered, until it is asked for or its script changes.
    assert_eq!(attempts(&workspace.build(&["made"])), 0);
    assert_eq!(workspace.build(&["made", "--retry-failed"]).code, 0);
}

#[test]
fn retries_that_are_used_up_are_a_failure_that_is_remembered() {
    let workspace = shell("exit 75\n", "retry 2 delay=\"1ms\" exit-codes=\"75\"");
    let built = workspace.build(&["made"]);
    assert_eq!((built.code, attempts(&built), built.finished()["retried"].as_u64()), (1, 3, Some(2)));
    let failed = built.events.iter().find(|event| event["event"] == "failed").unwrap();
    assert_eq!(failed["attempt"], 3);
    let again = workspace.build(&["made"]);
    assert_eq!((again.code, attempts(&again)), (1, 0));
    let status = workspace.daeda(&["status"]).stdout;
    assert!(status.contains("1 failed") || status.contains("failed: the whole asset"), "{status}");
    assert!(status.contains("failed after 3 attempts"), "{status}");
    workspace.write("run.sh", "echo fine > $1/fine\n");
    assert_eq!(workspace.build(&["made"]).code, 0);
}

/// Must show: a timeout kills the whole process tree, wherever that has gone.
#[test]
fn a_timeout_ends_all_that_was_started() {
    // In the group; in a session of its own; there without a parent; and one that will not listen.
    let script = concat!(
        "sleep 600 & echo $! >> pids\n",
        "setsid sleep 600 & echo $! >> pids\n",
        "setsid sh -c 'sleep 600 & echo $! >> pids' &\n",
        "setsid sh -c 'trap \"\" TERM HUP; echo $$ >> pids; while :; do sleep 1; done' &\n",
        "sleep 600\n",
    );
    let workspace = shell(&format!("echo about to rest\n{script}"), "timeout \"2s\"");
    let start = Instant::now();
    let built = workspace.build(&["made"]);
    assert_eq!(built.code, 1);
    assert_eq!(built.errors()[0], "timed out after 2 s; the last it said: about to rest");
    let failed = built.events.iter().find(|event| event["event"] == "failed").unwrap();
    assert_eq!(failed["log"], ".daeda/logs/made.make.log", "{failed}");
    assert!(start.elapsed() < Duration::from_secs(60));
    assert_all_ended(&workspace, 4);
}

fn assert_all_ended(workspace: &Workspace, count: usize) {
    let pids: Vec<u32> = workspace.read("pids").lines().map(|line| line.trim().parse().unwrap()).collect();
    assert_eq!(pids.len(), count);
    for pid in pids {
        eventually(&format!("the end of {pid}"), || has_ended(pid));
    }
}

#[test]
fn what_a_command_leaves_behind_in_another_session_ends_with_it() {
    let script = "setsid sh -c 'sleep 600 & echo $! >> pids' &\nsetsid sleep 600 & echo $! >> pids\nwhile [ $(wc -l < pids) -lt 2 ]; do sleep 0.1; done\necho done > $1/done\n";
    let workspace = shell(script, "");
    let built = workspace.build(&["made"]);
    assert_eq!(built.code, 0, "{:?}", built.errors());
    assert_all_ended(&workspace, 2);
}

#[test]
fn what_was_started_ends_with_a_worker_that_is_killed_and_with_daeda_itself() {
    let script = "setsid sleep 600 & echo $! >> pids\nsetsid sh -c 'sleep 600 & echo $! >> pids' &\nsleep 600\n";
    for kills_daeda in [false, true] {
        let workspace = shell(script, "");
        let mut build = workspace.command(&["build", "made"]).stderr(Stdio::null()).spawn().unwrap();
        eventually("the programs", || fs::read_to_string(workspace.path("pids")).is_ok_and(|text| text.lines().count() == 2));
        let victim = if kills_daeda { build.id() } else { crate::processes::children(build.id())[0] };
        let victim = rustix::process::Pid::from_raw(victim as i32).unwrap();
        rustix::process::kill_process(victim, rustix::process::Signal::KILL).unwrap();
        assert_eq!(build.wait().unwrap().code(), if kills_daeda { None } else { Some(1) });
        assert_all_ended(&workspace, 2);
    }
}

#[test]
fn what_failed_says_its_memory_against_what_it_may_hold() {
    let workspace = shell("exit 3\n", "resources memory=\"2GiB\"");
    let built = workspace.build(&["made"]);
    let failed: &Value = built.events.iter().find(|event| event["event"] == "failed").unwrap();
    assert!(failed["peak_memory"].as_u64().unwrap() > 1 << 20 && failed["memory"].as_u64() == Some(2 << 30), "{failed}");
    let said = workspace.daeda(&["build", "made", "--retry-failed"]).stderr;
    assert!(
        said.contains("peak memory: ")
            && said.contains(" MB of 2.0 GiB")
            && said.contains("try again: daeda build made.make --retry-failed"),
        "{said}"
    );
}

#[test]
fn what_a_program_says_streams_with_v_and_its_metadata_is_shown() {
    let script = "echo first; echo second >&2; echo '{\"loss\": 0.5, \"epochs\": 3}' >> $DAEDA_METADATA; echo out > $1/out\n";
    let workspace = shell(script, "");
    let said = workspace.daeda(&["build", "made", "-v"]);
    assert!(said.stderr.contains("made.make| first") && said.stderr.contains("made.make| second"), "{}", said.stderr);
    let shown = workspace.daeda(&["show", "made", "--format", "json"]).json();
    assert_eq!((&shown["metadata"]["loss"], &shown["metadata"]["epochs"]), (&0.5.into(), &3.into()));
    assert!(workspace.daeda(&["show", "made"]).stdout.contains("epochs"));
    let quiet = workspace.daeda(&["build", "made", "--force"]);
    assert!(!quiet.stderr.contains("made.make| first"), "{}", quiet.stderr);
}
