//! The driver: performs the effects that the plan asks for, several at once, and counts how they ended.
//!
//! Knows nothing of how an action runs (see `attempt`). Invariants: what runs has been admitted by the envelope, which `-j` is a part of; every
//! action ends counted.

use super::action::{Action, ActionId, Name};
use super::attempt::{Ran, Shared};
use super::check::{OutputCheck, Verdict};
use super::clock::Clock;
use super::decision::{Decision, Permits};
use super::disk::Disk;
use super::envelope::ledger::{Claim, Limits};
use super::envelope::{Envelope, Slot, Wanted};
use super::event::{Event, Sink, Summary};
use super::execute::{Cancel, Executor};
use super::failure::{Failure, FailureKind, FailureMemory};
use super::graph::Graph;
use super::hashing::{Hashed, watched};
use super::index::TraceIndex;
use super::plan::{Checked, Outcome, Plan, Step};
use super::record::Records;
use super::staging;
use super::state::{Reason, ReasonKind, State};
use super::survey::survey;
use super::world::{Look, World};
use crate::stat::Near;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::mpsc;
use std::thread::Scope;
use std::time::{Duration, Instant};

/// What the engine works with.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    pub world: &'a dyn World,
    pub records: &'a dyn Records,
    pub index: &'a TraceIndex,
    pub executor: &'a dyn Executor,
    pub disk: &'a dyn Disk,
    pub clock: &'a dyn Clock,
    pub sink: &'a dyn Sink,
    pub memory: &'a FailureMemory,
    pub cancel: &'a Cancel,
    pub envelope: &'a Envelope,
}

/// How to build.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub keep_going: bool,
    pub permits: Permits,
    /// Replace at most so many published partitions.
    pub replace_max: Option<u64>,
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
    pub refused: Option<Refused>,
}

/// A build that did not begin because it would replace more than it may.
#[derive(Debug)]
pub struct Refused {
    /// Published partitions that would be, or may be, replaced.
    pub replaced: u64,
    pub permitted: u64,
    /// The plan: a verdict per action.
    pub verdicts: Vec<Verdict>,
}

/// Brings every action of the graph up to date.
pub fn build(graph: &Graph, tools: Tools, options: &Options) -> Ended {
    let start = Instant::now();
    tools.sink.event(&Event::Planned { actions: graph.len() });
    clear_up(graph, tools.disk);
    let shared = Shared::new(graph, tools, options);
    tools.world.foresee(graph.actions());
    let tell = |Hashed { done, total }| tools.sink.event(&Event::Hashing { done, total });
    let known = match watched(tools.world, &tell, || brake(&shared)) {
        Ok(known) => known,
        Err(refused) => {
            tools.world.remember();
            tools.index.save();
            tools.sink.event(&Event::Refused { replaced: refused.replaced, permitted: refused.permitted });
            let summary = Summary { seconds: start.elapsed().as_secs_f64(), ..left_undone(&shared, &refused.verdicts) };
            tools.sink.event(&Event::Finished(summary.clone()));
            return Ended { refused: Some(refused), summary, ..Ended::default() };
        }
    };
    let mut ended = watched(tools.world, &tell, || std::thread::scope(|scope| Run::new(&shared, known, scope).finish()));
    ended.summary.seconds = start.elapsed().as_secs_f64();
    tools.world.remember();
    tools.index.save();
    if ended.interrupted {
        tools.sink.event(&Event::Interrupted);
    }
    tools.sink.event(&Event::Finished(ended.summary.clone()));
    ended
}

/// What dead builds have left under the roots of this one. Whatever cannot be cleared up harms nobody: a later build finds it again.
fn clear_up(graph: &Graph, disk: &dyn Disk) {
    let mut roots: Vec<&Path> = graph.actions().iter().map(|action| action.place.root.as_ref()).collect();
    // Those of one op are one value.
    roots.dedup_by_key(|root| root.as_os_str().as_encoded_bytes().as_ptr());
    for root in roots.into_iter().collect::<BTreeSet<_>>() {
        let _ = staging::clear(root, disk);
    }
}

