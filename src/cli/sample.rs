//! `daeda sample`: synthetic data for the example workspace.

use super::args::{Sample, SampleSize};
use super::context::Context;
use super::error::{CliError, code};
use super::output::{print, say};
use crate::catalog::declaration::Every;
use crate::catalog::model::{Place, View};
use crate::sample::{self, SampleError, SampleSpec, SampleSummary};
use crate::workspace::Workspace;
use std::path::Path;

pub fn run(context: &Context, command: &Sample) -> Result<u8, CliError> {
    let (directory, spec) = match &command.to {
        Some(directory) => (context.start().join(directory), spec(None, &command.size)),
        None => {
            let workspace = context.workspace()?;
            (workspace.root.join("data"), spec(Some(&workspace), &command.size))
        }
    };
    let summary = write(context, &directory, &spec)?;
    print(&text(&summary, &directory))?;
    Ok(code::DONE)
}

/// The sample's size, from the first day of the workspace's partitions.
pub fn spec(workspace: Option<&Workspace>, size: &SampleSize) -> SampleSpec {
    let default = SampleSpec::default();
    let first = workspace.and_then(|w| w.catalog.partitions.values().map(|p| p.start).min());
    let start = first.and_then(chrono::DateTime::from_timestamp_millis).map_or(default.start, |t| t.date_naive());
    SampleSpec {
        start,
        days: size.days.unwrap_or(default.days),
        users: size.users.unwrap_or(default.users),
        artworks: size.artworks.unwrap_or(default.artworks),
        events_per_day: size.events_per_day.unwrap_or(default.events_per_day),
        dim: size.dim.unwrap_or(default.dim),
        seed: size.seed.unwrap_or(default.seed),
        hourly: hourly(workspace, size),
    }
}

/// The tables that lie by the hour: all that lie by period if that was asked for, else those whose views say so.
fn hourly(workspace: Option<&Workspace>, size: &SampleSize) -> Vec<String> {
    let is_hourly = |view: &View| view.layout.as_ref().is_some_and(|layout| layout.cadence.every == Every::Hour);
    let views = workspace.into_iter().flat_map(|workspace| workspace.catalog.views.values()).filter(|view| is_hourly(view));
    let of_views = views.filter_map(|view| match &view.place {
        Place::Path(path) => path.rsplit('/').next().map(str::to_string),
        Place::Asset(_) => None,
    });
    if size.hourly { sample::PARTITIONED.map(String::from).to_vec() } else { of_views.collect() }
}

pub fn write(context: &Context, directory: &Path, spec: &SampleSpec) -> Result<SampleSummary, CliError> {
    let mut tell = |message: &str| {
        if !context.args.quiet {
            say(&format!("sample: {message}\n"));
        }
    };
    sample::write(directory, spec, &mut tell).map_err(|error| match error {
        SampleError::Spec { .. } | SampleError::Occupied { .. } => CliError::Usage(error.to_string()),
        _ => CliError::Environment(error.to_string()),
    })
}

fn text(summary: &SampleSummary, directory: &Path) -> String {
    let mut text = format!("wrote {}\n", directory.display());
    for table in &summary.tables {
        text += &format!("  {:<18} {:>10} rows  {:>4} files  {:>8.1} MB\n", table.name, table.rows, table.files, table.bytes as f64 / 1e6);
    }
    text
}
