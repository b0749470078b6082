//! The verdict on one action: fresh if and only if what was recorded equals what is observed now and the output is what the record says.
//!
//! Invariant: verdict and reasons come from the same comparison. Nothing here runs or changes anything.

use super::action::{Action, ActionId};
use super::observation::{ABSENT, Kind, Observation};
use super::record::{Record, Records};
use super::state::{Reason, ReasonKind, State};
use super::trace;
use super::world::{Look, Unobservable, World};
use crate::digest::Digest;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// What is known of an upstream's output: its digest, or nothing yet because it will be rebuilt.
pub type Upstreams<'a> = &'a (dyn Fn(&ActionId) -> Option<Digest> + Sync);

/// How outputs are compared with their records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutputCheck {
    /// Sizes and times; contents where times differ.
    #[default]
    Stat,
    /// Contents, always.
    Hash,
}

#[derive(Debug, Clone)]
pub struct Verdict {
    pub state: State,
    pub reasons: Vec<Reason>,
    /// What is observed now; empty where that was not possible.
    pub trace: Vec<Observation>,
    pub record: Option<Record>,
}

impl Verdict {
    pub fn output(&self) -> Option<Digest> {
        self.record.as_ref().map(|r| r.output.digest)
    }
}

/// Judges one action whose upstreams are settled.
pub fn check(action: &Action, world: &dyn World, records: &dyn Records, upstreams: Upstreams, output: OutputCheck, look: Look) -> Verdict {
    let record = records.read(&action.place.path()).filter(|r| r.is_of(action));
    let observed = world.observe(&action.requests, look);
    let mut trace = action.common.definition.clone();
    match observed {
        Ok(observations) => trace.extend(observations),
        Err(unobservable) => return cannot_observe(unobservable, action, record),
    }
    let unknown = add_upstreams(action, upstreams, &mut trace);
    let Some(record) = record else { return missing(action, trace) };
    let mut reasons = trace::compare(&record.trace, &trace);
    // An upstream that will be rebuilt has no value to compare: it is named as such and not as gone.
    reasons.retain(|r| !(r.kind == ReasonKind::UPSTREAM && unknown.contains(&r.name)));
    reasons.extend(unknown.iter().map(|name| Reason::new(ReasonKind::UPSTREAM, name.clone(), "will be rebuilt")));
    reasons.extend(output_differs(&action.place.path(), &record, output));
    let state = match &reasons[..] {
        [] => State::Fresh,
        // What is published was made from more than there is now: it stands.
        reasons if reasons.iter().any(has_vanished) => State::Orphaned,
        _ => State::Stale,
    };
    Verdict { state, reasons, trace, record: Some(record) }
}

/// Whether a reason is that a whole period of an input, once read, is not there any more.
fn has_vanished(reason: &Reason) -> bool {
    let is_there = |files: &Option<String>| files.as_deref().is_some_and(|f| !f.is_empty() && f != ABSENT);
    reason.kind == ReasonKind::Observed(Kind::Listing) && is_there(&reason.old) && reason.new.as_deref() == Some(ABSENT)
}

fn add_upstreams(action: &Action, upstreams: Upstreams, trace: &mut Vec<Observation>) -> Vec<String> {
    let mut unknown = Vec::new();
    for id in &action.upstreams {
        match upstreams(id) {
            Some(digest) => trace.push(Observation::upstream(id.to_string(), digest)),
            None => unknown.push(id.to_string()),
        }
    }
    unknown
}

fn missing(action: &Action, trace: Vec<Observation>) -> Verdict {
    let word = if action.place.path().exists() { "there is no record of this action in" } else { "nothing is published in" };
    let reason = Reason::new(ReasonKind::Output, word, action.place.directory.clone());
    Verdict { state: State::Missing, reasons: vec![reason], trace, record: None }
}

fn cannot_observe(why: Unobservable, action: &Action, record: Option<Record>) -> Verdict {
    let (state, kind, text) = match why {
        Unobservable::Blocked(text) => (State::Blocked, ReasonKind::Blocked, text),
        Unobservable::Broken(text) => (State::Failed, ReasonKind::Failed, text),
    };
    let reason = Reason::new(kind, action.id.to_string(), text);
    Verdict { state, reasons: vec![reason], trace: vec![], record }
}

/// The first file that is gone, or is not what was written.
pub fn output_differs(directory: &Path, record: &Record, how: OutputCheck) -> Option<Reason> {
    let differs = |file: &&super::record::OutputFile| !is_as_recorded(&directory.join(&file.name), file, how);
    let Some(file) = record.output.files.iter().find(differs) else { return foreign_file(directory, record) };
    let word = if directory.join(&file.name).exists() { "output modified" } else { "output removed" };
    Some(Reason::new(ReasonKind::Output, word, file.name.clone()))
}

/// A file that readers of the directory would see and that nobody recorded.
fn foreign_file(directory: &Path, record: &Record) -> Option<Reason> {
    let recorded: BTreeSet<&str> = record.output.files.iter().map(|f| f.name.as_str()).collect();
    let foreign = visible_files(directory, "").into_iter().find(|name| !recorded.contains(name.as_str()))?;
    Some(Reason::new(ReasonKind::Output, "output modified: not written by daeda:", foreign))
}

/// The files below a directory, whatever their depth, apart from what readers pass over.
fn visible_files(directory: &Path, below: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(['_', '.']) {
            continue;
        }
        match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            true => found.extend(visible_files(&entry.path(), &format!("{below}{name}/"))),
            false => found.push(format!("{below}{name}")),
        }
    }
    found
}

fn is_as_recorded(path: &Path, file: &super::record::OutputFile, how: OutputCheck) -> bool {
    let Ok(metadata) = fs::metadata(path) else { return false };
    if metadata.len() != file.size {
        return false;
    }
    if how == OutputCheck::Stat && modified(&metadata) == file.modified {
        return true;
    }
    file_digest(path).is_ok_and(|digest| digest == file.digest)
}

/// Nanoseconds since the epoch.
pub fn modified(metadata: &fs::Metadata) -> i64 {
    let since = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |d| d.as_nanos() as i64)
}

/// The digest of a file's bytes.
pub fn file_digest(path: &Path) -> std::io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(fs::File::open(path)?)?;
    Ok(Digest::from_bytes(*hasher.finalize().as_bytes()))
}
