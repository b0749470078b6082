//! `daeda show`: a published partition.

use super::args::{Format, Show};
use super::context::Context;
use super::error::{CliError, code};
use super::output::{print, print_json};
use crate::query::published::published;

pub fn run(context: &Context, command: &Show) -> Result<u8, CliError> {
    let workspace = context.workspace()?;
    let targets = context.targets(&workspace, std::slice::from_ref(&command.target))?;
    let graph = context.graph(&workspace, &targets)?;
    if let [target] = targets.as_slice()
        && target.keys.list().len() > 1
    {
        let last = target.keys.list().last().cloned().unwrap_or_default();
        return Err(CliError::Usage(format!("show one partition at a time, such as {}@{last}", target.asset.name)));
    }
    let action = graph.actions().last().ok_or_else(|| CliError::Usage(format!("`{}` names no partition", command.target)))?;
    let found = published(&workspace, action, command.rows).map_err(CliError::Environment)?;
    match command.format {
        Format::Json => print_json(&found.json())?,
        Format::Text => print(&found.text())?,
    }
    Ok(code::DONE)
}
