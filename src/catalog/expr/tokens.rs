//! The lexical side of expressions: the SQL dialect that they are written in, and where in the text its tokens lie.
//!
//! Knows nothing of our tree. Two things differ from plain SQL: double quotes are always names, and a cast takes the manifest's types
//! (`CAST(x AS timestamp<ms>)`), which are handed on as one word.

use super::Place;
use crate::catalog::types::TimeUnit;
use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer, TokenizerError, Word};
use std::collections::VecDeque;

/// SQL's scalar expressions, and nothing of any database.
#[derive(Debug)]
pub(super) struct Scalars;

impl Dialect for Scalars {
    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_'
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"'
    }

    fn supports_boolean_literals(&self) -> bool {
        true
    }
}

/// The tokens of a text, those of a type (`double precision`, `timestamp<ms, UTC>`) as one quoted word: a type name to the parser.
pub(super) fn tokenize(text: &str) -> Result<Vec<TokenWithSpan>, TokenizerError> {
    let all = Tokenizer::new(&Scalars, text).tokenize_with_location()?;
    let mut rest = all.into_iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect::<VecDeque<_>>();
    let mut tokens = Vec::with_capacity(rest.len());
    while let Some(token) = rest.pop_front() {
        let type_follows = token.token == Token::DoubleColon || is_word(&token, Keyword::AS);
        tokens.push(token);
        if type_follows && let Some(length) = type_length(&rest) {
            tokens.push(merge(rest.drain(..length)));
        }
    }
    Ok(tokens)
}

fn is_word(token: &TokenWithSpan, keyword: Keyword) -> bool {
    matches!(&token.token, Token::Word(word) if word.keyword == keyword && word.quote_style.is_none())
}

/// How many tokens the type has that begins here.
fn type_length(tokens: &VecDeque<TokenWithSpan>) -> Option<usize> {
    let first = tokens.front().filter(|first| matches!(&first.token, Token::Word(word) if word.quote_style.is_none()))?;
    if is_word(first, Keyword::DOUBLE) && tokens.get(1).is_some_and(|second| is_word(second, Keyword::PRECISION)) {
        return Some(2);
    }
    if is_word(first, Keyword::TIMESTAMP) && unit_follows(tokens) {
        return tokens.iter().position(|token| token.token == Token::Gt).map(|last| last + 1);
    }
    Some(1)
}

/// Whether `<ms>` or `<ms, …>` follows, rather than a comparison.
fn unit_follows(tokens: &VecDeque<TokenWithSpan>) -> bool {
    let [less, unit, end] = [1, 2, 3].map(|n| tokens.get(n).map(|token| &token.token));
    let is_unit = matches!(unit, Some(Token::Word(word)) if TimeUnit::parse(&word.value).is_some());
    less == Some(&Token::Lt) && is_unit && matches!(end, Some(Token::Gt | Token::Comma))
}

fn merge(tokens: impl Iterator<Item = TokenWithSpan>) -> TokenWithSpan {
    let (mut value, mut span) = (String::new(), Span::empty());
    for TokenWithSpan { token, span: here } in tokens {
        let text = token.to_string();
        value += if value.is_empty() { text.to_ascii_lowercase() } else { text }.as_str();
        span = span.union(&here);
    }
    TokenWithSpan { token: Token::Word(Word { value, quote_style: Some('"'), keyword: Keyword::NoKeyword }), span }
}

/// A bound of how deep the tree of these tokens is, found before there is a tree that could overflow the stack.
///
/// Groups (parentheses, `CASE`) lie within one another. In a group, `AND` and `OR` make a chain, other operators a term of it.
pub(super) fn depth(tokens: &[TokenWithSpan]) -> usize {
    let (mut groups, mut deepest) = (vec![Group::default()], 0);
    for token in tokens {
        let words = [Keyword::AND, Keyword::OR, Keyword::CASE, Keyword::END, Keyword::WHEN, Keyword::THEN, Keyword::ELSE];
        let word = words.into_iter().find(|word| is_word(token, *word));
        let Some(group) = groups.last_mut() else { return deepest };
        match (word, &token.token) {
            (Some(Keyword::AND | Keyword::OR), _) => *group = Group { chain: group.chain + 1, term: 0 },
            (Some(Keyword::WHEN | Keyword::THEN | Keyword::ELSE), _) | (_, Token::Comma) => *group = Group::default(),
            (Some(Keyword::CASE), _) | (_, Token::LParen) => {
                group.term += 1;
                groups.push(Group::default());
            }
            (Some(Keyword::END), _) | (_, Token::RParen) => drop(groups.pop()),
            (_, Token::SingleQuotedString(_) | Token::Number(..)) => {}
            (_, Token::Word(word)) if word.keyword == Keyword::NoKeyword => {}
            _ => group.term += 1,
        }
        deepest = deepest.max(groups.iter().map(|group| group.chain + group.term).sum());
    }
    deepest
}

#[derive(Default)]
struct Group {
    chain: usize,
    term: usize,
}

/// Turns the lines and columns of the tokenizer into bytes of the text.
pub(super) struct Places<'t> {
    pub(super) text: &'t str,
    /// The byte at which each character begins, and the end.
    bytes: Vec<usize>,
    /// The character with which each line begins.
    lines: Vec<usize>,
}

impl<'t> Places<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let bytes = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let after_breaks = text.chars().enumerate().filter(|(_, c)| *c == '\n').map(|(at, _)| at + 1);
        Self { text, bytes, lines: std::iter::once(0).chain(after_breaks).collect() }
    }

    pub(super) fn of(&self, span: Span) -> Option<Place> {
        let start = self.offset(span.start)?;
        Some(Place::between(start, self.offset(span.end).unwrap_or(start)))
    }

    /// Of a position alone: the word or sign that begins there, or the empty place at the end.
    pub(super) fn at(&self, location: Location) -> Option<Place> {
        let start = self.offset(location)?;
        let rest = &self.text[start..];
        let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let len = if word > 0 { word } else { rest.chars().next().map_or(0, char::len_utf8) };
        Some(Place { offset: start, len })
    }

    /// Lines and columns count from 1, columns in characters.
    fn offset(&self, location: Location) -> Option<usize> {
        let (line, column) = (location.line.checked_sub(1)? as usize, location.column.checked_sub(1)? as usize);
        let character = self.lines.get(line)? + column;
        Some(self.bytes.get(character).copied().unwrap_or(self.text.len()))
    }
}
