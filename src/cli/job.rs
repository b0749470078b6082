//! `daeda job run`: builds what a job selects, like any other target.

use super::args::{Build, JobCommand, JobRun};
use super::build;
use super::context::Context;
use super::error::CliError;
use crate::source::suggestion;

pub fn run(context: &Context, command: &JobCommand) -> Result<u8, CliError> {
    let JobCommand::Run(JobRun { name, keys, options, format }) = command;
    let workspace = context.workspace()?;
    if !workspace.catalog.jobs.contains_key(name) {
        let hint = suggestion(name, workspace.catalog.jobs.keys().map(String::as_str));
        return Err(CliError::Usage(format!("there is no job `{name}`; {hint}")));
    }
    let select = &workspace.catalog.jobs[name].select;
    if select.is_empty() {
        return Err(CliError::Usage(format!("job `{name}` selects nothing; add select \"…\" to it")));
    }
    let target = |key: &String| format!("{name}@{}", key.trim_start_matches('@'));
    let targets = if keys.is_empty() { vec![name.clone()] } else { keys.iter().map(target).collect() };
    build::run(context, &Build { targets, select: None, options: options.clone(), format: *format })
}
