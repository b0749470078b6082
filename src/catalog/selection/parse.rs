//! The syntax of selections: `or` of `and` of `not` of words and parentheses.
//!
//! Recursive descent; each level is one function. Invariant: every text is read to its end or refused with a place in it.

use super::{By, Selection, SelectionError, Word};
use crate::source::did_you_mean;

/// Reads a selection.
pub fn parse(text: &str) -> Result<Selection, SelectionError> {
    let mut parser = Parser { tokens: tokens(text), next: 0, end: text.len(), depth: 0 };
    let selection = parser.either()?;
    match parser.peek() {
        None => Ok(selection),
        Some(token) if token.text == ")" => Err(wrong("this parenthesis was never opened", token.at, "remove it")),
        Some(token) => {
            let near = did_you_mean(&token.text.to_lowercase(), ["and", "or"]);
            let hint = near.map_or("join two selections by `and` or `or`".to_string(), |word| format!("did you mean `{word}`?"));
            Err(wrong(format!("`{}` does not go on with what stands before it", token.text), token.at, hint))
        }
    }
}

fn wrong(message: impl Into<String>, at: (usize, usize), hint: impl Into<String>) -> SelectionError {
    SelectionError { message: message.into(), at, hint: hint.into() }
}

/// Parentheses, pluses that touch them, and words.
fn tokens(text: &str) -> Vec<Word> {
    let mut tokens = Vec::new();
    let mut start = None;
    let word = |start: &mut Option<usize>, end: usize, tokens: &mut Vec<Word>| {
        if let Some(from) = start.take() {
            tokens.push(Word { text: text[from..end].into(), at: (from, end - from) });
        }
    };
    for (offset, char) in text.char_indices() {
        match char {
            '(' | ')' => {
                word(&mut start, offset, &mut tokens);
                tokens.push(Word { text: char.into(), at: (offset, 1) });
            }
            '+' if text[offset + 1..].starts_with('(') || (start.is_none() && text[..offset].ends_with(')')) => {
                word(&mut start, offset, &mut tokens);
                tokens.push(Word { text: char.into(), at: (offset, 1) });
            }
            char if char.is_whitespace() => word(&mut start, offset, &mut tokens),
            _ => _ = start.get_or_insert(offset),
        }
    }
    word(&mut start, text.len(), &mut tokens);
    tokens
}

struct Parser {
    tokens: Vec<Word>,
    next: usize,
    /// The length of the text.
    end: usize,
    depth: usize,
}

/// Deeper than anybody writes, and far from what the stack holds.
const DEEPEST: usize = 100;

impl Parser {
    fn peek(&self) -> Option<&Word> {
        self.tokens.get(self.next)
    }

    /// Takes the next token if it is just this text.
    fn take(&mut self, text: &str) -> bool {
        let taken = self.peek().is_some_and(|token| token.text == text);
        self.next += usize::from(taken);
        taken
    }

