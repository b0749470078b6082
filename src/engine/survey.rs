//! A survey: the verdict on every action of a graph, with nothing run and nothing changed. Status, explain, dry runs and the brake are
//! made of it.
//!
//! Drives the same [`Plan`] as a build does, with an executor that runs nothing.

use super::action::{Action, ActionId};
use super::check::Verdict;
use super::decision::{Decision, Permits};
use super::graph::Graph;
use super::judge::Judge;
use super::plan::{Checked, Plan, Step};
use super::state::{Reason, ReasonKind, State};
use super::world::Look;
use rayon::prelude::*;
use std::collections::HashMap;

/// A verdict per action of the graph, in its order. `permits` decides what counts as rebuilt for what reads it.
pub fn survey(graph: &Graph, judge: &Judge, permits: &Permits) -> Vec<Verdict> {
    let mut plan = Plan::new(graph, true);
    let mut verdicts: Vec<Option<Verdict>> = vec![None; graph.len()];
    loop {
        let mut ready = Vec::new();
        let over = loop {
            match plan.step() {
                Step::Check(index) => ready.push(index),
                Step::Run(index) => plan.finished(index, true),
                Step::Wait => break false,
                Step::Finished => break true,
            }
        };
        if over {
            break;
        }
        let known = &verdicts;
        let judged: Vec<(usize, Verdict)> = ready.par_iter().map(|i| (*i, verdict(graph, *i, known, judge, permits))).collect();
        for (index, verdict) in judged {
            // A survey looks beyond what is blocked or failed, so everything that does not stand counts as rebuilt.
            let checked = if permits.decide(graph, index, &verdict) == Decision::Stand { Checked::Fresh } else { Checked::Run };
            verdicts[index] = Some(verdict);
            plan.checked(index, checked);
        }
    }
    verdicts.into_iter().flatten().collect()
}

fn verdict(graph: &Graph, index: usize, known: &[Option<Verdict>], judge: &Judge, permits: &Permits) -> Verdict {
    let action = &graph.actions()[index];
    let of = |upstream: usize| known[upstream].as_ref();
    let standing = |id: &ActionId| {
        let upstream = graph.index_of(id)?;
        let stands = |verdict: &&Verdict| permits.decide(graph, upstream, verdict) == Decision::Stand;
        of(upstream).filter(stands)?.output
    };
    let mut verdict = judge.verdict(action, &standing, Look::Once);
    name_states(action, &mut verdict.reasons, &|id| graph.index_of(id).and_then(of));
    let blocked = |id: &ActionId| graph.index_of(id).and_then(of).is_some_and(|v| v.state == State::Blocked);
    if !verdict.state.stands() && action.upstreams.iter().any(blocked) {
        return Verdict { state: State::Blocked, ..verdict };
    }
    verdict
}

/// Says of upstreams that are not fresh what they are.
fn name_states<'a>(action: &Action, reasons: &mut [Reason], of: &dyn Fn(&ActionId) -> Option<&'a Verdict>) {
    let consequences: Vec<&mut Reason> = reasons.iter_mut().filter(|r| r.kind == ReasonKind::UPSTREAM && !r.root).collect();
    if consequences.is_empty() {
        return;
    }
    let states: HashMap<String, &str> = action.upstreams.iter().filter_map(|id| Some((id.to_string(), of(id)?.state.name()))).collect();
    for reason in consequences {
        reason.detail = states.get(&reason.name).copied().unwrap_or("not fresh").into();
    }
}
