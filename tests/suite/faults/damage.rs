//! Damaged files and a hostile environment: caches and records cut at every length and filled with garbage, roots that cannot be written,
//! inputs that are not what they should be.
//!
//! The tests go over every file that is there, so that they hold for files to come.

use super::cases;
use super::frail::{Fault, Frail};
use super::scene::{OUTPUTS, Scene, Seen};
use crate::chance::Chance;
use crate::fixture::*;
use daeda::engine::record::Records;
use daeda::engine::state::State;
use daeda::rules::TableRecords;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(directory).sort_by_file_name().into_iter().map(|e| e.unwrap());
    entries.filter(|e| e.file_type().is_file()).map(|e| e.into_path()).collect()
}

/// Every length below a file's, or of a large one the first and the last 200 and some between.
fn lengths(size: usize, most: usize) -> Vec<usize> {
    let step = size.div_ceil(most.max(1)).max(1);
    (0..size).filter(|length| size <= most || *length < 200 || *length >= size - 200 || length % step == 0).collect()
}

/// Whether a file says by itself that it is whole. JSON does not: one letter for another may be another value.
fn is_sealed(file: &Path) -> bool {
    file.extension().is_none_or(|extension| extension != "json")
}

/// What may have become of a file's content.
fn garbage(bytes: &[u8], chance: &mut Chance) -> Vec<Vec<u8>> {
    let random = |length: usize, chance: &mut Chance| (0..length).map(|_| chance.below(256) as u8).collect::<Vec<u8>>();
    vec![
        random(bytes.len(), chance),
        random(3 * bytes.len(), chance),
        vec![0; bytes.len()],
        b"null".to_vec(),
        b"{}".to_vec(),
        [bytes, bytes].concat(),
        [&bytes[..bytes.len() / 2], &random(bytes.len() / 2, chance)[..]].concat(),
    ]
}

#[test]
fn a_cache_cut_at_any_length_or_damaged_anywhere_changes_no_verdict() {
    let scene = Scene::new(true, 3);
    // What was only just written is not kept: the second build keeps what the first one made.
    for _ in 0..2 {
        scene.build(&Frail::new(true, Fault::None));
        std::thread::sleep(std::time::Duration::from_millis(60));
    }
    scene.build(&Frail::new(true, Fault::None));
    let mut chance = Chance::new(3);
    let files = files_below(&scene.directory().join(".daeda"));
    assert!(files.iter().any(|file| is_sealed(file)), "{files:?}");
    let mut points = 0;
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let cut = lengths(bytes.len(), cases(400).max(400)).into_iter().map(|length| bytes[..length].to_vec());
        let flip = |at: usize| {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            flipped
        };
        let flips = lengths(bytes.len(), cases(400).max(400)).into_iter().filter(|_| is_sealed(&file)).map(flip);
        let damaged: Vec<Vec<u8>> = cut.chain(flips).chain(garbage(&bytes, &mut chance)).collect();
        for damaged in damaged {
            fs::write(&file, &damaged).unwrap();
            let states = scene.states();
            assert!(states.iter().all(|s| *s == State::Fresh), "{} of {} bytes: {states:?}", file.display(), damaged.len());
            points += 1;
        }
        scene.assert_recovers("a damaged cache");
        fs::write(&file, &bytes).unwrap();
    }
    println!("damaged caches: {points} contents, every verdict as before");
}

#[test]
fn a_record_cut_at_any_length_is_not_trusted_and_its_output_is_made_again() {
    let scene = Scene::new(false, 3);
    scene.build(&Frail::new(true, Fault::None));
    let records: Vec<PathBuf> = files_below(&scene.directory().join(OUTPUTS))
        .into_iter()
        .filter(|p| ["_daeda.parquet", "_daeda.json"].contains(&p.file_name().unwrap().to_str().unwrap()))
        .collect();
    assert_eq!(records.len(), 2);
    let mut points = 0;
    for record in records {
        let bytes = fs::read(&record).unwrap();
        for length in lengths(bytes.len(), cases(400).max(400)) {
            fs::write(&record, &bytes[..length]).unwrap();
            assert_eq!(TableRecords.read(record.parent().unwrap()), None, "{} cut to {length} bytes", record.display());
            points += 1;
        }
        for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&record, &bytes[..length]).unwrap();
            assert!(scene.states().contains(&State::Missing), "{} cut to {length} bytes", record.display());
            scene.assert_recovers("a record that was cut");
        }
    }
    println!("cut records: {points} lengths, none trusted");
}

