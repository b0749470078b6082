//! Two definitions of one name among the nodes of one block.
//!
//! Looks at one file only; names that clash across files are the catalog's. Invariant: the first definition is kept.

use super::code;
use super::grammar::{Grammar, Repeat};
use super::node::Node;
use crate::catalog::declaration::Name;
use crate::source::{Diagnostic, Span, Spanned};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Removes and reports every node that defines a name which a node of its kind before it defines.
pub(super) fn keep_first<'a>(parent: &Grammar, nodes: Vec<Node<'a>>, found: &mut Vec<Diagnostic>) -> Vec<Node<'a>> {
    let mut kept: Vec<Node<'a>> = Vec::with_capacity(nodes.len());
    let mut first: HashMap<(&str, String), Span> = HashMap::new();
    for node in nodes {
        let Some(name) = defined(parent, &node) else {
            kept.push(node);
            continue;
        };
        match first.entry((node.grammar.name, name.value.clone())) {
            Entry::Occupied(first) => {
                let first = Spanned::new(name.value.clone(), *first.get());
                found.push(clash(node.grammar, &name, &first));
            }
            Entry::Vacant(free) => {
                free.insert(name.span);
                kept.push(node);
            }
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
