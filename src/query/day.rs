//! The summary of one published day of a service's training asset.

use crate::catalog::compile::compile;
use crate::engine::graph::Graph;
use crate::engine::record::{Record, Records};
use crate::rules::TableRecords;
use crate::workspace::Workspace;
use serde_json::{Map, Value, json};

/// The document of `materialize-day`: service, date, rows, output path, embedding columns, and what the record says besides.
pub fn summary(workspace: &Workspace, graph: &Graph, asset: &str, key: &str) -> Result<Value, String> {
    let declared = workspace.catalog.assets.get(asset).ok_or_else(|| format!("there is no asset `{asset}`"))?;
    let service = declared.service.as_ref().ok_or_else(|| format!("asset `{asset}` has no service"))?;
    let record = last_record(graph, key).ok_or_else(|| format!("`{asset}@{key}` has no record"))?;
    let mut summary = Map::new();
    summary.insert("service".into(), json!(service.name));
    summary.insert("date".into(), json!(key));
    summary.insert("rows".into(), record.metadata.get("rows").cloned().unwrap_or(Value::Null));
    summary.insert("output_path".into(), record.metadata.get("output_path").cloned().unwrap_or(Value::Null));
    summary.insert("embedding_columns".into(), json!(compile(&workspace.catalog, service).embedding_columns()));
    for name in ["columns", "ids", "ids_not_found"] {
        if let Some(value) = record.metadata.get(name) {
            summary.insert(name.into(), value.clone());
        }
    }
    let bytes: u64 = record.output.files.iter().map(|f| f.size).sum();
    summary.insert("files".into(), json!(record.output.files.len()));
    summary.insert("bytes".into(), json!(bytes));
    Ok(Value::Object(summary))
}

/// The record of the last op of a key.
fn last_record(graph: &Graph, key: &str) -> Option<Record> {
    let action = graph.actions().iter().rfind(|a| a.id.key.as_deref() == Some(key))?;
    TableRecords.read(&action.place.path()).filter(|r| r.is_of(action))
}
