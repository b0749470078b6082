//! `command`: runs any program with declared inputs, sources and variables; what it leaves in its directory is the output.
//!
//! Knows nothing of what the program does. Invariants: it sees what is declared and nothing else of the environment; a secret's value
//! reaches the program and nobody else, no digest, record, message or log; a program that writes what it reads publishes nothing.

mod fill;
mod log;
mod metadata;
mod observe;
mod output;
mod process;
mod trespass;

pub use observe::{environment, file};

use super::checks::{self, CheckSpec};
use super::place::place;
use super::reads::{Periods, Reads};
use super::skeleton::calendar;
use super::world::Ask;
use super::{Outline, Partition, RuleKind, Subject, Tell, spec_of};
use crate::catalog::calendar::Cadence;
use crate::catalog::command::{Command, Word};
use crate::engine::action::{Interval, Job, Place, Request};
use crate::engine::execute::{Made, Progress};
use crate::engine::failure::Failure;
use crate::engine::observation::{Kind, Observation};
use crate::path::Root;
use fill::Filled;
use log::Log;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use trespass::Watch;

/// Changes when what a program gets to see does, or what becomes of what it leaves.
const VERSION: &str = "1";

/// What a command action runs by.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommandSpec {
    pub run: Vec<Word>,
    /// Files of the workspace that it depends on.
    pub sources: Vec<String>,
    pub environment: Vec<String>,
    /// Variables that it gets to see and nobody else.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Exit codes that can pass.
    pub exit_codes: Vec<i32>,
    pub cadence: Cadence,
    pub workspace: PathBuf,
    pub output_root: PathBuf,
    pub enriched_output_root: PathBuf,
    pub checks: Vec<CheckSpec>,
}

/// One run of it.
pub struct Occasion<'a> {
    pub asset: &'a str,
    pub op: &'a str,
    pub key: Option<&'a str>,
    pub period: Option<Interval>,
    /// Bytes that may be held while what it wrote is checked.
    pub memory: u64,
    /// An empty directory.
    pub staging: &'a Path,
    /// Where the output will be published.
    pub published: PathBuf,
    /// The paths of each input, in the order of their periods.
    pub inputs: BTreeMap<String, Vec<PathBuf>>,
    /// The log, below the workspace.
    pub log: String,
}

/// Everything that a command is told, as observations.
fn definition(command: &Command) -> Vec<Observation> {
    let mut definition = vec![Observation::text(Kind::Rule, "command", VERSION)];
    for (number, word) in command.run.iter().enumerate() {
        let name = match word {
            Word::Text(_) => format!("run.{number}"),
            Word::Secret(_) => format!("run.{number}.env"),
        };
        definition.push(Observation::text(Kind::Parameter, name, fill::shown(word)));
    }
    for name in &command.secrets {
        definition.push(Observation::text(Kind::Parameter, format!("env.{name}"), "a secret"));
    }
    for input in &command.inputs {
        let window = input.window.map_or("its own period".to_string(), |window| window.to_string());
        definition.push(Observation::text(Kind::Parameter, format!("input.{}.window", input.asset), window));
    }
    definition
}

fn spec(subject: &Subject, command: &Command) -> CommandSpec {
    let partitions = subject.asset.partitions.as_ref().and_then(|name| subject.catalog.partitions.get(name));
    CommandSpec {
        run: command.run.clone(),
        sources: command.sources.clone(),
        environment: command.environment.clone(),
        secrets: command.secrets.clone(),
        exit_codes: subject.op.retry.exit_codes.clone(),
        cadence: partitions.map_or(Cadence::DAILY, |p| p.cadence),
        workspace: subject.site.root.path().into(),
        output_root: subject.site.output_root.to_path_buf(),
        enriched_output_root: subject.site.enriched_output_root.to_path_buf(),
        checks: checks::of(subject),
    }
}

pub struct CommandRule;

