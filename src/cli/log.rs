//! `daeda log`: what the programs of a past run said.

use super::args::{Format, Log};
use super::context::Context;
use super::error::{CliError, code};
use super::output::{print, print_json};
use super::runs::{chosen, failed, open};
use crate::query::runs::{Logged, log_json, log_text};

pub fn run(context: &Context, command: &Log) -> Result<u8, CliError> {
    let workspace = context.workspace()?;
    let history = open(&workspace)?;
    let run = chosen(&history, &command.run)?;
    let number = run.number.unwrap_or_default();
    let mut logged = Vec::new();
    for action in history.actions(number).map_err(failed)? {
        let is_wanted = command.action.as_ref().is_none_or(|prefix| matches(&action.name(), &action.asset, action.key.as_deref(), prefix));
        if is_wanted {
            let text = history.log(&action).map_err(failed)?;
            logged.push(Logged { action, text });
        }
    }
    if logged.is_empty() {
        let hint = format!("`daeda runs {number}` lists what it did");
        let what = command.action.as_deref().unwrap_or("anything");
        return Err(CliError::Usage(format!("run {number} has no action `{what}`; {hint}")));
    }
    match command.format {
        Format::Json => print_json(&log_json(number, &logged))?,
        Format::Text => print(&log_text(&logged))?,
    }
    Ok(code::DONE)
}

/// By the beginning of `asset.op@key`, or as `asset@key`.
fn matches(name: &str, asset: &str, key: Option<&str>, wanted: &str) -> bool {
    name.starts_with(wanted) || key.is_some_and(|key| format!("{asset}@{key}").starts_with(wanted))
}
