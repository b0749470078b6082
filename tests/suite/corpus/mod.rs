//! The corpus of broken workspaces (`tests/corpus/`): what is said of each, where, and how it is drawn.
//!
//! Codes and places are written by hand in the cases; `DAEDA_BLESS=1` writes anew only what is drawn.

pub mod case;
mod fuzz;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use case::{Case, Place, base, blessed, topics};
use daeda::report::diagnostics::{self, Style};
use daeda::rules::inspection;
use daeda::source::{Diagnostic, Label, Sources, Span};
use daeda::workspace::{self, Overrides};
use daeda::{catalog, manifest, query};
use parquet::arrow::ArrowWriter;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// The end of the fourth day.
const NOW: i64 = 1_770_249_600_000;

/// All codes with their pages.
pub fn pages() -> Vec<(&'static str, &'static str)> {
    [manifest::CODES, catalog::code::CODES, workspace::CODES, query::contract::CODES, inspection::CODES].concat()
}

/// Everything that `daeda check` finds in a directory.
fn check(directory: &Path, case: &Case) -> (Sources, Vec<Diagnostic>) {
    let overrides = Overrides { profile: case.profile.clone(), ..Overrides::default() };
    let mut loaded = workspace::load(directory, &overrides).unwrap_or_else(|error| panic!("{}: {error:?}", case.name));
    let mut found = Vec::new();
    if let Some(workspace) = &loaded.workspace {
        found.extend(workspace::unbuildable(workspace, &loaded.declared));
        found.extend(query::contract::changed(workspace, &loaded.declared));
        if let Some(view) = &case.data {
            let mut of_one = loaded.declared.clone();
            of_one.views.retain(|declared| declared.name.value == *view);
            found.extend(inspection::inspect(&workspace.catalog, &workspace.site(), &of_one, NOW));
        }
    }
    loaded.extend(found);
    (loaded.sources, loaded.diagnostics)
}

