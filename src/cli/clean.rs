//! `daeda clean`: removes published outputs, leaving their records; what dead processes and old manifests have left; caches.

use super::args::{Clean, Format};
use super::context::Context;
use super::error::{CliError, code};
use super::output::{print, print_json, say};
use crate::catalog::quantity::Duration;
use crate::engine::action::ActionId;
use crate::engine::clean::{Broom, Held};
use crate::engine::clock::Clock;
use crate::engine::disk::SystemDisk;
use crate::engine::execute::Cancel;
use crate::engine::failure::{Failure, FailureKind};
use crate::engine::graph::Graph;
use crate::engine::staging;
use crate::query::clean::{Output, Retention, Sweep, bytes_below, outputs};
use crate::query::undeclared::{Search, Undeclared, undeclared};
use crate::rules::TableRecords;
use crate::workspace::{Target, Workspace};
use std::path::{Path, PathBuf};

pub fn run(context: &Context, command: &Clean) -> Result<u8, CliError> {
    named(command)?;
    let retention = retention(context, command)?;
    let workspace = context.workspace()?;
    let targets = context.targets(&workspace, &command.targets)?;
    let graph = context.graph(&workspace, &with_readers(&targets))?;
    let mut sweep = outputs(&targets, &graph, retention, &TableRecords);
    let lost = if command.undeclared { undeclared(&workspace, &TableRecords, Search::All) } else { Vec::new() };
    sweep.undeclared = lost.iter().map(|u| (u.id.clone(), u.place.path(), u.bytes)).collect();
    sweep.rest = rest(&workspace, command);
    if !command.dry_run {
        brake(&workspace, command, sweep.outputs.len() + lost.len())?;
        let cancel = Cancel::default();
        let waiting = |id: &ActionId| say(&format!("waiting for another process that holds {id}\n"));
        let mut work = Work { broom: Broom::new(&TableRecords, &SystemDisk, &context.clock, &cancel, &waiting), failures: Vec::new() };
        sweep = work.sweep(&graph, sweep, &lost);
        sweep.rest.retain(|(path, _)| remove_rest(path, &mut work.failures));
        told(context, &workspace, command, &sweep)?;
        return ended(&work.failures);
    }
    told(context, &workspace, command, &sweep)?;
    Ok(code::DONE)
}

/// Nothing is removed by accident.
fn named(command: &Clean) -> Result<(), CliError> {
    let filtered = command.keep.is_some() || command.older_than.is_some();
    if command.targets.is_empty() && (filtered || !(command.cache || command.undeclared)) {
        let hint = "such as `daeda clean ASSET --keep 30`, `daeda clean ASSET.OP@KEY`, or --cache, or --undeclared";
        return Err(CliError::Usage(format!("say what to clean, {hint}; -n tells what would be removed")));
    }
    Ok(())
}

fn retention(context: &Context, command: &Clean) -> Result<Retention, CliError> {
    let wrong = |text: &String| CliError::Usage(format!("--older-than takes a duration such as 90d or 36h, not `{text}`"));
    let age = command.older_than.as_ref().map(|text| Duration::parse(text).ok_or_else(|| wrong(text))).transpose()?;
    Ok(Retention { keep: command.keep, ended_before: age.map(|age| context.clock.now().saturating_sub(age.millis)) })
}

/// The whole assets: what reads an output must not be under way while it is removed.
fn with_readers(targets: &[Target]) -> Vec<Target> {
    targets.iter().map(|target| Target { op: None, ..target.clone() }).collect()
}

fn roots(workspace: &Workspace) -> Vec<PathBuf> {
    let site = workspace.site();
    let mut roots: Vec<PathBuf> = [site.output_root, site.enriched_output_root].iter().map(|root| root.to_path_buf()).collect();
    roots.dedup();
    roots
}

fn cache(workspace: &Workspace) -> PathBuf {
    workspace.state_directory().join("cache")
}

