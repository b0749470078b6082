//! What one column is made of, one step back: the columns that it reads, each with what it is needed for.

use super::things::measures;
use crate::catalog::expr::Expr;
use crate::catalog::model::{Catalog, Coverage, Join, JoinHow, Measure, Place, Service, View};
use serde::Serialize;
use std::fmt;

/// Something that columns come from and go into.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Thing {
    /// Which rows a service has.
    Rows(String),
    /// A column of a service's contract.
    Column(String, String),
    /// A column of what an asset publishes.
    Output(String, String),
    /// A field of a view.
    Field(String, String),
    /// All that an asset publishes.
    Whole(String),
}

impl Thing {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Rows(_) => "rows",
            Self::Column(..) | Self::Output(..) | Self::Field(..) => "column",
            Self::Whole(_) => "asset",
        }
    }

    pub fn owner(&self) -> &str {
        match self {
            Self::Rows(owner) | Self::Column(owner, _) | Self::Output(owner, _) | Self::Field(owner, _) | Self::Whole(owner) => owner,
        }
    }

    /// The column's name, or nothing.
    pub fn column(&self) -> &str {
        match self {
            Self::Column(_, column) | Self::Output(_, column) | Self::Field(_, column) => column,
            Self::Rows(_) | Self::Whole(_) => "",
        }
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column() {
            "" => f.write_str(self.owner()),
            column => write!(f, "{}.{column}", self.owner()),
        }
    }
}

/// What a column is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Its values are in the result.
    Value,
    /// Rows are matched by it.
    Key,
    /// It says which row is the latest, or what lies within a window.
    Time,
    /// It says which rows count.
    Filter,
    /// A program gets to see it.
    Input,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Key => "key",
            Self::Time => "time",
            Self::Filter => "filter",
            Self::Input => "input",
        }
    }

    /// What something is to the result that is needed as `inner` by what is needed as `self`: the value of a key is a key. What a
    /// program reads is input to it, whatever it was before.
    pub fn of(self, inner: Self) -> Self {
        if inner == Self::Value || self == Self::Input { self } else { inner }
    }
}

/// One step back from a column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step {
    pub thing: Thing,
    pub role: Role,
    /// Where it has that role.
    pub through: String,
    /// What is done on the way, the one that reads the column last.
    pub path: Vec<String>,
}

/// What a thing is made of.
pub(super) fn parents(catalog: &Catalog, thing: &Thing) -> Vec<Step> {
    let one = |thing, role, through: &str| vec![Step { thing, role, through: through.into(), path: vec![through.into()] }];
    match thing {
        Thing::Field(view, field) => match catalog.views.get(view).map(|view| (&view.place, view.field(field))) {
            Some((Place::Asset(asset), Some(field))) if publishes(catalog, asset, &field.physical) => {
                one(Thing::Output(asset.clone(), field.physical.clone()), Role::Value, "source")
            }
            Some((Place::Asset(asset), _)) => one(Thing::Whole(asset.clone()), Role::Input, "source"),
            _ => Vec::new(),
        },
        Thing::Output(asset, column) => match catalog.assets.get(asset).and_then(|asset| asset.service.as_ref()) {
            Some(service) => one(Thing::Column(service.name.clone(), column.clone()), Role::Value, "contract"),
            None => Vec::new(),
        },
        Thing::Whole(asset) => whole(catalog, asset),
        Thing::Column(service, column) => catalog.services.get(service).map_or(Vec::new(), |s| Walk::column(catalog, s, column)),
        Thing::Rows(service) => catalog.services.get(service).map_or(Vec::new(), |s| Walk::rows(catalog, s)),
    }
}

fn publishes(catalog: &Catalog, asset: &str, column: &str) -> bool {
    let service = catalog.assets.get(asset).and_then(|asset| asset.service.as_ref());
    service.is_some_and(|service| service.columns.iter().any(|c| c.name == column))
}

