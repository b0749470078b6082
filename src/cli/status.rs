//! `daeda status`: states per asset and partition, with their reasons.

use super::args::{Format, Status};
use super::build::output_check;
use super::context::Context;
use super::error::{CliError, code};
use super::output::{print, print_json};
use crate::engine::check::Eyes;
use crate::engine::survey::survey;
use crate::engine::world::World;
use crate::query::status::{Report, report};
use crate::rules::TableRecords;
use crate::workspace::{Target, Workspace};

pub fn run(context: &Context, command: &Status) -> Result<u8, CliError> {
    let workspace = context.workspace()?;
    let report = status(context, &workspace, &command.targets, command.verify)?;
    match command.format {
        Format::Json => print_json(&report.json(command.all))?,
        Format::Text => print(&report.text(command.all, context.args.verbose))?,
    }
    let fresh = report.is_fresh();
    Ok(if command.exit_code && !fresh { code::NOT_FRESH } else { code::DONE })
}

/// The status of targets, or of every asset that this version can build.
pub fn status(context: &Context, workspace: &Workspace, texts: &[String], verify: bool) -> Result<Report, CliError> {
    let buildable = |name: &&String| workspace.catalog.assets[*name].service.is_some();
    let all: Vec<String> = workspace.catalog.assets.keys().filter(buildable).cloned().collect();
    let targets: Vec<Target> = context.targets(workspace, if texts.is_empty() { &all } else { texts })?;
    let mut graph = context.graph(workspace, &targets)?;
    // Nothing is needed for being looked at.
    graph.named.clear();
    let (world, memory, index) = (context.world(workspace), context.memory(workspace), context.index(workspace));
    let eyes = Eyes { world: &world, records: &TableRecords, index: &index, output: output_check(verify) };
    let verdicts = survey(&graph, &eyes, &memory);
    world.remember();
    index.save();
    Ok(report(&targets, &graph, &verdicts))
}
