//! Reading KDL: a text becomes a document, or the mistakes that keep it from being one.
//!
//! Invariants: a document nests no deeper than [`DEEPEST`] (the parser recurses, and takes exponential time over some nested
//! comments); a text of KDL version 1 gets one diagnostic that says so.

use super::code;
use super::place::Page;
use crate::source::{Diagnostic, Span};
use kdl::{KdlDiagnostic, KdlDocument};

/// More than any sensible manifest nests.
const DEEPEST: usize = 12;

/// Parses a page. Without a document there is at least one diagnostic.
pub(super) fn parse(page: Page) -> Result<KdlDocument, Vec<Diagnostic>> {
    if let Some(offset) = too_deep(page.text) {
        let message = format!("braces or comments nest more than {DEEPEST} deep");
        let span = page.span(offset, offset + 1);
        return Err(vec![Diagnostic::error(code::SYNTAX, message, span).hint("no node of a manifest nests that deep; look for a brace that is not closed")]);
    }
    let error = match KdlDocument::parse_v2(page.text) {
        Ok(document) => return Ok(document),
        Err(error) => error,
    };
    let diagnostics = match version_one(page, &error.diagnostics) {
        Some(diagnostic) => vec![diagnostic],
        None => one_per_line(page, &error.diagnostics),
    };
    Err(diagnostics)
}

/// Where braces and comments begin to nest too deep, looking past texts and line comments.
fn too_deep(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut braces, mut comments) = (0, 0usize, 0usize);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (comments, at) = (comments + 1, at + 1),
            [b'*', b'/', ..] if comments > 0 => (comments, at) = (comments - 1, at + 1),
            _ if comments > 0 => {}
            [b'/', b'/', ..] => at = line_end(bytes, at),
            [b'"' | b'#', ..] => at = text_end(bytes, at),
            [b'{', ..] => braces += 1,
            [b'}', ..] => braces = braces.saturating_sub(1),
            _ => {}
        }
        if braces.max(comments) > DEEPEST {
            return Some(at.min(bytes.len() - 1));
        }
        at += 1;
    }
    None
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

/// The last byte of the quoted or raw text that starts here, or of its line where it does not end there.
fn text_end(bytes: &[u8], at: usize) -> usize {
    let hashes = bytes[at..].iter().take_while(|byte| **byte == b'#').count();
    let quotes = bytes[at + hashes..].iter().take_while(|byte| **byte == b'"').count();
    let open = at + hashes + quotes;
    match quotes {
        0 => open - 1,
        1 => closing(bytes, open, 1, hashes).filter(|end| *end < line_end(bytes, at)).unwrap_or(open - 1),
        2 => open - 1,
        _ => closing(bytes, open, 3, hashes).unwrap_or(open - 1),
    }
}

fn closing(bytes: &[u8], mut at: usize, quotes: usize, hashes: usize) -> Option<usize> {
    while at < bytes.len() {
        let rest = &bytes[at..];
        let quoted = rest.iter().take_while(|byte| **byte == b'"').count() >= quotes;
        if quoted && rest[quotes..].iter().take_while(|byte| **byte == b'#').count() >= hashes {
            return Some(at + quotes + hashes - 1);
        }
        at += if hashes == 0 && bytes[at] == b'\\' { 2 } else { 1 };
    }
    None
}

/// Says that the text is of version 1, at the first place that shows it.
fn version_one(page: Page, found: &[KdlDiagnostic]) -> Option<Diagnostic> {
    let mut places: Vec<Span> = found.iter().map(|diagnostic| page.of(diagnostic.span)).collect();
    places.sort_by_key(|span| span.offset);
    places.into_iter().find_map(|place| {
        let (start, old, new) = old_spelling(page.text, place.offset)?;
        let message = format!("`{old}` is KDL version 1; manifests are version 2");
        let hint = format!("write {new}; in version 2 it is #true, #false, #null, and #\"…\"# for raw texts");
        Some(Diagnostic::error(code::SYNTAX, message, page.span(start, start + old.len())).hint(hint))
    })
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
        after.is_some_and(|after| old.ends_with('"') || !after.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '_'))
    });
    word.map(|(old, new)| (start, *old, *new))
}

/// The parser's complaints: one for each line, because further ones there are about the same mistake.
fn one_per_line(page: Page, found: &[KdlDiagnostic]) -> Vec<Diagnostic> {
    let mut diagnostics: Vec<Diagnostic> = found.iter().map(|diagnostic| complaint(page, diagnostic)).collect();
    diagnostics.sort_by_key(|diagnostic| diagnostic.span().offset);
    diagnostics.dedup_by_key(|diagnostic| line_number(page, diagnostic.span().offset));
    diagnostics
}

fn line_number(page: Page, offset: usize) -> usize {
    page.text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count()
}

fn complaint(page: Page, found: &KdlDiagnostic) -> Diagnostic {
    let message = found.message.clone().unwrap_or_else(|| "this is not KDL".to_string());
    let hint = found.help.clone().unwrap_or_else(|| "a node is a name, values, properties and perhaps a block: name \"value\" key=\"value\" { … }".into());
    Diagnostic::error(code::SYNTAX, message, first_line(page, page.of(found.span))).hint(hint)
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
