//! How the due periods of a schedule stand, by the verdicts on their actions.
//!
//! Pure. Invariants: a period stands as its worst action does, as in `status`; one that hangs on a failed action, of whatever asset, has failed.

use super::due::{Due, Member};
use crate::engine::action::ActionId;
use crate::engine::check::Verdict;
use crate::engine::failure::Failure;
use crate::engine::graph::Graph;
use crate::engine::state::{Reason, State};
use crate::workspace::{Keys, Target};
use std::collections::{BTreeSet, HashMap};

/// An action that failed, and where that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    pub action: String,
    pub message: String,
    pub log: Option<String>,
}

/// A period that is due, and how it stands.
#[derive(Debug, Clone)]
pub struct Standing {
    pub due: Due,
    pub state: State,
    /// What keeps it from being fresh.
    pub why: Vec<String>,
    pub failed: Vec<Failed>,
    /// Whether anything of it is published.
    pub published: bool,
}

impl Standing {
    pub fn is_done(&self) -> bool {
        self.state.stands()
    }

    /// To be built by the next run.
    pub fn is_open(&self) -> bool {
        self.due.within && !self.is_done()
    }

    /// It came due too long ago to be built, and nothing of it is there.
    pub fn is_missed(&self) -> bool {
        !self.due.within && !self.is_done() && !self.published
    }

    pub fn is_late(&self, now: i64) -> bool {
        !self.is_done() && self.due.is_late(now)
    }
}

/// What verdicts are needed on: every member with all its due periods.
pub fn targets(due: &[Due]) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for (due, member) in due.iter().flat_map(|due| due.members.iter().map(move |member| (due, member))) {
        let Member { asset, op } = member;
        let known = targets.iter_mut().find(|t| t.asset.name == asset.name && t.op == *op);
        match (known, &due.key) {
            (Some(Target { keys: Keys::All(keys), .. }), Some(key)) => keys.push(key.clone()),
            (Some(_), _) => {}
            (None, Some(key)) => targets.push(Target { asset: asset.clone(), op: op.clone(), keys: Keys::All(vec![key.clone()]) }),
            (None, None) => targets.push(Target { asset: asset.clone(), op: op.clone(), keys: Keys::Unpartitioned }),
        }
    }
    targets
}

/// How each due period stands. What failed in a build just now may be remembered by nobody, such as for want of space.
pub fn standings(due: Vec<Due>, graph: &Graph, verdicts: &[Verdict], now_failed: &[(ActionId, Failure)]) -> Vec<Standing> {
    let failures = Failures::of(graph, verdicts, now_failed);
    let mut of: HashMap<(&str, Option<&str>), Vec<usize>> = HashMap::new();
    for index in &graph.targets {
        let id = &graph.actions()[*index].id;
        of.entry((&id.asset, id.key.as_deref())).or_default().push(*index);
    }
    let standing = |due: Due| {
        let own = |m: &Member| of.get(&(m.asset.name.as_str(), due.key.as_deref())).into_iter().flatten().copied().collect::<Vec<_>>();
        let actions: Vec<usize> = due.members.iter().flat_map(own).collect();
        let worst = actions.iter().map(|index| verdicts[*index].state).min().unwrap_or(State::Fresh);
        let reasons = actions.iter().filter(|index| verdicts[**index].state == worst).flat_map(|index| &verdicts[*index].reasons);
        let mut why: Vec<String> = reasons.filter(|r| r.root).map(Reason::to_string).collect();
        why.dedup();
        let failed = if worst.stands() { Vec::new() } else { failures.below(&actions) };
        let state = if failed.is_empty() { worst } else { State::Failed };
        let published = actions.last().is_some_and(|index| verdicts[*index].output.is_some());
        Standing { failed, state, why, published, due }
    };
    due.into_iter().map(standing).collect()
}

/// What has failed, and what cannot be built because of it.
struct Failures<'a> {
    graph: &'a Graph,
    /// By action, the failed one that it is or hangs on.
    lost: Vec<Option<usize>>,
    told: HashMap<usize, (String, Option<String>)>,
}

impl<'a> Failures<'a> {
    fn of(graph: &'a Graph, verdicts: &[Verdict], now_failed: &[(ActionId, Failure)]) -> Self {
        let now_failed = now_failed.iter().filter_map(|(id, f)| Some((graph.index_of(id)?, (f.message.clone(), f.log.clone()))));
        let mut told: HashMap<usize, (String, Option<String>)> = now_failed.collect();
        let mut lost: Vec<Option<usize>> = Vec::with_capacity(verdicts.len());
        for (index, verdict) in verdicts.iter().enumerate() {
            if verdict.state == State::Failed {
                told.entry(index).or_insert_with(|| remembered(verdict));
            }
            let below = || graph.dependencies(index).iter().find_map(|d| lost[*d]);
            lost.push(match verdict.state.stands() {
                true => None,
                false if told.contains_key(&index) => Some(index),
                false => below(),
            });
        }
        Self { graph, lost, told }
    }

    /// The failed actions that some hang on, each once.
    fn below(&self, actions: &[usize]) -> Vec<Failed> {
        let lost: BTreeSet<usize> = actions.iter().filter_map(|index| self.lost[*index]).collect();
        let failed = |index: &usize| {
            let (message, log) = self.told.get(index).cloned().unwrap_or_default();
            Failed { action: self.graph.actions()[*index].id.to_string(), message, log }
        };
        lost.iter().map(failed).collect()
    }
}

fn remembered(verdict: &Verdict) -> (String, Option<String>) {
    match &verdict.failure {
        Some(past) => (past.message.clone(), past.log.clone()),
        None => (verdict.reasons.first().map(|r| r.detail.clone()).unwrap_or_default(), None),
    }
}
