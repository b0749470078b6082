//! `daeda build`: brings targets up to date.

use super::args::{Build, BuildOptions, Format};
use super::context::Context;
use super::error::{CliError, code};
use super::output::{print, print_json, say};
use crate::engine::check::Eyes;
use crate::engine::check::{OutputCheck, Verdict};
use crate::engine::disk::SystemDisk;
use crate::engine::driver::{self, Ended, Options, Tools};
use crate::engine::event::Sink;
use crate::engine::execute::Cancel;
use crate::engine::failure::FailureKind;
use crate::engine::graph::Graph;
use crate::engine::state::State;
use crate::engine::survey::survey;
use crate::engine::worker::WorkerPool;
use crate::query;
use crate::report::{json, plain, terminal};
use crate::rules::TableRecords;
use crate::workspace::{Keys, Target, Workspace};
use std::io::IsTerminal;

pub fn run(context: &Context, command: &Build) -> Result<u8, CliError> {
    let workspace = context.workspace()?;
    let targets = context.targets(&workspace, &command.targets)?;
    if command.options.dry_run {
        return dry_run(context, &workspace, &targets, command);
    }
    let ended = build(context, &workspace, &targets, &command.options, command.format)?;
    Ok(exit_code(&ended, is_named(&targets)))
}

/// Builds targets with a reporter that suits the terminal.
pub fn build(
    context: &Context,
    workspace: &Workspace,
    targets: &[Target],
    options: &BuildOptions,
    format: Format,
) -> Result<Ended, CliError> {
    let graph = context.graph(workspace, targets)?;
    brake(context, workspace, &graph, options)?;
    let quiet = context.args.quiet;
    let explain = options.explain || context.args.verbose;
    let named = is_named(targets);
    let ended = match (format, context.args.log_format) {
        (Format::Json, _) => drive(context, workspace, &graph, options, &json::Stream::stdout()),
        (_, Format::Json) => drive(context, workspace, &graph, options, &json::Stream::stderr()),
        _ if !quiet && std::io::stderr().is_terminal() => {
            drive(context, workspace, &graph, options, &terminal::Terminal::new(plain::Lines { explain, quiet, named }))
        }
        _ => drive(context, workspace, &graph, options, &plain::Plain::new(plain::Lines { explain, quiet, named })),
    };
    Ok(ended)
}

fn drive(context: &Context, workspace: &Workspace, graph: &Graph, options: &BuildOptions, sink: &dyn Sink) -> Ended {
    let cancel = Cancel::default();
    stop_on_signal(&cancel);
    let world = context.world(workspace);
    let (memory, index) = (context.memory(workspace), context.index(workspace));
    let program = std::env::current_exe().unwrap_or_else(|_| "daeda".into());
    let workers = WorkerPool::new(program, workspace.state_directory().join("logs"));
    let tools = Tools {
        world: &world,
        records: &TableRecords,
        index: &index,
        executor: &workers,
        disk: &SystemDisk,
        clock: &context.clock,
        sink,
        memory: &memory,
        cancel: &cancel,
    };
    let settings = &workspace.settings;
    let options = Options {
        keep_going: options.keep_going,
        force: options.force,
        retry_failed: options.retry_failed,
        allow_missing: options.allow_missing,
        output: output_check(options.verify),
        jobs: options.jobs.unwrap_or(settings.cpus.value).max(1) as usize,
        cpus: settings.cpus.value,
        memory: settings.memory.value.bytes,
    };
    driver::build(graph, tools, &options)
}

pub fn output_check(verify: bool) -> OutputCheck {
    if verify { OutputCheck::Hash } else { OutputCheck::Stat }
}

/// The first Ctrl-C stops cleanly, the second at once.
fn stop_on_signal(cancel: &Cancel) {
    let cancel = cancel.clone();
    // A second build in one process (the demo) keeps the first handler, which is as good.
    let _ = ctrlc::set_handler(move || {
        if cancel.is_requested() {
            std::process::exit(i32::from(code::INTERRUPTED));
        }
        cancel.request();
    });
}

/// Refuses to replace more published partitions than `replace-max` permits.
fn brake(context: &Context, workspace: &Workspace, graph: &Graph, options: &BuildOptions) -> Result<(), CliError> {
    let Some(max) = options.replace.or(workspace.settings.replace_max.value) else { return Ok(()) };
    if graph.len() as u64 <= max {
        return Ok(());
    }
    let (world, memory, index) = (context.world(workspace), context.memory(workspace), context.index(workspace));
    let eyes = Eyes { world: &world, records: &TableRecords, index: &index, output: output_check(options.verify) };
    let verdicts = survey(graph, &eyes, &memory);
    let replaced = |(index, verdict): &(usize, &Verdict)| match verdict.state {
        State::Stale => true,
        State::Orphaned => options.allow_missing,
        _ => options.force && graph.targets.contains(index),
    };
    let published = verdicts.iter().enumerate().filter(|(_, verdict)| verdict.output.is_some() && verdict.cleaned.is_none());
    let count = published.filter(replaced).count() as u64;
    if count <= max {
        return Ok(());
    }
    if !context.args.quiet && !options.force {
        say(&query::plan::text(graph, &verdicts, false));
    }
    let hint = format!("permit it with --replace {count}");
    Err(CliError::Refused(format!("this would replace {count} published partitions, and replace-max is {max}; {hint}")))
}

fn dry_run(context: &Context, workspace: &Workspace, targets: &[Target], command: &Build) -> Result<u8, CliError> {
    let graph = context.graph(workspace, targets)?;
    let (world, memory, index) = (context.world(workspace), context.memory(workspace), context.index(workspace));
    let eyes = Eyes { world: &world, records: &TableRecords, index: &index, output: output_check(command.options.verify) };
    let verdicts = survey(&graph, &eyes, &memory);
    match command.format {
        Format::Json => print_json(&query::plan::json(&graph, &verdicts))?,
        Format::Text => print(&query::plan::text(&graph, &verdicts, command.options.explain || context.args.verbose))?,
    }
    Ok(code::DONE)
}

/// Whether the user named keys: then a blocked one is worth an exit code of its own.
fn is_named(targets: &[Target]) -> bool {
    targets.iter().any(|t| matches!(t.keys, Keys::Named(_)))
}

/// Where several apply: a bug, then interruption, the environment, failed work, waiting.
pub fn exit_code(ended: &Ended, named: bool) -> u8 {
    let has = |kind| ended.failures.iter().any(|(_, f)| f.kind == kind);
    if has(FailureKind::Bug) {
        code::BUG
    } else if ended.interrupted {
        code::INTERRUPTED
    } else if has(FailureKind::Environment) {
        code::ENVIRONMENT
    } else if ended.summary.failed > 0 {
        code::FAILED
    } else if named && !ended.blocked.is_empty() {
        code::WAITING
    } else {
        code::DONE
    }
}
