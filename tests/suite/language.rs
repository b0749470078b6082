//! The page of the language cannot rot: its reference is made of the decoders' own grammar, and its whole workspaces are built.

use crate::example::repository;
use crate::fixture::Said;
use daeda::manifest::grammar::{Child, Count, Grammar, Kind, Repeat, Rule};
use daeda::manifest::{self, CODES};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

const PAGE: &str = "docs/language.md";
const START: &str = "<!-- reference: made from the grammar; DAEDA_BLESS=1 cargo test --test suite language writes it anew -->\n";
const END: &str = "<!-- end of the reference -->\n";

fn page() -> String {
    fs::read_to_string(repository().join(PAGE)).unwrap()
}

/// The kinds of file, and after each the nodes in it, those that stand in others behind them.
fn reference() -> String {
    let mut text = String::new();
    let mut told: Vec<&'static Grammar> = Vec::new();
    for file in manifest::FILES {
        text += &format!("### {}\n\n{}\n\n", file_title(file), file.doc);
        text += &table(file);
        for grammar in below(file) {
            if !told.iter().any(|known| std::ptr::eq(*known, grammar) || same(known, grammar)) {
                told.push(grammar);
                text += &section(grammar);
            }
        }
    }
    text + &values()
}

/// Constants may be there several times over.
fn same(a: &Grammar, b: &Grammar) -> bool {
    a.name == b.name && a.doc == b.doc && a.example == b.example
}

fn file_title(grammar: &Grammar) -> String {
    grammar.name.replace('*', "\\*")
}

fn below(grammar: &'static Grammar) -> Vec<&'static Grammar> {
    let own: Vec<&Grammar> = grammar.children.iter().map(|child| child.grammar).chain(grammar.free).collect();
    own.into_iter().flat_map(|child| [vec![child], below(child)].concat()).collect()
}

/// What a node is called in headings and tables.
fn name(grammar: &Grammar) -> String {
    grammar.name.replace('<', "‹").replace('>', "›")
}

/// Where a node may stand.
fn parents(grammar: &'static Grammar) -> Vec<String> {
    let all = manifest::FILES.iter().flat_map(|file| [vec![*file], below(file)].concat());
    let holding =
        all.filter(|parent| parent.children.iter().map(|child| child.grammar).chain(parent.free).any(|child| same(child, grammar)));
    let mut names: Vec<String> = holding.map(|parent| format!("`{}`", name(parent))).collect();
    names.sort();
    names.dedup();
    names
}

fn section(grammar: &'static Grammar) -> String {
    let mut text = format!("#### `{}`\n\n{} Stands in {}.\n\n", name(grammar), grammar.doc, parents(grammar).join(", "));
    text += &format!("```{}\n{}\n```\n\n", fence(grammar), grammar.example);
    text + &table(grammar)
}

/// By a `kdl` block's first node its kind of file is told, so an example that begins like another kind's is not one.
fn fence(grammar: &Grammar) -> &'static str {
    let mut tops = manifest::FILES.iter().flat_map(|file| file.children).map(|child| child.grammar);
    if tops.clone().any(|top| same(top, grammar)) || tops.all(|top| top.name != grammar.name) { "kdl" } else { "text" }
}

fn table(grammar: &Grammar) -> String {
    let mut rows = Vec::new();
    for argument in grammar.arguments {
        let (stands, must) = match argument.count {
            Count::One => (format!("`\"{}\"`", argument.name), "required"),
            Count::Optional => (format!("`\"{}\"`", argument.name), ""),
            Count::Many => (format!("`\"{}\" …`", argument.name), "one or more"),
        };
        rows.push([stands, kind(argument.kind), must.into(), argument.doc.into()]);
    }
    for property in grammar.properties {
        let must = if property.required { "required" } else { "" };
        rows.push([format!("`{}=`", property.name), kind(property.kind), must.into(), property.doc.into()]);
    }
    rows.extend(grammar.children.iter().map(child));
    rows.extend(grammar.free.map(|free| [format!("`{}`", name(free)), "node".into(), "any number".into(), free.doc.into()]));
    let mut text = String::new();
    if !rows.is_empty() {
        text += "| | is | | |\n|---|---|---|---|\n";
        rows.iter().for_each(|row| text += &format!("| {} |\n", row.each_ref().map(|cell| cell.replace('|', "\\|")).join(" | ")));
        text.push('\n');
    }
    for rule in grammar.rules {
        text += &format!("{}\n\n", said(rule));
    }
    text
}

fn child(child: &Child) -> [String; 4] {
    let must = match (child.required, child.repeat) {
        (true, _) => "required",
        (false, Repeat::Once) => "",
        (false, Repeat::Any) => "any number",
        (false, Repeat::Distinct) => "any number, each with its own name",
    };
    [format!("`{}`", name(child.grammar)), "node".into(), must.into(), child.grammar.doc.into()]
}

fn said(rule: &Rule) -> String {
    let list = |parts: &[&str]| parts.iter().map(|part| format!("`{part}`")).collect::<Vec<_>>().join(", ");
    match rule {
        Rule::OneOf(what, parts) => format!("Exactly one of {} stands: {what}.", list(parts)),
        Rule::AtMostOne(parts) => format!("At most one of {} stands.", list(parts)),
        Rule::Needs(one, other) => format!("`{one}` needs `{other}`."),
        Rule::Unless(one, other) => format!("`{one}` must stand unless `{other}` does."),
        Rule::Excludes(one, others, why) => format!("`{one}` excludes {}: {why}.", list(others)),
    }
}

