//! Status: the state of every partition, counted per asset, with reasons grouped by what they have in common.

use super::ranges::compress;
use crate::engine::action::Name;
use crate::engine::check::Verdict;
use crate::engine::graph::Graph;
use crate::engine::state::{Reason, ReasonKind, State, lines};
use crate::workspace::Target;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The states of some assets.
#[derive(Debug, Clone)]
pub struct Report {
    pub assets: Vec<AssetStatus>,
}

#[derive(Debug, Clone)]
pub struct AssetStatus {
    pub asset: String,
    pub group: Option<String>,
    pub partitions: Option<String>,
    /// One per partition, oldest first; one for all of an unpartitioned asset.
    pub entries: Vec<Entry>,
    /// Ops that run once for the whole of a partitioned asset.
    pub whole: Vec<OpStatus>,
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub partition: Option<Name>,
    /// The worst of its ops'.
    pub state: State,
    pub ops: Vec<OpStatus>,
}

#[derive(Debug, Clone, Serialize)]
pub struct OpStatus {
    pub op: Name,
    pub state: State,
    pub reasons: Vec<Reason>,
    /// When its data was cleaned away: only the record is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cleaned: Option<String>,
}

/// Puts the verdicts of a graph in order by asset and partition.
pub fn report(targets: &[Target], graph: &Graph, verdicts: &[Verdict]) -> Report {
    let mut by_asset: BTreeMap<&str, BTreeMap<Option<&Name>, Vec<OpStatus>>> = BTreeMap::new();
    for (action, verdict) in graph.actions().iter().zip(verdicts) {
        let (op, reasons, cleaned) = (action.id.op.clone(), verdict.reasons.clone(), verdict.cleaned.clone());
        let op = OpStatus { op, state: verdict.state, reasons, cleaned };
        by_asset.entry(&action.id.asset).or_default().entry(action.id.key.as_ref()).or_default().push(op);
    }
    let mut assets: Vec<AssetStatus> = Vec::new();
    for target in targets {
        let name = &target.asset.name;
        if assets.iter().any(|a| a.asset == *name) {
            continue;
        }
        let mut partitions = by_asset.remove(name.as_str()).unwrap_or_default();
        let partitioned = target.asset.partitions.is_some();
        let whole = if partitioned { partitions.remove(&None).unwrap_or_default() } else { Vec::new() };
        let entries = partitions.into_iter().map(|(key, ops)| entry(key.cloned(), ops)).collect();
        let group = target.asset.group.clone();
        assets.push(AssetStatus { asset: name.clone(), group, partitions: target.asset.partitions.clone(), entries, whole });
    }
    Report { assets }
}

fn entry(partition: Option<Name>, ops: Vec<OpStatus>) -> Entry {
    let state = ops.iter().map(|o| o.state).min().unwrap_or(State::Fresh);
    Entry { partition, state, ops }
}

impl Report {
    pub fn is_fresh(&self) -> bool {
        self.assets.iter().all(AssetStatus::is_fresh)
    }

    /// The document of `cli.md`. `all` lists fresh entries too.
    pub fn json(&self, all: bool) -> Value {
        json!({"version": 1, "assets": self.assets.iter().map(|a| a.json(all)).collect::<Vec<_>>()})
    }

    pub fn text(&self, all: bool, verbose: bool) -> String {
        self.assets.iter().map(|a| a.text(all, verbose)).collect::<Vec<_>>().join("\n")
    }
}

impl Entry {
    /// When the data of its last op, which is the asset's, was cleaned away.
    fn cleaned(&self) -> Option<&String> {
        self.ops.last()?.cleaned.as_ref()
    }

    fn json(&self) -> Value {
        let mut entry = json!({"partition": self.partition, "state": self.state, "ops": self.ops});
        if let (Some(time), Some(entry)) = (self.cleaned(), entry.as_object_mut()) {
            entry.insert("cleaned".into(), json!(time));
        }
        entry
    }
}

impl AssetStatus {
    /// Of how many partitions only records are left: of the asset's own data, and of the ops before.
    fn cleaned_text(&self) -> String {
        let own = self.entries.iter().filter(|e| e.cleaned().is_some()).count();
        let mut before: BTreeMap<&str, usize> = BTreeMap::new();
        for op in self.entries.iter().flat_map(|e| e.ops.iter().rev().skip(1)).filter(|o| o.cleaned.is_some()) {
            *before.entry(&*op.op).or_default() += 1;
        }
        let own = (own > 0).then(|| format!("{own} cleaned"));
        let said: Vec<String> = own.into_iter().chain(before.iter().map(|(op, n)| format!("{n} {op} cleaned"))).collect();
        if said.is_empty() { String::new() } else { format!(" ({})", said.join(", ")) }
    }

