//! `daeda check`: everything that is wrong with the workspace's files, in one run, without building.

use super::args::{Check, Format};
use super::context::Context;
use super::error::{CliError, code};
use super::output::{print, print_json, say};
use crate::catalog;
use crate::manifest;
use crate::report::diagnostics;
use crate::source::{counted, suggestion};

pub fn run(context: &Context, command: &Check) -> Result<u8, CliError> {
    if let Some(code) = &command.explain {
        return explain(code);
    }
    let loaded = context.load()?;
    let errors = loaded.diagnostics.iter().filter(|d| d.is_error()).count();
    let warnings = loaded.diagnostics.len() - errors;
    match command.format {
        Format::Json => print_json(&diagnostics::json(&loaded.diagnostics, &loaded.sources))?,
        Format::Text => print(&diagnostics::text(&loaded.diagnostics, &loaded.sources, context.style()))?,
    }
    if let (Some(workspace), false) = (&loaded.workspace, context.args.quiet) {
        let catalog = &workspace.catalog;
        let (views, services, assets) = (catalog.views.len(), catalog.services.len(), catalog.assets.len());
        say(&format!(
            "{views} views, {services} services, {assets} assets: {}, {}\n",
            counted(errors, "error"),
            counted(warnings, "warning")
        ));
    } else if !context.args.quiet {
        say(&format!(
            "{}, {}; `daeda check --explain CODE` says more about each\n",
            counted(errors, "error"),
            counted(warnings, "warning")
        ));
    }
    let denied = command.deny.is_some() && warnings > 0;
    Ok(if errors > 0 || denied { code::INVALID } else { code::DONE })
}

/// The page of a code, which may be given without its prefix.
fn explain(wanted: &str) -> Result<u8, CliError> {
    let all: Vec<&(&str, &str)> = manifest::CODES.iter().chain(resolve::CODES).collect();
    match all.iter().find(|(name, _)| *name == wanted || name.rsplit("::").next() == Some(wanted)) {
        Some((name, page)) => {
            print(&format!("{name}\n\n{page}\n"))?;
            Ok(code::DONE)
        }
        None => Err(CliError::Usage(format!("there is no code `{wanted}`; {}", suggestion(wanted, all.iter().map(|(name, _)| *name))))),
    }
}
