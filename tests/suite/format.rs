//! Formatting keeps what a text says: its nodes, its comments, what is decoded from it; and doing it twice does no more.
//!
//! Over all KDL files of the repository, those below `tests/` included, the documents' blocks, the workspaces that tests write, and random
//! damage to all of them.

use crate::chance::Chance;
use crate::corpus::case::topics;
use crate::documents;
use crate::fixture::Workspace;
use daeda::manifest;
use daeda::source::{Diagnostic, SourceId, Sources};
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text as it is laid out, or nothing where it cannot be parsed.
fn formatted(text: &str) -> Option<String> {
    let mut sources = Sources::default();
    let id = sources.add("test.kdl", text);
    match manifest::format(&sources, id) {
        Ok(formatted) => Some(formatted),
        Err(manifest::FormatError::Syntax(found)) => {
            assert!(!found.is_empty());
            None
        }
        Err(manifest::FormatError::Unsafe) => panic!("it would mean something else:\n{text}"),
    }
}

/// Reads a text as one kind of file, and says what it declares and what is wrong with it.
type Reader = fn(&Sources, SourceId) -> (String, usize);

const READERS: [Reader; 6] = [
    |sources, id| said(manifest::daedalus(sources, id)),
    |sources, id| said(manifest::feature_view(sources, id)),
    |sources, id| said(manifest::feature_service(sources, id)),
    |sources, id| said(manifest::runtime(sources, id)),
    |sources, id| said(manifest::aggregations(sources, id)),
    |sources, id| said(manifest::pipelines(sources, id)),
];

fn read(text: &str, reader: Reader) -> (String, usize) {
    let mut sources = Sources::default();
    let id = sources.add("test.kdl", text);
    reader(&sources, id)
}

/// The kind of file that a text is: the one as which it has the fewest mistakes.
fn reader(text: &str) -> Reader {
    READERS.into_iter().min_by_key(|reader| read(text, *reader).1).unwrap()
}

fn said<T: Debug>((declared, found): (T, Vec<Diagnostic>)) -> (String, usize) {
    let mistakes = found.len();
    let found: Vec<_> = found.into_iter().map(|d| (d.code, d.message, d.hint)).collect();
    (without_places(&format!("{declared:?} {found:?}")), mistakes)
}

/// `Span { source: SourceId(0), offset: 12, len: 4 }` is where, not what.
fn without_places(text: &str) -> String {
    let mut parts = text.split("Span { source: ");
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |whole, part| whole + part.split_once('}').map_or("", |(_, rest)| rest))
}

/// The words of a text's comments.
fn comments(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for part in text.split("//").skip(1) {
        words.extend(part.lines().next().unwrap_or_default().split_whitespace().map(String::from));
    }
    words.sort();
    words
}

/// The laws; true if the text could be formatted at all.
fn holds(text: &str) -> bool {
    let Some(once) = formatted(text) else { return false };
    assert_eq!(formatted(&once).as_deref(), Some(once.as_str()), "formatting twice is formatting once:\n{text}");
    assert!(once.is_empty() || (once.ends_with('\n') && !once.ends_with("\n\n") && !once.starts_with('\n')), "{once:?}");
    true
}

fn means_the_same(text: &str, reader: Reader) {
    let once = formatted(text).unwrap();
    assert_eq!(read(text, reader).0, read(&once, reader).0, "{text}");
}

fn kdl_files(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            kdl_files(&path, into);
        } else if path.extension().is_some_and(|e| e == "kdl") {
            into.push(path);
        }
    }
}

/// The repository's own files: what a person wrote.
fn own() -> Vec<PathBuf> {
    let mut files = vec![root().join("Daedalus.kdl")];
    for folder in ["config", "feature_views", "feature_services", "src"] {
        kdl_files(&root().join(folder), &mut files);
    }
    files.sort();
    files
}

/// Every text that there is, valid or not.
fn texts() -> Vec<String> {
    let mut files = own();
    kdl_files(&root().join("tests"), &mut files);
    let fixture = Workspace::new();
    kdl_files(&fixture.path("."), &mut files);
    let mut texts: Vec<String> = files.iter().filter_map(|file| String::from_utf8(fs::read(file).unwrap()).ok()).collect();
    texts.extend(documents::kdl_blocks().into_iter().map(|(_, text)| text));
    texts.extend(corpus());
    texts.sort();
    texts.dedup();
    texts
}

/// The files of the broken workspaces.
fn corpus() -> Vec<String> {
    let cases = topics().into_iter().flat_map(|topic| topic.cases);
    let files = cases.flat_map(|case| case.files.into_iter().filter(|(name, _)| name.ends_with(".kdl")));
    files.filter_map(|(_, bytes)| String::from_utf8(bytes).ok()).collect()
}

