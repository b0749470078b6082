//! `feature-view`: a source of rows, its keys, its time and its fields.

use super::about::{DESCRIPTION, OWNER, TAGS};
use super::grammar::{Argument, Child, Grammar, Kind, Property, Rule, words};
use super::node::Node;
use crate::catalog::declaration::{FieldDecl, Format, Gaps, Late, PlaceDecl, RenameDecl, SourceDecl, ViewDecl};
use crate::catalog::quantity::Duration;
use crate::catalog::types::{DataType, TimeUnit};
use crate::source::Spanned;

const VIEW_ENTITY: Grammar = Grammar {
    name: "entity",
    doc: "What the view's rows are about; each entity's key is one of the fields.",
    example: "entity \"user\" \"artwork\"",
    arguments: &[Argument::many("entities", Kind::Reference, "Names that `entity` defines in Daedalus.kdl.")],
    ..Grammar::EMPTY
};

const FORMAT: [(&str, Format); 2] = [("parquet", Format::Parquet), ("lance", Format::Lance)];
const FORMAT_WORDS: &[&str] = &words(&FORMAT);
const GAPS: [(&str, Gaps); 3] = [("warn", Gaps::Warn), ("block", Gaps::Block), ("empty", Gaps::Empty)];
const GAPS_WORDS: &[&str] = &words(&GAPS);
const LATE: [(&str, Late); 3] = [("error", Late::Error), ("drop", Late::Drop), ("allow", Late::Allow)];
const LATE_WORDS: &[&str] = &words(&LATE);

const SOURCE: Grammar = Grammar {
    name: "source",
    doc: "Where the rows lie, as files or as what an asset of this workspace publishes, and how they lie in time.",
    example: "source \"data/feed\" partition=\"dt={day}\" timestamp=\"event_timestamp\" unit=\"ms\" first=\"2026-02-01\"",
    arguments: &[Argument::optional("path", Kind::Path, "A file or a directory.")],
    properties: &[
        Property::optional("asset", Kind::Reference, "The asset whose output is read, instead of a path."),
        Property::optional("format", Kind::Word(FORMAT_WORDS), "How the files are written; parquet without it."),
        Property::optional(
            "partition",
            Kind::Path,
            "The directory of a period: {day} {hour} {year} {month}, or strftime such as {%Y}/{%m}.",
        ),
        Property::optional("timestamp", Kind::Column, "The column that says when a row happened."),
        Property::optional("unit", Kind::Word(&TimeUnit::NAMES), "The unit of that column, where it is an integer."),
        Property::optional("first", Kind::Moment, "The first period that there is; the earliest present without it."),
        Property::optional("created", Kind::Column, "The column that says when a row was written; of equal times the latest counts."),
        Property::optional("available-at", Kind::Column, "The column that says when a row could be known."),
        Property::optional("ready", Kind::Path, "The file that marks a period as complete, such as _SUCCESS."),
        Property::optional("quiet", Kind::Duration, "How long a period's files must be unchanged before it counts as complete."),
        Property::optional(
            "gaps",
            Kind::Word(GAPS_WORDS),
            "What an absent period means: it is said, it blocks, or it is empty; warn without it.",
        ),
        Property::optional(
            "late",
            Kind::Word(LATE_WORDS),
            "What happens to rows that lie in a later period than their own; error without it.",
        ),
        Property::optional("lateness", Kind::Duration, "How late rows may be."),
        Property::optional("tag", Kind::Reference, "The tag that pins a Lance dataset."),
        Property::optional("version", Kind::Integer(1, u64::MAX), "The version that pins a Lance dataset."),
    ],
    rules: &[Rule::OneOf("a place", &["path", "asset"]), Rule::AtMostOne(&["tag", "version"])],
    ..Grammar::EMPTY
};

const TTL: Grammar = Grammar {
    name: "ttl",
    doc: "How long a row stays valid after its time.",
    example: "ttl \"90d\"",
    arguments: &[Argument::one("duration", Kind::Duration, "The age at which it is forgotten.")],
    ..Grammar::EMPTY
};

