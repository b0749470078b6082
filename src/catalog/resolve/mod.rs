//! Declarations → catalog: every name looked up, every expression typed, every contract checked. All mistakes in one run.
//!
//! Knows nothing of KDL or the disk. Invariant: what is broken is left out of the catalog and reported once; what refers to something that
//! was declared but broken is left out in silence, so that one cause makes one diagnostic.

mod aggregations;
mod assets;
mod checks;
mod commands;
mod engines;
mod expressions;
mod joins;
mod schedules;
mod services;
mod views;

use super::aggregate::Signature;
use super::calendar::{Cadence, Partitions};
use super::declaration::*;
use super::model::*;
use crate::source::{Diagnostic, Spanned, suggestion};
use expressions::Columns;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The open sets that the catalog is handed: what aggregates and rule kinds there are.
pub struct Vocabulary<'a> {
    pub aggregates: &'a [&'a dyn Signature],
    pub rules: &'a [&'a str],
    /// Names of the aggregates that Polars can compute, too.
    pub on_polars: &'a [&'a str],
}

/// Codes of the diagnostics made here, each with the page that `check --explain` prints.
pub const CODES: &[(&str, &str)] = &[
    (
        "daeda::catalog::unknown-name",
        "A name refers to something that no file of the workspace declares. Names are looked up by kind: a view in feature_views/, a service in feature_services/, an aggregation, embedding or store in the aggregations file, partitions, entities and jobs in Daedalus.kdl.",
    ),
    (
        "daeda::catalog::duplicate-name",
        "Two files declare the same name of the same kind. Names are a workspace's own: rename one of them.",
    ),
    (
        "daeda::catalog::unknown-column",
        "A column is named that its view (or the row built so far) does not have. Fields are declared in the view's `fields`; joined columns carry their join's prefix; windows make `<aggregation>_<window>`.",
    ),
    (
        "daeda::catalog::expression",
        "An expression cannot be understood: its syntax, a function, or the types of its operands. Expressions are SQL scalar expressions over the columns in reach.",
    ),
    (
        "daeda::catalog::wrong-type",
        "A type does not fit where it is used: a filter that is not true or false, a key joined to a key of another type, a contract column of another type than what fills it.",
    ),
    ("daeda::catalog::bad-option", "An option is given that this node or function does not understand, or one that it needs is missing."),
    (
        "daeda::catalog::bad-date",
        "A partition's start or end, or a view's `first`, is not a period of the cadence it stands for; or the end comes before the start.",
    ),
    (
        "daeda::catalog::selection",
        "A selection cannot be understood. It is made of names of assets, group:g, kind:k and tag:t, with `+` before a name for all that it is made from and after it for all that is made from it, joined by `and`, `or`, `not` and parentheses.",
    ),
    (
        "daeda::catalog::cycle",
        "Ops need each other in a circle, or assets are made from each other (through `input`, or a view with source asset=…), so that none could be built first.",
    ),
    (
        "daeda::catalog::placeholder",
        "A name in braces stands for nothing where it stands. In `run` there are {output}, {partition}, {day}, {hour}, {year}, {month} and strftime such as {%Y%m%d} of the period's start, {input.NAME} for each input and each op in `needs`, {output-root}, {enriched-output-root}, {asset} and {op}. Other braces stand for themselves; `{{name}}` is the text `{name}`.",
    ),
    (
        "daeda::catalog::undeclared-source",
        "A command runs a program of the workspace that is none of its sources. What is not declared is not observed: when the program changes, nothing is rebuilt.",
    ),
    (
        "daeda::catalog::unused",
        "Something is declared or listed that no column, filter, expression or embedding needs. It is neither computed nor observed.",
    ),
    ("daeda::catalog::no-columns", "A service without `columns` has no contract, and an asset without ops nothing to build."),
];