/// The binary, with every file that it keeps under `.daeda`: caches, failures, whatever comes.
#[test]
fn whatever_becomes_of_the_files_in_daedas_directory_status_and_build_are_right() {
    let workspace = Workspace::built();
    let bad = Event { at: None, ..one_more(4) };
    workspace.append(4, bad);
    assert_eq!(workspace.build(&["everything", "-k"]).code, 1);
    let expected = states(&workspace);
    assert_eq!(expected.len(), 2, "the bad day of both assets: {expected:?}");
    let files = files_below(&workspace.path(".daeda"));
    assert!(files.iter().any(|f| f.to_string_lossy().contains("cache")) && files.iter().any(|f| f.to_string_lossy().contains("failed")));
    let kept = workspace.copy();
    let mut chance = Chance::new(7);
    let mut points = 0;
    for file in files {
        let bytes = fs::read(&file).unwrap_or_default();
        if bytes.is_empty() {
            continue;
        }
        let cut = match cases(0) {
            0 => [0, 1, bytes.len() / 3, bytes.len() - 1].to_vec(),
            many => lengths(bytes.len(), many),
        };
        let mut damaged: Vec<Option<Vec<u8>>> = cut.into_iter().map(|length| Some(bytes[..length].to_vec())).collect();
        damaged.extend(garbage(&bytes, &mut chance).into_iter().step_by(if cases(0) == 0 { 3 } else { 1 }).map(Some));
        // A directory where the file should be.
        damaged.push(None);
        for content in damaged {
            replace_directory(&workspace, &kept);
            match &content {
                Some(content) => fs::write(&file, content).unwrap(),
                None => fs::remove_file(&file).and_then(|()| fs::create_dir(&file)).unwrap(),
            }
            let what = format!("{} of {:?} bytes", file.display(), content.map(|c| c.len()));
            let found = states(&workspace);
            assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{what}: {found:?}");
            let built = workspace.build(&["everything", "-k"]);
            assert_eq!((built.code, built.actions("published")), (1, vec![]), "{what}: {}", built.stderr);
            assert_eq!(states(&workspace), expected, "{what}: what was damaged is made again");
            points += 1;
        }
    }
    println!(".daeda: {points} damaged contents, status and build as before");
}

/// What is kept of stores is read when an embedding is made, and never believed for what it is not: the same bytes come out, with a warning.
#[test]
fn whatever_becomes_of_kept_keys_and_vectors_the_same_partition_is_built() {
    let workspace = Workspace::built_with_embeddings();
    let partition = workspace.path(&format!("data/training_output_enriched/embedder/dt={}", DAYS[2]));
    let bytes_of = || data_files(&partition).iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect::<Vec<_>>();
    let expected = bytes_of();
    let files: Vec<PathBuf> =
        ["cache/keys", "cache/vectors"].iter().flat_map(|name| files_below(&workspace.path(".daeda").join(name))).collect();
    let has = |extension: &str| files.iter().any(|file| file.extension().is_some_and(|found| found == extension));
    assert!(has("keys") && has("vectors"), "{files:?}");
    let kept = workspace.copy();
    let mut chance = Chance::new(11);
    let mut points = 0;
    for file in files {
        let bytes = fs::read(&file).unwrap();
        if bytes.is_empty() {
            continue;
        }
        let flips = lengths(bytes.len(), 400).into_iter().step_by(if cases(0) == 0 { 40 } else { 1 }).map(|at| {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            flipped
        });
        let cut = lengths(bytes.len(), 400).into_iter().step_by(if cases(0) == 0 { 80 } else { 1 }).map(|length| bytes[..length].to_vec());
        let damaged: Vec<Option<Vec<u8>>> = flips.chain(cut).chain(garbage(&bytes, &mut chance)).map(Some).chain([None]).collect();
        for content in damaged {
            replace_directory(&workspace, &kept);
            match &content {
                Some(content) => fs::write(&file, content).unwrap(),
                None => fs::remove_file(&file).and_then(|()| fs::create_dir(&file)).unwrap(),
            }
            fs::remove_dir_all(&partition).unwrap();
            let built = workspace.build(&["embedder"]);
            let what = format!("{} of {:?} bytes", file.display(), content.map(|c| c.len()));
            assert_eq!((built.code, built.actions("published").len()), (0, 1), "{what}: {}", built.stderr);
            assert_eq!(bytes_of(), expected, "{what}");
            points += 1;
        }
    }
    println!("kept keys and vectors: {points} damaged contents, the same partition each time");
}

/// `.daeda` as it is elsewhere.
fn replace_directory(workspace: &Workspace, kept: &Workspace) {
    fs::remove_dir_all(workspace.path(".daeda")).unwrap();
    let copied = std::process::Command::new("cp").arg("-a").args([kept.path(".daeda"), workspace.path(".daeda")]).status().unwrap();
    assert!(copied.success());
}

/// The partitions of both assets that are not fresh.
fn states(workspace: &Workspace) -> BTreeMap<String, String> {
    let of = |asset: &str| {
        workspace.status(asset).states().into_iter().map(|(key, state)| (format!("{asset}@{key}"), state)).collect::<Vec<_>>()
    };
    ["ranker", "counter"].into_iter().flat_map(of).collect()
}

