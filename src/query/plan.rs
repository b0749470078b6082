//! What a build would do: which actions run, which may, and why.

use crate::engine::check::Verdict;
use crate::engine::decision::{Decision, Permits};
use crate::engine::graph::Graph;
use crate::engine::state::{ReasonKind, State, lines};
use serde_json::{Value, json};

/// What would become of an action.
fn word(graph: &Graph, index: usize, verdict: &Verdict, permits: &Permits) -> Option<&'static str> {
    let only_upstream = !verdict.reasons.is_empty() && verdict.reasons.iter().all(|r| r.kind == ReasonKind::UPSTREAM);
    match permits.decide(graph, index, verdict) {
        Decision::Stand if verdict.state == State::Fresh => None,
        Decision::Stand => Some("stands"),
        Decision::Wait => Some("blocked"),
        Decision::Fail => Some("failed before"),
        Decision::Run if only_upstream && !permits.force => Some("may run"),
        Decision::Run => Some("will run"),
    }
}

/// One line per action that is not fresh; with their reasons if asked for.
pub fn text(graph: &Graph, verdicts: &[Verdict], permits: &Permits, reasons: bool) -> String {
    let mut text = String::new();
    let (mut fresh, mut blocked) = (0, 0);
    for (index, (action, verdict)) in graph.actions().iter().zip(verdicts).enumerate() {
        let Some(word) = word(graph, index, verdict, permits) else {
            fresh += 1;
            continue;
        };
        if verdict.state == State::Blocked && !reasons {
            blocked += 1;
            continue;
        }
        let told = lines(&permits.reasons(graph, index, verdict));
        let because = told.first().filter(|_| !reasons).map_or(String::new(), |r| format!(" ({r})"));
        text += &format!("{word}: {}{because}\n", action.id);
        if reasons {
            text.extend(told.iter().map(|r| format!("    {r}\n")));
        }
    }
    if blocked > 0 {
        text += &format!("{blocked} actions wait for input (--explain says which)\n");
    }
    if text.is_empty() {
        return format!("nothing to do: {fresh} actions are fresh\n");
    }
    text + &format!("{fresh} of {} actions are fresh\n", graph.len())
}

pub fn json(graph: &Graph, verdicts: &[Verdict], permits: &Permits) -> Value {
    let action = |(index, verdict): (usize, &Verdict)| {
        let (id, plan) = (graph.actions()[index].id.to_string(), word(graph, index, verdict, permits).unwrap_or("fresh"));
        json!({"action": id, "state": verdict.state, "plan": plan, "reasons": permits.reasons(graph, index, verdict)})
    };
    let actions = verdicts.iter().enumerate().map(action);
    json!({"version": 1, "actions": actions.collect::<Vec<_>>()})
}
