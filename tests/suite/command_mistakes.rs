//! What `check` says of commands, and of views over assets, that cannot be meant.

use super::fixture::Workspace;

/// The asset that each of these stands in, and what is said of it.
const MISTAKES: &[(&str, &[&str])] = &[
    (r#"run "cat" "{outptu}""#, &["`{outptu}` stands for nothing here", "did you mean `output`", "{{outptu}}"]),
    (r#"run "cat" "${HOME}""#, &["`{HOME}` stands for nothing here", "{{HOME}}"]),
    (r#"run "cat" "{%Q}""#, &["`{%Q}` stands for nothing here"]),
    (r#"run "cat" "{day}""#, &["asset `made` has no partitions"]),
    (r#"run "cat" "{partition}""#, &["asset `made` has no partitions"]),
    (r#"run "cat" "{input.ranker}""#, &["`ranker` is no input of op `make`", "add input \"ranker\""]),
    (r#"input "ranker"; run "cat" "{input.rankr}""#, &["`rankr` is no input", "did you mean `ranker`"]),
    (r#"input "rankr"; run "cat""#, &["there is no asset `rankr`", "ranker"]),
    (r#"input "other" window="2d"; run "cat""#, &["asset `other` has no partitions"]),
    (r#"input "made"; run "cat""#, &["assets are made from each other: made → made"]),
    (r#"input "circle"; run "cat""#, &["circle → made → circle"]),
    (r#"source "a.sh""#, &["nothing says what it runs"]),
    (r#"run """#, &["the program that is run has no name"]),
    (r#"run "./a.sh""#, &["`./a.sh` is a file of the workspace, and no source", "add source \"a.sh\""]),
];

const OTHERS: &str = r#"
asset "other" {
    op "make" rule="command" {
        run "true"
    }
}
asset "circle" {
    op "make" rule="command" {
        input "made"
        run "true"
    }
}
"#;

/// Everything that `check` says of the fixture with more in its manifest.
fn said(workspace: &Workspace) -> String {
    let said = workspace.daeda(&["check", "--format", "json"]);
    format!("{}{}", said.stdout, said.stderr).replace("\\\"", "\"")
}

fn with(more: &str) -> Workspace {
    let workspace = Workspace::new();
    let manifest = workspace.read("Daedalus.kdl");
    workspace.write("Daedalus.kdl", &format!("{manifest}{more}"));
    workspace
}

#[test]
fn each_mistake_is_said_with_its_remedy() {
    for (body, expected) in MISTAKES {
        let workspace = with(&format!("asset \"made\" {{\n    op \"make\" rule=\"command\" {{\n        {body}\n    }}\n}}\n{OTHERS}"));
        let said = said(&workspace);
        for text in *expected {
            assert!(said.contains(text), "{body}: {text}\n{said}");
        }
    }
}

#[test]
fn what_is_meant_well_is_accepted() {
    let workspace = with(
        r#"asset "made" {
    partitions "daily"
    op "one" rule="command" {
        run "true"
        output "{output-root}/one/dt={day}"
    }
    op "two" rule="command" needs="one" {
        input "ranker" window="7d"
        source "tools/a.sh"
        env "LANG"
        run "./tools/a.sh" "{input.ranker}" "{input.one}" "{output}" "{day}T{hour}" "{\"json\": {}}" "${{HOME}}" (env)"TOKEN"
    }
}
"#,
    );
    let checked = workspace.daeda(&["check", "--deny", "warnings"]);
    assert_eq!(checked.code, 0, "{}{}", checked.stdout, checked.stderr);
}

#[test]
fn a_circle_through_a_view_is_shown_as_a_path() {
    let workspace = with(
        "asset \"export\" {\n    partitions \"daily\"\n    op \"copy\" rule=\"command\" {\n        input \"ranker\"\n        run \"true\"\n    }\n}\n",
    );
    let source = r#"source "data/feed" format="parquet" partition="dt={day}""#;
    workspace.edit("feature_views/feed.kdl", source, r#"source asset="export""#);
    let found = said(&workspace);
    assert!(found.contains("export → ranker → export"), "{found}");
    workspace.edit("feature_views/feed.kdl", r#"asset="export""#, r#"asset="exprot""#);
    let found = said(&workspace);
    assert!(found.contains("there is no asset `exprot`") && found.contains("did you mean `export`"), "{found}");
    workspace.edit("feature_views/feed.kdl", r#"asset="exprot""#, r#"asset="export" partition="dt={day}""#);
    assert!(said(&workspace).contains("lie where it publishes them"));
}