    fn either(&mut self) -> Result<Selection, SelectionError> {
        let mut left = self.both()?;
        while self.take("or") {
            left = Selection::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Selection, SelectionError> {
        let mut left = self.unary()?;
        while self.take("and") {
            left = Selection::And(Box::new(left), Box::new(self.unary()?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Selection, SelectionError> {
        self.depth += 1;
        let result = match self.depth > DEEPEST {
            true => Err(wrong("this is nested too deeply", self.peek().map_or((self.end, 0), |t| t.at), "use fewer parentheses")),
            false if self.take("not") => self.unary().map(|inner| Selection::Not(Box::new(inner))),
            false => self.atom(),
        };
        self.depth -= 1;
        result
    }

    fn atom(&mut self) -> Result<Selection, SelectionError> {
        let example = "write the name of an asset, group:…, kind:… or tag:…";
        let Some(token) = self.peek().cloned() else {
            return Err(wrong("something to select is missing here", (self.end, 0), example));
        };
        match token.text.as_str() {
            "and" | "or" => return Err(wrong(format!("something to select is missing before `{}`", token.text), token.at, example)),
            ")" => return Err(wrong("something to select is missing before `)`", token.at, example)),
            "(" | "+" => return self.group(),
            _ => {}
        }
        self.next += 1;
        let (upstreams, rest) = token.text.strip_prefix('+').map_or((false, token.text.as_str()), |rest| (true, rest));
        let (downstreams, name) = rest.strip_suffix('+').map_or((false, rest), |rest| (true, rest));
        let at = (token.at.0 + usize::from(upstreams), name.len());
        Ok(around(word(name, at)?, upstreams, downstreams))
    }

    /// `(…)`, with a plus on either side.
    fn group(&mut self) -> Result<Selection, SelectionError> {
        let upstreams = self.take("+");
        let open = self.peek().map_or((self.end, 0), |t| t.at);
        if !self.take("(") {
            return Err(wrong("a `+` stands alone", open, "write it right before or after a name or a parenthesis"));
        }
        let inner = self.either()?;
        if !self.take(")") {
            return Err(wrong("this parenthesis is not closed", open, "add `)`"));
        }
        let downstreams = self.take("+");
        Ok(around(inner, upstreams, downstreams))
    }
}

fn around(selection: Selection, upstreams: bool, downstreams: bool) -> Selection {
    match (upstreams, downstreams) {
        (false, false) => selection,
        (true, false) => Selection::Upstreams(Box::new(selection)),
        (false, true) => Selection::Downstreams(Box::new(selection)),
        (true, true) => {
            let up = Selection::Upstreams(Box::new(selection.clone()));
            Selection::Or(Box::new(up), Box::new(Selection::Downstreams(Box::new(selection))))
        }
    }
}

/// A name, or a value after `group:`, `kind:` or `tag:`.
fn word(text: &str, at: (usize, usize)) -> Result<Selection, SelectionError> {
    let odd = |c: char| !(c.is_alphanumeric() || "_-./".contains(c));
    let (by, value, start) = match text.split_once(':') {
        None => (By::Name, text, 0),
        Some((prefix, value)) => {
            let known = By::PREFIXES.iter().find(|(name, _)| *name == prefix);
            let names = By::PREFIXES.map(|(name, _)| name);
            let hint = || did_you_mean(prefix, names).map_or("use group:, kind: or tag:".into(), |near| format!("did you mean `{near}:`?"));
            let (_, by) = known.ok_or_else(|| wrong(format!("`{prefix}:` is nothing to select by"), (at.0, prefix.len()), hint()))?;
            (*by, value, prefix.len() + 1)
        }
    };
    let place = (at.0 + start, value.len());
    if value.is_empty() {
        return Err(wrong("a name is missing here", place, "write it without a space, such as group:training or +name"));
    }
    if let Some((offset, char)) = value.char_indices().find(|(_, c)| odd(*c)) {
        let hint = match char {
            '@' => "keys stand in a target of their own: `--select NAME @KEY`",
            ',' | '&' | '|' => "join selections by `and` or `or`",
            '!' => "write `not`",
            _ => "names are letters, digits, `_`, `-`, `.` and `/`",
        };
        return Err(wrong(format!("`{char}` is no part of a name"), (place.0 + offset, char.len_utf8()), hint));
    }
    Ok(Selection::Word(by, Word { text: value.into(), at: place }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &str) -> SelectionError {
        parse(text).expect_err(text)
    }

    #[test]
    fn mistakes_are_pointed_at() {
        let cases = [
            ("", (0, 0), "missing"),
            ("ranker and", (10, 0), "missing"),
            ("or ranker", (0, 2), "before `or`"),
            ("(ranker", (0, 1), "not closed"),
            ("ranker)", (6, 1), "never opened"),
            ("ranker an counter", (7, 2), "does not go on"),
            ("grup:training", (0, 4), "nothing to select by"),
            ("group:", (6, 0), "missing"),
            ("ranker@2026-02-01", (6, 1), "no part of a name"),
            ("a, b", (1, 1), "no part of a name"),
            ("+", (1, 0), "stands alone"),
        ];
        for (text, at, says) in cases {
            let error = refused(text);
            assert_eq!(error.at, at, "{text}: {error:?}");
            assert!(error.message.contains(says), "{text}: {error:?}");
        }
        assert_eq!(refused("ranker an counter").hint, "did you mean `and`?");
        assert_eq!(refused("ranker AND counter").hint, "did you mean `and`?");
        assert_eq!(refused("grup:training").hint, "did you mean `group:`?");
    }

    #[test]
    fn no_depth_is_too_much() {
        assert!(refused(&"(".repeat(100_000)).message.contains("too deeply"));
        assert!(refused(&"not ".repeat(100_000)).message.contains("too deeply"));
    }

    /// Written back with every parenthesis.
    fn written(selection: &Selection) -> String {
        match selection {
            Selection::Word(By::Name, word) => word.text.clone(),
            Selection::Word(by, word) => format!("{}:{}", By::PREFIXES.iter().find(|(_, b)| b == by).unwrap().0, word.text),
            Selection::Upstreams(inner) => format!("+({})", written(inner)),
            Selection::Downstreams(inner) => format!("({})+", written(inner)),
            Selection::Not(inner) => format!("(not {})", written(inner)),
            Selection::And(a, b) => format!("({} and {})", written(a), written(b)),
            Selection::Or(a, b) => format!("({} or {})", written(a), written(b)),
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_inside_of_it(text in "[a-c+() :@é]{0,24}|((not|and|or|a|\\(|\\)|\\+b|group:x) ?){0,12}") {
            match parse(&text) {
                Ok(selection) => {
                    let again = written(&selection);
                    let reread = parse(&again).map(|s| written(&s));
                    prop_assert_eq!(reread, Ok(again));
                }
                Err(error) => {
                    prop_assert!(error.at.0 + error.at.1 <= text.len());
                    prop_assert!(text.is_char_boundary(error.at.0) && text.is_char_boundary(error.at.0 + error.at.1));
                }
            }
        }
    }
}