fn write(directory: &Path, case: &Case) {
    for (name, bytes) in case.files.iter().filter(|(name, _)| !case.odd.contains_key(*name)) {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    for (name, what) in &case.odd {
        let path = directory.join(name);
        match what.as_str() {
            "directory" => fs::create_dir(path).unwrap(),
            "link" => symlink("nowhere", path).unwrap(),
            _ => assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
        }
    }
    for (name, columns) in &case.tables {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let columns: Vec<(String, ArrayRef)> = columns.iter().map(|column| column_of(column)).collect();
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }
}

/// `name type: value, null`.
fn column_of(text: &str) -> (String, ArrayRef) {
    let (head, values) = text.split_once(": ").unwrap();
    let (name, data_type) = head.split_once(' ').unwrap();
    let values: Vec<Option<&str>> = values.split(", ").map(|value| (value != "null").then_some(value)).collect();
    fn numbers<T: std::str::FromStr>(values: &[Option<&str>]) -> Vec<Option<T>> {
        values.iter().map(|value| value.and_then(|value| value.parse().ok())).collect()
    }
    let array: ArrayRef = match data_type {
        "int64" => Arc::new(Int64Array::from(numbers(&values))),
        "int32" => Arc::new(Int32Array::from(numbers(&values))),
        "float64" => Arc::new(Float64Array::from(numbers(&values))),
        "string" => Arc::new(StringArray::from(values)),
        other => panic!("no test needs columns of {other} yet"),
    };
    (name.into(), array)
}

fn place(sources: &Sources, span: Span) -> Place {
    Place { file: sources.get(span.source).name.clone(), range: span.offset..span.offset + span.len }
}

fn shown(sources: &Sources, label: &Label) -> String {
    let at = place(sources, label.span);
    let text = sources.get(label.span.source).text.get(at.range.clone()).unwrap_or("?");
    format!("{}:{:?} `{text}`", at.file, at.range)
}

/// What is not as the case says.
fn wrong(case: &Case, sources: &Sources, found: &[Diagnostic]) -> Option<String> {
    let said: Vec<(String, Place)> =
        found.iter().map(|d| (d.code.trim_start_matches("daeda::").to_string(), place(sources, d.span()))).collect();
    let mut expected: Vec<(String, Place)> = case.expected.iter().cloned().zip(case.marks.iter().cloned()).collect();
    // A byte that is no text is drawn as a character that takes three.
    let replaced = expected.iter_mut().filter(|(code, _)| code == "workspace::not-text");
    replaced.for_each(|(_, place)| place.range.end = place.range.start + 3);
    let missed: Vec<&Place> = case
        .seconds
        .iter()
        .filter(|second| !found.iter().any(|d| d.labels[1..].iter().any(|label| place(sources, label.span) == **second)))
        .collect();
    let unhinted: Vec<&str> =
        found.iter().filter(|d| d.hint.as_ref().is_none_or(|hint| hint.is_empty())).map(|d| d.message.as_str()).collect();
    if said == expected && case.expected.len() == case.marks.len() && missed.is_empty() && unhinted.is_empty() {
        return None;
    }
    let found: Vec<String> = found
        .iter()
        .map(|d| {
            format!(
                "  {} at {}\n    {}\n    labels {:?}",
                d.code,
                shown(sources, &d.labels[0]),
                d.message,
                d.labels[1..].iter().map(|l| shown(sources, l)).collect::<Vec<_>>()
            )
        })
        .collect();
    Some(format!(
        "{}\n  wanted {expected:?}\n  second labels that are missing: {missed:?}; without a hint: {unhinted:?}\n{}",
        case.name,
        found.join("\n")
    ))
}

#[test]
fn every_case_is_said_as_it_says() {
    let bless = std::env::var_os("DAEDA_BLESS").is_some();
    let (mut wrongs, mut undrawn, mut number) = (Vec::new(), Vec::new(), 0);
    for topic in topics() {
        let mut drawn = Vec::new();
        for case in &topic.cases {
            number += 1;
            let directory = tempfile::tempdir().unwrap();
            write(directory.path(), case);
            let (sources, found) = check(directory.path(), case);
            wrongs.extend(wrong(case, &sources, &found));
            let text = diagnostics::text(&found, &sources, Style { color: false, width: 80 });
            if text.trim_end() != case.drawn.trim_end() {
                undrawn.push(format!("{}: drawn otherwise:\n{text}", case.name));
            }
            drawn.push(text);
        }
        if bless {
            fs::write(&topic.path, blessed(&fs::read_to_string(&topic.path).unwrap(), &drawn)).unwrap();
        }
    }
    assert!(wrongs.is_empty(), "{} of {number} cases:\n{}", wrongs.len(), wrongs.join("\n\n"));
    assert!(bless || undrawn.is_empty(), "{} of {number} cases (DAEDA_BLESS=1 writes them anew):\n{}", undrawn.len(), undrawn.join("\n"));
    assert!(number >= 120, "{number} cases");
}

#[test]
fn every_code_has_a_case_and_a_page() {
    let said: BTreeSet<String> =
        topics().iter().flat_map(|t| &t.cases).flat_map(|c| &c.expected).map(|code| format!("daeda::{code}")).collect();
    let pages = pages();
    let known: BTreeSet<String> = pages.iter().map(|(code, _)| code.to_string()).collect();
    assert_eq!(known.difference(&said).collect::<Vec<_>>(), Vec::<&String>::new(), "codes without a case");
    assert_eq!(said.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "codes without a page");
    assert_eq!(known.len(), pages.len(), "a code has two pages");
    assert!(pages.iter().all(|(_, page)| page.len() > 80 && page.ends_with('.')));
    let short: BTreeSet<&str> = pages.iter().filter_map(|(code, _)| code.rsplit("::").next()).collect();
    assert!(short.len() > 40, "{short:?}");
}

#[test]
fn the_base_is_sound() {
    let directory = tempfile::tempdir().unwrap();
    let case = Case {
        name: "base".into(),
        files: base(),
        expected: vec![],
        marks: vec![],
        seconds: vec![],
        tables: vec![],
        data: None,
        odd: Default::default(),
        profile: None,
        drawn: String::new(),
    };
    write(directory.path(), &case);
    let (sources, found) = check(directory.path(), &case);
    assert!(found.is_empty(), "{}", diagnostics::text(&found, &sources, Style::default()));
}
