//! `daeda init` as a newcomer would try it: its printed words are typed, one after another, in an empty directory.

use crate::fixture::Said;
use std::path::Path;
use std::process::Command;

/// Runs a line in a shell that finds daeda on its path.
fn typed(directory: &Path, line: &str) -> Said {
    let program = Path::new(env!("CARGO_BIN_EXE_daeda")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    shell.current_dir(directory).env("PATH", path).env("DAEDA_NOW", "2026-05-11T09:30:00Z").args(["-c", line]);
    Said::from(shell.output().unwrap())
}

#[test]
fn what_it_prints_can_be_typed() {
    let directory = tempfile::tempdir().unwrap();
    let init = typed(directory.path(), "daeda init \"my training\"");
    assert_eq!(init.code, 0, "{}", init.stderr);
    for name in init.stdout.lines() {
        assert!(directory.path().join("my training").join(name).is_file(), "{name}");
    }
    let steps: Vec<&str> = init.stderr.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert!(steps.len() > 5 && steps[0].starts_with("cd "), "{}", init.stderr);
    assert!(init.stderr.lines().all(|line| line.chars().count() <= 80), "{}", init.stderr);
    for step in &steps[1..] {
        let said = typed(directory.path(), &format!("{} && {step}", steps[0]));
        assert_eq!(said.code, 0, "{step}: {}{}", said.stdout, said.stderr);
    }
    let workspace = directory.path().join("my training");
    let status = typed(&workspace, "daeda status");
    assert_eq!(status.stdout, "like_training (daily): 10 fresh\n", "{}", status.stderr);
    assert_eq!(typed(&workspace, "daeda check --deny warnings").code, 0);
    assert_eq!(typed(&workspace, "daeda fmt --check").code, 0);
    assert_eq!(typed(&workspace, "daeda build like_training && daeda status --exit-code").code, 0);
}

#[test]
fn a_directory_may_begin_with_a_dash() {
    let directory = tempfile::tempdir().unwrap();
    let init = typed(directory.path(), "daeda init -- -dash");
    assert_eq!(init.code, 0, "{}", init.stderr);
    let cd = init.stderr.lines().find_map(|line| line.strip_prefix("  cd ")).unwrap();
    assert_eq!(typed(directory.path(), &format!("cd {cd} && daeda check")).code, 0, "{cd}");
}

#[test]
fn a_file_in_place_of_a_directory_is_said_before_anything_is_written() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("feature_views"), "mine\n").unwrap();
    let init = typed(directory.path(), "daeda init");
    assert!(init.code == 2 && init.stderr.contains("feature_views is no directory"), "{}", init.stderr);
    assert!(!directory.path().join("Daedalus.kdl").exists(), "all or nothing");
    std::fs::remove_file(directory.path().join("feature_views")).unwrap();
    assert_eq!(typed(directory.path(), "daeda init").code, 0);
    assert_eq!(typed(directory.path(), "daeda init feature_views/artworks.kdl").code, 2);
}

#[test]
fn nothing_is_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(".gitignore"), "mine\n").unwrap();
    assert_eq!(typed(directory.path(), "daeda init").code, 0);
    assert_eq!(std::fs::read_to_string(directory.path().join(".gitignore")).unwrap(), "mine\n");
    std::fs::remove_file(directory.path().join("Daedalus.kdl")).unwrap();
    let again = typed(directory.path(), "daeda init");
    assert!(again.code == 2 && again.stderr.contains("feature_views/feed_events.kdl"), "{}", again.stderr);
    assert!(!directory.path().join("Daedalus.kdl").exists(), "all or nothing");
}
