//! Comparing two traces: the verdict and its explanation in one pass.
//!
//! Pure. Invariant: `compare` returns no reason if and only if both traces have the same names with the same digests.

use super::observation::{Kind, Observation, Shown};
use super::series;
use super::state::{Reason, ReasonKind};
use crate::digest::{Digest, Hasher};
use std::collections::{BTreeMap, BTreeSet, HashSet};

type Named<'a> = BTreeMap<(Kind, &'a str), &'a Observation>;

fn named(trace: &[Observation]) -> Named<'_> {
    trace.iter().map(|o| ((o.kind, &*o.name), o)).collect()
}

/// Every difference between what was recorded and what is there now.
pub fn compare(recorded: &[Observation], current: &[Observation]) -> Vec<Reason> {
    compare_refining(recorded, current, &mut |then, now| Some(differences(then, now)))
}

/// The same, where `refine` says what of an observation that differs matters: nothing of it (`None`), or these reasons.
pub fn compare_refining(
    recorded: &[Observation],
    current: &[Observation],
    refine: &mut dyn FnMut(&Observation, &Observation) -> Option<Vec<Reason>>,
) -> Vec<Reason> {
    let (old, new) = (named(recorded), named(current));
    let mut reasons = Vec::new();
    for (key, now) in &new {
        match old.get(key) {
            Some(then) if then.digest == now.digest => {}
            Some(then) => reasons.extend(refine(then, now).unwrap_or_default()),
            None => reasons.push(reason(now).values(None, Some(brief(&now.value)))),
        }
    }
    let gone = old.iter().filter(|(key, _)| !new.contains_key(*key));
    reasons.extend(gone.map(|(_, then)| reason(then).values(Some(brief(&then.value)), None)));
    explain_by_listing(&mut reasons);
    explain_by_definition(&mut reasons);
    reasons
}

/// That a period has come or gone explains why its columns have.
fn explain_by_listing(reasons: &mut [Reason]) {
    let is_listing = |r: &&Reason| r.kind == ReasonKind::Observed(Kind::Listing);
    let listed: HashSet<String> = reasons.iter().filter(is_listing).map(|r| format!("{}@{}", r.name, r.detail)).collect();
    let is_read = |r: &Reason| matches!(r.kind, ReasonKind::COLUMNS | ReasonKind::SELECTION);
    let one_sided = |r: &Reason| is_read(r) && r.old.is_some() != r.new.is_some();
    reasons.iter_mut().filter(|r| one_sided(r) && listed.contains(&r.name)).for_each(|r| r.root = false);
}

/// That a definition differs explains why other rows are selected: it says the `where` and the reach. What is selected by another `where` has
/// no counterpart to be compared with.
fn explain_by_definition(reasons: &mut Vec<Reason>) {
    let is_declared = |r: &Reason| matches!(r.kind, ReasonKind::Observed(kind) if kind.is_declared());
    if !reasons.iter().any(is_declared) {
        return;
    }
    let one_sided = |r: &Reason| r.kind == ReasonKind::SELECTION && r.old.is_some() != r.new.is_some();
    reasons.retain(|r| !one_sided(r) || r.name.contains('@'));
    reasons.iter_mut().filter(|r| one_sided(r)).for_each(|r| r.root = false);
}

/// One digest of observations, whatever their order: it changes when anything observed does.
pub fn digest_of(observations: &[Observation]) -> Digest {
    let mut sorted: Vec<&Observation> = observations.iter().collect();
    sorted.sort_unstable_by_key(|o| (o.kind, &*o.name));
    let mut hasher = Hasher::new("trace");
    for observation in sorted {
        hasher.text(observation.kind.name(), &observation.name).digest("is", &observation.digest);
    }
    hasher.finish()
}

fn reason(observation: &Observation) -> Reason {
    let (name, selects) = selected(observation);
    Reason::new(ReasonKind::Observed(observation.kind), name, selects)
}

/// The source of a selection and, from `where` on, what is selected of it; of anything else its name.
fn selected(observation: &Observation) -> (&str, &str) {
    let name = &*observation.name;
    match name.find(" where ").filter(|_| observation.kind == Kind::Selection) {
        Some(end) => (&name[..end], &name[end + 1..]),
        None => (name, ""),
    }
}

