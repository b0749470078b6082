//! Explanations: why a partition is in its state, up the chain of upstreams to the causes that nothing explains further; of what is fresh,
//! what was verified; and what to do next.
//!
//! Knows nothing of how it is shown. Invariants: everything told comes out of the verdicts of one survey and the evidence they carry,
//! nothing is looked at a second time; within one tree an action is told once.

use super::ranges::{named, runs};
use crate::engine::action::{Action, ActionId, Name};
use crate::engine::check::{Evidence, OutputCheck, Verdict};
use crate::engine::failure::Past;
use crate::engine::graph::Graph;
use crate::engine::observation::{ABSENT, Kind, Observation, Shown};
use crate::engine::record::{OutputFile, Record};
use crate::engine::series::Series;
use crate::engine::state::{Reason, ReasonKind, State};
use crate::workspace::{Target, Workspace};
use serde::Serialize;
use std::collections::{BTreeSet, HashSet};

/// What an explanation is made from.
pub struct Survey<'a> {
    pub workspace: &'a Workspace,
    pub graph: &'a Graph,
    /// With their evidence.
    pub verdicts: &'a [Verdict],
    pub output: OutputCheck,
    /// The command line up to the command's name, as the user's next one has to begin.
    pub daeda: &'a str,
}

#[derive(Debug, Serialize)]
pub struct Explanation {
    pub version: u32,
    pub trees: Vec<Tree>,
}

/// The causes of one partition's state, or of several whose causes are the same.
#[derive(Debug, Serialize)]
pub struct Tree {
    /// `asset.op`.
    pub target: String,
    /// In ranges; empty for what has no partitions.
    pub partitions: Vec<String>,
    pub count: usize,
    /// Of the first of them.
    pub cause: Node,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
}

/// What to do, as a command that can be pasted.
#[derive(Debug, Serialize)]
pub struct Next {
    pub why: String,
    pub command: String,
}

/// An action, what it is, and why.
#[derive(Debug, Serialize)]
pub struct Node {
    pub action: String,
    pub state: State,
    /// It stands further up in this tree, where its reasons are.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub told: bool,
    pub reasons: Vec<Cause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Past>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub built: Option<Built>,
    /// Of what is fresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
}

/// A reason and, where it is an upstream, what that is.
#[derive(Debug, Serialize)]
pub struct Cause {
    #[serde(flatten)]
    pub reason: Reason,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Box<Node>>,
}

/// What is published.
#[derive(Debug, Serialize)]
pub struct Built {
    pub path: String,
    pub finished: String,
    pub seconds: f64,
    pub attempts: u64,
    pub files: Vec<File>,
}

#[derive(Debug, Serialize)]
pub struct File {
    pub name: String,
    pub bytes: u64,
}

/// What was compared with the record and found to be the same.
#[derive(Debug, Default, Serialize)]
pub struct Verified {
    pub rules: usize,
    pub parameters: usize,
    pub sources: Vec<Source>,
    pub upstreams: Vec<Upstream>,
    /// How output files were compared: `stat` (sizes and times) or `hash` (contents).
    pub output: &'static str,
}

