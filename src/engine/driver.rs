//! The driver: performs the effects that the plan asks for, several at once.
//!
//! Invariants: an action runs under its output's lock and only after the verdict has been made again there; inputs are observed before it
//! runs and compared after; nothing is published unless both agree.

use super::action::{Action, ActionId};
use super::check::{OutputCheck, Verdict, check, output_differs};
use super::clock::{Clock, rfc3339};
use super::disk::Disk;
use super::event::{Event, Sink, Summary};
use super::execute::{Cancel, Executor, Made, Progress};
use super::failure::{Failure, FailureKind, FailureMemory};
use super::graph::Graph;
use super::lock::{self, Lock};
use super::observation::{Kind, Observation};
use super::plan::{Checked, Outcome, Plan, Step};
use super::publish::{Staging, publish};
use super::record::{Output, Record, Records};
use super::state::{Reason, ReasonKind, State};
use super::survey::recall;
use super::trace;
use super::world::{Look, World};
use crate::digest::{Digest, SCHEME};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::Scope;
use std::time::{Duration, Instant};

/// What the engine works with.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    pub world: &'a dyn World,
    pub records: &'a dyn Records,
    pub executor: &'a dyn Executor,
    pub disk: &'a dyn Disk,
    pub clock: &'a dyn Clock,
    pub sink: &'a dyn Sink,
    pub memory: &'a FailureMemory,
    pub cancel: &'a Cancel,
}

/// How to build.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub keep_going: bool,
    /// Rebuild the targets whatever their state.
    pub force: bool,
    pub retry_failed: bool,
    /// Rebuild also from less than what is published was made of.
    pub allow_missing: bool,
    pub output: OutputCheck,
    /// At most so many actions at once.
    pub jobs: usize,
    /// The envelope that running actions share.
    pub cpus: u64,
    pub memory: u64,
}

/// How a build ended: counts, and the failures that decide the exit code.
#[derive(Debug, Default)]
pub struct Ended {
    pub summary: Summary,
    pub failures: Vec<(ActionId, Failure)>,
    /// Actions that wait for input, with what they wait for.
    pub blocked: Vec<(ActionId, String)>,
    pub interrupted: bool,
}

/// Brings every action of the graph up to date.
pub fn build(graph: &Graph, tools: Tools, options: &Options) -> Ended {
    let start = Instant::now();
    tools.sink.event(&Event::Planned { actions: graph.len() });
    let shared = Shared { graph, tools, options, outputs: Mutex::default(), staging: Mutex::default() };
    let mut ended = std::thread::scope(|scope| Run::new(&shared, scope).finish());
    ended.summary.seconds = start.elapsed().as_secs_f64();
    tools.world.remember();
    if ended.interrupted {
        tools.sink.event(&Event::Interrupted);
    }
    tools.sink.event(&Event::Finished(ended.summary.clone()));
    ended
}

/// What the threads of one build share.
struct Shared<'a> {
    graph: &'a Graph,
    tools: Tools<'a>,
    options: &'a Options,
    /// Output digests of settled actions.
    outputs: Mutex<HashMap<ActionId, Digest>>,
    staging: Mutex<BTreeMap<PathBuf, Arc<Staging>>>,
}

/// How one run of an action ended.
struct Report {
    index: usize,
    result: Result<Ran, Failure>,
    attempts: u64,
}

enum Ran {
    Published(Box<Record>),
    /// Another process had built it meanwhile.
    Found(Digest),
}

struct Run<'s, 'a, 'scope, 'env> {
    shared: &'s Shared<'a>,
    scope: &'scope Scope<'scope, 'env>,
    plan: Plan,
    reports: (mpsc::Sender<Report>, mpsc::Receiver<Report>),
    running: HashMap<usize, (u64, u64)>,
    /// What another process had built by the time its lock was ours.
    found: HashSet<usize>,
    ended: Ended,
}

