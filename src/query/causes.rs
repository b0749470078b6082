//! Causes: what the reasons of several partitions have in common, so that a thousand of them are told once.
//!
//! Knows nothing of states and plans. Invariant: a fact leaves out only what may differ between partitions of one cause (periods, files,
//! the keys of upstream actions); causes are borrowed from the verdicts, and nothing is made of what has no reasons.

use super::ranges::{abridged, of_keys};
use crate::engine::observation::Kind;
use crate::engine::state::{Reason, ReasonKind};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a reason is about, whatever the period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fact<'a> {
    pub kind: ReasonKind,
    /// A parameter, a view, an op, a message.
    pub subject: &'a str,
    /// An upstream's state, or the `where` of a selection.
    pub part: &'a str,
}

/// A fact, the column, and the period, file or key in which it shows.
fn split(reason: &Reason) -> (Fact<'_>, &str, &str) {
    let (name, detail) = (reason.name.as_str(), reason.detail.as_str());
    let before_key = || name.split_once('@').unwrap_or((name, ""));
    let (subject, part, column, period) = match reason.kind {
        ReasonKind::UPSTREAM => (before_key().0, detail, "", before_key().1),
        ReasonKind::COLUMNS => (before_key().0, "", detail, before_key().1),
        ReasonKind::SELECTION => (before_key().0, detail, "", before_key().1),
        ReasonKind::Observed(Kind::Listing | Kind::Rows) | ReasonKind::Output => (name, "", "", detail),
        ReasonKind::Observed(_) => (name, "", detail, ""),
        ReasonKind::Blocked => ("", "", "", detail),
        ReasonKind::Failed => (detail, "", "", ""),
    };
    (Fact { kind: reason.kind, subject, part }, column, period)
}

/// The facts behind reasons, each once, in order.
pub fn facts<'a>(reasons: impl Iterator<Item = &'a Reason>) -> Vec<Fact<'a>> {
    let mut facts: Vec<Fact> = reasons.map(|reason| split(reason).0).collect();
    facts.sort_unstable();
    facts.dedup();
    facts
}

/// Values of a reason, old and new.
type Values<'a> = (Option<&'a str>, Option<&'a str>);

/// Where a fact shows, and its values if they are the same everywhere.
#[derive(Default)]
struct Shows<'a> {
    columns: BTreeSet<&'a str>,
    periods: BTreeSet<&'a str>,
    values: Option<Values<'a>>,
    several: bool,
}

/// The causes of a group of partitions.
#[derive(Default)]
pub struct Causes<'a>(BTreeMap<Fact<'a>, Shows<'a>>);

/// A fact, all columns and periods in which it shows, and its values if they are the same everywhere.
pub struct Cause<'a> {
    kind: ReasonKind,
    subject: &'a str,
    parts: Vec<&'a str>,
    periods: Vec<String>,
    values: Values<'a>,
}

impl<'a> Causes<'a> {
    pub fn add(&mut self, reason: &'a Reason) {
        let (fact, column, period) = split(reason);
        let shows = self.0.entry(fact).or_default();
        shows.columns.extend(Some(column).filter(|c| !c.is_empty()));
        shows.periods.extend(Some(period).filter(|p| !p.is_empty()));
        let values = (reason.old.as_deref(), reason.new.as_deref());
        shows.several |= shows.values.is_some_and(|known| known != values);
        shows.values = Some(values);
    }

    /// In order of kinds and names.
    pub fn list(&self) -> Vec<Cause<'a>> {
        let cause = |(fact, shows): (&Fact<'a>, &Shows<'a>)| Cause {
            kind: fact.kind,
            subject: fact.subject,
            parts: Some(fact.part).filter(|p| !p.is_empty()).into_iter().chain(shows.columns.iter().copied()).collect(),
            periods: of_keys(shows.periods.iter().copied()),
            // The digests of columns and selections say nothing to a reader.
            values: shows.values.filter(|_| !shows.several && !is_of_digests(fact.kind)).unwrap_or_default(),
        };
        self.0.iter().map(cause).collect()
    }
}

fn is_of_digests(kind: ReasonKind) -> bool {
    matches!(kind, ReasonKind::COLUMNS | ReasonKind::SELECTION)
}

