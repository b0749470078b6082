//! `feature-service`: a spine of rows, what is joined, aggregated and embedded onto it, and the columns that come out.

use super::about::DESCRIPTION;
use super::grammar::{Argument, Child, Grammar, Kind, Property, words};
use super::join::{JOIN, REQUIRE_EMBEDDING, WHERE, join};
use super::node::Node;
use crate::catalog::declaration::{ColumnDecl, KeepDecl, NamedColumnDecl, ServiceDecl, SessionKind, SessionsDecl, SpineDecl};
use crate::catalog::types::DataType;

const SESSION_KIND: [(&str, SessionKind); 2] = [("view-only", SessionKind::ViewOnly), ("single-like", SessionKind::SingleLike)];
const SESSION_WORDS: &[&str] = &words(&SESSION_KIND);

const DROP: Grammar = Grammar {
    name: "drop",
    doc: "A kind of session that is left out: without any like (view-only), or with exactly one (single-like).",
    example: "drop \"view-only\"",
    arguments: &[Argument::many("kinds", Kind::Word(SESSION_WORDS), "Kinds of session.")],
    ..Grammar::EMPTY
};

const LIKES: Grammar = Grammar {
    name: "likes",
    doc: "Which events of a session count as likes.",
    example: "likes \"event = 'like'\"",
    arguments: &[Argument::one("expression", Kind::Expression, "An SQL scalar expression.")],
    ..Grammar::EMPTY
};

const SESSIONS: Grammar = Grammar {
    name: "sessions",
    doc: "Leaves out whole sessions by what happened in them.",
    example: "sessions \"feed_session\" {\n    drop \"view-only\"\n    likes \"event = 'like'\"\n}",
    arguments: &[Argument::one("column", Kind::Column, "The column that tells sessions apart.")],
    children: &[Child::any(&DROP), Child::required(&LIKES)],
    ..Grammar::EMPTY
};

const SPINE: Grammar = Grammar {
    name: "spine",
    doc: "The view whose rows become training rows, and which of them.",
    example: "spine \"feed_events\" {\n    where \"event IN ('view', 'like')\"\n}",
    arguments: &[Argument::one("view", Kind::Reference, "A view with a timestamp.")],
    children: &[Child::any(&WHERE), Child::any(&REQUIRE_EMBEDDING), Child::once(&SESSIONS)],
    ..Grammar::EMPTY
};

const KEEP: Grammar = Grammar {
    name: "keep",
    doc: "One filter, with a name for the counts of rows kept and dropped.",
    example: "keep \"content\" where=\"rating <= 2\"",
    arguments: &[Argument::one("name", Kind::Name, "What metadata calls it.")],
    properties: &[Property::required("where", Kind::Expression, "The expression that kept rows meet.")],
    ..Grammar::EMPTY
};

const CURATE: Grammar = Grammar {
    name: "curate",
    doc: "Filters of rows after aggregation, in this order, so that dropped rows still count in histories.",
    example: "curate {\n    keep \"content\" where=\"rating <= 2\"\n}",
    children: &[Child::distinct(&KEEP)],
    ..Grammar::EMPTY
};

const ROLLING: Grammar = Grammar {
    name: "rolling",
    doc: "Aggregations that are computed for each row, as of its time.",
    example: "rolling \"user_like_count\" \"artwork_like_count\"",
    arguments: &[Argument::many("aggregations", Kind::Reference, "Names that `aggregation` defines.")],
    ..Grammar::EMPTY
};

const EMBED: Grammar = Grammar {
    name: "embed",
    doc: "Embeddings that are looked up or pooled for each row.",
    example: "embed \"image_embedding\"",
    arguments: &[Argument::many("embeddings", Kind::Reference, "Names that `embedding` defines.")],
    ..Grammar::EMPTY
};

const REST: Grammar =
    Grammar { name: "*", doc: "All other columns, in operator order, with their own types.", example: "*", ..Grammar::EMPTY };

