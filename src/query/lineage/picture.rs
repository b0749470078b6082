//! Lineage as a graph for Graphviz and Mermaid: columns in a box for each owner, and between them what is done on the way.

use super::{Lineage, Node};
use std::collections::{BTreeMap, BTreeSet};

/// What is drawn in one spot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Spot {
    /// The box that it stands in, or nothing.
    group: String,
    label: String,
    shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    /// A column, view, service or asset.
    Thing,
    /// What is done.
    Step,
}

#[derive(Debug, Default)]
struct Picture {
    spots: Vec<Spot>,
    /// From, label, to.
    edges: BTreeSet<(usize, String, usize)>,
}

/// Steps that are no work of their own.
const PLAIN: [&str; 3] = ["spine", "contract", "source"];

impl Lineage {
    pub fn dot(&self) -> String {
        let picture = self.picture();
        let mut text = format!("digraph {} {{\n  rankdir=LR;\n  node [shape=box];\n", quoted(&self.name));
        for (number, group) in picture.groups().iter().enumerate() {
            let indent = if group.is_empty() { "  " } else { "    " };
            let spots: String = picture.of_group(group).map(|(n, spot)| format!("{indent}n{n} {};\n", spot.dot())).collect();
            text += &if group.is_empty() {
                spots
            } else {
                format!("  subgraph cluster_{number} {{\n    label={};\n{spots}  }}\n", quoted(group))
            };
        }
        for ((from, to), labels) in picture.arrows() {
            let label = if labels.is_empty() { String::new() } else { format!(" [label={}]", quoted(&labels.join("\n"))) };
            text += &format!("  n{from} -> n{to}{label};\n");
        }
        text + "}\n"
    }

    pub fn mermaid(&self) -> String {
        let picture = self.picture();
        let mut text = "flowchart LR\n".to_string();
        for (number, group) in picture.groups().iter().enumerate() {
            let indent = if group.is_empty() { "  " } else { "    " };
            let spots: String = picture.of_group(group).map(|(n, spot)| format!("{indent}n{n}{}\n", spot.mermaid())).collect();
            text += &if group.is_empty() { spots } else { format!("  subgraph g{number}[{}]\n{spots}  end\n", escaped(group)) };
        }
        for ((from, to), labels) in picture.arrows() {
            let labels: Vec<String> = labels.iter().map(|label| entities(label)).collect();
            let arrow = if labels.is_empty() { "-->".to_string() } else { format!("-->|\"{}\"|", labels.join("<br/>")) };
            text += &format!("  n{from} {arrow} n{to}\n");
        }
        text
    }

    fn picture(&self) -> Picture {
        let mut picture = Picture::default();
        if self.columns.is_empty() {
            picture.add(self);
        } else {
            self.columns.iter().for_each(|column| picture.add(column));
        }
        picture
    }
}

impl Picture {
    fn spot(&mut self, spot: Spot) -> usize {
        self.spots.iter().position(|known| *known == spot).unwrap_or_else(|| {
            self.spots.push(spot);
            self.spots.len() - 1
        })
    }

    /// One arrow between two spots, with all that it says.
    fn arrows(&self) -> BTreeMap<(usize, usize), Vec<&str>> {
        let mut arrows: BTreeMap<(usize, usize), Vec<&str>> = BTreeMap::new();
        for (from, label, to) in &self.edges {
            let labels = arrows.entry((*from, *to)).or_default();
            labels.extend(Some(label.as_str()).filter(|label| !label.is_empty()));
        }
        arrows
    }

    fn groups(&self) -> BTreeSet<String> {
        self.spots.iter().map(|spot| spot.group.clone()).collect()
    }

