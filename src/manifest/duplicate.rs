//! Two definitions of one name among the nodes of one block.
//!
//! Looks at one file only; names that clash across files are the catalog's. Invariant: the first definition is kept.

use super::code;
use super::grammar::{Grammar, Repeat};
use super::node::Node;
use crate::catalog::declaration::Name;
use crate::source::Diagnostic;

/// Removes and reports every node that defines a name which a node of its kind before it defines.
pub(super) fn keep_first<'a>(parent: &Grammar, nodes: Vec<Node<'a>>, found: &mut Vec<Diagnostic>) -> Vec<Node<'a>> {
    let mut kept: Vec<Node<'a>> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let name = defined(parent, &node);
        let same = |other: &&Node| other.grammar.name == node.grammar.name && defined(parent, other) == name;
        match name.as_ref().and_then(|_| kept.iter().find(same)).and_then(|first| defined(parent, first)) {
            Some(first) => found.extend(name.map(|second| clash(node.grammar, &second, &first))),
            None => kept.push(node),
        }
    }
    kept
}

/// The name that a node defines, if its kind defines any.
fn defined(parent: &Grammar, node: &Node) -> Option<Name> {
    match parent.child(node.grammar.name) {
        Some(child) if child.repeat == Repeat::Distinct => node.first(),
        Some(_) => None,
        None => Some(node.name.clone()),
    }
}

fn clash(grammar: &Grammar, second: &Name, first: &Name) -> Diagnostic {
    let what = grammar.name.trim_matches(['<', '>']);
    Diagnostic::error(code::DUPLICATE_NAME, format!("{what} `{second}` is defined twice"), second.span)
        .label("again")
        .also(first.span, "first here")
        .hint("rename or remove one of them")
}