    fn is_fresh(&self) -> bool {
        self.entries.iter().all(|e| e.state == State::Fresh) && self.whole.iter().all(|o| o.state == State::Fresh)
    }

    fn count(&self, state: State) -> usize {
        self.entries.iter().filter(|e| e.state == state).count()
    }

    fn json(&self, all: bool) -> Value {
        let counts: BTreeMap<&str, usize> = State::ALL.iter().map(|s| (s.name(), self.count(*s))).collect();
        let listed = |state: State| all || state != State::Fresh;
        let mut entries: Vec<Value> = Vec::new();
        let whole: Vec<&OpStatus> = self.whole.iter().filter(|o| listed(o.state)).collect();
        if let Some(worst) = whole.iter().map(|o| o.state).min() {
            entries.push(json!({"partition": null, "state": worst, "ops": whole}));
        }
        let partitions = self.entries.iter().filter(|e| listed(e.state));
        entries.extend(partitions.map(Entry::json));
        let cleaned = self.entries.iter().filter(|e| e.cleaned().is_some()).count();
        json!({
            "asset": self.asset, "group": self.group, "partitions": self.partitions, "counts": counts, "cleaned": cleaned, "entries": entries,
        })
    }

    fn text(&self, all: bool, verbose: bool) -> String {
        let counted = State::ALL.iter().filter(|s| self.count(**s) > 0).map(|s| format!("{} {}", self.count(*s), s.name()));
        let counts = counted.collect::<Vec<_>>().join(", ");
        let partitions = self.partitions.as_ref().map_or(String::new(), |p| format!(" ({p})"));
        let counts = if counts.is_empty() { "no partitions" } else { &counts };
        let mut text = format!("{}{partitions}: {counts}{}\n", self.asset, self.cleaned_text());
        for op in self.whole.iter().filter(|o| o.state != State::Fresh) {
            text += &format!("  {:<8} {} (once for all partitions)\n", op.state.name(), op.op);
            if op.state != State::Missing || verbose {
                text += &reasons_text(&op.reasons, verbose);
            }
        }
        text + &self.groups_text(all, verbose)
    }

    /// Partitions that share state and causes, as ranges, with the causes below.
    fn groups_text(&self, all: bool, verbose: bool) -> String {
        let keys: Vec<String> = self.entries.iter().filter_map(|e| e.partition.as_ref().map(Name::to_string)).collect();
        let mut groups: Vec<(State, String, Vec<&Entry>)> = Vec::new();
        for entry in self.entries.iter().filter(|e| all || e.state != State::Fresh) {
            let cause = cause(entry);
            match groups.iter_mut().find(|(state, c, _)| *state == entry.state && *c == cause) {
                Some((_, _, members)) => members.push(entry),
                None => groups.push((entry.state, cause, vec![entry])),
            }
        }
        groups.sort_by_key(|(state, _, _)| std::cmp::Reverse(*state));
        let mut text = String::new();
        for (state, _, members) in &groups {
            let named: Vec<String> = members.iter().filter_map(|e| e.partition.as_ref().map(Name::to_string)).collect();
            let range = if named.is_empty() { "the whole asset".to_string() } else { compress(&named, &keys) };
            text += &format!("  {:<8} {range}\n", state.name());
            let first = members[0];
            let worst = first.ops.iter().filter(|o| o.state != State::Fresh);
            let told = |r: &&Reason| verbose || (r.root && (*state != State::Blocked || r.kind == ReasonKind::Blocked));
            let reasons: Vec<Reason> = worst.flat_map(|o| o.reasons.iter().filter(told).cloned()).collect();
            // A partition that was never built needs no further reason.
            if *state != State::Missing || verbose {
                text += &reasons_text(&reasons, verbose);
            }
        }
        text
    }
}

/// What an entry's reasons have in common with those of other partitions: kinds and names without keys and values.
fn cause(entry: &Entry) -> String {
    let reasons = entry.ops.iter().flat_map(|o| o.reasons.iter().filter(|r| r.root));
    let mut causes: Vec<String> = reasons
        .map(|r| match r.kind {
            ReasonKind::Output | ReasonKind::Blocked => r.kind.name().to_string(),
            _ => format!("{} {} {}", r.kind.name(), r.name, r.detail),
        })
        .collect();
    causes.sort();
    causes.dedup();
    causes.join("; ")
}

fn reasons_text(reasons: &[Reason], verbose: bool) -> String {
    const SHOWN: usize = 4;
    let told = lines(reasons);
    let shown = if verbose { told.len() } else { SHOWN };
    let mut text: String = told.iter().take(shown).map(|r| format!("           {r}\n")).collect();
    if told.len() > shown {
        text += &format!("           … and {} more (-v shows all)\n", told.len() - shown);
    }
    text
}
