//! Cuts a text into tokens. Invariant: the text was parsed, so texts and comments are closed.

use crate::manifest::lexical::{is_newline, is_space};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, number, keyword or text, as it is written.
    Atom,
    LineComment,
    BlockComment,
    Newline,
    Open,
    Close,
    TypeOpen,
    TypeClose,
    Equals,
    Semicolon,
    /// `/-`: what follows does not count.
    Slashdash,
    /// `\`: the node goes on in the next line.
    Continuation,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// Where it starts.
    pub at: usize,
    /// Whether blanks stand before it.
    pub spaced: bool,
}

/// The tokens of a text; blanks are not among them.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let (mut found, mut at, mut spaced) = (Vec::new(), 0, false);
    while let Some(first) = text[at..].chars().next() {
        if is_space(first) && !is_newline(first) {
            (at, spaced) = (at + first.len_utf8(), true);
            continue;
        }
        let (kind, length) = next(&text[at..], first);
        found.push(Token { kind, text: &text[at..at + length], at, spaced });
        (at, spaced) = (at + length, false);
    }
    found
}

/// What the comments of a text say, sorted.
pub(super) fn comments(text: &str) -> Vec<String> {
    let is_comment = |token: &Token| matches!(token.kind, Kind::LineComment | Kind::BlockComment);
    let mut comments: Vec<String> = tokens(text).iter().filter(|t| is_comment(t)).map(|t| comment(t.text)).collect();
    comments.sort();
    comments
}

/// A comment without blanks at the ends of its lines.
pub(super) fn comment(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn next(rest: &str, first: char) -> (Kind, usize) {
    match first {
        '\r' if rest.starts_with("\r\n") => (Kind::Newline, 2),
        first if is_newline(first) => (Kind::Newline, first.len_utf8()),
        '/' if rest.starts_with("//") => (Kind::LineComment, rest.find(is_newline).unwrap_or(rest.len())),
        '/' if rest.starts_with("/*") => (Kind::BlockComment, block_comment(rest)),
        '/' => (Kind::Slashdash, 2.min(rest.len())),
        '{' => (Kind::Open, 1),
        '}' => (Kind::Close, 1),
        '(' => (Kind::TypeOpen, 1),
        ')' => (Kind::TypeClose, 1),
        '=' => (Kind::Equals, 1),
        ';' => (Kind::Semicolon, 1),
        '\\' => (Kind::Continuation, 1),
        _ if rest.trim_start_matches('#').starts_with('"') => (Kind::Atom, quoted(rest)),
        _ => (Kind::Atom, bare(rest)),
    }
}

fn block_comment(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let (mut depth, mut at) = (0, 0);
    while at < bytes.len() {
        match bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The length of a text with its quotes.
fn quoted(rest: &str) -> usize {
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let quotes = if rest[hashes..].starts_with("\"\"\"") { 3 } else { 1 };
    let close = format!("{}{}", "\"".repeat(quotes), "#".repeat(hashes));
    let mut at = hashes + quotes;
    while at < rest.len() && !rest[at..].starts_with(&close) {
        let escaped = hashes == 0 && rest[at..].starts_with('\\');
        let ahead = usize::from(escaped);
        at += ahead + rest[at + ahead..].chars().next().map_or(0, char::len_utf8);
    }
    (at + close.len()).min(rest.len())
}

fn bare(rest: &str) -> usize {
    let ends = |c: char| is_space(c) || is_newline(c) || matches!(c, '(' | ')' | '{' | '}' | ';' | '=' | '\\' | '/' | '"');
    rest.char_indices().skip(1).find(|(_, c)| ends(*c)).map_or(rest.len(), |(at, _)| at)
}
