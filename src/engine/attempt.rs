//! One action brought to its end: under its output's lock, attempt by attempt, until something is published or given up.
//!
//! Knows nothing of the plan. Invariants: an action runs under its output's lock and only after the verdict has been made again there;
//! inputs are observed before it runs and compared after; nothing is published unless both agree.

use super::action::{Action, ActionId, Input, Job};
use super::check::{Eyes, Verdict, output_differs};
use super::clock::rfc3339;
use super::decision::Decision;
use super::driver::{Options, Tools};
use super::envelope::Slot;
use super::event::{Event, Phase};
use super::execute::{Made, Progress};
use super::failure::{Failure, FailureKind, Past};
use super::graph::Graph;
use super::judge::Judge;
use super::lock::{self, Lock};
use super::observation::{Kind, Observation};
use super::publish::publish;
use super::record::{Output, Record, SCHEME};
use super::staging::Staging;
use super::state::State;
use super::trace;
use super::world::{Detail, Look, Unobservable};
use crate::digest::Digest;
use crate::digest::key::Table;
use crate::stat::Near;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What the threads of one build share.
pub(super) struct Shared<'a> {
    pub(super) graph: &'a Graph,
    pub(super) tools: Tools<'a>,
    pub(super) options: &'a Options,
    /// Output digests of settled actions, by the keys of their names.
    outputs: Mutex<Table<Digest>>,
    staging: Mutex<BTreeMap<PathBuf, Arc<Staging<'a>>>>,
}

/// How an action came to its end.
pub(super) enum Ran {
    Published(Box<Record>),
    /// Another process had built it meanwhile.
    Found(Digest),
}

impl<'a> Shared<'a> {
    pub(super) fn new(graph: &'a Graph, tools: Tools<'a>, options: &'a Options) -> Self {
        Self { graph, tools, options, outputs: Mutex::default(), staging: Mutex::default() }
    }