impl<'s, 'a, 'scope, 'env> Run<'s, 'a, 'scope, 'env>
where
    's: 'scope,
    'a: 'scope,
{
    fn new(shared: &'s Shared<'a>, scope: &'scope Scope<'scope, 'env>) -> Self {
        let plan = Plan::new(shared.graph, shared.options.keep_going);
        let (running, found) = (HashMap::new(), HashSet::new());
        Self { shared, scope, plan, reports: mpsc::channel(), running, found, ended: Ended::default() }
    }

    fn finish(mut self) -> Ended {
        while self.round() {}
        self.count();
        self.ended
    }

    /// Starts all that can be started, then waits for one report. False once everything is settled.
    fn round(&mut self) -> bool {
        if self.shared.tools.cancel.is_requested() && !self.ended.interrupted {
            self.ended.interrupted = true;
            self.plan.stop();
        }
        let mut checks = Vec::new();
        loop {
            match self.plan.step() {
                Step::Check(index) => checks.push(index),
                // Checks first: one of them may be of an older partition, which goes before.
                Step::Run(index) if checks.is_empty() && self.has_room(index) => self.start(index),
                Step::Run(index) => {
                    self.plan.postpone(index);
                    break;
                }
                Step::Wait => break,
                Step::Finished => return false,
            }
        }
        if !checks.is_empty() {
            self.check_all(&checks);
            return true;
        }
        self.wait_for_report();
        true
    }

    /// An op that asks for more than there is runs alone with all of it.
    fn has_room(&self, index: usize) -> bool {
        let (cpus, memory) = self.clamped(index);
        let used = self.running.values().fold((0, 0), |(c, m), (cpus, memory)| (c + cpus, m + memory));
        let options = self.shared.options;
        let fits = used.0 + cpus <= options.cpus && used.1 + memory <= options.memory;
        self.running.len() < options.jobs && (fits || self.running.is_empty())
    }

    fn clamped(&self, index: usize) -> (u64, u64) {
        let wanted = self.shared.graph.actions()[index].resources;
        (wanted.cpus.min(self.shared.options.cpus), wanted.memory.min(self.shared.options.memory))
    }

    fn start(&mut self, index: usize) {
        self.running.insert(index, self.clamped(index));
        let (shared, sender) = (self.shared, self.reports.0.clone());
        self.scope.spawn(move || {
            let (result, attempts) = shared.run(index);
            // The receiver lives until every report is in.
            let _ = sender.send(Report { index, result, attempts });
        });
    }

    fn check_all(&mut self, indices: &[usize]) {
        let shared = self.shared;
        let judged: Vec<(usize, Verdict)> = indices.par_iter().map(|i| (*i, shared.judge(*i, Look::Once))).collect();
        for (index, verdict) in judged {
            let checked = self.decide(index, verdict);
            self.plan.checked(index, checked);
        }
    }

    /// What a verdict means for the plan.
    fn decide(&mut self, index: usize, verdict: Verdict) -> Checked {
        let action = &self.shared.graph.actions()[index];
        let forced = self.shared.options.force && self.shared.graph.targets.contains(&index);
        let sink = self.shared.tools.sink;
        let first = verdict.reasons.first().map(|r| r.detail.clone()).unwrap_or_default();
        match verdict.state {
            State::Fresh if !forced => {
                self.shared.keep_output(action, verdict.output());
                return Checked::Fresh;
            }
            State::Orphaned if !self.shared.options.allow_missing => {
                sink.event(&Event::Warned { action: action.id.clone(), message: orphaned(&verdict) });
                self.shared.keep_output(action, verdict.output());
                return Checked::Fresh;
            }
            State::Blocked => {
                self.ended.blocked.push((action.id.clone(), first.clone()));
                sink.event(&Event::Blocked { action: action.id.clone(), message: first });
                return Checked::Blocked;
            }
            State::Failed if verdict.trace.is_empty() || !self.shared.options.retry_failed => {
                self.fail(action, Failure::permanent(first), 0);
                return Checked::Failed;
            }
            _ => {}
        }
        let mut reasons = verdict.reasons;
        if forced && reasons.is_empty() {
            reasons.push(Reason::new(ReasonKind::Output, "--force", ""));
        }
        sink.event(&Event::Judged { action: action.id.clone(), state: verdict.state, reasons });
        Checked::Run
    }

    fn wait_for_report(&mut self) {
        let Ok(report) = self.reports.1.recv_timeout(Duration::from_millis(100)) else { return };
        self.running.remove(&report.index);
        let action = &self.shared.graph.actions()[report.index];
        self.ended.summary.retried += report.attempts.saturating_sub(1) as usize;
        let well = report.result.is_ok();
        match report.result {
            Ok(Ran::Published(record)) => self.shared.published(action, *record),
            Ok(Ran::Found(digest)) => {
                self.found.insert(report.index);
                self.shared.keep_output(action, Some(digest));
            }
            Err(failure) => self.fail(action, failure, report.attempts),
        }
        self.plan.finished(report.index, well);
    }

    fn fail(&mut self, action: &Action, failure: Failure, attempt: u64) {
        if failure.kind == FailureKind::Interrupted {
            self.ended.interrupted = true;
            self.plan.stop();
        } else {
            let (error, log) = (failure.message.clone(), self.shared.tools.executor.log(action));
            self.shared.tools.sink.event(&Event::Failed { action: action.id.clone(), attempt, error, log });
        }
        self.ended.failures.push((action.id.clone(), failure));
    }

    /// The failed action that a skipped one depends on, if that is why.
    fn failed_below(&self, index: usize) -> Option<usize> {
        let dependencies = self.shared.graph.dependencies(index);
        let failed = dependencies.iter().copied().find(|d| self.plan.outcome(*d) == Some(Outcome::Failed));
        failed.or_else(|| dependencies.into_iter().find_map(|d| self.failed_below(d)))
    }

    fn count(&mut self) {
        for index in 0..self.shared.graph.len() {
            let summary = &mut self.ended.summary;
            match self.plan.outcome(index) {
                Some(Outcome::Built) if !self.found.contains(&index) => summary.built += 1,
                Some(Outcome::Built | Outcome::Fresh) => summary.fresh += 1,
                Some(Outcome::Failed) => summary.failed += 1,
                Some(Outcome::Blocked) => summary.blocked += 1,
                Some(Outcome::Skipped) | None => {
                    summary.skipped += 1;
                    let action = self.shared.graph.actions()[index].id.clone();
                    let because = self.failed_below(index).map(|failed| self.shared.graph.actions()[failed].id.clone());
                    self.shared.tools.sink.event(&Event::Skipped { action, because });
                }
            }
        }
    }
}

