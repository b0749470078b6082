//! Lineage: what a view, service, asset or column comes from, and what comes of it.
//!
//! [`things`] answers for views, services and assets as wholes, [`columns`] says what one column is made of, and [`ways`] follows that
//! through the workspace in both directions; [`table`] and [`picture`] show it. Knows the catalog alone: nothing is read or built.

mod columns;
mod picture;
mod table;
mod things;
mod ways;

use crate::catalog::model::{Catalog, Place, Service};
use crate::source::suggestion;
use columns::{Role, Thing};
use serde::Serialize;
use ways::Ways;

/// One thing on the way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Node {
    /// `view`, `source`, `service`, `asset`, `column`, or `rows`: which rows a service has.
    pub kind: &'static str,
    pub name: String,
    /// Of a column: what it is needed for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// How it is used: `spine`, `join artworks`, `aggregation user_like_count`, …; of a column, where it has its role.
    pub through: String,
    /// All steps on the way, the one that reads the column last. Empty where there are no more than one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// Of an asset: those of its columns that are meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// What it goes into, or comes from, on the way to what was asked about.
    #[serde(skip)]
    next: String,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct Lineage {
    pub version: u32,
    pub kind: &'static str,
    pub name: String,
    /// Of a column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expr: Option<String>,
    pub upstream: Vec<Node>,
    /// Of a service's column, or of one made from it: what decides which rows there are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Node>,
    pub downstream: Vec<Node>,
    /// Of each column, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Lineage>,
}

/// The lineage of a name, and if wanted that of each of its columns; an error says what there is instead.
pub fn lineage(catalog: &Catalog, name: &str, with_columns: bool) -> Result<Lineage, String> {
    let mut ways = Ways::new(catalog);
    let bare = name.strip_prefix("feature_view/").unwrap_or(name);
    let whole = whole(catalog, bare);
    if let Some((mut lineage, columns)) = whole {
        if with_columns {
            lineage.columns = columns.iter().map(|column| of_thing(&mut ways, column)).collect();
        }
        return Ok(lineage);
    }
    match bare.split_once('.').map(|(owner, column)| thing(catalog, owner, column)) {
        Some(Ok(thing)) => Ok(of_thing(&mut ways, &thing)),
        Some(Err(Some(message))) => Err(message),
        _ => {
            let known = catalog.views.keys().chain(catalog.services.keys()).chain(catalog.assets.keys());
            let hint = suggestion(name, known.map(String::as_str).collect::<Vec<_>>());
            Err(format!("there is no view, service, asset or column such as `service.column` named `{name}`; {hint}"))
        }
    }
}

/// A view, service or asset, and its columns.
fn whole(catalog: &Catalog, name: &str) -> Option<(Lineage, Vec<Thing>)> {
    if let Some(view) = catalog.views.get(name) {
        let columns = view.fields.iter().map(|field| Thing::Field(name.into(), field.name.clone()));
        return Some((things::of_view(catalog, view), columns.collect()));
    }
    if let Some(service) = catalog.services.get(name) {
        let columns = service.columns.iter().map(|column| Thing::Column(name.into(), column.name.clone()));
        return Some((things::of_service(catalog, service), columns.collect()));
    }
    let asset = catalog.assets.get(name)?;
    let columns = asset.service.iter().flat_map(|service| &service.columns);
    Some((things::of_asset(catalog, asset), columns.map(|column| Thing::Output(name.into(), column.name.clone())).collect()))
}

/// The column of an owner, which may be a view and a service at once. `Err(None)`: there is no such owner.
fn thing(catalog: &Catalog, owner: &str, column: &str) -> Result<Thing, Option<String>> {
    let (mut kinds, mut known): (Vec<&str>, Vec<&str>) = Default::default();
    for (kind, columns, thing) in owners(catalog, owner) {
        if columns.contains(&column) {
            return Ok(thing(owner.into(), column.into()));
        }
        kinds.push(kind);
        known.extend(columns);
    }
    if kinds.is_empty() {
        return Err(None);
    }
    known.sort_unstable();
    known.dedup();
    let has = if kinds.len() == 1 { "has" } else { "have" };
    Err(Some(format!("{} `{owner}` {has} no column `{column}`; {}", kinds.join(" and "), suggestion(column, known))))
}

/// What something is, its columns, and how one of them is made a thing.
type Owner<'c> = (&'static str, Vec<&'c str>, fn(String, String) -> Thing);

/// Everything of a name.
fn owners<'c>(catalog: &'c Catalog, name: &str) -> Vec<Owner<'c>> {
    let view = catalog.views.get(name).map(|view| view.fields.iter().map(|field| field.name.as_str()).collect());
    let contract = |service: &'c Service| service.columns.iter().map(|column| column.name.as_str());
    let service = catalog.services.get(name).map(|service| contract(service).collect());
    let asset = catalog.assets.get(name).map(|asset| asset.service.iter().flat_map(|service| contract(service)).collect());
    let view: Option<Owner> = view.map(|columns| ("view", columns, Thing::Field as _));
    let service: Option<Owner> = service.map(|columns| ("service", columns, Thing::Column as _));
    let asset: Option<Owner> = asset.map(|columns| ("asset", columns, Thing::Output as _));
    [view, service, asset].into_iter().flatten().collect()
}

/// The service whose rows a column has.
fn rows_of(catalog: &Catalog, thing: &Thing) -> Option<String> {
    let of_asset = |asset: &str| catalog.assets.get(asset)?.service.as_ref().map(|service| service.name.clone());
    match thing {
        Thing::Column(service, _) => Some(service.clone()),
        Thing::Output(asset, _) => of_asset(asset),
        Thing::Field(view, _) => match &catalog.views.get(view)?.place {
            Place::Asset(asset) => of_asset(asset),
            Place::Path(_) => None,
        },
        Thing::Rows(_) | Thing::Whole(_) => None,
    }
}

fn of_thing(ways: &mut Ways, thing: &Thing) -> Lineage {
    let (data_type, expr) = described(ways.catalog, thing);
    let rows = rows_of(ways.catalog, thing).map_or(Vec::new(), |service| ways.upstream(&Thing::Rows(service)));
    Lineage {
        version: 1,
        kind: thing.kind(),
        name: thing.to_string(),
        data_type,
        expr,
        upstream: ways.upstream(thing),
        rows,
        downstream: ways.downstream(thing),
        columns: Vec::new(),
    }
}

/// The type of a column, and the expression that makes it.
fn described(catalog: &Catalog, thing: &Thing) -> (Option<String>, Option<String>) {
    let service = match thing {
        Thing::Field(view, field) => {
            let field = catalog.views.get(view).and_then(|view| view.field(field));
            return (field.map(|field| field.data_type.to_string()), None);
        }
        Thing::Column(service, _) => catalog.services.get(service),
        Thing::Output(asset, _) => catalog.assets.get(asset).and_then(|asset| asset.service.as_ref()),
        Thing::Rows(_) | Thing::Whole(_) => None,
    };
    let column = service.and_then(|service| service.columns.iter().find(|column| column.name == thing.column()));
    (column.map(|c| c.data_type.to_string()), column.and_then(|c| c.expr.as_ref()).map(|expr| expr.to_string()))
}
