//! Targets → the graph of actions: every op of an asset for every key, each rule kind drafting its own.

use super::Workspace;
use super::target::{Keys, Target};
use crate::catalog::compile::compile;
use crate::catalog::dag::Dag;
use crate::catalog::declaration::{Backoff as DeclaredBackoff, Jitter};
use crate::catalog::model::{Asset, Op, Place as DataPlace, Retry, View};
use crate::engine::action::{Action, ActionId, Common, Interval, Name, Resources};
use crate::engine::graph::Graph;
use crate::engine::retry::{Backoff, RetryPolicy};
use crate::rules::{self, Outline, Partition, RuleKind, Site, Subject};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::sync::Arc;

/// Why an asset cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanError {
    /// Understood, but this version cannot do it.
    NotYet(String),
    /// The manifest asks for what cannot be.
    Invalid(String),
}

/// The graph of everything that the targets need.
pub fn graph(workspace: &Workspace, targets: &[Target]) -> Result<Graph, PlanError> {
    let mut builder = Builder { workspace, site: workspace.site(), graph: Graph::default(), places: HashMap::new() };
    for target in targets {
        builder.target(target)?;
    }
    Ok(builder.graph)
}

struct Builder<'a> {
    workspace: &'a Workspace,
    site: Site,
    graph: Graph,
    /// Who publishes where: root, directory.
    places: HashMap<(Arc<Path>, String), usize>,
}

/// An op as all its partitions have it.
struct Planned<'a> {
    op: &'a Op,
    rule: &'static dyn RuleKind,
    name: Name,
    common: Arc<Common>,
    /// Positions of the ops whose output it reads, and of those that only come first.
    reads: Vec<usize>,
    after: Vec<usize>,
}

impl Builder<'_> {
    fn target(&mut self, target: &Target) -> Result<(), PlanError> {
        let asset = &target.asset;
        let dag = asset.service.as_ref().map(|s| compile(&self.workspace.catalog, s));
        let not_yet = || PlanError::NotYet(format!("asset `{}` has ops of rule `command`, which this version cannot build", asset.name));
        let dag = dag.ok_or_else(not_yet)?;
        let ops = self.ops(asset, target.op.as_deref(), &dag)?;
        let partitions = asset.partitions.as_ref().and_then(|name| self.workspace.catalog.partitions.get(name));
        let Some(partitions) = partitions else {
            self.partition(asset, &dag, &ops, None)?;
            self.name(asset, &ops, None);
            return Ok(());
        };
        for key in target.keys.list() {
            let period = partitions.cadence.period(key);
            let period = period.ok_or_else(|| PlanError::Invalid(format!("`{key}` is no key of asset `{}`", asset.name)))?;
            self.partition(asset, &dag, &ops, Some(Partition { key, period }))?;
            if let Keys::Named(_) = target.keys {
                self.name(asset, &ops, Some(key));
            }
        }
        Ok(())
    }

    /// Of what was named by key, or has none, the ops that no other one there needs.
    fn name(&mut self, asset: &Asset, ops: &[Planned], key: Option<&str>) {
        let needed = |at: &usize| ops.iter().any(|op| op.reads.contains(at) || op.after.contains(at));
        for at in (0..ops.len()).filter(|at| !needed(at)) {
            let key = key.filter(|_| !ops[at].rule.is_unpartitioned());
            let id = ActionId { asset: asset.name.as_str().into(), op: ops[at].name.clone(), key: key.map(Name::from) };
            self.graph.named.extend(self.graph.index_of(&id));
        }
    }

    /// The ops that are wanted, each after what it needs.
    fn ops<'a>(&self, asset: &'a Asset, up_to: Option<&str>, dag: &Dag) -> Result<Vec<Planned<'a>>, PlanError> {
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
            let common = Arc::new(self.common(op, outline));
            planned.push(Planned { op, rule, name: op.name.as_str().into(), common, reads, after });
        }
        Ok(planned)
    }

    fn subject<'a>(&'a self, asset: &'a Asset, op: &'a Op, dag: &'a Dag) -> Subject<'a> {
        Subject { catalog: &self.workspace.catalog, site: &self.site, asset, op, dag }
    }

    fn common(&self, op: &Op, outline: Outline) -> Common {
        let Outline { definition, requests, spec, .. } = outline;
        Common {
            rule: op.rule.clone(),
            definition,
            requests,
            spec,
            resources: self.resources(op),
            retry: retry(&op.retry),
            timeout: op.timeout.map(|t| t.millis as u64),
            ..Common::default()
        }
    }

    /// The actions of one partition, each after what it needs.
    fn partition(&mut self, asset: &Asset, dag: &Dag, ops: &[Planned], partition: Option<Partition>) -> Result<(), PlanError> {
        let name = Name::from(asset.name.as_str());
        let key = partition.map(|p| Name::from(p.key));
        let id = |op: &Planned| {
            let key = key.clone().filter(|_| !op.rule.is_unpartitioned());
            ActionId { asset: name.clone(), op: op.name.clone(), key }
        };
        for op in ops {
            let own = partition.filter(|_| !op.rule.is_unpartitioned());
            let ids = |positions: &[usize]| positions.iter().map(|at| id(&ops[*at])).collect();
            let action = Action {
                id: id(op),
                common: op.common.clone(),
                period: own.map(|p| Interval { start: p.period.start, end: p.period.end }),
                upstreams: ids(&op.reads),
                after: ids(&op.after),
                place: op.rule.place(&self.subject(asset, op.op, dag), own),
            };
            let index = self.graph.add(action);
            self.claim(index)?;
            self.graph.targets.insert(index);
        }
        Ok(())
    }

    fn claim(&mut self, index: usize) -> Result<(), PlanError> {
        let action = &self.graph.actions()[index];
        let holder = match self.places.entry((action.place.root.clone(), action.place.directory.clone())) {
            Entry::Vacant(free) => {
                free.insert(index);
                return self.not_over_a_source(&self.graph.actions()[index]);
            }
            Entry::Occupied(taken) => *taken.get(),
        };
        if holder == index {
            return Ok(());
        }
        let (holder, place) = (&self.graph.actions()[holder].id, self.site.root.name(&action.place.path()));
        Err(PlanError::Invalid(format!("`{holder}` and `{}` would both publish to {place}; give one of them output=\"…\"", action.id)))
    }

    /// Publishing replaces a directory whole: it must not be, hold, or lie in what a view reads.
    fn not_over_a_source(&self, action: &Action) -> Result<(), PlanError> {
        let place = action.place.path();
        let source = |view: &View| match &view.place {
            DataPlace::Path(path) => Some(self.site.root.join(path)),
            DataPlace::Asset(_) => None,
        };
        let hit = self.workspace.catalog.views.values().find(|v| source(v).is_some_and(|s| place.starts_with(&s) || s.starts_with(&place)));
        let Some(view) = hit else { return Ok(()) };
        let (name, hint) = (self.site.root.name(&place), "choose another output root, or give the op output=\"…\"");
        Err(PlanError::Invalid(format!("`{}` would publish to {name}, over the source of view `{}`; {hint}", action.id, view.name)))
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
