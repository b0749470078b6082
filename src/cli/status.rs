//! `daeda status`: states per asset and partition, with their reasons.

use super::args::{Format, Order, Status};
use super::context::{Context, Remember};
use super::error::{CliError, code};
use super::output::{print, print_json};
use crate::engine::decision::Permits;
use crate::query::status::{Report, report};
use crate::workspace::{Target, Workspace};

pub fn run(context: &Context, command: &Status) -> Result<u8, CliError> {
    let workspace = context.workspace()?;
    let report = match &command.select {
        None => status(context, &workspace, &command.targets, command.verify)?,
        Some(_) => {
            let targets = context.wanted(&workspace, &command.targets, command.select.as_deref(), Order::Oldest)?;
            status_of(context, &workspace, &targets, command.verify)?
        }
    };
    match command.format {
        Format::Json => print_json(&report.json(command.all))?,
        Format::Text => print(&report.text(command.all, context.args.verbose))?,
    }
    let fresh = report.is_fresh();
    Ok(if command.exit_code && !fresh { code::NOT_FRESH } else { code::DONE })
}

/// The status of targets, or of every asset.
pub fn status(context: &Context, workspace: &Workspace, texts: &[String], verify: bool) -> Result<Report, CliError> {
    let all: Vec<String> = workspace.catalog.assets.keys().cloned().collect();
    let targets: Vec<Target> = context.targets(workspace, if texts.is_empty() { &all } else { texts })?;
    status_of(context, workspace, &targets, verify)
}

fn status_of(context: &Context, workspace: &Workspace, targets: &[Target], verify: bool) -> Result<Report, CliError> {
    let mut graph = context.graph(workspace, targets)?;
    // Nothing is needed for being looked at.
    graph.wanted.clear();
    let verdicts = context.survey(workspace, &graph, &Permits::default(), verify, Remember::Learned);
    Ok(report(targets, &graph, &verdicts))
}