    fn of_group<'p>(&'p self, group: &'p str) -> impl Iterator<Item = (usize, &'p Spot)> {
        self.spots.iter().enumerate().filter(move |(_, spot)| spot.group == group)
    }

    fn add(&mut self, lineage: &Lineage) {
        let own = self.thing(lineage.kind, &lineage.name);
        for node in &lineage.upstream {
            self.upstream(node, lineage, own);
        }
        for node in &lineage.downstream {
            self.downstream(node, lineage, own);
        }
    }

    fn upstream(&mut self, node: &Node, lineage: &Lineage, own: usize) {
        let from = self.thing(node.kind, &node.name);
        match node.role {
            Some(_) => self.way(node, from, own, owner(&lineage.name)),
            None => {
                let to = if node.next == lineage.name { own } else { self.next(node) };
                self.edges.insert((from, node.through.clone(), to));
            }
        }
    }

    fn downstream(&mut self, node: &Node, lineage: &Lineage, own: usize) {
        let to = self.thing(node.kind, &node.name);
        if !node.columns.is_empty() {
            // An asset's columns are those of its service, which are drawn where they are on the way.
            let service = node.through.trim_start_matches("service ");
            let columns: Vec<usize> = node.columns.iter().map(|column| self.thing("column", &format!("{service}.{column}"))).collect();
            self.edges.extend(columns.into_iter().map(|from| (from, String::new(), to)));
        } else if node.kind == "asset" && node.role.is_some() {
            let from = if node.next == owner(&lineage.name) { own } else { self.thing("asset", &node.next) };
            self.edges.insert((from, node.through.clone(), to));
        } else if node.role.is_some() {
            self.way(node, own, to, owner(&node.name));
        } else {
            let from = if node.next == lineage.name { own } else { self.next(node) };
            self.edges.insert((from, node.through.clone(), to));
        }
    }

    /// Draws the steps between two columns; what the first is needed for stands on the first arrow.
    fn way(&mut self, node: &Node, from: usize, to: usize, scope: &str) {
        let path = if node.path.is_empty() { std::slice::from_ref(&node.through) } else { node.path.as_slice() };
        let mut at = from;
        let mut label = node.role.map_or("", |role| role.name()).to_string();
        for step in path.iter().rev().filter(|step| !PLAIN.contains(&step.as_str())) {
            // An expression is the column's own.
            let label_of_step = if step == "expr" { format!("expr of {}", self.spots[to].label) } else { step.clone() };
            let next = self.spot(Spot { group: scope.into(), label: label_of_step, shape: Shape::Step });
            self.edges.insert((at, std::mem::take(&mut label), next));
            at = next;
        }
        self.edges.insert((at, label, to));
    }

    fn thing(&mut self, kind: &str, name: &str) -> usize {
        let (group, label) = match (kind, name.split_once('.')) {
            ("column", Some((owner, column))) => (owner.to_string(), column.to_string()),
            ("rows", _) => (name.to_string(), "its rows".to_string()),
            _ => (String::new(), format!("{kind} {name}")),
        };
        self.spot(Spot { group, label, shape: Shape::Thing })
    }

    /// The view, service or asset that a node is next to.
    fn next(&mut self, node: &Node) -> usize {
        let known = ["view", "service", "asset"].map(|kind| format!("{kind} {}", node.next));
        let kinds: &[usize] = match node.kind {
            "source" => &[0],
            "view" => &[1, 2],
            "service" => &[2, 0],
            _ => &[1, 2, 0],
        };
        let there = kinds.iter().find_map(|kind| self.spots.iter().position(|spot| spot.label == known[*kind]));
        let label = known[kinds[0]].clone();
        there.unwrap_or_else(|| self.spot(Spot { group: String::new(), label, shape: Shape::Thing }))
    }
}

impl Spot {
    fn dot(&self) -> String {
        let style = if self.shape == Shape::Step { ", style=rounded" } else { "" };
        format!("[label={}{style}]", quoted(&self.label))
    }

    fn mermaid(&self) -> String {
        let label = escaped(&self.label);
        if self.shape == Shape::Step { format!("([{label}])") } else { format!("[{label}]") }
    }
}

fn owner(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

fn escaped(text: &str) -> String {
    format!("\"{}\"", entities(text))
}

/// Mermaid has no escapes within quotes but entities.
fn entities(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}
