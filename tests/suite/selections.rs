//! What a `where` and the reach of a window leave out disturbs nothing; what they take is told by its period.
//!
//! Invariant: nothing here depends on what `.daeda/` remembers.

use crate::fixture::*;
use serde_json::Value;
use std::fs;

fn event(event: &'static str, day: usize, hour: i64) -> Event {
    Event { user: 2, artwork: 5, event, at: Some(instant(day, hour)) }
}

/// The reasons of a partition, each as name, detail and whether its digests, old and new, are there and differ.
fn told(reasons: &[Value]) -> Vec<(String, String, bool)> {
    let text = |reason: &Value, field: &str| reason[field].as_str().unwrap_or_default().to_string();
    let differs = |r: &Value| r["old"].is_string() && r["new"].is_string() && r["old"] != r["new"];
    reasons.iter().map(|r| (text(r, "name"), text(r, "detail"), differs(r))).collect()
}

#[test]
fn an_excluded_event_is_no_reason_whatever_is_remembered() {
    let workspace = Workspace::built();
    workspace.append(1, event("hide", 1, 20));
    workspace.assert_fresh();
    workspace.append(1, event("hide", 1, 21));
    fs::remove_dir_all(workspace.path(".daeda")).unwrap();
    workspace.assert_fresh();
    fs::write(workspace.path(".daeda/cache/selections"), "damaged").unwrap();
    workspace.append(1, event("hide", 1, 22));
    workspace.assert_fresh();
    assert!(workspace.build(&["everything"]).ran().is_empty());
}

#[test]
fn an_included_event_is_a_reason_of_just_those_that_see_it() {
    let workspace = Workspace::built();
    workspace.append(1, event("view", 1, 20));
    assert_eq!(workspace.status("counter").states().len(), 0);
    let status = workspace.status("ranker");
    assert_eq!(status.keys("stale"), [DAYS[1]]);
    let spine = "where event IN ('view', 'like')".to_string();
    assert_eq!(told(&status.reasons(DAYS[1])), [("feature_view/feed@2026-02-02".to_string(), spine, true)]);
    workspace.append(1, event("like", 1, 20));
    let status = workspace.status("counter");
    assert_eq!(status.keys("stale"), [DAYS[1], DAYS[2], DAYS[3]]);
    for day in &DAYS[1..4] {
        let likes = "where event = 'like'".to_string();
        assert_eq!(told(&status.reasons(day)), [("feature_view/feed@2026-02-02".to_string(), likes, true)], "{day}");
    }
}

#[test]
fn a_row_that_a_run_would_reject_is_seen_whatever_the_filter() {
    let workspace = Workspace::built();
    workspace.append(1, event("hide", 2, 20));
    assert_eq!(workspace.status("counter").keys("stale"), [DAYS[1], DAYS[2], DAYS[3]]);
    workspace.append(1, Event { at: None, ..event("hide", 1, 20) });
    assert_eq!(workspace.status("counter").keys("stale"), [DAYS[1], DAYS[2], DAYS[3]]);
}

#[test]
fn a_later_hour_of_a_day_disturbs_no_earlier_one() {
    let workspace = Workspace::new();
    workspace.edit("Daedalus.kdl", "every=\"day\"", "every=\"hour\"");
    let hours = ["counter@2026-02-03T04", "counter@2026-02-03T21"];
    for hour in hours {
        assert_eq!(workspace.build(&[hour]).code, 0);
    }
    workspace.append(2, event("like", 2, 20));
    assert_eq!(workspace.build(&[hours[0]]).ran(), Vec::<String>::new());
    assert_eq!(workspace.status(hours[1]).keys("stale"), ["2026-02-03T21"]);
    assert_eq!(workspace.build(&[hours[1]]).ran(), ["counter.skeleton@2026-02-03T21"]);
    // Before the window of either, in a file that both read.
    workspace.append(0, event("like", 0, 3));
    for hour in hours {
        assert_eq!(workspace.build(&[hour]).ran(), Vec::<String>::new());
    }
}

#[test]
fn another_where_is_told_as_the_definition_s_change() {
    let workspace = Workspace::built();
    workspace.edit("feature_services/counting.kdl", "event = 'like'", "event = 'view'");
    let reasons = workspace.status("counter").reasons(DAYS[1]);
    let roots: Vec<&str> = reasons.iter().filter(|r| r["root"] == true).map(|r| r["kind"].as_str().unwrap()).collect();
    assert!(!roots.is_empty() && roots.iter().all(|kind| *kind == "parameter"), "{reasons:?}");
}
