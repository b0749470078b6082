//! `Daedalus.kdl`: the workspace's settings, entities, partitions and assets; jobs and schedules stand in `schedule`.

use super::asset::{ASSET, asset};
use super::code;
use super::grammar::{Argument, Child, Grammar, Kind, Property, words};
use super::node::Node;
use super::schedule::{JOB, SCHEDULE, job, schedule};
use super::settings::{CONFIG, PROFILE, profile, settings};
use crate::catalog::declaration::{EntityDecl, Every, ManifestDecl, PartitionsDecl};
use crate::source::Diagnostic;

/// The version of the language that this daeda reads.
const VERSION: u64 = 1;

const DAEDALUS: Grammar = Grammar {
    name: "daedalus",
    doc: "Says which version of the language the file is written in; it is the first node.",
    example: "daedalus version=1",
    properties: &[Property::required("version", Kind::Integer(0, u64::MAX), "The version of the language: 1.")],
    ..Grammar::EMPTY
};

const ENTITY: Grammar = Grammar {
    name: "entity",
    doc: "Something that rows are about, and the column that identifies it.",
    example: "entity \"user\" key=\"user_id\"",
    arguments: &[Argument::one("name", Kind::Name, "What views call it.")],
    properties: &[Property::required("key", Kind::Column, "The column that holds its id.")],
    ..Grammar::EMPTY
};

const EVERY: [(&str, Every); 4] = [("hour", Every::Hour), ("day", Every::Day), ("week", Every::Week), ("month", Every::Month)];
const EVERY_WORDS: &[&str] = &words(&EVERY);

const PARTITIONS: Grammar = Grammar {
    name: "partitions",
    doc: "A division of time into periods; each period of an asset is built and published by itself.",
    example: "partitions \"daily\" every=\"day\" start=\"2026-02-01\"",
    arguments: &[Argument::one("name", Kind::Name, "What assets call it.")],
    properties: &[
        Property::required("every", Kind::Word(EVERY_WORDS), "The length of a period."),
        Property::required("start", Kind::Moment, "The first period."),
        Property::optional("end", Kind::Moment, "The last period, which is one of them; without it there is a new one as time passes."),
        Property::optional("timezone", Kind::Zone, "The zone in which periods begin; UTC without it."),
    ],
    ..Grammar::EMPTY
};

pub(super) const FILE: Grammar = Grammar {
    name: "Daedalus.kdl",
    doc: "The workspace: its settings, and what is built from what.",
    example: "daedalus version=1",
    children: &[
        Child::required(&DAEDALUS),
        Child::once(&CONFIG),
        Child::distinct(&PROFILE),
        Child::distinct(&ENTITY),
        Child::distinct(&PARTITIONS),
        Child::distinct(&ASSET),
        Child::distinct(&JOB),
        Child::distinct(&SCHEDULE),
    ],
    ..Grammar::EMPTY
};

/// Reads the file. Of another version than this daeda's nothing is read, and nothing else is said.
pub(super) fn manifest(file: &Node, found: &mut Vec<Diagnostic>) -> ManifestDecl {
    if let Some(diagnostic) = wrong_version(file) {
        *found = vec![diagnostic];
        return ManifestDecl::default();
    }
    found.extend(misplaced(file));
    ManifestDecl {
        settings: file.child("config").map(settings).unwrap_or_default(),
        profiles: file.decode("profile", profile),
        entities: file.decode("entity", |node| Some(EntityDecl { name: node.first()?, key: node.property_name("key")? })),
        partitions: file.decode("partitions", partitions),
        assets: file.decode("asset", asset),
        jobs: file.decode("job", job),
        schedules: file.decode("schedule", schedule),
    }
}

fn wrong_version(file: &Node) -> Option<Diagnostic> {
    let version = file.child("daedalus")?.property_integer("version").filter(|version| version.value != VERSION)?;
    let message = format!("version {version} of the language is not known");
    Some(Diagnostic::error(code::BAD_VALUE, message, version.span).hint(format!("this daeda reads version={VERSION}")))
}

fn misplaced(file: &Node) -> Option<Diagnostic> {
    let daedalus = file.child("daedalus")?;
    // The file's own place is its first node's.
    if daedalus.name.span == file.name.span {
        return None;
    }
    let diagnostic = Diagnostic::error(code::MISPLACED, "`daedalus` is not the first node", daedalus.name.span);
    Some(diagnostic.also(file.name.span, "this stands before it").hint("move `daedalus version=1` to the top of the file"))
}

fn partitions(node: &Node) -> Option<PartitionsDecl> {
    Some(PartitionsDecl {
        name: node.first()?,
        every: node.choice("every", &EVERY)?,
        start: node.property_name("start")?,
        end: node.property_name("end"),
        timezone: node.property_name("timezone"),
    })
}