/// One observation of a source.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    pub kind: Kind,
    pub name: String,
    /// Of a source without periods there is neither range nor number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub periods: Option<usize>,
    /// Periods that are not there.
    #[serde(skip_serializing_if = "is_zero")]
    pub absent: usize,
    /// Columns, files, or what else it is made of.
    pub parts: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct Upstream {
    pub action: String,
    pub output: String,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Explains the last op, or the named one, of each partition of the targets.
pub fn explain(survey: &Survey, targets: &[Target]) -> Explanation {
    let trees = targets.iter().flat_map(|target| survey.trees(target)).collect();
    Explanation { version: 1, trees }
}

impl Survey<'_> {
    /// One tree for each partition, those that are alike as one.
    fn trees(&self, target: &Target) -> Vec<Tree> {
        let mut told: Vec<(Vec<String>, Vec<usize>, Node)> = Vec::new();
        let actions = self.actions(target);
        for (position, index) in actions.iter().enumerate() {
            let node = self.node(*index, &mut HashSet::new());
            let key = self.graph.actions()[*index].id.key.as_deref().unwrap_or_default();
            let shape = node.shape(key);
            match told.iter_mut().find(|(known, _, _)| *known == shape) {
                Some((_, members, _)) => members.push(position),
                None => told.push((shape, vec![position], node)),
            }
        }
        told.into_iter().map(|(_, members, node)| self.tree(target, &actions, &members, node)).collect()
    }

    fn tree(&self, target: &Target, actions: &[usize], members: &[usize], cause: Node) -> Tree {
        let id = |position: usize| &self.graph.actions()[actions[position]].id;
        let first = id(members[0]);
        let partitions = match &first.key {
            Some(_) => named(&runs(members.iter().copied()), |position| id(position).key.as_deref().unwrap_or_default()),
            None => vec![],
        };
        let name = match target.asset.ops.last().is_some_and(|last| first.op == last.name) {
            true => first.asset.to_string(),
            false => format!("{}.{}", first.asset, first.op),
        };
        let wanted = if partitions.is_empty() { vec![name] } else { partitions.iter().map(|keys| format!("{name}@{keys}")).collect() };
        let next = self.next(&cause, &wanted.join(" "));
        Tree { target: format!("{}.{}", first.asset, first.op), partitions, count: members.len(), cause, next }
    }

    /// The action of each partition, oldest first.
    fn actions(&self, target: &Target) -> Vec<usize> {
        let Some(op) = target.op.as_deref().or(target.asset.ops.last().map(|op| op.name.as_str())) else { return Vec::new() };
        let id = |key: Option<Name>| ActionId { asset: target.asset.name.as_str().into(), op: op.into(), key };
        // An op that runs once for all partitions has no key.
        if let Some(index) = self.graph.index_of(&id(None)) {
            return vec![index];
        }
        target.keys.list().iter().filter_map(|key| self.graph.index_of(&id(Some(key.as_str().into())))).collect()
    }

    fn node(&self, index: usize, told: &mut HashSet<usize>) -> Node {
        let (action, verdict) = (&self.graph.actions()[index], &self.verdicts[index]);
        let first = told.insert(index);
        let (action_name, state) = (action.id.to_string(), verdict.state);
        if !first {
            return Node { action: action_name, state, told: true, reasons: vec![], failure: None, built: None, verified: None };
        }
        let reasons = verdict.reasons.iter().map(|reason| self.cause(action, reason, told)).collect();
        let evidence = verdict.evidence.as_deref();
        let built = evidence.and_then(|e| e.record.as_ref()).map(|record| self.built(action, record));
        let verified = evidence.filter(|_| state == State::Fresh).map(|evidence| self.verified(action, evidence));
        let failure = verdict.failure.as_deref().cloned();
        Node { action: action_name, state, told: false, reasons, failure, built, verified }
    }

    fn cause(&self, action: &Action, reason: &Reason, told: &mut HashSet<usize>) -> Cause {
        let is_upstream = reason.kind == ReasonKind::UPSTREAM;
        let upstream = action.upstreams.iter().filter(|_| is_upstream).find(|id| id.to_string() == reason.name);
        let node = upstream.and_then(|id| self.graph.index_of(id)).map(|index| Box::new(self.node(index, told)));
        Cause { reason: reason.clone(), upstream: node }
    }

    fn built(&self, action: &Action, record: &Record) -> Built {
        let file = |file: &OutputFile| File { name: file.name.clone(), bytes: file.size };
        Built {
            path: self.workspace.root.name(&action.place.path()),
            finished: record.finished.clone(),
            seconds: record.seconds,
            attempts: record.attempts,
            files: record.output.files.iter().map(file).collect(),
        }
    }

    fn verified(&self, action: &Action, evidence: &Evidence) -> Verified {
        let count = |kind| action.common.definition.iter().filter(|o| o.kind == kind).count();
        let output = if self.output == OutputCheck::Hash { "hash" } else { "stat" };
        let (rules, parameters) = (count(Kind::Rule), count(Kind::Parameter));
        let mut verified = Verified { rules, parameters, output, ..Verified::default() };
        for observation in &evidence.observations {
            match observation.kind {
                Kind::Upstream => {
                    verified.upstreams.push(Upstream { action: observation.name.to_string(), output: observation.digest.short() })
                }
                _ => verified.sources.extend(sources(observation)),
            }
        }
        verified
    }

    /// What to do about a state. Nothing where all is well.
    fn next(&self, node: &Node, target: &str) -> Option<Next> {
        let (why, flag) = match node.state {
            State::Fresh => return None,
            State::Running => ("it is being built; wait for it", ""),
            State::Orphaned => ("what is published stands; to rebuild it from what is left", " --allow-missing"),
            State::Drifted => ("it has settled and stands; to rebuild it all the same", " --drifted"),
            _ if node.is_broken() => ("once the input is mended", ""),
            _ if node.holds(State::Failed) => ("to try again as it is; once an input is mended, a plain build does", " --retry-failed"),
            State::Blocked => ("once the input is there", ""),
            State::Missing | State::Stale | State::Failed => ("to bring it up to date", ""),
        };
        Some(Next { why: why.into(), command: format!("{} build {target}{flag}", self.daeda) })
    }
}

