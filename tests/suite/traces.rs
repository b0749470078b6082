//! `build --trace`: the structure that Perfetto draws. Every begin has its end, and what is in one lane does not overlap.

use crate::fixture::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Something that began and ended, and how deep it lay in its lane.
#[derive(Debug)]
struct Slice {
    name: String,
    category: String,
    depth: usize,
    start: u64,
    end: u64,
}

/// The slices of each lane; fails where begins and ends do not match or times go back.
fn lanes(events: &[Value]) -> BTreeMap<u64, Vec<Slice>> {
    let mut open: BTreeMap<u64, Vec<Slice>> = BTreeMap::new();
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    let mut lanes: BTreeMap<u64, Vec<Slice>> = BTreeMap::new();
    for event in events {
        let lane = event["tid"].as_u64().unwrap();
        let phase = event["ph"].as_str().unwrap();
        assert_eq!(event["pid"], 1);
        if phase == "M" {
            continue;
        }
        let ts = event["ts"].as_u64().unwrap();
        let stack = open.entry(lane).or_default();
        match phase {
            "B" => {
                let text = |field: &str| event[field].as_str().unwrap().to_string();
                let slice = Slice { name: text("name"), category: text("cat"), depth: stack.len(), start: ts, end: ts };
                stack.push(slice);
            }
            "E" => {
                let slice = stack.pop().unwrap_or_else(|| panic!("an end without its begin: {event}"));
                lanes.entry(lane).or_default().push(Slice { end: ts, ..slice });
            }
            "C" => assert!(event["args"].as_object().is_some_and(|args| args.values().all(Value::is_number))),
            other => panic!("nobody knows `{other}`"),
        }
        assert!(ts >= last.insert(lane, ts).unwrap_or(0), "time goes back: {event}");
    }
    assert!(open.values().all(Vec::is_empty), "begins without ends: {open:?}");
    lanes
}

fn trace(workspace: &Workspace, args: &[&str]) -> (i32, Vec<Value>) {
    let path = workspace.path("trace.json");
    let said = workspace.daeda(&[&["build", "--trace", path.to_str().unwrap()], args].concat());
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{e}: {}", said.stderr));
    (said.code, serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}")))
}

fn overlap(slices: &[&Slice]) -> bool {
    let mut spans: Vec<(u64, u64)> = slices.iter().map(|s| (s.start, s.end)).collect();
    spans.sort_unstable();
    spans.windows(2).any(|pair| pair[1].0 < pair[0].1)
}

#[test]
fn begins_have_ends_and_actions_of_a_lane_do_not_overlap() {
    let workspace = Workspace::new();
    workspace.edit(
        "Daedalus.kdl",
        "op \"skeleton\" rule=\"skeleton\" needs=\"compile\"\n}\nasset",
        "op \"skeleton\" rule=\"skeleton\" needs=\"compile\" {\n        resources cpus=1 memory=\"1GiB\"\n    }\n}\nasset",
    );
    let (code, events) = trace(&workspace, &["ranker", "counter"]);
    assert_eq!(code, 0);
    let lanes = lanes(&events);
    let mut actions = BTreeSet::new();
    for (lane, slices) in lanes.iter().filter(|(lane, _)| **lane > 0) {
        let of_lane: Vec<&Slice> = slices.iter().filter(|s| s.category == "action").collect();
        assert!(!overlap(&of_lane), "lane {lane}: {of_lane:?}");
        assert!(of_lane.iter().all(|s| s.depth == 0));
        actions.extend(of_lane.iter().map(|s| s.name.clone()));
        for phase in ["wait", "hash", "run", "publish"] {
            assert!(slices.iter().any(|s| s.name == phase && s.category == "phase"), "lane {lane} has no {phase}");
        }
    }
    assert_eq!(actions.len(), 12, "{actions:?}");
    assert!(lanes[&0].iter().all(|s| s.name == "judge"));
    let counts = events.iter().filter(|e| e["name"] == "running workers").map(|e| e["args"]["workers"].as_u64().unwrap());
    let counts: Vec<u64> = counts.collect();
    assert_eq!(counts.last(), Some(&0));
    assert_eq!(counts.iter().max(), Some(&(lanes.len() as u64 - 1)), "a lane is used again before there is another");
    let cpus = events.iter().filter(|e| e["name"] == "cpus given").map(|e| e["args"]["cpus"].as_u64().unwrap());
    let cpus: Vec<u64> = cpus.collect();
    assert_eq!((cpus.iter().max(), cpus.last()), (Some(&2), Some(&0)), "the envelope is used, and no more than that");
}

#[test]
fn attempts_and_failures_are_in_it_too() {
    let workspace = Workspace::new();
    let asset = r#"asset "made" {
    op "make" rule="command" {
        run "sh" "-c" "exit 75"
        env "PATH"
        retry 2 delay="1ms" exit-codes="75"
    }
}
"#;
    workspace.write("Daedalus.kdl", &format!("{}{asset}", workspace.read("Daedalus.kdl")));
    let (code, events) = trace(&workspace, &["made"]);
    assert_eq!(code, 1);
    let lanes = lanes(&events);
    let attempts: Vec<&str> = lanes[&1].iter().filter(|s| s.category == "attempt").map(|s| s.name.as_str()).collect();
    assert_eq!(attempts, ["attempt 1", "attempt 2", "attempt 3"]);
    let errors = events.iter().filter(|e| e["args"]["error"].as_str().is_some_and(|error| error.contains("exit code 75"))).count();
    assert_eq!(errors, 2, "those that were retried");
    assert!(events.iter().any(|e| e["ph"] == "E" && e["args"]["well"] == false));
}

#[test]
fn one_that_is_not_whole_is_said() {
    let workspace = Workspace::new();
    let said = workspace.daeda(&["build", "ranker.compile", "--trace", "/dev/full"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stderr.contains("warning: the trace /dev/full could not be written: No space left on device"), "{}", said.stderr);
    let dry = workspace.daeda(&["build", "ranker", "-n", "--trace", "trace.json"]);
    assert!(dry.code == 0 && dry.stderr.contains("--trace has no effect"), "{}", dry.stderr);
}

#[test]
fn where_it_cannot_be_written_nothing_is_begun() {
    let workspace = Workspace::new();
    let said = workspace.daeda(&["build", "ranker", "--trace", "no/such/directory/trace.json"]);
    assert_eq!(said.code, 4, "{}", said.stderr);
    assert!(said.stderr.contains("no/such/directory/trace.json"), "{}", said.stderr);
    assert!(!workspace.published("ranker", 0).exists());
}
