//! Arbitrary mutation of the corpus: whatever stands in the files, nothing panics or hangs, and everything that is said has its place.
//!
//! `DAEDA_CASES` makes it run longer, `DAEDA_SEED` elsewhere. Figures of long runs go into the commit that reports them.

use super::case::{Case, topics};
use super::pages;
use daeda::report::diagnostics::{self, Style};
use daeda::report::{github, sarif};
use daeda::source::Diagnostic;
use daeda::workspace::{self, Loaded, Memory, Overrides};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

const ROOT: &str = "/workspace";

/// More than any input of this size may take, even where others are at work.
const LONGEST: Duration = Duration::from_secs(10);

/// What is put in beside pieces of the corpus.
const PIECES: [&str; 48] = [
    "{",
    "}",
    "\"",
    "\\",
    "#",
    "=",
    ";",
    "\n",
    "\r\n",
    "\t",
    "(",
    ")",
    "(env)",
    "(constant)",
    "/-",
    "/*",
    "*/",
    "//",
    "\"\"\"",
    "#\"",
    "\"#",
    "#true",
    "#null",
    "true",
    "r#\"",
    "0",
    "-1",
    "1e309",
    "99999999999999999999",
    "\u{feff}",
    "\u{202e}",
    "ü",
    "🦀",
    "\0",
    "*",
    "'",
    "{day}",
    "{%Q}",
    "{output-root}",
    "..",
    "lifetime",
    "0d",
    "9223372036854775807ms",
    "vector<float16, 4294967295>",
    "list<list<bool>>",
    "((((",
    "NOT NOT",
    "timestamp<ns, Europe/Berlin>",
];

type Files = BTreeMap<String, Vec<u8>>;

fn environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// One input: a case with a few changes in one or two of its files.
fn mutated(cases: &[Case], random: &mut ChaCha8Rng) -> Files {
    let mut files = cases[random.random_range(0..cases.len())].files.clone();
    let kdl: Vec<String> = files.keys().filter(|name| name.ends_with(".kdl")).cloned().collect();
    for _ in 0..random.random_range(1..=4) {
        let name = &kdl[random.random_range(0..kdl.len())];
        let other = &cases[random.random_range(0..cases.len())].files;
        let donor = other.get(name).cloned().unwrap_or_default();
        let bytes = files.get_mut(name).unwrap();
        mutate(bytes, &donor, random);
    }
    files
}

fn mutate(bytes: &mut Vec<u8>, donor: &[u8], random: &mut ChaCha8Rng) {
    let at = random.random_range(0..=bytes.len());
    let length = if random.random_bool(0.8) { random.random_range(0..12) } else { random.random_range(0..200) };
    let end = (at + length).min(bytes.len());
    match random.random_range(0..8) {
        0 => drop(bytes.drain(at..end)),
        1 => drop(bytes.splice(at..at, PIECES[random.random_range(0..PIECES.len())].bytes())),
        2 => drop(bytes.splice(at..end, PIECES[random.random_range(0..PIECES.len())].bytes())),
        3 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        4 if !donor.is_empty() => {
            let from = random.random_range(0..donor.len());
            let to = (from + length + 1).min(donor.len());
            bytes.splice(at..end, donor[from..to].iter().copied());
        }
        5 => bytes.truncate(at),
        6 => swap_words(bytes, random),
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.random();
            }
        }
    }
}

/// One word where another stood, so that what parses goes on to be resolved.
fn swap_words(bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let is_word = |c: char| c.is_alphanumeric() || "_-.<>".contains(c);
    let mut words: Vec<(usize, &str)> = Vec::new();
    let mut at = 0;
    for piece in text.split_inclusive(|c: char| !is_word(c)) {
        let word = piece.trim_end_matches(|c: char| !is_word(c));
        if !word.is_empty() {
            words.push((at, word));
        }
        at += piece.len();
    }
    if words.is_empty() {
        return;
    }
    let (one, other) = (words[random.random_range(0..words.len())], words[random.random_range(0..words.len())]);
    let mut changed = text.clone();
    changed.replace_range(one.0..one.0 + one.1.len(), other.1);
    *bytes = changed.into_bytes();
}