impl RuleKind for CommandRule {
    fn name(&self) -> &'static str {
        "command"
    }

    fn fit(&self, subject: &Subject) -> Result<(), String> {
        command(subject).map(drop)
    }

    fn outline(&self, subject: &Subject) -> Result<Outline, String> {
        let command = command(subject)?;
        let inputs = command.inputs.iter().map(|input| Reads { asset: input.asset.clone(), periods: Periods::Window(input.window) });
        let spec = serde_json::to_value(spec(subject, command)).map_err(|e| e.to_string())?;
        // What it reads of the ops before it cannot be seen, so all of it counts.
        let reads = subject.op.needs.clone();
        let definition = definition(command).into_iter().chain(calendar(subject)).collect();
        Ok(Outline { definition, requests: requests(subject, command), reads, inputs: inputs.collect(), spec })
    }

    fn place(&self, subject: &Subject, partition: Option<Partition>) -> Place {
        place(subject, &subject.site.output_root, partition)
    }

    fn run(&self, job: &Job, tell: Tell) -> Result<Made, Failure> {
        let action = &job.action;
        let spec: CommandSpec = spec_of(action)?;
        let occasion = Occasion {
            asset: &action.id.asset,
            op: &action.id.op,
            key: action.id.key.as_deref(),
            period: action.period,
            memory: action.common.resources.memory,
            staging: &job.staging,
            published: action.place.path(),
            inputs: inputs(job),
            log: log_name(&action.id.file_name()),
        };
        execute(&spec, &occasion, tell)
    }
}

/// The paths of each input: by asset, or by op where it is one of the same asset.
fn inputs(job: &Job) -> BTreeMap<String, Vec<PathBuf>> {
    let mut inputs: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for input in &job.inputs {
        let name = if input.id.asset == job.action.id.asset { &input.id.op } else { &input.id.asset };
        inputs.entry(name.to_string()).or_default().push(input.path.clone());
    }
    inputs
}

fn command<'a>(subject: &Subject<'a>) -> Result<&'a Command, String> {
    subject.op.command.as_ref().ok_or_else(|| "nothing says what it runs".to_string())
}

fn requests(subject: &Subject, command: &Command) -> Vec<Request> {
    let files = command.sources.iter().map(|name| (name.clone(), subject.site.root.join(name))).collect();
    vec![Ask::Whole { files }.request(), Ask::Environment { names: command.environment.clone() }.request()]
}

/// Runs a command to its end and takes stock of what it has left.
pub fn execute(spec: &CommandSpec, occasion: &Occasion, tell: Tell) -> Result<Made, Failure> {
    let root = Root::new(&spec.workspace);
    let beside = occasion.staging.parent().unwrap_or(occasion.staging);
    let scratch = tempfile::Builder::new().prefix("command-").tempdir_in(beside);
    let scratch = scratch.map_err(|e| Failure::io("cannot make a directory for what the command is told", &e))?;
    let told = scratch.path().join("metadata.jsonl");
    let filled = Filled::new(spec, occasion, scratch.path())?;
    let watch = Watch::begin(spec, occasion)?;
    let mut log = Log::open(&spec.workspace.join(&occasion.log), &filled);
    // Whoever ends this for taking too long has to know where to look.
    tell(Progress::Logged(occasion.log.clone()));
    let ended = process::run(spec, &filled, &told, occasion.staging, &mut log, tell)?;
    // The names of files that it has written may hold anything.
    let quiet = |failure: Failure| Failure { message: filled.redacted(&failure.message), ..failure };
    // Who has written where nobody may write must hear of it first: a failure may have come of it.
    let log = || Some(occasion.log.clone());
    watch.end(&root).map_err(quiet).and_then(|()| ended.judge(spec, &filled)).map_err(|failure| failure.logged(log))?;
    let mut made = output::collect(spec, occasion, tell).map_err(quiet)?;
    made.metadata.insert("output_path".into(), root.name(&occasion.published).into());
    metadata::add(&told, &filled, &mut made);
    made.peak_memory = ended.peak_memory;
    Ok(made)
}

/// The log of an action's commands, below the workspace.
pub fn log_name(action: &str) -> String {
    format!(".daeda/logs/{action}.log")
}

/// A file that lists paths, one a line.
fn write_list(file: &Path, paths: &[PathBuf]) -> Result<(), Failure> {
    let lines: String = paths.iter().map(|path| format!("{}\n", path.display())).collect();
    fs::write(file, lines).map_err(|e| Failure::io("cannot list the command's inputs", &e))
}

#[cfg(test)]
mod tests;
