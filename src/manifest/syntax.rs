//! Reading KDL: a text becomes a document, or the mistakes that keep it from being one.
//!
//! Invariant: a text of KDL version 1 gets one diagnostic that says so.

use super::code;
use super::lexical::{self, Refusal};
use super::place::Page;
use super::squeeze::{Moved, squeeze};
use crate::source::{Diagnostic, Span};
use kdl::{KdlDiagnostic, KdlDocument};

/// Parses a page. Without a document there is at least one diagnostic.
pub(super) fn parse(page: Page) -> Result<KdlDocument, Vec<Diagnostic>> {
    if let Some(marker) = version_marker(page) {
        return Err(vec![marker]);
    }
    let clean = match lexical::clean(page.text) {
        Ok(clean) => clean,
        Err(refusal) => return Err(vec![refused(page, refusal)]),
    };
    let error = match KdlDocument::parse_v2(&clean) {
        Ok(document) => return Ok(document),
        Err(error) => error,
    };
    let diagnostics = match version_one(page, &error.diagnostics) {
        Some(diagnostic) => vec![diagnostic],
        None => one_per_line(page, &error.diagnostics),
    };
    Err(diagnostics)
}

/// The same of a text that is squeezed first, which is quicker: with the document comes where its pieces stand.
pub(super) fn parse_squeezed(page: Page) -> Result<(KdlDocument, Moved), Vec<Diagnostic>> {
    let squeezed = match (version_marker(page), lexical::clean(page.text)) {
        (None, Ok(clean)) => squeeze(&clean),
        _ => None,
    };
    let parsed = squeezed.and_then(|squeezed| Some((KdlDocument::parse_v2(&squeezed.text).ok()?, squeezed.moved)));
    // Whatever is wrong is said of the text as it stands.
    parsed.map_or_else(|| parse(page).map(|document| (document, Vec::new())), Ok)
}

/// The note that opens a text of version 1; to version 2 it is a comment.
fn version_marker(page: Page) -> Option<Diagnostic> {
    const MARKER: &str = "/- kdl-version 1";
    let start = page.text.find(MARKER).filter(|start| page.text[..*start].trim().is_empty())?;
    let place = page.span(start, start + MARKER.len());
    Some(Diagnostic::error(code::SYNTAX, "this text says that it is KDL version 1; manifests are version 2", place).hint(VERSION_TWO))
}

const VERSION_TWO: &str =
    "in version 2 it is #true, #false and #null, and #\"…\"# for raw texts; remove the note, or write version 2 in it";

fn refused(page: Page, refusal: Refusal) -> Diagnostic {
    let raw = page.text[..refusal.place.start].rfind(|c| c != '#').filter(|at| page.text[*at..].starts_with('r'));
    let old = raw.and_then(|at| version_one_at(page, at));
    let span = page.span(refusal.place.start, refusal.place.end);
    old.unwrap_or_else(|| Diagnostic::error(code::SYNTAX, refusal.message, span).hint(refusal.hint))
}

/// Says that the text is of version 1, at the first place that shows it.
fn version_one(page: Page, found: &[KdlDiagnostic]) -> Option<Diagnostic> {
    let mut places: Vec<Span> = found.iter().map(|diagnostic| page.of(diagnostic.span)).collect();
    places.sort_by_key(|span| span.offset);
    places.into_iter().find_map(|place| version_one_at(page, place.offset))
}

fn version_one_at(page: Page, offset: usize) -> Option<Diagnostic> {
    let (start, old, new) = old_spelling(page.text, offset)?;
    let message = format!("`{old}` is KDL version 1; manifests are version 2");
    let hint = format!("write {new}; in version 2 it is #true, #false, #null, and #\"…\"# for raw texts");
    Some(Diagnostic::error(code::SYNTAX, message, page.span(start, start + old.len())).hint(hint))
}

/// A word of version 1 on the line of an offset, from there on: where it starts, and what replaced it.
fn old_spelling(text: &str, offset: usize) -> Option<(usize, &'static str, &'static str)> {
    const WORDS: [(&str, &str); 5] = [("true", "#true"), ("false", "#false"), ("null", "#null"), ("r\"", "#\"…\"#"), ("r#\"", "#\"…\"#")];
    let rest = text.get(offset..)?;
    let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
    let token = line.len() - line.trim_start_matches([' ', '\t', '=']).len();
    let start = offset + token;
    let word = WORDS.iter().find(|(old, _)| {
        let after = line[token..].strip_prefix(old);
        after.is_some_and(|after| old.ends_with('"') || !after.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '=')))
    });
    word.map(|(old, new)| (start, *old, *new))
}

