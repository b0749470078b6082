//! `daeda man`: the manual pages, from the same table as the help.

use super::args::{Args, Man};
use super::error::{CliError, code};
use super::output::print;
use clap::{Command, CommandFactory};
use clap_mangen::Man as Page;
use std::fs;
use std::path::Path;

pub fn run(command: &Man) -> Result<u8, CliError> {
    let mut daeda = Args::command();
    daeda.build();
    match &command.to {
        None => print(&String::from_utf8_lossy(&page(daeda, "daeda")?))?,
        Some(directory) => write_all(&daeda, directory)?,
    }
    Ok(code::DONE)
}

/// `daeda.1`, and one for each command: `daeda-build.1`.
fn write_all(daeda: &Command, directory: &Path) -> Result<(), CliError> {
    fs::create_dir_all(directory).map_err(|e| CliError::io(directory.display(), &e))?;
    let commands = daeda.get_subcommands().filter(|command| !command.is_hide_set());
    let pages = commands.map(|command| (format!("daeda-{}", command.get_name()), command));
    for (name, command) in [("daeda".to_string(), daeda)].into_iter().chain(pages) {
        let path = directory.join(format!("{name}.1"));
        fs::write(&path, page(command.clone(), &name)?).map_err(|e| CliError::io(path.display(), &e))?;
        print(&format!("{}\n", path.display()))?;
    }
    Ok(())
}

fn page(command: Command, name: &str) -> Result<Vec<u8>, CliError> {
    let mut text = Vec::new();
    let page = Page::new(command).title(name);
    page.render(&mut text).map_err(|e| CliError::io("a manual page", &e))?;
    Ok(text)
}
