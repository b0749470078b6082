//! A survey: the verdict on every action of a graph, with nothing run and nothing changed. Status, explain and dry runs are made of it.
//!
//! Drives the same [`Plan`] as a build does, with an executor that runs nothing.

use super::action::{Action, ActionId};
use super::check::{Eyes, Verdict};
use super::driver::cleaned;
use super::failure::FailureMemory;
use super::graph::Graph;
use super::plan::{Checked, Outcome, Plan, Step};
use super::state::{Reason, ReasonKind, State};
use super::world::Look;
use rayon::prelude::*;

/// A verdict per action of the graph, in its order. One whose data was cleaned away, and of which nothing needs more than its record,
/// is fresh.
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
        let (known, settled) = (&verdicts, &plan);
        let judged: Vec<(usize, Verdict)> = ready.par_iter().map(|i| (*i, judge(graph, *i, (known, settled), eyes, memory))).collect();
        for (index, mut verdict) in judged {
            let checked = meaning(&plan, index, &verdict);
            if checked == Checked::Run && verdict.state == State::Fresh {
                (verdict.state, verdict.reasons) = (State::Stale, verdict.cleaned.iter().map(|time| cleaned(time)).collect());
            }
            verdicts[index] = Some(verdict);
            plan.checked(index, checked);
        }
    }
    let settled = |(index, verdict): (usize, Option<Verdict>)| match plan.outcome(index) {
        Some(Outcome::Cleaned) => verdict.map(|v| Verdict { state: State::Fresh, reasons: vec![], ..v }),
        _ => verdict,
    };
    verdicts.into_iter().enumerate().filter_map(settled).collect()
}

/// A survey looks beyond what is blocked or failed, so everything but the fresh counts as rebuilt.
fn meaning(plan: &Plan, index: usize, verdict: &Verdict) -> Checked {
    match verdict.cleaned {
        Some(_) if plan.suffices(index, verdict.is_stale()) => Checked::Cleaned { stale: verdict.is_stale() },
        None if verdict.state.stands() => Checked::Fresh,
        _ => Checked::Run,
    }
}

fn judge(graph: &Graph, index: usize, (known, plan): (&[Option<Verdict>], &Plan), eyes: &Eyes, memory: &FailureMemory) -> Verdict {
    let action = &graph.actions()[index];
    let stands = |index: usize| matches!(plan.outcome(index), Some(Outcome::Fresh | Outcome::Cleaned));
    let of = |id: &ActionId| graph.index_of(id).and_then(|i| Some((known[i].as_ref()?, stands(i))));
    let fresh = |id: &ActionId| of(id).filter(|(_, stands)| *stands)?.0.output;
    let verdict = eyes.check(action, &fresh, Look::Once);
    let below_blocked = || action.upstreams.iter().filter_map(of).any(|(v, stands)| v.state == State::Blocked && !stands);
    if verdict.state != State::Fresh && below_blocked() {
        return Verdict { state: State::Blocked, ..verdict };
    }
    recall(action, verdict, memory)
}

/// What failed under just this trace is shown as failed.
pub fn recall(action: &Action, verdict: Verdict, memory: &FailureMemory) -> Verdict {
    let (State::Stale | State::Missing, Some(trace)) = (verdict.state, verdict.trace) else { return verdict };
    match memory.recall(&action.id, trace.whole()) {
        Some(message) => {
            let mut reasons = vec![Reason::new(ReasonKind::Failed, action.id.to_string(), message)];
            reasons.extend(verdict.reasons);
            Verdict { state: State::Failed, reasons, ..verdict }
        }
        None => verdict,
    }
}
