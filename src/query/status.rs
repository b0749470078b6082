//! Status: the state of every partition, counted per asset, and what keeps partitions from being fresh, grouped by root cause.
//!
//! Invariants: a fresh partition costs a few bytes and no text; verdicts are borrowed, never copied; what follows from another cause is no
//! cause, so that a partition whose first op is stale counts once, under what made that op stale.

use super::causes::{Cause, Causes, Fact, facts};
use super::grid::wrapped;
use super::ranges::{abridged, named, runs};
use super::warnings::{self, Warning};
use crate::engine::action::{Action, Name};
use crate::engine::check::Verdict;
use crate::engine::graph::Graph;
use crate::engine::state::{Reason, ReasonKind, State};
use crate::workspace::Target;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// Of so many partitions at most it is told what checks have warned of.
const WARNINGS: usize = 100;

/// The states of some assets.
pub struct Report<'a> {
    pub assets: Vec<AssetStatus<'a>>,
}

pub struct AssetStatus<'a> {
    pub asset: &'a str,
    group: Option<&'a str>,
    partitions: Option<&'a str>,
    graph: &'a Graph,
    verdicts: &'a [Verdict],
    /// Its actions, by key: the ops that run once for all partitions first, then partition by partition.
    actions: Vec<usize>,
    /// One per partition, oldest first; one for all of an unpartitioned asset.
    pub entries: Vec<Entry>,
    /// Ops that run once for the whole of a partitioned asset.
    whole: Option<Entry>,
}

/// A partition.
pub struct Entry {
    /// The worst of its ops'.
    pub state: State,
    /// Of [`AssetStatus::actions`].
    actions: Range<usize>,
}

/// Partitions that share state and causes.
pub struct Group<'a> {
    pub state: State,
    /// Positions among the entries.
    pub members: Vec<usize>,
    /// Ops that run once for all partitions, of the same state for the same causes.
    pub ops: Vec<&'a str>,
    pub causes: Vec<Cause<'a>>,
    /// Attempts and logs of failures.
    failures: Vec<String>,
}

/// Puts the verdicts of a graph in order by asset and partition.
pub fn report<'a>(targets: &'a [Target], graph: &'a Graph, verdicts: &'a [Verdict]) -> Report<'a> {
    let mut assets: Vec<AssetStatus> = Vec::new();
    for Target { asset, .. } in targets {
        if assets.iter().all(|known| known.asset != asset.name) {
            let (group, partitions) = (asset.group.as_deref(), asset.partitions.as_deref());
            let (actions, entries) = (Vec::new(), Vec::new());
            assets.push(AssetStatus { asset: &asset.name, group, partitions, graph, verdicts, actions, entries, whole: None });
        }
    }
    let slots: HashMap<&str, usize> = assets.iter().enumerate().map(|(slot, asset)| (asset.asset, slot)).collect();
    for (index, action) in graph.actions().iter().enumerate() {
        if let Some(slot) = slots.get(&*action.id.asset) {
            assets[*slot].actions.push(index);
        }
    }
    assets.iter_mut().for_each(AssetStatus::divide);
    Report { assets }
}

impl Report<'_> {
    pub fn is_fresh(&self) -> bool {
        self.assets.iter().all(AssetStatus::is_fresh)
    }

    /// The document of `docs/json.md`. `all` lists fresh entries too.
    pub fn json(&self, all: bool) -> Value {
        json!({"version": 1, "assets": self.assets.iter().map(|a| a.json(all)).collect::<Vec<_>>()})
    }

    pub fn text(&self, all: bool, verbose: bool) -> String {
        self.assets.iter().map(|a| a.text(all, verbose)).collect::<Vec<_>>().join("\n")
    }
}

impl<'a> AssetStatus<'a> {
    /// Makes entries of the actions. Those of a graph come partition by partition, and have to be sorted only where assets interleave.
    fn divide(&mut self) {
        let key = |index: &usize| self.graph.actions()[*index].id.key.as_ref();
        if !self.actions.is_sorted_by_key(key) {
            self.actions.sort_by_key(key);
        }
        let mut start = 0;
        for partition in self.actions.chunk_by(|a, b| key(a) == key(b)) {
            let state = partition.iter().map(|index| self.verdicts[*index].state).min().unwrap_or(State::Fresh);
            let entry = Entry { state, actions: start..start + partition.len() };
            start = entry.actions.end;
            match self.partitions.is_some() && key(&partition[0]).is_none() {
                true => self.whole = Some(entry),
                false => self.entries.push(entry),
            }
        }
    }

