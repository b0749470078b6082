//! Where the pieces of a KDL document stand in its text.
//!
//! The parser gives a property one span over name and value; this finds the value. Invariant: every span lies within the text and on
//! character boundaries.

use crate::source::{SourceId, Span, Spanned};
use kdl::{KdlEntry, KdlIdentifier};
use miette::SourceSpan;

/// One source text, as the place that spans point into.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page<'a> {
    pub source: SourceId,
    pub text: &'a str,
    /// Where pieces of what was parsed stand in the text, if that was squeezed.
    pub moved: &'a [(usize, usize)],
}

/// Where a value stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct ValuePlace {
    /// With its quotes and its type annotation.
    pub whole: Span,
    /// What is between the quotes; the whole literal where there are none, or nothing between them.
    pub inner: Span,
}

impl<'a> Page<'a> {
    pub fn new(source: SourceId, text: &'a str) -> Self {
        Self { source, text, moved: &[] }
    }

    /// The place in the text of a place in what was parsed.
    fn unsqueezed(&self, offset: usize) -> usize {
        match self.moved.partition_point(|(parsed, _)| *parsed <= offset).checked_sub(1) {
            Some(piece) => self.moved[piece].1 + (offset - self.moved[piece].0),
            None => offset,
        }
    }

    /// A span over a range of bytes, clipped to the text.
    pub fn span(&self, start: usize, end: usize) -> Span {
        let start = self.boundary(start);
        let end = self.boundary(end).max(start);
        Span { source: self.source, offset: start, len: end - start }
    }

    fn boundary(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }

    pub fn of(&self, span: SourceSpan) -> Span {
        let start = self.unsqueezed(span.offset());
        let end = match span.len() {
            0 => start,
            // What ends with a line does not reach to where the next one begins.
            length => self.unsqueezed(span.offset().saturating_add(length - 1)) + 1,
        };
        self.span(start, end)
    }

    pub fn under(&self, span: Span) -> &'a str {
        self.text.get(span.offset..span.offset + span.len).unwrap_or_default()
    }

    /// A name of a node or property, without the quotes that it may have.
    pub fn name(&self, identifier: &KdlIdentifier) -> Spanned<String> {
        Spanned::new(identifier.value().to_string(), self.unquoted(self.of(identifier.span())))
    }

    /// The place of an argument's or a property's value.
    pub fn value(&self, entry: &KdlEntry) -> ValuePlace {
        let entry_span = self.of(entry.span());
        let end = entry_span.offset + entry_span.len;
        let Some(format) = entry.format() else { return ValuePlace { whole: entry_span, inner: entry_span } };
        let start = match entry.name() {
            Some(name) => {
                let name = self.of(name.span());
                name.offset + name.len + format.after_key.len() + "=".len() + format.after_eq.len()
            }
            None => entry_span.offset,
        };
        let literal = self.span(end.saturating_sub(format.value_repr.len()), end);
        let literal = if self.under(literal) == format.value_repr { literal } else { entry_span };
        ValuePlace { whole: self.span(start, end), inner: self.unquoted(literal) }
    }

    fn unquoted(&self, span: Span) -> Span {
        let text = self.under(span);
        let hashes = text.bytes().take_while(|byte| *byte == b'#').count();
        let quotes = hashes + 1;
        let bare = text.get(hashes..text.len().saturating_sub(hashes)).unwrap_or_default();
        let quoted = bare.len() > 2 && bare.starts_with('"') && bare.ends_with('"') && !bare.starts_with("\"\"\"");
        if quoted { Span { offset: span.offset + quotes, len: span.len - 2 * quotes, ..span } } else { span }
    }
}
