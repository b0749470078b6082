//! The runner itself: what it says of a scenario that is wrong, and how it blesses one.

use super::run::run;
use super::story::Story;
use std::fs;
use tempfile::TempDir;

/// A story in a directory of its own, and that directory.
fn story(blocks: &str) -> (TempDir, Story) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("story.md");
    fs::write(&path, format!("# A story\n\n```workspace\nempty\n```\n{blocks}")).unwrap();
    let story = Story::read(&path).unwrap();
    (directory, story)
}

fn mistake(blocks: &str) -> String {
    run(&story(blocks).1, false).unwrap_err()
}

const TOLD: &str = "```console\n$ daeda status\nall is well\n```\n\nThe end.\n";

#[test]
fn what_is_not_as_expected_is_shown_with_its_place() {
    let said = mistake(TOLD);
    assert!(said.contains("story.md:7:") && said.contains("expected:\n    all is well\n  found:\n    ! error: "), "{said}");
}

#[test]
fn a_blessed_story_says_what_was_found_and_nothing_else_changes() {
    let (_directory, wrong) = story(TOLD);
    run(&wrong, true).unwrap();
    let right = Story::read(&wrong.path).unwrap();
    run(&right, false).unwrap();
    assert_eq!((&right.lines[..7], right.lines.last()), (&wrong.lines[..7], wrong.lines.last()));
    assert!(right.lines[7].starts_with("! error: ") && right.lines[8].starts_with("exit "), "{:?}", right.lines);
}

#[test]
fn what_means_nothing_is_an_error() {
    for (blocks, place, what) in [
        ("```data\n\nburn data/feed\n```\n", 8, "no step"),
        ("```check\nall is well\n```\n", 7, "no check"),
        ("```console\n$ rm -rf data\n```\n", 7, "no command"),
        ("```console\nall is well\n```\n", 7, "begins with `$ `"),
        ("```rust\nfn main() {}\n```\n", 6, "needs the path"),
        ("```rust main.rs\nfn main() {}\n```\n", 6, "no block is called"),
        ("", 1, "expects nothing"),
    ] {
        let said = mistake(blocks);
        assert!(said.contains(&format!("story.md:{place}: ")) && said.contains(what), "{blocks}: {said}");
    }
}

#[test]
fn a_step_that_cannot_be_done_is_an_error() {
    let said = mistake("```data\ntouch data/feed\n```\n```check\nnothing is staged\n```\n");
    assert!(said.contains("story.md:7: ") && said.contains("data/feed"), "{said}");
    let said = mistake("```text a.txt\none\n```\n```diff a.txt\n-two\n+three\n```\n```check\na.txt is there\n```\n");
    assert!(said.contains("story.md:9: these lines stand 0 times in a.txt"), "{said}");
}