    fn is_fresh(&self) -> bool {
        self.entries.iter().chain(&self.whole).all(|e| e.state == State::Fresh)
    }

    fn counts(&self) -> Vec<(State, usize)> {
        let mut counts = State::ALL.map(|state| (state, 0)).to_vec();
        for entry in &self.entries {
            if let Some((_, count)) = counts.iter_mut().find(|(state, _)| *state == entry.state) {
                *count += 1;
            }
        }
        counts
    }

    fn key(&self, entry: &Entry) -> Option<&'a Name> {
        self.graph.actions()[*self.actions.get(entry.actions.start)?].id.key.as_ref()
    }

    /// The ops of a partition with their verdicts.
    fn ops(&self, entry: &Entry) -> impl Iterator<Item = (&'a str, &'a Verdict)> + use<'a, '_> {
        let (graph, verdicts) = (self.graph, self.verdicts);
        self.actions[entry.actions.clone()].iter().map(move |index| (&*graph.actions()[*index].id.op, &verdicts[*index]))
    }

    /// What an entry's state comes from: of the ops that are as bad as it is, the reasons that no other explains.
    fn roots(&self, entry: &Entry) -> impl Iterator<Item = &'a Reason> + use<'a, '_> {
        let state = entry.state;
        let ops = self.ops(entry).filter(move |(_, verdict)| verdict.state == state);
        ops.flat_map(|(_, verdict)| &verdict.reasons).filter(move |reason| is_told(state, reason))
    }

    /// Partitions that share state and causes, the best first.
    pub fn groups(&self) -> Vec<Group<'a>> {
        let mut groups: Vec<(Group, Causes)> = Vec::new();
        let mut known: HashMap<(State, Vec<Fact>), usize> = HashMap::new();
        let whole = self.whole.iter().map(|entry| (None, entry));
        let partitions = self.entries.iter().enumerate().map(|(position, entry)| (Some(position), entry));
        for (position, entry) in partitions.chain(whole).filter(|(_, e)| e.state != State::Fresh) {
            let slot = *known.entry((entry.state, facts(self.roots(entry)))).or_insert_with(|| {
                let group = Group { state: entry.state, members: vec![], ops: vec![], causes: vec![], failures: vec![] };
                groups.push((group, Causes::default()));
                groups.len() - 1
            });
            let (group, causes) = &mut groups[slot];
            self.roots(entry).for_each(|reason| causes.add(reason));
            match position {
                Some(position) => group.members.push(position),
                None => group.ops.extend(self.ops(entry).filter(|(_, v)| v.state != State::Fresh).map(|(op, _)| op)),
            }
            group.failures.extend(self.ops(entry).filter_map(|(_, verdict)| tried(verdict)));
        }
        groups.sort_by_key(|(group, _)| (std::cmp::Reverse(group.state), group.members.is_empty()));
        groups.into_iter().map(|(group, causes)| Group { causes: causes.list(), ..group }).collect()
    }

    fn ranges(&self, group: &Group) -> Vec<String> {
        let key = |position: usize| self.key(&self.entries[position]).map_or("", |key| &**key);
        named(&runs(group.members.iter().copied()), key)
    }

    fn json(&self, all: bool) -> Value {
        let counts: Map<String, Value> = self.counts().into_iter().map(|(state, count)| (state.name().into(), count.into())).collect();
        let listed = self.whole.iter().chain(&self.entries).filter(|e| all || e.state != State::Fresh);
        let entries: Vec<Value> = listed.map(|e| self.entry_json(e)).collect();
        let cleaned = self.entries.iter().filter(|e| self.cleaned(e).is_some()).count();
        let causes: Vec<Value> = self.groups().iter().map(|group| self.group_json(group)).collect();
        let warned = self.warned();
        let warnings: Vec<Value> = warnings::of(self.warned_actions(&warned, WARNINGS)).iter().map(Warning::json).collect();
        json!({
            "asset": self.asset, "group": self.group, "partitions": self.partitions, "counts": counts, "cleaned": cleaned,
            "warned": warned.len(), "causes": causes, "warnings": warnings, "entries": entries,
        })
    }

    /// Positions of the entries of which a check has only warned.
    fn warned(&self) -> Vec<usize> {
        (0..self.entries.len()).filter(|at| self.ops(&self.entries[*at]).any(|(_, verdict)| verdict.warned)).collect()
    }

    /// The warned actions of the last of some entries, the newest first.
    fn warned_actions(&self, warned: &[usize], most: usize) -> impl Iterator<Item = &'a Action> + use<'a, '_> {
        let (graph, verdicts) = (self.graph, self.verdicts);
        let entries = warned.iter().rev().take(most).map(|at| self.entries[*at].actions.clone()).collect::<Vec<_>>();
        let actions = entries.into_iter().flat_map(|actions| &self.actions[actions]);
        actions.filter(|index| verdicts[**index].warned).map(|index| &graph.actions()[*index])
    }

    fn warned_text(&self, verbose: bool) -> String {
        let warned = self.warned();
        if warned.is_empty() {
            return String::new();
        }
        let key = |position: usize| self.key(&self.entries[position]).map_or("the whole asset", |key| &**key);
        let ranges = abridged(&named(&runs(warned.iter().copied()), key), if verbose { usize::MAX } else { 8 });
        let head = wrapped(&ranges, &format!("  {} warned: ", warned.len()), 6);
        let told = warnings::of(self.warned_actions(&warned, if verbose { WARNINGS } else { 3 }));
        head + &told.iter().map(|warning| wrapped(&warning.text(), "    ", 6)).collect::<String>()
    }

    /// When the data of a partition's last op, which is the asset's, was cleaned away.
    fn cleaned(&self, entry: &Entry) -> Option<&'a String> {
        self.ops(entry).last()?.1.cleaned.as_ref()
    }

    /// Of how many partitions only records are left: of the asset's own data, and of the ops before.
    fn cleaned_text(&self) -> String {
        let mut own = 0;
        let mut before: BTreeMap<&str, usize> = BTreeMap::new();
        for entry in &self.entries {
            let mut ops: Vec<(&str, &Verdict)> = self.ops(entry).collect();
            own += usize::from(ops.pop().is_some_and(|(_, verdict)| verdict.cleaned.is_some()));
            ops.iter().filter(|(_, verdict)| verdict.cleaned.is_some()).for_each(|(op, _)| *before.entry(op).or_default() += 1);
        }
        let own = (own > 0).then(|| format!("{own} cleaned"));
        let said: Vec<String> = own.into_iter().chain(before.iter().map(|(op, n)| format!("{n} {op} cleaned"))).collect();
        if said.is_empty() { String::new() } else { format!(" ({})", said.join(", ")) }
    }

    fn entry_json(&self, entry: &Entry) -> Value {
        let mut object = json!({"partition": self.key(entry), "state": entry.state, "ops": self.ops_json(entry)});
        if let Some(time) = self.cleaned(entry) {
            object["cleaned"] = json!(time);
        }
        object
    }

    fn ops_json(&self, entry: &Entry) -> Vec<Value> {
        let op = |(op, verdict): (&str, &Verdict)| {
            let mut object = json!({"op": op, "state": verdict.state, "reasons": verdict.reasons});
            if let Some(time) = &verdict.cleaned {
                object["cleaned"] = json!(time);
            }
            if let Some(failure) = &verdict.failure {
                object["failure"] = json!(failure);
            }
            object
        };
        self.ops(entry).map(op).collect()
    }

    fn group_json(&self, group: &Group) -> Value {
        let causes: Vec<Value> = group.causes.iter().map(Cause::json).collect();
        json!({"state": group.state, "count": group.members.len(), "partitions": self.ranges(group), "ops": group.ops, "causes": causes})
    }

    fn text(&self, all: bool, verbose: bool) -> String {
        let counted = self.counts().into_iter().filter(|(_, n)| *n > 0).map(|(state, n)| format!("{n} {}", state.name()));
        let counts = counted.collect::<Vec<_>>().join(", ");
        let partitions = self.partitions.map_or(String::new(), |p| format!(" ({p})"));
        let counts = if counts.is_empty() { "no partitions" } else { &counts };
        let mut text = format!("{}{partitions}: {counts}{}\n", self.asset, self.cleaned_text());
        let fresh: Vec<usize> = (0..self.entries.len()).filter(|at| self.entries[*at].state == State::Fresh).collect();
        if all && !fresh.is_empty() {
            let group = Group { state: State::Fresh, members: fresh, ops: vec![], causes: vec![], failures: vec![] };
            text += &self.group_text(&group, verbose);
        }
        let groups = self.groups();
        let most = if verbose { groups.len() } else { 12 };
        text.extend(groups.iter().take(most).map(|group| self.group_text(group, verbose)));
        let more = groups.len().saturating_sub(most);
        if more > 0 {
            text += &format!("  … and {more} more groups of causes (-v shows all)\n");
        }
        text + &self.warned_text(verbose)
    }

    fn group_text(&self, group: &Group, verbose: bool) -> String {
        const CAUSES: usize = 6;
        let state = group.state.name();
        let unpartitioned = self.partitions.is_none();
        let head = match group.members.len() {
            0 => state.to_string(),
            _ if unpartitioned => state.to_string(),
            count => format!("{count} {state}"),
        };
        let members = self.members_text(group, verbose);
        // A partition that was never built needs no further reason.
        let causes: &[Cause] = if matches!(group.state, State::Missing | State::Fresh) && !verbose { &[] } else { &group.causes };
        let mut text = match causes {
            [] => wrapped(&members, &format!("  {head}: "), 6),
            // What it waits for, or failed on, is told below, and is no cause that many share.
            several if matches!(group.state, State::Blocked | State::Failed) => {
                let told = several.iter().map(|cause| wrapped(&cause.text(), "    ", 6));
                wrapped(&members, &format!("  {head}: "), 6) + &told.collect::<String>()
            }
            [one] => wrapped(&one.text(), &format!("  {head}, 1 cause: "), 6) + &wrapped(&members, "    ", 6),
            several => {
                let shown = if verbose { several.len() } else { CAUSES };
                let mut text = wrapped(&members, &format!("  {head}, {} causes: ", several.len()), 6);
                text.extend(several.iter().take(shown).map(|cause| wrapped(&cause.text(), "    - ", 6)));
                if several.len() > shown {
                    text += &format!("    … and {} more causes (-v shows all)\n", several.len() - shown);
                }
                text
            }
        };
        text.extend(group.failures.iter().take(if verbose { usize::MAX } else { 3 }).map(|f| wrapped(f, "    ", 6)));
        text
    }

    /// The partitions of a group, and the ops that are not of one.
    fn members_text(&self, group: &Group, verbose: bool) -> String {
        let ranges = if self.partitions.is_none() { vec!["the whole asset".into()] } else { self.ranges(group) };
        let ranges = abridged(&ranges, if verbose { usize::MAX } else { 8 });
        match (group.members.is_empty(), group.ops.join(", ")) {
            (_, ops) if ops.is_empty() => ranges,
            (true, ops) => format!("{ops} (once for all partitions)"),
            (false, ops) => format!("{ranges}; and {ops} (once for all)"),
        }
    }
}

