//! Lineage: what a view, service, asset or column comes from, and what comes of it.

use crate::catalog::expr::Expr;
use crate::catalog::model::{Aggregation, AggregationKind, Asset, Catalog, Join, JoinHow, Measure, Place, Service, View};
use crate::source::suggestion;
use serde::Serialize;
use std::collections::BTreeSet;

/// One thing on the way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Node {
    /// `view`, `source`, `service`, `asset` or `column`.
    pub kind: &'static str,
    pub name: String,
    /// How it is used: `spine`, `join`, `aggregation user_like_count`, …
    pub through: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct Lineage {
    pub version: u32,
    pub kind: &'static str,
    pub name: String,
    pub upstream: Vec<Node>,
    pub downstream: Vec<Node>,
}

/// The lineage of a name; an error says what there is instead.
pub fn lineage(catalog: &Catalog, name: &str) -> Result<Lineage, String> {
    let bare = name.strip_prefix("feature_view/").unwrap_or(name);
    if let Some(view) = catalog.views.get(bare) {
        return Ok(of_view(catalog, view));
    }
    if let Some(service) = catalog.services.get(name) {
        return Ok(of_service(catalog, service));
    }
    if let Some(asset) = catalog.assets.get(name) {
        return Ok(of_asset(catalog, asset));
    }
    if let Some((service, column)) = name.split_once('.').and_then(|(s, c)| Some((catalog.services.get(s)?, c))) {
        return of_column(catalog, service, column);
    }
    let known: Vec<&str> = catalog.views.keys().chain(catalog.services.keys()).chain(catalog.assets.keys()).map(String::as_str).collect();
    Err(format!("there is no view, service, asset or `service.column` `{name}`; {}", suggestion(name, known)))
}

fn of_asset(catalog: &Catalog, asset: &Asset) -> Lineage {
    let mut upstream = inputs(asset);
    if let Some(service) = &asset.service {
        upstream.push(Node { kind: "service", name: service.name.clone(), through: "contract".into() });
        upstream.extend(service_upstream(service, catalog));
    }
    let mut downstream = Vec::new();
    for reader in catalog.assets.values() {
        let own = inputs(reader).into_iter().filter(|node| node.name == asset.name);
        downstream.extend(own.map(|node| Node { name: reader.name.clone(), ..node }));
    }
    let views = catalog.views.values().filter(|view| matches!(&view.place, Place::Asset(behind) if *behind == asset.name));
    for view in views {
        downstream.push(Node { kind: "view", name: view.name.clone(), through: "source".into() });
        downstream.extend(of_view(catalog, view).downstream);
    }
    Lineage { version: 1, kind: "asset", name: asset.name.clone(), upstream, downstream }
}

/// The assets that commands of this one read.
fn inputs(asset: &Asset) -> Vec<Node> {
    let commands = asset.ops.iter().filter_map(|op| Some((op, op.command.as_ref()?)));
    let nodes = commands.flat_map(|(op, command)| {
        let through = |window: Option<_>| window.map_or(format!("input of {}", op.name), |w| format!("input of {}, {w} back", op.name));
        command.inputs.iter().map(move |input| Node { kind: "asset", name: input.asset.clone(), through: through(input.window) })
    });
    nodes.collect()
}

fn of_view(catalog: &Catalog, view: &View) -> Lineage {
    let upstream = vec![source_of(view)];
    let mut downstream: BTreeSet<Node> = BTreeSet::new();
    for service in catalog.services.values() {
        for (_, through) in uses(service, catalog).into_iter().filter(|(used, _)| used.name == view.name) {
            downstream.insert(Node { kind: "service", name: service.name.clone(), through });
            let assets = catalog.asset_of_service(&service.name);
            downstream.extend(assets.iter().map(|a| Node {
                kind: "asset",
                name: a.name.clone(),
                through: format!("service {}", service.name),
            }));
        }
    }
    Lineage { version: 1, kind: "view", name: view.name.clone(), upstream, downstream: downstream.into_iter().collect() }
}

fn of_service(catalog: &Catalog, service: &Service) -> Lineage {
    let assets = catalog.asset_of_service(&service.name);
    let downstream = assets.iter().map(|a| Node { kind: "asset", name: a.name.clone(), through: "contract".into() }).collect();
    Lineage { version: 1, kind: "service", name: service.name.clone(), upstream: service_upstream(service, catalog), downstream }
}

fn source_of(view: &View) -> Node {
    let name = match &view.place {
        Place::Path(path) => path.clone(),
        Place::Asset(asset) => format!("asset {asset}"),
    };
    Node { kind: "source", name, through: format!("{:?}", view.format).to_lowercase() }
}

