//! The verdict on one action: fresh if and only if what was recorded equals what is observed now and the output is what the record says.
//!
//! Invariant: verdict and reasons come from the same comparison. Nothing here runs or changes anything.

use super::action::Action;
use super::failure::Past;
use super::index::{Known, TraceDigest, TraceIndex};
use super::nesting;
use super::observation::{ABSENT, Kind, Observation};
use super::record::{self, OutputFile, Record, Records};
use super::state::{Reason, ReasonKind, State};
use super::trace;
use super::world::{Detail, Look, Unobservable, World};
use crate::digest::Digest;
use crate::stat::Near;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// What is known of an upstream's output, by its position among those of the action: its digest, or nothing yet because it will be rebuilt.
pub type Upstreams<'a> = &'a (dyn Fn(usize) -> Option<Digest> + Sync);

/// How outputs are compared with their records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutputCheck {
    /// Sizes and times; contents where times differ.
    #[default]
    Stat,
    /// Contents, always.
    Hash,
}

/// What a verdict is made with.
#[derive(Clone, Copy)]
pub struct Eyes<'a> {
    pub world: &'a dyn World,
    pub records: &'a dyn Records,
    pub index: &'a TraceIndex,
    pub output: OutputCheck,
    /// Whether verdicts carry their evidence, to be explained. Then every record is read.
    pub evidence: bool,
}

#[derive(Debug, Clone)]
pub struct Verdict {
    pub state: State,
    pub reasons: Vec<Reason>,
    /// Of what is observed now; none where that was not possible.
    pub trace: Option<TraceDigest>,
    /// Of what is published under a record that is trusted.
    pub output: Option<Digest>,
    /// When the data of that output was cleaned away.
    pub cleaned: Option<String>,
    /// A check of what is published has failed that only warns.
    pub warned: bool,
    /// What failed under just this trace, where that is why.
    pub failure: Option<Box<Past>>,
    /// Where it was asked for.
    pub evidence: Option<Box<Evidence>>,
}

/// What a verdict was made from: both sides of its comparison.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// What is observed now, with values; the definition stands in the action.
    pub observations: Vec<Observation>,
    pub record: Option<Record>,
}

impl Verdict {
    /// A verdict that nothing further is known of.
    pub fn of(state: State, reasons: Vec<Reason>) -> Self {
        Self { state, reasons, trace: None, output: None, cleaned: None, warned: false, failure: None, evidence: None }
    }

    /// Whether a cleaned output would be another one today, as far as that can be known.
    pub fn is_stale(&self) -> bool {
        matches!(self.state, State::Stale | State::Missing | State::Failed)
    }
}

/// What an action would be made of now.
struct Seen {
    observations: Vec<Observation>,
    /// Upstreams that will be rebuilt, so that nobody knows their outputs yet.
    unknown: Vec<String>,
    /// What is required and is not there: the observations are of what is left.
    lost: Option<String>,
}

