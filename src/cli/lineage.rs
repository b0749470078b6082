//! `daeda lineage`: what a name comes from and goes into.

use super::args::{Format, Lineage};
use super::context::Context;
use super::error::{CliError, code};
use super::output::{print, print_json};
use crate::query::grid::grid;
use crate::query::lineage::lineage;

pub fn run(context: &Context, command: &Lineage) -> Result<u8, CliError> {
    let workspace = context.workspace()?;
    let found = lineage(&workspace.catalog, &command.name).map_err(CliError::Usage)?;
    match command.format {
        Format::Json => print_json(&found)?,
        Format::Text => {
            let heading = ["side", "kind", "name", "through"].map(String::from).to_vec();
            print(&format!("{} {}\n", found.kind, found.name))?;
            print(&grid(&[vec![heading], found.rows()].concat()))?;
        }
    }
    Ok(code::DONE)
}
