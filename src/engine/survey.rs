//! A survey: the verdict on every action of a graph, with nothing run and nothing changed. Status, explain, dry runs and the brake are
//! made of it.
//!
//! Drives the same [`Plan`] as a build does, with an executor that runs nothing.

use super::action::Action;
use super::check::Verdict;
use super::decision::{Decision, Permits};
use super::graph::Graph;
use super::judge::Judge;
use super::plan::{Checked, Outcome, Plan, Step};
use super::state::{Reason, ReasonKind, State};
use super::world::Look;
use crate::stat::Near;
use rayon::prelude::*;
use std::collections::HashMap;

/// A verdict per action of the graph, in its order; one whose data was cleaned away, and of which nothing needs more than its record, is
/// fresh. `permits` decides what counts as rebuilt for what reads it.
pub fn survey(graph: &Graph, judge: &Judge, permits: &Permits) -> Vec<Verdict> {
    judge.eyes.world.foresee(graph.actions());
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
        let known = (&verdicts[..], &plan);
        let judged: Vec<(usize, Verdict)> =
            ready.par_iter().map_init(Near::default, |near, i| (*i, verdict(graph, *i, known, judge, near))).collect();
        for (index, mut verdict) in judged {
            let checked = meaning(&plan, index, &verdict, (graph, permits));
            if let (Checked::Run, State::Fresh, Some(time)) = (checked, verdict.state, &verdict.cleaned) {
                (verdict.state, verdict.reasons) = (State::Stale, vec![Reason::new(ReasonKind::Output, "output cleaned", time.clone())]);
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

/// A survey looks beyond what is blocked or failed, so everything that does not stand counts as rebuilt.
fn meaning(plan: &Plan, index: usize, verdict: &Verdict, (graph, permits): (&Graph, &Permits)) -> Checked {
    let stale = verdict.is_stale();
    match verdict.cleaned {
        Some(_) if !permits.is_forced(graph, index) && plan.suffices(index, stale) => Checked::Cleaned { stale },
        None if permits.decide(graph, index, verdict) == Decision::Stand => Checked::Fresh,
        _ => Checked::Run,
    }
}

fn verdict(graph: &Graph, index: usize, (known, plan): (&[Option<Verdict>], &Plan), judge: &Judge, near: &mut Near) -> Verdict {
    let action = &graph.actions()[index];
    let of = |position: usize| graph.upstream(index, position).and_then(|upstream| known[upstream].as_ref());
    let stands = |position: usize| {
        let outcome = graph.upstream(index, position).and_then(|upstream| plan.outcome(upstream));
        matches!(outcome, Some(Outcome::Fresh | Outcome::Cleaned))
    };
    let standing = |position: usize| of(position).filter(|_| stands(position))?.output;
    let mut verdict = judge.verdict(action, &standing, Look::Once, near);
    name_states(action, &mut verdict.reasons, &of);
    let blocked = |position: usize| of(position).is_some_and(|v| v.state == State::Blocked) && !stands(position);
    if !verdict.state.stands() && (0..action.upstreams.len()).any(blocked) {
        return Verdict { state: State::Blocked, ..verdict };
    }
    verdict
}

/// Says of upstreams that are not fresh what they are.
fn name_states<'a>(action: &Action, reasons: &mut [Reason], of: &dyn Fn(usize) -> Option<&'a Verdict>) {
    let consequences: Vec<&mut Reason> = reasons.iter_mut().filter(|r| r.kind == ReasonKind::UPSTREAM && !r.root).collect();
    if consequences.is_empty() {
        return;
    }
    let named = action.upstreams.iter().enumerate();
    let states: HashMap<String, &str> = named.filter_map(|(position, id)| Some((id.to_string(), of(position)?.state.name()))).collect();
    for reason in consequences {
        reason.detail = states.get(&reason.name).copied().unwrap_or("not fresh").into();
    }
}
