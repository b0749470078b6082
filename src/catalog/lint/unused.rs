//! Things that are declared and that nothing needs.
//!
//! Invariant: one cause, one warning: what only something unused refers to counts as used.

use crate::catalog::code;
use crate::catalog::compile::{Needed, idle};
use crate::catalog::declaration::*;
use crate::catalog::model::{AggregationKind, Catalog, Service};
use crate::source::{Diagnostic, Span};
use std::collections::{HashMap, HashSet};

/// Everything that is declared or listed in vain.
pub fn unused(catalog: &Catalog, declared: &Declarations) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut windows: HashMap<String, HashSet<String>> = HashMap::new();
    for service in catalog.services.values() {
        let needed = Needed::of(catalog, service);
        for thing in idle(service, &needed) {
            let message = format!("{} of service `{}` is needed by nothing", thing.value, service.name);
            let hint = "remove it, or add a column of it to `columns`; as it is, it is neither computed nor observed";
            found.push(Diagnostic::warning(code::UNUSED, message, thing.span).hint(hint));
        }
        for (aggregation, used) in &needed.rolling {
            windows.entry(aggregation.name.clone()).or_default().extend(used.iter().map(|window| window.to_string()));
        }
    }
    // Without a service nothing is needed yet.
    if !catalog.services.is_empty() {
        found.extend(aggregations(catalog, declared, &windows));
        found.extend(embeddings(catalog, declared));
        found.extend(views(declared));
    }
    found.extend(of_the_manifest(declared));
    found
}

fn warning(what: &str, name: &str, span: Span, by: &str, hint: String) -> Diagnostic {
    Diagnostic::warning(code::UNUSED, format!("{what} `{name}` is used by no {by}"), span).hint(hint)
}

/// Aggregations that no service lists, and windows of the others that no service has a column of.
fn aggregations(catalog: &Catalog, declared: &Declarations, windows: &HashMap<String, HashSet<String>>) -> Vec<Diagnostic> {
    let listed: HashSet<&str> = catalog.services.values().flat_map(|service| listed(catalog, service)).collect();
    let mut found = Vec::new();
    for aggregation in &declared.aggregations.aggregations {
        let name = aggregation.name.as_str();
        if !listed.contains(name) {
            let hint = format!("add `rolling \"{name}\"` to a service, or remove it");
            found.push(warning("aggregation", name, aggregation.name.span, "service", hint));
            continue;
        }
        // One that is listed in vain has been told of where it is listed.
        let Some(used) = windows.get(name) else { continue };
        for window in aggregation.windows.iter().filter(|window| !used.contains(&window.to_string())) {
            let message = format!("no service needs the window \"{window}\" of `{name}`");
            let column = catalog.aggregations.get(name).map_or(String::new(), |resolved| resolved.column(window));
            let hint = format!("remove it, or add the column `{column}` to a service; as it is, it is not computed");
            found.push(Diagnostic::warning(code::UNUSED, message, window.span).hint(hint));
        }
    }
    found
}

/// The aggregations of a service, parts of ratios included.
fn listed<'c>(catalog: &'c Catalog, service: &'c Service) -> Vec<&'c str> {
    let mut names = Vec::new();
    for aggregation in &service.rolling {
        names.push(aggregation.name.as_str());
        if let AggregationKind::Ratio { numerator, denominator } = &aggregation.kind {
            let parts = [numerator, denominator].into_iter().filter_map(|part| catalog.aggregations.get(part));
            names.extend(parts.map(|part| part.name.as_str()));
        }
    }
    names
}

