//! The manifest language: KDL text → declarations, with the place of everything that other things refer to.
//!
//! Knows nothing of the disk or the engine, and does not resolve names: that an asset's service exists is the catalog's business.
//! Each kind of node has a [`grammar::Grammar`], a table; one walker checks nodes against the tables, small functions read
//! declarations out of what fits. Invariants: no input panics; all mistakes of a file are found in one run, in the order of the text;
//! one cause makes one diagnostic; a node with a mistake is left out or read as far as it goes. A span of a text covers what is
//! between its quotes, so that a place within an expression can be pointed at.

mod about;
mod aggregation;
mod asset;
mod check;
mod code;
mod daedalus;
mod duplicate;
mod format;
pub mod grammar;
mod join;
mod lexical;
mod node;
mod pipeline;
mod place;
mod runtime;
mod schedule;
mod service;
mod settings;
mod squeeze;
mod syntax;
#[cfg(test)]
mod tests;
mod validate;
mod value;
mod view;
mod written;

use crate::catalog::declaration::{AggregationsDecl, ManifestDecl, PipelineDecl, RuntimeDecl, ServiceDecl, ViewDecl};
use crate::source::{Diagnostic, SourceId, Sources};
pub use code::CODES;
pub use format::{FormatError, format};
use grammar::Grammar;
use node::Node;
use place::Page;
use validate::Checker;
pub use written::written;

/// The grammars of the six kinds of file.
pub const FILES: [&Grammar; 6] = [&daedalus::FILE, &view::FILE, &service::FILE, &runtime::FILE, &aggregation::FILE, &pipeline::FILE];

/// Reads `Daedalus.kdl`.
pub fn daedalus(sources: &Sources, id: SourceId) -> (ManifestDecl, Vec<Diagnostic>) {
    read(sources, id, &daedalus::FILE, daedalus::manifest)
}

/// Reads a file of `feature_views/`, which holds one or several views.
pub fn feature_view(sources: &Sources, id: SourceId) -> (Vec<ViewDecl>, Vec<Diagnostic>) {
    read(sources, id, &view::FILE, |file, _| view::views(file))
}

/// Reads a file of `feature_services/`, which holds one or several services.
pub fn feature_service(sources: &Sources, id: SourceId) -> (Vec<ServiceDecl>, Vec<Diagnostic>) {
    read(sources, id, &service::FILE, |file, _| service::services(file))
}

/// Reads `config/training/runtime.kdl`.
pub fn runtime(sources: &Sources, id: SourceId) -> (RuntimeDecl, Vec<Diagnostic>) {
    read(sources, id, &runtime::FILE, |file, _| runtime::runtime(file))
}

/// Reads `config/training/aggregations.kdl`.
pub fn aggregations(sources: &Sources, id: SourceId) -> (AggregationsDecl, Vec<Diagnostic>) {
    read(sources, id, &aggregation::FILE, aggregation::aggregations)
}

/// Reads a file of `config/pipelines/`.
pub fn pipelines(sources: &Sources, id: SourceId) -> (Vec<PipelineDecl>, Vec<Diagnostic>) {
    read(sources, id, &pipeline::FILE, |file, _| pipeline::pipelines(file))
}

fn read<T: Default>(
    sources: &Sources,
    id: SourceId,
    grammar: &'static Grammar,
    decode: impl FnOnce(&Node, &mut Vec<Diagnostic>) -> T,
) -> (T, Vec<Diagnostic>) {
    let page = Page::new(id, &sources.get(id).text);
    let (document, moved) = match syntax::parse_squeezed(page) {
        Ok(parsed) => parsed,
        Err(found) => return (T::default(), found),
    };
    let mut checker = Checker::new(Page { moved: &moved, ..page });
    let file = checker.document(&document, grammar);
    let mut found = checker.found;
    let decl = decode(&file, &mut found);
    found.sort_by_key(|diagnostic| diagnostic.span().offset);
    (decl, found)
}