/// Reads, resolves and draws; says what is not as it should be.
fn judge(files: &Files, pages: &[(&str, &str)], everything: bool) -> Result<usize, String> {
    let memory = Memory(files.iter().map(|(name, bytes)| (Path::new(ROOT).join(name), bytes.clone())).collect());
    let mut loaded = match workspace::load_from(&memory, Path::new(ROOT), &Overrides::default()) {
        Ok(loaded) => loaded,
        Err(error) => return Err(format!("an error without a place: {error:?}")),
    };
    if let Some(workspace) = &loaded.workspace {
        let found = workspace::unbuildable(workspace, &loaded.declared);
        loaded.extend(found);
    }
    loaded.diagnostics.iter().try_for_each(|diagnostic| located(diagnostic, &loaded, pages))?;
    if loaded.workspace.is_none() && !loaded.diagnostics.iter().any(Diagnostic::is_error) {
        return Err("no workspace, and no error".into());
    }
    let drawn = diagnostics::text(&loaded.diagnostics, &loaded.sources, Style::default());
    if drawn.is_empty() != loaded.diagnostics.is_empty() {
        return Err("nothing is drawn".into());
    }
    if everything {
        let lines = github::annotations(&loaded.diagnostics, &loaded.sources, "");
        if lines.lines().count() != loaded.diagnostics.len() {
            return Err("an annotation is no line".into());
        }
        sarif::sarif(&loaded.diagnostics, &loaded.sources, pages, "");
        diagnostics::json(&loaded.diagnostics, &loaded.sources);
    }
    Ok(loaded.diagnostics.len())
}

/// A diagnostic has a registered code, words, a way out, and places in the text.
fn located(diagnostic: &Diagnostic, loaded: &Loaded, pages: &[(&str, &str)]) -> Result<(), String> {
    let fits = |label: &daeda::source::Label| {
        let text = &loaded.sources.get(label.span.source).text;
        text.get(label.span.offset..label.span.offset + label.span.len).is_some()
    };
    let sound = diagnostic.labels.iter().all(fits)
        && !diagnostic.message.is_empty()
        && diagnostic.hint.as_ref().is_some_and(|hint| !hint.is_empty())
        && pages.iter().any(|(code, _)| *code == diagnostic.code);
    if sound { Ok(()) } else { Err(format!("{diagnostic:?}")) }
}

#[test]
fn whatever_stands_in_the_files_is_survived() {
    let (runs, seed) = (environment("DAEDA_CASES", 2_000), environment("DAEDA_SEED", 6));
    let cases: Vec<Case> = topics().into_iter().flat_map(|topic| topic.cases).collect();
    let pages = pages();
    let (mut sound, mut said, mut longest) = (0u64, 0, Duration::ZERO);
    let started = Instant::now();
    for run in 0..runs {
        let mut random = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(1 << 32).wrapping_add(run));
        let files = mutated(&cases, &mut random);
        let begun = Instant::now();
        let judged = catch_unwind(AssertUnwindSafe(|| judge(&files, &pages, random.next_u32() % 16 == 0)));
        let took = begun.elapsed();
        longest = longest.max(took);
        let judged =
            judged.unwrap_or_else(|_| Err("a panic".into())).and_then(|n| if took > LONGEST { Err(format!("{took:?}")) } else { Ok(n) });
        match judged {
            Ok(0) => sound += 1,
            Ok(number) => said += number,
            Err(why) => {
                let changed = files.iter().map(|(name, bytes)| format!("--- {name}\n{}", String::from_utf8_lossy(bytes)));
                panic!("seed {seed}, run {run}: {why}\n{}", changed.collect::<Vec<_>>().join("\n"));
            }
        }
    }
    println!("{runs} inputs: {sound} sound, {said} diagnostics, the longest took {longest:?}, all {:?}", started.elapsed());
}
