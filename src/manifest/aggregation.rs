//! `config/training/aggregations.kdl`: aggregations, embedding stores and embeddings.
//!
//! Knows which functions can be written, not what they compute; which options suit a function is the catalog's to say.

use super::code;
use super::grammar::{Argument, Child, Grammar, Kind, Property, Rule, words};
use super::join::{JOIN, ON, REQUIRE_EMBEDDING, WHERE, join};
use super::node::Node;
use crate::catalog::declaration::{AggregationDecl, AggregationsDecl, EmbeddingDecl, EmbeddingKind, FunctionDecl, Name, Pool, StoreDecl};
use crate::catalog::quantity::Window;
use crate::source::{Diagnostic, Spanned};

const BY: Grammar = Grammar {
    name: "by",
    doc: "The columns that a history is kept by.",
    example: "by \"user_id\" \"author_id\"",
    arguments: &[Argument::many("columns", Kind::Column, "Columns of the view or of its joins.")],
    ..Grammar::EMPTY
};

const COUNT: Grammar = Grammar { name: "count", doc: "The number of rows in the window.", example: "count", ..Grammar::EMPTY };

const TIME_SINCE_LAST: Grammar = Grammar {
    name: "time-since-last",
    doc: "The seconds since the last row in the window, null without one.",
    example: "time-since-last",
    ..Grammar::EMPTY
};

const COLUMN: &[Argument] = &[Argument::one("column", Kind::Column, "The column that it looks at.")];

const OPTIONS: &[Property] = &[
    Property::optional("k", Kind::Amount, "How many values a list of first or last ones keeps."),
    Property::optional("distinct", Kind::Flag, "Whether such a list holds no value twice."),
    Property::optional("flatten", Kind::Flag, "Whether the elements of lists are looked at, not the lists."),
    Property::optional("max", Kind::Amount, "How many of the newest distinct values are kept."),
];

/// The grammar of a function of one column.
const fn of_column(name: &'static str, doc: &'static str, example: &'static str) -> Grammar {
    Grammar { name, doc, example, arguments: COLUMN, properties: OPTIONS, ..Grammar::EMPTY }
}

const COUNT_DISTINCT: Grammar = of_column("count-distinct", "The number of different values.", "count-distinct \"artwork_id\"");
const SUM: Grammar = of_column("sum", "The sum of the values.", "sum \"weight\"");
const MEAN: Grammar = of_column("mean", "The mean of the values.", "mean \"aes_score\"");
const MIN: Grammar = of_column("min", "The least value.", "min \"aes_score\"");
const MAX: Grammar = of_column("max", "The greatest value.", "max \"aes_score\"");
const VAR: Grammar = of_column("var", "The sample variance of the values.", "var \"aes_score\"");
const STDDEV: Grammar = of_column("stddev", "The sample standard deviation of the values.", "stddev \"aes_score\"");
const FIRST: Grammar = of_column("first", "The oldest value; with `k=` the list of the oldest ones.", "first \"artwork_id\"");
const LAST: Grammar = of_column("last", "The newest value; with `k=` the list of the newest ones.", "last \"artwork_id\" k=32");
const DISTINCT: Grammar = of_column("distinct", "The list of the different values.", "distinct \"tack_ids\" flatten=#true max=64");

const RATIO: Grammar = Grammar {
    name: "ratio",
    doc: "One aggregation divided by another, window by window.",
    example: "ratio \"user_like_count\" \"user_view_count\"",
    arguments: &[
        Argument::one("numerator", Kind::Reference, "An aggregation."),
        Argument::one("denominator", Kind::Reference, "Another one, of the same keys."),
    ],
    ..Grammar::EMPTY
};

const FUNCTIONS: &[&str] =
    &["count", "count-distinct", "sum", "mean", "min", "max", "var", "stddev", "first", "last", "distinct", "time-since-last", "ratio"];

const BACKWARD: bool = false;
const DIRECTION: [(&str, bool); 2] = [("backward", BACKWARD), ("forward", !BACKWARD)];
const DIRECTION_WORDS: &[&str] = &words(&DIRECTION);

