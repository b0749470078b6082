//! Source texts, spans into them, and what there is to say about a place: diagnostics.
//!
//! Knows nothing of KDL or of the terminal: `manifest` makes spans, `catalog` carries them about unseen, `report` draws them.
//! Invariant: a [`Span`] is a byte range of the text that [`Sources`] holds under its [`SourceId`].

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Which text a span lies in: an index into [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// A byte range of one source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub source: SourceId,
    pub offset: usize,
    pub len: usize,
}

/// A value and where it was written. Equality and ordering look at the value alone.
#[derive(Debug, Clone)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

impl<T> Spanned<T> {
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned::new(f(self.value), self.span)
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: fmt::Display> fmt::Display for Spanned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// One text that was read: its workspace-relative name and what it said.
#[derive(Debug, Clone)]
pub struct Source {
    pub name: String,
    pub text: Arc<str>,
}

/// All texts of a workspace, in the order in which they were read.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    texts: Vec<Source>,
}

impl Sources {
    /// Keeps a text and returns its id.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> SourceId {
        self.texts.push(Source { name: name.into(), text: text.into() });
        SourceId(self.texts.len() as u32 - 1)
    }

    pub fn get(&self, id: SourceId) -> &Source {
        &self.texts[id.0 as usize]
    }

    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        self.texts.iter().enumerate().map(|(i, s)| (SourceId(i as u32), s))
    }

    /// Line and column of a byte offset, both from 1; the column counts characters.
    pub fn line_column(&self, span: Span) -> (usize, usize) {
        let text = &self.get(span.source).text;
        let mut offset = span.offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &text[..offset];
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
    }
}

/// How bad it is. Errors keep a workspace from loading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// A span with a few words beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

/// One mistake (or warning): a stable code, a sentence, where, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Such as `daeda::manifest::unknown-node`.
    pub code: &'static str,
    pub severity: Severity,
    pub message: String,
    /// The first label is the place itself; the others are what it conflicts with.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Which bytes of the text at the place are meant, as that text reads: where they stand, only the language knows it is written in.
    pub part: Option<Range<usize>>,
}

impl Diagnostic {
    pub fn error(code: &'static str, message: impl Into<String>, span: Span) -> Self {
        let labels = vec![Label { span, text: String::new() }];
        Self { code, severity: Severity::Error, message: message.into(), labels, hint: None, part: None }
    }

    pub fn warning(code: &'static str, message: impl Into<String>, span: Span) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message, span) }
    }

    /// Says a few words at the place itself.
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.labels[0].text = text.into();
        self
    }

    /// Points at a second place.
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Points at a part of what the text at the place says.
    pub fn part(mut self, part: Option<Range<usize>>) -> Self {
        self.part = part;
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn span(&self) -> Span {
        self.labels[0].span
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The known name nearest to a mistyped one, if any is near enough to be meant.
pub fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest(wrong, known, 0.75)
}

/// Whether a name is all but one of the known ones: a slip of the pen rather than something of its own.
pub fn is_slip<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> bool {
    nearest(wrong, known, 0.9).is_some()
}

fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>, likeness: f64) -> Option<&'a str> {
    // Of short words Jaro and Winkler do not see that two letters changed places.
    let swapped = |name: &str| name.len() >= 3 && strsim::osa_distance(wrong, name) == 1;
    let score = |name: &str| strsim::jaro_winkler(wrong, name).max(if swapped(name) { 0.8 } else { 0.0 });
    let scored = known.into_iter().map(|name| (score(name), name));
    scored.filter(|(score, _)| *score > likeness).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// "did you mean …?", or the list of what is known where nothing is near.
pub fn suggestion<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match did_you_mean(wrong, known.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.clone().into_iter().next().is_none() => "none is declared here".into(),
        None => format!("known here: {}", listed(known)),
    }
}

/// "1 column", "2 columns".
pub fn counted(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

/// Names with commas between them; of very many the first.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const MOST: usize = 24;
    let names: Vec<&str> = names.into_iter().collect();
    match names.len() {
        0 => "none".into(),
        n if n > MOST => format!("{} and {} more", names[..MOST].join(", "), n - MOST),
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_line_and_a_column_in_characters() {
        let mut sources = Sources::default();
        let source = sources.add("a.kdl", "one\nzwölf drei\n");
        let span = Span { source, offset: "one\nzwölf ".len(), len: 4 };
        assert_eq!(sources.line_column(span), (2, 7));
    }

    #[test]
    fn a_typo_is_recognised_and_a_stranger_is_not() {
        assert_eq!(did_you_mean("skeletton", ["compile", "skeleton", "enrich"]), Some("skeleton"));
        assert_eq!(did_you_mean("zzz", ["compile", "skeleton"]), None);
    }
}
