//! What a build would do: which actions run, which may, which wait, which stand, and why.
//!
//! Invariant: of a plan of thousands of actions is told what they have in common; each alone only when asked for.

use super::causes::{Causes, Fact, facts};
use super::grid::wrapped;
use super::ranges::{abridged, named, runs};
use crate::engine::check::Verdict;
use crate::engine::decision::{Decision, Permits};
use crate::engine::graph::Graph;
use crate::engine::state::{Reason, ReasonKind, State, lines};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// What would become of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Fate {
    Fresh,
    WillRun,
    /// If an upstream's rerun gives another result.
    MayRun,
    Blocked,
    /// Not fresh, and not built without being asked for.
    Stands,
    FailedBefore,
    /// Something it depends on failed before.
    Skipped,
}

impl Fate {
    fn of(graph: &Graph, index: usize, verdict: &Verdict, permits: &Permits) -> Self {
        let only_upstream = !verdict.reasons.is_empty() && verdict.reasons.iter().all(|r| r.kind == ReasonKind::UPSTREAM && !r.root);
        match permits.decide(graph, index, verdict) {
            Decision::Stand if verdict.state == State::Fresh => Self::Fresh,
            Decision::Stand => Self::Stands,
            Decision::Wait => Self::Blocked,
            Decision::Fail => Self::FailedBefore,
            Decision::Run if only_upstream && !permits.force => Self::MayRun,
            Decision::Run => Self::WillRun,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::WillRun => "will run",
            Self::MayRun => "may run",
            Self::Blocked => "blocked",
            Self::Stands => "stands",
            Self::FailedBefore => "failed before",
            Self::Skipped => "skipped",
        }
    }
}

/// The fate of each action: after what failed before, nothing is tried.
fn fates(graph: &Graph, verdicts: &[Verdict], permits: &Permits) -> Vec<Fate> {
    let mut fates: Vec<Fate> = Vec::with_capacity(verdicts.len());
    for (index, verdict) in verdicts.iter().enumerate() {
        let is_lost = |d: &usize| matches!(fates[*d], Fate::FailedBefore | Fate::Skipped);
        let below_lost = graph.dependencies(index).iter().any(is_lost);
        fates.push(match Fate::of(graph, index, verdict, permits) {
            Fate::WillRun | Fate::MayRun if below_lost => Fate::Skipped,
            fate => fate,
        });
    }
    fates
}

/// The reasons that belong to a fate.
fn because(fate: Fate, verdict: &Verdict) -> impl Iterator<Item = &Reason> {
    verdict.reasons.iter().filter(move |reason| match fate {
        Fate::Blocked => matches!(reason.kind, ReasonKind::Blocked | ReasonKind::UPSTREAM),
        Fate::FailedBefore => reason.kind == ReasonKind::Failed,
        Fate::Skipped => reason.kind == ReasonKind::UPSTREAM,
        Fate::MayRun => true,
        _ => reason.root,
    })
}

/// Actions of one op that share fate and causes.
struct Group<'a> {
    fate: Fate,
    members: Vec<usize>,
    causes: Causes<'a>,
    facts: Vec<Fact<'a>>,
}

/// The plan in groups; with every action's reasons if asked for.
pub fn text(graph: &Graph, verdicts: &[Verdict], permits: &Permits, each: bool) -> String {
    let fates = fates(graph, verdicts, permits);
    let fresh = fates.iter().filter(|fate| **fate == Fate::Fresh).count();
    if fresh == fates.len() {
        return format!("nothing to do: {fresh} actions are fresh\n");
    }
    let told = if each { one_by_one(graph, verdicts, permits, &fates) } else { grouped(graph, verdicts, &fates) };
    told + &format!("{fresh} of {} actions are fresh\n", graph.len())
}

fn one_by_one(graph: &Graph, verdicts: &[Verdict], permits: &Permits, fates: &[Fate]) -> String {
    let mut text = String::new();
    for (index, fate) in fates.iter().enumerate().filter(|(_, fate)| **fate != Fate::Fresh) {
        let (action, verdict) = (&graph.actions()[index], &verdicts[index]);
        let head = format!("{}{}", action.id, condition(*fate, &needed(*fate, verdict).collect::<Vec<_>>()));
        text += &wrapped(&head, &format!("{}: ", fate.word()), 4);
        if *fate != Fate::MayRun {
            text.extend(lines(&permits.reasons(graph, index, verdict)).iter().map(|line| wrapped(line, "    ", 6)));
        }
    }
    text
}

