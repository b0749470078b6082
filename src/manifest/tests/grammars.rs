//! The tables themselves.

use super::super::grammar::{Grammar, Kind, Rule};
use super::super::validate::Checker;
use super::super::{CODES, FILES, Page, syntax};
use crate::source::SourceId;
use std::collections::BTreeSet;

fn all() -> Vec<&'static Grammar> {
    let mut todo = FILES.to_vec();
    let mut all: Vec<&'static Grammar> = Vec::new();
    while let Some(grammar) = todo.pop() {
        todo.extend(grammar.children.iter().map(|child| child.grammar).chain(grammar.free));
        all.push(grammar);
    }
    all
}

#[test]
fn every_example_is_valid_by_its_grammar() {
    for grammar in all() {
        let page = Page::new(SourceId(0), grammar.example);
        let document = syntax::parse(page).unwrap_or_else(|found| panic!("{}: {found:?}", grammar.name));
        let children = [super::super::grammar::Child::any(grammar)].into();
        let parent: &'static Grammar = match grammar.name {
            name if name.ends_with(".kdl") => grammar,
            name if name.starts_with('<') => Box::leak(Box::new(Grammar { free: Some(grammar), ..Grammar::EMPTY })),
            _ => Box::leak(Box::new(Grammar { children: Vec::leak(children), ..Grammar::EMPTY })),
        };
        let mut checker = Checker::new(page);
        checker.document(&document, parent);
        assert!(checker.found.is_empty(), "{}: {:?}", grammar.name, checker.found);
    }
}

#[test]
fn every_part_is_documented_in_a_sentence() {
    for grammar in all() {
        let arguments = grammar.arguments.iter().map(|argument| argument.doc);
        let properties = grammar.properties.iter().map(|property| property.doc);
        for doc in arguments.chain(properties).chain([grammar.doc]) {
            assert!(doc.ends_with('.') && doc.starts_with(|c: char| c.is_uppercase()), "{}: {doc}", grammar.name);
        }
    }
}

#[test]
fn parts_of_a_node_are_told_apart_by_name() {
    for grammar in all() {
        let names: Vec<&str> = grammar.arguments.iter().map(|a| a.name).chain(grammar.properties.iter().map(|p| p.name)).collect();
        assert_eq!(names.len(), names.iter().collect::<BTreeSet<_>>().len(), "{}", grammar.name);
        let children: Vec<&str> = grammar.child_names().collect();
        assert_eq!(children.len(), children.iter().collect::<BTreeSet<_>>().len(), "{}", grammar.name);
        assert!(grammar.arguments.iter().all(|argument| !children.contains(&argument.name)), "{}", grammar.name);
    }
}

#[test]
fn rules_speak_of_parts_that_exist() {
    for grammar in all() {
        let knows = |part: &&str| {
            grammar.arguments.iter().any(|argument| argument.name == *part)
                || grammar.property(part).is_some()
                || grammar.child(part).is_some()
        };
        for rule in grammar.rules {
            let parts: Vec<&str> = match rule {
                Rule::OneOf(_, parts) | Rule::AtMostOne(parts) => parts.to_vec(),
                Rule::Needs(a, b) | Rule::Unless(a, b) => vec![a, b],
                Rule::Excludes(part, others, _) => others.iter().copied().chain([*part]).collect(),
            };
            assert!(parts.iter().all(knows), "{}: {rule:?}", grammar.name);
        }
    }
}

#[test]
fn names_of_defined_things_come_first() {
    for child in all().iter().flat_map(|grammar| grammar.children) {
        if child.repeat == super::super::grammar::Repeat::Distinct {
            let kind = child.grammar.arguments[0].kind;
            assert!(matches!(kind, Kind::Name | Kind::Reference | Kind::Column), "{}", child.grammar.name);
        }
    }
}

#[test]
fn every_code_has_a_page_of_its_own() {
    let names: BTreeSet<&str> = CODES.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), CODES.len());
    for (name, page) in CODES {
        assert!(name.starts_with("daeda::manifest::") && page.len() > 80 && page.ends_with('.'), "{name}");
    }
}
