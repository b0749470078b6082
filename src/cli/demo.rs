//! `daeda demo`: sample data if there is none, three days built, status, and the summary of the last day.

use super::args::{BuildOptions, Demo, Format, SampleSize};
use super::build::{build, exit_code};
use super::context::Context;
use super::error::{CliError, code};
use super::materialize_day::print_summary;
use super::output::{print, say};
use super::sample;
use super::status::Judged;
use crate::workspace::Workspace;

pub fn run(context: &Context, _command: &Demo) -> Result<u8, CliError> {
    let workspace = context.workspace()?;
    let data = workspace.root.join("data");
    if !data.join("feed").exists() {
        step(context, "no data here yet: writing a synthetic sample (daeda sample)");
        sample::write(context, &data, &sample::spec(Some(&workspace), &SampleSize::default()))?;
    }
    let (asset, keys) = first_days(&workspace)?;
    let target = format!("{asset}@{}..{}", keys[0], keys[2]);
    step(context, &format!("daeda build {target}"));
    let targets = context.targets(&workspace, std::slice::from_ref(&target))?;
    let ended = build(context, &workspace, &targets, &BuildOptions::default(), Format::Text)?;
    let exit = exit_code(&ended, true);
    if exit != code::DONE {
        return Ok(exit);
    }
    step(context, &format!("daeda status {target}"));
    print(&Judged::new(context, &workspace, targets, false)?.report().text(true, false))?;
    step(context, &format!("the summary of the last day (daeda show {asset}@{} tells more)", keys[2]));
    print_summary(context, &workspace, &asset, &keys[2])?;
    step(context, "next: change a `k` in config/training/aggregations.kdl and see `daeda status`; the README's tour goes on from here");
    Ok(code::DONE)
}

/// The example's asset with embeddings, or the first there is, and its first three keys.
fn first_days(workspace: &Workspace) -> Result<(String, Vec<String>), CliError> {
    let assets = &workspace.catalog.assets;
    let asset = assets.get("dssm_ranking_training").or_else(|| assets.values().find(|a| a.service.is_some() && a.partitions.is_some()));
    let asset = asset.ok_or_else(|| CliError::Usage("this workspace has no partitioned training asset to demonstrate".into()))?;
    let partitions = asset.partitions.as_ref().and_then(|name| workspace.catalog.partitions.get(name));
    let partitions = partitions.ok_or_else(|| CliError::Usage(format!("asset `{}` has no partitions", asset.name)))?;
    let mut keys = vec![partitions.cadence.period_at(partitions.start)];
    while keys.len() < 3 {
        keys.push(partitions.cadence.period_at(keys[keys.len() - 1].end));
    }
    Ok((asset.name.clone(), keys.iter().map(|p| partitions.cadence.key_at(p.start)).collect()))
}

fn step(context: &Context, text: &str) {
    if !context.args.quiet {
        say(&format!("\n▸ {text}\n"));
    }
}
