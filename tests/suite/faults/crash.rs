//! A build killed at every step, and real builds killed at random moments.

use super::cases;
use super::frail::{Fault, Frail};
use super::scene::{Act, Scene, Seen};
use crate::chance::Chance;
use crate::fixture::*;
use crate::processes::start;
use daeda::engine::staging;
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// How often readers saw what, place by place.
type Outcomes = BTreeMap<Vec<Seen>, usize>;

/// Kills a build after each of its steps.
fn matrix(replacing: bool, can_exchange: bool, shard_rows: usize) -> Outcomes {
    let shown = format!("replacing={replacing} exchange={can_exchange} shard_rows={shard_rows}");
    kill_everywhere(&Scene::new(replacing, shard_rows), replacing, can_exchange, &shown)
}

/// Kills a cleaning after each of its steps.
fn sweeping(act: Act, can_exchange: bool) -> Outcomes {
    kill_everywhere(&Scene::sweeping(act), act == Act::Clean, can_exchange, &format!("{act:?} exchange={can_exchange}"))
}

/// Kills what a scene is about after each of its steps. `stands`: something stood there, and something is to stand there afterwards.
fn kill_everywhere(scene: &Scene, stands: bool, can_exchange: bool, shown: &str) -> Outcomes {
    let counting = Frail::new(can_exchange, Fault::None);
    scene.act(&counting);
    let steps = counting.steps();
    let mut outcomes = Outcomes::new();
    for done in 0..=steps.len() {
        let what = format!("killed after {done} of {} steps, before {:?}", steps.len(), steps.get(done));
        scene.begin();
        scene.act(&Frail::new(can_exchange, Fault::DeathAfter(done)));
        let seen = scene.seen();
        let torn = |s: &Seen| matches!(s, Seen::Torn(_));
        assert!(!seen.iter().any(torn), "{what}: {seen:?}");
        if stands && seen.contains(&Seen::Nothing) {
            assert!(!can_exchange, "{what}: {seen:?}");
            // The gap between two renames: what was put aside comes back before anything is judged.
            staging::clear(&scene.directory().join(super::scene::OUTPUTS), &Frail::new(can_exchange, Fault::None)).unwrap();
            assert!(!scene.seen().contains(&Seen::Nothing), "{what}: {:?}", scene.seen());
        }
        *outcomes.entry(seen).or_default() += 1;
        // Before and after a sync the same lies there.
        if done == 0 || steps[done - 1].changes_something() {
            scene.assert_recovers(&what);
        }
    }
    let points = steps.len() + 1;
    println!("killed: {shown}: {points} points, seen {outcomes:?}");
    outcomes
}

#[test]
fn a_first_publish_survives_a_death_at_every_step() {
    let outcomes = matrix(false, true, 3);
    assert!(outcomes.contains_key(&vec![Seen::Nothing; 2]) && outcomes.contains_key(&vec![Seen::New; 2]), "{outcomes:?}");
}

#[test]
fn a_replacing_publish_survives_a_death_at_every_step() {
    for shard_rows in [100, 3] {
        let outcomes = matrix(true, true, shard_rows);
        assert!(outcomes.keys().flatten().all(|seen| matches!(seen, Seen::Old | Seen::New)), "{outcomes:?}");
    }
}

#[test]
fn without_exchange_a_death_at_any_step_leaves_at_most_a_gap_that_is_mended() {
    let outcomes = matrix(true, false, 3);
    let gaps: usize = outcomes.iter().filter(|(seen, _)| seen.contains(&Seen::Nothing)).map(|(_, count)| count).sum();
    assert_eq!(gaps, 2, "one gap per place: {outcomes:?}");
}

#[test]
fn a_cleaning_survives_a_death_at_every_step() {
    let outcomes = sweeping(Act::Clean, true);
    let all = |seen: Seen| outcomes.contains_key(&vec![seen; 2]);
    assert!(all(Seen::Old) && all(Seen::New) && outcomes.contains_key(&vec![Seen::New, Seen::Old]), "{outcomes:?}");
    assert!(outcomes.keys().flatten().all(|seen| matches!(seen, Seen::Old | Seen::New)), "{outcomes:?}");
    let gaps: usize = sweeping(Act::Clean, false).iter().filter(|(seen, _)| seen.contains(&Seen::Nothing)).map(|(_, count)| count).sum();
    assert_eq!(gaps, 2, "one gap per place");
}

#[test]
fn a_withdrawal_survives_a_death_at_every_step() {
    let outcomes = sweeping(Act::Remove, true);
    let all = |seen: Seen| outcomes.contains_key(&vec![seen; 2]);
    assert!(all(Seen::Old) && all(Seen::Nothing), "{outcomes:?}");
    assert!(outcomes.keys().flatten().all(|seen| matches!(seen, Seen::Old | Seen::Nothing)), "{outcomes:?}");
}

/// A build that clears up after a dead one may die of it, too.
#[test]
fn a_death_while_clearing_up_after_a_death_is_cleared_up_as_well() {
    for can_exchange in [true, false] {
        let scene = Scene::new(true, 3);
        let counting = Frail::new(can_exchange, Fault::None);
        scene.build(&counting);
        let mut points = 0;
        for first in (0..=counting.steps().len()).step_by(7) {
            scene.begin();
            scene.build(&Frail::new(can_exchange, Fault::DeathAfter(first)));
            let left = scene.outputs();
            for second in 0.. {
                super::scene::write_files(&scene.directory().join(super::scene::OUTPUTS), &left);
                let disk = Frail::new(can_exchange, Fault::DeathAfter(second));
                let cleared = staging::clear(&scene.directory().join(super::scene::OUTPUTS), &disk).is_ok();
                let what = format!("killed after {first}, then after {second} steps of clearing up");
                assert!(!scene.seen().iter().any(|s| matches!(s, Seen::Torn(_))), "{what}: {:?}", scene.seen());
                scene.assert_recovers(&what);
                points += 1;
                if cleared {
                    break;
                }
            }
        }
        println!("killed twice: exchange={can_exchange}: {points} points");
    }
}

#[test]
fn real_builds_killed_at_random_moments_cost_the_work_in_flight() {
    let workspace = Workspace::built();
    let mut chance = Chance::new(11);
    let mut killed = 0;
    for round in 0..cases(4) {
        for day in 0..DAYS.len() {
            let events = if round % 2 == 0 { [events(day), vec![one_more(day)]].concat() } else { events(day) };
            workspace.write_feed(day, &events);
        }
        let mut build = start(&workspace, &["build", "everything", "-q"]);
        std::thread::sleep(Duration::from_millis(20 + chance.below(900) as u64));
        build.kill().unwrap();
        killed += usize::from(build.wait().unwrap().code().is_none());
        for asset in ["ranker", "counter"] {
            for day in 0..DAYS.len() {
                // Either generation's data; that it is one of them whole, its record and the next build's verdict say.
                let published = workspace.published(asset, day);
                assert!(published.join("_daeda.parquet").exists() && data_files(&published).len() == 1, "{}", published.display());
            }
        }
    }
    assert_eq!(workspace.build(&["everything"]).code, 0);
    workspace.assert_fresh();
    assert_eq!(fs::read_dir(workspace.path("data/training_output/_daeda/staging")).unwrap().count(), 0);
    println!("kill -9: {killed} builds killed in {} rounds", cases(4));
}
