//! `config/training/runtime.kdl`: how rows are computed and written, and named numbers.

use super::grammar::{Argument, Child, Grammar, Kind, Property, words};
use super::node::Node;
use crate::catalog::declaration::{ComputeEngine, RuntimeDecl};

const ENGINE: [(&str, ComputeEngine); 2] = [("native", ComputeEngine::Native), ("polars", ComputeEngine::Polars)];
const ENGINE_WORDS: &[&str] = &words(&ENGINE);

const COMPUTE: Grammar = Grammar {
    name: "compute",
    doc: "What runs the point-in-time operators: daeda's own kernels, or Polars as the slow reference.",
    example: "compute engine=\"native\"",
    properties: &[Property::optional("engine", Kind::Word(ENGINE_WORDS), "Which of the two; native without it.")],
    ..Grammar::EMPTY
};

const OUTPUT: Grammar = Grammar {
    name: "output",
    doc: "How Parquet files are written.",
    example: "output compression=\"zstd\" level=1 row-group-rows=65536 shard-rows=262144",
    properties: &[
        Property::optional("compression", Kind::Word(&["none", "snappy", "lz4", "zstd"]), "The codec; zstd without it."),
        Property::optional("level", Kind::Integer(1, 22), "How hard it tries, where the codec has levels; 1 without it."),
        Property::optional("row-group-rows", Kind::Integer(1, 1 << 31), "The rows of a row group; 65536 without it."),
        Property::optional("shard-rows", Kind::Integer(1, 1 << 40), "The rows of a file; 262144 without it."),
    ],
    ..Grammar::EMPTY
};

const CONSTANT: Grammar = Grammar {
    name: "constant",
    doc: "A number with a name, for `k=(constant)\"…\"` and `max=(constant)\"…\"`.",
    example: "constant \"max_like_artworks_len\" 32",
    arguments: &[
        Argument::one("name", Kind::Name, "What aggregations call it."),
        Argument::one("value", Kind::Integer(0, i64::MAX as u64), "The number."),
    ],
    ..Grammar::EMPTY
};

const RUNTIME: Grammar = Grammar {
    name: "runtime",
    doc: "How rows are computed and written, and named numbers.",
    example: "runtime {\n    compute engine=\"native\"\n    constant \"max_likes\" 32\n}",
    children: &[Child::once(&COMPUTE), Child::once(&OUTPUT), Child::distinct(&CONSTANT)],
    ..Grammar::EMPTY
};

pub(super) const FILE: Grammar = Grammar {
    name: "runtime.kdl",
    doc: "How rows are computed and written.",
    example: "runtime {\n    compute engine=\"native\"\n}",
    children: &[Child::once(&RUNTIME)],
    ..Grammar::EMPTY
};

pub(super) fn runtime(file: &Node) -> RuntimeDecl {
    let Some(node) = file.child("runtime") else { return RuntimeDecl::default() };
    let output = node.child("output");
    let rows = |name| output?.property_integer(name);
    RuntimeDecl {
        engine: node.child("compute").and_then(|compute| compute.choice("engine", &ENGINE)),
        compression: output.and_then(|output| output.property_name("compression")),
        level: rows("level"),
        row_group_rows: rows("row-group-rows"),
        shard_rows: rows("shard-rows"),
        constants: node.decode("constant", |node| Some((node.first()?.value, node.argument(1)?.integer()?))).into_iter().collect(),
    }
}
