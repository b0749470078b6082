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
                let path = [step.path.clone(), further.path.clone()].concat();
                found.push(Step { thing: further.thing.clone(), role: step.role.of(further.role), path });
            }
            found.push(step);
        }
        // Of several ways that end alike the shortest will do.
        found.sort_by_key(|step| step.path.len());
        let mut seen = BTreeSet::new();
        found.retain(|step| seen.insert((step.thing.clone(), step.role, step.path.last().cloned())));
        let found = Rc::new(found);
        self.known.insert(thing.clone(), found.clone());
        found
    }

    pub fn upstream(&mut self, thing: &Thing) -> Vec<Node> {
        let steps = self.back(thing);
        let mut nodes: Vec<Node> = steps.iter().map(|step| node(&step.thing, step.role, &step.path, thing)).collect();
        sort(&mut nodes);
        nodes
    }

    /// What would change if a thing changed. An asset stands once, with its columns.
    pub fn downstream(&mut self, thing: &Thing) -> Vec<Node> {
        let (mut nodes, mut assets): (Vec<Node>, BTreeMap<String, Node>) = Default::default();
        for candidate in self.everything() {
            for step in self.back(&candidate).iter().filter(|step| step.thing == *thing) {
                match &candidate {
                    Thing::Output(asset, column) => {
                        let one = || Node { name: asset.clone(), kind: "asset", role: None, ..node(&candidate, step.role, &[], thing) };
                        let asset = assets.entry(asset.clone()).or_insert_with(one);
                        asset.through = self.catalog.assets[&asset.name].service.iter().map(|s| format!("service {}", s.name)).collect();
                        if !asset.columns.contains(column) {
                            asset.columns.push(column.clone());
                        }
                    }
                    _ => nodes.push(node(&candidate, step.role, &step.path, thing)),
                }
            }
        }
        sort(&mut nodes);
        nodes.extend(assets.into_values());
        nodes
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

fn node(thing: &Thing, role: Role, path: &[String], next: &Thing) -> Node {
    Node {
        kind: thing.kind(),
        name: thing.to_string(),
        role: Some(role),
        through: path.last().cloned().unwrap_or_default(),
        path: if path.len() > 1 { path.to_vec() } else { Vec::new() },
        columns: Vec::new(),
        next: next.to_string(),
    }
}

/// Rows before columns, values before what only leads to them.
fn sort(nodes: &mut [Node]) {
    nodes.sort_by(|a, b| {
        let key = |node: &Node| (node.kind != "rows", node.role, node.name.clone(), node.through.clone());
        key(a).cmp(&key(b))
    });
}
