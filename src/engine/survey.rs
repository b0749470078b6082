//! A survey: the verdict on every action of a graph, with nothing run and nothing changed. Status, explain and dry runs are made of it.
//!
//! Drives the same [`Plan`] as a build does, with an executor that runs nothing.

use super::action::{Action, ActionId};
use super::check::{Eyes, Verdict};
use super::failure::FailureMemory;
use super::graph::Graph;
use super::plan::{Checked, Plan, Step};
use super::state::{Reason, ReasonKind, State};
use super::world::Look;
use rayon::prelude::*;
use std::collections::HashMap;

/// A verdict per action of the graph, in its order.
pub fn survey(graph: &Graph, eyes: &Eyes, memory: &FailureMemory) -> Vec<Verdict> {
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
        let judged: Vec<(usize, Verdict)> = ready.par_iter().map(|i| (*i, judge(graph, *i, known, eyes, memory))).collect();
        for (index, verdict) in judged {
            // A survey looks beyond what is blocked or failed, so everything but the fresh counts as rebuilt.
            let checked = if verdict.state.stands() { Checked::Fresh } else { Checked::Run };
            verdicts[index] = Some(verdict);
            plan.checked(index, checked);
        }
    }
    verdicts.into_iter().flatten().collect()
}

fn judge(graph: &Graph, index: usize, known: &[Option<Verdict>], eyes: &Eyes, memory: &FailureMemory) -> Verdict {
    let action = &graph.actions()[index];
    let of = |id: &ActionId| known[graph.index_of(id)?].as_ref();
    let fresh = |id: &ActionId| of(id).filter(|v| v.state.stands())?.output;
    let mut verdict = eyes.check(action, &fresh, Look::Once);
    name_states(action, &mut verdict.reasons, &of);
    let below_blocked = || action.upstreams.iter().filter_map(of).any(|v| v.state == State::Blocked);
    if verdict.state != State::Fresh && below_blocked() {
        return Verdict { state: State::Blocked, ..verdict };
    }
    recall(action, verdict, memory)
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

/// What failed under just this trace is shown as failed.
pub fn recall(action: &Action, verdict: Verdict, memory: &FailureMemory) -> Verdict {
    let (State::Stale | State::Missing, Some(trace)) = (verdict.state, verdict.trace) else { return verdict };
    match memory.recall(&action.id, trace.whole()) {
        Some(past) => {
            let mut reasons = vec![Reason::new(ReasonKind::Failed, action.id.to_string(), past.message.clone())];
            reasons.extend(verdict.reasons);
            Verdict { state: State::Failed, reasons, failure: Some(Box::new(past)), ..verdict }
        }
        None => verdict,
    }
}
