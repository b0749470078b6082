//! A published partition: its files, schema, metadata and first rows.

use super::grid::grid;
use crate::engine::action::Action;
use crate::engine::execute::CheckResult;
use crate::engine::record::{CHECKS, Record, Records};
use crate::rules::TableRecords;
use crate::table::parquet::{read_batches, schema_of};
use crate::workspace::Workspace;
use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Value, json};

pub struct Published {
    pub action: String,
    pub path: String,
    pub record: Record,
    /// Name and type of each column.
    pub schema: Vec<(String, String)>,
    pub rows: Vec<Vec<String>>,
}

/// Looks a published action up and reads its first rows. An error says why there is nothing to show.
pub fn published(workspace: &Workspace, action: &Action, rows: usize) -> Result<Published, String> {
    let directory = action.place.path();
    let path = workspace.root.name(&directory);
    let record = TableRecords.read(&directory).filter(|r| r.is_of(action));
    let record = record.ok_or_else(|| format!("{} is not published: no record in {path}; build it first", action.id))?;
    if let Some(time) = &record.cleaned {
        return Err(format!("the data of {} was cleaned away {time}; `daeda build {}` builds it again", action.id, target(action)));
    }
    let parquet: Vec<_> = record.output.files.iter().filter(|f| f.name.ends_with(".parquet")).map(|f| directory.join(&f.name)).collect();
    let mut schema = Vec::new();
    let mut shown = Vec::new();
    if let Some(first) = parquet.first() {
        let fields = schema_of(first).map_err(|e| e.to_string())?;
        schema = fields.fields().iter().map(|f| (f.name().clone(), f.data_type().to_string())).collect();
        let wanted: Vec<_> = fields.fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect();
        if let Some(batch) = read_batches(first, &wanted, rows.max(1)).map_err(|e| e.to_string())?.next() {
            shown = cells(&batch.map_err(|e| e.to_string())?, rows)?;
        }
    }
    Ok(Published { action: action.id.to_string(), path, record, schema, rows: shown })
}

fn target(action: &Action) -> String {
    let key = action.id.key.as_ref().map_or(String::new(), |key| format!("@{key}"));
    format!("{}{key}", action.id.asset)
}

fn cells(batch: &RecordBatch, rows: usize) -> Result<Vec<Vec<String>>, String> {
    let options = FormatOptions::default().with_null("null");
    let columns: Result<Vec<ArrayFormatter>, _> = batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options)).collect();
    let columns = columns.map_err(|e| e.to_string())?;
    let row = |row: usize| columns.iter().map(|c| shorten(&c.value(row).to_string())).collect();
    Ok((0..batch.num_rows().min(rows)).map(row).collect())
}

fn shorten(cell: &str) -> String {
    const LONGEST: usize = 48;
    match cell.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.to_string(),
    }
}

impl Published {
    pub fn json(&self) -> Value {
        let files: Vec<Value> =
            self.record.output.files.iter().map(|f| json!({"name": f.name, "bytes": f.size, "digest": f.digest})).collect();
        let schema: Vec<Value> = self.schema.iter().map(|(name, t)| json!({"name": name, "type": t})).collect();
        json!({
            "version": 1, "action": self.action, "path": self.path, "finished": self.record.finished, "seconds": self.record.seconds,
            "attempts": self.record.attempts, "peak_memory": self.record.peak_memory, "output": self.record.output.digest,
            "files": files, "schema": schema, "metadata": self.record.metadata, "observations": self.record.trace.len(),
        })
    }

    /// Rows are written one column a line: wide contracts do not fit a terminal.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n  {}\n", self.action, self.path);
        let peak = self.record.peak_memory as f64 / 1e6;
        let attempts = if self.record.attempts > 1 { format!(", {} attempts", self.record.attempts) } else { String::new() };
        text += &format!("  built {} in {:.2} s{attempts}, peak {peak:.0} MB\n\nfiles\n", self.record.finished, self.record.seconds);
        let files = self.record.output.files.iter().map(|f| vec![format!("  {}", f.name), format!("{:.1} MB", f.size as f64 / 1e6)]);
        text += &grid(&files.collect::<Vec<_>>());
        text += "\nmetadata\n";
        let told = self.record.metadata.iter().filter(|(name, _)| *name != CHECKS);
        let metadata = told.map(|(name, value)| vec![format!("  {name}"), shorten(&plain(value))]);
        text += &grid(&metadata.collect::<Vec<_>>());
        text += &self.checks_text();
        text += "\ncolumns and first rows\n";
        let columns = self.schema.iter().enumerate().map(|(i, (name, t))| {
            let values = self.rows.iter().map(|r| r[i].clone()).collect::<Vec<_>>().join(" | ");
            vec![format!("  {name}"), shorten(t), shorten_row(&values)]
        });
        text + &grid(&columns.collect::<Vec<_>>())
    }

    fn checks_text(&self) -> String {
        let checks = self.record.checks();
        let row = |check: &CheckResult| {
            let ended = if check.passed { "passed" } else { "warned" };
            let measured = if check.value.is_null() { String::new() } else { check.value.to_string() };
            vec![format!("  {}", check.check), check.kind.clone(), ended.into(), check.detail.clone().unwrap_or(measured)]
        };
        if checks.is_empty() { String::new() } else { format!("\nchecks\n{}", grid(&checks.iter().map(row).collect::<Vec<_>>())) }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}

fn shorten_row(values: &str) -> String {
    match values.char_indices().nth(90) {
        Some((end, _)) => format!("{}…", &values[..end]),
        None => values.to_string(),
    }
}
