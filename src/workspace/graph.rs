//! Targets → the graph of actions: every op of an asset for every key, each rule kind drafting its own.

use super::Workspace;
use super::target::{Keys, Target};
use crate::catalog::calendar::Period;
use crate::catalog::compile::compile;
use crate::catalog::dag::Dag;
use crate::catalog::declaration::{Backoff as DeclaredBackoff, Jitter};
use crate::catalog::model::{Asset, Op, Place as DataPlace, Retry, View};
use crate::engine::action::{Action, ActionId, Common, Interval, Place, Resources};
use crate::engine::graph::Graph;
use crate::engine::retry::{Backoff, RetryPolicy};
use crate::rules::{self, Draft, Site, Subject};
use std::collections::BTreeMap;
use std::path::PathBuf;
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
    let mut builder =
        Builder { workspace, site: workspace.site(), graph: Graph::default(), places: BTreeMap::new(), common: BTreeMap::new() };
    for target in targets {
        builder.target(target)?;
    }
    Ok(builder.graph)
}

struct Builder<'a> {
    workspace: &'a Workspace,
    site: Site,
    graph: Graph,
    /// Who publishes where.
    places: BTreeMap<PathBuf, ActionId>,
    /// What the partitions of an op have alike, by asset and op.
    common: BTreeMap<(String, String), Arc<Common>>,
}

/// What is known of an op of the partition at hand: rule, place, action.
type Planned<'a> = BTreeMap<&'a str, (String, Place, ActionId)>;

impl Builder<'_> {
    fn target(&mut self, target: &Target) -> Result<(), PlanError> {
        let asset = &target.asset;
        let dag = asset.service.as_ref().map(|s| compile(&self.workspace.catalog, s));
        let not_yet = || PlanError::NotYet(format!("asset `{}` has ops of rule `command`, which this version cannot build", asset.name));
        let dag = dag.ok_or_else(not_yet)?;
        let ops = wanted_ops(asset, target.op.as_deref());
        let partitions = asset.partitions.as_ref().and_then(|name| self.workspace.catalog.partitions.get(name));
        let Some(partitions) = partitions else { return self.partition(asset, &ops, &dag, None, false) };
        let named = matches!(target.keys, Keys::Named(_));
        for key in target.keys.list() {
            let period = partitions.cadence.period(key);
            let period = period.ok_or_else(|| PlanError::Invalid(format!("`{key}` is no key of asset `{}`", asset.name)))?;
            self.partition(asset, &ops, &dag, Some((key, period)), named)?;
        }
        Ok(())
    }

    /// The actions of one partition, each after what it needs.
    fn partition(
        &mut self,
        asset: &Asset,
        ops: &[&Op],
        dag: &Dag,
        partition: Option<(&str, Period)>,
        named: bool,
    ) -> Result<(), PlanError> {
        let mut planned: Planned = BTreeMap::new();
        for op in ops {
            let rule = rules::by_name(&op.rule);
            let not_yet =
                || PlanError::NotYet(format!("op `{}.{}`: this version cannot build the rule kind `{}`", asset.name, op.name, op.rule));
            let rule = rule.ok_or_else(not_yet)?;
            let own = partition.filter(|_| !rule.is_unpartitioned());
            let id = ActionId { asset: asset.name.clone(), op: op.name.clone(), key: own.map(|(key, _)| key.to_string()) };
            let needed =
                op.needs.iter().filter_map(|n| planned.get(n.as_str()).map(|(rule, place, _)| (n.clone(), rule.clone(), place.clone())));
            let inputs: Vec<(String, String, Place)> = needed.collect();
            let subject = Subject { catalog: &self.workspace.catalog, site: &self.site, asset, op, dag, partition: own, inputs: &inputs };
            let invalid = |why| PlanError::Invalid(format!("op `{}.{}`: {why}", asset.name, op.name));
            let common = match self.common.get(&(asset.name.clone(), op.name.clone())) {
                Some(common) => common.clone(),
                None => Arc::new(self.held(asset, dag, rule.common(&subject).map_err(invalid)?)),
            };
            self.common.insert((asset.name.clone(), op.name.clone()), common.clone());
            let draft = rule.draft(&subject).map_err(invalid)?;
            let period = own.map(|(_, period)| Interval { start: period.start, end: period.end });
            let action = Action { period, ..self.action(id, op, common, draft, &planned) };
            self.claim(&action)?;
            planned.insert(&op.name, (op.rule.clone(), action.place.clone(), action.id.clone()));
            let index = self.graph.add(action);
            self.graph.targets.insert(index);
            if named {
                self.graph.named.insert(index);
            }
        }
        Ok(())
    }

    /// What holds all partitions of an asset back.
    fn held(&self, asset: &Asset, dag: &Dag, common: Common) -> Common {
        let lateness = |view: &str| self.workspace.catalog.views.get(view).map_or(0, |view| view.lateness());
        Common { settle: asset.settle.map(|age| age.millis), due_after: dag.due_after(&lateness), ..common }
    }

    fn claim(&mut self, action: &Action) -> Result<(), PlanError> {
        self.not_over_a_source(action)?;
        let holder = self.places.entry(action.place.path()).or_insert_with(|| action.id.clone());
        if *holder == action.id {
            return Ok(());
        }
        let place = self.site.root.name(&action.place.path());
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

    fn action(&self, id: ActionId, op: &Op, common: Arc<Common>, draft: Draft, planned: &Planned) -> Action {
        let (reads, after): (Vec<&String>, Vec<&String>) = op.needs.iter().partition(|name| draft.reads.contains(name));
        let ids = |names: Vec<&String>| names.into_iter().filter_map(|n| Some(planned.get(n.as_str())?.2.clone())).collect();
        Action {
            id,
            rule: op.rule.clone(),
            common,
            period: None,
            requests: draft.requests,
            upstreams: ids(reads),
            after: ids(after),
            place: draft.place,
            spec: draft.spec,
            resources: self.resources(op),
            retry: retry(&op.retry),
            timeout: op.timeout.map(|t| t.millis as u64),
        }
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
