//! The states of an action and the reasons for them: typed, serialisable, with old and new value.

use super::observation::Kind;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Worst first: a partition's state is the least of its actions'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Running,
    Blocked,
    Failed,
    Missing,
    Stale,
    Orphaned,
    Drifted,
    Fresh,
}

impl State {
    pub const ALL: [Self; 8] =
        [Self::Fresh, Self::Drifted, Self::Orphaned, Self::Stale, Self::Missing, Self::Blocked, Self::Failed, Self::Running];

    /// Whether what is published stands: nothing is built, and what reads it reads it as it is.
    pub fn stands(self) -> bool {
        matches!(self, Self::Fresh | Self::Orphaned | Self::Drifted)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
            Self::Missing => "missing",
            Self::Stale => "stale",
            Self::Orphaned => "orphaned",
            Self::Drifted => "drifted",
            Self::Fresh => "fresh",
        }
    }
}

/// What a reason is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReasonKind {
    /// An observation of this kind differs.
    Observed(Kind),
    /// The output itself is gone or is not what its record says.
    Output,
    /// Something required is not there.
    Blocked,
    /// An earlier run failed and nothing has changed since.
    Failed,
}

impl ReasonKind {
    pub const COLUMNS: Self = Self::Observed(Kind::Columns);
    pub const ROWS: Self = Self::Observed(Kind::Rows);
    pub const SELECTION: Self = Self::Observed(Kind::Selection);
    pub const UPSTREAM: Self = Self::Observed(Kind::Upstream);

    pub fn name(self) -> &'static str {
        match self {
            Self::Observed(kind) => kind.name(),
            Self::Output => "output",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
        }
    }
}

/// Written as its name, whether observed or not.
impl Serialize for ReasonKind {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.name())
    }
}

/// One observation that differs, or what else keeps an action from being fresh.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reason {
    pub kind: ReasonKind,
    pub name: String,
    /// The part that differs: a column, a period, a file; of a selection its `where`; empty where the whole does.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What it was; absent where there was nothing of that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// What it is; absent where there is nothing of that name any more, or nobody knows yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// Whether no other reason explains it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub root: bool,
}

impl Reason {
    pub fn new(kind: ReasonKind, name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind, name: name.into(), detail: detail.into(), old: None, new: None, root: kind != ReasonKind::UPSTREAM }
    }

    pub fn about(mut self, name: &str, detail: &str) -> Self {
        (self.name, self.detail) = (name.into(), detail.into());
        self
    }

    pub fn values(mut self, old: Option<String>, new: Option<String>) -> Self {
        (self.old, self.new) = (old, new);
        self
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ReasonKind::Blocked | ReasonKind::Failed => return f.write_str(&self.detail),
            ReasonKind::Output if self.detail.is_empty() => return f.write_str(&self.name),
            ReasonKind::Output => return write!(f, "{} {}", self.name, self.detail),
            kind => write!(f, "{} {}", kind.name(), self.name)?,
        }
        match (self.kind, self.detail.is_empty()) {
            (_, true) => {}
            (ReasonKind::UPSTREAM, false) => return write!(f, " ({})", self.detail),
            (ReasonKind::SELECTION, false) => write!(f, " {}", self.detail)?,
            (ReasonKind::ROWS, false) => return write!(f, ": {}", self.detail),
            (_, false) => write!(f, " `{}`", self.detail)?,
        }
        match (&self.old, &self.new) {
            (None, None) => Ok(()),
            (Some(old), Some(new)) => write!(f, ": {old} → {new}"),
            (None, Some(new)) => write!(f, ": new, {new}"),
            (Some(old), None) => write!(f, ": was {old}, now gone"),
        }
    }
}

/// Reasons as lines: the columns of one file that differ share a line, without their digests, which say nothing to a reader.
pub fn lines(reasons: &[Reason]) -> Vec<String> {
    let mut lines: Vec<(Option<&str>, String)> = Vec::new();
    for reason in reasons {
        let file = (reason.kind == ReasonKind::COLUMNS && !reason.detail.is_empty()).then_some(reason.name.as_str());
        match lines.last_mut() {
            Some((last, line)) if file.is_some() && *last == file => line.push_str(&format!(", `{}`", reason.detail)),
            _ if file.is_some() => lines.push((file, format!("columns {} `{}`", reason.name, reason.detail))),
            _ => lines.push((None, reason.to_string())),
        }
    }
    lines.into_iter().map(|(_, line)| line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_without_a_file_ends_with_its_name() {
        assert_eq!(Reason::new(ReasonKind::Output, "--force", "").to_string(), "--force");
        assert_eq!(Reason::new(ReasonKind::Output, "output removed", "part-0.parquet").to_string(), "output removed part-0.parquet");
    }

    #[test]
    fn columns_of_one_file_share_a_line() {
        let column = |name: &str| Reason::new(ReasonKind::COLUMNS, "feature_view/feed@2026-02-03", name);
        let k = Reason::new(ReasonKind::Observed(Kind::Parameter), "likes.k", "").values(Some("32".into()), Some("16".into()));
        let told = lines(&[column("event"), column("user_id"), k]);
        assert_eq!(told, ["columns feature_view/feed@2026-02-03 `event`, `user_id`", "parameter likes.k: 32 → 16"]);
    }
}
