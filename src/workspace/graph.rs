//! Targets → the graph of actions: every op of an asset for every key, each rule kind drafting its own.

use super::Workspace;
use super::target::{Keys, Target};
use crate::catalog::calendar::{Partitions, Period};
use crate::catalog::compile::compile;
use crate::catalog::dag::Dag;
use crate::catalog::declaration::{Backoff as DeclaredBackoff, Jitter};
use crate::catalog::model::{Asset, Op, Place as DataPlace, Retry, View};
use crate::digest::key::Table;
use crate::engine::action::{Action, ActionId, Common, Interval, Name, Resources};
use crate::engine::graph::Graph;
use crate::engine::retry::{Backoff, RetryPolicy};
use crate::rules::{self, Outline, Partition, Reads, RuleKind, Site, Subject};
use rayon::prelude::*;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Why an asset cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanError {
    /// Understood, but this version cannot do it.
    NotYet(String),
    /// The manifest asks for what cannot be.
    Invalid(String),
}

/// The graph of everything that the targets need.
///
/// `now` decides what has ended, where an asset without partitions reads one that has them.
pub fn graph(workspace: &Workspace, targets: &[Target], now: i64) -> Result<Graph, PlanError> {
    let (site, graph) = (workspace.site(), Graph::default());
    let mut builder = Builder { workspace, site: &site, now, graph, places: Table::default(), roots: Vec::new(), read: HashMap::new() };
    for target in targets {
        builder.target(target)?;
    }
    Ok(builder.graph)
}

struct Builder<'a> {
    workspace: &'a Workspace,
    site: &'a Site,
    now: i64,
    graph: Graph,
    /// Who publishes where.
    places: Table<usize>,
    /// Roots below which something is published, and whether some view's source is, holds or lies in them.
    roots: Vec<(Arc<Path>, bool)>,
    /// Assets that others read.
    read: HashMap<String, Arc<Read<'a>>>,
}

/// An asset that others read, with all its ops.
struct Read<'a> {
    asset: &'a Asset,
    dag: Dag,
    ops: Vec<Planned<'a>>,
}

/// An op as all its partitions have it.
struct Planned<'a> {
    op: &'a Op,
    rule: &'static dyn RuleKind,
    asset: Name,
    name: Name,
    common: Arc<Common>,
    /// Positions of the ops whose output it reads, and of those that only come first.
    reads: Vec<usize>,
    after: Vec<usize>,
    /// What it reads of other assets.
    inputs: Vec<Reads>,
    /// Its one action, where it runs once for all partitions and is in the graph.
    once: OnceLock<usize>,
}

/// The actions of a partition before they are in the graph, one for each op.
type Drafts = Vec<Draft>;

enum Draft {
    /// In the graph already.
    Known(usize),
    /// With the keys of its name and of its place.
    New { action: Action, name: u128, place: u128 },
}

impl<'a> Builder<'a> {
    fn target(&mut self, target: &Target) -> Result<(), PlanError> {
        let asset = &target.asset;
        let dag = self.dag(asset);
        let ops = self.ops(asset, target.op.as_deref(), &dag)?;
        let named = matches!(target.keys, Keys::Named(_));
        let Some(partitions) = self.partitions(asset) else {
            let drafts = self.draft(asset, &dag, &ops, None);
            let wanted = self.wanted(&ops, drafts, (named, asset))?;
            self.graph.targets.extend(wanted);
            return Ok(());
        };
        let Some((first, rest)) = target.keys.list().split_first() else { return Ok(()) };
        let first = self.wanted(&ops, self.draft_of(asset, &dag, &ops, partitions, first)?, (named, asset))?;
        self.graph.targets.extend(first);
        // There may be hundreds of thousands: so by all threads, and not all of them before the first is in its place.
        const DRAFTED: usize = 8192;
        self.graph.reserve(rest.len() * ops.len());
        self.places.reserve(rest.len() * ops.len());
        let mut targets = Vec::with_capacity(rest.len() * ops.len());
        for keys in rest.chunks(DRAFTED) {
            let draft = |key: &String| self.draft_of(asset, &dag, &ops, partitions, key);
            let drafted: Vec<Result<Drafts, PlanError>> = keys.par_iter().map(draft).collect();
            for drafts in drafted {
                targets.extend(self.wanted(&ops, drafts?, (named, asset))?);
            }
        }
        // Many at once: one after the other they take several times as long.
        self.graph.targets.append(&mut targets.into_iter().collect());
        Ok(())
    }