/// All of a service's columns, and whatever programs read.
fn whole(catalog: &Catalog, name: &str) -> Vec<Step> {
    let Some(asset) = catalog.assets.get(name) else { return Vec::new() };
    let mut steps = Vec::new();
    let mut add = |thing, through: String| steps.push(Step { thing, role: Role::Input, through: through.clone(), path: vec![through] });
    if let Some(service) = &asset.service {
        service.columns.iter().for_each(|column| add(Thing::Output(name.into(), column.name.clone()), "contract".into()));
        add(Thing::Rows(service.name.clone()), "contract".into());
    }
    for op in &asset.ops {
        let inputs = op.command.iter().flat_map(|command| &command.inputs);
        inputs.for_each(|input| add(Thing::Whole(input.asset.clone()), format!("input of {}", op.name)));
    }
    steps
}

/// Follows a column of a service's wide row back to the fields of views.
struct Walk<'c> {
    catalog: &'c Catalog,
    service: &'c Service,
    found: Vec<Step>,
}

/// What the column that is looked for is to the one that was asked about, and how it was come by.
#[derive(Clone)]
struct Way {
    role: Role,
    /// The step that has given it the role.
    said: String,
    path: Vec<String>,
}

impl Way {
    fn start(role: Role) -> Self {
        Self { role, said: String::new(), path: Vec::new() }
    }

    fn through(&self, step: impl Into<String>) -> Self {
        let step = step.into();
        let keeps = self.role != Role::Value && !self.path.is_empty();
        let said = if keeps { self.said.clone() } else { step.clone() };
        Self { role: self.role, said, path: [self.path.clone(), vec![step]].concat() }
    }

    /// For what the last step does not take as a value.
    fn as_a(&self, role: Role) -> Self {
        Self { role, said: self.path.last().cloned().unwrap_or_default(), path: self.path.clone() }
    }
}

impl<'c> Walk<'c> {
    fn column(catalog: &'c Catalog, service: &'c Service, name: &str) -> Vec<Step> {
        let mut walk = Self { catalog, service, found: Vec::new() };
        match service.columns.iter().find(|c| c.name == name).and_then(|c| c.expr.as_ref()) {
            Some(expr) => walk.expression(expr, &Way::start(Role::Value).through("expr")),
            None => walk.wide(name, &Way::start(Role::Value)),
        }
        walk.steps()
    }

    /// What decides which rows a service has.
    fn rows(catalog: &'c Catalog, service: &'c Service) -> Vec<Step> {
        let mut walk = Self { catalog, service, found: Vec::new() };
        let way = Way::start(Role::Filter);
        service.filters.iter().for_each(|filter| walk.expression(&filter.expr, &way.through("where")));
        service.require_embedding.iter().for_each(|coverage| walk.coverage(&service.spine, coverage, &way));
        if let Some(sessions) = &service.sessions {
            let way = way.through("sessions");
            walk.wide(&sessions.column, &way);
            walk.expression(&sessions.likes, &way);
        }
        service.curate.iter().for_each(|filter| walk.expression(&filter.expr, &way.through(format!("curate {}", filter.name))));
        if let Some(time) = &service.spine.timestamp {
            walk.field(&service.spine, &time.name, &Way::start(Role::Time).through("spine"));
        }
        walk.steps()
    }

    fn steps(mut self) -> Vec<Step> {
        self.found.sort();
        self.found.dedup();
        self.found
    }

    fn field(&mut self, view: &View, field: &str, way: &Way) {
        let thing = Thing::Field(view.name.clone(), field.into());
        let way = if way.path.is_empty() { way.through("spine") } else { way.clone() };
        self.found.push(Step { thing, role: way.role, through: way.said, path: way.path });
    }

    fn expression(&mut self, expr: &Expr, way: &Way) {
        expr.columns().iter().for_each(|column| self.wide(column, way));
    }

