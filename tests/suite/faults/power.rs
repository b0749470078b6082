//! The power cut after every step of a build.

use super::cases;
use super::frail::{Fault, Frail};
use super::scene::{Files, OUTPUTS, Scene, Seen, write_files};
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
    found.extend((0..cases(4)).map(|_| volatile.at_random(chance)));
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

fn matrix(replacing: bool, can_exchange: bool) {
    let scene = Scene::new(replacing, 3);
    let mut volatile = Volatile::new(scene.directory(), &in_workspace(&scene.start));
    let recording = Frail::new(can_exchange, Fault::None);
    scene.build(&recording);
    let steps = recording.steps();
    let mut chance = Chance::new(5);
    let (mut tried, mut outcomes) = (BTreeSet::new(), BTreeMap::<Vec<Seen>, usize>::new());
    for done in 0..=steps.len() {
        let over = done == steps.len();
        for files in survivors(&volatile, &mut chance) {
            if !over && !tried.insert(files.clone()) {
                continue;
            }
            let what = format!("power cut after {done} of {} steps, before {:?}", steps.len(), steps.get(done));
            begin(&scene, &files);
            let seen = scene.seen();
            assert!(!seen.iter().any(|s| matches!(s, Seen::Torn(_))), "{what}: {seen:?}");
            assert!(!replacing || !can_exchange || !seen.contains(&Seen::Nothing), "{what}: {seen:?}");
            assert!(!over || seen.iter().all(|s| *s == Seen::New), "what was reported as published is gone: {seen:?}");
            *outcomes.entry(seen).or_default() += 1;
            scene.assert_recovers(&what);
        }
        if let Some(step) = steps.get(done) {
            volatile.apply(step);
        }
    }
    let (points, found) = (steps.len() + 1, outcomes.values().sum::<usize>());
    println!("power cut: replacing={replacing} exchange={can_exchange}: {points} points, {found} different survivors, seen {outcomes:?}");
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
