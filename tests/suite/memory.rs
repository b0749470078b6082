//! What an op may hold in memory, and how many threads it has, changes no byte of what it makes, nor what it says is wrong.
//!
//! `DAEDA_CASES` raises the number of cases, `DAEDA_SEED` runs a single one.

use super::fixture::{self, DAYS, Event, events, instant, tree};
use super::in_process::{self, Trouble};
use super::random_workspace::workspace;
use super::workspace_text::{Order, date, write};
use daeda::engine::action::Action;
use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::sync::Arc;

/// Everything has room; a bucket has room for some rows; for hardly one.
const BUDGETS: [u64; 3] = [16 << 30, 16 << 10, 1];
const THREADS: [usize; 3] = [1, 2, 8];
const CASES: u64 = 60;

fn within(action: &Action, memory: u64) -> Action {
    let mut action = action.clone();
    Arc::make_mut(&mut action.common).resources.memory = memory;
    action
}

/// All files that an action makes, those of its record's sidecars included.
fn made(action: &Action, threads: usize) -> Result<BTreeMap<String, String>, Trouble> {
    let directory = tempfile::tempdir().unwrap();
    let staging = directory.path().join("staged");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| in_process::run_into(action, &staging))?;
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside the output");
    Ok(tree(&staging).into_iter().map(|(path, bytes)| (path.display().to_string(), bytes)).collect())
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number, and not {text}")))
}

#[test]
fn random_workspaces_give_the_same_bytes_within_any_budget_and_for_any_number_of_threads() {
    let seeds = match number("DAEDA_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("DAEDA_CASES").unwrap_or(CASES),
    };
    for seed in seeds {
        let workspace = workspace(seed);
        let directory = tempfile::tempdir().unwrap();
        write(&workspace, directory.path(), Order::AsGiven);
        let opened = in_process::open(directory.path()).unwrap();
        let action = in_process::plan(&opened, &format!("rows.skeleton@{}", date(workspace.target))).unwrap();
        let expected = made(&within(&action, BUDGETS[0]), 2).unwrap();
        for (budget, threads) in BUDGETS.into_iter().zip(THREADS).chain(BUDGETS.into_iter().rev().zip(THREADS)) {
            let found = made(&within(&action, budget), threads);
            assert!(found.as_ref() == Ok(&expected), "DAEDA_SEED={seed}: {budget} bytes, {threads} threads: {found:?}\nfor {expected:?}");
        }
    }
}

/// The skeleton of the fixture's last day, of a feed that was changed.
fn last_day(change: impl Fn(&mut Vec<Vec<Event>>), view: &[(&str, &str)]) -> (fixture::Workspace, Action) {
    let workspace = fixture::Workspace::new();
    let mut feed: Vec<Vec<Event>> = (0..DAYS.len()).map(events).collect();
    change(&mut feed);
    for (day, events) in feed.iter().enumerate() {
        workspace.write_feed(day, events);
    }
    for (from, to) in view {
        workspace.edit("feature_views/feed.kdl", from, to);
    }
    let opened = in_process::open(workspace.directory.path()).unwrap();
    let action = in_process::plan(&opened, &format!("ranker.skeleton@{}", DAYS[4])).unwrap();
    (workspace, action)
}

#[test]
fn a_user_with_nearly_all_events_is_computed_as_any_other() {
    let heavy = |feed: &mut Vec<Vec<Event>>| {
        for (day, events) in feed.iter_mut().enumerate() {
            let event = |n: i64| Event {
                user: 1 + n % 50 / 49,
                artwork: n % 7,
                event: ["view", "like"][n as usize % 2],
                at: Some(instant(day, 1) + n / 3),
            };
            events.extend((0..8_000).map(event));
            events.sort_by_key(|event| event.at);
        }
    };
    let (_workspace, action) = last_day(heavy, &[]);
    let expected = made(&within(&action, BUDGETS[0]), 2).unwrap();
    assert!(made(&within(&action, 1 << 20), 2).unwrap() == expected);
}

#[test]
fn rows_out_of_order_are_put_in_order_within_any_budget() {
    let shuffled = |feed: &mut Vec<Vec<Event>>| {
        for (day, events) in feed.iter_mut().enumerate() {
            let event =
                |n: i64| Event { user: n % 3, artwork: n % 5, event: ["view", "like"][n as usize % 2], at: Some(instant(day, n * 7 % 24)) };
            events.extend((0..500).map(event));
        }
    };
    let (_workspace, action) = last_day(shuffled, &[]);
    let expected = made(&within(&action, BUDGETS[0]), 2).unwrap();
    for budget in &BUDGETS[1..] {
        assert!(made(&within(&action, *budget), 2).unwrap() == expected, "{budget}");
    }
}

#[test]
fn what_is_wrong_with_rows_is_said_alike_within_any_budget() {
    let late = |feed: &mut Vec<Vec<Event>>| {
        let event = Event { at: Some(instant(1, 5)), ..feed[3][0] };
        feed[3].extend([event; 3]);
    };
    let timeless = |feed: &mut Vec<Vec<Event>>| {
        let event = Event { at: None, ..feed[4][0] };
        feed[4].extend([event; 2]);
    };
    let failure = |action: &Action, budget: u64| made(&within(action, budget), 2).unwrap_err();
    for (what, change) in [("outside their partition's period", &late as &dyn Fn(&mut Vec<Vec<Event>>)), ("have no timestamp", &timeless)] {
        let (_workspace, action) = last_day(change, &[]);
        let expected = failure(&action, BUDGETS[0]);
        assert!(matches!(&expected, Trouble::Failed(message) if message.contains(what)), "{expected:?}");
        assert_eq!(failure(&action, BUDGETS[1]), expected);
    }
}

#[test]
fn late_rows_are_dropped_or_allowed_alike_within_any_budget() {
    let late = |feed: &mut Vec<Vec<Event>>| {
        let event = Event { event: "like", at: Some(instant(2, 5)), ..feed[3][0] };
        feed[3].extend([event; 3]);
    };
    for policy in ["late=\"drop\"", "late=\"allow\" lateness=\"2d\""] {
        let (_workspace, action) = last_day(late, &[("unit=\"ms\"", &format!("unit=\"ms\" {policy}"))]);
        let expected = made(&within(&action, BUDGETS[0]), 2).unwrap();
        assert!(made(&within(&action, BUDGETS[2]), 2).unwrap() == expected, "{policy}");
    }
}

#[test]
fn without_room_on_the_disk_it_is_the_environment_that_fails() {
    let (_workspace, action) = last_day(|_| {}, &[]);
    let directory = Path::new("/proc/self/no such place/staged");
    let job = daeda::engine::action::Job {
        action: within(&action, 1),
        staging: directory.into(),
        inputs: vec![],
        resolved: serde_json::Value::Null,
    };
    let failure = daeda::rules::run(&job, &|_| {}).unwrap_err();
    assert_eq!(failure.kind, daeda::engine::failure::FailureKind::Environment, "{}", failure.message);
    assert!(failure.message.contains("resources memory"), "{}", failure.message);
}
