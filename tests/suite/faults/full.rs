//! A disk that is full, at every step of a build.

use super::frail::{Fault, Frail};
use super::scene::{Act, Scene, Seen};
use daeda::engine::failure::FailureKind;

/// Lets a build find no space, at each of its steps.
fn matrix(replacing: bool, can_exchange: bool, fault: fn(usize) -> Fault) {
    let scene = Scene::new(replacing, 3);
    let before = scene.seen();
    let counting = Frail::new(can_exchange, Fault::None);
    scene.build(&counting);
    let steps = counting.steps();
    let mut failed = 0;
    for at in 0..steps.len() {
        let what = format!("no space {:?} of {} steps, for {:?}", fault(at), steps.len(), steps[at]);
        scene.begin();
        let ended = scene.build(&Frail::new(can_exchange, fault(at)));
        assert!(ended.failures.iter().all(|(_, f)| f.kind == FailureKind::Environment), "{what}: {:?}", ended.failures);
        assert!(!scene.remembers_failures(), "{what}");
        let seen = scene.seen();
        for (index, action) in scene.actions().iter().enumerate() {
            let has_failed = ended.failures.iter().any(|(id, _)| id == action);
            let expected = if has_failed || ended.summary.skipped > index { &before[index] } else { &Seen::New };
            assert!(seen[index] == *expected || (!has_failed && seen[index] == before[index]), "{what}: {seen:?}");
        }
        failed += usize::from(!ended.failures.is_empty());
        scene.assert_recovers(&what);
    }
    println!("full: replacing={replacing} exchange={can_exchange} {:?}…: {} points, {failed} builds failed", fault(0), steps.len());
    assert!(failed > steps.len() / 2);
}

#[test]
fn a_full_disk_is_the_environments_and_leaves_the_old_partition() {
    matrix(false, true, Fault::FullAt);
    matrix(true, true, Fault::FullAt);
    matrix(true, true, Fault::FullFrom);
    matrix(true, false, Fault::FullAt);
}

/// Lets a cleaning find no space, at each of its steps.
fn sweeping(act: Act, can_exchange: bool, fault: fn(usize) -> Fault) {
    let scene = Scene::sweeping(act);
    let counting = Frail::new(can_exchange, Fault::None);
    scene.act(&counting);
    let steps = counting.steps();
    let mut failed = 0;
    for at in 0..steps.len() {
        let what = format!("no space {:?} of {} steps, for {:?}", fault(at), steps.len(), steps[at]);
        scene.begin();
        let failures = scene.act(&Frail::new(can_exchange, fault(at)));
        assert!(failures.iter().all(|f| f.kind == FailureKind::Environment), "{what}: {failures:?}");
        let seen = scene.seen();
        assert!(seen.iter().all(|s| scene.may_be(s)), "{what}: {seen:?}");
        let undone = seen.iter().filter(|s| **s != scene.over()).count();
        assert!(undone <= failures.len(), "{what}: what was not done was said to be: {seen:?}");
        failed += usize::from(!failures.is_empty());
        scene.assert_recovers(&what);
    }
    println!("full: {act:?} exchange={can_exchange} {:?}…: {} points, {failed} cleanings failed", fault(0), steps.len());
    assert!(failed > 0);
}

#[test]
fn a_cleaning_on_a_full_disk_leaves_each_output_whole_or_cleaned() {
    sweeping(Act::Clean, true, Fault::FullAt);
    sweeping(Act::Clean, true, Fault::FullFrom);
    sweeping(Act::Clean, false, Fault::FullAt);
    sweeping(Act::Remove, true, Fault::FullAt);
    sweeping(Act::Remove, true, Fault::FullFrom);
}