const RENAME: Grammar = Grammar {
    name: "rename",
    doc: "Gives a column of the files another name in the view.",
    example: "rename \"id\" to=\"artwork_id\"",
    arguments: &[Argument::one("column", Kind::Column, "The column's name in the files.")],
    properties: &[Property::required("to", Kind::Column, "Its name among the fields.")],
    ..Grammar::EMPTY
};

const FIELD: Grammar = Grammar {
    name: "<field>",
    doc: "A column of the view, called by the node's name.",
    example: "user_id \"int64\"",
    arguments: &[Argument::one("type", Kind::Type, "The column's type.")],
    properties: &[Property::optional("nullable", Kind::Flag, "Whether it may be null; #false without it.")],
    ..Grammar::EMPTY
};

const FIELDS: Grammar = Grammar {
    name: "fields",
    doc: "The columns that may be used, with their types; the files may have more.",
    example: "fields {\n    user_id \"int64\"\n    event \"string\"\n}",
    free: Some(&FIELD),
    ..Grammar::EMPTY
};

const VIEW: Grammar = Grammar {
    name: "feature-view",
    doc: "A source of rows, with its keys, its time and its fields.",
    example: "feature-view \"feed_events\" {\n    entity \"user\"\n    source \"data/feed\" partition=\"dt={day}\" timestamp=\"event_timestamp\" unit=\"ms\"\n    fields {\n        user_id \"int64\"\n        event_timestamp \"int64\"\n    }\n}",
    arguments: &[Argument::one("name", Kind::Name, "What services and aggregations call it.")],
    children: &[
        Child::once(&DESCRIPTION),
        Child::once(&OWNER),
        Child::any(&TAGS),
        Child::any(&VIEW_ENTITY),
        Child::required(&SOURCE),
        Child::once(&TTL),
        Child::distinct(&RENAME),
        Child::once(&FIELDS),
    ],
    ..Grammar::EMPTY
};

pub(super) const FILE: Grammar = Grammar {
    name: "feature_views/*.kdl",
    doc: "Sources of rows, one file each; a file may hold several.",
    example: "feature-view \"artwork_embeddings\" {\n    source \"data/embeddings.lance\" format=\"lance\"\n}",
    children: &[Child::distinct(&VIEW)],
    ..Grammar::EMPTY
};

pub(super) fn views(file: &Node) -> Vec<ViewDecl> {
    file.decode("feature-view", view)
}

fn view(node: &Node) -> Option<ViewDecl> {
    Some(ViewDecl {
        name: node.first()?,
        description: node.text("description"),
        owner: node.text("owner"),
        tags: node.names("tags"),
        entities: node.names("entity"),
        source: source(node.child("source")?)?,
        ttl: node.value("ttl").and_then(|value| value.read(Duration::parse)),
        renames: node.decode("rename", |node| Some(RenameDecl { from: node.first()?, to: node.property_name("to")? })),
        fields: node.child("fields").map(|fields| fields.children.iter().filter_map(field).collect()).unwrap_or_default(),
    })
}

fn source(node: &Node) -> Option<SourceDecl> {
    let span = node.name.span;
    let path = node.first().map(PlaceDecl::Path);
    Some(SourceDecl {
        span,
        place: path.or_else(|| node.property_name("asset").map(PlaceDecl::Asset))?,
        format: node.choice("format", &FORMAT).unwrap_or(Spanned::new(Format::Parquet, span)),
        partition: node.property_name("partition"),
        timestamp: node.property_name("timestamp"),
        unit: node.property("unit").and_then(|value| value.read(TimeUnit::parse)),
        first: node.property_name("first"),
        created: node.property_name("created"),
        available_at: node.property_name("available-at"),
        ready: node.property_name("ready"),
        quiet: node.property_duration("quiet"),
        gaps: node.choice("gaps", &GAPS).unwrap_or(Spanned::new(Gaps::default(), span)),
        late: node.choice("late", &LATE).unwrap_or(Spanned::new(Late::default(), span)),
        lateness: node.property_duration("lateness"),
        tag: node.property_name("tag"),
        version: node.property_integer("version"),
    })
}

fn field(node: &Node) -> Option<FieldDecl> {
    let data_type = node.argument(0)?.read(DataType::parse)?;
    Some(FieldDecl { name: node.name.clone(), data_type, nullable: node.flag("nullable") })
}