/// The name of a kind of value, which the last table explains.
fn kind(kind: Kind) -> String {
    match kind {
        Kind::Word(words) => words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(" "),
        Kind::Integer(0, u64::MAX) => "an integer".into(),
        Kind::Integer(least, u64::MAX) => format!("an integer from {least}"),
        Kind::Integer(least, most) if most > 1 << 20 => format!("an integer from {least}"),
        Kind::Integer(least, most) => format!("an integer from {least} to {most}"),
        Kind::PathOrEnv => "a path, or `(env)`".into(),
        Kind::TextOrEnv => "a text, or `(env)`".into(),
        Kind::Amount => "an integer, or `(constant)`".into(),
        Kind::Columns => "columns".into(),
        Kind::References => "names".into(),
        Kind::Column => "a column".into(),
        Kind::Path => "a path".into(),
        Kind::Expression => "an expression".into(),
        Kind::Literal => "a value".into(),
        other => other.noun().into(),
    }
}

fn values() -> String {
    let kinds = [
        Kind::Name,
        Kind::Reference,
        Kind::References,
        Kind::Column,
        Kind::Columns,
        Kind::Text,
        Kind::TextOrEnv,
        Kind::Path,
        Kind::PathOrEnv,
        Kind::Expression,
        Kind::Literal,
        Kind::Flag,
        Kind::Amount,
        Kind::Ratio,
        Kind::ExitCodes,
        Kind::Duration,
        Kind::Size,
        Kind::Window,
        Kind::Type,
        Kind::Moment,
        Kind::Zone,
    ];
    let rows: Vec<String> = kinds.iter().map(|one| format!("| {} | {} |\n", kind(*one), one.rule())).collect();
    format!("### Values\n\n| | how it is written |\n|---|---|\n{}\n", rows.concat())
}

#[test]
fn the_reference_is_what_the_grammar_says() {
    let page = page();
    let (before, rest) = page.split_once(START).expect("the page has a place for the reference");
    let (_, after) = rest.split_once(END).expect("the reference has an end");
    let fresh = format!("{before}{START}\n{}{END}{after}", reference());
    if std::env::var_os("DAEDA_BLESS").is_some() {
        fs::write(repository().join(PAGE), &fresh).unwrap();
    } else if page != fresh {
        let differs = page.lines().zip(fresh.lines()).find(|(old, new)| old != new);
        panic!("docs/language.md is not what the grammar says: {differs:?}; DAEDA_BLESS=1 writes it anew");
    }
}

#[test]
fn every_node_has_its_place_in_the_page() {
    let page = page();
    let (before, _) = page.split_once(START).unwrap();
    // By tasks the page explains what the reference only lists.
    let nodes = manifest::FILES.iter().flat_map(|file| below(file)).map(|grammar| grammar.name);
    let absent: Vec<&str> = nodes.filter(|name| !name.starts_with('<') && !before.contains(*name)).collect();
    assert!(absent.is_empty(), "not explained: {absent:?}");
    assert!(CODES.len() > 5 && before.contains("check --explain"));
}

/// The files of each whole workspace in the page: blocks that open with `// name/of/file.kdl`, between marks of the workspace's name.
fn workspaces() -> BTreeMap<String, Vec<(String, String)>> {
    let mut found: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let page = page();
    let mut current = None;
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("<!-- workspace: ").and_then(|rest| rest.strip_suffix(" -->")) {
            current = (name != "end").then(|| name.to_string());
        }
        if line == "```kdl"
            && let Some(workspace) = &current
        {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let name = block[0].strip_prefix("// ").expect("the first line names the file").to_string();
            found.entry(workspace.clone()).or_default().push((name, block.join("\n") + "\n"));
        }
    }
    found
}

fn daeda(directory: &Path, line: &str) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daeda"));
    command.current_dir(directory).env("DAEDA_NOW", "2026-02-06T00:00:00Z").args(line.split(' '));
    Said::from(command.output().unwrap())
}

#[test]
fn whole_workspaces_in_the_page_build() {
    let workspaces = workspaces();
    assert!(workspaces.len() >= 2, "{:?}", workspaces.keys());
    for (name, files) in workspaces {
        let directory = tempfile::tempdir().unwrap();
        for (file, text) in &files {
            let path = directory.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let steps = ["check --deny warnings", "sample --days 4 --users 60 --artworks 80 --events-per-day 300", "fmt --check"];
        for step in steps {
            let said = daeda(directory.path(), step);
            assert_eq!(said.code, 0, "{name}: {step}: {}{}", said.stdout, said.stderr);
        }
        let assets = daeda(directory.path(), "list assets --format json").json();
        for asset in assets["items"].as_array().unwrap().iter().filter(|asset| asset["kind"] == "built") {
            let target = match asset["partitions"].as_str() {
                Some(_) => format!("build {}@2026-02-03", asset["asset"].as_str().unwrap()),
                None => format!("build {}", asset["asset"].as_str().unwrap()),
            };
            let said = daeda(directory.path(), &target);
            assert_eq!(said.code, 0, "{name}: {target}: {}", said.stderr);
        }
    }
}
