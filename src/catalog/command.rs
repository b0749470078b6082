//! What a `command` op runs: words with placeholders, inputs, sources and variables, resolved.
//!
//! Knows nothing of processes or of where anything lies: `rules` fills placeholders in. Invariants: a placeholder is `{name}`; other braces
//! stand for themselves, so that JSON and shell need no escapes, and `{{name}}` is the text `{name}`; a secret is known by its
//! variable's name alone.

use super::declaration::Every;
use super::quantity::Duration;
use crate::source::Span;
use serde::{Deserialize, Serialize};
use std::ops::Range;

#[derive(Debug, Clone)]
pub struct Command {
    /// The program, then its arguments.
    pub run: Vec<Word>,
    pub inputs: Vec<Input>,
    /// Files, as the manifest writes them.
    pub sources: Vec<String>,
    /// Names of the variables that it gets to see.
    pub environment: Vec<String>,
    /// Names of those that it gets to see and that are nobody else's business.
    pub secrets: Vec<String>,
}

/// An asset that a command reads.
#[derive(Debug, Clone)]
pub struct Input {
    pub asset: String,
    pub span: Span,
    /// How far before the end of the command's own period its periods are read; without it those that overlap.
    pub window: Option<Duration>,
}

/// One word of what is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    Text(Vec<Piece>),
    /// The value of a variable, which is nobody else's business.
    Secret(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Piece {
    Literal(String),
    Filled(Placeholder),
}

/// What stands for something that is known when the command runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placeholder {
    Output,
    OutputRoot,
    EnrichedOutputRoot,
    Asset,
    Op,
    Partition,
    /// Of the period's start, in strftime.
    Time(String),
    /// A file that lists the paths of an input, or of an op that this one needs.
    Input(String),
}

impl Placeholder {
    pub const NAMES: [&str; 10] =
        ["output", "output-root", "enriched-output-root", "asset", "op", "partition", "day", "hour", "year", "month"];

    /// What a name in braces stands for.
    pub fn parse(name: &str) -> Option<Self> {
        let time = |format: &str| Some(Self::Time(format.into()));
        match name {
            "output" => Some(Self::Output),
            "output-root" => Some(Self::OutputRoot),
            "enriched-output-root" => Some(Self::EnrichedOutputRoot),
            "asset" => Some(Self::Asset),
            "op" => Some(Self::Op),
            "partition" => Some(Self::Partition),
            "day" => time("%Y-%m-%d"),
            "hour" => time("%H"),
            "year" => time("%Y"),
            "month" => time("%m"),
            format if format.starts_with('%') => is_strftime(format).then(|| Self::Time(format.into())),
            other => other.strip_prefix("input.").filter(|name| !name.is_empty()).map(|name| Self::Input(name.into())),
        }
    }

    /// Whether it means something only where there are partitions.
    pub fn is_of_period(&self) -> bool {
        matches!(self, Self::Partition | Self::Time(_))
    }
}

fn is_strftime(format: &str) -> bool {
    !chrono::format::StrftimeItems::new(format).any(|item| item == chrono::format::Item::Error)
}

/// A name in braces that stands for nothing, and where it stands in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    pub name: String,
    pub at: Range<usize>,
}

/// Cuts a text at its placeholders.
pub fn pieces(text: &str) -> Result<Vec<(Piece, Range<usize>)>, Unknown> {
    let mut out = Vec::new();
    let (mut at, mut literal) = (0, 0);
    while let Some(open) = text[at..].find('{').map(|found| at + found) {
        if let Some(name) = name_after(text, open + 2).filter(|_| text[open..].starts_with("{{")) {
            let end = open + 2 + name.len();
            if text[end..].starts_with("}}") {
                push_literal(&mut out, text, literal..open);
                out.push((Piece::Literal(format!("{{{name}}}")), open..end + 2));
                (at, literal) = (end + 2, end + 2);
                continue;
            }
        }
        let Some(name) = name_after(text, open + 1) else {
            at = open + 1;
            continue;
        };
        let range = open..open + name.len() + 2;
        let placeholder = Placeholder::parse(name).ok_or_else(|| Unknown { name: name.into(), at: range.clone() })?;
        push_literal(&mut out, text, literal..open);
        (at, literal) = (range.end, range.end);
        out.push((Piece::Filled(placeholder), range));
    }
    push_literal(&mut out, text, literal..text.len());
    Ok(out)
}

fn push_literal(out: &mut Vec<(Piece, Range<usize>)>, text: &str, range: Range<usize>) {
    if !range.is_empty() {
        out.push((Piece::Literal(text[range.clone()].into()), range));
    }
}

/// What stands between here and the next closing brace, if it looks like a name.
fn name_after(text: &str, start: usize) -> Option<&str> {
    let rest = text.get(start..)?;
    let name = &rest[..rest.find('}')?];
    let is_time = name.starts_with('%');
    let starts_well = is_time || name.starts_with(char::is_alphabetic);
    let is_inner = |c: char| c.is_alphanumeric() || "_-.".contains(c) || (is_time && "%/: ".contains(c));
    (starts_well && name.chars().all(is_inner)).then_some(name)
}

impl Every {
    /// Where an asset's partitions of this cadence lie below it.
    pub fn directory_pattern(self) -> &'static str {
        match self {
            Self::Hour => "dt={day}/hr={hour}",
            Self::Day | Self::Week => "dt={day}",
            Self::Month => "dt={%Y-%m}",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::calendar::Cadence;
    use crate::catalog::pattern::{fill, partition_directory};

    fn parts(text: &str) -> Vec<Piece> {
        pieces(text).unwrap().into_iter().map(|(piece, _)| piece).collect()
    }

    fn literal(text: &str) -> Piece {
        Piece::Literal(text.into())
    }

    #[test]
    fn placeholders_are_found_where_they_stand() {
        assert_eq!(parts("{output}"), [Piece::Filled(Placeholder::Output)]);
        let input = Piece::Filled(Placeholder::Input("some-asset".into()));
        assert_eq!(parts("--in={input.some-asset}/x"), [literal("--in="), input, literal("/x")]);
        assert_eq!(parts("{day}T{%H:%M}").len(), 3);
        assert_eq!(pieces("--{outptu}"), Err(Unknown { name: "outptu".into(), at: 2..10 }));
        assert!(pieces("{%Q}").is_err());
        assert_eq!(parts(""), []);
    }

    #[test]
    fn other_braces_stand_for_themselves() {
        for text in [r#"{"a": {"b": 1}}"#, "{}", "{ output }", "{1..3}", "{a,b}", "{", "}", "a{b", "é{"] {
            assert_eq!(parts(text), [literal(text)], "{text}");
        }
        assert_eq!(parts("awk '{{print}}'"), [literal("awk '"), literal("{print}"), literal("'")]);
        assert_eq!(parts("${{HOME}}"), [literal("$"), literal("{HOME}")]);
    }

    #[test]
    fn patterns_of_assets_are_where_partitions_are_published() {
        for every in [Every::Hour, Every::Day, Every::Week, Every::Month] {
            let cadence = Cadence::utc(every);
            let start = cadence.start_of("2026-02-02").unwrap();
            assert_eq!(fill(every.directory_pattern(), &cadence, start), partition_directory(&cadence.key_at(start)));
        }
    }

    #[test]
    fn every_listed_name_is_one() {
        assert!(Placeholder::NAMES.iter().all(|name| Placeholder::parse(name).is_some()));
    }
}
