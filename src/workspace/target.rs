//! Targets as the command line writes them: `asset`, `asset@2026-02-01..2026-02-07`, `asset@latest`, `asset.op@KEY`, a job's name; and what `--select`
//! leaves of them.

use super::Workspace;
use crate::catalog::calendar::{Cadence, Partitions, Period};
use crate::catalog::compile::compile;
use crate::catalog::declaration::Every;
use crate::catalog::model::Asset;
use crate::catalog::selection::{self, AssetGraph, SelectionError};
use crate::rules;
use crate::source::suggestion;
use std::collections::BTreeSet;
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

    /// Newest first instead of oldest first.
    pub fn reverse(&mut self) {
        match self {
            Self::Unpartitioned => {}
            Self::All(keys) | Self::Named(keys) => keys.reverse(),
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

/// What a job selects: assets up to an op, or expressions.
pub fn job_targets(workspace: &Workspace, select: &[String], keys: Option<&str>, now: i64) -> Result<Vec<Target>, TargetError> {
    let mut targets: Vec<Target> = Vec::new();
    for text in select {
        let is_target = workspace.catalog.assets.contains_key(text.split_once('.').map_or(text.as_str(), |(asset, _)| asset));
        let found = match is_target {
            true => parse_target(workspace, &with_keys(workspace, text, keys), now)?,
            false => selected(workspace, text, keys, now)?,
        };
        // Two expressions of a job may select the same asset.
        targets.extend(
            found.into_iter().filter(|new| !targets.iter().any(|t| t.asset.name == new.asset.name && t.op == new.op)).collect::<Vec<_>>(),
        );
    }
    Ok(targets)
}

/// What has no partitions comes along whole.
fn with_keys(workspace: &Workspace, name: &str, keys: Option<&str>) -> String {
    let asset = workspace.catalog.assets.get(name.split_once('.').map_or(name, |(asset, _)| asset));
    let keys = keys.filter(|_| asset.is_none_or(|asset| asset.partitions.is_some()));
    keys.map_or_else(|| name.to_string(), |keys| format!("{name}@{keys}"))
}

/// What a selection leaves of targets. Without any it is all that is selected; a target `@KEYS` is those keys of all that is selected.
pub fn select(workspace: &Workspace, selection: &str, texts: &[String], now: i64) -> Result<Vec<Target>, TargetError> {
    if texts.is_empty() {
        return selected(workspace, selection, None, now);
    }
    let names: BTreeSet<String> = selected(workspace, selection, None, now)?.into_iter().map(|t| t.asset.name.clone()).collect();
    let mut targets = Vec::new();
    for text in texts {
        match text.strip_prefix('@') {
            Some(keys) => targets.extend(selected(workspace, selection, Some(keys), now)?),
            None => targets.extend(parse_target(workspace, text, now)?.into_iter().filter(|t| names.contains(&t.asset.name))),
        }
    }
    if targets.is_empty() {
        return Err(TargetError(format!("none of {} is selected by `{selection}`", texts.join(", "))));
    }
    Ok(targets)
}

/// The built assets that an expression selects, with the keys asked for; those without partitions whole.
fn selected(workspace: &Workspace, text: &str, keys: Option<&str>, now: i64) -> Result<Vec<Target>, TargetError> {
    let graph = AssetGraph::of(&workspace.catalog);
    let names = selection::parse(text).and_then(|s| s.of(&graph)).map_err(|error| pointed(text, &error))?;
    let assets: Vec<&Arc<Asset>> = names.iter().filter_map(|name| workspace.catalog.assets.get(name)).filter(|a| is_buildable(a)).collect();
    if assets.is_empty() {
        let found = names.into_iter().collect::<Vec<_>>().join(", ");
        let found = if found.is_empty() { "nothing".to_string() } else { format!("only {found}") };
        return Err(TargetError(format!("`{text}` selects no asset that is built: {found}")));
    }
    let target = |asset: &Arc<Asset>| {
        let keys = keys_of(workspace, asset, keys.filter(|_| asset.partitions.is_some()), now)?;
        Ok(Target { asset: asset.clone(), op: None, keys })
    };
    assets.into_iter().map(target).collect()
}

/// Whether this version has the rule kinds that an asset is made by.
fn is_buildable(asset: &Asset) -> bool {
    asset.ops.iter().all(|op| rules::by_name(&op.rule).is_some())
}

/// A mistake under the text that it is in.
fn pointed(text: &str, error: &SelectionError) -> TargetError {
    let before = text[..error.at.0].chars().count();
    let width = text[error.at.0..error.at.0 + error.at.1].chars().count().max(1);
    let line: String = text.chars().map(|c| if c == '\n' { ' ' } else { c }).collect();
    TargetError(format!("{}; {}\n  {line}\n  {}{}", error.message, error.hint, " ".repeat(before), "^".repeat(width)))
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
        (Some(partitions), None) => Ok(Keys::All(partitions.keys(now.saturating_sub(due_after(workspace, asset))))),
        (Some(partitions), Some(keys)) => {
            Named { partitions, due: now.saturating_sub(due_after(workspace, asset)) }.keys(keys).map(Keys::Named)
        }
    }
}

/// How long after its end a period of an asset is due.
pub fn due_after(workspace: &Workspace, asset: &Asset) -> i64 {
    let lateness = |view: &str| workspace.catalog.views.get(view).map_or(0, |view| view.lateness());
    asset.service.as_ref().map_or(0, |service| compile(&workspace.catalog, service).due_after(&lateness))
}

/// Reads what was written after `@`.
struct Named<'a> {
    partitions: &'a Partitions,
    /// Periods that have ended by then are due.
    due: i64,
}