/// Resolves everything. The catalog holds what is sound; the diagnostics say what is not.
pub fn resolve(declared: &Declarations, vocabulary: &Vocabulary) -> (Catalog, Vec<Diagnostic>) {
    let mut resolver = Resolver { declared, vocabulary, catalog: Catalog::default(), found: Vec::new() };
    resolver.runtime();
    resolver.partitions();
    resolver.views();
    resolver.stores();
    resolver.aggregations();
    resolver.services();
    resolver.engines();
    resolver.assets();
    resolver.asset_cycles();
    resolver.jobs();
    resolver.schedules();
    (resolver.catalog, resolver.found)
}

struct Resolver<'a> {
    declared: &'a Declarations,
    vocabulary: &'a Vocabulary<'a>,
    catalog: Catalog,
    found: Vec<Diagnostic>,
}

impl Resolver<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// A view's own columns.
    fn view_columns(&self, view: &View) -> Columns {
        let mut columns = Columns::starting(self.is_partial(view.span));
        view.fields.iter().for_each(|f| columns.add(f.name.clone(), f.data_type.clone()));
        columns
    }

    /// Whether something stands in a file from which nodes were left out.
    fn is_partial(&self, span: crate::source::Span) -> bool {
        self.declared.partial.contains(&span.source)
    }

    /// Looks a name up. `declared` are all names of that kind, sound or not: only a stranger is reported here.
    fn look_up<T: Clone>(&mut self, what: &str, name: &Name, sound: &BTreeMap<String, T>, declared: &[String]) -> Option<T> {
        let found = sound.get(&name.value).cloned();
        if found.is_none() && !declared.contains(&name.value) {
            self.unknown(what, name, declared);
        }
        found
    }

    fn unknown(&mut self, what: &str, name: &Name, known: &[String]) {
        let message = if what.ends_with('s') { format!("there are no {what} `{name}`") } else { format!("there is no {what} `{name}`") };
        let hint = if known.is_empty() { format!("no {what} is declared") } else { suggestion(name, known.iter().map(String::as_str)) };
        self.report(Diagnostic::error("daeda::catalog::unknown-name", message, name.span).label(format!("no such {what}")).hint(hint));
    }

    fn unknown_column(&mut self, name: &Name, of: &str, known: &Columns) {
        if known.excuses(name) {
            return;
        }
        let message = format!("{of} has no column `{name}`");
        let hint = suggestion(name, known.names().iter().map(String::as_str));
        self.report(Diagnostic::error("daeda::catalog::unknown-column", message, name.span).label("no such column").hint(hint));
    }

    /// Reports the second of two declarations of one name; returns whether this one is the first.
    fn first_of(&mut self, what: &str, name: &Name, earlier: &mut BTreeMap<String, crate::source::Span>) -> bool {
        let Some(first) = earlier.get(&name.value).copied() else {
            earlier.insert(name.value.clone(), name.span);
            return true;
        };
        // Within one file the manifest has said so already.
        if first.source != name.span.source {
            let message = format!("{what} `{name}` is declared twice");
            let diagnostic = Diagnostic::error("daeda::catalog::duplicate-name", message, name.span).label("again here");
            self.report(diagnostic.also(first, "first declared here").hint("rename one of them"));
        }
        false
    }

    fn runtime(&mut self) {
        let declared = &self.declared.runtime;
        let default = Runtime::default();
        let value = |v: &Option<Spanned<u64>>, otherwise| v.as_ref().map_or(otherwise, |v| v.value);
        self.catalog.runtime = Runtime {
            engine: declared.engine.as_ref().map_or(default.engine, |e| e.value),
            compression: declared.compression.as_ref().map_or(default.compression.clone(), |c| c.value.clone()),
            level: declared.level.as_ref().map(|l| l.value).or(declared.compression.is_none().then_some(1)),
            row_group_rows: value(&declared.row_group_rows, default.row_group_rows),
            shard_rows: value(&declared.shard_rows, default.shard_rows),
        };
    }

    fn partitions(&mut self) {
        for declared in &self.declared.manifest.partitions {
            if let Some(partitions) = self.partition(declared) {
                self.catalog.partitions.insert(declared.name.value.clone(), partitions);
            }
        }
    }

    fn partition(&mut self, declared: &PartitionsDecl) -> Option<Partitions> {
        let zone = match &declared.timezone {
            None => chrono_tz::UTC,
            Some(name) => self.zone(name, declared.every.value)?,
        };
        let cadence = Cadence { every: declared.every.value, zone };
        let start = self.instant(&cadence, &declared.start)?;
        let end = match &declared.end {
            None => None,
            Some(end) => Some(self.end(&cadence, end, start)?),
        };
        Some(Partitions { name: declared.name.value.clone(), cadence, start, end })
    }

    fn zone(&mut self, name: &Name, every: Every) -> Option<chrono_tz::Tz> {
        let zone = name.parse().ok();
        if zone.is_none() {
            let diagnostic = Diagnostic::error("daeda::catalog::bad-option", format!("`{name}` is not a time zone"), name.span);
            self.report(diagnostic.hint("use an IANA name such as \"Europe/Berlin\" or \"UTC\""));
        } else if every != Every::Day {
            let message = format!("a {} has no time zone: only days do", every.name());
            self.report(
                Diagnostic::error("daeda::catalog::bad-option", message, name.span).hint("remove `timezone`, or say every=\"day\""),
            );
            return None;
        }
        zone
    }

    fn instant(&mut self, cadence: &Cadence, text: &Name) -> Option<i64> {
        let start = cadence.start_of(text);
        if start.is_none() {
            let message = format!("`{text}` is not the start of a {}", cadence.every.name());
            let example = cadence.key_at(cadence.start_of("2026-02-02").unwrap_or_default());
            self.report(Diagnostic::error("daeda::catalog::bad-date", message, text.span).hint(format!("write it as \"{example}\"")));
        }
        start
    }

    /// The instant at which the last period is over.
    fn end(&mut self, cadence: &Cadence, text: &Name, start: i64) -> Option<i64> {
        self.instant(cadence, text)?;
        let end = cadence.end_of(text)?;
        if end <= start {
            let message = format!("the last period, `{text}`, comes before the first one");
            let hint = format!("the first one is {}; without `end` there is a new one as time passes", cadence.key_at(start));
            self.report(Diagnostic::error("daeda::catalog::bad-date", message, text.span).hint(hint));
            return None;
        }
        Some(end)
    }

    fn constant(&mut self, amount: &Spanned<Amount>) -> Option<u64> {
        match &amount.value {
            Amount::Literal(n) => Some(*n),
            Amount::Constant(name) => {
                let constants = &self.declared.runtime.constants;
                let known: Vec<String> = constants.keys().cloned().collect();
                let value = constants.get(name).map(|v| v.value);
                if value.is_none() {
                    self.unknown("constant of the runtime", &Spanned::new(name.clone(), amount.span), &known);
                }
                value
            }
        }
    }
}

