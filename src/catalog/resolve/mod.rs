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
mod names;
mod options;
mod schedules;
mod services;
mod views;

use super::aggregate::Signature;
use super::calendar::{Cadence, Partitions};
use super::code;
use super::declaration::*;
use super::model::*;
use crate::source::{Diagnostic, Spanned, suggestion};
use expressions::Columns;
use names::{Kind, Names};
use std::collections::BTreeMap;

/// The open sets that the catalog is handed: what aggregates and rule kinds there are.
pub struct Vocabulary<'a> {
    pub aggregates: &'a [&'a dyn Signature],
    pub rules: &'a [&'a str],
    /// Names of the aggregates that Polars can compute, too.
    pub on_polars: &'a [&'a str],
}

/// Resolves everything. The catalog holds what is sound; the diagnostics say what is not.
pub fn resolve(declared: &Declarations, vocabulary: &Vocabulary) -> (Catalog, Vec<Diagnostic>) {
    let mut resolver = Resolver { declared, vocabulary, names: Names::of(declared), catalog: Catalog::default(), found: Vec::new() };
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
    names: Names,
    catalog: Catalog,
    found: Vec<Diagnostic>,
}

impl Resolver<'_> {
    /// What is absent from a file with mistakes may have been left out because of them, so it is not missed as well.
    fn report(&mut self, diagnostic: Diagnostic) {
        const OF_ABSENCE: [&str; 8] = [
            code::INCOMPLETE,
            code::NO_TIME,
            code::NO_COLUMNS,
            code::KEYS,
            code::FUNCTION,
            code::BAD_OPTION,
            code::RETRY,
            code::WRONG_TYPE,
        ];
        let may_follow = OF_ABSENCE.contains(&diagnostic.code) && diagnostic.labels.iter().any(|label| self.is_partial(label.span));
        if !may_follow {
            self.found.push(diagnostic);
        }
    }

    /// A view's own columns.
    fn view_columns(&self, view: &View) -> Columns {
        let mut columns = Columns::starting(self.is_partial(view.span));
        view.fields.iter().for_each(|f| columns.add(f.name.clone(), f.data_type.clone(), f.span));
        columns
    }

    /// Whether something stands in a file from which nodes were left out.
    fn is_partial(&self, span: crate::source::Span) -> bool {
        self.declared.partial.contains(&span.source)
    }

    /// Looks a name up among what is sound. Only a stranger is reported here: what is declared and broken has been reported there.
    fn look_up<T>(&mut self, kind: Kind, name: &Name, sound: impl Fn(&Catalog) -> Option<T>) -> Option<T> {
        let found = sound(&self.catalog);
        if found.is_none() {
            self.is_known(kind, name);
        }
        found
    }

    /// Whether something of a kind is declared under a name; a stranger is reported.
    fn is_known(&mut self, kind: Kind, name: &Name) -> bool {
        let known = self.names.knows(kind, name);
        if !known {
            self.found.push(self.names.stranger(kind, name));
        }
        known
    }

    fn unknown_column(&mut self, name: &Name, of: &str, known: &Columns) {
        if known.excuses(name) {
            return;
        }
        let message = format!("{of} has no column `{name}`");
        let names = known.names();
        let hint = match names.is_empty() {
            true => format!("declare it: fields {{ {name} \"int64\" }}"),
            false => suggestion(name, names.iter().map(String::as_str)),
        };
        self.report(Diagnostic::error(code::UNKNOWN_COLUMN, message, name.span).label("no such column").hint(hint));
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
            let diagnostic = Diagnostic::error(code::DUPLICATE_NAME, message, name.span).label("again here");
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
            Some(end) => Some(self.end(&cadence, end, &declared.start, start)?),
        };
        Some(Partitions { name: declared.name.value.clone(), cadence, start, end })
    }

    fn zone(&mut self, name: &Name, every: Every) -> Option<chrono_tz::Tz> {
        let zone = name.parse().ok();
        if zone.is_none() {
            let diagnostic = Diagnostic::error(code::BAD_OPTION, format!("`{name}` is not a time zone"), name.span);
            self.report(diagnostic.hint("use an IANA name such as \"Europe/Berlin\" or \"UTC\""));
        } else if every != Every::Day {
            let message = format!("{}s have no time zone: only days do", every.name());
            self.report(Diagnostic::error(code::BAD_OPTION, message, name.span).hint("remove `timezone`, or say every=\"day\""));
            return None;
        }
        zone
    }

    fn instant(&mut self, cadence: &Cadence, text: &Name) -> Option<i64> {
        let start = cadence.start_of(text);
        if start.is_none() {
            let message = format!("`{text}` is not the start of a {}", cadence.every.name());
            let day = text.split('T').next().unwrap_or_default();
            let example = cadence.key_at(cadence.start_of(day).or(cadence.start_of("2026-02-02")).unwrap_or_default());
            self.report(Diagnostic::error(code::BAD_DATE, message, text.span).hint(format!("write it as \"{example}\"")));
        }
        start
    }

    /// The instant at which the last period is over.
    fn end(&mut self, cadence: &Cadence, text: &Name, first: &Name, start: i64) -> Option<i64> {
        self.instant(cadence, text)?;
        let end = cadence.end_of(text)?;
        if end <= start {
            let message = format!("the last period, `{text}`, comes before the first one");
            let hint = format!("the first one is {}; without `end` there is a new one as time passes", cadence.key_at(start));
            self.report(Diagnostic::error(code::BAD_DATE, message, text.span).also(first.span, "the first one").hint(hint));
            return None;
        }
        Some(end)
    }

    fn constant(&mut self, amount: &Spanned<Amount>) -> Option<u64> {
        match &amount.value {
            Amount::Literal(n) => Some(*n),
            Amount::Constant(name) => {
                self.is_known(Kind::Constant, &Spanned::new(name.clone(), amount.span));
                self.declared.runtime.constants.get(name).map(|v| v.value)
            }
        }
    }
}
