//! Views, services and assets as wholes: what each reads and what reads it.

use super::{Lineage, Node};
use crate::catalog::model::{Aggregation, AggregationKind, Asset, Catalog, Measure, Place, Service, View};
use std::collections::BTreeSet;

fn node(kind: &'static str, name: &str, through: impl Into<String>, next: &str) -> Node {
    Node { kind, name: name.into(), role: None, through: through.into(), path: Vec::new(), columns: Vec::new(), next: next.into() }
}

fn told(kind: &'static str, name: &str, upstream: Vec<Node>, downstream: Vec<Node>) -> Lineage {
    Lineage { version: 1, kind, name: name.into(), upstream, downstream, ..Lineage::default() }
}

pub(super) fn of_asset(catalog: &Catalog, asset: &Asset) -> Lineage {
    let mut upstream = inputs(asset);
    if let Some(service) = &asset.service {
        upstream.push(node("service", &service.name, "contract", &asset.name));
        upstream.extend(service_upstream(service, catalog));
    }
    told("asset", &asset.name, upstream, readers(catalog, &asset.name))
}

/// Commands that read an asset, and views over what it publishes with all that reads those.
fn readers(catalog: &Catalog, asset: &str) -> Vec<Node> {
    let mut found = Vec::new();
    for reader in catalog.assets.values() {
        let own = inputs(reader).into_iter().filter(|input| input.name == asset);
        found.extend(own.map(|input| node("asset", &reader.name, input.through, asset)));
    }
    let views = catalog.views.values().filter(|view| matches!(&view.place, Place::Asset(behind) if behind == asset));
    for view in views {
        found.push(node("view", &view.name, "source", asset));
        found.extend(of_view(catalog, view).downstream);
    }
    found
}

/// The assets that commands of this one read.
fn inputs(asset: &Asset) -> Vec<Node> {
    let commands = asset.ops.iter().filter_map(|op| Some((op, op.command.as_ref()?)));
    let nodes = commands.flat_map(|(op, command)| {
        let through = |window: Option<_>| window.map_or(format!("input of {}", op.name), |w| format!("input of {}, {w} back", op.name));
        command.inputs.iter().map(move |input| node("asset", &input.asset, through(input.window), &asset.name))
    });
    nodes.collect()
}

pub(super) fn of_view(catalog: &Catalog, view: &View) -> Lineage {
    let mut downstream: BTreeSet<Node> = BTreeSet::new();
    for service in catalog.services.values() {
        for (_, through) in uses(service, catalog).into_iter().filter(|(used, _)| used.name == view.name) {
            downstream.insert(node("service", &service.name, through, &view.name));
            for asset in catalog.asset_of_service(&service.name) {
                downstream.insert(node("asset", &asset.name, format!("service {}", service.name), &service.name));
                downstream.extend(readers(catalog, &asset.name));
            }
        }
    }
    let mut downstream: Vec<Node> = downstream.into_iter().collect();
    downstream.sort_by_key(|n| std::cmp::Reverse(n.kind));
    told("view", &view.name, vec![source_of(view)], downstream)
}

pub(super) fn of_service(catalog: &Catalog, service: &Service) -> Lineage {
    let assets = catalog.asset_of_service(&service.name);
    let mut downstream = Vec::new();
    for asset in assets {
        downstream.push(node("asset", &asset.name, "contract", &service.name));
        downstream.extend(readers(catalog, &asset.name));
    }
    told("service", &service.name, service_upstream(service, catalog), downstream)
}

fn source_of(view: &View) -> Node {
    let name = match &view.place {
        Place::Path(path) => path.clone(),
        Place::Asset(asset) => format!("asset {asset}"),
    };
    node("source", &name, format!("{:?}", view.format).to_lowercase(), &view.name)
}

fn service_upstream(service: &Service, catalog: &Catalog) -> Vec<Node> {
    let mut nodes: BTreeSet<Node> = BTreeSet::new();
    for (view, through) in uses(service, catalog) {
        nodes.insert(node("view", &view.name, through, &service.name));
        nodes.insert(source_of(view));
    }
    let mut nodes: Vec<Node> = nodes.into_iter().collect();
    nodes.sort_by_key(|n| std::cmp::Reverse(n.kind));
    nodes
}

/// Every view that a service reads, and how.
fn uses<'c>(service: &'c Service, catalog: &'c Catalog) -> Vec<(&'c View, String)> {
    let mut uses: Vec<(&View, String)> = vec![(&service.spine, "spine".into())];
    uses.extend(service.require_embedding.iter().map(|c| (c.store.view.as_ref(), format!("require-embedding {}", c.store.name))));
    uses.extend(service.joins.iter().map(|j| (j.view.as_ref(), "join".to_string())));
    for aggregation in &service.rolling {
        for (name, measure) in measures(aggregation, catalog) {
            let through = format!("aggregation {name}");
            uses.push((&measure.view, through.clone()));
            uses.extend(measure.joins.iter().map(|j| (j.view.as_ref(), through.clone())));
            uses.extend(measure.require_embedding.iter().map(|c| (c.store.view.as_ref(), through.clone())));
        }
    }
    uses.extend(service.embed.iter().map(|e| (e.store.view.as_ref(), format!("embedding {}", e.name))));
    uses
}

/// What an aggregation measures: itself, or the two parts of a ratio.
pub(super) fn measures<'c>(aggregation: &'c Aggregation, catalog: &'c Catalog) -> Vec<(&'c str, &'c Measure)> {
    match &aggregation.kind {
        AggregationKind::Of(measure) => vec![(&aggregation.name, measure)],
        AggregationKind::Ratio { numerator, denominator } => {
            let parts = [numerator, denominator].into_iter().filter_map(|name| catalog.aggregations.get(name));
            parts.flat_map(|part| measures(part, catalog)).collect()
        }
    }
}