#[test]
fn the_repositorys_files_are_as_they_would_be_formatted() {
    for file in own() {
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(formatted(&text).as_deref(), Some(text.as_str()), "{}: run `daeda fmt`", file.display());
    }
}

#[test]
fn the_documents_blocks_are_as_they_would_be_formatted() {
    let changed: Vec<String> = documents::kdl_blocks()
        .into_iter()
        .filter(|(_, text)| formatted(text).is_some_and(|once| once != *text))
        .map(|(place, _)| place)
        .collect();
    assert!(changed.is_empty(), "{}", changed.join(", "));
}

#[test]
fn every_text_means_the_same_when_formatted() {
    let mut formatted = 0;
    for text in texts() {
        if holds(&text) {
            means_the_same(&text, reader(&text));
            formatted += 1;
        }
    }
    assert!(formatted > 150, "{formatted}");
}

#[test]
fn a_blank_or_two_more_change_nothing_that_is_said() {
    for text in texts().iter().filter(|text| formatted(text).is_some()) {
        let wide = text.replace("    ", "\t").replace(" {\n", "   {\n\n\n").replace('\n', "  \r\n");
        // Within texts of several lines blanks mean something.
        if !text.contains("\"\"\"") {
            means_the_same(&wide, reader(text));
            assert_eq!(comments(text), comments(&formatted(&wide).unwrap()));
        }
    }
}

const SNIPPETS: [&str; 26] = [
    "\n",
    "\n\n\n",
    " ",
    "\t",
    ";",
    "; ",
    "// a note\n",
    " // more\n",
    "/* aside */",
    " /* of\ntwo lines */ ",
    "/-",
    "/- ",
    "{",
    "}",
    " {}",
    " { a; b }",
    "\\\n",
    " \\ // why\n",
    "=",
    " = ",
    "(env)",
    "\"x\"",
    " \"\"\"\n  x\n  \"\"\" ",
    "#\"raw\"#",
    "\r\n",
    "é",
];

/// Puts something in, takes something out, or doubles it.
fn damaged(chance: &mut Chance, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..1 + chance.below(4) {
        let at = chance.below(chars.len() + 1);
        match chance.below(4) {
            0 if at < chars.len() => drop(chars.remove(at)),
            1 => {
                let end = (at + chance.below(30)).min(chars.len());
                let piece: Vec<char> = chars[at..end].to_vec();
                chars.splice(at..at, piece);
            }
            _ => drop(chars.splice(at..at, chance.pick(&SNIPPETS).chars())),
        }
    }
    chars.into_iter().collect()
}

