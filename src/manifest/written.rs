//! Where a part of a text stands in the file, if the text was written with escapes or over several lines.
//!
//! Invariant: reads a text as the KDL parser does, so that each byte of its value is known with the characters that it was written as.

use super::lexical::{is_newline, is_space};
use std::ops::Range;

/// The place, in a text as it is written, of a part of what it says. The text stands with its three quotes if it has them, else without
/// its one. An empty part is shown by what stands there: the closing quote, or the last character of the lines.
pub fn written(text: &str, part: Range<usize>) -> Option<Range<usize>> {
    let mut reader = Reader { text, at: 0, bytes: Vec::new() };
    match lines(text) {
        Some(lines) => reader.lines(&lines),
        None => reader.characters(0..text.len(), true),
    }
    if part.is_empty() {
        return reader.point(part.start);
    }
    Some(reader.bytes.get(part.start)?.start..reader.bytes.get(part.end - 1)?.end)
}

/// A text in three quotes: its lines, what all of them are indented by, and whether a backslash is one.
struct Lines {
    body: Range<usize>,
    indent: usize,
    escapes: bool,
}

fn lines(text: &str) -> Option<Lines> {
    let hashes = text.len() - text.trim_start_matches('#').len();
    let inner = text[hashes..].strip_prefix("\"\"\"")?.strip_suffix(&"#".repeat(hashes))?.strip_suffix("\"\"\"")?;
    let first = newline_length(inner)?;
    let indent = inner.rsplit(is_newline).next().unwrap_or_default().len();
    let start = hashes + 3;
    Some(Lines { body: start + first..start + inner.len() - indent, indent, escapes: hashes == 0 })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// For each byte of what the text says, the place of its character.
    bytes: Vec<Range<usize>>,
}

impl Reader<'_> {
    fn point(&self, at: usize) -> Option<Range<usize>> {
        let closing = self.text.len()..self.text.len() + 1;
        let has_lines = lines(self.text).is_some();
        self.bytes.get(at).or(self.bytes.last().filter(|_| has_lines)).cloned().or((!has_lines).then_some(closing))
    }

    fn lines(&mut self, lines: &Lines) {
        self.at = lines.body.start;
        while self.at < lines.body.end {
            let rest = &self.text[self.at..lines.body.end];
            let line = rest.find(is_newline).unwrap_or(rest.len());
            let is_blank = rest[..line].chars().all(is_space);
            self.at += if is_blank { line } else { lines.indent };
            self.characters(self.at..lines.body.end, lines.escapes);
        }
        // The last line ends before the closing quotes, and that end is no part of the text.
        self.bytes.pop();
    }

    /// Up to the end of the line; a backslash at its end goes on in the next one.
    fn characters(&mut self, within: Range<usize>, escapes: bool) {
        self.at = within.start;
        while self.at < within.end {
            let rest = &self.text[self.at..within.end];
            if let Some(length) = newline_length(rest) {
                return self.push('\n', length);
            }
            match rest.chars().next() {
                Some('\\') if escapes => self.escape(&rest[1..]),
                Some(plain) => self.push(plain, plain.len_utf8()),
                None => {}
            }
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self, after: &str) {
        let blank = after.len() - after.trim_start_matches(is_space).len();
        if blank > 0 {
            self.at += 1 + blank;
            return;
        }
        if let Some((digits, _)) = after.strip_prefix("u{").and_then(|code| code.split_once('}')) {
            let says = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).unwrap_or_default();
            return self.push(says, "\\u{}".len() + digits.len());
        }
        let named = after.chars().next().unwrap_or_default();
        self.push(named, 1 + named.len_utf8());
    }

    /// A character of the text, written in so many bytes. Of those that a letter names only the length matters: all take one byte.
    fn push(&mut self, says: char, written: usize) {
        let place = self.at..self.at + written;
        self.bytes.extend(std::iter::repeat_n(place, says.len_utf8()));
        self.at += written;
    }
}

fn newline_length(text: &str) -> Option<usize> {
    let first = text.chars().next().filter(|c| is_newline(*c))?;
    Some(if text.starts_with("\r\n") { 2 } else { first.len_utf8() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kdl::KdlDocument;

    /// What each character of a literal's value was written as.
    fn pieces(literal: &str) -> Vec<(char, String)> {
        let document = KdlDocument::parse_v2(&format!("a {literal}")).unwrap();
        let value = document.nodes()[0].entries()[0].value().as_string().unwrap().to_string();
        let one = literal.starts_with('"') && !literal.starts_with("\"\"\"");
        let text = if one { &literal[1..literal.len() - 1] } else { literal };
        let place = |(at, c): (usize, char)| (c, text[written(text, at..at + c.len_utf8()).unwrap()].to_string());
        let pieces = value.char_indices().map(place).collect();
        assert_eq!(written(text, value.len()..value.len() + 1), None, "{literal}: it says more than {value:?}");
        pieces
    }

    fn assert_pieces(literal: &str, expected: &[&str]) {
        let pieces = pieces(literal);
        assert_eq!(pieces.iter().map(|(_, written)| written.as_str()).collect::<Vec<_>>(), expected, "{literal}: {pieces:?}");
    }

    #[test]
    fn escapes_stand_for_what_they_say() {
        assert_pieces(r#""a\"b\\\n\u{20}\u{1F600}ü""#, &["a", "\\\"", "b", "\\\\", "\\n", "\\u{20}", "\\u{1F600}", "ü"]);
        assert_pieces("\"a\\\n   b\"", &["a", "b"]);
    }

    #[test]
    fn lines_lose_their_indent() {
        assert_pieces("\"\"\"\n  a\n    \n\n   b\n  \"\"\"", &["a", "\n", "\n", "\n", " ", "b"]);
        assert_pieces("\"\"\"\r\n  a\r\n  b\r\n  \"\"\"", &["a", "\r\n", "b"]);
        assert_pieces("\"\"\"\n  a \\\n     b \\\"\n  c\n  \"\"\"", &["a", " ", "b", " ", "\\\"", "\n", "c"]);
        assert_pieces("##\"\"\"\n\ta\\n\n\tü\n\t\"\"\"##", &["a", "\\", "n", "\n", "ü"]);
    }

    #[test]
    fn what_is_beyond_stands_nowhere() {
        assert_eq!(written("ab", 1..2), Some(1..2));
        assert_eq!(written("ab", 1..3), None);
        assert_eq!(written("\"\"\"\n\"\"\"", 0..1), None);
        assert_eq!(written("\"\"\"\n\"\"\"", 0..0), None);
        assert_eq!(written("ab", 2..2), Some(2..3));
        assert_eq!(written("\"\"\"\nab\n\"\"\"", 2..2), Some(5..6));
    }
}