/// What is neither published nor needed: staging of dead processes, and the caches if they were named.
fn rest(workspace: &Workspace, command: &Clean) -> Vec<(PathBuf, u64)> {
    let mut paths: Vec<PathBuf> = roots(workspace).iter().flat_map(|root| staging::leftovers(root, &SystemDisk)).collect();
    paths.extend(Some(cache(workspace)).filter(|cache| command.cache && cache.exists()));
    paths.into_iter().map(|path| (path.clone(), bytes_below(&path))).collect()
}

/// False for what is still there.
fn remove_rest(path: &Path, failures: &mut Vec<Failure>) -> bool {
    // `<root>/_daeda/staging/<process>`: cleared as every build does it, under the lock that this takes.
    let root = path.parent().filter(|p| p.ends_with("_daeda/staging")).and_then(|staging| staging.parent()?.parent());
    let removed = match root {
        Some(root) => staging::clear(root, &SystemDisk),
        None => std::fs::remove_dir_all(path),
    };
    if let Err(error) = removed {
        failures.push(Failure::io(&format!("cannot remove {}", path.display()), &error));
    }
    !path.exists()
}

/// Refuses to remove more published partitions than `replace-max` permits.
fn brake(workspace: &Workspace, command: &Clean, count: usize) -> Result<(), CliError> {
    match command.replace.or(workspace.settings.replace_max.value) {
        Some(max) if count as u64 > max => {
            let hint = format!("-n lists them, --replace {count} permits it");
            Err(CliError::Refused(format!("this would remove {count} published partitions, and replace-max is {max}; {hint}")))
        }
        _ => Ok(()),
    }
}

struct Work<'a> {
    broom: Broom<'a>,
    failures: Vec<Failure>,
}

impl Work<'_> {
    /// What was removed of what was found: another process may have changed it meanwhile.
    fn sweep(&mut self, graph: &Graph, found: Sweep, lost: &[Undeclared]) -> Sweep {
        let mut done = Sweep { left: found.left, rest: found.rest, ..Sweep::default() };
        let readers = if found.outputs.is_empty() { Vec::new() } else { graph.readers() };
        for output in found.outputs {
            match self.broom.clean(graph, output.index, &readers[output.index]) {
                Ok(Held::Data(record)) => done.outputs.push(Output { bytes: record.bytes(), ..output }),
                Ok(Held::Foreign(why)) => done.left.push((output.id, output.path, why)),
                Ok(Held::Nothing | Held::Tombstone(_)) => {}
                Err(failure) => self.failures.push(failure),
            }
        }
        for undeclared in lost {
            let path = undeclared.place.path();
            match self.broom.remove(&undeclared.id, &undeclared.place) {
                Ok(Held::Data(_) | Held::Tombstone(_)) => done.undeclared.push((undeclared.id.clone(), path, undeclared.bytes)),
                Ok(Held::Foreign(why)) => done.left.push((undeclared.id.clone(), path, why)),
                Ok(Held::Nothing) => {}
                Err(failure) => self.failures.push(failure),
            }
        }
        done
    }
}

fn told(context: &Context, workspace: &Workspace, command: &Clean, sweep: &Sweep) -> Result<(), CliError> {
    match command.format {
        Format::Json => print_json(&sweep.json(&workspace.root, command.dry_run))?,
        Format::Text => print(&sweep.text(&workspace.root, command.dry_run))?,
    }
    if !command.undeclared && !context.args.quiet {
        hint(workspace);
    }
    Ok(())
}

/// What nobody declares any more is not removed unasked.
fn hint(workspace: &Workspace) {
    let mut assets: Vec<String> =
        undeclared(workspace, &TableRecords, Search::Glance).iter().map(|u| format!("{}.{}", u.id.asset, u.id.op)).collect();
    assets.sort();
    assets.dedup();
    if !assets.is_empty() {
        say(&format!("published, but not declared: {}; --undeclared removes that\n", assets.join(", ")));
    }
}

fn ended(failures: &[Failure]) -> Result<u8, CliError> {
    failures.iter().for_each(|failure| say(&format!("error: {}\n", failure.message)));
    Ok(match failures.iter().map(|f| f.kind).next() {
        None => code::DONE,
        Some(FailureKind::Environment) => code::ENVIRONMENT,
        Some(_) => code::FAILED,
    })
}
