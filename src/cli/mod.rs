//! The command line: one file per command, and the one place that maps errors to exit codes.
//!
//! Invariants: stdout is data, stderr is talk; a command's `run` gets what was typed and a context, and returns an exit code or an error.

mod args;
mod build;
mod check;
mod clean;
mod compile;
mod completions;
mod context;
mod demo;
mod error;
mod explain;
mod fmt;
mod init;
mod job;
mod lineage;
mod list;
mod log;
mod man;
mod materialize_day;
mod output;
mod runs;
mod sample;
mod schedule;
mod schedule_run;
mod show;
mod status;
mod worker;

use args::{Args, Command};
use clap::Parser;
use context::Context;
use error::{CliError, code};
use std::process::ExitCode;

/// Parses the command line and runs the command.
pub fn run() -> ExitCode {
    let args = Args::parse();
    let code = match dispatch(&args) {
        Ok(code) => code,
        Err(error) => error.report(&args),
    };
    ExitCode::from(code)
}

/// Runs one command; the result is the exit code.
fn dispatch(args: &Args) -> Result<u8, CliError> {
    if matches!(args.command, Command::Worker) {
        return worker::run();
    }
    // These say what daeda is, wherever it is called.
    match &args.command {
        Command::Completions(command) => return completions::run(command),
        Command::Man(command) => return man::run(command),
        _ => {}
    }
    let context = Context::new(args)?;
    match &args.command {
        Command::Build(command) => build::run(&context, command),
        Command::Status(command) => status::run(&context, command),
        Command::Explain(command) => explain::run(&context, command),
        Command::Check(command) => check::run(&context, command),
        Command::Compile(command) => compile::run(&context, command),
        Command::Lineage(command) => lineage::run(&context, command),
        Command::MaterializeDay(command) => materialize_day::run(&context, command),
        Command::List(command) => list::run(&context, command),
        Command::Job(command) => job::run(&context, command),
        Command::Schedule(command) => schedule::run(&context, command),
        Command::Show(command) => show::run(&context, command),
        Command::Runs(command) => runs::run(&context, command),
        Command::Log(command) => log::run(&context, command),
        Command::Clean(command) => clean::run(&context, command),
        Command::Sample(command) => sample::run(&context, command),
        Command::Demo(command) => demo::run(&context, command),
        Command::Init(command) => init::run(&context, command),
        Command::Fmt(command) => fmt::run(&context, command),
        Command::Completions(_) | Command::Man(_) | Command::Worker => Ok(code::DONE),
    }
}
