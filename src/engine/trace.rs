//! Comparing two traces: the verdict and its explanation in one pass.
//!
//! Pure. Invariant: `compare` returns no reason if and only if both traces have the same names with the same digests.

use super::observation::{Kind, Observation, Shown};
use super::state::{Reason, ReasonKind};
use crate::digest::{Digest, Hasher};
use std::collections::BTreeMap;

type Named<'a> = BTreeMap<(Kind, &'a str), &'a Observation>;

fn named(trace: &[Observation]) -> Named<'_> {
    trace.iter().map(|o| ((o.kind, o.name.as_str()), o)).collect()
}

/// Every difference between what was recorded and what is there now.
pub fn compare(recorded: &[Observation], current: &[Observation]) -> Vec<Reason> {
    let (old, new) = (named(recorded), named(current));
    let mut reasons = Vec::new();
    for (key, now) in &new {
        match old.get(key) {
            Some(then) if then.digest == now.digest => {}
            Some(then) => reasons.extend(differences(then, now)),
            None => reasons.push(reason(now).values(None, Some(brief(&now.value)))),
        }
    }
    let gone = old.iter().filter(|(key, _)| !new.contains_key(*key));
    reasons.extend(gone.map(|(_, then)| reason(then).values(Some(brief(&then.value)), None)));
    reasons
}

/// One digest of a whole trace: it changes when anything observed does.
pub fn digest(trace: &[Observation]) -> Digest {
    let mut hasher = Hasher::new("trace");
    for ((kind, name), observation) in named(trace) {
        hasher.text(kind.name(), name).digest("is", &observation.digest);
    }
    hasher.finish()
}

fn reason(observation: &Observation) -> Reason {
    Reason::new(ReasonKind::Observed(observation.kind), observation.name.clone(), "")
}

fn differences(old: &Observation, new: &Observation) -> Vec<Reason> {
    let (Shown::Parts(was), Shown::Parts(is)) = (&old.value, &new.value) else {
        return vec![reason(new).values(Some(brief(&old.value)), Some(brief(&new.value)))];
    };
    let names: std::collections::BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let differing = names.into_iter().filter(|name| was.get(*name) != is.get(*name));
    let reasons = differing.map(|name| {
        let shown = |value: Option<&String>| value.map(|v| shorten(v));
        Reason::new(ReasonKind::Observed(new.kind), new.name.clone(), name.clone()).values(shown(was.get(name)), shown(is.get(name)))
    });
    reasons.collect()
}

fn brief(value: &Shown) -> String {
    match value {
        Shown::Text(text) => shorten(text),
        Shown::Parts(parts) => shorten(&parts.keys().cloned().collect::<Vec<_>>().join(", ")),
    }
}

fn shorten(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, value: &str) -> Observation {
        Observation::text(Kind::Parameter, name, value)
    }

    fn columns(parts: &[(&str, &str)]) -> Observation {
        let parts = parts.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        Observation::parts(Kind::Columns, "feature_view/feed@2026-02-01", parts)
    }

    #[test]
    fn order_does_not_matter() {
        let (a, b) = (parameter("a", "1"), parameter("b", "2"));
        assert_eq!(compare(&[a.clone(), b.clone()], &[b.clone(), a.clone()]), []);
        assert_eq!(digest(&[a.clone(), b.clone()]), digest(&[b, a]));
    }

    #[test]
    fn a_changed_value_is_shown_old_and_new() {
        let reasons = compare(&[parameter("likes.k", "32")], &[parameter("likes.k", "16")]);
        assert_eq!(reasons[0].to_string(), "parameter likes.k: 32 → 16");
    }

    #[test]
    fn only_the_parts_that_differ_are_named() {
        let reasons = compare(&[columns(&[("ts", "a"), ("user", "b")])], &[columns(&[("ts", "c"), ("user", "b")])]);
        assert_eq!(reasons.len(), 1);
        assert_eq!(reasons[0].to_string(), "columns feature_view/feed@2026-02-01 `ts`: a → c");
    }

    #[test]
    fn a_name_on_one_side_is_a_reason() {
        assert_eq!(compare(&[], &[parameter("a", "1")]).len(), 1);
        assert_eq!(compare(&[parameter("a", "1")], &[]).len(), 1);
    }
}
