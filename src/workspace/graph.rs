//! Targets → the graph of actions: every op of an asset for every key, each rule kind drafting its own.

use super::Workspace;
use super::target::Target;
use crate::catalog::calendar::{Partitions, Period};
use crate::catalog::compile::compile;
use crate::catalog::dag::Dag;
use crate::catalog::declaration::{Backoff as DeclaredBackoff, Jitter};
use crate::catalog::model::{Asset, Op, Place as DataPlace, Retry, View};
use crate::engine::action::{Action, ActionId, Common, Place, Resources};
use crate::engine::graph::Graph;
use crate::engine::retry::{Backoff, RetryPolicy};
use crate::rules::{self, Draft, Reads, Site, Subject};
use std::collections::{BTreeMap, BTreeSet};
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
///
/// `now` decides what has ended, where an asset without partitions reads one that has them.
pub fn graph(workspace: &Workspace, targets: &[Target], now: i64) -> Result<Graph, PlanError> {
    let mut builder = Builder {
        workspace,
        now,
        site: workspace.site(),
        graph: Graph::default(),
        places: BTreeMap::new(),
        common: BTreeMap::new(),
        dags: BTreeMap::new(),
        planned: BTreeMap::new(),
    };
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
    dags: BTreeMap<String, Arc<Dag>>,
    /// Partitions of assets that others read: the last op's action of each.
    planned: BTreeMap<(String, Option<String>), ActionId>,
    now: i64,
}

/// What is known of an op of the partition at hand: rule, place, action.
type Planned<'a> = BTreeMap<&'a str, (String, Place, ActionId)>;

impl<'a> Builder<'a> {
    fn target(&mut self, target: &Target) -> Result<(), PlanError> {
        let asset = &target.asset;
        let ops = wanted_ops(asset, target.op.as_deref());
        let Some(partitions) = self.partitions(asset) else { return self.wanted(asset, &ops, None) };
        for key in target.keys.list() {
            let period = partitions.cadence.period(key);
            let period = period.ok_or_else(|| PlanError::Invalid(format!("`{key}` is no key of asset `{}`", asset.name)))?;
            self.wanted(asset, &ops, Some((key, period)))?;
        }
        Ok(())
    }

    fn partitions(&self, asset: &Asset) -> Option<&'a Partitions> {
        asset.partitions.as_ref().and_then(|name| self.workspace.catalog.partitions.get(name))
    }

    /// A partition that was asked for.
    fn wanted(&mut self, asset: &Asset, ops: &[&Op], partition: Option<(&str, Period)>) -> Result<(), PlanError> {
        for id in self.partition(asset, ops, partition)? {
            self.graph.targets.extend(self.graph.index_of(&id));
        }
        Ok(())
    }

    /// The actions that publish what is read of an asset, oldest period first; they come into the graph with all they need.
    fn read(&mut self, reads: &Reads) -> Result<Vec<ActionId>, PlanError> {
        let asset = self.workspace.catalog.assets.get(&reads.asset).cloned();
        let asset = asset.ok_or_else(|| PlanError::Invalid(format!("there is no asset `{}`", reads.asset)))?;
        let ops: Vec<&Op> = asset.ops.iter().collect();
        let keys: Vec<Option<String>> = match self.partitions(&asset) {
            None => vec![None],
            Some(partitions) => partitions.keys_within(reads.range, self.now).into_iter().map(Some).collect(),
        };
        keys.into_iter().map(|key| self.last_of(&asset, &ops, key)).collect()
    }

    fn last_of(&mut self, asset: &Asset, ops: &[&Op], key: Option<String>) -> Result<ActionId, PlanError> {
        let known = (asset.name.clone(), key);
        if let Some(id) = self.planned.get(&known) {
            return Ok(id.clone());
        }
        let period = known.1.as_deref().and_then(|key| Some((key, self.partitions(asset)?.cadence.period(key)?)));
        let last = self.partition(asset, ops, period)?.pop();
        let last = last.ok_or_else(|| PlanError::Invalid(format!("asset `{}` has no ops", asset.name)))?;
        self.planned.insert(known, last.clone());
        Ok(last)
    }

    fn dag(&mut self, asset: &Asset) -> Arc<Dag> {
        if let Some(dag) = self.dags.get(&asset.name) {
            return dag.clone();
        }
        let nothing = || Dag { service: String::new(), version: 0, operators: vec![] };
        let dag = Arc::new(asset.service.as_ref().map_or_else(nothing, |s| compile(&self.workspace.catalog, s)));
        self.dags.insert(asset.name.clone(), dag.clone());
        dag
    }

    /// The actions of one partition, each after what it needs.
    fn partition(&mut self, asset: &Asset, ops: &[&Op], partition: Option<(&str, Period)>) -> Result<Vec<ActionId>, PlanError> {
        let (dag, mut ids) = (self.dag(asset), Vec::new());
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
            let subject =
                Subject { catalog: &self.workspace.catalog, site: &self.site, asset, op, dag: &dag, partition: own, inputs: &inputs };
            let invalid = |why| PlanError::Invalid(format!("op `{}.{}`: {why}", asset.name, op.name));
            let common = match self.common.get(&(asset.name.clone(), op.name.clone())) {
                Some(common) => common.clone(),
                None => Arc::new(rule.common(&subject).map_err(invalid)?),
            };
            self.common.insert((asset.name.clone(), op.name.clone()), common.clone());
            let draft = rule.draft(&subject).map_err(invalid)?;
            let mut inputs = Vec::new();
            for reads in &draft.inputs {
                inputs.extend(self.read(reads)?);
            }
            let mut action = self.action(id, op, common, draft, &planned);
            let mut known: BTreeSet<ActionId> = action.upstreams.iter().cloned().collect();
            action.upstreams.extend(inputs.into_iter().filter(|id| known.insert(id.clone())));
            self.say_where_inputs_lie(&mut action);
            self.claim(&action)?;
            planned.insert(&op.name, (op.rule.clone(), action.place.clone(), action.id.clone()));
            ids.push(action.id.clone());
            self.graph.add(action);
        }
        Ok(ids)
    }

    /// By asset, or by op where it is one of the same asset.
    fn say_where_inputs_lie(&self, action: &mut Action) {
        let mut inputs: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
        for id in &action.upstreams {
            let place = self.graph.index_of(id).map(|index| self.graph.actions()[index].place.path());
            let name = if id.asset == action.id.asset { &id.op } else { &id.asset };
            inputs.entry(name).or_default().extend(place);
        }
        let inputs = serde_json::json!(inputs);
        if let (serde_json::Value::Object(spec), "command") = (&mut action.spec, action.rule.as_str()) {
            spec.insert("inputs".into(), inputs);
        }
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
