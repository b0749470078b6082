//! The account of a build: what was built, why, how long it took, and what is left.
//!
//! Invariants: it is collected from events and tells nothing that they did not; a thousand partitions with the same causes are told once.

use super::causes::Causes;
use super::grid::wrapped;
use super::ranges::{abridged, of_keys};
use crate::engine::action::ActionId;
use crate::engine::event::{Event, Sink};
use crate::engine::state::{Reason, State};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

/// So many causes are told.
const CAUSES: usize = 6;

/// Listens to a build.
#[derive(Default)]
pub struct Account(Mutex<Book>);

#[derive(Default)]
struct Book {
    why: BTreeMap<ActionId, (State, Vec<Reason>)>,
    built: BTreeMap<ActionId, f64>,
    failed: Vec<ActionId>,
    skipped: Vec<ActionId>,
    /// Those that have begun, whatever became of them.
    begun: BTreeSet<ActionId>,
    blocked: Vec<(ActionId, String)>,
}

impl Sink for Account {
    fn event(&self, event: &Event) {
        let mut book = self.0.lock().expect("no thread panics while it keeps the book");
        match event {
            Event::Judged { action, state, reasons } => drop(book.why.insert(action.clone(), (*state, reasons.clone()))),
            Event::Published { action, seconds, .. } => drop(book.built.insert(action.clone(), *seconds)),
            Event::Failed { action, .. } => book.failed.push(action.clone()),
            Event::Started { action, .. } => drop(book.begun.insert(action.clone())),
            Event::Skipped { action, .. } => book.skipped.push(action.clone()),
            Event::Blocked { action, message } => book.blocked.push((action.clone(), message.clone())),
            _ => {}
        }
    }
}

impl Account {
    /// Nothing where nothing was built and nothing is left.
    pub fn text(&self, program: &str) -> String {
        let book = self.0.lock().expect("no thread panics while it keeps the book");
        [book.built_text(), book.why_text(), book.slowest_text(), book.left_text(program)].concat()
    }
}

impl Book {
    fn built_text(&self) -> String {
        if self.built.is_empty() { String::new() } else { wrapped(&by_op(self.built.keys()), "  built: ", 9) }
    }

    fn why_text(&self) -> String {
        let mut new = 0;
        let mut forced = 0;
        let mut causes = Causes::default();
        for (state, reasons) in self.built.keys().filter_map(|id| self.why.get(id)) {
            match state {
                State::Missing => new += 1,
                State::Fresh => forced += 1,
                _ => reasons.iter().filter(|r| r.root).for_each(|reason| causes.add(reason)),
            }
        }
        let mut told: Vec<String> = causes.list().iter().map(|cause| cause.text()).collect();
        let more = told.len().saturating_sub(CAUSES);
        told.truncate(CAUSES);
        told.extend((more > 0).then(|| format!("and {more} more causes")));
        told.extend((forced > 0).then(|| format!("--force ({forced})")));
        told.extend((new > 0).then(|| format!("nothing was published yet ({new})")));
        told.iter().enumerate().map(|(i, cause)| wrapped(cause, if i == 0 { "  why:   " } else { "         " }, 11)).collect()
    }

    fn slowest_text(&self) -> String {
        let slowest = self.built.iter().max_by(|a, b| a.1.total_cmp(b.1)).filter(|_| self.built.len() > 1);
        slowest.map_or(String::new(), |(id, seconds)| wrapped(&format!("{id} took {seconds:.1} s, the longest"), "  time:  ", 9))
    }

    fn left_text(&self, program: &str) -> String {
        let mut lines = Vec::new();
        if !self.failed.is_empty() {
            let first = &self.failed[0];
            lines.push(format!("failed: {}; {program} explain {first} tells more", by_op(self.failed.iter())));
        }
        let (stopped, untouched): (Vec<&ActionId>, Vec<&ActionId>) = self.skipped.iter().partition(|id| self.begun.contains(*id));
        for (what, ids) in [("stopped", stopped), ("not begun", untouched)] {
            if !ids.is_empty() {
                lines.push(format!("{what}: {}", by_op(ids.into_iter())));
            }
        }
        if let Some((_, first)) = self.blocked.first() {
            let others = if self.blocked.len() > 1 { format!("; and {} more", self.blocked.len() - 1) } else { String::new() };
            lines.push(format!("waiting: {} ({first}{others})", by_op(self.blocked.iter().map(|(id, _)| id))));
        }
        lines.iter().enumerate().map(|(i, line)| wrapped(line, if i == 0 { "  left:  " } else { "         " }, 11)).collect()
    }
}

/// `asset.op@from..to`, op by op.
fn by_op<'a>(ids: impl Iterator<Item = &'a ActionId>) -> String {
    let mut ops: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for id in ids {
        ops.entry((&id.asset, &id.op)).or_default().extend(id.key.as_deref());
    }
    let one = |((asset, op), mut keys): ((&str, &str), Vec<&str>)| {
        keys.sort_unstable();
        if keys.is_empty() { format!("{asset}.{op}") } else { format!("{asset}.{op}@{}", abridged(&of_keys(keys), 4)) }
    };
    ops.into_iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::observation::Kind;
    use crate::engine::state::ReasonKind;

    fn id(key: &str) -> ActionId {
        ActionId { asset: "ranker".into(), op: "skeleton".into(), key: Some(key.into()) }
    }

    #[test]
    fn what_was_stopped_had_begun() {
        let account = Account::default();
        account.event(&Event::Started { action: id("2026-02-01"), attempt: 1 });
        for day in ["2026-02-01", "2026-02-02"] {
            account.event(&Event::Skipped { action: id(day), because: None });
        }
        let expected = ["  left:  stopped: ranker.skeleton@2026-02-01", "         not begun: ranker.skeleton@2026-02-02"];
        assert_eq!(account.text("daeda").lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_why_how_long_and_what_is_left() {
        let account = Account::default();
        let k = Reason::new(ReasonKind::Observed(Kind::Parameter), "liked.k", "").values(Some("4".into()), Some("3".into()));
        for (day, seconds) in [("2026-02-01", 1.0), ("2026-02-02", 2.5)] {
            account.event(&Event::Judged { action: id(day), state: State::Stale, reasons: vec![k.clone()] });
            account.event(&Event::Published { action: id(day), seconds, peak_memory: 0, metadata: Default::default() });
        }
        account.event(&Event::Failed { action: id("2026-02-03"), attempt: 1, error: "no".into(), log: None, memory: 0, peak_memory: 0 });
        account.event(&Event::Blocked { action: id("2026-02-04"), message: "feed is not there".into() });
        let expected = [
            "  built: ranker.skeleton@2026-02-01..2026-02-02",
            "  why:   parameter liked.k: 4 → 3",
            "  time:  ranker.skeleton@2026-02-02 took 2.5 s, the longest",
            "  left:  failed: ranker.skeleton@2026-02-03; daeda explain",
            "           ranker.skeleton@2026-02-03 tells more",
            "         waiting: ranker.skeleton@2026-02-04 (feed is not there)",
        ];
        assert_eq!(account.text("daeda").lines().collect::<Vec<_>>(), expected);
        assert_eq!(Account::default().text("daeda"), "");
    }
}
