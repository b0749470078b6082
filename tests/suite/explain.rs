//! What `explain`, `status` and dry runs tell: the cause, the whole cause and each cause once.
//!
//! Invariant: facts come from JSON; of texts only what a user must find in them is held.

use crate::fixture::*;
use serde_json::Value;

/// The one tree of an explanation.
fn tree(workspace: &Workspace, target: &str) -> Value {
    let said = workspace.daeda(&["explain", target, "--format", "json"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let document = said.json();
    assert_eq!(document["version"], 1);
    let trees = document["trees"].as_array().unwrap();
    assert_eq!(trees.len(), 1, "{document}");
    trees[0].clone()
}

/// The reasons marked as roots in a node and below it.
fn roots(node: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    for reason in node["reasons"].as_array().unwrap() {
        if reason["root"] == true {
            found.push(reason.clone());
        }
        if reason["upstream"].is_object() {
            found.extend(roots(&reason["upstream"]));
        }
    }
    found
}

fn text(workspace: &Workspace, target: &str) -> String {
    let said = workspace.daeda(&["explain", target]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    for line in said.stdout.lines() {
        assert!(line.chars().count() <= 80 || line.trim_start().starts_with("daeda "), "{line}");
    }
    said.stdout
}

fn embedder() -> Workspace {
    let workspace = Workspace::with_embeddings();
    assert_eq!(workspace.build(&["embedder"]).code, 0);
    workspace
}

#[test]
fn one_changed_period_of_several_is_named_at_the_root_of_the_chain() {
    let workspace = embedder();
    workspace.append(1, one_more(1));
    let tree = tree(&workspace, "embedder@2026-02-03");
    assert_eq!((&tree["cause"]["state"], &tree["cause"]["action"]), (&"stale".into(), &"embedder.enrich@2026-02-03".into()));
    let [upstream] = tree["cause"]["reasons"].as_array().unwrap().as_slice() else { panic!("{tree}") };
    assert_eq!((&upstream["kind"], upstream.get("root")), (&"upstream".into(), None));
    assert_eq!((&upstream["detail"], &upstream["upstream"]["state"]), (&"stale".into(), &"stale".into()));
    let roots = roots(&tree["cause"]);
    let names: Vec<&str> = roots.iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert!(!names.is_empty() && names.iter().all(|name| *name == "feature_view/feed@2026-02-02"), "{roots:?}");
    assert!(roots.iter().all(|r| r["kind"] == "selection" && r["old"].is_string() && r["old"] != r["new"]), "{roots:?}");
    let text = text(&workspace, "embedder@2026-02-03");
    for part in
        ["is stale", "because: upstream embedder.skeleton@2026-02-03", "cause: selection feature_view/feed@2026-02-02 where event = 'like'"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(tree["next"]["command"], format!("daeda -C {} build embedder@2026-02-03", workspace.directory.path().display()));
    assert!(text.contains(tree["next"]["command"].as_str().unwrap()), "{text}");
}

#[test]
fn the_command_that_comes_next_does_what_it_says() {
    let workspace = Workspace::built();
    std::fs::remove_dir_all(workspace.published("ranker", 3)).unwrap();
    let tree = tree(&workspace, "ranker@2026-02-04");
    assert_eq!(tree["cause"]["state"], "missing");
    let command = tree["next"]["command"].as_str().unwrap().to_string();
    let words: Vec<&str> = command.split(' ').collect();
    assert_eq!((words[0], words[1]), ("daeda", "-C"));
    assert_eq!(workspace.daeda(&words[3..]).code, 0);
    workspace.assert_fresh();
}

#[test]
fn a_parameter_is_told_once_for_all_partitions_with_both_values() {
    let workspace = Workspace::built();
    workspace.edit("config/training/aggregations.kdl", "k=4", "k=3");
    let tree = tree(&workspace, "ranker@2026-02-01..2026-02-03");
    assert_eq!((&tree["count"], &tree["partitions"][0]), (&3.into(), &"2026-02-01..2026-02-03".into()));
    let roots = roots(&tree["cause"]);
    assert_eq!(roots.len(), 1);
    assert_eq!((&roots[0]["kind"], &roots[0]["old"], &roots[0]["new"]), (&"parameter".into(), &"4".into(), &"3".into()));
    assert!(text(&workspace, "ranker@2026-02").contains("4 → 3"));
    let status = workspace.daeda(&["status", "ranker"]).stdout;
    assert!(status.contains("5 stale, 1 cause: parameter") && status.contains("2026-02-01..2026-02-05; and compile"), "{status}");
}

#[test]
fn of_what_is_fresh_is_told_what_was_verified() {
    let workspace = embedder();
    let skeleton = tree(&workspace, "embedder.skeleton@2026-02-03");
    let verified = &skeleton["cause"]["verified"];
    assert!(verified["rules"].as_u64() > Some(0) && verified["parameters"].as_u64() > Some(0), "{verified}");
    let sources = verified["sources"].as_array().unwrap();
    let listing = sources.iter().find(|s| s["kind"] == "listing" && s["name"] == "feature_view/feed").unwrap();
    assert_eq!((&listing["periods"], &listing["from"], &listing["to"]), (&3.into(), &"2026-02-01".into(), &"2026-02-03".into()));
    assert!(sources.iter().any(|s| s["kind"] == "selection" && s["parts"].as_array().unwrap().contains(&"event".into())));
    assert_eq!((&verified["output"], skeleton.get("next")), (&"stat".into(), None));
    assert_eq!(skeleton["cause"]["built"]["files"].as_array().unwrap().len(), 1);
    let enrich = tree(&workspace, "embedder@2026-02-03");
    assert_eq!(enrich["cause"]["verified"]["upstreams"][0]["action"], "embedder.skeleton@2026-02-03");
    let hashed = workspace.daeda(&["explain", "embedder@2026-02-03", "--verify", "--format", "json"]).json();
    assert_eq!(hashed["trees"][0]["cause"]["verified"]["output"], "hash");
    let text = text(&workspace, "embedder.skeleton@2026-02-03");
    assert!(text.contains("is fresh") && text.contains("listing of feature_view/feed in 3 periods"), "{text}");
}

#[test]
fn an_upstream_that_became_another_is_a_root() {
    let workspace = embedder();
    workspace.append(2, one_more(2));
    assert_eq!(workspace.build(&["embedder.skeleton@2026-02-03"]).code, 0);
    let tree = tree(&workspace, "embedder@2026-02-03");
    let roots = roots(&tree["cause"]);
    assert_eq!(roots.len(), 1, "{tree}");
    assert_eq!((&roots[0]["kind"], &roots[0]["upstream"]["state"]), (&"upstream".into(), &"fresh".into()));
    assert!(roots[0]["old"] != roots[0]["new"]);
    let status = workspace.daeda(&["status", "embedder"]).stdout;
    assert!(status.contains("cause: upstream embedder.skeleton@2026-02-03"), "{status}");
}

#[test]
fn what_waits_what_stands_and_what_failed_say_what_to_do() {
    let workspace = Workspace::built();
    let (day, aside) = (workspace.path("data/feed/dt=2026-02-01"), workspace.path("aside"));
    std::fs::rename(&day, &aside).unwrap();
    let published = workspace.published("ranker", 0);
    std::fs::rename(&published, workspace.path("published")).unwrap();
    let blocked = tree(&workspace, "ranker@2026-02-01");
    assert_eq!(blocked["cause"]["state"], "blocked");
    assert!(blocked["cause"]["reasons"][0]["detail"].as_str().unwrap().contains("data/feed/dt=2026-02-01"), "{blocked}");
    let orphaned = tree(&workspace, "ranker@2026-02-02");
    assert_eq!(orphaned["cause"]["state"], "orphaned");
    assert!(orphaned["next"]["command"].as_str().unwrap().ends_with("--allow-missing"), "{orphaned}");
    let kinds: Vec<Value> = roots(&orphaned["cause"]).into_iter().map(|r| r["kind"].clone()).collect();
    assert_eq!(kinds, ["listing"], "that its columns are gone follows");
    std::fs::rename(&aside, &day).unwrap();
    std::fs::rename(workspace.path("published"), &published).unwrap();
    let mut rows = events(0);
    rows[3].at = Some(instant(3, 1));
    workspace.write_feed(0, &rows);
    assert_eq!(workspace.build(&["ranker@2026-02-01"]).code, 1);
    let failed = tree(&workspace, "ranker@2026-02-01");
    assert_eq!((&failed["cause"]["state"], &failed["cause"]["failure"]["attempts"]), (&"failed".into(), &1.into()));
    assert!(failed["cause"]["failure"]["message"].as_str().unwrap().contains("event_timestamp"), "{failed}");
    assert!(failed["next"]["command"].as_str().unwrap().ends_with("--retry-failed"), "{failed}");
    let status = workspace.daeda(&["status", "ranker"]).stdout;
    assert!(status.contains("1 failed: 2026-02-01") && status.contains("failed after 1 attempt"), "{status}");
}

#[test]
fn an_action_is_told_once_and_partitions_that_differ_each_have_a_tree() {
    let workspace = Workspace::built();
    workspace.append(1, one_more(1));
    let document = workspace.daeda(&["explain", "ranker@2026-02", "--format", "json"]).json();
    let trees = document["trees"].as_array().unwrap();
    let told: Vec<(&str, u64)> = trees.iter().map(|t| (t["cause"]["state"].as_str().unwrap(), t["count"].as_u64().unwrap())).collect();
    assert_eq!(told.iter().map(|(_, count)| count).sum::<u64>(), DAYS.len() as u64);
    assert!(told.contains(&("stale", 1)) && told.contains(&("stale", 2)), "the day itself has a row more: {told:?}");
    let unknown = workspace.daeda(&["explain", "ranker@2026-13-01"]);
    assert_eq!(unknown.code, 2);
}

#[test]
fn a_dry_run_tells_in_ranges_what_runs_what_may_and_what_that_hangs_on() {
    let workspace = embedder();
    workspace.edit("feature_services/vectors.kdl", "event IN ('view', 'like')", "event = 'view' OR event = 'like'");
    let plan = workspace.daeda(&["build", "-n", "embedder"]).stdout;
    assert!(plan.contains("will run: embedder.skeleton@2026-02-01..2026-02-05, 5 partitions"), "{plan}");
    assert!(plan.contains("may run: embedder.enrich@2026-02-01..2026-02-05, 5 partitions"), "{plan}");
    assert!(plan.lines().count() < 12, "{plan}");
    let each = workspace.daeda(&["build", "-n", "embedder", "--explain"]).stdout;
    for key in DAYS {
        assert!(each.contains(&format!("may run: embedder.enrich@{key} (if")), "{each}");
    }
    let json = workspace.daeda(&["build", "-n", "embedder@2026-02-03", "--format", "json"]).json();
    let enrich = json["actions"].as_array().unwrap().iter().find(|a| a["action"] == "embedder.enrich@2026-02-03").unwrap();
    assert_eq!((&enrich["plan"], &enrich["if_changed"][0]), (&"may run".into(), &"embedder.skeleton@2026-02-03".into()));
}

#[test]
fn a_build_says_why_in_the_same_words() {
    let workspace = Workspace::built();
    workspace.edit("config/training/aggregations.kdl", "k=4", "k=3");
    let reason = roots(&tree(&workspace, "ranker@2026-02-03")["cause"])[0].clone();
    let words = format!("parameter {}: 4 → 3", reason["name"].as_str().unwrap());
    let told = workspace.daeda(&["build", "ranker@2026-02-03", "--explain"]).stderr;
    let lines: Vec<&str> = told.lines().collect();
    let at = lines.iter().position(|l| l.contains("building ranker.skeleton@2026-02-03: stale")).unwrap();
    assert_eq!(lines[at + 1].trim(), words);
}
