//! Walks KDL nodes along their grammars: what fits becomes checked nodes, what does not becomes diagnostics.
//!
//! Knows no particular node. Invariants: one cause, one diagnostic (a misspelt part is not reported missing as well); what is left out
//! of a checked node was reported.

use super::FILES;
use super::code;
use super::duplicate;
use super::grammar::{Count, Grammar, Kind, Repeat, Rule};
use super::node::{Node, Value};
use super::place::Page;
use super::value::{Fault, describe};
use crate::source::{Diagnostic, Span, Spanned, did_you_mean, suggestion};
use kdl::{KdlDocument, KdlEntry, KdlIdentifier, KdlNode};

/// Collects what is wrong in one file.
pub(super) struct Checker<'a> {
    page: Page<'a>,
    pub found: Vec<Diagnostic>,
}

/// One part of a node, as it was written: argument, property or node.
struct Part {
    name: &'static str,
    span: Span,
}

/// What a node was found to hold while it was walked, right or wrong.
#[derive(Default)]
struct Seen {
    parts: Vec<Part>,
    /// Names that mean nothing there, and so may be misspelt parts.
    unknown: Vec<String>,
}

impl Seen {
    fn part(&self, name: &str) -> Option<Span> {
        self.parts.iter().find(|part| part.name == name).map(|part| part.span)
    }

    fn has(&self, name: &str) -> bool {
        self.part(name).is_some()
    }

    /// Whether something stands there that was probably meant to be the part.
    fn misspelt(&self, name: &str) -> bool {
        self.unknown.iter().any(|unknown| did_you_mean(unknown, [name]).is_some())
    }

    fn lacks(&self, name: &str) -> bool {
        !self.has(name) && !self.misspelt(name)
    }

    fn add(&mut self, name: &'static str, span: Span) {
        self.parts.push(Part { name, span });
    }
}

impl<'a> Checker<'a> {
    pub fn new(page: Page<'a>) -> Self {
        Self { page, found: Vec::new() }
    }