/// Where so many published outputs could be replaced, judges everything before anything runs. The verdicts are kept for the build.
fn brake(shared: &Shared) -> Result<Vec<Verdict>, Refused> {
    let Some(permitted) = shared.options.replace_max.filter(|max| shared.graph.len() as u64 > *max) else { return Ok(Vec::new()) };
    shared.tools.sink.judging(shared.graph.len());
    let verdicts = survey(shared.graph, &shared.judging(), &shared.options.permits);
    shared.tools.sink.judging(0);
    let replaced = replaced(shared.graph, &verdicts, &shared.options.permits);
    if replaced > permitted { Err(Refused { replaced, permitted, verdicts }) } else { Ok(verdicts) }
}

/// What a build counts that did not begin.
fn left_undone(shared: &Shared, verdicts: &[Verdict]) -> Summary {
    let mut summary = Summary::default();
    for (index, verdict) in verdicts.iter().enumerate() {
        let count = match (shared.options.permits.decide(shared.graph, index, verdict), verdict.state) {
            (Decision::Stand, State::Drifted) => &mut summary.drifted,
            (Decision::Stand, State::Orphaned) => &mut summary.orphaned,
            (Decision::Stand, _) => &mut summary.fresh,
            (Decision::Wait, _) => &mut summary.blocked,
            (Decision::Run | Decision::Fail, _) => &mut summary.skipped,
        };
        *count += 1;
    }
    summary
}

/// How many published partitions a build with these verdicts replaces, or may replace.
pub fn replaced(graph: &Graph, verdicts: &[Verdict], permits: &Permits) -> u64 {
    let runs = |index: usize, verdict: &Verdict| permits.decide(graph, index, verdict) == Decision::Run;
    let is_replaced = |index: usize, v: &Verdict| v.output.is_some() && v.cleaned.is_none() && runs(index, v);
    partitions(graph, verdicts.iter().enumerate().filter(|(i, v)| is_replaced(*i, v)).map(|(i, _)| i))
}

/// How many partitions of assets some actions are of. What an op makes once for all partitions of an asset is none.
fn partitions(graph: &Graph, actions: impl Iterator<Item = usize>) -> u64 {
    let ids = || graph.actions().iter().map(|action| &action.id);
    let partitioned: HashSet<&Name> = ids().filter(|id| id.key.is_some()).map(|id| &id.asset).collect();
    let of = actions.map(|index| &graph.actions()[index].id).filter(|id| id.key.is_some() || !partitioned.contains(&id.asset));
    of.map(|id| (&id.asset, &id.key)).collect::<HashSet<_>>().len() as u64
}

/// How one run of an action ended. Its room is given back once all that this means is known: what comes next goes before what waits.
struct Report<'a> {
    index: usize,
    result: Result<Ran, Failure>,
    attempts: u64,
    slot: Slot<'a>,
}

/// An action that waits to be admitted.
struct Queued {
    /// Of its claim.
    number: u64,
    since: Instant,
}

/// So many actions of a build are in line at once.
const LINE: usize = 64;

/// How long an action waits for other processes before that is said.
const PATIENCE: Duration = Duration::from_millis(500);

struct Run<'s, 'a, 'scope, 'env> {
    shared: &'s Shared<'a>,
    scope: &'scope Scope<'scope, 'env>,
    plan: Plan<'a>,
    /// The verdicts of the brake; they hold for what nothing has been rebuilt below.
    known: Vec<Verdict>,
    reports: (mpsc::Sender<Report<'a>>, mpsc::Receiver<Report<'a>>),
    /// Who is in line, in the order of the plan.
    queued: BTreeMap<usize, Queued>,
    /// Who was said to be waiting for other processes.
    told: HashSet<usize>,
    /// Room that is about to be given back.
    done: Vec<Slot<'a>>,
    /// What another process had built by the time its lock was ours.
    found: HashSet<usize>,
    /// What was under way when the user stopped it.
    interrupted: HashSet<usize>,
    /// What stands without being fresh.
    held: HashMap<usize, State>,
    /// Why an action that waits for its turn will run: told when it starts.
    why: HashMap<usize, (State, Vec<Reason>)>,
    ended: Ended,
    /// How many are under way.
    running: usize,
    /// What was said last of how far it is.
    advance: Option<(usize, usize, usize)>,
}

