//! `check`: what a partition must meet before it is published.

use super::grammar::{Argument, Child, Grammar, Kind, Property, Rule, words};
use super::node::Node;
use crate::catalog::declaration::{CheckDecl, CheckSeverity};
use crate::catalog::quantity::Duration;
use crate::catalog::types::TimeUnit;

const SEVERITY: [(&str, CheckSeverity); 2] = [("error", CheckSeverity::Error), ("warn", CheckSeverity::Warn)];
const SEVERITY_WORDS: &[&str] = &words(&SEVERITY);

const ACCEPTED: Grammar = Grammar {
    name: "accepted",
    doc: "The values that the column may have; null passes.",
    example: "accepted \"sdxl\" \"dit\"",
    arguments: &[Argument::many("values", Kind::Literal, "Values of the column's type.")],
    ..Grammar::EMPTY
};

pub(super) const CHECK: Grammar = Grammar {
    name: "check",
    doc: "What a partition must meet before it is published.",
    example: "check \"embedded\" column=\"image_embedding\" null-ratio-max=0.02 severity=\"warn\"",
    arguments: &[Argument::one("name", Kind::Name, "What reports call it.")],
    properties: &[
        Property::optional("rows-min", Kind::Integer(0, u64::MAX), "The fewest rows; with `where`, of those that satisfy it."),
        Property::optional("rows-max", Kind::Integer(0, u64::MAX), "The most rows; with `where`, of those that satisfy it."),
        Property::optional("where", Kind::Expression, "The rows that are counted. A row for which it is null does not satisfy it."),
        Property::optional("share-min", Kind::Ratio, "The least share of rows that satisfy `where`."),
        Property::optional("share-max", Kind::Ratio, "The greatest share of rows that satisfy `where`."),
        Property::optional("median-min", Kind::Literal, "The fewest rows as a share of the median of earlier partitions, such as 0.5."),
        Property::optional("median-max", Kind::Literal, "The most rows as a multiple of the median of earlier partitions, such as 2.0."),
        Property::optional("median-of", Kind::Integer(1, 10_000), "How many earlier periods that median is of; 7 without."),
        Property::optional("unique", Kind::Columns, "Columns whose values together no two rows share; null counts as a value."),
        Property::optional("column", Kind::Column, "The column that the following look at."),
        Property::optional("null-ratio-max", Kind::Ratio, "The greatest share of rows in which the column is null."),
        Property::optional("min", Kind::Literal, "The least value; null passes."),
        Property::optional("max", Kind::Literal, "The greatest value; null passes, NaN is greater than any number."),
        Property::optional("newest-within", Kind::Duration, "How long before the period's end the newest instant may lie."),
        Property::optional("unit", Kind::Word(&TimeUnit::NAMES), "The unit of a column of instants that are integers."),
        Property::optional(
            "severity",
            Kind::Word(SEVERITY_WORDS),
            "Whether a failure keeps the old partition standing (error) or is only said (warn); error without it.",
        ),
    ],
    children: &[Child::once(&ACCEPTED)],
    rules: &[
        Rule::Needs("null-ratio-max", "column"),
        Rule::Needs("min", "column"),
        Rule::Needs("max", "column"),
        Rule::Needs("newest-within", "column"),
        Rule::Needs("accepted", "column"),
        Rule::Needs("unit", "newest-within"),
        Rule::Needs("share-min", "where"),
        Rule::Needs("share-max", "where"),
    ],
    ..Grammar::EMPTY
};

pub(super) fn check(node: &Node) -> Option<CheckDecl> {
    let literal = |name| node.property(name).and_then(|value| value.literal());
    let number = |name| node.property(name).and_then(|value| value.number());
    Some(CheckDecl {
        name: node.first()?,
        severity: node.choice("severity", &SEVERITY).map(|word| word.value).unwrap_or_default(),
        column: node.property_name("column"),
        rows_min: node.property_integer("rows-min"),
        rows_max: node.property_integer("rows-max"),
        null_ratio_max: number("null-ratio-max"),
        unique: node.property("unique").map(|value| value.words()).unwrap_or_default(),
        min: literal("min"),
        max: literal("max"),
        accepted: node.child("accepted").map(|child| child.arguments().filter_map(|value| value.literal()).collect()).unwrap_or_default(),
        newest_within: node.property("newest-within").and_then(|value| value.read(Duration::parse)),
        unit: node.property("unit").and_then(|value| value.read(TimeUnit::parse)),
        median_min: literal("median-min"),
        median_max: literal("median-max"),
        median_of: node.property_integer("median-of"),
        condition: node.property_name("where"),
        share_min: number("share-min"),
        share_max: number("share-max"),
    })
}