/// The parser's complaints: one for each line, because further ones there are about the same mistake.
///
/// Braces are in order when the parser runs, so what it says of them, and of the end, only follows from something else.
fn one_per_line(page: Page, found: &[KdlDiagnostic]) -> Vec<Diagnostic> {
    let (follow_ups, causes): (Vec<_>, Vec<_>) = found.iter().partition(|diagnostic| is_about_braces(diagnostic));
    let mut diagnostics: Vec<Diagnostic> = causes.into_iter().map(|diagnostic| complaint(page, diagnostic)).collect();
    if diagnostics.is_empty() {
        diagnostics.push(stuck(page, &follow_ups));
    }
    diagnostics.sort_by_key(|diagnostic| diagnostic.span().offset);
    diagnostics.dedup_by_key(|diagnostic| line_number(page, diagnostic.span().offset));
    diagnostics
}

fn says(found: &KdlDiagnostic, starts: &[&str]) -> bool {
    found.message.as_ref().is_some_and(|message| starts.iter().any(|start| message.starts_with(start)))
}

fn is_about_braces(found: &KdlDiagnostic) -> bool {
    says(found, &["No closing '}'", "Closing '}'", "Expected end of document"])
}

/// The parser read nodes up to somewhere and then nothing fitted: that is the last place before which it missed a brace, or else the
/// first where it expected the end.
fn stuck(page: Page, found: &[&KdlDiagnostic]) -> Diagnostic {
    let read_up_to = found.iter().filter(|diagnostic| says(diagnostic, &["Closing"]));
    let read_up_to = read_up_to.map(|diagnostic| diagnostic.span.offset() + diagnostic.span.len()).max();
    let expected_end = found.iter().map(|diagnostic| diagnostic.span.offset()).min();
    let start = page.span(read_up_to.or(expected_end).unwrap_or(0), page.text.len()).offset;
    let rest = &page.text[start..];
    let blank = rest.len() - rest.trim_start().len();
    let token = rest[blank..].split(|c: char| c.is_whitespace() || c == ';').next().unwrap_or_default();
    let place = page.span(start + blank, start + blank + token.len());
    if token.starts_with('=') && is_keyless(page, place.offset) {
        return keyless(page.span(place.offset, place.offset + 1));
    }
    Diagnostic::error(code::SYNTAX, "the node should have ended before this", place).hint(NODE)
}

const NODE: &str =
    "a node is a name, values, properties and perhaps a block: name \"value\" key=\"value\" { … }; it ends with its line or a `;`";

fn line_number(page: Page, offset: usize) -> usize {
    page.text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count()
}

fn complaint(page: Page, found: &KdlDiagnostic) -> Diagnostic {
    let place = first_line(page, page.of(found.span));
    let token = page.under(place);
    if let Some(refused) = without_key(page, place) {
        return refused;
    }
    if lexical::is_number(token) {
        // The parser has taken offence at what stands around it.
        let message = format!("`{token}` cannot stand here");
        return Diagnostic::error(code::SYNTAX, message, place).hint(NODE);
    }
    if token.starts_with(|c: char| c.is_ascii_digit()) && !token.contains(char::is_whitespace) {
        let message = format!("`{token}` is not a number");
        return Diagnostic::error(code::SYNTAX, message, place).hint(format!("a text stands in quotes: \"{token}\""));
    }
    let message = found.message.as_deref().map_or("this is not KDL".to_string(), lower_first);
    let hint = found.help.clone().unwrap_or_else(|| NODE.to_string());
    Diagnostic::error(code::SYNTAX, message, place).hint(hint)
}

/// What follows an `=` that no key stands before.
fn without_key(page: Page, place: Span) -> Option<Diagnostic> {
    let before = page.text[..place.offset].trim_end_matches([' ', '\t']);
    let at = if page.under(place).starts_with('=') { place.offset } else { before.strip_suffix('=')?.len() };
    is_keyless(page, at).then(|| keyless(page.span(at, at + 1)))
}

/// Whether an `=` touches nothing before it that could have been its key.
fn is_keyless(page: Page, equals: usize) -> bool {
    page.text[..equals].ends_with(char::is_whitespace)
}

fn keyless(equals: Span) -> Diagnostic {
    let hint = "a property is written key=\"value\", behind the node's name; a value stands without `=`";
    Diagnostic::error(code::SYNTAX, "there is no key before `=`", equals).hint(hint)
}

fn lower_first(message: &str) -> String {
    let mut rest = message.chars();
    rest.next().map(|first| first.to_lowercase().chain(rest).collect()).unwrap_or_default()
}

/// A span cut at the end of its first line that holds anything.
fn first_line(page: Page, span: Span) -> Span {
    let text = page.under(span);
    let blank = text.len() - text.trim_start().len();
    let start = if blank < text.len() { span.offset + blank } else { span.offset };
    let rest = &page.text[start..span.offset + span.len];
    let line = rest.find('\n').map_or(rest, |end| &rest[..end]).trim_end();
    page.span(start, start + line.len())
}