#[test]
fn damage_that_still_parses_is_formatted_faithfully() {
    let cases = std::env::var("DAEDA_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(600);
    let mut chance = Chance::new(11);
    let texts = texts().into_iter().filter(|text| text.len() < 4_000);
    let texts: Vec<(String, Reader)> = texts.map(|text| (text.clone(), reader(&text))).collect();
    let mut formatted = 0;
    for _ in 0..cases {
        let (text, reader) = chance.pick(&texts);
        let text = damaged(&mut chance, &text);
        if holds(&text) {
            means_the_same(&text, reader);
            formatted += 1;
        }
    }
    assert!(formatted * 5 > cases, "only {formatted} of {cases} still parse");
}

#[test]
fn what_a_person_would_have_written() {
    let cases = [
        ("  a   1\n\n\n\nb 2;c 3", "a 1\n\nb 2\nc 3\n"),
        ("a {\n\n  b\n\n}\n", "a {\n    b\n}\n"),
        ("a { b; c 1; }", "a { b; c 1 }\n"),
        ("a { b // x\n}", "a {\n    b  // x\n}\n"),
        ("a {   }\nb {\n}", "a {}\nb {}\n"),
        ("a k = 1 ( env ) \"X\" z= (constant)  \"n\"", "a k=1 (env)\"X\" z=(constant)\"n\"\n"),
        ("a //x\nbb // y\n\nc // z", "a   //x\nbb  // y\n\nc  // z\n"),
        ("a      // x\nbb     // y\n", "a      // x\nbb     // y\n"),
        ("a /-1 /- k=2 {\nb\n} // end", "a /-1 /- k=2 {\n    b\n}  // end\n"),
        ("/-a {\nb\n}\n/-\nc", "/-a {\n    b\n}\n/- c\n"),
        ("a { // first\n  b\n  // last\n}", "a {  // first\n    b\n    // last\n}\n"),
        ("run \"x\" \\\n  \"y\" \\ // why\n \"z\"\n", "run \"x\" \\\n    \"y\" \\  // why\n    \"z\"\n"),
        ("/* one\n   two */ a\n/* alone */\n", "/* one\n   two */ a\n/* alone */\n"),
        ("a\n\\\n\\\n b\n\\", "a\nb\n"),
        ("a; // of a\nb", "a  // of a\nb\n"),
        ("a \"\"\"\n   x\n   \"\"\" b=1\n", "a \"\"\"\n   x\n   \"\"\" b=1\n"),
        ("\u{feff}a\r\nb\r\n", "a\nb\n"),
        ("", ""),
        ("// only this", "// only this\n"),
    ];
    for (text, expected) in cases {
        assert_eq!(formatted(text).as_deref(), Some(expected), "{text}");
    }
    let long = format!("a {{ b \"{}\"; c }}", "x".repeat(100));
    assert_eq!(formatted(&long).unwrap().lines().count(), 4, "what does not fit in a line is broken");
}

#[test]
fn a_workspace_is_formatted_in_place() {
    let workspace = Workspace::new();
    assert_eq!(workspace.daeda(&["fmt", "--check"]).code, 0);
    let view = workspace.path("feature_views/feed.kdl");
    let tidy = fs::read_to_string(&view).unwrap();
    fs::write(&view, tidy.replace("    ", "  ")).unwrap();
    let check = workspace.daeda(&["fmt", "--check"]);
    assert_eq!((check.code, check.stdout.as_str()), (10, "feature_views/feed.kdl\n"), "{}", check.stderr);
    assert_ne!(fs::read_to_string(&view).unwrap(), tidy, "a check changes nothing");
    let done = workspace.daeda(&["fmt"]);
    assert_eq!((done.code, done.stdout.as_str()), (0, "feature_views/feed.kdl\n"), "{}", done.stderr);
    assert_eq!(fs::read_to_string(&view).unwrap(), tidy);
    assert_eq!(fs::read_dir(workspace.path("feature_views")).unwrap().count(), 2, "nothing is left beside it");
}

#[test]
fn a_file_that_is_no_kdl_is_left_alone_and_the_others_are_formatted() {
    let workspace = Workspace::new();
    let (broken, sloppy) = (workspace.path("feature_views/feed.kdl"), workspace.path("feature_services/ranking.kdl"));
    let text = fs::read_to_string(&broken).unwrap().replacen("fields {", "fields  ", 1);
    fs::write(&broken, &text).unwrap();
    let tidy = fs::read_to_string(&sloppy).unwrap();
    fs::write(&sloppy, tidy.replace("    ", "\t")).unwrap();
    let said = workspace.daeda(&["fmt"]);
    assert_eq!((said.code, said.stdout.as_str()), (3, "feature_services/ranking.kdl\n"), "{}", said.stderr);
    assert!(said.stderr.contains("feature_views/feed.kdl:"), "{}", said.stderr);
    assert_eq!((fs::read_to_string(&broken).unwrap(), fs::read_to_string(&sloppy).unwrap()), (text, tidy));
}

/// What is shown of such a file has other characters than the file.
#[test]
fn a_file_that_is_no_text_is_left_alone() {
    let workspace = Workspace::new();
    let bytes = b"feature-view   \"f\xfcr\" {\n}\n".to_vec();
    fs::write(workspace.path("feature_views/latin.kdl"), &bytes).unwrap();
    fs::create_dir(workspace.path("feature_views/folder.kdl")).unwrap();
    let said = workspace.daeda(&["fmt"]);
    assert!(said.code == 3 && said.stderr.contains("latin.kdl") && said.stderr.contains("folder.kdl"), "{}", said.stderr);
    assert_eq!(fs::read(workspace.path("feature_views/latin.kdl")).unwrap(), bytes);
}

#[test]
fn carriage_returns_go_from_texts_as_from_everything_else() {
    let text = "a \"\"\"\n    b\n    c\n    \"\"\" // d\n/*\n e */\nf\n";
    assert_eq!(formatted(&text.replace('\n', "\r\n")), formatted(text));
}

#[test]
fn mistakes_of_meaning_do_not_keep_a_file_from_being_formatted() {
    let workspace = Workspace::new();
    workspace.edit("Daedalus.kdl", "    service \"ranking\"", "  service   \"rankings\"");
    assert_eq!(workspace.daeda(&["fmt", "Daedalus.kdl"]).code, 0);
    assert!(workspace.read("Daedalus.kdl").contains("\n    service \"rankings\"\n"));
    let named = workspace.daeda(&["fmt", "--check", "feature_views", "Daedalus.kdl"]);
    assert_eq!((named.code, named.stdout.as_str()), (0, ""), "{}", named.stderr);
    let absent = workspace.daeda(&["fmt", "absent.kdl"]);
    assert_eq!(absent.code, 4, "{}", absent.stderr);
}
