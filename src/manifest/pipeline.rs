//! `config/pipelines/<service>.kdl`: on which engine operators of a compiled service run, where that is not the runtime's.

use super::grammar::{Argument, Child, Grammar, Kind, Property, words};
use super::node::Node;
use crate::catalog::dag::Engine;
use crate::catalog::declaration::{EngineDecl, PipelineDecl};

const ENGINE: [(&str, Engine); 2] = [("arrow", Engine::Arrow), ("polars", Engine::Polars)];
const ENGINE_WORDS: &[&str] = &words(&ENGINE);

const ROLLING_AGGREGATE: Grammar = Grammar {
    name: "rolling_aggregate",
    doc: "An operator with more than one engine; other operators have just the one that `daeda compile` names.",
    example: "rolling_aggregate \"rolling/user_like_count\" engine=\"polars\"",
    arguments: &[Argument::one("operator", Kind::Text, "The operator, as `daeda compile` calls it.")],
    properties: &[Property::required(
        "engine",
        Kind::Word(ENGINE_WORDS),
        "Which of the two: `arrow`, daeda's own kernels, or `polars`, the slow reference.",
    )],
    ..Grammar::EMPTY
};

const PIPELINE: Grammar = Grammar {
    name: "pipeline",
    doc: "Engines of the operators of a service.",
    example: "pipeline \"dssm_ranking\" {\n    rolling_aggregate \"rolling/user_like_count\" engine=\"polars\"\n}",
    arguments: &[Argument::one("service", Kind::Reference, "The service.")],
    children: &[Child::any(&ROLLING_AGGREGATE)],
    ..Grammar::EMPTY
};

pub(super) const FILE: Grammar = Grammar {
    name: "pipeline.kdl",
    doc: "On which engines operators run.",
    example: "pipeline \"dssm_ranking\" {\n    rolling_aggregate \"rolling/user_like_count\" engine=\"polars\"\n}",
    children: &[Child::distinct(&PIPELINE)],
    ..Grammar::EMPTY
};

pub(super) fn pipelines(file: &Node) -> Vec<PipelineDecl> {
    file.decode("pipeline", |node| Some(PipelineDecl { service: node.first()?, engines: node.decode("rolling_aggregate", engine) }))
}

fn engine(node: &Node) -> Option<EngineDecl> {
    Some(EngineDecl { operator: node.first()?, engine: node.choice("engine", &ENGINE)? })
}