const WINDOWS: Grammar = Grammar {
    name: "windows",
    doc: "How far back the aggregation looks; every window makes a column `<name>_<window>`, `lifetime` alone `<name>`.",
    example: "windows \"1d\" \"7d\"",
    arguments: &[Argument::many("windows", Kind::Window, "Durations, or lifetime.")],
    properties: &[
        Property::optional("offset", Kind::Duration, "How long before the row's time the window ends; at it without it."),
        Property::optional("direction", Kind::Word(DIRECTION_WORDS), "Whether it looks back, or ahead (for labels); backward without it."),
    ],
    ..Grammar::EMPTY
};

const AGGREGATION: Grammar = Grammar {
    name: "aggregation",
    doc: "A function over the history of each key, in windows before the time of the row that asks.",
    example: "aggregation \"user_like_count\" view=\"feed_events\" by=\"user_id\" {\n    count\n    windows \"1d\" \"7d\"\n}",
    arguments: &[Argument::one("name", Kind::Name, "What services call it, and what its columns' names begin with.")],
    properties: &[
        Property::optional("view", Kind::Reference, "The view whose rows make the history."),
        Property::optional("by", Kind::Columns, "The columns that a history is kept by, with spaces between them."),
        Property::optional("on", Kind::Columns, "The spine's columns where they are called otherwise than those of `by`."),
    ],
    children: &[
        Child::any(&BY),
        Child::any(&ON),
        Child::any(&WHERE),
        Child::any(&REQUIRE_EMBEDDING),
        Child::any(&JOIN),
        Child::once(&COUNT),
        Child::once(&COUNT_DISTINCT),
        Child::once(&SUM),
        Child::once(&MEAN),
        Child::once(&MIN),
        Child::once(&MAX),
        Child::once(&VAR),
        Child::once(&STDDEV),
        Child::once(&FIRST),
        Child::once(&LAST),
        Child::once(&DISTINCT),
        Child::once(&TIME_SINCE_LAST),
        Child::once(&RATIO),
        Child::required(&WINDOWS),
    ],
    rules: &[
        Rule::OneOf("a function", FUNCTIONS),
        Rule::Unless("view", "ratio"),
        Rule::Excludes("ratio", &["view", "by", "on", "where", "require-embedding", "join"], "a ratio takes it from its parts"),
    ],
    ..Grammar::EMPTY
};

const STORE: Grammar = Grammar {
    name: "embedding-store",
    doc: "A view of vectors that can be looked up by a key.",
    example: "embedding-store \"artworks\" view=\"artwork_embeddings\" key=\"artwork_id\" vector=\"embedding\"",
    arguments: &[Argument::one("name", Kind::Name, "What embeddings and `require-embedding` call it.")],
    properties: &[
        Property::required("view", Kind::Reference, "The view that holds the vectors."),
        Property::required("key", Kind::Column, "The column to look up by."),
        Property::required("vector", Kind::Column, "The column of vectors."),
    ],
    ..Grammar::EMPTY
};

const POOL: [(&str, Pool); 3] = [("mean", Pool::Mean), ("sum", Pool::Sum), ("max", Pool::Max)];
const POOL_WORDS: &[&str] = &words(&POOL);

const EMBEDDING: Grammar = Grammar {
    name: "embedding",
    doc: "A column of vectors: one looked up by an id, or several pooled over a list of ids.",
    example: "embedding \"image_embedding\" store=\"artworks\" lookup=\"artwork_id\"",
    arguments: &[Argument::one("name", Kind::Name, "What services call it, and the name of its column.")],
    properties: &[
        Property::required("store", Kind::Reference, "The store that holds the vectors."),
        Property::optional("lookup", Kind::Column, "The column that holds the id."),
        Property::optional("pool", Kind::Word(POOL_WORDS), "How the vectors of a list of ids become one."),
        Property::optional("over", Kind::Column, "The column that holds the list of ids."),
    ],
    rules: &[
        Rule::OneOf("how it is made", &["lookup", "pool"]),
        Rule::Needs("pool", "over"),
        Rule::Excludes("lookup", &["over"], "`over` belongs to `pool`"),
    ],
    ..Grammar::EMPTY
};