    fn outputs(&self) -> MutexGuard<'_, Table<Digest>> {
        self.outputs.lock().expect("no thread panics while it holds the outputs")
    }

    pub(super) fn judge(&self, index: usize, look: Look, near: &mut Near) -> Verdict {
        let action = &self.graph.actions()[index];
        self.judging().verdict(action, &|at| self.output_of(&action.upstreams[at]), look, near)
    }

    pub(super) fn judging(&self) -> Judge<'a> {
        let Tools { clock, memory, .. } = self.tools;
        Judge { eyes: self.eyes(), clock, memory, retry_failed: self.options.permits.retry_failed }
    }

    fn eyes(&self) -> Eyes<'a> {
        let Tools { world, records, index, .. } = self.tools;
        Eyes { world, records, index, output: self.options.output, evidence: false }
    }

    fn output_of(&self, id: &ActionId) -> Option<Digest> {
        self.outputs().get(&id.table_key()).copied()
    }

    pub(super) fn keep_output(&self, action: &Action, output: Option<Digest>) {
        if let Some(digest) = output {
            self.outputs().insert(action.id.table_key(), digest);
        }
    }

    pub(super) fn published(&self, action: &Action, record: Record) {
        self.keep_output(action, Some(record.output.digest));
        let (seconds, peak_memory, metadata) = (record.seconds, record.peak_memory, record.metadata);
        self.tools.sink.event(&Event::Published { action: action.id.clone(), seconds, peak_memory, metadata });
    }

    /// Runs an action to its end. While it waits, for the lock or for its next attempt, others have its room.
    pub(super) fn run(&self, index: usize, slot: &mut Slot) -> (Result<Ran, Failure>, u64) {
        let action = &self.graph.actions()[index];
        let ended = self.bring(index, slot);
        self.tools.sink.phase(action, Phase::Ended { well: ended.0.is_ok() });
        ended
    }

    /// Lock, verdict, attempts.
    fn bring(&self, index: usize, slot: &mut Slot) -> (Result<Ran, Failure>, u64) {
        let action = &self.graph.actions()[index];
        self.tools.sink.phase(action, Phase::Waiting);
        let mut look = Look::Once;
        let waiting = || {
            look = Look::Again;
            slot.release();
            self.tools.sink.event(&Event::WaitingForLock { action: action.id.clone() });
        };
        let cancelled = || self.tools.cancel.is_requested();
        let lock = match Lock::take(&lock::path_of(action), self.tools.disk, waiting, &cancelled) {
            Ok(Some(lock)) => lock,
            Ok(None) => return (Err(Failure::new(FailureKind::Interrupted, "interrupted")), 1),
            Err(error) => return (Err(Failure::io(&format!("cannot lock the output in {}", action.place.root.display()), &error)), 1),
        };
        if !slot.acquire(&cancelled) {
            return (Err(Failure::new(FailureKind::Interrupted, "interrupted")), 1);
        }
        self.tools.sink.phase(action, Phase::Observing);
        let verdict = match self.judge_again(index, look) {
            Ok(verdict) => verdict,
            Err(failure) => return (Err(failure), 1),
        };
        let decision = self.options.permits.decide(self.graph, index, &verdict);
        if let (Decision::Stand, Some(digest), None) = (decision, verdict.output, &verdict.cleaned) {
            return (Ok(Ran::Found(digest)), 1);
        }
        self.attempts(index, verdict, &lock, slot)
    }

    /// The verdict on an action that is about to run. What can be observed no more cannot be run on.
    fn judge_again(&self, index: usize, look: Look) -> Result<Verdict, Failure> {
        let verdict = self.judge(index, look, &mut Near::default());
        let why = || verdict.reasons.first().map(|r| r.detail.clone()).unwrap_or_default();
        match verdict.state {
            State::Blocked => Err(Failure::transient(why())),
            State::Failed if verdict.trace.is_none() => Err(Failure::permanent(why())),
            _ => Ok(verdict),
        }
    }

    fn attempts(&self, index: usize, mut verdict: Verdict, lock: &Lock, slot: &mut Slot) -> (Result<Ran, Failure>, u64) {
        let action = &self.graph.actions()[index];
        let mut attempt = 1;
        loop {
            let trace = match self.eyes().whole_trace(action, &|at| self.output_of(&action.upstreams[at]), Look::Once) {
                Ok(trace) => trace,
                Err(why) => return (Err(unobservable(why)), attempt),
            };
            self.tools.sink.event(&Event::Started { action: action.id.clone(), attempt });
            let failure = match self.attempt(action, trace.clone(), attempt, lock) {
                Ok(record) => {
                    self.tools.memory.forget(&action.id);
                    return (Ok(Ran::Published(Box::new(record))), attempt);
                }
                Err(failure) => failure,
            };
            let is_over = |failure: &Failure| failure.kind != FailureKind::Transient || attempt > action.common.retry.times;
            let is_worth_a_look = is_over(&failure) && failure.kind != FailureKind::Interrupted;
            let changed = if is_worth_a_look { self.unchanged(action, &trace).err() } else { None };
            let failure = changed.iter().fold(failure, Failure::excused);
            if is_over(&failure) {
                // What failed on inputs that have changed meanwhile says nothing about those that were judged.
                if changed.is_none() {
                    self.remember(action, &verdict, &failure, attempt);
                }
                return (Err(failure), attempt);
            }
            let delay = action.common.retry.delay(attempt, rand::random());
            let error = failure.message;
            self.tools.sink.event(&Event::Retrying { action: action.id.clone(), attempt, error, delay: delay as f64 / 1e3 });
            self.tools.sink.phase(action, Phase::Pausing);
            slot.release();
            if !self.sleep(delay) || !slot.acquire(&|| self.tools.cancel.is_requested()) {
                return (Err(Failure::new(FailureKind::Interrupted, "interrupted")), attempt);
            }
            self.tools.sink.phase(action, Phase::Observing);
            // An input that has changed meanwhile is what the next attempt is about.
            verdict = match self.judge_again(index, Look::Again) {
                Ok(verdict) => verdict,
                Err(failure) => return (Err(failure), attempt),
            };
            attempt += 1;
        }
    }

    fn remember(&self, action: &Action, verdict: &Verdict, failure: &Failure, attempts: u64) {
        let lasts = matches!(failure.kind, FailureKind::Permanent | FailureKind::Trespass | FailureKind::Transient);
        let Some(trace) = verdict.trace.filter(|_| lasts) else { return };
        let Failure { message, log, .. } = failure.clone();
        self.tools.memory.remember(action, trace, Past { message, attempts, at: rfc3339(self.tools.clock.now()), log });
    }

    /// Sleeps in small steps; false if the build is to stop.
    fn sleep(&self, millis: u64) -> bool {
        let mut left = millis;
        while left > 0 && !self.tools.cancel.is_requested() {
            let step = left.min(100);
            self.tools.clock.sleep(Duration::from_millis(step));
            left -= step;
        }
        !self.tools.cancel.is_requested()
    }

    fn attempt(&self, action: &Action, mut trace: Vec<Observation>, attempt: u64, lock: &Lock) -> Result<Record, Failure> {
        let start = Instant::now();
        let staging = self.staging(&action.place.root).map_err(|e| Failure::io("cannot stage the output", &e))?;
        let staged = staging.create().map_err(|e| Failure::io("cannot stage the output", &e))?;
        let enter = |phase| self.tools.sink.phase(action, phase);
        enter(Phase::Running);
        let there = action.upstreams.iter().try_for_each(|id| self.upstream_unchanged(id));
        let result = there.and_then(|()| self.make(action, &staged)).and_then(|made| {
            enter(Phase::Comparing);
            self.unchanged(action, &trace)?;
            self.tools.world.discover(action, &staged, &made.seen, &mut trace).map_err(unobservable)?;
            let seconds = start.elapsed().as_secs_f64();
            let record = self.record(action, trace, made, (attempt, seconds));
            enter(Phase::Publishing);
            self.publish(action, &staged, record, lock)
        });
        if result.is_err() {
            let _ = self.tools.disk.remove_tree(&staged);
        }
        result
    }

    fn make(&self, action: &Action, staged: &Path) -> Result<Made, Failure> {
        let progress = |progress: Progress| {
            let action = action.id.clone();
            match progress {
                Progress::Step { message, done, total, unit } => {
                    self.tools.sink.event(&Event::Progress { action, message, done, total, unit });
                }
                Progress::Said(line) => self.tools.sink.event(&Event::Said { action, line }),
                Progress::Checked(result) => self.tools.sink.event(&Event::Checked { action, result }),
                Progress::Running(_) | Progress::Logged(_) => {}
            }
        };
        let input = |up: &Action| Input { id: up.id.clone(), rule: up.common.rule.clone(), path: up.place.path() };
        let inputs = action.upstreams.iter().filter_map(|id| self.graph.get(id)).map(input).collect();
        let resolved = self.tools.world.resolved(action);
        let job = Job { action: action.clone(), staging: staged.into(), inputs, resolved };
        let made = self.tools.executor.run(&job, self.tools.cancel, &progress)?;
        for message in &made.warnings {
            self.tools.sink.event(&Event::Warned { action: action.id.clone(), message: message.clone() });
        }
        Ok(made)
    }

    /// An input that changed while the op ran makes the attempt void: nothing false is recorded.
    fn unchanged(&self, action: &Action, before: &[Observation]) -> Result<(), Failure> {
        let now = match self.tools.world.observe(action, Look::Again, Detail::Values) {
            Ok(now) | Err(Unobservable::Absent { left: Some(now), .. }) => now,
            Err(_) => return Err(Failure::transient("an input vanished while the op ran")),
        };
        let data: Vec<Observation> = before.iter().filter(|o| !o.kind.is_declared() && o.kind != Kind::Upstream).cloned().collect();
        if let Some(reason) = trace::compare(&data, &now).first() {
            return Err(Failure::transient(format!("input changed while the op ran: {reason}")));
        }
        action.upstreams.iter().try_for_each(|id| self.upstream_unchanged(id))
    }

    /// The output that an upstream had when it was judged is still the one that lies there.
    fn upstream_unchanged(&self, id: &ActionId) -> Result<(), Failure> {
        let Some(upstream) = self.graph.get(id) else { return Ok(()) };
        let known = self.output_of(id);
        let place = upstream.place.path();
        let record = self.tools.records.read(&place).filter(|r| r.is_of(upstream) && Some(r.output.digest) == known);
        if let Some(time) = record.as_ref().and_then(|r| r.cleaned.as_ref()) {
            return Err(Failure::transient(format!("the output of {id} was cleaned meanwhile ({time}); build again")));
        }
        let same = record.is_some_and(|r| output_differs(&place, &r, self.options.output).is_none());
        if same { Ok(()) } else { Err(Failure::transient(format!("input changed while the op ran: the output of {id}"))) }
    }

    fn record(&self, action: &Action, trace: Vec<Observation>, made: Made, run: (u64, f64)) -> Record {
        Record {
            scheme: SCHEME,
            action: action.id.clone(),
            trace,
            output: Output::new(made.files),
            metadata: made.metadata,
            finished: rfc3339(self.tools.clock.now()),
            seconds: run.1,
            attempts: run.0,
            peak_memory: made.peak_memory,
            cleaned: None,
        }
    }

    fn publish(&self, action: &Action, staged: &Path, record: Record, lock: &Lock) -> Result<Record, Failure> {
        self.tools.records.write(staged, &record, self.tools.disk).map_err(|e| Failure::io("cannot write the record", &e))?;
        let target = action.place.path();
        if target.is_dir() && !self.tools.records.is_ours(&target) {
            let hint = "move it away, or publish elsewhere with output=\"…\"";
            let message = format!("{} holds files that daeda did not write; {hint}", target.display());
            // Nobody observes that they are there, so nothing would forget it.
            return Err(Failure::new(FailureKind::Environment, message));
        }
        let published = publish(staged, &action.place, lock, self.tools.disk);
        published.map_err(|e| Failure::io(&format!("cannot publish to {}", action.place.path().display()), &e))?;
        Ok(record)
    }

    fn staging(&self, root: &Path) -> std::io::Result<Arc<Staging<'a>>> {
        let mut open = self.staging.lock().expect("no thread panics while it holds the staging directories");
        if let Some(staging) = open.get(root) {
            return Ok(staging.clone());
        }
        let staging = Arc::new(Staging::open(root, self.tools.disk)?);
        open.insert(root.into(), staging.clone());
        Ok(staging)
    }
}

/// What could be observed a moment ago and cannot be now may come back.
fn unobservable(why: Unobservable) -> Failure {
    match why {
        Unobservable::Blocked(text) | Unobservable::Absent { why: text, .. } => Failure::transient(text),
        Unobservable::Broken(text) => Failure::permanent(text),
    }
}