impl Eyes<'_> {
    /// Judges one action whose upstreams are settled.
    pub fn check(&self, action: &Action, upstreams: Upstreams, look: Look, near: &mut Near) -> Verdict {
        let seen = match self.see(action, upstreams, look, Detail::Digests) {
            Ok(seen) => seen,
            Err(why) => return self.cannot_observe(why, action, &action.place.path()),
        };
        let now = TraceDigest { definition: action.common.definition_digest(), data: trace::digest_of(&seen.observations) };
        if seen.unknown.is_empty()
            && let Some(Known { output, cleaned, warned }) = self.indexed(action, now, near)
        {
            return Verdict { trace: Some(now), output: Some(output), cleaned, warned, ..Verdict::of(State::Fresh, vec![]) };
        }
        let directory = action.place.path();
        match self.record(action, &directory) {
            Some(record) => self.check_record(action, &directory, record, upstreams, look, now),
            None => self.missing(action, &directory, seen, now),
        }
    }

    /// What the index knows of an action that is fresh by it, so that its record need not be opened.
    fn indexed(&self, action: &Action, now: TraceDigest, near: &mut Near) -> Option<Known> {
        let may = !self.evidence && self.output == OutputCheck::Stat;
        may.then(|| self.index.known(action, now, near)).flatten()
    }

    /// Everything an action is made of, with values: what its record will say.
    pub fn whole_trace(&self, action: &Action, upstreams: Upstreams, look: Look) -> Result<Vec<Observation>, Unobservable> {
        let seen = self.see(action, upstreams, look, Detail::Values)?;
        Ok([action.common.definition.clone(), seen.observations].concat())
    }

    fn see(&self, action: &Action, upstreams: Upstreams, look: Look, detail: Detail) -> Result<Seen, Unobservable> {
        let (mut observations, lost) = match self.world.observe(action, look, detail) {
            Ok(observations) => (observations, None),
            Err(Unobservable::Absent { why, left: Some(left) }) => (left, Some(why)),
            Err(why) => return Err(why),
        };
        let mut unknown = Vec::new();
        for (position, id) in action.upstreams.iter().enumerate() {
            match upstreams(position) {
                Some(digest) => observations.push(Observation::upstream(id.to_string(), digest)),
                None => unknown.push(id.to_string()),
            }
        }
        Ok(Seen { observations, unknown, lost })
    }

    fn record(&self, action: &Action, directory: &Path) -> Option<Record> {
        let record = self.records.read(directory).filter(|r| r.is_of(action))?;
        Some(if record.scheme < record::SCHEME { self.world.upgrade(action, record) } else { record })
    }

    /// The verdict by the record itself, with its reasons.
    fn check_record(
        &self,
        action: &Action,
        directory: &Path,
        record: Record,
        upstreams: Upstreams,
        look: Look,
        now: TraceDigest,
    ) -> Verdict {
        let is_same =
            !self.evidence && record.trace_digest() == now && (0..action.upstreams.len()).all(|position| upstreams(position).is_some());
        if is_same && output_differs(directory, &record, self.output).is_none() {
            // Nothing differs, so that nothing need be explained.
            self.index.keep(action, directory, self.records.file_name(directory), &record, now.data);
            let warned = record.is_warned();
            let (output, cleaned) = (Some(record.output.digest), record.cleaned);
            return Verdict { trace: Some(now), output, cleaned, warned, ..Verdict::of(State::Fresh, vec![]) };
        }
        let seen = match self.see(action, upstreams, look, Detail::Values) {
            Ok(seen) => seen,
            Err(why) => return self.cannot_observe(why, action, directory),
        };
        let mut reasons = match self.differences(action, &record, &seen) {
            Ok(reasons) => reasons,
            Err(why) => return self.cannot_observe(why, action, directory),
        };
        let differs = output_differs(directory, &record, self.output);
        if reasons.is_empty() && differs.is_none() {
            self.index.keep(action, directory, self.records.file_name(directory), &record, now.data);
        }
        let stands = !differs.as_ref().is_some_and(is_removed);
        reasons.extend(differs);
        let state = match &reasons[..] {
            [] => State::Fresh,
            // Nothing stands any more that it could be made from as it was.
            _ if seen.lost.is_some() && !stands => State::Blocked,
            // What is published was made from more than there is now: it stands.
            reasons if stands && (seen.lost.is_some() || reasons.iter().any(has_vanished)) => State::Orphaned,
            _ => State::Stale,
        };
        if let (State::Orphaned | State::Blocked, Some(why)) = (state, seen.lost) {
            reasons.insert(0, Reason::new(ReasonKind::Blocked, action.id.to_string(), why));
        }
        let (output, cleaned) = (Some(record.output.digest), record.cleaned.clone());
        Verdict {
            trace: Some(now),
            output,
            cleaned,
            warned: record.is_warned(),
            evidence: self.evidence(seen.observations, Some(record)),
            ..Verdict::of(state, reasons)
        }
    }

    fn evidence(&self, observations: Vec<Observation>, record: Option<Record>) -> Option<Box<Evidence>> {
        self.evidence.then(|| Box::new(Evidence { observations, record }))
    }

    /// What differs from a record, contents compared where tokens differ.
    fn differences(&self, action: &Action, record: &Record, seen: &Seen) -> Result<Vec<Reason>, Unobservable> {
        let now = [action.common.definition.clone(), seen.observations.clone()].concat();
        let mut broken = None;
        let mut refine = |then: &Observation, now: &Observation| match self.world.refine(action, then, now) {
            Ok(Some(reasons)) => Some(reasons),
            Ok(None) => Some(trace::differences(then, now)),
            Err(why) => {
                broken = Some(why);
                None
            }
        };
        let mut reasons = trace::compare_refining(&record.trace, &now, &mut refine);
        if let Some(why) = broken {
            return Err(why);
        }
        // An upstream that will be rebuilt has no value to compare: it is named as such and not as gone.
        reasons.retain(|r| !(r.kind == ReasonKind::UPSTREAM && seen.unknown.contains(&r.name)));
        // One that was rebuilt since to another result is a cause that nothing explains further.
        reasons.iter_mut().filter(|r| r.kind == ReasonKind::UPSTREAM).for_each(|r| r.root = true);
        reasons.extend(not_fresh(&seen.unknown));
        Ok(reasons)
    }

    fn cannot_observe(&self, why: Unobservable, action: &Action, directory: &Path) -> Verdict {
        let record = self.record(action, directory);
        let stands = || record.as_ref().is_some_and(|record| output_differs(directory, record, self.output).is_none());
        let (state, kind, text) = match why {
            Unobservable::Blocked(text) => (State::Blocked, ReasonKind::Blocked, text),
            // What was made from it once, and is still there, stands.
            Unobservable::Absent { why, .. } if stands() => (State::Orphaned, ReasonKind::Blocked, why),
            Unobservable::Absent { why, .. } => (State::Blocked, ReasonKind::Blocked, why),
            Unobservable::Broken(text) => (State::Failed, ReasonKind::Failed, text),
        };
        let reason = Reason::new(kind, action.id.to_string(), text);
        let output = record.as_ref().map(|r| r.output.digest);
        let cleaned = record.as_ref().and_then(|r| r.cleaned.clone());
        Verdict { output, cleaned, evidence: self.evidence(vec![], record), ..Verdict::of(state, vec![reason]) }
    }

    /// Nothing is published that could be trusted.
    fn missing(&self, action: &Action, directory: &Path, seen: Seen, now: TraceDigest) -> Verdict {
        let said = |kind, text| vec![Reason::new(kind, action.id.to_string(), text)];
        // What a newer version has published is not ours to replace.
        if let Some(scheme) = self.records.scheme(directory).filter(|scheme| *scheme > record::SCHEME) {
            return Verdict::of(State::Failed, said(ReasonKind::Failed, newer(directory, scheme)));
        }
        if let Some(why) = seen.lost {
            return Verdict::of(State::Blocked, said(ReasonKind::Blocked, why));
        }
        if let Some(why) = nesting::conflict(action, self.records) {
            return Verdict::of(State::Failed, said(ReasonKind::Failed, why));
        }
        let word = if directory.exists() { "there is no record of this action in" } else { "nothing is published in" };
        let reason = Reason::new(ReasonKind::Output, word, action.place.directory.clone());
        let reasons = std::iter::once(reason).chain(not_fresh(&seen.unknown)).collect();
        Verdict { trace: Some(now), evidence: self.evidence(seen.observations, None), ..Verdict::of(State::Missing, reasons) }
    }
}

