//! Lineage as text: a table for each direction, in 80 columns.

use super::{Lineage, Node};
use crate::query::grid::{grid, wrapped};

impl Lineage {
    pub fn text(&self) -> String {
        if !self.columns.is_empty() {
            return self.columns.iter().map(Self::column_text).collect::<Vec<_>>().join("\n");
        }
        let mut text = format!("{} {}\n", self.kind, self.heading());
        let both = [("comes from", &self.upstream), ("its rows depend on", &self.rows), ("goes into", &self.downstream)];
        for (title, nodes) in both {
            if !nodes.is_empty() {
                text += &format!("\n{title}\n{}", table(nodes, &self.name));
            }
        }
        text
    }

    /// One of many columns: a source's what comes of it, another's what it comes from.
    fn column_text(&self) -> String {
        let (nodes, other) = if self.upstream.is_empty() { (&self.downstream, "goes into nothing") } else { (&self.upstream, "") };
        let rows = if nodes.is_empty() { format!("  {other}\n") } else { table(nodes, &self.name) };
        format!("{}\n{rows}", self.heading())
    }

    fn heading(&self) -> String {
        let data_type = self.data_type.iter().map(|t| format!(": {t}"));
        let expr = self.expr.iter().map(|expr| format!(" = {expr}"));
        data_type.chain(expr).fold(self.name.clone(), |text, part| text + &part)
    }
}

fn table(nodes: &[Node], about: &str) -> String {
    let (assets, others): (Vec<&Node>, Vec<&Node>) = nodes.iter().partition(|node| !node.columns.is_empty());
    let mut rows: Vec<Vec<String>> = others.iter().map(|node| row(node)).collect();
    rows.dedup();
    let mut text = grid(&rows);
    for asset in assets {
        text += &listed(asset, about);
    }
    text
}

fn row(node: &Node) -> Vec<String> {
    let what = node.role.map_or(node.kind, |role| role.name());
    let name = if node.kind == "rows" { format!("rows of {}", node.name) } else { node.name.clone() };
    vec![format!("  {what}"), name, node.through.clone()]
}

/// An asset with the columns that are meant. One of the same name goes without saying.
fn listed(asset: &Node, about: &str) -> String {
    let column = about.rsplit('.').next().unwrap_or_default();
    match asset.columns.as_slice() {
        [only] if only == column => format!("  asset  {}.{only}\n", asset.name),
        columns => wrapped(&columns.join(", "), &format!("  asset  {}: ", asset.name), 9),
    }
}
