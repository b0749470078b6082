//! The graph of assets that selections walk: views and built assets, and what each is made from.
//!
//! Invariant: views are `feature_view/<name>`, in the group `feature_views`.

use super::By;
use crate::catalog::compile::compile;
use crate::catalog::dag::{ArrowUdf, Dag, Kind};
use crate::catalog::declaration::Format;
use crate::catalog::model::{Asset, Catalog, Place, View};
use std::collections::{BTreeMap, BTreeSet};

/// What a selection can know of an asset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssetNode {
    pub group: Option<String>,
    pub kinds: BTreeSet<String>,
    pub tags: BTreeSet<String>,
    /// Names of the assets that it is made from.
    pub upstreams: BTreeSet<String>,
}

#[derive(Debug, Clone, Default)]
pub struct AssetGraph {
    nodes: BTreeMap<String, AssetNode>,
}

impl AssetGraph {
    pub fn of(catalog: &Catalog) -> Self {
        let mut graph = Self::default();
        catalog.views.values().for_each(|view| graph.add(&view.asset_name(), of_view(view)));
        catalog.assets.values().for_each(|asset| graph.add(&asset.name, of_asset(catalog, asset)));
        graph
    }

    pub fn add(&mut self, name: &str, node: AssetNode) {
        self.nodes.insert(name.into(), node);
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.nodes.keys().map(String::as_str)
    }

    /// The assets that a word names.
    pub fn matching(&self, by: By, word: &str) -> BTreeSet<String> {
        let fits = |name: &str, node: &AssetNode| match by {
            By::Name => name == word,
            By::Group => node.group.as_deref() == Some(word),
            By::Kind => node.kinds.contains(word),
            By::Tag => node.tags.contains(word),
        };
        self.nodes.iter().filter(|(name, node)| fits(name, node)).map(|(name, _)| name.clone()).collect()
    }

    /// Everything that a word could have been.
    pub fn known(&self, by: By) -> BTreeSet<String> {
        let of = |(name, node): (&String, &AssetNode)| match by {
            By::Name => BTreeSet::from([name.clone()]),
            By::Group => node.group.iter().cloned().collect(),
            By::Kind => node.kinds.clone(),
            By::Tag => node.tags.clone(),
        };
        self.nodes.iter().flat_map(of).collect()
    }

    pub fn with_upstreams(&self, names: BTreeSet<String>) -> BTreeSet<String> {
        spread(names, |name| self.nodes.get(name).into_iter().flat_map(|node| node.upstreams.clone()).collect())
    }

    pub fn with_downstreams(&self, names: BTreeSet<String>) -> BTreeSet<String> {
        let reads = |name: &str| self.nodes.iter().filter(|(_, n)| n.upstreams.contains(name)).map(|(n, _)| n.clone()).collect();
        spread(names, reads)
    }
}

/// Names, and what can be reached from them.
fn spread(mut names: BTreeSet<String>, neighbours: impl Fn(&str) -> Vec<String>) -> BTreeSet<String> {
    let mut left: Vec<String> = names.iter().cloned().collect();
    while let Some(name) = left.pop() {
        left.extend(neighbours(&name).into_iter().filter(|n| names.insert(n.clone())));
    }
    names
}

fn of_view(view: &View) -> AssetNode {
    let kind = match view.format {
        Format::Parquet => "parquet",
        Format::Lance => "lance",
    };
    let upstreams = match &view.place {
        Place::Asset(asset) => BTreeSet::from([asset.clone()]),
        Place::Path(_) => BTreeSet::new(),
    };
    let tags = view.tags.iter().cloned().collect();
    AssetNode { group: Some("feature_views".into()), kinds: BTreeSet::from([kind.into()]), tags, upstreams }
}

fn of_asset(catalog: &Catalog, asset: &Asset) -> AssetNode {
    let mut kinds: BTreeSet<String> = asset.ops.iter().map(|op| op.rule.clone()).collect();
    if asset.ops.last().is_some_and(|op| matches!(op.rule.as_str(), "skeleton" | "enrich")) {
        kinds.insert("parquet".into());
    }
    let views = asset.service.iter().flat_map(|service| views_of(&compile(catalog, service)));
    let mut upstreams: BTreeSet<String> = views.filter_map(|view| Some(catalog.views.get(&view)?.asset_name())).collect();
    let inputs = asset.ops.iter().filter_map(|op| op.command.as_ref()).flat_map(|command| &command.inputs);
    upstreams.extend(inputs.map(|input| input.asset.clone()));
    AssetNode { group: asset.group.clone(), kinds, tags: asset.tags.iter().cloned().collect(), upstreams }
}

/// The views that a compiled service reads.
fn views_of(dag: &Dag) -> Vec<String> {
    let view = |kind: &Kind| match kind {
        Kind::Scan(scan) => Some(scan.view.clone()),
        Kind::ArrowUdf(ArrowUdf::Coverage { store, .. }) => Some(store.view.clone()),
        Kind::Embed(embed) => Some(embed.store.view.clone()),
        _ => None,
    };
    dag.operators.iter().filter_map(|operator| view(&operator.does)).collect()
}
