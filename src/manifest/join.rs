//! `join` and the nodes that services and aggregations share: filters and the coverage of embeddings.

use super::grammar::{Argument, Child, Grammar, Kind, Property, words};
use super::node::Node;
use crate::catalog::declaration::{How, JoinDecl};

pub(super) const WHERE: Grammar = Grammar {
    name: "where",
    doc: "Keeps the rows for which an expression is true; several must all be true.",
    example: "where \"event IN ('view', 'like')\"",
    arguments: &[Argument::one("expression", Kind::Expression, "An SQL scalar expression.")],
    ..Grammar::EMPTY
};

pub(super) const REQUIRE_EMBEDDING: Grammar = Grammar {
    name: "require-embedding",
    doc: "Keeps the rows whose key has an embedding in a store.",
    example: "require-embedding \"artworks\"",
    arguments: &[Argument::many("stores", Kind::Reference, "Names that `embedding-store` defines.")],
    ..Grammar::EMPTY
};

const COLUMN: Grammar = Grammar {
    name: "column",
    doc: "A column that the join brings.",
    example: "column \"author_id\"",
    arguments: &[Argument::many("columns", Kind::Column, "Fields of the view.")],
    ..Grammar::EMPTY
};

pub(super) const ON: Grammar = Grammar {
    name: "on",
    doc: "The left side's columns, in the order of the keys, where they are called otherwise.",
    example: "on \"author_id\"",
    arguments: &[Argument::many("columns", Kind::Column, "Columns of the left side.")],
    ..Grammar::EMPTY
};

const HOW: [(&str, How); 2] = [("static", How::Static), ("as-of", How::AsOf)];
const HOW_WORDS: &[&str] = &words(&HOW);

pub(super) const JOIN: Grammar = Grammar {
    name: "join",
    doc: "Brings columns of a view: its one current row (static), or the last row before the left side's time (as-of).",
    example: "join \"artwork_properties\" how=\"static\" {\n    column \"author_id\"\n}",
    arguments: &[Argument::one("view", Kind::Reference, "The view that is joined.")],
    properties: &[
        Property::required("how", Kind::Word(HOW_WORDS), "Which of the view's rows it takes."),
        Property::optional("max-age", Kind::Duration, "How old an as-of row may be; the view's `ttl` without it."),
        Property::optional("on", Kind::Columns, "The left side's columns where they are called otherwise than the view's keys."),
        Property::optional("prefix", Kind::Column, "What the joined columns' names begin with."),
        Property::optional("inclusive", Kind::Flag, "Whether an as-of row of the very same time counts; #false without it."),
    ],
    children: &[Child::any(&COLUMN), Child::any(&ON)],
    ..Grammar::EMPTY
};

pub(super) fn join(node: &Node) -> Option<JoinDecl> {
    Some(JoinDecl {
        view: node.first()?,
        how: node.choice("how", &HOW)?,
        max_age: node.property_duration("max-age"),
        inclusive: node.flag("inclusive"),
        on: node.listed("on"),
        prefix: node.property_name("prefix"),
        columns: node.names("column"),
    })
}