const COLUMN: Grammar = Grammar {
    name: "<column>",
    doc: "A column of the result, called by the node's name.",
    example: "label \"bool\" expr=\"event = 'like'\"",
    arguments: &[Argument::one("type", Kind::Type, "The column's type.")],
    properties: &[
        Property::optional("expr", Kind::Expression, "How it is computed; without it the column of its name is taken."),
        Property::optional("default", Kind::Literal, "What stands instead of null; \"[]\" is the empty list."),
        Property::optional("nullable", Kind::Flag, "Whether it may be null."),
    ],
    ..Grammar::EMPTY
};

const COLUMNS: Grammar = Grammar {
    name: "columns",
    doc: "The contract: the result's columns in order, with types, defaults and nullability.",
    example: "columns {\n    user_id \"int64\"\n    label \"bool\" expr=\"event = 'like'\"\n}",
    children: &[Child::once(&REST)],
    free: Some(&COLUMN),
    ..Grammar::EMPTY
};

const SERVICE: Grammar = Grammar {
    name: "feature-service",
    doc: "What a training row holds: a spine, what is joined, aggregated and embedded onto it, and the columns that come out.",
    example: "feature-service \"dssm_ranking\" version=1 {\n    spine \"feed_events\"\n    columns {\n        user_id \"int64\"\n        *\n    }\n}",
    arguments: &[Argument::one("name", Kind::Name, "What assets call it.")],
    properties: &[
        Property::optional("version", Kind::Integer(1, u64::MAX), "The contract's version, for its readers; 1 without it."),
        Property::optional("owner", Kind::Text, "Who answers for it."),
        Property::optional("grain", Kind::Text, "What one row stands for, such as an impression."),
    ],
    children: &[
        Child::once(&DESCRIPTION),
        Child::required(&SPINE),
        Child::any(&JOIN),
        Child::once(&CURATE),
        Child::any(&ROLLING),
        Child::any(&EMBED),
        Child::once(&COLUMNS),
    ],
    ..Grammar::EMPTY
};

pub(super) const FILE: Grammar = Grammar {
    name: "feature_services/*.kdl",
    doc: "What training rows hold, one file per service; a file may hold several.",
    example: "feature-service \"dssm_ranking\" {\n    spine \"feed_events\"\n}",
    children: &[Child::distinct(&SERVICE)],
    ..Grammar::EMPTY
};

pub(super) fn services(file: &Node) -> Vec<ServiceDecl> {
    file.decode("feature-service", service)
}

fn service(node: &Node) -> Option<ServiceDecl> {
    let text = |name| node.property_name(name).map(|text| text.value);
    Some(ServiceDecl {
        name: node.first()?,
        version: node.property_integer("version"),
        owner: text("owner"),
        grain: text("grain"),
        description: node.text("description"),
        spine: spine(node.child("spine")?)?,
        joins: node.decode("join", join),
        curate: node.child("curate").map(|curate| curate.decode("keep", keep)).unwrap_or_default(),
        rolling: node.names("rolling"),
        embed: node.names("embed"),
        columns: node.child("columns").map(|columns| columns.children.iter().filter_map(column).collect()).unwrap_or_default(),
    })
}

fn spine(node: &Node) -> Option<SpineDecl> {
    Some(SpineDecl {
        view: node.first()?,
        filters: node.names("where"),
        require_embedding: node.names("require-embedding"),
        sessions: node.child("sessions").and_then(sessions),
    })
}

fn sessions(node: &Node) -> Option<SessionsDecl> {
    let kinds = node.children("drop").flat_map(Node::arguments);
    Some(SessionsDecl {
        column: node.first()?,
        drop: kinds.filter_map(|kind| kind.choice(&SESSION_KIND)).collect(),
        likes: node.value("likes")?.name(),
    })
}

fn keep(node: &Node) -> Option<KeepDecl> {
    Some(KeepDecl { name: node.first()?, filter: node.property_name("where")? })
}

fn column(node: &Node) -> Option<ColumnDecl> {
    if node.grammar.name == REST.name {
        return Some(ColumnDecl::Rest(node.name.span));
    }
    Some(ColumnDecl::Named(NamedColumnDecl {
        name: node.name.clone(),
        data_type: node.argument(0)?.read(DataType::parse)?,
        expr: node.property_name("expr"),
        default: node.property("default").and_then(|value| value.literal()),
        nullable: node.flag("nullable"),
    }))
}
