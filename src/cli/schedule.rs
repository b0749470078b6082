//! `daeda schedule list` and `due`: what comes due when, and how it stands. Running it is in `schedule_run`.

use super::args::{Format, ScheduleCommand, ScheduleNames};
use super::context::{Context, Remember};
use super::error::{CliError, code};
use super::output::{print, print_json};
use super::schedule_run;
use crate::catalog::model::Schedule;
use crate::engine::action::ActionId;
use crate::engine::clock::Clock;
use crate::engine::decision::Permits;
use crate::engine::failure::Failure;
use crate::query::grid::grid;
use crate::query::schedules::Outline;
use crate::schedule::Calendar;
use crate::schedule::standing::{standings, targets};
use crate::source::suggestion;
use crate::workspace::Workspace;
use serde_json::json;

pub fn run(context: &Context, command: &ScheduleCommand) -> Result<u8, CliError> {
    match command {
        ScheduleCommand::List(names) => list(context, names),
        ScheduleCommand::Due(names) => due(context, names),
        ScheduleCommand::Run(command) => schedule_run::run(context, command),
    }
}

/// The schedules of these names; all of them without any.
pub fn chosen<'a>(workspace: &'a Workspace, names: &[String]) -> Result<Vec<&'a Schedule>, CliError> {
    let all = &workspace.catalog.schedules;
    if names.is_empty() {
        return Ok(all.values().collect());
    }
    let find = |name: &String| {
        let hint = || suggestion(name, all.keys().map(String::as_str));
        all.get(name).ok_or_else(|| CliError::Usage(format!("there is no schedule `{name}`; {}", hint())))
    };
    names.iter().map(find).collect()
}

/// How a schedule stands now. `failed` is what has failed just now and may be remembered by nobody.
pub fn outline<'a>(
    context: &Context,
    workspace: &'a Workspace,
    schedule: &'a Schedule,
    failed: &[(ActionId, Failure)],
    remember: Remember,
) -> Result<Outline<'a>, CliError> {
    let now = context.clock.now();
    let calendar = Calendar::of(workspace, schedule, now)?;
    let due = calendar.due(now);
    let graph = context.graph(workspace, &targets(&due))?;
    let verdicts = context.survey(workspace, &graph, &Permits::default(), false, remember);
    let standings = standings(due, &graph, &verdicts, failed);
    Ok(Outline { schedule, standings, next: calendar.next(now), now })
}

fn outlines<'a>(context: &Context, workspace: &'a Workspace, names: &[String]) -> Result<Vec<Outline<'a>>, CliError> {
    let schedules = chosen(workspace, names)?;
    schedules.into_iter().map(|schedule| outline(context, workspace, schedule, &[], Remember::Learned)).collect()
}

fn list(context: &Context, command: &ScheduleNames) -> Result<u8, CliError> {
    let workspace = context.workspace()?;
    let outlines = outlines(context, &workspace, &command.names)?;
    let rows = || outlines.iter().map(Outline::row).collect();
    show(command.format, &outlines, &Outline::HEADING, rows, "no schedule is declared")
}

fn due(context: &Context, command: &ScheduleNames) -> Result<u8, CliError> {
    let workspace = context.workspace()?;
    let outlines = outlines(context, &workspace, &command.names)?;
    let rows = || outlines.iter().flat_map(Outline::due_rows).collect();
    show(command.format, &outlines, &Outline::DUE_HEADING, rows, "nothing is due")
}

fn show(
    format: Format,
    outlines: &[Outline],
    heading: &[&str],
    rows: impl FnOnce() -> Vec<Vec<String>>,
    nothing: &str,
) -> Result<u8, CliError> {
    if format == Format::Json {
        print_json(&json!({"version": 1, "schedules": outlines.iter().map(Outline::json).collect::<Vec<_>>()}))?;
        return Ok(code::DONE);
    }
    let rows = rows();
    let heading = vec![heading.iter().map(|h| h.to_string()).collect()];
    print(&if rows.is_empty() { format!("{nothing}\n") } else { grid(&[heading, rows].concat()) })?;
    Ok(code::DONE)
}