/// Whether a reason explains why something is in a state, rather than following from it or standing beside it.
fn is_told(state: State, reason: &Reason) -> bool {
    match state {
        State::Blocked => reason.kind == ReasonKind::Blocked,
        State::Failed => reason.kind == ReasonKind::Failed,
        State::Missing => reason.kind == ReasonKind::Output,
        _ => reason.root,
    }
}

/// How often something that failed was tried, and where its log is.
fn tried(verdict: &Verdict) -> Option<String> {
    let past = verdict.failure.as_ref()?;
    let attempts = if past.attempts == 1 { "1 attempt".to_string() } else { format!("{} attempts", past.attempts) };
    let log = past.log.as_ref().map_or(String::new(), |log| format!(", log: {log}"));
    Some(format!("failed after {attempts}, {}{log}", past.at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::action::{ActionId, Place};
    use crate::engine::observation::Kind;
    use std::path::Path;

    /// Two ops over so many partitions, and an op that runs once.
    fn graph(partitions: usize) -> Graph {
        let mut graph = Graph::default();
        let place = Place { root: Path::new("/").into(), directory: "d".into() };
        let mut add = |op: &str, key: Option<Name>, upstreams: Vec<ActionId>| {
            let id = ActionId { asset: "a".into(), op: op.into(), key };
            graph.add(Action { id, common: Default::default(), period: None, upstreams, after: vec![], place: place.clone() });
        };
        add("compile", None, vec![]);
        for number in 0..partitions {
            let key = Some(Name::from(format!("{number:06}")));
            add("skeleton", key.clone(), vec![]);
            add("enrich", key.clone(), vec![ActionId { asset: "a".into(), op: "skeleton".into(), key }]);
        }
        graph
    }

    fn fresh(graph: &Graph) -> Vec<Verdict> {
        vec![Verdict::of(State::Fresh, vec![]); graph.len()]
    }

    fn status<'a>(graph: &'a Graph, verdicts: &'a [Verdict]) -> AssetStatus<'a> {
        let actions = (0..graph.len()).collect();
        let mut status =
            AssetStatus { asset: "a", group: None, partitions: Some("p"), graph, verdicts, actions, entries: vec![], whole: None };
        status.divide();
        status
    }

    fn parameter() -> Reason {
        Reason::new(ReasonKind::Observed(Kind::Parameter), "k", "").values(Some("32".into()), Some("16".into()))
    }

    #[test]
    fn what_follows_from_a_cause_counts_once_under_it() {
        let graph = graph(4);
        let mut verdicts = fresh(&graph);
        verdicts[0] = Verdict::of(State::Stale, vec![parameter()]);
        for partition in [1, 2] {
            let skeleton = 1 + 2 * partition;
            verdicts[skeleton] = Verdict::of(State::Stale, vec![parameter()]);
            let upstream = Reason::new(ReasonKind::UPSTREAM, graph.actions()[skeleton].id.to_string(), "stale");
            verdicts[skeleton + 1] = Verdict::of(State::Stale, vec![upstream]);
        }
        let status = status(&graph, &verdicts);
        let text = "a (p): 2 fresh, 2 stale\n  2 stale, 1 cause: parameter k: 32 → 16\n    000001..000002; and compile (once for all)\n";
        assert_eq!(status.text(false, false), text);
        let json = status.json(false);
        assert_eq!((&json["causes"][0]["count"], &json["causes"][0]["ops"][0]), (&2.into(), &"compile".into()));
        assert_eq!(json["entries"][1]["ops"][0]["reasons"][0]["root"], true);
        assert_eq!(json["entries"][1]["ops"][1]["reasons"][0].get("root"), None);
        assert_eq!(json["counts"].as_object().unwrap().len(), State::ALL.len());
    }

    #[test]
    fn actions_that_come_in_another_order_are_sorted() {
        let graph = graph(3);
        let mut verdicts = fresh(&graph);
        verdicts[2] = Verdict::of(State::Missing, vec![]);
        let mut status = status(&graph, &verdicts);
        status.entries.clear();
        status.actions.reverse();
        status.divide();
        assert_eq!(status.text(true, false), "a (p): 2 fresh, 1 missing\n  2 fresh: 000001..000002\n  1 missing: 000000\n");
    }

    #[test]
    fn what_is_fresh_costs_no_text() {
        let graph = graph(50_000);
        let verdicts = fresh(&graph);
        let start = std::time::Instant::now();
        let status = status(&graph, &verdicts);
        assert_eq!(status.text(false, false), "a (p): 50000 fresh\n");
        // Many times what it takes without optimisation on a busy machine.
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }

    #[test]
    fn what_failed_says_how_often_and_where_its_log_is() {
        let graph = graph(1);
        let mut verdicts = fresh(&graph);
        let past = crate::engine::failure::Past {
            message: "a\nbad row".into(),
            attempts: 3,
            at: "2026-02-06T00:00:00Z".into(),
            log: Some("logs/a.log".into()),
        };
        verdicts[1] = Verdict::of(State::Failed, vec![Reason::new(ReasonKind::Failed, "a.skeleton@000000", "a\nbad row"), parameter()]);
        verdicts[1].failure = Some(Box::new(past));
        let text = status(&graph, &verdicts).text(false, false);
        assert_eq!(
            text,
            "a (p): 1 failed\n  1 failed: 000000\n    bad row\n    failed after 3 attempts, 2026-02-06T00:00:00Z, log: logs/a.log\n"
        );
    }
}