#[test]
fn a_root_that_cannot_be_written_is_the_environments() {
    let workspace = Workspace::new();
    // Permissions do not bind everybody; a file where a directory should be does.
    workspace.write("blocked", "a file");
    let said = workspace.daeda(&["build", "ranker@2026-02-02", "--set", "output-root=blocked/outputs"]);
    assert_eq!(said.code, 4, "{} {}", said.stdout, said.stderr);
    assert!(said.stderr.contains("blocked/outputs") && said.stderr.contains("Not a directory"), "{}", said.stderr);
    assert_eq!(workspace.read("blocked"), "a file");
    assert!(!workspace.path(".daeda/failed").exists(), "nothing is remembered");
    assert_eq!(workspace.build(&["ranker@2026-02-02"]).code, 0);
}

#[test]
fn on_a_read_only_root_what_is_fresh_is_fresh_and_nothing_else_is_built() {
    let workspace = Workspace::built();
    fs::create_dir_all(workspace.path("data/training_output/_daeda/staging/1-1/0")).unwrap();
    let read_only = |args: &[&str]| {
        let script = r#"mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@" || exit 77"#;
        let inner = workspace.command(args);
        let mut outer = std::process::Command::new("unshare");
        outer.args(["-rm", "sh", "-c", script, "sh"]).arg(workspace.path("data/training_output"));
        outer.arg(inner.get_program()).args(inner.get_args());
        outer.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        outer.output().ok().filter(|o| o.status.code() != Some(77)).map(Said::from)
    };
    let Some(fresh) = read_only(&["build", "everything"]).filter(|said| !said.stderr.contains("unshare:")) else {
        println!("skipped: this machine lets nobody mount a directory read-only");
        return;
    };
    assert_eq!(fresh.code, 0, "{} {}", fresh.stdout, fresh.stderr);
    workspace.append(1, one_more(1));
    let stale = read_only(&["build", "everything", "-k"]).unwrap();
    assert_eq!(stale.code, 4, "{} {}", stale.stdout, stale.stderr);
    assert!(stale.stderr.contains("Read-only file system"), "{}", stale.stderr);
    assert!(!workspace.path(".daeda/failed").exists());
    assert_eq!(workspace.build(&["everything"]).code, 0);
    workspace.assert_fresh();
}

#[test]
fn an_input_that_vanished_or_is_something_else_is_named() {
    let workspace = Workspace::new();
    fs::remove_dir_all(workspace.path("data/feed").join(format!("dt={}", DAYS[1]))).unwrap();
    let vanished = workspace.daeda(&["build", "ranker@2026-02-02"]);
    assert!(vanished.code == 12 && vanished.stderr.contains("dt=2026-02-02"), "{} {}", vanished.code, vanished.stderr);
    fs::write(workspace.path("data/feed").join(format!("dt={}", DAYS[1])), "no directory").unwrap();
    let a_file = workspace.daeda(&["build", "ranker@2026-02-02"]);
    assert!([1, 12].contains(&a_file.code) && a_file.stderr.contains("dt=2026-02-02"), "{} {}", a_file.code, a_file.stderr);
    fs::remove_dir_all(workspace.path("data/feed")).unwrap();
    fs::write(workspace.path("data/feed"), "no directory").unwrap();
    let all = workspace.daeda(&["build", "ranker@2026-02-03"]);
    assert!([1, 12].contains(&all.code) && all.stderr.contains("data/feed"), "{} {}", all.code, all.stderr);
    assert_eq!(workspace.daeda(&["status"]).code, 0);
    fs::remove_file(workspace.path("data/feed")).unwrap();
    (0..DAYS.len()).for_each(|day| workspace.write_feed(day, &events(day)));
    assert_eq!(workspace.build(&["everything"]).code, 0);
    workspace.assert_fresh();
}

/// A record that is there although the data it speaks of is not, as a disk that lied about a sync may leave it.
#[test]
fn data_that_is_not_as_recorded_is_found_out_by_its_size() {
    let scene = Scene::new(false, 3);
    scene.build(&Frail::new(true, Fault::None));
    let data: Vec<PathBuf> = files_below(&scene.directory().join(OUTPUTS))
        .into_iter()
        .filter(|p| p.file_name().unwrap().to_string_lossy().starts_with("part-") || p.ends_with("dag.json"))
        .collect();
    assert!(data.len() >= 3, "{data:?}");
    for file in data {
        let bytes = fs::read(&file).unwrap();
        for length in [None, Some(0), Some(1), Some(bytes.len() / 2), Some(bytes.len() - 1)] {
            match length {
                None => fs::remove_file(&file).unwrap(),
                Some(length) => fs::write(&file, &bytes[..length]).unwrap(),
            }
            assert!(scene.states().contains(&State::Stale), "{} cut to {length:?}", file.display());
            assert_ne!(scene.seen(), vec![Seen::New; 2]);
            scene.assert_recovers("data that is not as recorded");
        }
    }
}