pub(super) const FILE: Grammar = Grammar {
    name: "aggregations.kdl",
    doc: "Aggregations over histories, and embeddings.",
    example: AGGREGATION.example,
    children: &[Child::distinct(&AGGREGATION), Child::distinct(&STORE), Child::distinct(&EMBEDDING)],
    ..Grammar::EMPTY
};

pub(super) fn aggregations(file: &Node, found: &mut Vec<Diagnostic>) -> AggregationsDecl {
    AggregationsDecl {
        aggregations: file.decode("aggregation", |node| aggregation(node, found)),
        stores: file.decode("embedding-store", store),
        embeddings: file.decode("embedding", embedding),
    }
}

fn aggregation(node: &Node, found: &mut Vec<Diagnostic>) -> Option<AggregationDecl> {
    let windows = node.child("windows").map(|windows| distinct_windows(windows, found));
    let offset = node.child("windows").and_then(|windows| windows.property_duration("offset"));
    let direction = node.child("windows").and_then(|windows| windows.choice("direction", &DIRECTION));
    Some(AggregationDecl {
        name: node.first()?,
        view: node.property_name("view"),
        by: node.listed("by"),
        on: node.listed("on"),
        filters: node.names("where"),
        require_embedding: node.names("require-embedding"),
        joins: node.decode("join", join),
        function: node.children.iter().find(|child| FUNCTIONS.contains(&child.grammar.name)).and_then(function)?,
        windows: windows?,
        offset,
        forward: direction.is_some_and(|direction| direction.value != BACKWARD),
    })
}

/// The windows, without and reporting those that stand twice, perhaps in another unit: they would make one column twice.
fn distinct_windows(node: &Node, found: &mut Vec<Diagnostic>) -> Vec<Spanned<Window>> {
    let mut windows: Vec<Spanned<Window>> = Vec::new();
    for window in node.arguments().filter_map(|value| value.read(Window::parse)) {
        match windows.iter().find(|other| **other == window) {
            Some(first) => {
                let message = format!("the window `{window}` stands twice");
                let diagnostic = Diagnostic::error(code::REPEATED, message, window.span).label("again");
                found.push(diagnostic.also(first.span, "first here").hint("keep one of them"));
            }
            None => windows.push(window),
        }
    }
    windows
}

fn function(node: &Node) -> Option<Spanned<FunctionDecl>> {
    let decl = match node.grammar.name {
        "ratio" => FunctionDecl::Ratio { numerator: node.first()?, denominator: node.argument(1)?.name() },
        "count" | "time-since-last" => bare(node),
        _ => of(node, node.first()?),
    };
    Some(Spanned::new(decl, node.name.span))
}

fn bare(node: &Node) -> FunctionDecl {
    let function = registry_name(node.grammar.name, false);
    FunctionDecl::Of { function, column: None, k: None, distinct: false, flatten: false, max: None }
}

fn of(node: &Node, column: Name) -> FunctionDecl {
    let amount = |name| node.property(name)?.amount();
    let k = amount("k");
    FunctionDecl::Of {
        function: registry_name(node.grammar.name, k.is_some()),
        column: Some(column),
        k,
        distinct: node.flag("distinct"),
        flatten: node.flag("flatten"),
        max: amount("max"),
    }
}

/// The name under which a function is registered: snake case, and `first` and `last` are others when they make lists.
fn registry_name(written: &str, many: bool) -> String {
    let name = written.replace('-', "_");
    if many && matches!(written, "first" | "last") { format!("{name}_k") } else { name }
}

fn store(node: &Node) -> Option<StoreDecl> {
    Some(StoreDecl {
        name: node.first()?,
        view: node.property_name("view")?,
        key: node.property_name("key")?,
        vector: node.property_name("vector")?,
    })
}

fn embedding(node: &Node) -> Option<EmbeddingDecl> {
    let kind = match node.property_name("lookup") {
        Some(column) => EmbeddingKind::Lookup { column },
        None => EmbeddingKind::Pool { pool: node.choice("pool", &POOL)?, over: node.property_name("over")? },
    };
    Some(EmbeddingDecl { name: node.first()?, store: node.property_name("store")?, kind })
}
