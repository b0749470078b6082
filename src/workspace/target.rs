//! Targets as the command line writes them: `asset`, `asset@2026-02-01..2026-02-07`, `asset@latest`, `asset.op@KEY`, a job's name.

use super::Workspace;
use crate::catalog::calendar::{Partitions, Period};
use crate::catalog::model::Asset;
use crate::source::suggestion;
use std::sync::Arc;

/// What is to be built: an asset up to one of its ops, for some keys.
#[derive(Debug, Clone)]
pub struct Target {
    pub asset: Arc<Asset>,
    pub op: Option<String>,
    pub keys: Keys,
}

/// Which partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// The asset has none.
    Unpartitioned,
    /// Every period from the start to the last ended one.
    All(Vec<String>),
    /// Named by the user.
    Named(Vec<String>),
}

impl Keys {
    pub fn list(&self) -> &[String] {
        match self {
            Self::Unpartitioned => &[],
            Self::All(keys) | Self::Named(keys) => keys,
        }
    }
}

/// Why a target means nothing here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetError(pub String);

/// Reads one target. `now` decides what has ended.
pub fn parse_target(workspace: &Workspace, text: &str, now: i64) -> Result<Vec<Target>, TargetError> {
    let (name, keys) = match text.split_once('@') {
        Some((name, keys)) => (name, Some(keys)),
        None => (text, None),
    };
    if let (Some(job), None) = (workspace.catalog.jobs.get(name), workspace.catalog.assets.get(name)) {
        return job_targets(workspace, &job.select, keys, now);
    }
    let (asset_name, op) = match name.split_once('.') {
        Some((asset, op)) => (asset, Some(op)),
        None => (name, None),
    };
    let asset = workspace.catalog.assets.get(asset_name).ok_or_else(|| unknown_asset(workspace, asset_name))?;
    if let Some(op) = op.filter(|op| !asset.ops.iter().any(|o| o.name == **op)) {
        let known = asset.ops.iter().map(|o| o.name.as_str());
        return Err(TargetError(format!("asset `{asset_name}` has no op `{op}`; {}", suggestion(op, known))));
    }
    let keys = keys_of(workspace, asset, keys, now)?;
    Ok(vec![Target { asset: asset.clone(), op: op.map(str::to_string), keys }])
}

fn job_targets(workspace: &Workspace, select: &[String], keys: Option<&str>, now: i64) -> Result<Vec<Target>, TargetError> {
    let mut targets = Vec::new();
    for name in select {
        let text = keys.map_or_else(|| name.clone(), |keys| format!("{name}@{keys}"));
        targets.extend(parse_target(workspace, &text, now)?);
    }
    Ok(targets)
}

fn unknown_asset(workspace: &Workspace, name: &str) -> TargetError {
    if workspace.catalog.services.contains_key(name) {
        let assets = workspace.catalog.asset_of_service(name);
        let hint = assets.first().map_or("no asset builds it".to_string(), |a| format!("its asset is `{}`", a.name));
        return TargetError(format!("`{name}` is a feature service, not an asset; {hint}"));
    }
    let known: Vec<&str> = workspace.catalog.assets.keys().chain(workspace.catalog.jobs.keys()).map(String::as_str).collect();
    TargetError(format!("there is no asset or job `{name}`; {}", suggestion(name, known)))
}

fn keys_of(workspace: &Workspace, asset: &Asset, keys: Option<&str>, now: i64) -> Result<Keys, TargetError> {
    let partitions = asset.partitions.as_ref().and_then(|name| workspace.catalog.partitions.get(name));
    match (partitions, keys) {
        (None, None) => Ok(Keys::Unpartitioned),
        (None, Some(keys)) => Err(TargetError(format!("asset `{}` has no partitions, so there is no `@{keys}`", asset.name))),
        (Some(partitions), None) => Ok(Keys::All(partitions.keys(now))),
        (Some(partitions), Some(keys)) => named_keys(partitions, keys, now).map(Keys::Named),
    }
}

fn named_keys(partitions: &Partitions, text: &str, now: i64) -> Result<Vec<String>, TargetError> {
    if text == "latest" {
        let last = partitions.keys(now).pop();
        return last.map(|k| vec![k]).ok_or_else(|| TargetError(format!("no period of partitions `{}` has ended yet", partitions.name)));
    }
    if let Some((from, to)) = text.split_once("..") {
        return range(partitions, from, to);
    }
    match partitions.cadence.period(text) {
        Some(_) => checked(partitions, text).map(|key| vec![key]),
        None => prefixed(partitions, text, now),
    }
}

fn checked(partitions: &Partitions, key: &str) -> Result<String, TargetError> {
    if partitions.cadence.period(key).is_none() {
        return Err(not_a_key(partitions, key));
    }
    if !partitions.holds(key) {
        let start = partitions.cadence.key_at(partitions.start);
        return Err(TargetError(format!("`{key}` lies outside partitions `{}`, which start at {start}", partitions.name)));
    }
    Ok(key.to_string())
}

fn not_a_key(partitions: &Partitions, text: &str) -> TargetError {
    let every = partitions.cadence.every.name();
    let example = partitions.cadence.key_at(partitions.start);
    TargetError(format!("`{text}` is no key of partitions `{}`, which are by {every}, such as {example}", partitions.name))
}

fn range(partitions: &Partitions, from: &str, to: &str) -> Result<Vec<String>, TargetError> {
    let bound = |key: &str| partitions.cadence.period(key).ok_or_else(|| not_a_key(partitions, key));
    let (first, last) = (bound(&checked(partitions, from)?)?, bound(&checked(partitions, to)?)?);
    if first.start > last.start {
        return Err(TargetError(format!("the range {from}..{to} runs backwards; write {to}..{from}")));
    }
    Ok(partitions.cadence.keys(Period { start: first.start, end: last.end }))
}

fn prefixed(partitions: &Partitions, prefix: &str, now: i64) -> Result<Vec<String>, TargetError> {
    let dated = prefix.len() >= 4 && prefix.chars().all(|c| c.is_ascii_digit() || c == '-' || c == 'T');
    let keys: Vec<String> = partitions.keys(now).into_iter().filter(|key| key.starts_with(prefix)).collect();
    if !dated || keys.is_empty() { Err(not_a_key(partitions, prefix)) } else { Ok(keys) }
}