/// Embeddings that no service lists, and stores that neither embeddings nor coverage ask.
fn embeddings(catalog: &Catalog, declared: &Declarations) -> Vec<Diagnostic> {
    let listed: HashSet<&str> = catalog.services.values().flat_map(|s| s.embed.iter().map(|e| e.name.as_str())).collect();
    let idle = declared.aggregations.embeddings.iter().filter(|e| !listed.contains(e.name.as_str()));
    let hint = |name: &str| format!("add `embed \"{name}\"` to a service, or remove it");
    let mut found: Vec<Diagnostic> = idle.map(|e| warning("embedding", &e.name, e.name.span, "service", hint(&e.name))).collect();
    let of_embeddings = declared.aggregations.embeddings.iter().map(|e| &e.store);
    let of_spines = declared.services.iter().flat_map(|s| &s.spine.require_embedding);
    let of_histories = declared.aggregations.aggregations.iter().flat_map(|a| &a.require_embedding);
    let asked: HashSet<&str> = of_embeddings.chain(of_spines).chain(of_histories).map(|name| name.as_str()).collect();
    let idle = declared.aggregations.stores.iter().filter(|store| !asked.contains(store.name.as_str()));
    let hint = |name: &str| format!("add embedding \"…\" store=\"{name}\" lookup=\"…\", or remove it");
    found.extend(idle.map(|s| warning("embedding store", &s.name, s.name.span, "embedding and no `require-embedding`", hint(&s.name))));
    found
}

/// Views that nothing reads.
fn views(declared: &Declarations) -> Vec<Diagnostic> {
    let mut read: HashSet<&str> = HashSet::new();
    for service in &declared.services {
        read.insert(&service.spine.view);
        read.extend(service.joins.iter().map(|join| join.view.as_str()));
    }
    for aggregation in &declared.aggregations.aggregations {
        read.extend(aggregation.view.iter().map(|view| view.as_str()));
        read.extend(aggregation.joins.iter().map(|join| join.view.as_str()));
    }
    read.extend(declared.aggregations.stores.iter().map(|store| store.view.as_str()));
    let idle = declared.views.iter().filter(|view| !read.contains(view.name.as_str()));
    let hint = "join it to a service, aggregate it, or remove its file".to_string();
    idle.map(|view| warning("view", &view.name, view.name.span, "service, aggregation or store", hint.clone())).collect()
}

/// Entities, partitions and constants that nothing names.
fn of_the_manifest(declared: &Declarations) -> Vec<Diagnostic> {
    let manifest = &declared.manifest;
    let entities: HashSet<&str> = declared.views.iter().flat_map(|v| &v.entities).map(|e| e.as_str()).collect();
    let partitions: HashSet<&str> = manifest.assets.iter().flat_map(|a| &a.partitions).map(|p| p.as_str()).collect();
    let mut found = Vec::new();
    for entity in manifest.entities.iter().filter(|e| !entities.contains(e.name.as_str()) && !declared.views.is_empty()) {
        let hint = format!("add `entity \"{}\"` to the views whose rows are about one, or remove it", entity.name);
        found.push(warning("entity", &entity.name, entity.name.span, "view", hint));
    }
    for of in manifest.partitions.iter().filter(|p| !partitions.contains(p.name.as_str()) && !manifest.assets.is_empty()) {
        let message = format!("partitions `{}` are used by no asset", of.name);
        let hint = format!("add `partitions \"{}\"` to an asset, or remove them", of.name);
        found.push(Diagnostic::warning(code::UNUSED, message, of.name.span).hint(hint));
    }
    found.extend(constants(declared));
    found
}

fn constants(declared: &Declarations) -> Vec<Diagnostic> {
    let amounts = declared.aggregations.aggregations.iter().flat_map(|aggregation| match &aggregation.function.value {
        FunctionDecl::Of { k, max, .. } => vec![k, max],
        FunctionDecl::Ratio { .. } => vec![],
    });
    let named: HashSet<&str> = amounts
        .flatten()
        .filter_map(|amount| match &amount.value {
            Amount::Constant(name) => Some(name.as_str()),
            Amount::Literal(_) => None,
        })
        .collect();
    let idle = declared.runtime.constants.iter().filter(|(name, _)| !named.contains(name.as_str()));
    let hint = |name: &str| format!("take it with k=(constant)\"{name}\" or max=(constant)\"{name}\", or remove it");
    idle.map(|(name, value)| warning("constant", name, value.span, "aggregation", hint(name))).collect()
}