    /// Checks a whole file, whose grammar is a node without a name of its own.
    pub fn document(&mut self, document: &'a KdlDocument, grammar: &'static Grammar) -> Node<'a> {
        let name = document.nodes().first().map_or(self.page.span(0, 0), |node| self.page.name(node.name()).span);
        let mut node = empty_node(grammar, Spanned::new(grammar.name.to_string(), name));
        let mut seen = Seen::default();
        node.children = self.children(document, grammar, &mut seen);
        self.missing(&node, &seen);
        node
    }

    fn node(&mut self, kdl: &'a KdlNode, grammar: &'static Grammar) -> Node<'a> {
        if let Some(annotation) = kdl.ty() {
            self.unknown_annotation(annotation, None);
        }
        let mut node = empty_node(grammar, self.page.name(kdl.name()));
        let mut seen = Seen::default();
        node.arguments = self.arguments(kdl, grammar, &mut seen);
        node.properties = self.properties(kdl, grammar, &mut seen);
        node.children = match kdl.children() {
            Some(block) if grammar.holds_nodes() => self.children(block, grammar, &mut seen),
            Some(block) => self.no_children(block, grammar),
            None => Vec::new(),
        };
        self.missing(&node, &seen);
        self.rules(&node, &seen);
        node
    }

    fn arguments(&mut self, kdl: &'a KdlNode, grammar: &'static Grammar, seen: &mut Seen) -> Vec<Option<Value<'a>>> {
        let mut arguments = Vec::new();
        for (position, entry) in kdl.entries().iter().filter(|entry| entry.name().is_none()).enumerate() {
            let Some(argument) = grammar.argument(position) else {
                self.too_many(entry, grammar);
                break;
            };
            seen.add(argument.name, self.page.value(entry).whole);
            let owner = if grammar.arguments.len() == 1 { kdl.name().value() } else { argument.name };
            arguments.push(self.value(entry, argument.kind, owner));
        }
        arguments
    }

    fn properties(&mut self, kdl: &'a KdlNode, grammar: &'static Grammar, seen: &mut Seen) -> Vec<(&'static str, Value<'a>)> {
        let mut properties = Vec::new();
        for (entry, key) in kdl.entries().iter().filter_map(|entry| Some((entry, entry.name()?))) {
            let key = self.page.name(key);
            let Some(property) = grammar.property(&key) else {
                self.unknown_property(&key, grammar);
                seen.unknown.push(key.value);
                continue;
            };
            if let Some(first) = seen.part(property.name) {
                self.repeated(&format!("`{}`", property.name), key.span, first);
                continue;
            }
            seen.add(property.name, key.span);
            properties.extend(self.value(entry, property.kind, property.name).map(|value| (property.name, value)));
        }
        properties
    }

    fn value(&mut self, entry: &'a KdlEntry, kind: Kind, owner: &str) -> Option<Value<'a>> {
        let place = self.page.value(entry);
        let annotation = entry.ty().map(KdlIdentifier::value);
        if let Some(wrong) = entry.ty().filter(|annotation| Some(annotation.value()) != kind.annotation()) {
            self.unknown_annotation(wrong, kind.annotation());
            return None;
        }
        match kind.fault(entry.value(), annotation.is_some()) {
            None => Some(Value { value: entry.value(), annotation, place, written: self.page.under(place.inner) }),
            Some(Fault::Type { hint }) => {
                let wanted = if annotation.is_some() { "a name in quotes" } else { kind.noun() };
                let message = format!("`{owner}` wants {wanted}, not {}", describe(entry.value()));
                self.found.push(Diagnostic::error(code::WRONG_TYPE, message, place.whole).hint(hint));
                None
            }
            Some(Fault::Value { message, hint }) => {
                self.found.push(Diagnostic::error(code::BAD_VALUE, message, place.inner).label(format!("in `{owner}`")).hint(hint));
                None
            }
        }
    }

    fn children(&mut self, block: &'a KdlDocument, grammar: &'static Grammar, seen: &mut Seen) -> Vec<Node<'a>> {
        let mut children = Vec::new();
        for kdl in block.nodes() {
            let name = self.page.name(kdl.name());
            let Some((child, repeat)) = known_child(grammar, &name) else {
                self.unknown_node(&name, grammar);
                seen.unknown.push(name.value);
                continue;
            };
            let clash = seen.part(child.name).filter(|_| repeat == Repeat::Once || grammar.property(child.name).is_some());
            if let Some(first) = clash {
                self.repeated(&format!("`{}`", child.name), name.span, first);
                continue;
            }
            seen.add(child.name, name.span);
            children.push(self.node(kdl, child));
        }
        duplicate::keep_first(grammar, children, &mut self.found)
    }

    /// One diagnostic for a whole block that should not be there.
    fn no_children(&mut self, block: &'a KdlDocument, grammar: &'static Grammar) -> Vec<Node<'a>> {
        if let Some(first) = block.nodes().first() {
            let name = self.page.name(first.name());
            let message = format!("{} holds no nodes", grammar.title());
            let hint = format!("write it without braces:{}", shown(grammar.example));
            self.found.push(Diagnostic::error(code::UNKNOWN_NODE, message, name.span).hint(hint));
        }
        Vec::new()
    }

    fn missing(&mut self, node: &Node<'a>, seen: &Seen) {
        let grammar = node.grammar;
        let arguments = grammar.arguments.iter().filter(|argument| argument.count != Count::Optional && !seen.has(argument.name));
        let properties = grammar.properties.iter().filter(|property| property.required && seen.lacks(property.name));
        let children = grammar.children.iter().filter(|child| child.required && seen.lacks(child.grammar.name));
        let lacking: Vec<String> = arguments
            .map(|argument| format!("its {}", argument.name))
            .chain(properties.map(|property| format!("`{}=`", property.name)))
            .chain(children.map(|child| format!("a node `{}`", child.grammar.name)))
            .collect();
        if !lacking.is_empty() {
            self.lacks(node, &lacking.join(" and "), for_example(grammar));
        }
    }

    fn lacks(&mut self, node: &Node<'a>, what: &str, hint: String) {
        let message = format!("{} lacks {what}", node.grammar.title());
        self.found.push(Diagnostic::error(code::MISSING, message, node.name.span).hint(hint));
    }

    /// Applies a node's rules up to the first that is broken: what breaks one often breaks others.
    fn rules(&mut self, node: &Node<'a>, seen: &Seen) {
        let before = self.found.len();
        for rule in node.grammar.rules {
            self.rule(rule, node, seen);
            if self.found.len() > before {
                return;
            }
        }
    }

    fn rule(&mut self, rule: &Rule, node: &Node<'a>, seen: &Seen) {
        let grammar = node.grammar;
        match rule {
            Rule::OneOf(what, parts) if parts.iter().all(|part| seen.lacks(part)) => {
                self.lacks(node, &format!("{what} (one of {})", parts.join(", ")), for_example(grammar));
            }
            Rule::OneOf(_, parts) | Rule::AtMostOne(parts) => self.at_most_one(node, parts, seen),
            Rule::Needs(part, needed) if seen.has(part) && seen.lacks(needed) => {
                self.lacks(node, &format!("`{needed}=`, which `{part}` needs"), property_hint(grammar, needed));
            }
            Rule::Unless(part, other) if seen.lacks(part) && seen.lacks(other) => {
                self.lacks(node, &format!("`{part}=`"), for_example(grammar))
            }
            Rule::Needs(..) | Rule::Unless(..) => {}
            Rule::Excludes(part, others, why) => self.excludes(part, others, why, seen),
        }
    }

    fn at_most_one(&mut self, node: &Node<'a>, parts: &[&str], seen: &Seen) {
        let mut given: Vec<&Part> = seen.parts.iter().filter(|part| parts.contains(&part.name)).collect();
        given.sort_by_key(|part| part.span.offset);
        given.dedup_by_key(|part| part.name);
        let [first, second, ..] = given[..] else { return };
        let message = format!("{} has both `{}` and `{}`", node.grammar.title(), first.name, second.name);
        let hint = "keep one of them";
        self.found.push(Diagnostic::error(code::CONFLICT, message, second.span).also(first.span, "the other one").hint(hint));
    }

    fn excludes(&mut self, part: &str, others: &[&str], why: &str, seen: &Seen) {
        let Some(span) = seen.part(part) else { return };
        for (other, place) in others.iter().filter_map(|other| Some((other, seen.part(other)?))) {
            let message = format!("`{other}` cannot stand beside `{part}`: {why}");
            let hint = format!("remove `{other}`");
            self.found.push(Diagnostic::error(code::CONFLICT, message, place).also(span, format!("because of `{part}`")).hint(hint));
        }
    }

    fn too_many(&mut self, entry: &KdlEntry, grammar: &'static Grammar) {
        let message = match grammar.arguments.len() {
            0 => format!("{} takes no value", grammar.title()),
            1 => format!("{} takes one value", grammar.title()),
            n => format!("{} takes {n} values", grammar.title()),
        };
        let hint = for_example(grammar);
        self.found.push(Diagnostic::error(code::TOO_MANY, message, self.page.value(entry).whole).label("one too many").hint(hint));
    }

    fn repeated(&mut self, what: &str, span: Span, first: Span) {
        let diagnostic = Diagnostic::error(code::REPEATED, format!("{what} stands twice"), span).label("again");
        self.found.push(diagnostic.also(first, "first here").hint("keep one of them"));
    }

    fn unknown_annotation(&mut self, annotation: &KdlIdentifier, permitted: Option<&str>) {
        let message = format!("the annotation `({})` means nothing here", annotation.value());
        let hint = match permitted {
            Some(permitted) => format!("here `({permitted})` may stand before a name in quotes"),
            None => "remove it; `(env)` may stand in `config`, `profile` and `run`, `(constant)` in `k=` and `max=`".to_string(),
        };
        let span = self.page.name(annotation).span;
        self.found.push(Diagnostic::error(code::UNKNOWN_ANNOTATION, message, span).hint(hint));
    }

    fn unknown_property(&mut self, key: &Spanned<String>, grammar: &'static Grammar) {
        let hint = match grammar.child(key) {
            Some(child) => format!("`{key}` is a node of its own, between the braces:{}", shown(child.grammar.example)),
            None if grammar.properties.is_empty() => format!("it has no properties; {}", for_example(grammar)),
            None => suggestion(key, grammar.property_names()),
        };
        let message = format!("{} has no property `{key}`", grammar.title());
        self.found.push(Diagnostic::error(code::UNKNOWN_PROPERTY, message, key.span).hint(hint));
    }

    fn unknown_node(&mut self, name: &Spanned<String>, grammar: &'static Grammar) {
        let hint = match grammar.property(name) {
            Some(property) => format!("`{name}` is a property of the node itself: {name}=… is {}", property.kind.noun()),
            None => match FILES.iter().find(|file| file.name != grammar.name && file.child(name).is_some()) {
                Some(file) => format!("`{name}` belongs into another file: {}", file.name),
                None => suggestion(name, grammar.child_names()),
            },
        };
        let message = format!("`{name}` is not known in {}", grammar.title());
        self.found.push(Diagnostic::error(code::UNKNOWN_NODE, message, name.span).hint(hint));
    }
}

/// An example on lines of its own, indented, so that it can be copied.
fn shown(example: &str) -> String {
    example.lines().map(|line| format!("\n  {line}")).collect()
}

fn for_example(grammar: &Grammar) -> String {
    format!("for example:{}", shown(grammar.example))
}

fn property_hint(grammar: &Grammar, name: &str) -> String {
    let doc = grammar.property(name).map_or("", |property| property.doc);
    format!("add `{name}=`: {doc}")
}

fn known_child(grammar: &'static Grammar, name: &str) -> Option<(&'static Grammar, Repeat)> {
    let known = grammar.child(name).map(|child| (child.grammar, child.repeat));
    known.or(grammar.free.map(|free| (free, Repeat::Distinct)))
}

fn empty_node<'a>(grammar: &'static Grammar, name: Spanned<String>) -> Node<'a> {
    Node { grammar, name, arguments: Vec::new(), properties: Vec::new(), children: Vec::new() }
}
