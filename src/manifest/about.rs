//! `description`, `owner` and `tags`: what assets, views and services say about themselves.

use super::grammar::{Argument, Grammar, Kind};

pub(super) const DESCRIPTION: Grammar = Grammar {
    name: "description",
    doc: "What it is, for people.",
    example: "description \"Training rows of the ranker, one day per partition\"",
    arguments: &[Argument::one("text", Kind::Text, "A sentence.")],
    ..Grammar::EMPTY
};

pub(super) const OWNER: Grammar = Grammar {
    name: "owner",
    doc: "Who answers for it.",
    example: "owner \"recsys\"",
    arguments: &[Argument::one("text", Kind::Text, "A team or a person.")],
    ..Grammar::EMPTY
};

pub(super) const TAGS: Grammar = Grammar {
    name: "tags",
    doc: "Words that `--select tag:…` finds it by.",
    example: "tags \"ranking\" \"daily\"",
    arguments: &[Argument::many("tags", Kind::Name, "Any words.")],
    ..Grammar::EMPTY
};
