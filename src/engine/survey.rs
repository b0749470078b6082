//! A survey: the verdict on every action of a graph, with nothing run and nothing changed. Status, explain, dry runs and the brake are
//! made of it.
//!
//! Drives the same [`Plan`] as a build does, with an executor that runs nothing.

use super::check::Verdict;
use super::decision::{Decision, Permits};
use super::graph::Graph;
use super::judge::Judge;
use super::plan::{Checked, Plan, Step};
use super::record::Record;
use super::state::State;
use super::world::Look;
use rayon::prelude::*;

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
            // Only the verdict is asked for: traces of many partitions would fill the memory.
            verdicts[index] = Some(Verdict { trace: Vec::new(), record: verdict.record.map(without_trace), ..verdict });
            plan.checked(index, checked);
        }
    }
    verdicts.into_iter().flatten().collect()
}

fn without_trace(record: Record) -> Record {
    Record { trace: Vec::new(), ..record }
}

fn verdict(graph: &Graph, index: usize, known: &[Option<Verdict>], judge: &Judge, permits: &Permits) -> Verdict {
    let action = &graph.actions()[index];
    let standing = |id: &_| {
        let upstream = graph.index_of(id)?;
        let verdict = known[upstream].as_ref()?;
        verdict.output().filter(|_| permits.decide(graph, upstream, verdict) == Decision::Stand)
    };
    let verdict = judge.verdict(action, &standing, Look::Once);
    let below_blocked = action.upstreams.iter().filter_map(|id| known[graph.index_of(id)?].as_ref()).any(|v| v.state == State::Blocked);
    if below_blocked && !verdict.state.stands() {
        return Verdict { state: State::Blocked, ..verdict };
    }
    verdict
}