/// What of one observation differs, at least the observation itself.
pub fn differences(old: &Observation, new: &Observation) -> Vec<Reason> {
    let found = match (&old.value, &new.value) {
        (Shown::Parts(was), Shown::Parts(is)) => parts_that_differ(old, was, is),
        (Shown::Series(was), Shown::Series(is)) => once(series::differences(was, is).into_iter().map(|d| of_period(new, d))),
        _ => vec![reason(new).values(Some(brief(&old.value)), Some(brief(&new.value)))],
    };
    if found.is_empty() { vec![reason(new)] } else { found }
}

/// Several ranges of one selection differ in the same period.
fn once(reasons: impl Iterator<Item = Reason>) -> Vec<Reason> {
    let mut known = BTreeSet::new();
    reasons.filter(|r| r.kind != ReasonKind::SELECTION || known.insert((r.name.clone(), r.detail.clone()))).collect()
}

fn parts_that_differ(of: &Observation, was: &BTreeMap<String, String>, is: &BTreeMap<String, String>) -> Vec<Reason> {
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let differing = names.into_iter().filter(|name| was.get(*name) != is.get(*name));
    let shown = |value: Option<&String>| value.map(|v| shorten(v));
    differing.map(|name| reason(of).about(&of.name, name).values(shown(was.get(name)), shown(is.get(name)))).collect()
}

/// A listing and a selection differ by period; columns differ by column within a period.
fn of_period(of: &Observation, difference: series::Difference) -> Reason {
    let series::Difference { key, part, old, new } = difference;
    let (source, selects) = selected(of);
    let reason = match (selects, part.is_empty()) {
        ("", true) => reason(of).about(source, &key),
        ("", false) => reason(of).about(&format!("{source}@{key}"), &part),
        (selects, _) => reason(of).about(&format!("{source}@{key}"), selects),
    };
    reason.values(old.map(|t| shorten(&t)), new.map(|t| shorten(&t)))
}

fn brief(value: &Shown) -> String {
    match value {
        Shown::Text(text) => shorten(text),
        Shown::Parts(parts) => shorten(&parts.keys().cloned().collect::<Vec<_>>().join(", ")),
        Shown::Series(series) => shorten(&series.iter().map(|s| format!("{}..{}", s.from, s.to)).collect::<Vec<_>>().join(", ")),
        Shown::Unsaid => String::new(),
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
        assert_eq!(digest_of(&[a.clone(), b.clone()]), digest_of(&[b, a]));
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
    fn columns_of_a_period_that_went_follow_from_the_listing() {
        let file =
            |name: &str| Observation::parts(Kind::Listing, "feature_view/feed", [("2026-02-01".to_string(), name.to_string())].into());
        let reasons = compare(&[file("part-0"), columns(&[("ts", "a"), ("user", "b")])], &[file("absent"), columns(&[("ts", "c")])]);
        let roots: Vec<(&str, bool)> = reasons.iter().map(|r| (r.detail.as_str(), r.root)).collect();
        assert_eq!(roots, [("2026-02-01", true), ("ts", true), ("user", false)]);
    }

    #[test]
    fn another_selection_follows_from_its_definition() {
        let selection = |filter: &str| Observation::text(Kind::Selection, format!("feature_view/feed where {filter}"), "2026-02-01");
        let told = |reasons: Vec<Reason>| reasons.iter().map(Reason::to_string).collect::<Vec<_>>();
        let alone = compare(&[selection("a")], &[selection("b")]);
        assert_eq!(
            told(alone),
            ["selection feature_view/feed where b: new, 2026-02-01", "selection feature_view/feed where a: was 2026-02-01, now gone"]
        );
        let defined = compare(&[parameter("expr", "a"), selection("a")], &[parameter("expr", "b"), selection("b")]);
        assert_eq!(told(defined), ["parameter expr: a → b"]);
    }

    #[test]
    fn a_name_on_one_side_is_a_reason() {
        assert_eq!(compare(&[], &[parameter("a", "1")]).len(), 1);
        assert_eq!(compare(&[parameter("a", "1")], &[]).len(), 1);
    }
}