fn grouped(graph: &Graph, verdicts: &[Verdict], fates: &[Fate]) -> String {
    let mut groups: Vec<Group> = Vec::new();
    let mut known: HashMap<(&str, &str, Fate, Vec<Fact>), usize> = HashMap::new();
    for (index, (action, verdict)) in graph.actions().iter().zip(verdicts).enumerate().filter(|(i, _)| fates[*i] != Fate::Fresh) {
        let fate = fates[index];
        let facts = facts(because(fate, verdict));
        let slot = *known.entry((&action.id.asset, &action.id.op, fate, facts.clone())).or_insert_with(|| {
            groups.push(Group { fate, members: vec![], causes: Causes::default(), facts });
            groups.len() - 1
        });
        groups[slot].members.push(index);
        because(fate, verdict).for_each(|reason| groups[slot].causes.add(reason));
    }
    let keys = Keys::new(graph);
    groups.iter().map(|group| keys.group_text(group, verdicts)).collect()
}

/// The position of each action among those of its op, so that neighbouring partitions are told as ranges.
struct Keys<'a> {
    graph: &'a Graph,
    position: Vec<usize>,
}

impl<'a> Keys<'a> {
    fn new(graph: &'a Graph) -> Self {
        let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
        let position = graph.actions().iter().map(|action| {
            let count = counts.entry((&action.id.asset, &action.id.op)).or_default();
            *count += 1;
            *count - 1
        });
        Self { graph, position: position.collect() }
    }

    fn group_text(&self, group: &Group, verdicts: &[Verdict]) -> String {
        let needed: Vec<&str> = group.members.iter().flat_map(|index| needed(group.fate, &verdicts[*index])).collect();
        let count = if group.members.len() > 1 { format!(", {} partitions", group.members.len()) } else { String::new() };
        let head = format!("{}{count}{}", self.name(&group.members), condition(group.fate, &needed));
        let mut text = wrapped(&head, &format!("{}: ", group.fate.word()), 4);
        // That nothing is published yet needs no reason.
        if group.fate == Fate::WillRun && group.facts.is_empty() {
            text += "    --force\n";
        }
        let is_new = group.facts.iter().all(|fact| fact.kind == ReasonKind::Output && fact.subject == "nothing is published in");
        if !is_new && !matches!(group.fate, Fate::MayRun | Fate::Skipped) {
            text.extend(group.causes.list().iter().map(|cause| wrapped(&cause.text(), "    ", 6)));
        }
        text
    }

    /// `asset.op@from..to` of actions of one op.
    fn name(&self, members: &[usize]) -> String {
        let id = |index: usize| &self.graph.actions()[index].id;
        let first = id(members[0]);
        if first.key.is_none() {
            return first.to_string();
        }
        let at: HashMap<usize, usize> = members.iter().map(|index| (self.position[*index], *index)).collect();
        let key = |position: usize| id(at[&position]).key.as_deref().unwrap_or_default();
        let ranges = named(&runs(members.iter().map(|index| self.position[*index])), key);
        format!("{}.{}@{}", first.asset, first.op, abridged(&ranges, 6))
    }
}

/// The upstreams that a fate hangs on.
fn needed(fate: Fate, verdict: &Verdict) -> impl Iterator<Item = &str> {
    let hangs = matches!(fate, Fate::MayRun | Fate::Skipped);
    verdict.reasons.iter().filter(move |r| hangs && r.kind == ReasonKind::UPSTREAM && !r.root).map(|r| r.name.as_str())
}

/// ` (if X changes)`.
fn condition(fate: Fate, needed: &[&str]) -> String {
    let mut by_op: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (op, key) in needed.iter().map(|name| name.split_once('@').unwrap_or((name, ""))) {
        by_op.entry(op).or_default().extend(Some(key).filter(|k| !k.is_empty()));
    }
    let one = |(op, mut keys): (&str, Vec<&str>)| {
        keys.sort_unstable();
        keys.dedup();
        let ranges = super::ranges::of_keys(keys);
        if ranges.is_empty() { op.to_string() } else { format!("{op}@{}", abridged(&ranges, 6)) }
    };
    let names = by_op.into_iter().map(one).collect::<Vec<_>>().join(" or ");
    match fate {
        Fate::MayRun => format!(" (if {names} changes)"),
        Fate::Skipped if !names.is_empty() => format!(" (because of {names})"),
        _ => String::new(),
    }
}

/// The document of `docs/json.md`: one object per action.
pub fn json(graph: &Graph, verdicts: &[Verdict], permits: &Permits) -> Value {
    let fates = fates(graph, verdicts, permits);
    let actions = fates.iter().enumerate().map(|(index, fate)| {
        let (action, verdict) = (&graph.actions()[index], &verdicts[index]);
        let mut object = json!({
            "action": action.id.to_string(), "state": verdict.state, "plan": fate.word(),
            "reasons": permits.reasons(graph, index, verdict),
        });
        if *fate == Fate::MayRun {
            object["if_changed"] = needed(*fate, verdict).collect();
        }
        object
    });
    json!({"version": 1, "actions": actions.collect::<Vec<_>>()})
}