    fn dag(&self, asset: &Asset) -> Dag {
        let nothing = || Dag { service: String::new(), version: 0, operators: vec![] };
        asset.service.as_ref().map_or_else(nothing, |service| compile(&self.workspace.catalog, service))
    }

    fn partitions(&self, asset: &Asset) -> Option<&'a Partitions> {
        asset.partitions.as_ref().and_then(|name| self.workspace.catalog.partitions.get(name))
    }

    /// The actions of a partition that was asked for.
    fn wanted(&mut self, ops: &[Planned], drafts: Drafts, (named, asset): (bool, &Asset)) -> Result<Vec<usize>, PlanError> {
        let wanted = self.add(ops, drafts)?;
        if named {
            self.graph.named.extend(&wanted);
        }
        if named || asset.partitions.is_none() {
            // Of what was named by key, or has none, the ops that no other one there needs.
            let needed = |at: usize| ops.iter().any(|op| op.reads.contains(&at) || op.after.contains(&at));
            self.graph.wanted.extend((0..ops.len()).filter(|at| !needed(*at)).map(|at| wanted[at]));
        }
        Ok(wanted)
    }

    /// The actions that publish what is read of other assets, oldest period first; they come into the graph with all they need.
    fn inputs(&mut self, inputs: &[Reads], period: Option<Period>) -> Result<Vec<ActionId>, PlanError> {
        let mut ids: Vec<ActionId> = Vec::new();
        let mut known = HashSet::new();
        for reads in inputs {
            for id in self.input(reads, period)? {
                if known.insert(id.clone()) {
                    ids.push(id);
                }
            }
        }
        Ok(ids)
    }

    fn input(&mut self, reads: &Reads, period: Option<Period>) -> Result<Vec<ActionId>, PlanError> {
        let read = self.asset_read(&reads.asset)?;
        let Some(partitions) = self.partitions(read.asset) else { return Ok(vec![self.last(&read, None)?]) };
        let keys = partitions.keys_within(reads.periods.around(period), self.now);
        let of = |key: String| self.last(&read, partitions.cadence.period(&key).map(|period| Partition { key: &key, period }));
        keys.into_iter().map(of).collect()
    }

    fn asset_read(&mut self, name: &str) -> Result<Arc<Read<'a>>, PlanError> {
        if let Some(read) = self.read.get(name) {
            return Ok(read.clone());
        }
        let asset: &'a Asset =
            self.workspace.catalog.assets.get(name).ok_or_else(|| PlanError::Invalid(format!("there is no asset `{name}`")))?;
        let dag = self.dag(asset);
        let ops = self.ops(asset, None, &dag)?;
        let read = Arc::new(Read { asset, dag, ops });
        self.read.insert(name.into(), read.clone());
        Ok(read)
    }

    /// The action whose output a partition of an asset is.
    fn last(&mut self, read: &Read, partition: Option<Partition>) -> Result<ActionId, PlanError> {
        let nothing = || PlanError::Invalid(format!("asset `{}` has no ops", read.asset.name));
        let last = read.ops.last().ok_or_else(nothing)?;
        let id = last.id(&read.asset.name.as_str().into(), partition);
        if self.graph.index_of(&id).is_none() {
            let drafts = self.draft(read.asset, &read.dag, &read.ops, partition);
            self.add(&read.ops, drafts)?;
        }
        Ok(id)
    }

    /// The ops that are wanted, each after what it needs.
    fn ops<'b>(&self, asset: &'b Asset, up_to: Option<&str>, dag: &Dag) -> Result<Vec<Planned<'b>>, PlanError> {
        let name = Name::from(asset.name.as_str());
        let mut planned: Vec<Planned> = Vec::new();
        for op in wanted_ops(asset, up_to) {
            let rule = rules::by_name(&op.rule);
            let not_yet =
                || PlanError::NotYet(format!("op `{}.{}`: this version cannot build the rule kind `{}`", asset.name, op.name, op.rule));
            let rule = rule.ok_or_else(not_yet)?;
            let invalid = |why| PlanError::Invalid(format!("op `{}.{}`: {why}", asset.name, op.name));
            let outline = rule.outline(&self.subject(asset, op, dag)).map_err(invalid)?;
            let position = |name: &&String| planned.iter().position(|p| p.op.name == **name);
            let (reads, after): (Vec<&String>, Vec<&String>) = op.needs.iter().partition(|name| outline.reads.contains(name));
            let (reads, after) = (reads.iter().filter_map(position).collect(), after.iter().filter_map(position).collect());
            let (common, inputs) = self.common(asset, op, dag, outline);
            let (common, once) = (Arc::new(common), OnceLock::new());
            planned.push(Planned { op, rule, asset: name.clone(), name: op.name.as_str().into(), common, reads, after, inputs, once });
        }
        Ok(planned)
    }

    fn subject<'b>(&'b self, asset: &'b Asset, op: &'b Op, dag: &'b Dag) -> Subject<'b> {
        Subject { catalog: &self.workspace.catalog, site: self.site, asset, op, dag }
    }

    fn common(&self, asset: &Asset, op: &Op, dag: &Dag, outline: Outline) -> (Common, Vec<Reads>) {
        let lateness = |view: &str| self.workspace.catalog.views.get(view).map_or(0, |view| view.lateness());
        let Outline { definition, requests, spec, inputs, .. } = outline;
        let common = Common {
            rule: op.rule.clone(),
            definition,
            requests,
            spec,
            resources: self.resources(op),
            retry: retry(&op.retry),
            timeout: op.timeout.map(|t| t.millis as u64),
            settle: asset.settle.map(|age| age.millis),
            due_after: dag.due_after(&lateness),
            ..Common::default()
        };
        (common, inputs)
    }

    fn draft_of(&self, asset: &Asset, dag: &Dag, ops: &[Planned], partitions: &Partitions, key: &str) -> Result<Drafts, PlanError> {
        let period = partitions.cadence.period(key);
        let period = period.ok_or_else(|| PlanError::Invalid(format!("`{key}` is no key of asset `{}`", asset.name)))?;
        Ok(self.draft(asset, dag, ops, Some(Partition { key, period })))
    }

    /// The actions of one partition, each after what it needs, without what they read of other assets.
    fn draft(&self, asset: &Asset, dag: &Dag, ops: &[Planned], partition: Option<Partition>) -> Drafts {
        let name = ops.first().map_or_else(|| asset.name.as_str().into(), |op| op.asset.clone());
        let key = partition.map(|p| Name::from(p.key));
        let draft = |op: &Planned| {
            let own = partition.filter(|_| !op.rule.is_unpartitioned());
            if let (None, Some(_), Some(index)) = (own, partition, op.once.get()) {
                return Draft::Known(*index);
            }
            let id = |op: &Planned| {
                let key = key.clone().filter(|_| !op.rule.is_unpartitioned());
                ActionId { asset: name.clone(), op: op.name.clone(), key }
            };
            let ids = |positions: &[usize]| positions.iter().map(|at| id(&ops[*at])).collect::<Vec<_>>();
            let action = Action {
                id: id(op),
                common: op.common.clone(),
                period: own.map(|p| Interval { start: p.period.start, end: p.period.end }),
                upstreams: ids(&op.reads),
                after: ids(&op.after),
                place: op.rule.place(&self.subject(asset, op.op, dag), own),
            };
            let (name, place) = (action.id.table_key(), action.place.table_key());
            Draft::New { action, name, place }
        };
        ops.iter().map(draft).collect()
    }

    /// Puts the actions of a partition into the graph, after what they read of other assets.
    fn add(&mut self, ops: &[Planned], drafts: Drafts) -> Result<Vec<usize>, PlanError> {
        let mut indices = Vec::with_capacity(ops.len());
        for (op, draft) in ops.iter().zip(drafts) {
            let (mut action, name, place) = match draft {
                Draft::Known(index) => {
                    indices.push(index);
                    continue;
                }
                Draft::New { action, name, place } => (action, name, place),
            };
            let index = match op.inputs.is_empty() {
                true => self.graph.add_after(name, action, op.reads.iter().chain(&op.after).map(|at| indices[*at])),
                false => {
                    let period = action.period.map(|Interval { start, end }| Period { start, end });
                    action.upstreams.extend(self.inputs(&op.inputs, period)?);
                    self.graph.add(action)
                }
            };
            self.claim(index, place)?;
            if op.rule.is_unpartitioned() {
                op.once.get_or_init(|| index);
            }
            indices.push(index);
        }
        Ok(indices)
    }

    fn claim(&mut self, index: usize, place: u128) -> Result<(), PlanError> {
        let holder = match self.places.entry(place) {
            Entry::Vacant(free) => {
                free.insert(index);
                return self.not_over_a_source(index);
            }
            Entry::Occupied(taken) => *taken.get(),
        };
        if holder == index {
            return Ok(());
        }
        let action = &self.graph.actions()[index];
        let (holder, place) = (&self.graph.actions()[holder].id, self.site.root.name(&action.place.path()));
        Err(PlanError::Invalid(format!("`{holder}` and `{}` would both publish to {place}; give one of them output=\"…\"", action.id)))
    }

    /// Publishing replaces a directory whole: it must not be, hold, or lie in what a view reads.
    fn not_over_a_source(&mut self, index: usize) -> Result<(), PlanError> {
        let root = self.graph.actions()[index].place.root.clone();
        if !self.may_be_over_a_source(&root) {
            return Ok(());
        }
        let action = &self.graph.actions()[index];
        let place = action.place.path();
        let Some(view) = self.source_over(&place) else { return Ok(()) };
        let (name, hint) = (self.site.root.name(&place), "choose another output root, or give the op output=\"…\"");
        Err(PlanError::Invalid(format!("`{}` would publish to {name}, over the source of view `{}`; {hint}", action.id, view.name)))
    }

    /// Where nothing lies over a root, nothing lies over the partitions below it.
    fn may_be_over_a_source(&mut self, root: &Arc<Path>) -> bool {
        let known = self.roots.iter().find(|(known, _)| Arc::ptr_eq(known, root) || known == root);
        if let Some((_, may)) = known {
            return *may;
        }
        let may = self.source_over(root).is_some();
        self.roots.push((root.clone(), may));
        may
    }

    /// The view whose source is, holds, or lies in a place.
    fn source_over(&self, place: &Path) -> Option<&View> {
        let source = |view: &View| match &view.place {
            DataPlace::Path(path) => Some(self.site.root.join(path)),
            DataPlace::Asset(_) => None,
        };
        let is_over = |view: &View| source(view).is_some_and(|source| place.starts_with(&source) || source.starts_with(place));
        self.workspace.catalog.views.values().map(|view| &**view).find(|view| is_over(view))
    }

    /// Without its own, a `compile` or `command` takes 1 cpu and 1 GiB, other ops the envelope.
    fn resources(&self, op: &Op) -> Resources {
        let settings = &self.workspace.settings;
        let small = matches!(op.rule.as_str(), "compile" | "command");
        let (cpus, memory) = if small { (1, 1 << 30) } else { (settings.cpus.value, settings.memory.value.bytes) };
        let cpus = op.cpus.unwrap_or(cpus).min(settings.cpus.value);
        let memory = op.memory.map_or(memory, |m| m.bytes).min(settings.memory.value.bytes);
        Resources { cpus, memory }
    }
}

