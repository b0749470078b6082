//! `daeda build`: brings targets up to date.

use super::args::{Build, BuildOptions, Format};
use super::context::{Context, Remember};
use super::error::{CliError, code};
use super::output::{print, print_json, say};
use crate::engine::check::OutputCheck;
use crate::engine::decision::Permits;
use crate::engine::disk::SystemDisk;
use crate::engine::driver::{self, Ended, Options, Refused, Tools};
use crate::engine::event::Sink;
use crate::engine::failure::FailureKind;
use crate::engine::graph::Graph;
use crate::engine::index::TraceIndex;
use crate::engine::worker::WorkerPool;
use crate::history::Recorder;
use crate::query;
use crate::query::account::Account;
use crate::report::several::Several;
use crate::report::trace::Trace;
use crate::report::{json, plain, terminal};
use crate::rules::TableRecords;
use crate::workspace::{Keys, Target, Workspace};
use std::io::IsTerminal;

pub fn run(context: &Context, command: &Build) -> Result<u8, CliError> {
    let workspace = context.workspace()?;
    let targets = context.wanted(&workspace, &command.targets, command.select.as_deref(), command.options.order)?;
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
    let (graph, index) = context.graph_and_index(workspace, targets)?;
    let quiet = context.args.quiet;
    let explain = options.explain || context.args.verbose;
    let lines = plain::Lines { explain, verbose: context.args.verbose, quiet, named: is_named(targets) };
    let trace = options.trace.as_deref().map(|path| Trace::create(path).map_err(|e| CliError::io(path.display(), &e))).transpose()?;
    let account = Account::default();
    let listened = |reporter: &dyn Sink| {
        let mut sinks = vec![reporter, &account as &dyn Sink];
        sinks.extend(trace.as_ref().map(|trace| trace as &dyn Sink));
        drive(context, workspace, &graph, index, options, &Several(sinks))
    };
    let ended = match (format, context.args.log_format) {
        (Format::Json, _) => listened(&json::Stream::stdout()),
        (_, Format::Json) => listened(&json::Stream::stderr()),
        _ if !quiet && std::io::stderr().is_terminal() => listened(&terminal::Terminal::new(lines, context.draws_color())),
        _ => listened(&plain::Plain::new(lines)),
    };
    say_trace(context, options, trace.as_ref());
    match &ended.refused {
        Some(refused) => Err(refuse(context, &graph, &permits(options), refused)),
        None => {
            if !quiet && [format, context.args.log_format] == [Format::Text; 2] {
                say(&account.text(&context.program()));
            }
            context.leave(graph);
            Ok(ended)
        }
    }
}

/// A trace that is not whole is told apart from one that is.
fn say_trace(context: &Context, options: &BuildOptions, trace: Option<&Trace>) {
    if let (Some(path), Some(why)) = (&options.trace, trace.and_then(Trace::trouble)) {
        context.warn(&format!("the trace {} could not be written: {why}", path.display()));
    }
}

fn drive(context: &Context, workspace: &Workspace, graph: &Graph, index: TraceIndex, options: &BuildOptions, sink: &dyn Sink) -> Ended {
    context.listen();
    let recorder = Recorder::begin(sink, context.clock.clone(), context.history_head(workspace));
    let ended = drive_telling(context, workspace, graph, index, options, &recorder);
    if let Some(why) = recorder.end() {
        context.warn(&why);
    }
    ended
}

fn drive_telling(
    context: &Context,
    workspace: &Workspace,
    graph: &Graph,
    index: TraceIndex,
    options: &BuildOptions,
    sink: &dyn Sink,
) -> Ended {
    let world = context.world(workspace);
    let memory = context.memory(workspace);
    let program = std::env::current_exe().unwrap_or_else(|_| "daeda".into());
    let workers = WorkerPool::new(program, workspace.state_directory().join("logs"), workspace.root.clone());
    let envelope = context.envelope();
    let tools = Tools {
        world: &world,
        records: &TableRecords,
        index: &index,
        executor: &workers,
        disk: &SystemDisk,
        clock: &context.clock,
        sink,
        memory: &memory,
        cancel: &context.cancel,
        envelope: &envelope,
    };
    let settings = &workspace.settings;
    let options = Options {
        keep_going: options.keep_going,
        permits: permits(options),
        replace_max: options.replace.or(settings.replace_max.value),
        output: output_check(options.verify),
        jobs: options.jobs.unwrap_or(settings.cpus.value).max(1) as usize,
        cpus: settings.cpus.value,
        memory: settings.memory.value.bytes,
    };
    let ended = driver::build(graph, tools, &options);
    context.say_unshared(&envelope);
    context.say_started_anew(&world, &index);
    context.leave((world, index));
    ended
}

pub fn output_check(verify: bool) -> OutputCheck {
    if verify { OutputCheck::Hash } else { OutputCheck::Stat }
}

/// Says what a build that was refused would have done.
fn refuse(context: &Context, graph: &Graph, permits: &Permits, refused: &Refused) -> CliError {
    if !context.args.quiet {
        say(&query::plan::text(graph, &refused.verdicts, permits, false));
    }
    CliError::Refused(too_many(refused.replaced, refused.permitted))
}

fn too_many(replaced: u64, permitted: u64) -> String {
    let hint = format!("permit it with --replace {replaced}");
    format!("this would replace {replaced} published partitions, and replace-max is {permitted}; {hint}")
}

fn dry_run(context: &Context, workspace: &Workspace, targets: &[Target], command: &Build) -> Result<u8, CliError> {
    let graph = context.graph(workspace, targets)?;
    let permits = permits(&command.options);
    let verdicts = context.survey(workspace, &graph, &permits, command.options.verify, Remember::Nothing);
    match command.format {
        Format::Json => print_json(&query::plan::json(&graph, &verdicts, &permits))?,
        Format::Text => print(&query::plan::text(&graph, &verdicts, &permits, command.options.explain || context.args.verbose))?,
    }
    if command.options.trace.is_some() {
        context.warn("nothing is run, so there is no trace: --trace has no effect beside -n");
    }
    let replaced = driver::replaced(&graph, &verdicts, &permits);
    if let Some(permitted) = command.options.replace.or(workspace.settings.replace_max.value).filter(|max| replaced > *max) {
        say(&format!("warning: a build refuses this: {}\n", too_many(replaced, permitted)));
    }
    Ok(code::DONE)
}

/// What the flags permit.
fn permits(options: &BuildOptions) -> Permits {
    let BuildOptions { force, retry_failed, allow_missing, drifted, .. } = *options;
    Permits { force, retry_failed, allow_missing, drifted }
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