impl Shared<'_> {
    fn judge(&self, index: usize, look: Look) -> Verdict {
        let action = &self.graph.actions()[index];
        let upstreams = |id: &ActionId| self.outputs.lock().expect("no thread panics while it holds the outputs").get(id).copied();
        let verdict = check(action, self.tools.world, self.tools.records, &upstreams, self.options.output, look);
        if self.options.retry_failed { verdict } else { recall(action, verdict, self.tools.memory) }
    }

    fn keep_output(&self, action: &Action, output: Option<Digest>) {
        if let Some(digest) = output {
            self.outputs.lock().expect("no thread panics while it holds the outputs").insert(action.id.clone(), digest);
        }
    }

    fn published(&self, action: &Action, record: Record) {
        self.keep_output(action, Some(record.output.digest));
        let (seconds, peak_memory, metadata) = (record.seconds, record.peak_memory, record.metadata);
        self.tools.sink.event(&Event::Published { action: action.id.clone(), seconds, peak_memory, metadata });
    }

    /// Runs an action to its end: lock, verdict, attempts.
    fn run(&self, index: usize) -> (Result<Ran, Failure>, u64) {
        let action = &self.graph.actions()[index];
        let mut look = Look::Once;
        let waiting = || {
            look = Look::Again;
            self.tools.sink.event(&Event::WaitingForLock { action: action.id.clone() });
        };
        let cancelled = || self.tools.cancel.is_requested();
        let lock = match Lock::take(&lock::path_of(action), waiting, &cancelled) {
            Ok(Some(lock)) => lock,
            Ok(None) => return (Err(Failure::new(FailureKind::Interrupted, "interrupted")), 1),
            Err(error) => return (Err(Failure::io(&format!("cannot lock the output in {}", action.place.root.display()), &error)), 1),
        };
        let verdict = match self.judge_again(index, look) {
            Ok(verdict) => verdict,
            Err(failure) => return (Err(failure), 1),
        };
        let forced = self.options.force && self.graph.targets.contains(&index);
        let stands = match verdict.state {
            State::Fresh => !forced,
            state => state == State::Orphaned && !self.options.allow_missing,
        };
        if let (true, Some(digest)) = (stands, verdict.output()) {
            return (Ok(Ran::Found(digest)), 1);
        }
        let result = self.attempts(index, verdict.trace);
        drop(lock);
        result
    }

    /// The verdict on an action that is about to run. What can be observed no more cannot be run on.
    fn judge_again(&self, index: usize, look: Look) -> Result<Verdict, Failure> {
        let verdict = self.judge(index, look);
        let why = || verdict.reasons.first().map(|r| r.detail.clone()).unwrap_or_default();
        match verdict.state {
            State::Blocked => Err(Failure::transient(why())),
            State::Failed if verdict.trace.is_empty() => Err(Failure::permanent(why())),
            _ => Ok(verdict),
        }
    }

    fn attempts(&self, index: usize, mut trace: Vec<Observation>) -> (Result<Ran, Failure>, u64) {
        let action = &self.graph.actions()[index];
        let mut attempt = 1;
        loop {
            self.tools.sink.event(&Event::Started { action: action.id.clone(), attempt });
            let failure = match self.attempt(action, &trace, attempt) {
                Ok(record) => {
                    self.tools.memory.forget(&action.id);
                    return (Ok(Ran::Published(Box::new(record))), attempt);
                }
                Err(failure) => failure,
            };
            if failure.kind != FailureKind::Transient || attempt > action.retry.times {
                // What failed on inputs that have changed meanwhile says nothing about those that were judged.
                let lasts = matches!(failure.kind, FailureKind::Permanent | FailureKind::Transient);
                if lasts && self.unchanged(action, &trace).is_ok() {
                    self.tools.memory.remember(&action.id, trace::digest(&trace), &failure.message);
                }
                return (Err(failure), attempt);
            }
            let delay = action.retry.delay(attempt, rand::random());
            let error = failure.message;
            self.tools.sink.event(&Event::Retrying { action: action.id.clone(), attempt, error, delay: delay as f64 / 1e3 });
            if !self.sleep(delay) {
                return (Err(Failure::new(FailureKind::Interrupted, "interrupted")), attempt);
            }
            // An input that has changed meanwhile is what the next attempt is about.
            trace = match self.judge_again(index, Look::Again) {
                Ok(verdict) => verdict.trace,
                Err(failure) => return (Err(failure), attempt),
            };
            attempt += 1;
        }
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

    fn attempt(&self, action: &Action, trace: &[Observation], attempt: u64) -> Result<Record, Failure> {
        let start = Instant::now();
        let staging = self.staging(&action.place.root).map_err(|e| Failure::io("cannot stage the output", &e))?;
        let staged = staging.create(self.tools.disk).map_err(|e| Failure::io("cannot stage the output", &e))?;
        let result = self.make(action, &staged).and_then(|made| {
            self.unchanged(action, trace)?;
            let seconds = start.elapsed().as_secs_f64();
            self.publish(action, &staged, trace, made, (attempt, seconds))
        });
        if result.is_err() {
            let _ = self.tools.disk.remove_tree(&staged);
        }
        result
    }

    fn make(&self, action: &Action, staged: &Path) -> Result<Made, Failure> {
        let progress = |p: Progress| {
            let action = action.id.clone();
            self.tools.sink.event(&Event::Progress { action, message: p.message, done: p.done, total: p.total });
        };
        let made = self.tools.executor.run(action, staged, self.tools.cancel, &progress)?;
        for message in &made.warnings {
            self.tools.sink.event(&Event::Warned { action: action.id.clone(), message: message.clone() });
        }
        Ok(made)
    }

    /// An input that changed while the op ran makes the attempt void: nothing false is recorded.
    fn unchanged(&self, action: &Action, before: &[Observation]) -> Result<(), Failure> {
        let observed = self.tools.world.observe(&action.requests, Look::Again);
        let now = observed.map_err(|_| Failure::transient("an input vanished while the op ran"))?;
        let data: Vec<Observation> = before.iter().filter(|o| is_of_world(action, o)).cloned().collect();
        if let Some(reason) = trace::compare(&data, &now).first() {
            return Err(Failure::transient(format!("input changed while the op ran: {reason}")));
        }
        action.upstreams.iter().try_for_each(|id| self.upstream_unchanged(id))
    }

    /// The output that an upstream had when it was judged is still the one that lies there.
    fn upstream_unchanged(&self, id: &ActionId) -> Result<(), Failure> {
        let Some(upstream) = self.graph.index_of(id).map(|index| &self.graph.actions()[index]) else { return Ok(()) };
        let known = self.outputs.lock().expect("no thread panics while it holds the outputs").get(id).copied();
        let place = upstream.place.path();
        let record = self.tools.records.read(&place).filter(|r| r.is_of(upstream) && Some(r.output.digest) == known);
        let same = record.is_some_and(|r| output_differs(&place, &r, self.options.output).is_none());
        if same { Ok(()) } else { Err(Failure::transient(format!("input changed while the op ran: the output of {id}"))) }
    }

    fn publish(&self, action: &Action, staged: &Path, trace: &[Observation], made: Made, run: (u64, f64)) -> Result<Record, Failure> {
        let record = Record {
            scheme: SCHEME,
            action: action.id.clone(),
            trace: trace.to_vec(),
            output: Output::new(made.files),
            metadata: made.metadata,
            finished: rfc3339(self.tools.clock.now()),
            seconds: run.1,
            attempts: run.0,
            peak_memory: made.peak_memory,
        };
        self.tools.records.write(staged, &record).map_err(|e| Failure::io("cannot write the record", &e))?;
        let target = action.place.path();
        if target.is_dir() && !self.tools.records.is_ours(&target) {
            let hint = "move it away, or publish elsewhere with output=\"…\"";
            return Err(Failure::permanent(format!("{} holds files that daeda did not write; {hint}", target.display())));
        }
        let published = publish(staged, &action.place, self.tools.disk);
        published.map_err(|e| Failure::io(&format!("cannot publish to {}", action.place.path().display()), &e))?;
        Ok(record)
    }

    fn staging(&self, root: &Path) -> std::io::Result<Arc<Staging>> {
        let mut open = self.staging.lock().expect("no thread panics while it holds the staging directories");
        if let Some(staging) = open.get(root) {
            return Ok(staging.clone());
        }
        let staging = Arc::new(Staging::open(root, self.tools.disk)?);
        open.insert(root.into(), staging.clone());
        Ok(staging)
    }
}

/// What is said of a partition that stands although it could be built anew from less.
fn orphaned(verdict: &Verdict) -> String {
    let gone = verdict.reasons.iter().find(|r| r.kind == ReasonKind::Observed(Kind::Listing)).map(|r| format!("{} {}", r.name, r.detail));
    let gone = gone.unwrap_or_else(|| "an input".into());
    format!("orphaned: {gone} is gone; what is published stands (--allow-missing rebuilds it from what is left)")
}

/// Whether an observation came from a request, rather than from the definition or an upstream.
fn is_of_world(action: &Action, observation: &Observation) -> bool {
    observation.kind != Kind::Upstream && !action.common.definition.contains(observation)
}