    /// A column of the wide row, wherever it comes from.
    fn wide(&mut self, name: &str, way: &Way) {
        let service = self.service;
        if service.spine.field(name).is_some() {
            return self.field(&service.spine, name, way);
        }
        if let Some((join, from)) = added(&service.joins, name) {
            return self.join(join, from, way);
        }
        if let Some(embedding) = service.embed.iter().find(|e| e.name == name) {
            let way = way.through(format!("embedding {name}"));
            self.field(&embedding.store.view, &embedding.store.vector, &way);
            self.field(&embedding.store.view, &embedding.store.key, &way.as_a(Role::Key));
            return self.wide(&embedding.input.value, &way.as_a(Role::Key));
        }
        let aggregation = service.rolling.iter().find(|a| a.windows.iter().any(|w| a.column(w) == name));
        if let Some(aggregation) = aggregation {
            for (name, measure) in measures(aggregation, self.catalog) {
                self.measure(measure, &way.through(format!("aggregation {name}")));
            }
        }
    }

    /// A column that a join of the service brings.
    fn join(&mut self, join: &Join, from: &str, way: &Way) {
        let way = way.through(join_name(join));
        self.joined(join, from, &way);
        join.on.iter().for_each(|(left, _)| self.wide(left, &way.as_a(Role::Key)));
        if let (JoinHow::AsOf { .. }, Some(time)) = (join.how, &self.service.spine.timestamp) {
            self.field(&self.service.spine, &time.name, &way.as_a(Role::Time));
        }
    }

    /// The joined view's side of a join.
    fn joined(&mut self, join: &Join, from: &str, way: &Way) {
        self.field(&join.view, from, way);
        join.on.iter().for_each(|(_, right)| self.field(&join.view, right, &way.as_a(Role::Key)));
        self.times(&join.view, matches!(join.how, JoinHow::AsOf { .. }), way);
    }

    /// When rows of a view happened, and if that matters, when they became known.
    fn times(&mut self, view: &View, known: bool, way: &Way) {
        let known = view.available_at.iter().filter(|_| known);
        view.timestamp.iter().chain(known).for_each(|time| self.field(view, &time.name, &way.as_a(Role::Time)));
    }

    fn measure(&mut self, measure: &Measure, way: &Way) {
        measure.column.iter().for_each(|column| self.event(measure, column, way));
        measure.by.iter().for_each(|key| self.event(measure, key, &way.as_a(Role::Key)));
        let filters = measure.filters.iter().flat_map(|filter| filter.expr.columns());
        filters.for_each(|column| self.event(measure, &column, &way.as_a(Role::Filter)));
        for coverage in &measure.require_embedding {
            self.event(measure, &coverage.column, &way.as_a(Role::Filter));
            self.field(&coverage.store.view, &coverage.store.key, &way.as_a(Role::Filter));
        }
        self.times(&measure.view, true, way);
        self.times(&self.service.spine, false, way);
        measure.on.iter().for_each(|left| self.wide(left, &way.as_a(Role::Key)));
    }

    /// A column of the events that are aggregated: of their view, or of what is joined to it.
    fn event(&mut self, measure: &Measure, name: &str, way: &Way) {
        let Some((join, from)) = added(&measure.joins, name) else { return self.field(&measure.view, name, way) };
        self.joined(join, from, way);
        join.on.iter().for_each(|(left, _)| self.field(&measure.view, left, &way.as_a(Role::Key)));
    }

    fn coverage(&mut self, view: &View, coverage: &Coverage, way: &Way) {
        let way = way.through(format!("require-embedding {}", coverage.store.name));
        self.field(view, &coverage.column, &way);
        self.field(&coverage.store.view, &coverage.store.key, &way);
    }
}

fn added<'j>(joins: &'j [Join], name: &str) -> Option<(&'j Join, &'j str)> {
    joins.iter().find_map(|join| Some((join, join.added().find(|(added, _)| added == name)?.1)))
}

fn join_name(join: &Join) -> String {
    if join.prefix.is_empty() { format!("join {}", join.view.name) } else { format!("join {} as {}", join.view.name, join.prefix) }
}
