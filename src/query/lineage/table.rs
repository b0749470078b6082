//! Lineage as text: a table for each direction, in 80 columns.

use super::{Lineage, Node};
use crate::query::grid::{grid, wrapped};

impl Lineage {
    pub fn text(&self) -> String {
        if !self.columns.is_empty() {
            return self.columns.iter().map(Self::column_text).collect::<Vec<_>>().join("\n");
        }
        let mut text = format!("{} {}", self.kind, self.heading());
        let (published, others): (Vec<&Node>, Vec<&Node>) = self.downstream.iter().partition(|node| is_published(node));
        let sections = [
            ("comes from", table(&self.upstream)),
            ("its rows depend on", table(&self.rows)),
            ("goes into", table(others)),
            ("is published in", published.into_iter().map(|asset| self.listed(asset)).collect()),
        ];
        for (title, body) in sections.into_iter().filter(|(_, body)| !body.is_empty()) {
            text += &format!("\n{title}\n{body}");
        }
        text
    }

    /// One of many columns: a source's what comes of it, another's what it comes from.
    fn column_text(&self) -> String {
        let nodes = if self.upstream.is_empty() { &self.downstream } else { &self.upstream };
        let rows = table(nodes.iter().filter(|node| !is_published(node)));
        format!("{}{}", self.heading(), if rows.is_empty() { "  goes into nothing\n" } else { &rows })
    }

    /// Name and type; what makes it on a line of its own, to be copied.
    fn heading(&self) -> String {
        let data_type = self.data_type.iter().map(|data_type| format!(": {data_type}")).collect::<String>();
        let expr = self.expr.iter().map(|expr| format!("  = {expr}\n")).collect::<String>();
        format!("{}{data_type}\n{expr}", self.name)
    }

    /// An asset with the columns that are meant. One of the same name goes without saying.
    fn listed(&self, asset: &Node) -> String {
        let own = self.name.rsplit('.').next().unwrap_or_default();
        match asset.columns.as_slice() {
            [only] if only == own => format!("  {}.{only}\n", asset.name),
            columns => wrapped(&columns.join(", "), &format!("  {}: ", asset.name), 4),
        }
    }
}

fn is_published(node: &Node) -> bool {
    !node.columns.is_empty()
}

/// A row for each node. Of things that are used in several ways the name stands once.
fn table<'n>(nodes: impl IntoIterator<Item = &'n Node>) -> String {
    let mut rows: Vec<Vec<String>> = nodes.into_iter().map(row).collect();
    rows.dedup();
    for at in (1..rows.len()).rev() {
        if rows[at][..2] == rows[at - 1][..2] {
            rows[at][..2].fill(String::new());
        }
    }
    grid(&rows)
}

fn row(node: &Node) -> Vec<String> {
    let what = node.role.map_or(node.kind, |role| role.name());
    let name = if node.kind == "rows" { format!("rows of {}", node.name) } else { node.name.clone() };
    vec![format!("  {what}"), name, node.through.clone()]
}
