//! All ways from a column back to its sources, and forward to what would change with it.
//!
//! Invariant: forward is backward read the other way round, so that the two cannot disagree.

use super::Node;
use super::columns::{Role, Step, Thing, parents};
use crate::catalog::model::Catalog;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

pub(super) struct Ways<'c> {
    pub catalog: &'c Catalog,
    /// Everything that a thing comes from.
    known: HashMap<Thing, Rc<Vec<Step>>>,
}

impl<'c> Ways<'c> {
    pub fn new(catalog: &'c Catalog) -> Self {
        Self { catalog, known: HashMap::new() }
    }

    /// What a thing comes from, near and far.
    fn back(&mut self, thing: &Thing) -> Rc<Vec<Step>> {
        if let Some(known) = self.known.get(thing) {
            return known.clone();
        }
        // Should anything come from itself, it is not followed again.
        self.known.insert(thing.clone(), Rc::default());
        let mut found: Vec<Step> = Vec::new();
        for step in parents(self.catalog, thing) {
            for further in self.back(&step.thing).iter() {
                found.push(behind(&step, further));
            }
            found.push(step);
        }
        // Of several ways that end alike the shortest will do.
        found.sort_by_key(|step| step.path.len());
        let mut seen = BTreeSet::new();
        found.retain(|step| seen.insert((step.thing.clone(), step.role, step.through.clone())));
        let found = Rc::new(found);
        self.known.insert(thing.clone(), found.clone());
        found
    }

    pub fn upstream(&mut self, thing: &Thing) -> Vec<Node> {
        let steps = self.back(thing);
        let mut nodes: Vec<Node> = steps.iter().map(|step| node(&step.thing, step, thing)).collect();
        sort(&mut nodes);
        nodes
    }

    /// What would change if a thing changed. An asset stands once, with its columns.
    pub fn downstream(&mut self, thing: &Thing) -> Vec<Node> {
        let (mut nodes, mut assets): (Vec<Node>, BTreeMap<String, Node>) = Default::default();
        for candidate in self.everything() {
            let steps = self.back(&candidate);
            let mut steps = steps.iter().filter(|step| step.thing == *thing);
            match &candidate {
                Thing::Output(asset, column) if steps.next().is_some() => {
                    let asset = assets.entry(asset.clone()).or_insert_with(|| self.published(asset, thing));
                    asset.columns.push(column.clone());
                }
                Thing::Output(..) => {}
                // A program that reads it reads it, in however many ways.
                Thing::Whole(_) => {
                    let read = steps.next().map(|step| node(&candidate, step, thing));
                    nodes.extend(read.map(|read| Node { next: self.read_by(&candidate, thing), ..read }));
                }
                _ => nodes.extend(steps.map(|step| node(&candidate, step, thing))),
            }
        }
        sort(&mut nodes);
        nodes.extend(assets.into_values());
        nodes
    }

    /// What a program reads that has to do with a thing.
    fn read_by(&mut self, program: &Thing, thing: &Thing) -> String {
        let inputs = parents(self.catalog, program).into_iter().map(|step| step.thing);
        let input = inputs.into_iter().find(|input| input == thing || self.back(input).iter().any(|step| step.thing == *thing));
        input.unwrap_or_else(|| thing.clone()).owner().to_string()
    }

    /// An asset that has a service, as yet without columns.
    fn published(&self, asset: &str, next: &Thing) -> Node {
        let service = self.catalog.assets.get(asset).and_then(|asset| asset.service.as_ref());
        let through = service.map(|service| format!("service {}", service.name)).unwrap_or_default();
        Node { kind: "asset", name: asset.into(), role: None, through, path: Vec::new(), columns: Vec::new(), next: next.to_string() }
    }

    /// Everything that can come from something. Of an asset with a service the columns stand for the whole.
    fn everything(&self) -> Vec<Thing> {
        let mut things = Vec::new();
        for (name, service) in &self.catalog.services {
            things.push(Thing::Rows(name.clone()));
            things.extend(service.columns.iter().map(|column| Thing::Column(name.clone(), column.name.clone())));
        }
        for (name, asset) in &self.catalog.assets {
            match &asset.service {
                Some(service) => things.extend(service.columns.iter().map(|column| Thing::Output(name.clone(), column.name.clone()))),
                None => things.push(Thing::Whole(name.clone())),
            }
        }
        for (name, view) in &self.catalog.views {
            things.extend(view.fields.iter().map(|field| Thing::Field(name.clone(), field.name.clone())));
        }
        things
    }
}

/// A step followed by a further one.
fn behind(step: &Step, further: &Step) -> Step {
    let role = step.role.of(further.role);
    // What made it more than a value; where nothing did, what read it.
    let keeps = step.role == Role::Input || (step.role != Role::Value && further.role == Role::Value);
    let through = if keeps { &step.through } else { &further.through };
    let path = [step.path.clone(), further.path.clone()].concat();
    Step { thing: further.thing.clone(), role, through: through.clone(), path }
}

fn node(thing: &Thing, step: &Step, next: &Thing) -> Node {
    Node {
        kind: thing.kind(),
        name: thing.to_string(),
        role: Some(step.role),
        through: step.through.clone(),
        path: if step.path.len() > 1 { step.path.clone() } else { Vec::new() },
        columns: Vec::new(),
        next: next.to_string(),
    }
}

/// Rows before columns, values before what only leads to them.
fn sort(nodes: &mut [Node]) {
    nodes.sort_by_cached_key(|node| (node.kind != "rows", node.role, node.name.clone(), node.through.clone()));
}