impl Node {
    fn upstreams(&self) -> impl Iterator<Item = &Node> {
        self.reasons.iter().filter_map(|cause| cause.upstream.as_deref())
    }

    /// Whether it or something that it waits for is in a state.
    fn holds(&self, state: State) -> bool {
        self.state == state || self.upstreams().any(|node| node.holds(state))
    }

    /// Whether something cannot even be looked at, so that trying again is of no use.
    fn is_broken(&self) -> bool {
        let here = self.state == State::Failed && self.failure.is_none() && !self.told;
        here || self.upstreams().any(Node::is_broken)
    }

    /// Equal for partitions of which there is the same to tell. What differs between any two of them is left out: their keys, what
    /// upstreams made of them, when they were built.
    fn shape(&self, key: &str) -> Vec<String> {
        let mut shape = vec![format!("{} {}", without_key(&self.action), self.state.name())];
        for Cause { reason, upstream } in &self.reasons {
            shape.push(match reason.kind {
                ReasonKind::UPSTREAM => format!("upstream {} {}", without_key(&reason.name), reason.root),
                ReasonKind::Output => format!("output {}", reason.name),
                ReasonKind::Blocked | ReasonKind::Failed => reason.detail.replace(key, "…"),
                _ => format!("{reason} {:?} {:?}", reason.old, reason.new),
            });
            shape.extend(upstream.iter().flat_map(|node| node.shape(key)));
        }
        shape.extend(self.failure.iter().flat_map(|f| [f.attempts.to_string(), f.log.clone().unwrap_or_default()]));
        shape.extend(self.verified.iter().flat_map(|v| v.sources.iter()).map(|s| format!("{} {:?} {}", s.name, s.periods, s.absent)));
        shape
    }
}

fn without_key(action: &str) -> &str {
    action.split_once('@').map_or(action, |(op, _)| op)
}

/// What an observation was made of: one for each range of periods.
fn sources(observation: &Observation) -> Vec<Source> {
    let (kind, name) = (observation.kind, observation.name.to_string());
    let whole = |parts: Vec<String>| vec![Source { kind, name: name.clone(), from: None, to: None, periods: None, absent: 0, parts }];
    match &observation.value {
        Shown::Series(series) if kind == Kind::Listing => series.iter().map(|s| of_series(kind, &name, s, vec![])).collect(),
        Shown::Series(series) => by_range(series).into_iter().map(|(s, columns)| of_series(kind, &name, s, columns)).collect(),
        Shown::Parts(parts) if kind == Kind::Listing => whole(listed(parts.iter())),
        Shown::Parts(parts) => {
            // One column of several files is one.
            let columns: BTreeSet<&str> =
                parts.keys().map(|part| part.split_once(" in ").map_or(part.as_str(), |(column, _)| column)).collect();
            whole(columns.into_iter().map(str::to_string).collect())
        }
        Shown::Text(text) => whole(vec![text.clone()]),
        Shown::Unsaid => whole(vec![]),
    }
}

/// The files of a view without periods, or the fragments of a dataset.
fn listed<'a>(parts: impl Iterator<Item = (&'a String, &'a String)>) -> Vec<String> {
    let files = |(name, value): (&'a String, &'a String)| match name.as_str() {
        "files" => value.split(", ").filter(|file| *file != ABSENT).map(str::to_string).collect(),
        _ => vec![name.clone()],
    };
    parts.flat_map(files).collect()
}

/// Each column once, under the widest range in which it is read.
fn by_range(series: &[Series]) -> Vec<(&Series, Vec<String>)> {
    let mut widest: Vec<&Series> = series.iter().collect();
    widest.sort_by_key(|s| std::cmp::Reverse(s.keys.len()));
    let mut told: BTreeSet<&str> = BTreeSet::new();
    let columns = widest.into_iter().map(|series| {
        let new = series.parts.keys().filter(|part| !part.is_empty() && told.insert(part)).cloned().collect::<Vec<_>>();
        (series, new)
    });
    columns.filter(|(_, columns)| !columns.is_empty()).collect()
}

fn of_series(kind: Kind, name: &str, series: &Series, parts: Vec<String>) -> Source {
    let absent = if kind == Kind::Listing { series.count_of(ABSENT) } else { 0 };
    let (from, to) = (Some(series.from.clone()), Some(series.to.clone()));
    Source { kind, name: name.into(), from, to, periods: Some(series.keys.len()), absent, parts }
}
