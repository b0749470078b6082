//! `daeda materialize-day`: builds one day of a service's training asset and prints the JSON summary.

use super::args::{BuildOptions, Format, MaterializeDay};
use super::build::{build, exit_code};
use super::context::Context;
use super::error::{CliError, code};
use super::output::print_json;
use crate::query::day::summary;
use crate::source::suggestion;
use crate::workspace::Workspace;

pub fn run(context: &Context, command: &MaterializeDay) -> Result<u8, CliError> {
    let workspace = context.workspace()?;
    let asset = asset_of(&workspace, &command.service, command.asset.as_deref())?;
    let targets = context.targets(&workspace, &[format!("{asset}@{}", command.date)])?;
    let ended = build(context, &workspace, &targets, &BuildOptions::default(), Format::Text)?;
    let exit = exit_code(&ended, true);
    if exit == code::DONE {
        print_summary(context, &workspace, &asset, &command.date)?;
    }
    Ok(exit)
}

/// The asset that a service is built into.
pub fn asset_of(workspace: &Workspace, service: &str, asset: Option<&str>) -> Result<String, CliError> {
    if !workspace.catalog.services.contains_key(service) {
        let hint = suggestion(service, workspace.catalog.services.keys().map(String::as_str));
        return Err(CliError::Usage(format!("there is no feature service `{service}`; {hint}")));
    }
    let assets: Vec<String> = workspace.catalog.asset_of_service(service).iter().map(|a| a.name.clone()).collect();
    match (asset, assets.as_slice()) {
        (Some(asset), assets) if assets.iter().any(|a| a == asset) => Ok(asset.into()),
        (Some(asset), assets) => Err(CliError::Usage(format!(
            "asset `{asset}` is not built from `{service}`; {}",
            suggestion(asset, assets.iter().map(String::as_str))
        ))),
        (None, [only]) => Ok(only.clone()),
        (None, []) => Err(CliError::Usage(format!("no asset is built from `{service}`; add service \"{service}\" to one"))),
        (None, several) => Err(CliError::Usage(format!("`{service}` is built into {}; choose one with --asset", several.join(", ")))),
    }
}

/// Prints the summary of a published partition.
pub fn print_summary(context: &Context, workspace: &Workspace, asset: &str, key: &str) -> Result<(), CliError> {
    let targets = context.targets(workspace, &[format!("{asset}@{key}")])?;
    let graph = context.graph(workspace, &targets)?;
    let summary = summary(workspace, &graph, asset, key).map_err(CliError::Environment)?;
    print_json(&summary)
}