/// Upstreams whose outputs nobody knows yet. Whoever knows their states says them.
fn not_fresh(unknown: &[String]) -> impl Iterator<Item = Reason> + '_ {
    unknown.iter().map(|name| Reason::new(ReasonKind::UPSTREAM, name.clone(), "not fresh"))
}

/// Whether a reason is that a whole period of an input, once read, is not there any more.
fn has_vanished(reason: &Reason) -> bool {
    let is_there = |files: &Option<String>| files.as_deref().is_some_and(|f| !f.is_empty() && f != ABSENT);
    reason.kind == ReasonKind::Observed(Kind::Listing) && is_there(&reason.old) && reason.new.as_deref() == Some(ABSENT)
}

fn newer(directory: &Path, scheme: u32) -> String {
    let hint = "use that version, or move the directory away";
    format!("{} was written by a newer daeda (records of scheme {scheme}); {hint}", directory.display())
}

const REMOVED: &str = "output removed";

/// Whether a reason is that some of the output is gone.
fn is_removed(reason: &Reason) -> bool {
    reason.kind == ReasonKind::Output && reason.name == REMOVED
}

/// The first file that is gone, or is not what was written.
pub fn output_differs(directory: &Path, record: &Record, how: OutputCheck) -> Option<Reason> {
    if record.cleaned.is_some() {
        return foreign_file(directory, &[]);
    }
    let differs = |file: &&OutputFile| !is_as_recorded(&directory.join(&file.name), file, how);
    let Some(file) = record.output.files.iter().find(differs) else { return foreign_file(directory, &record.output.files) };
    let word = if directory.join(&file.name).exists() { "output modified" } else { REMOVED };
    Some(Reason::new(ReasonKind::Output, word, file.name.clone()))
}

/// A file that readers of the directory would see and that nobody recorded.
fn foreign_file(directory: &Path, files: &[OutputFile]) -> Option<Reason> {
    let recorded: BTreeSet<&str> = files.iter().map(|f| f.name.as_str()).collect();
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

fn is_as_recorded(path: &Path, file: &OutputFile, how: OutputCheck) -> bool {
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
