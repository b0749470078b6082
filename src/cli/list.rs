//! `daeda list`: what the manifest declares.

use super::args::{Format, List, What};
use super::context::Context;
use super::error::{CliError, code};
use super::output::{print, print_json};
use crate::query::declared::{self, Declared};

pub fn run(context: &Context, command: &List) -> Result<u8, CliError> {
    if command.effective && !matches!(command.what, What::Profiles) {
        return Err(CliError::Usage("--effective is of profiles: daeda list profiles --effective".into()));
    }
    let workspace = context.workspace()?;
    let declared: Declared = match command.what {
        What::Assets => declared::assets(&workspace),
        What::Views => declared::views(&workspace),
        What::Services => declared::services(&workspace),
        What::Jobs => declared::jobs(&workspace),
        What::Schedules => declared::schedules(&workspace),
        What::Profiles if command.effective => declared::settings(&workspace),
        What::Profiles => declared::profiles(&workspace.profiles),
    };
    match command.format {
        Format::Json => print_json(&declared.json)?,
        Format::Text => print(&declared.text)?,
    }
    Ok(code::DONE)
}
