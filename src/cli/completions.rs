//! `daeda completions`: what a shell needs to complete commands and flags, from the same table as the help.

use super::args::{Args, Completions};
use super::error::{CliError, code};
use super::output::print;
use clap::CommandFactory;

pub fn run(command: &Completions) -> Result<u8, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(command.shell, &mut Args::command(), "daeda", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(code::DONE)
}
