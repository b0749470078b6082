//! Room for actions: what processes share, who goes first, and what is said of waiting. Told from the events alone.

use crate::fixture::{Workspace, id};
use crate::processes::eventually;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};

const GIB: u64 = 1 << 30;

/// So many unpartitioned commands that need cpus and memory of all sorts.
fn workspace(name: &str, needs: &[(u64, u64)], seconds: &str) -> Workspace {
    let workspace = Workspace::empty();
    let op = |(number, (cpus, memory)): (usize, &(u64, u64))| {
        format!(
            "asset \"{name}{number:02}\" {{\n    op \"work\" rule=\"command\" {{\n        env \"PATH\"\n        run \"sleep\" \"{seconds}\"\n        \
             resources cpus={cpus} memory=\"{memory}GiB\"\n    }}\n}}\n"
        )
    };
    let assets: String = needs.iter().enumerate().map(op).collect();
    let names: String = (0..needs.len()).map(|number| format!(" \"{name}{number:02}\"")).collect();
    workspace.write(
        "Daedalus.kdl",
        &format!(
            "daedalus version=1\nconfig {{\n    resources cpus=4 memory=\"4GiB\"\n}}\n{assets}job \"all\" {{\n    select{names}\n}}\n"
        ),
    );
    workspace
}

/// A command that shares its room with those of another workspace, on a machine that has enough.
fn sharing(workspace: &Workspace, with: &Workspace, args: &[&str]) -> Command {
    let mut command = workspace.command(args);
    command.env("DAEDA_RUNTIME_DIR", with.runtime_directory()).env("DAEDA_MACHINE", "8 16GiB");
    command
}

fn events(output: &Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// An action's way, in turns of the shared envelope.
#[derive(Debug, Clone)]
struct Way {
    cpus: u64,
    memory: u64,
    queued: u64,
    admitted: u64,
    released: u64,
}

fn ways(all: &[Value]) -> BTreeMap<String, Way> {
    let number = |event: &Value, name: &str| event[name].as_u64().unwrap();
    let mut ways = BTreeMap::new();
    for event in all {
        match event["event"].as_str().unwrap() {
            "admitted" => {
                let [cpus, memory, queued, admitted] = ["cpus", "memory", "queued", "turn"].map(|name| number(event, name));
                ways.insert(id(&event["action"]), Way { cpus, memory, queued, admitted, released: u64::MAX });
            }
            "released" => ways.get_mut(&id(&event["action"])).unwrap().released = number(event, "turn"),
            _ => {}
        }
    }
    ways
}

/// Must show: with cpus=4 and memory 4GiB thirty ops of mixed needs in two processes never exceed it, nothing is overtaken more than eight times, and no
/// cpu is idle while something fits otherwise.
#[test]
fn two_processes_share_one_envelope() {
    let needs: Vec<(u64, u64)> = (0..15).map(|i| [(1, 1), (2, 1), (4, 4), (1, 3), (3, 2), (1, 1), (2, 2)][i % 7]).collect();
    let (one, other) =
        (workspace("a", &needs, "0.15"), workspace("b", &needs[1..].iter().chain(&needs[..1]).copied().collect::<Vec<_>>(), "0.1"));
    let args = ["build", "all", "--format", "json"];
    let run = |workspace| sharing(workspace, &one, &args).output().unwrap();
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| run(&one));
        let second = scope.spawn(|| run(&other));
        (first.join().unwrap(), second.join().unwrap())
    });
    let ways: Vec<Way> = [&first, &second].into_iter().flat_map(|output| ways(&events(output)).into_values()).collect();
    assert_eq!(ways.len(), 30);
    assert!(ways.iter().all(|way| way.released < u64::MAX && way.queued < way.admitted && way.admitted < way.released));
    // Both were at work at once: the turns interleave.
    let mut turns: Vec<u64> = ways.iter().flat_map(|way| [way.queued, way.admitted, way.released]).collect();
    turns.sort_unstable();
    assert!(turns.windows(2).all(|pair| pair[0] < pair[1]), "each change is one turn");
    let last = *turns.last().unwrap();
    let mut at_once = 0;
    for turn in 1..=last {
        let running: Vec<&Way> = ways.iter().filter(|way| way.admitted <= turn && turn < way.released).collect();
        let used = |of: fn(&Way) -> u64| running.iter().map(|way| of(way)).sum::<u64>();
        let (cpus, memory) = (used(|way| way.cpus), used(|way| way.memory));
        assert!(cpus <= 4 && memory <= 4 * GIB, "turn {turn}: {cpus} cpus, {memory} bytes");
        at_once = at_once.max(running.len());
        let waiting: Vec<&Way> = ways.iter().filter(|way| way.queued <= turn && turn < way.admitted).collect();
        // Until somebody has been overtaken eight times, nobody waits who fits: unless the next turn admits somebody.
        if ways.iter().any(|way| way.admitted == turn + 1) {
            continue;
        }
        let barred = waiting.iter().filter(|way| overtakers(&ways, way, turn) >= 8).map(|way| way.queued).min().unwrap_or(u64::MAX);
        let idle = waiting.iter().find(|way| way.queued <= barred && cpus + way.cpus <= 4 && memory + way.memory <= 4 * GIB);
        assert!(idle.is_none(), "turn {turn}: {idle:?} waits with {cpus} cpus in use");
    }
    assert!(at_once > 1);
    let most = ways.iter().map(|way| overtakers(&ways, way, way.admitted)).max().unwrap();
    assert!(most <= 8, "{most}");
}

