//! Runs the real thing on a workspace in a directory: load, plan, run, read back. No other process, no engine.

use daeda::engine::action::{Action, Job};
use daeda::engine::execute::Made;
use daeda::rules;
use daeda::workspace::{Overrides, Workspace, graph, load, parse_target};
use std::fs;
use std::path::{Path, PathBuf};

/// Some day after all that tests build.
const NOW: i64 = 1_900_000_000_000;

/// What goes wrong between a manifest and its output.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// The manifest is not accepted.
    Refused(String),
    /// The action failed.
    Failed(String),
}

/// The workspace in a directory.
pub fn open(directory: &Path) -> Result<Workspace, Trouble> {
    let loaded = load(directory, &Overrides::default()).map_err(|error| Trouble::Refused(format!("{error:?}")))?;
    let said: Vec<String> = loaded.diagnostics.iter().filter(|d| d.is_error()).map(|d| format!("{d:?}")).collect();
    loaded.workspace.ok_or_else(|| Trouble::Refused(said.join("\n")))
}

/// The action of a target such as `rows.skeleton@2026-02-01`.
pub fn plan(workspace: &Workspace, target: &str) -> Result<Action, Trouble> {
    let targets = parse_target(workspace, target, NOW).map_err(|error| Trouble::Refused(error.0))?;
    let graph = graph(workspace, &targets, NOW).map_err(|error| Trouble::Refused(format!("{error:?}")))?;
    let (op, _) = target.split_once('@').unwrap();
    let op = op.rsplit('.').next().unwrap();
    Ok(graph.actions().iter().find(|action| action.id.op == op).unwrap().clone())
}

/// Runs an action into an empty directory.
pub fn run_into(action: &Action, staging: &Path) -> Result<Made, Trouble> {
    fs::create_dir_all(staging).unwrap();
    let job = Job { action: action.clone(), staging: staging.into(), inputs: vec![], resolved: serde_json::Value::Null };
    rules::run(&job, &|_| {}).map_err(|failure| Trouble::Failed(failure.message))
}

/// Runs an action where it publishes.
pub fn publish(action: &Action) -> Result<PathBuf, Trouble> {
    let place = action.place.path();
    run_into(action, &place)?;
    Ok(place)
}
