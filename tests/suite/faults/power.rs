//! The power cut after every step of a build.

use super::cases;
use super::frail::{Fault, Frail, Step};
use super::scene::{Act, Files, OUTPUTS, Scene, Seen, write_files};
use super::volatile::{UNSYNCED, Unsynced, Volatile};
use crate::chance::Chance;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What may be found after a power cut: nothing that was not synced, all of it, each change alone, and some at random.
fn survivors(volatile: &Volatile, chance: &mut Chance) -> BTreeSet<Files> {
    let all = BTreeSet::from_iter(0..volatile.pending());
    let mut found = BTreeSet::new();
    for unsynced in UNSYNCED {
        found.insert(volatile.survivors(BTreeSet::new(), &mut || unsynced));
        found.insert(volatile.survivors(all.clone(), &mut || unsynced));
    }
    for one in 0..volatile.pending() {
        found.insert(volatile.survivors(BTreeSet::from([one]), &mut || Unsynced::Empty));
        found.insert(volatile.survivors(BTreeSet::from_iter((0..volatile.pending()).filter(|i| *i != one)), &mut || Unsynced::Half));
    }
    found.extend((0..cases(2)).map(|_| volatile.at_random(chance)));
    found
}

/// All below the outputs, as they lie in the workspace.
fn in_workspace(files: &Files) -> Files {
    let mut all: Files = ["data", OUTPUTS].iter().map(|d| (PathBuf::from(d), None)).collect();
    all.extend(files.iter().map(|(path, content)| (PathBuf::from(OUTPUTS).join(path), content.clone())));
    if files.is_empty() {
        all.remove(&PathBuf::from(OUTPUTS));
    }
    all
}

/// How often readers saw what, place by place.
type Outcomes = BTreeMap<Vec<Seen>, usize>;

/// Cuts the power after each step; the error is the first thing that must not be. Builds after `every` so many of the cuts.
fn cut_everywhere(scene: &Scene, steps: &[Step], gap: bool, every: usize) -> Result<Outcomes, String> {
    let mut volatile = Volatile::new(scene.directory(), &in_workspace(&scene.start));
    let mut chance = Chance::new(5);
    let (mut tried, mut outcomes) = (BTreeSet::new(), Outcomes::new());
    for done in 0..=steps.len() {
        let over = done == steps.len();
        for files in survivors(&volatile, &mut chance) {
            if !over && !tried.insert(files.clone()) {
                continue;
            }
            let what = format!("power cut after {done} of {} steps, before {:?}", steps.len(), steps.get(done));
            begin(scene, &files);
            let seen = scene.seen();
            let may_be = |seen: &Seen| scene.may_be(seen) || (gap && *seen == Seen::Nothing);
            // What was reported as done outlives the cut.
            if !seen.iter().all(may_be) || (over && seen.iter().any(|s| *s != scene.over())) {
                return Err(format!("{what}: {seen:?}"));
            }
            *outcomes.entry(seen).or_default() += 1;
            if tried.len() % every == 0 {
                scene.assert_recovers(&what);
            }
        }
        if let Some(step) = steps.get(done) {
            volatile.apply(step);
        }
    }
    Ok(outcomes)
}

fn recorded(scene: &Scene, can_exchange: bool) -> Vec<Step> {
    let recording = Frail::new(can_exchange, Fault::None);
    scene.act(&recording);
    recording.steps()
}

fn matrix(replacing: bool, can_exchange: bool) {
    survives(&Scene::new(replacing, 3), can_exchange, &format!("replacing={replacing} exchange={can_exchange}"));
}

fn sweeping(act: Act, can_exchange: bool) {
    survives(&Scene::sweeping(act), can_exchange, &format!("{act:?} exchange={can_exchange}"));
}

fn survives(scene: &Scene, can_exchange: bool, shown: &str) {
    let steps = recorded(scene, can_exchange);
    // What readers see is looked at everywhere, the build after it here and there.
    let every = if cases(0) > 0 { 1 } else { 5 };
    let outcomes = cut_everywhere(scene, &steps, !can_exchange, every).unwrap();
    let (points, found) = (steps.len() + 1, outcomes.values().sum::<usize>());
    println!("power cut: {shown}: {points} points, {found} survivors, a build after one in {every}, seen {outcomes:?}");
}

