//! `config` and `profile`: where things lie and what a build may use.

use super::grammar::{Argument, Child, Grammar, Kind, Property};
use super::node::Node;
use crate::catalog::declaration::{HistoryDecl, ProfileDecl, ResourcesDecl, SettingsDecl, Text};
use crate::catalog::quantity::Size;
use crate::source::Spanned;

pub(super) const RESOURCES: Grammar = Grammar {
    name: "resources",
    doc: "What may be used at once: in `config` the envelope of a whole build, cut to what the machine has; in an op what that op needs.",
    example: "resources cpus=8 memory=\"16GiB\"",
    properties: &[
        Property::optional("cpus", Kind::Integer(1, 65_536), "The number of processors."),
        Property::optional("memory", Kind::Size, "How much main memory. A `skeleton` that needs more puts rows aside, beside its output."),
        Property::optional(
            "object-store",
            Kind::Size,
            "How many bytes of vectors are kept for later builds, in files under `.daeda`; the least recently used go first. 12GiB if absent.",
        ),
    ],
    ..Grammar::EMPTY
};

const RUNTIME: Grammar = Grammar {
    name: "runtime",
    doc: "The file that says how rows are computed and written; config/training/runtime.kdl without it.",
    example: "runtime \"config/training/runtime.kdl\"",
    arguments: &[Argument::one("path", Kind::PathOrEnv, "A KDL file.")],
    ..Grammar::EMPTY
};

const AGGREGATIONS: Grammar = Grammar {
    name: "aggregations",
    doc: "The file that defines aggregations and embeddings; config/training/aggregations.kdl without it.",
    example: "aggregations \"config/training/aggregations.kdl\"",
    arguments: &[Argument::one("path", Kind::PathOrEnv, "A KDL file.")],
    ..Grammar::EMPTY
};

const FEATURE_VIEWS: Grammar = Grammar {
    name: "feature-views",
    doc: "The directory whose KDL files declare the sources; feature_views without it.",
    example: "feature-views \"feature_views\"",
    arguments: &[Argument::one("path", Kind::PathOrEnv, "A directory.")],
    ..Grammar::EMPTY
};

const FEATURE_SERVICES: Grammar = Grammar {
    name: "feature-services",
    doc: "The directory whose KDL files declare what training rows hold; feature_services without it.",
    example: "feature-services \"feature_services\"",
    arguments: &[Argument::one("path", Kind::PathOrEnv, "A directory.")],
    ..Grammar::EMPTY
};

const OUTPUT_ROOT: Grammar = Grammar {
    name: "output-root",
    doc: "The directory under which every op but `enrich` publishes; data/training_output without it.",
    example: "output-root \"data/training_output\"",
    arguments: &[Argument::one("path", Kind::PathOrEnv, "A directory.")],
    ..Grammar::EMPTY
};

const ENRICHED_OUTPUT_ROOT: Grammar = Grammar {
    name: "enriched-output-root",
    doc: "The directory under which `enrich` publishes; data/training_output_enriched without it.",
    example: "enriched-output-root \"data/training_output_enriched\"",
    arguments: &[Argument::one("path", Kind::PathOrEnv, "A directory.")],
    ..Grammar::EMPTY
};

const REPLACE_MAX: Grammar = Grammar {
    name: "replace-max",
    doc: "A brake: a build that would replace more published partitions than this stops and asks for --replace.",
    example: "replace-max 200",
    arguments: &[Argument::one("partitions", Kind::Integer(0, u64::MAX), "How many partitions one build may replace.")],
    ..Grammar::EMPTY
};

const HISTORY: Grammar = Grammar {
    name: "history",
    doc: "How much of the history of runs is kept under `.daeda`; the oldest runs go first.",
    example: "history runs=10000 keep=\"365d\" size=\"256MiB\"",
    properties: &[
        Property::optional("runs", Kind::Integer(1, u64::MAX), "How many runs. 10000 if absent."),
        Property::optional("keep", Kind::Duration, "How far back. 365d if absent."),
        Property::optional("size", Kind::Size, "How many bytes. 256MiB if absent."),
    ],
    ..Grammar::EMPTY
};

const SETTINGS: &[Child] = &[
    Child::once(&RUNTIME),
    Child::once(&AGGREGATIONS),
    Child::once(&FEATURE_VIEWS),
    Child::once(&FEATURE_SERVICES),
    Child::once(&OUTPUT_ROOT),
    Child::once(&ENRICHED_OUTPUT_ROOT),
    Child::once(&RESOURCES),
    Child::once(&REPLACE_MAX),
    Child::once(&HISTORY),
];

pub(super) const CONFIG: Grammar = Grammar {
    name: "config",
    doc: "Where the workspace's files and outputs lie and what a build may use; what is absent has its default.",
    example: "config {\n    output-root \"data/training_output\"\n    replace-max 200\n}",
    children: SETTINGS,
    ..Grammar::EMPTY
};

pub(super) const PROFILE: Grammar = Grammar {
    name: "profile",
    doc: "Overrides parts of `config`, property by property, when it is chosen by --profile or DAEDA_PROFILE.",
    example: "profile \"prod\" {\n    output-root \"data/prod/training_output\"\n}",
    arguments: &[Argument::one("name", Kind::Name, "What --profile calls it.")],
    children: SETTINGS,
    ..Grammar::EMPTY
};

/// Reads the nodes that `config` and `profile` share.
pub(super) fn settings(node: &Node) -> SettingsDecl {
    SettingsDecl {
        runtime: text(node, "runtime"),
        aggregations: text(node, "aggregations"),
        feature_views: text(node, "feature-views"),
        feature_services: text(node, "feature-services"),
        output_root: text(node, "output-root"),
        enriched_output_root: text(node, "enriched-output-root"),
        resources: resources(node),
        replace_max: node.value("replace-max").and_then(|value| value.integer()),
        history: history(node),
    }
}

pub(super) fn profile(node: &Node) -> Option<ProfileDecl> {
    Some(ProfileDecl { name: node.first()?, settings: settings(node) })
}

/// The resources that a node's child of that name gives.
pub(super) fn resources(parent: &Node) -> ResourcesDecl {
    let Some(node) = parent.child("resources") else { return ResourcesDecl::default() };
    let size = |name| node.property(name)?.read(Size::parse);
    ResourcesDecl { cpus: node.property_integer("cpus"), memory: size("memory"), object_store: size("object-store") }
}

fn history(parent: &Node) -> HistoryDecl {
    let Some(node) = parent.child("history") else { return HistoryDecl::default() };
    let size = node.property("size").and_then(|value| value.read(Size::parse));
    HistoryDecl { runs: node.property_integer("runs"), keep: node.property_duration("keep"), size }
}

fn text(node: &Node, child: &str) -> Option<Spanned<Text>> {
    node.value(child).map(|value| value.text_or_env())
}
