//! `daeda status`: states per asset and partition, grouped by root cause.

use super::args::{Format, Order, Status};
use super::context::{Context, Remember};
use super::error::{CliError, code};
use super::output::{print, print_json};
use crate::engine::check::Verdict;
use crate::engine::decision::Permits;
use crate::engine::graph::Graph;
use crate::query::status::{Report, report};
use crate::workspace::{Target, Workspace};

pub fn run(context: &Context, command: &Status) -> Result<u8, CliError> {
    let workspace = context.workspace()?;
    let targets = match &command.select {
        None => targets(context, &workspace, &command.targets)?,
        Some(select) => context.wanted(&workspace, &command.targets, Some(select), Order::Oldest)?,
    };
    let judged = Judged::new(context, &workspace, targets, command.verify)?;
    let report = judged.report();
    match command.format {
        Format::Json => print_json(&report.json(command.all))?,
        Format::Text => print(&report.text(command.all, context.args.verbose))?,
    }
    let fresh = report.is_fresh();
    drop(report);
    context.leave(judged);
    Ok(if command.exit_code && !fresh { code::NOT_FRESH } else { code::DONE })
}

/// What was named, or every asset.
fn targets(context: &Context, workspace: &Workspace, texts: &[String]) -> Result<Vec<Target>, CliError> {
    let all: Vec<String> = workspace.catalog.assets.keys().cloned().collect();
    context.targets(workspace, if texts.is_empty() { &all } else { texts })
}

/// Targets and the verdicts on all that they need.
pub struct Judged {
    targets: Vec<Target>,
    graph: Graph,
    verdicts: Vec<Verdict>,
}

impl Judged {
    pub fn new(context: &Context, workspace: &Workspace, targets: Vec<Target>, verify: bool) -> Result<Self, CliError> {
        let (mut graph, index) = context.graph_and_index(workspace, &targets)?;
        // Nothing is needed for being looked at.
        graph.wanted.clear();
        let verdicts = context.survey_by(index, workspace, &graph, &Permits::default(), verify, Remember::Learned);
        Ok(Self { targets, graph, verdicts })
    }

    pub fn report(&self) -> Report<'_> {
        report(&self.targets, &self.graph, &self.verdicts)
    }
}
