//! A survey: the verdict on every action of a graph, with nothing run and nothing changed. Status, explain and dry runs are made of it.
//!
//! Drives the same [`Plan`] as a build does, with an executor that runs nothing.

use super::check::{OutputCheck, Verdict, check};
use super::failure::FailureMemory;
use super::graph::Graph;
use super::plan::{Checked, Plan, Step};
use super::record::{Record, Records};
use super::state::{Reason, ReasonKind, State};
use super::trace;
use super::world::{Look, World};
use rayon::prelude::*;

/// A verdict per action of the graph, in its order.
pub fn survey(graph: &Graph, world: &dyn World, records: &dyn Records, memory: &FailureMemory, output: OutputCheck) -> Vec<Verdict> {
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
        let judged: Vec<(usize, Verdict)> =
            ready.par_iter().map(|i| (*i, judge(graph, *i, known, world, records, memory, output))).collect();
        for (index, verdict) in judged {
            // Only the verdict is asked for: traces of many partitions would fill the memory.
            let verdict = Verdict { trace: Vec::new(), record: verdict.record.map(without_trace), ..verdict };
            // A survey looks beyond what is blocked or failed, so everything but the fresh counts as rebuilt.
            let checked = if verdict.state.stands() { Checked::Fresh } else { Checked::Run };
            verdicts[index] = Some(verdict);
            plan.checked(index, checked);
        }
    }
    verdicts.into_iter().flatten().collect()
}

fn without_trace(record: Record) -> Record {
    Record { trace: Vec::new(), ..record }
}

fn judge(
    graph: &Graph,
    index: usize,
    known: &[Option<Verdict>],
    world: &dyn World,
    records: &dyn Records,
    memory: &FailureMemory,
    output: OutputCheck,
) -> Verdict {
    let action = &graph.actions()[index];
    let fresh = |id: &_| {
        let verdict = known[graph.index_of(id)?].as_ref()?;
        verdict.output().filter(|_| verdict.state.stands())
    };
    let verdict = check(action, world, records, &fresh, output, Look::Once);
    let below_blocked = action.upstreams.iter().filter_map(|id| known[graph.index_of(id)?].as_ref()).any(|v| v.state == State::Blocked);
    if below_blocked && verdict.state != State::Fresh {
        return Verdict { state: State::Blocked, ..verdict };
    }
    recall(action, verdict, memory)
}

/// What failed under just this trace is shown as failed.
pub fn recall(action: &super::action::Action, verdict: Verdict, memory: &FailureMemory) -> Verdict {
    if !matches!(verdict.state, State::Stale | State::Missing) {
        return verdict;
    }
    match memory.recall(&action.id, trace::digest(&verdict.trace)) {
        Some(message) => {
            let mut reasons = vec![Reason::new(ReasonKind::Failed, action.id.to_string(), message)];
            reasons.extend(verdict.reasons);
            Verdict { state: State::Failed, reasons, ..verdict }
        }
        None => verdict,
    }
}
