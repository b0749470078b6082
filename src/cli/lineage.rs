//! `daeda lineage`: what a name comes from and goes into.

use super::args::{Lineage, LineageFormat};
use super::context::Context;
use super::error::{CliError, code};
use super::output::{print, print_json};
use crate::query::lineage::lineage;

pub fn run(context: &Context, command: &Lineage) -> Result<u8, CliError> {
    let workspace = context.workspace()?;
    let found = lineage(&workspace.catalog, &command.name, command.columns).map_err(CliError::Usage)?;
    match command.format {
        LineageFormat::Json => print_json(&found)?,
        LineageFormat::Text => print(&found.text())?,
        LineageFormat::Dot => print(&found.dot())?,
        LineageFormat::Mermaid => print(&found.mermaid())?,
    }
    Ok(code::DONE)
}
