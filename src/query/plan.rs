//! What a build would do: which actions run, which may, and why.

use crate::engine::check::Verdict;
use crate::engine::graph::Graph;
use crate::engine::state::{ReasonKind, State, lines};
use serde_json::{Value, json};

/// What would become of an action.
fn word(verdict: &Verdict) -> Option<&'static str> {
    let only_upstream = !verdict.reasons.is_empty() && verdict.reasons.iter().all(|r| r.kind == ReasonKind::UPSTREAM);
    match verdict.state {
        State::Fresh => None,
        State::Blocked => Some("blocked"),
        State::Failed => Some("failed before"),
        State::Orphaned | State::Drifted => Some("stands"),
        State::Stale if only_upstream => Some("may run"),
        _ => Some("will run"),
    }
}

/// One line per action that is not fresh; with their reasons if asked for.
pub fn text(graph: &Graph, verdicts: &[Verdict], reasons: bool) -> String {
    let mut text = String::new();
    let (mut fresh, mut blocked) = (0, 0);
    for (action, verdict) in graph.actions().iter().zip(verdicts) {
        let Some(word) = word(verdict) else {
            fresh += 1;
            continue;
        };
        if verdict.state == State::Blocked && !reasons {
            blocked += 1;
            continue;
        }
        let told = lines(&verdict.reasons);
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

pub fn json(graph: &Graph, verdicts: &[Verdict]) -> Value {
    let actions = graph.actions().iter().zip(verdicts).map(|(action, verdict)| {
        json!({"action": action.id.to_string(), "state": verdict.state, "plan": word(verdict).unwrap_or("fresh"), "reasons": verdict.reasons})
    });
    json!({"version": 1, "actions": actions.collect::<Vec<_>>()})
}
