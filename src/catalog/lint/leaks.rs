//! Rows that may hold what was not known at their time.
//!
//! Three ways are looked for: windows that look ahead and feed what is not called a label, a row that finds itself by an inclusive join,
//! and static joins of views that say when their rows could be known.

use crate::catalog::code;
use crate::catalog::declaration::*;
use crate::catalog::model::{Aggregation, AggregationKind, Catalog, Column, Service};
use crate::source::{Diagnostic, Span};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The words, between underscores, by which a column says that it may look ahead.
const LABELS: [&str; 8] = ["label", "labels", "target", "outcome", "reward", "future", "next", "ahead"];

/// Everything that lets a row see the future.
pub fn leaks(catalog: &Catalog, declared: &Declarations) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let forward: HashMap<&str, Span> = declared
        .aggregations
        .aggregations
        .iter()
        .filter_map(|aggregation| Some((aggregation.name.as_str(), aggregation.forward?)))
        .collect();
    for service in &declared.services {
        if let Some(resolved) = catalog.services.get(&service.name.value) {
            found.extend(ahead(catalog, resolved, service, &forward));
            found.extend(service.joins.iter().flat_map(|join| joined(catalog, join, &service.spine.view)));
        }
    }
    for aggregation in &declared.aggregations.aggregations {
        let Some(view) = &aggregation.view else { continue };
        found.extend(aggregation.joins.iter().flat_map(|join| joined(catalog, join, view)));
    }
    found
}

/// Columns and filters that look ahead and do not say so.
fn ahead(catalog: &Catalog, service: &Service, declared: &ServiceDecl, forward: &HashMap<&str, Span>) -> Vec<Diagnostic> {
    let mut looking: BTreeMap<String, Span> = BTreeMap::new();
    for aggregation in &service.rolling {
        if let Some(span) = looks_ahead(catalog, aggregation, forward) {
            looking.extend(aggregation.windows.iter().map(|window| (aggregation.column(window), span)));
        }
    }
    if looking.is_empty() {
        return Vec::new();
    }
    for embedding in &service.embed {
        if let Some(span) = looking.get(&embedding.input.value).copied() {
            looking.insert(embedding.name.clone(), span);
        }
    }
    let columns = service.columns.iter().filter(|column| !is_label(&column.name));
    let mut found: Vec<Diagnostic> = columns.filter_map(|column| leaking_column(column, &looking)).collect();
    for (keep, filter) in declared.curate.iter().zip(&service.curate) {
        if let Some((name, span)) = first_of(&filter.expr.columns(), &looking) {
            let message = format!("`{}` keeps rows by `{name}`, which looks ahead of them", keep.name);
            let hint =
                "rows that will be asked about in production cannot be chosen by what happens later; filter by what is known at their time";
            found.push(Diagnostic::warning(code::LEAK, message, keep.filter.span).also(span, "it looks ahead").hint(hint));
        }
    }
    found
}

/// Where it is said that an aggregation, or a part of a ratio, looks ahead.
fn looks_ahead(catalog: &Catalog, aggregation: &Aggregation, forward: &HashMap<&str, Span>) -> Option<Span> {
    match &aggregation.kind {
        AggregationKind::Of(_) => forward.get(aggregation.name.as_str()).copied(),
        AggregationKind::Ratio { numerator, denominator } => {
            let parts = [numerator, denominator].into_iter().filter_map(|part| catalog.aggregations.get(part));
            parts.filter_map(|part| forward.get(part.name.as_str()).copied()).next()
        }
    }
}

fn leaking_column(column: &Column, looking: &BTreeMap<String, Span>) -> Option<Diagnostic> {
    let reads = column.expr.as_ref().map_or_else(|| BTreeSet::from([column.name.clone()]), |expr| expr.columns());
    let (name, span) = first_of(&reads, looking)?;
    let message = match name == column.name {
        true => format!("`{name}` looks ahead of its row, and is not called a label"),
        false => format!("`{}` is made from `{name}`, which looks ahead of its row, and is not called a label", column.name),
    };
    let written = column.expr.as_ref().map_or(name.clone(), |expr| expr.to_string());
    let hint = format!("if it is one, say so: label_{} \"{}\" expr=\"{written}\"; if not, look back", column.name, column.data_type);
    Some(Diagnostic::warning(code::LEAK, message, column.span).also(span, "it looks ahead").hint(hint))
}

fn first_of(reads: &BTreeSet<String>, looking: &BTreeMap<String, Span>) -> Option<(String, Span)> {
    reads.iter().find_map(|name| Some((name.clone(), *looking.get(name)?)))
}

fn is_label(name: &str) -> bool {
    name.split('_').any(|word| LABELS.contains(&word.to_lowercase().as_str()))
}

/// A join that takes rows of the very time, or of no time at all. `left` is the view whose rows it joins to.
fn joined(catalog: &Catalog, join: &JoinDecl, left: &Name) -> Option<Diagnostic> {
    let view = catalog.views.get(&join.view.value)?;
    let how = join.how.value;
    match (how, join.inclusive, &view.available_at) {
        (How::AsOf, Some(span), _) if join.view.value == left.value => {
            let message = format!("a row of `{left}` finds itself in this join, and so what it is to predict");
            let diagnostic = Diagnostic::warning(code::LEAK, message, span).also(left.span, "the rows come from here");
            Some(diagnostic.hint("remove inclusive=#true: then the row before it is found"))
        }
        (How::Static, _, Some(time)) => {
            let message = format!("view `{}` says when its rows could be known, and a static join does not ask", view.name);
            let diagnostic = Diagnostic::warning(code::LEAK, message, join.how.span);
            let diagnostic = diagnostic.also(view.span, format!("its source has available-at=\"{}\"", time.name));
            Some(diagnostic.hint("say how=\"as-of\", or remove `available-at` from the view's source"))
        }
        _ => None,
    }
}
