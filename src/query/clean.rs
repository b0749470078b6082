//! What a cleaning would remove: published outputs by target, age and number, leftovers, caches. And what it did remove.

use super::ranges::{abridged, of_keys};
use crate::engine::action::{Action, ActionId};
use crate::engine::clean::{Held, held};
use crate::engine::graph::Graph;
use crate::engine::record::Records;
use crate::path::Root;
use crate::workspace::Target;
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Which of the targets' outputs go.
#[derive(Debug, Clone, Copy, Default)]
pub struct Retention {
    /// All but so many of the newest.
    pub keep: Option<u64>,
    /// Those whose period ended before this instant.
    pub ended_before: Option<i64>,
}

impl Retention {
    fn is_by_period(self) -> bool {
        self.keep.is_some() || self.ended_before.is_some()
    }
}

/// A published output.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its action in the graph.
    pub index: usize,
    pub id: ActionId,
    pub path: PathBuf,
    pub files: usize,
    pub bytes: u64,
}

/// What there is to clean, or was cleaned.
#[derive(Debug, Clone, Default)]
pub struct Sweep {
    pub outputs: Vec<Output>,
    /// What is left alone, and why.
    pub left: Vec<(ActionId, PathBuf, String)>,
    /// Outputs of what the manifest does not declare any more.
    pub undeclared: Vec<(ActionId, PathBuf, u64)>,
    /// What processes that are dead have left, and the cache.
    pub rest: Vec<(PathBuf, u64)>,
}

/// The outputs of targets that have data and are not to be kept.
pub fn outputs(targets: &[Target], graph: &Graph, retention: Retention, records: &dyn Records) -> Sweep {
    let mut named: HashSet<usize> = HashSet::new();
    for target in targets {
        let keys: HashSet<&str> = target.keys.list().iter().map(String::as_str).collect();
        let wanted = |action: &Action| is_named(target, &keys, &action.id) && (action.period.is_some() || !retention.is_by_period());
        named.extend(graph.actions().iter().enumerate().filter(|(_, action)| wanted(action)).map(|(index, _)| index));
    }
    let mut indices: Vec<usize> = named.into_iter().collect();
    indices.sort_unstable();
    let look = |index: &usize| {
        let action = &graph.actions()[*index];
        (*index, held(&action.id, &action.place.path(), records))
    };
    let mut sweep = Sweep::default();
    for (index, held) in indices.par_iter().map(look).collect::<Vec<_>>() {
        let action = &graph.actions()[index];
        let (id, path) = (action.id.clone(), action.place.path());
        match held {
            Held::Data(record) => {
                sweep.outputs.push(Output { index, id, path, files: record.output.files.len(), bytes: record.bytes() });
            }
            Held::Foreign(why) => sweep.left.push((id, path, why)),
            Held::Nothing | Held::Tombstone(_) => {}
        }
    }
    sweep.outputs = not_kept(sweep.outputs, graph, retention);
    sweep
}

/// An op is named by itself; an asset stands for all its ops that have its partitions.
fn is_named(target: &Target, keys: &HashSet<&str>, id: &ActionId) -> bool {
    let of_op = target.op.as_ref().is_some_and(|op| id.op == *op);
    let key = match &id.key {
        Some(key) => keys.contains(&**key),
        None => of_op || target.asset.partitions.is_none(),
    };
    id.asset == target.asset.name && (of_op || target.op.is_none()) && key
}

fn not_kept(outputs: Vec<Output>, graph: &Graph, retention: Retention) -> Vec<Output> {
    let period = |output: &Output| graph.actions()[output.index].period;
    let mut newest: HashMap<(String, String), Vec<i64>> = HashMap::new();
    for output in &outputs {
        let starts = newest.entry((output.id.asset.to_string(), output.id.op.to_string())).or_default();
        starts.extend(period(output).map(|p| p.start));
    }
    newest.values_mut().for_each(|starts| starts.sort_unstable_by(|a, b| b.cmp(a)));
    let goes = |output: &Output| {
        let Some(period) = period(output) else { return true };
        let starts = &newest[&(output.id.asset.to_string(), output.id.op.to_string())];
        let is_newest = |n: u64| starts.iter().take(n as usize).any(|start| *start == period.start);
        !retention.keep.is_some_and(is_newest) && retention.ended_before.is_none_or(|limit| period.end <= limit)
    };
    outputs.into_iter().filter(goes).collect()
}

impl Sweep {
    fn bytes(&self) -> u64 {
        let outputs = self.outputs.iter().map(|o| o.bytes);
        outputs.chain(self.undeclared.iter().map(|u| u.2)).chain(self.rest.iter().map(|r| r.1)).sum()
    }

    pub fn json(&self, root: &Root, dry_run: bool) -> Value {
        let outputs = self
            .outputs
            .iter()
            .map(|o| json!({"action": o.id.to_string(), "path": root.name(&o.path), "files": o.files, "bytes": o.bytes}));
        let left = self.left.iter().map(|(id, path, why)| json!({"action": id.to_string(), "path": root.name(path), "why": why}));
        let undeclared =
            self.undeclared.iter().map(|(id, path, bytes)| json!({"action": id.to_string(), "path": root.name(path), "bytes": bytes}));
        let rest = self.rest.iter().map(|(path, bytes)| json!({"path": root.name(path), "bytes": bytes}));
        json!({
            "version": 1, "dry_run": dry_run, "bytes": self.bytes(), "outputs": outputs.collect::<Vec<_>>(),
            "left_alone": left.collect::<Vec<_>>(), "undeclared": undeclared.collect::<Vec<_>>(), "rest": rest.collect::<Vec<_>>(),
        })
    }

    pub fn text(&self, root: &Root, dry_run: bool) -> String {
        let (cleaned, removed) = if dry_run { ("would clean", "would remove") } else { ("cleaned", "removed") };
        let mut text = String::new();
        for ((asset, op), outputs) in self.by_op() {
            let mut keys: Vec<&str> = outputs.iter().filter_map(|o| o.id.key.as_deref()).collect();
            keys.sort_unstable();
            let range = if keys.is_empty() { String::new() } else { format!("@{}", abridged(&of_keys(keys), 8)) };
            let bytes = size(outputs.iter().map(|o| o.bytes).sum());
            text += &format!("{cleaned} {asset}.{op}{range}: {}, {bytes}\n", counted(outputs.len(), "output"));
        }
        for (id, path, bytes) in &self.undeclared {
            text += &format!("{removed} {id}, which is not declared: {}, {}\n", root.name(path), size(*bytes));
        }
        for (path, bytes) in &self.rest {
            text += &format!("{removed} {}: {}\n", root.name(path), size(*bytes));
        }
        for (id, path, why) in &self.left {
            text += &format!("left alone {id}: {}: {why}\n", root.name(path));
        }
        if self.outputs.is_empty() && self.undeclared.is_empty() && self.rest.is_empty() {
            text += "nothing to clean\n";
        }
        text
    }

    fn by_op(&self) -> BTreeMap<(&str, &str), Vec<&Output>> {
        let mut by_op: BTreeMap<(&str, &str), Vec<&Output>> = BTreeMap::new();
        for output in &self.outputs {
            by_op.entry((&output.id.asset, &output.id.op)).or_default().push(output);
        }
        by_op
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// The bytes of all files below a path.
pub fn bytes_below(path: &Path) -> u64 {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return metadata.len();
    }
    std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| bytes_below(&entry.path())).sum()
}