/// How many came later and were admitted before, until a turn.
fn overtakers(ways: &[Way], way: &Way, until: u64) -> usize {
    let before = way.admitted.min(until + 1);
    ways.iter().filter(|other| other.queued > way.queued && other.admitted < before).count()
}

#[test]
fn who_waits_for_another_process_says_so_and_goes_on_when_that_dies() {
    let (one, other) = (workspace("long", &[(4, 4)], "600"), workspace("short", &[(2, 1)], "0"));
    let mut holder = sharing(&one, &one, &["build", "all"]).spawn().unwrap();
    eventually("a claim", || fs::read_to_string(one.runtime_directory().join("envelope-1.json")).is_ok_and(|text| text.contains("long00")));
    let waiting = sharing(&other, &one, &["build", "all"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    holder.kill().unwrap();
    holder.wait().unwrap();
    let output = waiting.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).to_string();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let expected = format!("short00.work: waiting for 2 cpus and 1.0 GiB held by process {} (4 cpus, 4.0 GiB: long00.work)", holder.id());
    assert!(said.contains(&expected), "{said}");
}

#[test]
fn no_more_jobs_run_at_once_than_asked_for() {
    let workspace = workspace("j", &[(1, 1); 6], "0.05");
    let output = sharing(&workspace, &workspace, &["build", "all", "-j", "2", "--format", "json"]).output().unwrap();
    let ways: Vec<Way> = ways(&events(&output)).into_values().collect();
    let at_once = |turn: u64| ways.iter().filter(|way| way.admitted <= turn && turn < way.released).count();
    assert_eq!((1..40).map(at_once).max(), Some(2));
}

#[test]
fn a_build_with_nothing_to_run_leaves_the_envelope_alone() {
    let workspace = Workspace::built();
    assert_eq!(workspace.build(&["ranker"]).code, 0);
    assert!(!workspace.runtime_directory().exists());
}

#[test]
fn where_nothing_can_be_shared_a_build_goes_on_alone_and_says_so() {
    let workspace = workspace("n", &[(1, 1)], "0");
    let output = workspace.command(&["build", "all"]).env("DAEDA_RUNTIME_DIR", "/proc/none").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8_lossy(&output.stderr).to_string();
    assert!(said.contains("warning: what other daeda processes use here is not known") && said.contains("DAEDA_RUNTIME_DIR"), "{said}");
}

/// A worker's libraries have as many threads as its op has cpus.
#[test]
fn threads_follow_the_cpus_of_the_op() {
    let workspace = workspace("t", &[(3, 1)], "5");
    let mut command = sharing(&workspace, &workspace, &["build", "all"]);
    let mut build = command.spawn().unwrap();
    let worker = || crate::processes::children(build.id()).first().copied();
    eventually("a worker", || worker().is_some());
    let environment = fs::read(format!("/proc/{}/environ", worker().unwrap())).unwrap();
    let environment = String::from_utf8_lossy(&environment).to_string();
    for variable in ["POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "LANCE_CPU_THREADS"] {
        assert!(environment.split('\0').any(|line| line == format!("{variable}=3")), "{variable}");
    }
    build.kill().unwrap();
    build.wait().unwrap();
}
