//! `daeda show`: a published partition.

use super::args::{Format, Show};
use super::context::Context;
use super::error::{CliError, code};
use super::output::{print, print_json};
use crate::query::published::published;
use std::collections::BTreeSet;

pub fn run(context: &Context, command: &Show) -> Result<u8, CliError> {
    let workspace = context.workspace()?;
    let targets = context.targets(&workspace, std::slice::from_ref(&command.target))?;
    let graph = context.graph(&workspace, &targets)?;
    let action = graph.actions().last().ok_or_else(|| CliError::Usage(format!("`{}` names no partition", command.target)))?;
    // An op that runs once for all partitions has no key to choose.
    let keys: BTreeSet<&str> = graph.actions().iter().filter(|a| a.id.op == action.id.op).filter_map(|a| a.id.key.as_deref()).collect();
    if let (Some(last), true) = (keys.last(), keys.len() > 1) {
        return Err(CliError::Usage(format!("show one partition at a time, such as {}@{last}", action.id.asset)));
    }
    let found = published(&workspace, action, command.rows).map_err(CliError::Environment)?;
    match command.format {
        Format::Json => print_json(&found.json())?,
        Format::Text => print(&found.text())?,
    }
    Ok(code::DONE)
}
