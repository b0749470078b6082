//! Nodes that were checked against their grammar, and how declarations are read out of them.
//!
//! Knows no grammar's content. Invariant: what was wrong is absent here and already reported, so reading needs no messages of its own:
//! a declaration that lacks something essential is `None` and is left out.

use super::grammar::Grammar;
use super::place::ValuePlace;
use crate::catalog::declaration::{Amount, Literal, Name, Text};
use crate::catalog::quantity::Duration;
use crate::source::{Span, Spanned};
use kdl::KdlValue;

/// A value that is what its place takes.
#[derive(Debug, Clone)]
pub(super) struct Value<'a> {
    pub value: &'a KdlValue,
    pub annotation: Option<&'a str>,
    pub place: ValuePlace,
    /// The source text at `place.inner`.
    pub written: &'a str,
}

/// A node with what was right in it.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub grammar: &'static Grammar,
    /// What the node is called in the file.
    pub name: Name,
    /// By position; `None` where the value was wrong.
    pub arguments: Vec<Option<Value<'a>>>,
    pub properties: Vec<(&'static str, Value<'a>)>,
    pub children: Vec<Node<'a>>,
}

impl<'a> Node<'a> {
    pub fn argument(&self, position: usize) -> Option<&Value<'a>> {
        self.arguments.get(position)?.as_ref()
    }

    /// The first argument, which names most nodes.
    pub fn first(&self) -> Option<Name> {
        self.argument(0).map(Value::name)
    }

    pub fn arguments(&self) -> impl Iterator<Item = &Value<'a>> {
        self.arguments.iter().flatten()
    }

    pub fn property(&self, name: &str) -> Option<&Value<'a>> {
        debug_assert!(self.grammar.property(name).is_some(), "`{}` has no property `{name}`", self.grammar.name);
        self.properties.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub fn children(&self, name: &str) -> impl Iterator<Item = &Node<'a>> {
        debug_assert!(self.grammar.child(name).is_some(), "`{}` has no node `{name}`", self.grammar.name);
        self.children.iter().filter(move |child| child.grammar.name == name)
    }

    pub fn child(&self, name: &str) -> Option<&Node<'a>> {
        self.children(name).next()
    }

    /// The one argument of a child: `ttl "90d"`.
    pub fn value(&self, child: &str) -> Option<&Value<'a>> {
        self.child(child)?.argument(0)
    }

    pub fn text(&self, child: &str) -> Option<String> {
        self.value(child).map(|value| value.name().value)
    }

    /// All arguments of all children of a name: `tags "a" "b"`.
    pub fn names(&self, child: &str) -> Vec<Name> {
        self.children(child).flat_map(Node::arguments).map(Value::name).collect()
    }

    /// What stands either as a property, `by="a b"`, or as a child, `by "a" "b"`.
    pub fn listed(&self, name: &str) -> Vec<Name> {
        let property = self.property(name).map(Value::words);
        property.unwrap_or_else(|| self.names(name))
    }

    pub fn property_name(&self, name: &str) -> Option<Name> {
        self.property(name).map(Value::name)
    }

    pub fn property_integer(&self, name: &str) -> Option<Spanned<u64>> {
        self.property(name)?.integer()
    }

    pub fn property_duration(&self, name: &str) -> Option<Spanned<Duration>> {
        self.property(name)?.read(Duration::parse)
    }

    pub fn flag(&self, name: &str) -> bool {
        self.property(name).is_some_and(|value| value.value.as_bool() == Some(true))
    }

    /// A property that is one of a table's words.
    pub fn choice<T: Copy>(&self, name: &str, table: &[(&str, T)]) -> Option<Spanned<T>> {
        self.property(name)?.choice(table)
    }

    /// The declarations of all children of a name that have what they need.
    pub fn decode<T>(&self, child: &str, decode: impl FnMut(&Node<'a>) -> Option<T>) -> Vec<T> {
        self.children(child).filter_map(decode).collect()
    }
}

impl Value<'_> {
    pub fn span(&self) -> Span {
        if self.annotation.is_some() { self.place.whole } else { self.place.inner }
    }

    fn string(&self) -> String {
        self.value.as_string().unwrap_or_default().to_string()
    }

    pub fn name(&self) -> Name {
        Spanned::new(self.string(), self.span())
    }

    pub fn text_or_env(&self) -> Spanned<Text> {
        let text = if self.annotation.is_some() { Text::Env(self.string()) } else { Text::Literal(self.string()) };
        Spanned::new(text, self.span())
    }

    pub fn integer(&self) -> Option<Spanned<u64>> {
        let number = u64::try_from(self.value.as_integer()?).ok()?;
        Some(Spanned::new(number, self.span()))
    }

    pub fn number(&self) -> Option<Spanned<f64>> {
        let number = self.value.as_float().or_else(|| self.value.as_integer().map(|integer| integer as f64))?;
        Some(Spanned::new(number, self.span()))
    }

    pub fn amount(&self) -> Option<Spanned<Amount>> {
        match self.annotation {
            Some(_) => Some(Spanned::new(Amount::Constant(self.string()), self.span())),
            None => self.integer().map(|count| count.map(Amount::Literal)),
        }
    }

    pub fn literal(&self) -> Option<Spanned<Literal>> {
        let literal = match self.value {
            KdlValue::Bool(value) => Literal::Bool(*value),
            KdlValue::Integer(value) => Literal::Int(*value),
            KdlValue::Float(value) => Literal::Float(*value),
            KdlValue::String(value) => Literal::Text(value.clone()),
            KdlValue::Null => return None,
        };
        Some(Spanned::new(literal, self.span()))
    }

    pub fn read<T>(&self, parse: impl Fn(&str) -> Option<T>) -> Option<Spanned<T>> {
        Some(Spanned::new(parse(self.value.as_string()?)?, self.span()))
    }

    pub fn choice<T: Copy>(&self, table: &[(&str, T)]) -> Option<Spanned<T>> {
        self.read(|word| table.iter().find(|(known, _)| *known == word).map(|(_, value)| *value))
    }

    /// The words of a text, each with its own place.
    pub fn words(&self) -> Vec<Name> {
        let text = self.value.as_string().unwrap_or_default();
        // With escapes in it the text is not what stands in the file, so its words cannot be found there.
        let exact = text == self.written;
        let place = |word: &str| match exact {
            true => Span {
                offset: self.place.inner.offset + (word.as_ptr() as usize - text.as_ptr() as usize),
                len: word.len(),
                ..self.place.inner
            },
            false => self.place.inner,
        };
        text.split_whitespace().map(|word| Spanned::new(word.to_string(), place(word))).collect()
    }
}