/// The aggregations, embeddings and views that nothing uses: worth a warning.
pub fn unused(catalog: &Catalog, declared: &Declarations) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for service in catalog.services.values() {
        for idle in super::compile::unused(catalog, service) {
            let message = format!("{} of service `{}` is needed by nothing", idle.value, service.name);
            let hint = "remove it, or add a column of it to `columns`; as it is, it is neither computed nor observed";
            out.push(Diagnostic::warning("daeda::catalog::unused", message, idle.span).hint(hint));
        }
    }
    let listed: BTreeSet<&str> = catalog.services.values().flat_map(|s| s.rolling.iter().flat_map(|a| names_of(&a.value))).collect();
    for aggregation in declared.aggregations.aggregations.iter().filter(|a| !listed.contains(a.name.value.as_str())) {
        let message = format!("aggregation `{}` is used by no service", aggregation.name);
        let hint = format!("add `rolling \"{}\"` to a service, or remove it", aggregation.name);
        out.push(Diagnostic::warning("daeda::catalog::unused", message, aggregation.name.span).hint(hint));
    }
    out
}

fn names_of(aggregation: &Arc<Aggregation>) -> Vec<&str> {
    match &aggregation.kind {
        AggregationKind::Of(_) => vec![&aggregation.name],
        AggregationKind::Ratio { numerator, denominator } => vec![&aggregation.name, numerator, denominator],
    }
}
