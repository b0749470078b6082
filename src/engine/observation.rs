//! Observations: named facts about the world that an output depends on, each with a digest and a value to show.
//!
//! | kind | what must be in its digest | what never is |
//! |---|---|---|
//! | rule | the semantic version of an operator or aggregate | the version of the program |
//! | parameter | one normalised value | comments, order of definitions, descriptions |
//! | listing | periods and files in reach, absent ones included | sizes, times, absolute paths |
//! | columns | of each read column: path, type, codec, encodings, counts, chunk bytes | offsets, statistics, other columns |
//! | bytes | a whole file | its name |
//! | upstream | the output digest of another action | its record |
//!
//! Invariant: two observations of one name are equal if and only if their digests are.

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
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    pub kind: Kind,
    pub name: String,
    pub digest: Digest,
    pub value: Shown,
}

impl Observation {
    /// A fact that is one text.
    pub fn text(kind: Kind, name: impl Into<String>, value: impl Into<String>) -> Self {
        let value = value.into();
        let digest = Hasher::new(kind.name()).text("value", &value).finish();
        Self { kind, name: name.into(), digest, value: Shown::Text(value) }
    }

    /// A fact made of named parts.
    pub fn parts(kind: Kind, name: impl Into<String>, parts: BTreeMap<String, String>) -> Self {
        let mut hasher = Hasher::new(kind.name());
        for (name, value) in &parts {
            hasher.text(name, value);
        }
        Self { kind, name: name.into(), digest: hasher.finish(), value: Shown::Parts(parts) }
    }

    /// The output digest of another action.
    pub fn upstream(name: impl Into<String>, digest: Digest) -> Self {
        Self { kind: Kind::Upstream, name: name.into(), digest, value: Shown::Text(digest.short()) }
    }
}
