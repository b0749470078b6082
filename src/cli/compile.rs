//! `daeda compile`: the operator DAG of a service.

use super::args::{Compile, GraphFormat};
use super::context::Context;
use super::error::{CliError, code};
use super::output::{print, print_json};
use crate::catalog::compile::compile;
use crate::query::pipeline;
use crate::source::suggestion;
use std::fs;

pub fn run(context: &Context, command: &Compile) -> Result<u8, CliError> {
    let workspace = context.workspace()?;
    let services = &workspace.catalog.services;
    let unknown = || {
        let hint = suggestion(&command.service, services.keys().map(String::as_str));
        CliError::Usage(format!("there is no feature service `{}`; {hint}", command.service))
    };
    let dag = compile(&workspace.catalog, services.get(&command.service).ok_or_else(unknown)?);
    if command.write {
        let path = workspace.root.join("config/pipelines").join(format!("{}.generated.kdl", command.service));
        let written = fs::create_dir_all(workspace.root.join("config/pipelines")).and_then(|()| fs::write(&path, pipeline::kdl(&dag)));
        written.map_err(|e| CliError::io(path.display(), &e))?;
        print(&format!("{}\n", workspace.root.name(&path)))?;
        return Ok(code::DONE);
    }
    match command.format {
        GraphFormat::Json => print_json(&pipeline::json(&dag))?,
        GraphFormat::Kdl => print(&pipeline::kdl(&dag))?,
        GraphFormat::Dot => print(&pipeline::dot(&dag))?,
        GraphFormat::Mermaid => print(&pipeline::mermaid(&dag))?,
    }
    Ok(code::DONE)
}
