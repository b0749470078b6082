//! What is read before the parser: texts and comments are whole, nothing nests too deep, no character is forbidden.
//!
//! The KDL parser recurses over blocks and comments, and resumes in the middle of a broken text as if what follows were nodes. So this
//! refuses broken texts itself, in plainer words, and blanks comments. Invariant: the cleaned text has the length of the given one, so
//! that places in it are places in the file.

use std::ops::Range;

/// More than any sensible manifest nests. The parser needs time exponential in it over commented-out blocks.
pub(super) const DEEPEST: usize = 10;

/// What keeps a text from being given to the parser.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub place: Range<usize>,
    pub message: String,
    pub hint: String,
}

/// The text with its comments blanked.
pub(super) fn clean(text: &str) -> Result<String, Refusal> {
    let mut scanner = Scanner { text, at: 0, open: Vec::new(), clean: String::with_capacity(text.len()) };
    forbidden(text)?;
    while scanner.at < text.len() {
        scanner.step()?;
    }
    scanner.end()?;
    Ok(scanner.clean)
}

/// Refuses control characters and marks that would make the text look other than it is.
fn forbidden(text: &str) -> Result<(), Refusal> {
    let bad = |c: char| matches!(c, '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    match text.char_indices().find(|(at, c)| bad(*c) && !(*at == 0 && *c == '\u{feff}')) {
        Some((at, c)) => Err(Refusal {
            place: at..at + c.len_utf8(),
            message: format!("the character U+{:04X} cannot stand in a manifest", u32::from(c)),
            hint: "remove it; it is invisible, so an editor may have put it there".into(),
        }),
        None => Ok(()),
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// Where the blocks that are open began.
    open: Vec<usize>,
    clean: String,
}

impl Scanner<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// Copies what stands next.
    fn keep(&mut self, length: usize) {
        self.clean.push_str(&self.text[self.at..self.at + length]);
        self.at += length;
    }

    fn blank(&mut self, length: usize) {
        self.clean.extend(std::iter::repeat_n(' ', length));
        self.at += length;
    }

    fn refuse(&self, length: usize, message: &str, hint: &str) -> Refusal {
        Refusal { place: self.at..self.at + length, message: message.to_string(), hint: hint.to_string() }
    }

    fn step(&mut self) -> Result<(), Refusal> {
        let rest = self.rest();
        let quote = rest.trim_start_matches('#').starts_with('"');
        match rest.chars().next() {
            Some('/') if rest.starts_with("//") => self.line_comment(),
            Some('/') if rest.starts_with("/*") => return self.block_comment(),
            Some('"' | '#') if quote => return self.text(),
            Some('{') => return self.block(),
            Some('}') => return self.block_end(),
            Some(';') => return self.semicolon(),
            Some('=') => return self.equals(),
            Some('#') if self.is_at_start() => return self.keyword(),
            Some('[' | ']') => return Err(self.refuse(1, "KDL has no brackets", "write values one after the other: tags \"a\" \"b\"")),
            Some('\'') if self.is_at_start() => return Err(self.single_quotes()),
            Some('0'..='9' | '.' | '-' | '+') if self.is_at_start() && starts_number(rest) => return self.number(),
            Some(other) => self.keep(other.len_utf8()),
            None => {}
        }
        Ok(())
    }

    /// Whether what stands next begins a word.
    fn is_at_start(&self) -> bool {
        self.clean.chars().next_back().is_none_or(|c| is_space(c) || matches!(c, '=' | '(' | ')' | '{' | '}' | ';'))
    }

    /// The length of the word that stands next.
    fn word_length(&self) -> usize {
        let ends = |c: char| is_space(c) || is_newline(c) || matches!(c, ';' | '{' | '}' | '=' | '(' | ')' | '"');
        self.rest().find(ends).unwrap_or(self.rest().len())
    }

    /// `#true` and its like.
    fn keyword(&mut self) -> Result<(), Refusal> {
        let length = self.word_length();
        let known = ["#true", "#false", "#null", "#inf", "#-inf", "#nan"];
        if !known.contains(&&self.rest()[..length]) {
            let hint = "a comment begins with //; true, false and raw texts are #true, #false and #\"…\"#";
            return Err(self.refuse(1, "`#` begins no comment in KDL", hint));
        }
        self.keep(length);
        Ok(())
    }

    fn single_quotes(&self) -> Refusal {
        let line = self.rest().find(is_newline).unwrap_or(self.rest().len());
        let closing = self.rest()[1..line].find('\'').map(|at| at + 2);
        self.refuse(closing.unwrap_or(self.word_length()), "texts stand in double quotes", "put \" in place of '")
    }

    /// A number, which ends where its word does.
    fn number(&mut self) -> Result<(), Refusal> {
        let length = self.word_length();
        let word = &self.rest()[..length];
        if !is_number(word) {
            let message = format!("`{word}` is not a number");
            return Err(self.refuse(length, &message, &number_hint(word)));
        }
        self.keep(length);
        Ok(())
    }

    fn line_comment(&mut self) {
        let length = self.rest().find(is_newline).unwrap_or(self.rest().len());
        self.blank(length);
    }

    fn block_comment(&mut self) -> Result<(), Refusal> {
        let bytes = self.rest().as_bytes();
        let (mut depth, mut at) = (0, 0);
        while at < bytes.len() {
            match bytes[at..] {
                [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
                [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
                _ => at += 1,
            }
            if depth == 0 {
                self.blank(at);
                return Ok(());
            }
        }
        Err(self.refuse(2, "this comment is not closed", "close it with */, or begin each line with //"))
    }

    fn block(&mut self) -> Result<(), Refusal> {
        if self.open.len() == DEEPEST {
            let message = format!("blocks nest more than {DEEPEST} deep");
            return Err(self.refuse(1, &message, "nothing in a manifest nests that deep; look for a block that is not closed"));
        }
        self.open.push(self.at);
        self.keep(1);
        Ok(())
    }

    /// Refuses a semicolon behind which nothing ends.
    fn semicolon(&mut self) -> Result<(), Refusal> {
        let line = self.clean.trim_end_matches(|c| is_space(c) && !is_newline(c));
        let goes_on = self.clean.trim_end_matches(is_space).ends_with('\\');
        if !goes_on && (line.is_empty() || line.ends_with(|c| is_newline(c) || matches!(c, ';' | '{'))) {
            return Err(self.refuse(1, "this semicolon ends nothing", "remove it: a node ends with its line, or with one semicolon"));
        }
        self.keep(1);
        Ok(())
    }

    /// Refuses a `/-` at the end of a block or of the file.
    fn takes_something_away(&self) -> Result<(), Refusal> {
        let before = self.clean.trim_end_matches(is_space);
        if !before.ends_with("/-") {
            return Ok(());
        }
        let message = "nothing follows that this could take away".to_string();
        let hint = "remove it, or put it before a node, a value or a block; // comments out the rest of a line".to_string();
        Err(Refusal { place: before.len() - 2..before.len(), message, hint })
    }

    fn block_end(&mut self) -> Result<(), Refusal> {
        self.takes_something_away()?;
        if self.open.pop().is_none() {
            return Err(self.refuse(1, "this brace closes nothing", "remove it, or look for a { that is missing before it"));
        }
        self.keep(1);
        Ok(())
    }

    /// Refuses a file that ends within a block.
    fn end(&self) -> Result<(), Refusal> {
        self.takes_something_away()?;
        match self.open.last() {
            None => Ok(()),
            Some(at) => {
                let hint = "add } at its end; perhaps a block within it is not closed";
                Err(Refusal { place: *at..*at + 1, message: "this block is not closed".into(), hint: hint.into() })
            }
        }
    }

    /// Refuses a property without a value.
    fn equals(&mut self) -> Result<(), Refusal> {
        let after = self.rest()[1..].trim_start_matches([' ', '\t']);
        if after.is_empty() || after.starts_with(|c: char| is_newline(c) || matches!(c, ';' | '}' | '{')) || after.starts_with("//") {
            return Err(self.refuse(1, "there is no value behind `=`", "a property is written key=\"value\""));
        }
        self.keep(1);
        Ok(())
    }

    fn text(&mut self) -> Result<(), Refusal> {
        let rest = self.rest();
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        let quotes = if rest[hashes..].starts_with("\"\"\"") { 3 } else { 1 };
        let length = if quotes == 3 { self.lines_length(hashes)? } else { self.line_length(hashes)? };
        self.stands_apart(length)?;
        self.keep(length);
        Ok(())
    }

    /// The length of a text that ends on its line.
    fn line_length(&self, hashes: usize) -> Result<usize, Refusal> {
        let end = self.closing(hashes, 1).and_then(|end| self.escapes(hashes, end));
        let on_line = |end: &Range<usize>| hashes == 0 || !self.rest()[..end.start].contains(is_newline);
        match end?.filter(on_line).filter(|end| hashes > 0 || !has_bare_newline(&self.rest()[1..end.start])) {
            Some(end) => Ok(end.end),
            None => {
                let line = self.rest().find(is_newline).unwrap_or(self.rest().len());
                Err(self.refuse(line, "this text is not closed on its line", "end it with a quote, and write \\\" for a quote within it"))
            }
        }
    }

    /// The length of a text in three quotes.
    fn lines_length(&self, hashes: usize) -> Result<usize, Refusal> {
        let hint = "its lines stand between two lines of three quotes, indented no less than the closing ones";
        let Some(end) = self.closing(hashes, 3).and_then(|end| self.escapes(hashes, end))? else {
            return Err(self.refuse(hashes + 3, "this text is not closed", hint));
        };
        let body = &self.rest()[hashes + 3..end.start];
        let indent = body.rsplit(is_newline).next().unwrap_or_default();
        let indented = |line: &str| line.trim().is_empty() || line.starts_with(indent);
        let apart = body.starts_with(is_newline) && indent.trim().is_empty();
        if apart && body.split(is_newline).all(indented) {
            Ok(end.end)
        } else {
            Err(self.refuse(hashes + 3, "the lines of this text are out of place", hint))
        }
    }

    /// The closing quotes, counted from here.
    fn closing(&self, hashes: usize, quotes: usize) -> Result<Option<Range<usize>>, Refusal> {
        let close = format!("{}{}", "\"".repeat(quotes), "#".repeat(hashes));
        let rest = self.rest();
        let mut at = hashes + quotes;
        while at < rest.len() {
            if rest[at..].starts_with(&close) {
                return Ok(Some(at..at + close.len()));
            }
            let escaped = hashes == 0 && rest[at..].starts_with('\\');
            at += if escaped { 1 + next_length(&rest[at + 1..]) } else { next_length(&rest[at..]) };
        }
        Ok(None)
    }

    /// Refuses an escape that KDL does not have, in a text that has escapes.
    fn escapes(&self, hashes: usize, end: Option<Range<usize>>) -> Result<Option<Range<usize>>, Refusal> {
        let Some(close) = end.as_ref().filter(|_| hashes == 0).map(|end| end.start) else { return Ok(end) };
        let mut at = 0;
        while let Some(found) = self.rest()[at..close].find('\\') {
            at += found;
            let after = &self.rest()[at + 1..close];
            if !is_escape(after) {
                let place = self.at + at..self.at + at + 1 + next_length(after);
                let hint = "write \\\\ for a backslash, or a raw text: #\"…\"#";
                return Err(Refusal { place, message: "this escape does not exist".into(), hint: hint.into() });
            }
            at += 1 + next_length(after);
        }
        Ok(end)
    }

    /// Refuses a text that touches its neighbours.
    fn stands_apart(&self, length: usize) -> Result<(), Refusal> {
        let opens = |c: char| is_space(c) || matches!(c, '=' | '(' | ')' | '{' | '}' | ';' | '-' | '/');
        let closes = |c: char| is_space(c) || matches!(c, '=' | ')' | '{' | '}' | ';' | '/' | '\\');
        let before = self.clean.chars().next_back().is_none_or(opens);
        let dash = self.clean.ends_with('-') && !self.clean.ends_with("/-");
        if !before || dash {
            let hint = "put a space before the quote; a raw text is #\"…\"#";
            return Err(self.refuse(1, "a text cannot touch what stands before it", hint));
        }
        match self.text[self.at + length..].chars().next().filter(|c| !closes(*c)) {
            None => Ok(()),
            Some(next) => {
                let place = self.at + length..self.at + length + next.len_utf8();
                let hint = match next {
                    ',' => "leave the comma out: values have spaces between them",
                    _ => "put a space behind the quote, and write \\\" for a quote within a text",
                };
                Err(Refusal { place, message: "a text cannot touch what stands behind it".into(), hint: hint.into() })
            }
        }
    }
}

/// Whether a digit comes first, behind a sign or a point perhaps; a sign and a digit are left to the parser.
fn starts_number(rest: &str) -> bool {
    let unsigned = rest.trim_start_matches(['-', '+']);
    let digits = unsigned.trim_start_matches('.');
    let is_signed = unsigned.len() < rest.len();
    digits.starts_with(|c: char| c.is_ascii_digit()) && (!is_signed || digits.len() < unsigned.len())
}

/// What was probably meant by a word that is no number: one with nothing before or behind its point, or a text.
fn number_hint(word: &str) -> String {
    let (sign, digits) = word.split_at(word.len() - word.trim_start_matches(['-', '+']).len());
    let whole = if digits.starts_with('.') { format!("0{digits}") } else { digits.to_string() };
    let whole = if whole.ends_with('.') { format!("{whole}0") } else { whole };
    match sign.len() < 2 && is_number(&whole) {
        true => format!("write {sign}{whole}"),
        false => format!("a text stands in quotes: \"{word}\""),
    }
}

/// Whether a word that begins with a digit is a number of KDL.
pub(super) fn is_number(word: &str) -> bool {
    let digits = |text: &str, radix: u32| !text.is_empty() && text.chars().all(|c| c.is_digit(radix) || c == '_') && !text.starts_with('_');
    let radix = [("0x", 16), ("0o", 8), ("0b", 2)].into_iter().find(|(prefix, _)| word.starts_with(prefix));
    if let Some((prefix, radix)) = radix {
        return digits(&word[prefix.len()..], radix);
    }
    let (mantissa, exponent) = word.split_once(['e', 'E']).map_or((word, None), |(mantissa, exponent)| (mantissa, Some(exponent)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(whole, fraction)| (whole, Some(fraction)));
    digits(whole, 10) && fraction.is_none_or(|f| digits(f, 10)) && exponent.is_none_or(|e| digits(e.trim_start_matches(['+', '-']), 10))
}

pub(super) fn is_newline(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}'
}

fn next_length(text: &str) -> usize {
    text.chars().next().map_or(1, char::len_utf8)
}

/// Whether a text has an end of line that no backslash takes away.
fn has_bare_newline(text: &str) -> bool {
    let mut escaped = false;
    let mut swallowing = false;
    for c in text.chars() {
        if is_newline(c) && !escaped && !swallowing {
            return true;
        }
        swallowing = c.is_whitespace() && (escaped || swallowing);
        escaped = c == '\\' && !escaped;
    }
    false
}

/// Whether what stands behind a backslash makes an escape.
fn is_escape(after: &str) -> bool {
    let code = |body: &str| {
        let digits = body.split_once('}').map_or("", |(digits, _)| digits);
        let valid = (1..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        valid && u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).is_some()
    };
    match after.strip_prefix("u{") {
        Some(body) => code(body),
        None => after.starts_with(|c: char| matches!(c, '\\' | '"' | 'b' | 'f' | 'n' | 'r' | 't' | 's') || c.is_whitespace()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_blanked_in_place() {
        assert_eq!(clean("a // b\nc /* {\n/* */ */ \"// x\"").unwrap(), format!("a     \nc {} \"// x\"", " ".repeat(13)));
    }

    #[test]
    fn texts_are_looked_past() {
        for text in [
            r#"a "{{{{{{{{{{{{{" b="\"}""#,
            "a #\"\\ \"{\"#",
            "a \"\"\"\n  {{{{{{{{{{{{\n  \"\"\"",
            "a \"x\\\n y\"",
            "a \"\\u{1F600}\"",
            "/-\"a\"",
        ] {
            assert_eq!(clean(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn broken_texts_are_refused_where_they_break() {
        let cases = [
            ("a \"b\nc", "\"b"),
            ("a \"b\\q\"", "\\q"),
            ("a \"b\"c", "c"),
            ("a r\"b\"", "\""),
            ("a /* /* */", "/*"),
            ("a \"\"\"\n b\n  \"\"\"", "\"\"\""),
            ("a \"\"\"\n b", "\"\"\""),
            ("a #\"b\"", "#\"b\""),
            ("a \u{202e}", "\u{202e}"),
            ("a { b {\n}", "{"),
            ("a }", "}"),
            ("a b= // c", "="),
        ];
        for (text, under) in cases {
            assert_eq!(&text[clean(text).unwrap_err().place], under, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |n: usize| format!("{}{}", "a {".repeat(n), "}".repeat(n));
        assert!(clean(&nested(DEEPEST)).is_ok());
        assert!(clean(&nested(DEEPEST + 1)).is_err());
        assert!(clean(&"a { }".repeat(100)).is_ok());
    }
}
