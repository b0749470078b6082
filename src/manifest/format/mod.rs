//! Formatting: a text in the one layout that all manifests have, saying what it said before.
//!
//! Works on tokens, not on the parser's tree, so that every comment stays where it was put and every value as it was written: [`tokens`]
//! cuts the text, [`nodes`] groups the tokens, [`lines`] lays them out. Knows no node's grammar. Invariants: the result has the same nodes
//! and the same comments as the text, and formatting it again changes nothing; a text that cannot be parsed is not formatted.

mod lines;
mod nodes;
mod tokens;

use super::place::Page;
use super::syntax;
use crate::source::{Diagnostic, SourceId, Sources};
use kdl::{KdlDocument, KdlEntry, KdlIdentifier, KdlNode};

/// Why a text is not formatted.
#[derive(Debug)]
pub enum FormatError {
    /// It is not KDL.
    Syntax(Vec<Diagnostic>),
    /// It would say something else afterwards: a bug of this module.
    Unsafe,
}

/// The text of a source in the common layout.
pub fn format(sources: &Sources, id: SourceId) -> Result<String, FormatError> {
    let text = &sources.get(id).text;
    let before = syntax::parse(Page::new(id, text)).map_err(FormatError::Syntax)?;
    let formatted = laid_out(text);
    let after = syntax::parse(Page::new(id, &formatted)).map_err(|_| FormatError::Unsafe)?;
    let is_same = same_document(&before, &after) && tokens::comments(text) == tokens::comments(&formatted);
    if is_same { Ok(formatted) } else { Err(FormatError::Unsafe) }
}

fn laid_out(text: &str) -> String {
    // Within a text, too, a line's end is the same whether it has a carriage return or not.
    lines::lay_out(&nodes::nodes(&text.trim_start_matches('\u{feff}').replace("\r\n", "\n")))
}

fn same_document(a: &KdlDocument, b: &KdlDocument) -> bool {
    a.nodes().len() == b.nodes().len() && a.nodes().iter().zip(b.nodes()).all(|(a, b)| same_node(a, b))
}

fn same_node(a: &KdlNode, b: &KdlNode) -> bool {
    let same_children = match (a.children(), b.children()) {
        (Some(a), Some(b)) => same_document(a, b),
        (None, None) => true,
        _ => false,
    };
    let entries = a.entries().len() == b.entries().len() && a.entries().iter().zip(b.entries()).all(|(a, b)| same_entry(a, b));
    same_children && entries && a.name().value() == b.name().value() && same_name(a.ty(), b.ty())
}

fn same_entry(a: &KdlEntry, b: &KdlEntry) -> bool {
    a.value() == b.value() && same_name(a.name(), b.name()) && same_name(a.ty(), b.ty())
}

fn same_name(a: Option<&KdlIdentifier>, b: Option<&KdlIdentifier>) -> bool {
    a.map(KdlIdentifier::value) == b.map(KdlIdentifier::value)
}
