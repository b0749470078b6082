//! Whether a service's contract is another than the one that was published last under the same version.
//!
//! Reads the operator DAG that `compile` published; without one there is nothing to compare with. Invariant: says nothing of changes
//! behind the contract, which readers do not see.

use crate::catalog::compile::compile;
use crate::catalog::dag::{Dag, Kind, SinkColumn};
use crate::catalog::declaration::{ColumnDecl, Declarations, ServiceDecl};
use crate::catalog::model::{Asset, Service};
use crate::rules::{self, Subject};
use crate::source::{Diagnostic, Span, listed};
use crate::workspace::Workspace;
use std::collections::BTreeSet;
use std::fs;

const CHANGED: &str = "daeda::contract::changed";

/// Codes of the diagnostics made here, each with the page that `check --explain` prints.
pub const CODES: &[(&str, &str)] = &[(
    CHANGED,
    "The columns of a service are others than those that were last built under the same `version`. The version is the contract's, for whoever \
     reads the rows: a trainer that pins version 1 expects the columns of version 1. Raise it in the service, `version=2`, or take the change \
     back. Compared are names, order, types and nullability with the DAG that the asset's `compile` published; once the asset is built, the \
     new columns are the recorded ones.",
)];

/// One warning for each service whose contract changed under its version.
pub fn changed(workspace: &Workspace, declared: &Declarations) -> Vec<Diagnostic> {
    let mut told = BTreeSet::new();
    let assets = workspace.catalog.assets.values();
    let of = assets.filter_map(|asset| {
        let service = asset.service.as_ref()?;
        let published = published(workspace, asset)?;
        let declared = declared.services.iter().find(|declared| declared.name.value == service.name)?;
        let warning = compare(&published, service, declared, &compile(&workspace.catalog, service))?;
        told.insert(service.name.clone()).then_some(warning)
    });
    of.collect()
}

/// The DAG that was compiled last.
fn published(workspace: &Workspace, asset: &Asset) -> Option<Dag> {
    let op = asset.ops.iter().find(|op| op.rule == "compile")?;
    let dag = Dag { service: String::new(), version: 0, operators: vec![] };
    let site = workspace.site();
    let subject = Subject { catalog: &workspace.catalog, site: &site, asset, op, dag: &dag };
    let place = rules::by_name(&op.rule)?.place(&subject, None).path();
    serde_json::from_str(&fs::read_to_string(place.join("dag.json")).ok()?).ok()
}

/// The columns that the last operator writes.
fn contract(dag: &Dag) -> Vec<&SinkColumn> {
    let sinks = dag.operators.iter().rev().filter_map(|operator| match &operator.does {
        Kind::Sink(sink) => Some(sink),
        _ => None,
    });
    sinks.take(1).flat_map(|sink| &sink.columns).collect()
}

fn compare(published: &Dag, service: &Service, declared: &ServiceDecl, now: &Dag) -> Option<Diagnostic> {
    if published.service != service.name || published.version != service.version {
        return None;
    }
    let (old, new) = (contract(published), contract(now));
    let differences = differences(&old, &new);
    let (at, remedy) = match &declared.version {
        Some(version) => (version.span, format!("raise it: version={}", service.version + 1)),
        None => (declared.name.span, format!("say feature-service \"{}\" version={}", service.name, service.version + 1)),
    };
    if differences.is_empty() {
        return None;
    }
    let message = format!("the contract of `{}` is not the one that was last built as version {}", service.name, service.version);
    let gone: Vec<&str> = old.iter().map(|c| c.name.as_str()).filter(|name| !new.iter().any(|c| c.name == *name)).collect();
    let gone = if gone.is_empty() { String::new() } else { format!("; gone: {}", listed(gone)) };
    let mut diagnostic = Diagnostic::warning(CHANGED, format!("{message}{gone}"), at);
    for (name, what) in differences {
        if let Some(span) = place_of(declared, &name) {
            diagnostic = diagnostic.also(span, what);
        }
    }
    Some(diagnostic.hint(remedy))
}

/// The columns that are new or otherwise than before, and how; of a mere change of order the first.
fn differences(old: &[&SinkColumn], new: &[&SinkColumn]) -> Vec<(String, String)> {
    let changed = |column: &&SinkColumn| {
        let what = match old.iter().find(|before| before.name == column.name) {
            None => "new".to_string(),
            Some(before) if before.data_type != column.data_type => format!("was {}", before.data_type),
            Some(before) if before.nullable != column.nullable => format!("was nullable=#{}", before.nullable),
            Some(before) if before.default != column.default => "had another default".to_string(),
            Some(_) => return None,
        };
        Some((column.name.clone(), what))
    };
    let changed: Vec<(String, String)> = new.iter().filter_map(changed).collect();
    let moved = new.iter().zip(old).find(|(column, before)| column.name != before.name);
    match moved {
        Some((column, before)) if changed.is_empty() => vec![(column.name.clone(), format!("`{}` stood here", before.name))],
        None if changed.is_empty() && old.len() > new.len() => vec![(String::new(), String::new())],
        _ => changed,
    }
}

fn place_of(declared: &ServiceDecl, name: &str) -> Option<Span> {
    declared.columns.iter().find_map(|column| match column {
        ColumnDecl::Named(named) if named.name.value == name => Some(named.name.span),
        _ => None,
    })
}
