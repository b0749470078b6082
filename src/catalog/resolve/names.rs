//! What the workspace declares, by kind and name: what a reference can mean, and what is said when it means nothing.
//!
//! Invariant: a name that is declared, however broken its declaration, is no stranger: what is wrong with it is said there.

use crate::catalog::code;
use crate::catalog::declaration::{Declarations, Name};
use crate::source::{Diagnostic, did_you_mean, listed, suggestion};
use std::collections::HashMap;

/// What a name can be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    View,
    Service,
    Aggregation,
    Embedding,
    Store,
    Entity,
    Partitions,
    Asset,
    Job,
    Constant,
}

/// Each kind: how messages call it, and where one is declared.
const KINDS: [(Kind, &str, &str); 10] = [
    (Kind::View, "feature view", "declare it in feature_views/: feature-view \"NAME\" { source \"…\"; fields { … } }"),
    (Kind::Service, "feature service", "declare it in feature_services/: feature-service \"NAME\" { spine \"…\"; columns { … } }"),
    (
        Kind::Aggregation,
        "aggregation",
        "declare it in aggregations.kdl: aggregation \"NAME\" view=\"…\" by=\"…\" { count; windows \"7d\" }",
    ),
    (Kind::Embedding, "embedding", "declare it in aggregations.kdl: embedding \"NAME\" store=\"…\" lookup=\"…\""),
    (Kind::Store, "embedding store", "declare it in aggregations.kdl: embedding-store \"NAME\" view=\"…\" key=\"…\" vector=\"…\""),
    (Kind::Entity, "entity", "declare it in Daedalus.kdl: entity \"NAME\" key=\"…\""),
    (Kind::Partitions, "partitions", "declare them in Daedalus.kdl: partitions \"NAME\" every=\"day\" start=\"2026-02-01\""),
    (Kind::Asset, "asset", "declare it in Daedalus.kdl: asset \"NAME\" { op \"…\" rule=\"…\" }"),
    (Kind::Job, "job", "declare it in Daedalus.kdl: job \"NAME\" { select \"…\" }"),
    (Kind::Constant, "constant", "declare it in runtime.kdl: runtime { constant \"NAME\" 32 }"),
];

impl Kind {
    pub fn word(self) -> &'static str {
        KINDS[self as usize].1
    }

    fn declared(self, name: &str) -> String {
        KINDS[self as usize].2.replace("NAME", name)
    }
}

/// The names of each kind.
pub struct Names {
    of: [HashMap<String, usize>; KINDS.len()],
}

impl Names {
    pub fn of(declared: &Declarations) -> Self {
        let mut names = Self { of: Default::default() };
        let manifest = &declared.manifest;
        names.add(Kind::View, declared.views.iter().map(|v| &v.name));
        names.add(Kind::Service, declared.services.iter().map(|s| &s.name));
        names.add(Kind::Aggregation, declared.aggregations.aggregations.iter().map(|a| &a.name));
        names.add(Kind::Embedding, declared.aggregations.embeddings.iter().map(|e| &e.name));
        names.add(Kind::Store, declared.aggregations.stores.iter().map(|s| &s.name));
        names.add(Kind::Entity, manifest.entities.iter().map(|e| &e.name));
        names.add(Kind::Partitions, manifest.partitions.iter().map(|p| &p.name));
        names.add(Kind::Asset, manifest.assets.iter().map(|a| &a.name));
        names.add(Kind::Job, manifest.jobs.iter().map(|j| &j.name));
        names.of[Kind::Constant as usize] = declared.runtime.constants.keys().cloned().zip(0..).collect();
        names
    }

    /// Of several of one name the first counts.
    fn add<'n>(&mut self, kind: Kind, names: impl Iterator<Item = &'n Name>) {
        for (position, name) in names.enumerate() {
            self.of[kind as usize].entry(name.value.clone()).or_insert(position);
        }
    }

    /// Where, among those of its kind, the name is declared.
    pub fn position(&self, kind: Kind, name: &str) -> Option<usize> {
        self.of[kind as usize].get(name).copied()
    }

    pub fn knows(&self, kind: Kind, name: &str) -> bool {
        self.position(kind, name).is_some()
    }

    /// The names of a kind in alphabetical order.
    pub fn all(&self, kind: Kind) -> Vec<&str> {
        let mut all: Vec<&str> = self.of[kind as usize].keys().map(String::as_str).collect();
        all.sort_unstable();
        all
    }

    /// What is said of a name that no declaration of its kind has.
    pub fn stranger(&self, kind: Kind, name: &Name) -> Diagnostic {
        let word = kind.word();
        let message =
            if kind == Kind::Partitions { format!("there are no {word} `{name}`") } else { format!("there is no {word} `{name}`") };
        let diagnostic = Diagnostic::error(code::UNKNOWN_NAME, message, name.span);
        diagnostic.label(format!("no such {word}")).hint(self.hint(kind, name))
    }

    fn hint(&self, kind: Kind, name: &str) -> String {
        let known = self.all(kind);
        if did_you_mean(name, known.iter().copied()).is_some() {
            return suggestion(name, known);
        }
        let other = KINDS.iter().find(|(other, ..)| self.knows(*other, name));
        match (other, known.is_empty()) {
            (Some((_, word, _)), _) => {
                let (found, wanted) = (with_article(word), with_article(kind.word()));
                format!("`{name}` is the name of {found}, and here stands that of {wanted}: {}", listed(known))
            }
            (_, true) => kind.declared(name),
            (_, false) => suggestion(name, known),
        }
    }
}

fn with_article(word: &str) -> String {
    match word {
        "partitions" => word.to_string(),
        _ if word.starts_with(['a', 'e']) => format!("an {word}"),
        _ => format!("a {word}"),
    }
}