fn begin(scene: &Scene, files: &Files) {
    scene.begin();
    let below = files.iter().filter_map(|(path, content)| Some((path.strip_prefix(OUTPUTS).ok()?.to_path_buf(), content.clone())));
    let below: Files = below.filter(|(path, _)| !path.as_os_str().is_empty()).collect();
    let outputs = scene.directory().join(OUTPUTS);
    match files.contains_key(&PathBuf::from(OUTPUTS)) {
        true => write_files(&outputs, &below),
        false => drop(std::fs::remove_dir_all(outputs)),
    }
}

#[test]
fn a_first_publish_survives_a_power_cut_at_every_step() {
    matrix(false, true);
}

#[test]
fn a_replacing_publish_survives_a_power_cut_at_every_step() {
    matrix(true, true);
}

#[test]
fn without_exchange_a_power_cut_at_any_step_is_survived() {
    matrix(true, false);
}

#[test]
fn a_cleaning_survives_a_power_cut_at_every_step() {
    sweeping(Act::Clean, true);
    sweeping(Act::Clean, false);
}

#[test]
fn a_withdrawal_survives_a_power_cut_at_every_step() {
    sweeping(Act::Remove, true);
}

/// The model is worth something only if it finds what is wrong: each kind of sync is left out in turn, and the old partition removed early.
#[test]
fn a_sync_that_is_left_out_is_found_out() {
    for replacing in [false, true] {
        let scene = Scene::new(replacing, 3);
        let steps = recorded(&scene, true);
        let without = |left_out: &dyn Fn(&Step) -> bool| {
            let rest: Vec<Step> = steps.iter().filter(|step| !left_out(step)).cloned().collect();
            assert!(rest.len() < steps.len());
            cut_everywhere(&scene, &rest, false, usize::MAX)
        };
        assert!(without(&|step| matches!(step, Step::SyncFile(_))).is_err());
        assert!(without(&|step| matches!(step, Step::SyncDirectory(path) if path.ends_with("ranker"))).is_err());
        assert!(without(&|step| matches!(step, Step::SyncDirectory(path) if path.iter().any(|p| p == "staging"))).is_err());
        if !replacing {
            assert!(without(&|step| matches!(step, Step::SyncDirectory(path) if path.ends_with("data"))).is_err());
            assert!(without(&|step| matches!(step, Step::SyncDirectory(path) if path.ends_with(OUTPUTS))).is_err());
        }
    }
    let tombstone = Scene::sweeping(Act::Clean);
    let steps = recorded(&tombstone, true);
    let unsynced: Vec<Step> = steps.iter().filter(|step| !matches!(step, Step::SyncFile(_))).cloned().collect();
    assert!(cut_everywhere(&tombstone, &unsynced, false, usize::MAX).is_err(), "a tombstone was not durable");
    let removal = Scene::sweeping(Act::Remove);
    let steps = recorded(&removal, true);
    let unsynced: Vec<Step> =
        steps.iter().filter(|step| !matches!(step, Step::SyncDirectory(path) if path.ends_with("ranker"))).cloned().collect();
    assert!(cut_everywhere(&removal, &unsynced, false, usize::MAX).is_err(), "what was removed came back");
    let scene = Scene::new(true, 3);
    let mut steps = recorded(&scene, true);
    let exchanged = steps.iter().rposition(|step| matches!(step, Step::Exchange(..))).unwrap();
    let synced: Vec<Step> = steps[exchanged..].iter().filter(|s| matches!(s, Step::SyncDirectory(_))).cloned().collect();
    let tail: Vec<Step> = steps.split_off(exchanged).into_iter().filter(|s| !matches!(s, Step::SyncDirectory(_))).collect();
    steps.extend(tail.into_iter().chain(synced));
    assert!(cut_everywhere(&scene, &steps, false, usize::MAX).is_err(), "the old partition was removed before the new one was durable");
}
