//! Observations: named facts about the world that an output depends on, each with a digest and a value to show.
//!
//! | kind | what must be in its digest | what never is |
//! |---|---|---|
//! | rule | the semantic version of an operator or aggregate | the version of the program |
//! | parameter | one normalised value | comments, order of definitions, descriptions |
//! | listing | periods and files in reach, absent ones included | sizes, times, absolute paths |
//! | columns | of each read column: path, type, codec, encodings, counts, chunk bytes | offsets, statistics, other columns |
//! | selection | the values read after `where` and time range; its token is that of the columns | rows that the `where` excludes |
//! | rows | key and row digest of the keys used, and the absent ones; its token is the source's fragments | other keys |
//! | bytes | a whole file | its name |
//! | upstream | the output digest of another action | its record |
//!
//! Invariants: two observations of one name are equal if their digests are; where a kind is dear to make, `digest` is that of a cheap token
//! (equal tokens have equal contents) and `fine` that of the content, which is asked for only where tokens differ.

use super::action::Name;
use super::series::Series;
use crate::digest::{Digest, Hasher};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The closed set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Rule,
    Parameter,
    Listing,
    Columns,
    Selection,
    Rows,
    Bytes,
    Upstream,
    Environment,
}

impl Kind {
    /// Definition, as opposed to data: what a manifest says rather than what files hold.
    pub fn is_definition(self) -> bool {
        matches!(self, Self::Rule | Self::Parameter | Self::Environment)
    }

    /// What stands in an action's definition, known without looking at the world.
    pub fn is_declared(self) -> bool {
        matches!(self, Self::Rule | Self::Parameter)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Parameter => "parameter",
            Self::Listing => "listing",
            Self::Columns => "columns",
            Self::Selection => "selection",
            Self::Rows => "rows",
            Self::Bytes => "bytes",
            Self::Upstream => "upstream",
            Self::Environment => "environment",
        }
    }
}

/// In a listing, in place of the files of a period that is not there.
pub const ABSENT: &str = "absent";

/// What is shown of an observation when it differs: one text, or named parts of which only some differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    Text(String),
    Parts(BTreeMap<String, String>),
    /// Ranges of periods.
    Series(Vec<Series>),
    /// Only the digest was asked for.
    Unsaid,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    pub kind: Kind,
    pub name: Name,
    pub digest: Digest,
    /// Of the content, where `digest` is only its token's; a run that discovers what it uses sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fine: Option<Digest>,
    pub value: Shown,
}

impl Observation {
    /// A fact that is one text.
    pub fn text(kind: Kind, name: impl Into<Name>, value: impl Into<String>) -> Self {
        let value = value.into();
        let digest = Hasher::new(kind.name()).text("value", &value).finish();
        Self::shown(kind, name, digest, Shown::Text(value))
    }

    /// A fact made of named parts.
    pub fn parts(kind: Kind, name: impl Into<Name>, parts: BTreeMap<String, String>) -> Self {
        let mut hasher = Hasher::new(kind.name());
        for (name, value) in &parts {
            hasher.text(name, value);
        }
        Self::shown(kind, name, hasher.finish(), Shown::Parts(parts))
    }

    pub fn shown(kind: Kind, name: impl Into<Name>, digest: Digest, value: Shown) -> Self {
        Self { kind, name: name.into(), digest, fine: None, value }
    }

    /// The output digest of another action.
    pub fn upstream(name: impl Into<Name>, digest: Digest) -> Self {
        Self::shown(Kind::Upstream, name, digest, Shown::Text(digest.short()))
    }
}