impl Planned<'_> {
    /// Its action of a partition of an asset.
    fn id(&self, asset: &Name, partition: Option<Partition>) -> ActionId {
        let key = partition.filter(|_| !self.rule.is_unpartitioned()).map(|p| Name::from(p.key));
        ActionId { asset: asset.clone(), op: self.name.clone(), key }
    }
}

/// All ops, or one and what it needs.
fn wanted_ops<'a>(asset: &'a Asset, up_to: Option<&str>) -> Vec<&'a Op> {
    let Some(last) = up_to else { return asset.ops.iter().collect() };
    let mut wanted = vec![last.to_string()];
    for op in asset.ops.iter().rev() {
        if wanted.contains(&op.name) {
            wanted.extend(op.needs.iter().cloned());
        }
    }
    asset.ops.iter().filter(|op| wanted.contains(&op.name)).collect()
}

fn retry(declared: &Retry) -> RetryPolicy {
    let backoff = match declared.backoff {
        DeclaredBackoff::Constant => Backoff::Constant,
        DeclaredBackoff::Linear => Backoff::Linear,
        DeclaredBackoff::Exponential => Backoff::Exponential,
    };
    RetryPolicy {
        times: declared.times,
        delay: declared.delay.millis as u64,
        backoff,
        max_delay: declared.max_delay.map(|d| d.millis as u64),
        jitter: declared.jitter == Jitter::Full,
    }
}