impl Cause<'_> {
    /// As a [`Reason`] is written, with ranges in place of its period.
    pub fn text(&self) -> String {
        let periods = abridged(&self.periods, 3);
        let quoted = |parts: &[&str]| parts.iter().map(|p| format!("`{p}`")).collect::<Vec<_>>().join(", ");
        let at = if periods.is_empty() { String::new() } else { format!("@{periods}") };
        let parts = if self.parts.is_empty() { String::new() } else { format!(" {}", quoted(&self.parts)) };
        match self.kind {
            // Each partition waits for an input of its own.
            ReasonKind::Blocked => match self.periods.as_slice() {
                [first, more @ ..] if !more.is_empty() => format!("{first}; and {} more", more.len()),
                inputs => inputs.join(""),
            },
            ReasonKind::Failed => last_line(self.subject).to_string(),
            ReasonKind::Output => format!("{} {}", self.subject, abridged(&self.periods, 2)),
            ReasonKind::UPSTREAM if self.parts.is_empty() => format!("upstream {}{at}{}", self.subject, self.values()),
            ReasonKind::UPSTREAM => format!("upstream {}{at} ({})", self.subject, self.parts.join(", ")),
            ReasonKind::SELECTION => format!("selection {}{at} {}", self.subject, self.parts.join(" ")).trim_end().to_string(),
            ReasonKind::Observed(Kind::Listing | Kind::Rows) if !periods.is_empty() => {
                format!("{} {} `{periods}`{}", self.kind.name(), self.subject, self.values())
            }
            kind => format!("{} {}{at}{parts}{}", kind.name(), self.subject, self.values()),
        }
    }

    fn values(&self) -> String {
        match self.values {
            (None, None) => String::new(),
            (Some(old), Some(new)) => format!(": {old} → {new}"),
            (None, Some(new)) => format!(": new, {new}"),
            (Some(old), None) => format!(": was {old}, now gone"),
        }
    }

    pub fn json(&self) -> Value {
        let (old, new) = self.values;
        json!({"kind": self.kind, "name": self.subject, "parts": self.parts, "periods": self.periods, "old": old, "new": new})
    }
}

/// What a failure says last, which is what it failed on.
pub fn last_line(message: &str) -> &str {
    message.lines().rfind(|line| !line.trim().is_empty()).unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(period: &str, column: &str) -> Reason {
        Reason::new(ReasonKind::COLUMNS, format!("feature_view/feed@{period}"), column).values(Some("a".into()), Some("b".into()))
    }

    fn told(reasons: &[Reason]) -> Vec<String> {
        let mut causes = Causes::default();
        reasons.iter().for_each(|r| causes.add(r));
        causes.list().iter().map(Cause::text).collect()
    }

    #[test]
    fn what_differs_in_one_source_is_one_cause() {
        let days = ["2026-02-01", "2026-02-02", "2026-02-05"];
        let mut reasons: Vec<Reason> = days.iter().flat_map(|day| [column(day, "event"), column(day, "user_id")]).collect();
        reasons.push(column("2026-02-01", "artwork_id"));
        assert_eq!(told(&reasons), ["columns feature_view/feed@2026-02-01..2026-02-02, 2026-02-05 `artwork_id`, `event`, `user_id`"]);
    }

    #[test]
    fn values_are_told_where_all_have_the_same() {
        let k = |new: &str| Reason::new(ReasonKind::Observed(Kind::Parameter), "k", "").values(Some("32".into()), Some(new.into()));
        assert_eq!(told(&[k("16"), k("16")]), ["parameter k: 32 → 16"]);
        assert_eq!(told(&[k("16"), k("8")]), ["parameter k"]);
    }

    #[test]
    fn partitions_of_one_cause_have_the_same_facts() {
        let (first, second) = ([column("2026-02-01", "event")], [column("2026-02-01", "event"), column("2026-02-02", "event")]);
        assert_eq!(facts(first.iter()), facts(second.iter()));
        let upstream = |key: &str| Reason::new(ReasonKind::UPSTREAM, format!("a.skeleton@{key}"), "stale");
        assert_eq!(facts([upstream("1")].iter()), facts([upstream("2")].iter()));
        assert_eq!(told(&[upstream("2026-02-01"), upstream("2026-02-02")]), ["upstream a.skeleton@2026-02-01..2026-02-02 (stale)"]);
    }
}