impl<'s, 'a, 'scope, 'env> Run<'s, 'a, 'scope, 'env>
where
    's: 'scope,
    'a: 'scope,
{
    fn new(shared: &'s Shared<'a>, known: Vec<Verdict>, scope: &'scope Scope<'scope, 'env>) -> Self {
        let plan = Plan::new(shared.graph, shared.options.keep_going);
        let (queued, told, done) = (BTreeMap::new(), HashSet::new(), Vec::new());
        let (found, held, why, interrupted) = (HashSet::new(), HashMap::new(), HashMap::new(), HashSet::new());
        let (reports, ended) = (mpsc::channel(), Ended::default());
        let (running, advance) = (0, None);
        Self { shared, scope, plan, known, reports, queued, told, done, found, interrupted, held, why, ended, running, advance }
    }

    fn finish(mut self) -> Ended {
        while self.round() {}
        self.count();
        self.ended
    }

    /// Puts in line what is to run and starts what was admitted, then waits for one report. False once everything is settled.
    fn round(&mut self) -> bool {
        if self.shared.tools.cancel.is_requested() && !self.ended.interrupted {
            self.ended.interrupted = true;
            self.plan.stop();
        }
        if self.plan.is_stopped() {
            self.withdraw();
        }
        let mut checks = Vec::new();
        loop {
            match self.plan.step() {
                Step::Check(index) => checks.push(index),
                // Checks first: one of them may be of an older partition, which goes before.
                Step::Run(index) if checks.is_empty() && self.may_line_up(index) => self.line_up(index),
                Step::Run(index) => {
                    self.plan.postpone(index);
                    break;
                }
                Step::Wait => break,
                Step::Finished => return false,
            }
        }
        self.tell_advance();
        if !checks.is_empty() {
            self.check_all(&checks);
            return true;
        }
        self.done.clear();
        self.start_admitted();
        self.tell_of_waiting();
        self.wait_for_report();
        true
    }

    /// Says how far the build is, if that has changed since it was said.
    fn tell_advance(&mut self) {
        let advance = (self.plan.settled(), self.running, self.plan.queued() + self.queued.len());
        if self.advance != Some(advance) && self.running > 0 {
            self.advance = Some(advance);
            let (settled, running, queued) = advance;
            self.shared.tools.sink.event(&Event::Advanced { settled, running, queued, actions: self.shared.graph.len() });
        }
    }

    /// The line is short, or this one goes before somebody in it.
    fn may_line_up(&self, index: usize) -> bool {
        self.queued.len() < LINE || self.queued.last_key_value().is_some_and(|(last, _)| index < *last)
    }

    fn line_up(&mut self, index: usize) {
        let number = self.shared.tools.envelope.queue(&self.wanted(index));
        self.queued.insert(index, Queued { number, since: Instant::now() });
    }

    /// An op that asks for more than there is gets all of it.
    fn wanted(&self, index: usize) -> Wanted<'a> {
        let action = &self.shared.graph.actions()[index];
        let Options { cpus, memory, jobs, .. } = *self.shared.options;
        let limits = Limits { cpus, memory, jobs: jobs as u64 };
        let resources = action.common.resources;
        Wanted { action: &action.id, rank: index as u64, cpus: resources.cpus, memory: resources.memory, limits }
    }

    /// Nobody in line is started any more.
    fn withdraw(&mut self) {
        for (index, queued) in std::mem::take(&mut self.queued) {
            self.shared.tools.envelope.leave(queued.number);
            self.plan.withdrawn(index);
        }
    }

    fn start_admitted(&mut self) {
        let envelope = self.shared.tools.envelope;
        let admitted: Vec<(usize, Claim)> =
            self.queued.iter().filter_map(|(index, queued)| Some((*index, envelope.admitted(queued.number)?))).collect();
        for (index, claim) in admitted {
            let waited = self.queued.remove(&index).map(|queued| queued.since.elapsed()).unwrap_or_default();
            self.told.remove(&index);
            self.start(index, &claim, waited);
        }
    }

    fn start(&mut self, index: usize, claim: &Claim, waited: Duration) {
        if let Some((state, reasons)) = self.why.remove(&index) {
            let action = self.shared.graph.actions()[index].id.clone();
            self.shared.tools.sink.event(&Event::Judged { action, state, reasons });
        }
        let mut slot = Slot::of(self.shared.tools.envelope, self.shared.tools.sink, self.wanted(index), claim, waited);
        self.running += 1;
        let (shared, sender) = (self.shared, self.reports.0.clone());
        self.scope.spawn(move || {
            let (result, attempts) = shared.run(index, &mut slot);
            // The receiver lives until every report is in.
            let _ = sender.send(Report { index, result, attempts, slot });
        });
    }

    /// Whoever is next and waits for others is said to, once.
    fn tell_of_waiting(&mut self) {
        let Some((index, queued)) = self.queued.first_key_value() else { return };
        if queued.since.elapsed() < PATIENCE || self.told.contains(index) {
            return;
        }
        let holders = self.shared.tools.envelope.held_by_others();
        if !holders.is_empty() {
            let Wanted { action, cpus, memory, limits, .. } = self.wanted(*index);
            let (cpus, memory) = (cpus.min(limits.cpus), memory.min(limits.memory));
            self.shared.tools.sink.event(&Event::WaitingForRoom { action: action.clone(), cpus, memory, holders });
            self.told.insert(*index);
        }
    }

    fn check_all(&mut self, indices: &[usize]) {
        let shared = self.shared;
        let (known, anew): (Vec<usize>, Vec<usize>) = indices.iter().partition(|i| self.is_known(**i));
        shared.tools.sink.judging(indices.len());
        let mut judged: Vec<(usize, Verdict)> =
            anew.par_iter().map_init(Near::default, |near, i| (*i, shared.judge(*i, Look::Once, near))).collect();
        shared.tools.sink.judging(0);
        judged.extend(known.into_iter().map(|i| (i, self.known[i].clone())));
        for (index, verdict) in judged {
            let checked = self.decide(index, verdict);
            self.plan.checked(index, checked);
        }
    }

    /// Whether the brake's verdict on an action still holds: nothing it reads has been built since.
    fn is_known(&self, index: usize) -> bool {
        let built = |d: usize| self.plan.outcome(d) == Some(Outcome::Built);
        index < self.known.len() && !self.shared.graph.dependencies(index).iter().any(|d| built(*d))
    }

    /// What a verdict means for the plan. Why an action runs is kept until it does: one that waits for a cleaned input is judged again.
    fn decide(&mut self, index: usize, verdict: Verdict) -> Checked {
        let action = &self.shared.graph.actions()[index];
        let permits = &self.shared.options.permits;
        let first = verdict.reasons.first().map(|r| r.detail.clone()).unwrap_or_default();
        let stale = verdict.is_stale();
        if verdict.cleaned.is_some() && !permits.is_forced(self.shared.graph, index) && self.plan.suffices(index, stale) {
            self.shared.keep_output(action, verdict.output);
            return Checked::Cleaned { stale };
        }
        match (permits.decide(self.shared.graph, index, &verdict), &verdict.cleaned) {
            (Decision::Stand, None) => {
                self.stand(index, verdict);
                Checked::Fresh
            }
            (Decision::Stand, Some(time)) if verdict.state == State::Orphaned => {
                let why = verdict.reasons.first().map(Reason::to_string).unwrap_or_default();
                self.wait(action, format!("its data was cleaned {time}, and cannot be built again as it was: {why}"))
            }
            (Decision::Wait, _) => self.wait(action, first),
            (Decision::Fail, _) => {
                let log = || verdict.failure.as_ref().and_then(|past| past.log.clone());
                self.fail(action, Failure::permanent(first).logged(log), 0);
                Checked::Failed
            }
            (Decision::Run | Decision::Stand, cleaned) => {
                let mut reasons = permits.reasons(self.shared.graph, index, &verdict);
                if let (Some(time), true) = (cleaned, reasons.is_empty()) {
                    reasons.push(Reason::new(ReasonKind::Output, "output cleaned", time.clone()));
                }
                self.why.insert(index, (verdict.state, reasons));
                Checked::Run
            }
        }
    }

    fn wait(&mut self, action: &Action, message: String) -> Checked {
        self.ended.blocked.push((action.id.clone(), message.clone()));
        self.shared.tools.sink.event(&Event::Blocked { action: action.id.clone(), message });
        Checked::Blocked
    }

    /// What is published stays: fresh, or held by a brake, which is told and counted.
    fn stand(&mut self, index: usize, verdict: Verdict) {
        let action = &self.shared.graph.actions()[index];
        self.shared.keep_output(action, verdict.output);
        if verdict.state != State::Fresh {
            self.held.insert(index, verdict.state);
            self.shared.tools.sink.event(&Event::Held { action: action.id.clone(), state: verdict.state, reasons: verdict.reasons });
        }
    }

    fn wait_for_report(&mut self) {
        // Who is in line has to look for what other processes give back.
        let patience = Duration::from_millis(if self.queued.is_empty() { 100 } else { 15 });
        let Ok(report) = self.reports.1.recv_timeout(patience) else { return };
        self.running -= 1;
        self.done.push(report.slot);
        let action = &self.shared.graph.actions()[report.index];
        self.ended.summary.retried += report.attempts.saturating_sub(1) as usize;
        let well = report.result.is_ok();
        match report.result {
            Ok(Ran::Published(record)) => self.shared.published(action, *record),
            Ok(Ran::Found(digest)) => {
                self.found.insert(report.index);
                self.shared.keep_output(action, Some(digest));
            }
            Err(failure) => {
                if failure.kind == FailureKind::Interrupted {
                    self.interrupted.insert(report.index);
                }
                self.fail(action, failure, report.attempts);
            }
        }
        self.plan.finished(report.index, well);
    }

    fn fail(&mut self, action: &Action, failure: Failure, attempt: u64) {
        if failure.kind == FailureKind::Interrupted {
            self.ended.interrupted = true;
            self.plan.stop();
        } else {
            let Failure { message: error, log, peak_memory, .. } = failure.clone();
            let memory = action.common.resources.memory;
            self.shared.tools.sink.event(&Event::Failed { action: action.id.clone(), attempt, error, log, peak_memory, memory });
        }
        self.ended.failures.push((action.id.clone(), failure));
    }

    /// The failed action that a skipped one depends on, if that is why.
    fn failed_below(&self, index: usize) -> Option<usize> {
        let dependencies = self.shared.graph.dependencies(index);
        let failed = dependencies.iter().copied().find(|d| self.plan.outcome(*d) == Some(Outcome::Failed));
        failed.or_else(|| dependencies.iter().find_map(|d| self.failed_below(*d)))
    }

    fn count(&mut self) {
        for index in 0..self.shared.graph.len() {
            let summary = &mut self.ended.summary;
            match self.plan.outcome(index) {
                Some(Outcome::Built) if !self.found.contains(&index) => summary.built += 1,
                Some(Outcome::Built | Outcome::Fresh) => match self.held.get(&index) {
                    Some(State::Drifted) => summary.drifted += 1,
                    Some(_) => summary.orphaned += 1,
                    None => summary.fresh += 1,
                },
                Some(Outcome::Cleaned) => summary.fresh += 1,
                Some(Outcome::Failed) if !self.interrupted.contains(&index) => summary.failed += 1,
                Some(Outcome::Blocked) => summary.blocked += 1,
                Some(Outcome::Failed | Outcome::Skipped) | None => {
                    summary.skipped += 1;
                    let action = self.shared.graph.actions()[index].id.clone();
                    let because = self.failed_below(index).map(|failed| self.shared.graph.actions()[failed].id.clone());
                    self.shared.tools.sink.event(&Event::Skipped { action, because });
                }
            }
        }
    }
}
