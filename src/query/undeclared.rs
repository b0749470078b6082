//! Published outputs of assets and ops that the manifest does not declare any more.
//!
//! Invariant: only a directory with a record counts, and what a view reads is never one of them.

use crate::catalog::model::Place as DataPlace;
use crate::engine::action::{ActionId, Place};
use crate::engine::record::{Record, Records};
use crate::path::slashed;
use crate::workspace::Workspace;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How far below a root outputs lie: an asset, a day, an hour, and some room.
const DEEPEST: usize = 6;

/// How thorough a search is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// One partition stands for those beside it.
    Glance,
    All,
}

/// An output that nothing declares.
#[derive(Debug, Clone)]
pub struct Undeclared {
    pub id: ActionId,
    pub place: Place,
    pub bytes: u64,
}

pub fn undeclared(workspace: &Workspace, records: &dyn Records, search: Search) -> Vec<Undeclared> {
    let site = workspace.site();
    let mut roots = vec![site.output_root, site.enriched_output_root];
    roots.dedup();
    let mut found = Vec::new();
    for root in roots {
        let mut directories = Vec::new();
        below(&root, records, search, DEEPEST, &mut directories);
        for (directory, record) in directories {
            let place = Place { root: Arc::clone(&root), directory: slashed(directory.strip_prefix(&root).unwrap_or(&directory)) };
            if !is_declared(workspace, &record.action) && !is_read(workspace, &directory) {
                found.push(Undeclared { bytes: super::clean::bytes_below(&directory), id: record.action, place });
            }
        }
    }
    found
}

fn below(directory: &Path, records: &dyn Records, search: Search, depth: usize, found: &mut Vec<(PathBuf, Record)>) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut inner: Vec<PathBuf> = entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()).collect();
    inner.retain(|path| !["staging", "locks"].iter().any(|name| path.ends_with(Path::new("_daeda").join(name))));
    inner.sort();
    for path in inner {
        match records.read(&path) {
            Some(record) => {
                found.push((path, record));
                if search == Search::Glance {
                    return;
                }
            }
            None if depth > 0 => below(&path, records, search, depth - 1, found),
            None => {}
        }
    }
}

fn is_declared(workspace: &Workspace, id: &ActionId) -> bool {
    let asset = workspace.catalog.assets.get(&*id.asset);
    asset.is_some_and(|asset| asset.ops.iter().any(|op| id.op == op.name))
}

/// A view may read what another workspace, or an earlier manifest, has built.
fn is_read(workspace: &Workspace, directory: &Path) -> bool {
    let overlaps = |source: &Path| directory.starts_with(source) || source.starts_with(directory);
    workspace.catalog.views.values().any(|view| match &view.place {
        DataPlace::Path(path) => overlaps(&workspace.root.join(path)),
        DataPlace::Asset(_) => false,
    })
}