impl Named<'_> {
    fn keys(&self, text: &str) -> Result<Vec<String>, TargetError> {
        if let Some((from, to)) = text.split_once("..") {
            return self.range(from, to);
        }
        match text {
            "latest" => self.latest().map(|key| vec![key]),
            key if self.partitions.cadence.period(key).is_some() => self.checked(key).map(|key| vec![key]),
            prefix => self.prefixed(prefix),
        }
    }

    fn latest(&self) -> Result<String, TargetError> {
        let last = self.partitions.keys(self.due).pop();
        last.ok_or_else(|| TargetError(format!("no period of partitions `{}` is due yet", self.partitions.name)))
    }

    fn checked(&self, key: &str) -> Result<String, TargetError> {
        if self.partitions.holds(key) { Ok(key.to_string()) } else { Err(self.outside(key)) }
    }

    fn outside(&self, text: &str) -> TargetError {
        let Partitions { name, cadence, start, end } = self.partitions;
        let start = cadence.key_at(*start);
        let end = end.map_or(String::new(), |end| format!(" and end with {}", cadence.key_at(end - 1)));
        TargetError(format!("`{text}` lies outside partitions `{name}`, which start at {start}{end}"))
    }

    /// Both ends in; each is a key, `latest`, or what several keys begin with.
    fn range(&self, from: &str, to: &str) -> Result<Vec<String>, TargetError> {
        let (first, last) = (self.bound(from)?.start, self.bound(to)?);
        if first > last.start {
            return Err(TargetError(format!("the range {from}..{to} runs backwards; write {to}..{from}")));
        }
        let keys = self.partitions.cadence.keys(Period { start: first, end: last.end });
        let (first, last) = (&keys[0], &keys[keys.len() - 1]);
        self.checked(first).and_then(|_| self.checked(last))?;
        Ok(keys)
    }

    /// The periods that an end of a range names: from the first one's start to the last one's end.
    fn bound(&self, text: &str) -> Result<Period, TargetError> {
        let cadence = &self.partitions.cadence;
        let key = if text == "latest" { self.latest()? } else { text.to_string() };
        let whole = cadence.period(&key).or_else(|| cadence.prefixed(&key));
        whole.ok_or_else(|| self.not_a_key(text))
    }

    /// The keys that begin so, as far as they are due.
    fn prefixed(&self, prefix: &str) -> Result<Vec<String>, TargetError> {
        let Some(range) = self.partitions.cadence.prefixed(prefix) else { return Err(self.not_a_key(prefix)) };
        let (start, end) = (range.start.max(self.partitions.start), range.end.min(self.partitions.end.unwrap_or(i64::MAX)));
        let all = self.partitions.cadence.keys(Period { start, end });
        if all.is_empty() {
            return Err(self.outside(prefix));
        }
        let due = self.partitions.cadence.period_at(self.due).start;
        let is_due = |key: &String| self.partitions.cadence.period(key).is_some_and(|p| p.start < due);
        let keys: Vec<String> = all.into_iter().filter(is_due).collect();
        if keys.is_empty() { Err(TargetError(format!("no period of `{prefix}` is due yet; name one by its whole key"))) } else { Ok(keys) }
    }

    fn not_a_key(&self, text: &str) -> TargetError {
        let Partitions { name, cadence, start, .. } = self.partitions;
        let every = cadence.every.name();
        let holds = || Cadence { every: Every::Day, ..*cadence }.period(text).map(|day| cadence.key_at(day.start));
        let hint = match (cadence.every, holds()) {
            (Every::Week, Some(week)) => format!("; a week is named by its Monday, {week} here"),
            (Every::Month, Some(month)) => format!("; that day lies in {month}"),
            _ => String::new(),
        };
        TargetError(format!("`{text}` is no key of partitions `{name}`, which are by {every}, such as {}{hint}", cadence.key_at(*start)))
    }
}