fn service_upstream(service: &Service, catalog: &Catalog) -> Vec<Node> {
    let mut nodes: BTreeSet<Node> = BTreeSet::new();
    for (view, through) in uses(service, catalog) {
        nodes.insert(Node { kind: "view", name: view.name.clone(), through });
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

fn measures<'c>(aggregation: &'c Aggregation, catalog: &'c Catalog) -> Vec<(&'c str, &'c Measure)> {
    match &aggregation.kind {
        AggregationKind::Of(measure) => vec![(&aggregation.name, measure)],
        AggregationKind::Ratio { numerator, denominator } => {
            let parts = [numerator, denominator].into_iter().filter_map(|name| catalog.aggregations.get(name));
            parts.flat_map(|part| measures(part, catalog)).collect()
        }
    }
}

fn of_column(catalog: &Catalog, service: &Service, name: &str) -> Result<Lineage, String> {
    let column = service.columns.iter().find(|c| c.name == name);
    let unknown = || {
        format!("service `{}` has no column `{name}`; {}", service.name, suggestion(name, service.columns.iter().map(|c| c.name.as_str())))
    };
    let column = column.ok_or_else(unknown)?;
    let mut walk = Walk { catalog, service, found: BTreeSet::new() };
    match &column.expr {
        Some(expr) => walk.expression(expr, &format!("expr {expr}")),
        None => walk.column(name, "contract"),
    }
    let assets = catalog.asset_of_service(&service.name);
    let downstream =
        assets.iter().map(|a| Node { kind: "asset", name: format!("{}.{name}", a.name), through: "contract".into() }).collect();
    let full = format!("{}.{name}", service.name);
    Ok(Lineage { version: 1, kind: "column", name: full, upstream: walk.found.into_iter().collect(), downstream })
}

/// Follows a column back to the fields of views.
struct Walk<'c> {
    catalog: &'c Catalog,
    service: &'c Service,
    found: BTreeSet<Node>,
}

impl Walk<'_> {
    fn field(&mut self, view: &View, field: &str, through: &str) {
        self.found.insert(Node { kind: "column", name: format!("{}.{field}", view.name), through: through.into() });
    }

    fn expression(&mut self, expr: &Expr, through: &str) {
        expr.columns().iter().for_each(|column| self.column(column, through));
    }

    /// A column of the wide row, wherever it comes from.
    fn column(&mut self, name: &str, through: &str) {
        let service = self.service;
        if service.spine.field(name).is_some() {
            return self.field(&service.spine, name, through);
        }
        if let Some((join, from)) = service.joins.iter().find_map(|j| Some((j, j.added().find(|(n, _)| n == name)?.1.to_string()))) {
            return self.join(join, &from, &format!("join {}", join.view.name), true);
        }
        if let Some(embedding) = service.embed.iter().find(|e| e.name == name) {
            let through = format!("embedding {name}");
            self.field(&embedding.store.view, &embedding.store.vector, &through);
            self.field(&embedding.store.view, &embedding.store.key, &through);
            return self.column(&embedding.input.value, &through);
        }
        let aggregation = service.rolling.iter().find(|a| a.windows.iter().any(|w| a.column(w) == name));
        if let Some(aggregation) = aggregation {
            for (name, measure) in measures(aggregation, self.catalog) {
                self.measure(name, measure);
            }
        }
    }

    fn join(&mut self, join: &Join, from: &str, through: &str, on_the_spine: bool) {
        self.field(&join.view, from, through);
        for (left, right) in &join.on {
            self.field(&join.view, right, through);
            if on_the_spine {
                self.column(left, through);
            }
        }
        if let Some(time) = &join.view.timestamp {
            self.field(&join.view, &time.name, through);
        }
        if let (JoinHow::AsOf { .. }, true, Some(time)) = (join.how, on_the_spine, &self.service.spine.timestamp) {
            self.field(&self.service.spine, &time.name, through);
        }
    }

    fn measure(&mut self, name: &str, measure: &Measure) {
        let through = format!("aggregation {name}");
        let filters = measure.filters.iter().flat_map(|f| f.expr.columns());
        let inputs: BTreeSet<String> = measure.by.iter().cloned().chain(measure.column.clone()).chain(filters).collect();
        for input in inputs {
            match measure.joins.iter().find_map(|j| Some((j, j.added().find(|(n, _)| *n == input)?.1.to_string()))) {
                Some((join, from)) => {
                    self.join(join, &from, &through, false);
                    join.on.iter().for_each(|(left, _)| self.field(&measure.view, left, &through));
                }
                None => self.field(&measure.view, &input, &through),
            }
        }
        if let Some(time) = &measure.view.timestamp {
            self.field(&measure.view, &time.name, &through);
        }
        for coverage in &measure.require_embedding {
            self.field(&coverage.store.view, &coverage.store.key, &through);
        }
        measure.on.iter().for_each(|left| self.column(left, &through));
    }
}

impl Lineage {
    pub fn rows(&self) -> Vec<Vec<String>> {
        let row = |side: &str, node: &Node| vec![side.to_string(), node.kind.to_string(), node.name.clone(), node.through.clone()];
        let upstream = self.upstream.iter().map(|n| row("upstream", n));
        upstream.chain(self.downstream.iter().map(|n| row("downstream", n))).collect()
    }
}
