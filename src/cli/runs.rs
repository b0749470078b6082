//! `daeda runs`: past runs, what one of them did, or one asset over time.

use super::args::{Format, Runs};
use super::context::Context;
use super::error::{CliError, code};
use super::output::{print, print_json};
use crate::history::{History, PastRun, Trouble, points};
use crate::query::runs;
use crate::workspace::Workspace;

pub fn run(context: &Context, command: &Runs) -> Result<u8, CliError> {
    let workspace = context.workspace()?;
    let history = open(&workspace)?;
    let limit = command.limit as usize;
    let (json, text) = if let Some(asset) = &command.asset {
        let (asset, op) = runs::named(&workspace, asset).map_err(CliError::Usage)?;
        let points = points(&history, &asset, &op, limit).map_err(failed)?;
        let over_time = runs::OverTime { asset, op, points, metric: command.metric.clone() };
        (over_time.json(), over_time.text())
    } else if let Some(run) = &command.run {
        let run = chosen(&history, run)?;
        let actions = history.actions(run.number.unwrap_or_default()).map_err(failed)?;
        (runs::run_json(&run, &actions), runs::run_text(&run, &actions))
    } else {
        let all = history.runs(limit).map_err(failed)?;
        (runs::list_json(&all), runs::list_text(&all))
    };
    match command.format {
        Format::Json => print_json(&json)?,
        Format::Text => print(&text)?,
    }
    Ok(code::DONE)
}

pub fn open(workspace: &Workspace) -> Result<History, CliError> {
    History::open(&workspace.state_directory()).map_err(failed)
}

/// The run that a number, or `last`, names.
pub fn chosen(history: &History, word: &str) -> Result<PastRun, CliError> {
    let number = match word {
        "last" | "latest" => None,
        text => Some(
            text.parse().map_err(|_| CliError::Usage(format!("a run is a number, or `last`, not `{text}`; `daeda runs` lists them")))?,
        ),
    };
    let none = || CliError::Usage(format!("there is no run {word} in the history; `daeda runs` lists what there is"));
    history.run(number).map_err(failed)?.ok_or_else(none)
}

pub fn failed(trouble: Trouble) -> CliError {
    let hint = match trouble {
        Trouble::Damaged(_) | Trouble::Foreign { .. } => "; the next build sets it aside and begins anew",
        Trouble::Failed(_) => "",
    };
    CliError::Environment(format!("{trouble}{hint}"))
}
