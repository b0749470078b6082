//! Planning: a pure state machine that says what to check, what to run, and when it is over.
//!
//! Knows no files, no clock, no processes: [`Plan::step`] asks for an effect, `checked` and `finished` report its result. Invariants: an
//! action is checked once all it depends on is settled, and run only after a check said so; every action ends settled.

mod cleaned;

use super::graph::Graph;
use cleaned::Need;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;

/// The next effect to perform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Observe an action and report with `checked`.
    Check(usize),
    /// Run an action and report with `finished`.
    Run(usize),
    /// Nothing can start until something under way is reported.
    Wait,
    Finished,
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    Fresh,
    /// Only the record is left, and that suffices (see [`Plan::suffices`]).
    Cleaned {
        stale: bool,
    },
    Run,
    /// Not to be run now: its input is not there, or it failed before and nothing has changed.
    Blocked,
    Failed,
}

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Fresh,
    /// Only its record is there, and nothing needs more.
    Cleaned,
    Built,
    Failed,
    Blocked,
    /// Something it depends on did not end well, or the build stopped before it.
    Skipped,
}

impl Outcome {
    pub fn is_good(self) -> bool {
        matches!(self, Self::Fresh | Self::Cleaned | Self::Built)
    }

    /// How what depends on one that did not end well ends.
    fn above(self) -> Self {
        if self == Self::Blocked { Self::Blocked } else { Self::Skipped }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Waiting(usize),
    Checking,
    ToRun,
    Running,
    Settled(Outcome),
}

pub struct Plan<'a> {
    graph: &'a Graph,
    status: Vec<Status>,
    dependents: Dependents,
    /// The smallest index first: the oldest partition, and what it needs before the next one.
    to_check: BTreeSet<usize>,
    to_run: BTreeSet<usize>,
    /// What is asked of outputs beyond their records.
    needs: HashMap<usize, Need>,
    /// Settled as cleaned, although their output would be another one today.
    stale: HashSet<usize>,
    open: usize,
    keep_going: bool,
    stopped: bool,
}

/// By action, those that wait for it: of all, one after the other.
struct Dependents {
    all: Vec<usize>,
    /// Where each one's start, and where the last one's end.
    starts: Vec<usize>,
}

impl Dependents {
    fn of(graph: &Graph) -> Self {
        let mut starts = vec![0; graph.len() + 1];
        let edges = || (0..graph.len()).flat_map(|index| graph.dependencies(index).iter().map(move |below| (*below, index)));
        edges().for_each(|(below, _)| starts[below + 1] += 1);
        (0..graph.len()).for_each(|index| starts[index + 1] += starts[index]);
        let (mut next, mut all) = (starts.clone(), vec![0; starts[graph.len()]]);
        for (below, index) in edges() {
            all[next[below]] = index;
            next[below] += 1;
        }
        Self { all, starts }
    }

    fn range(&self, index: usize) -> Range<usize> {
        self.starts[index]..self.starts[index + 1]
    }

    fn of_action(&self, index: usize) -> &[usize] {
        &self.all[self.range(index)]
    }
}

impl<'a> Plan<'a> {
    pub fn new(graph: &'a Graph, keep_going: bool) -> Self {
        let status: Vec<Status> = (0..graph.len()).map(|index| Status::Waiting(graph.dependencies(index).len())).collect();
        let free = (0..graph.len()).filter(|i| status[*i] == Status::Waiting(0));
        Self {
            graph,
            to_check: free.collect(),
            open: status.len(),
            status,
            dependents: Dependents::of(graph),
            to_run: BTreeSet::new(),
            needs: graph.wanted.iter().map(|index| (*index, Need::Data)).collect(),
            stale: HashSet::new(),
            keep_going,
            stopped: false,
        }
    }

    /// What to do now. Checks come first: they are cheap and may settle much.
    pub fn step(&mut self) -> Step {
        if let Some(index) = self.to_check.pop_first() {
            self.status[index] = Status::Checking;
            return Step::Check(index);
        }
        if let Some(index) = self.to_run.pop_first() {
            self.status[index] = Status::Running;
            return Step::Run(index);
        }
        if self.open == 0 { Step::Finished } else { Step::Wait }
    }

    /// Puts back what could not be started for want of room.
    pub fn postpone(&mut self, index: usize) {
        self.status[index] = Status::ToRun;
        self.to_run.insert(index);
    }

    pub fn checked(&mut self, index: usize, found: Checked) {
        if let Some(outcome) = self.ended_badly_below(index) {
            return self.settle(index, outcome);
        }
        if self.unsettled(index) > 0 {
            // Something below was opened again since: what was found is worth nothing.
            return self.wait(index);
        }
        match found {
            Checked::Run => self.run(index),
            Checked::Fresh => self.fresh(index),
            Checked::Cleaned { stale } => self.cleaned(index, stale),
            Checked::Blocked => self.settle(index, Outcome::Blocked),
            Checked::Failed => self.fail(index),
        }
    }

    fn run(&mut self, index: usize) {
        if self.stopped {
            self.settle(index, Outcome::Skipped);
        } else if !self.opens(&self.cleaned_below(index), Need::Data, index) {
            self.status[index] = Status::ToRun;
            self.to_run.insert(index);
        }
    }

    fn unsettled(&self, index: usize) -> usize {
        self.graph.dependencies(index).iter().filter(|d| !matches!(self.status[**d], Status::Settled(_))).count()
    }

    /// What was opened again while this was checked may have ended badly.
    fn ended_badly_below(&self, index: usize) -> Option<Outcome> {
        let outcomes = self.graph.dependencies(index).iter().filter_map(|d| self.outcome(*d));
        outcomes.filter(|o| !o.is_good()).map(Outcome::above).next()
    }

    /// Waits for what is not settled below, and is checked then.
    fn wait(&mut self, index: usize) {
        let left = self.unsettled(index);
        self.status[index] = Status::Waiting(left);
        if left == 0 {
            self.to_check.insert(index)
        } else {
            self.to_check.remove(&index)
        };
    }

    pub fn finished(&mut self, index: usize, well: bool) {
        if well { self.settle(index, Outcome::Built) } else { self.fail(index) }
    }

    fn fail(&mut self, index: usize) {
        self.settle(index, Outcome::Failed);
        if !self.keep_going {
            self.stop();
        }
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// What was to run and was never begun.
    pub fn withdrawn(&mut self, index: usize) {
        self.settle(index, Outcome::Skipped);
    }

    /// Starts nothing more; what is under way is still awaited.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.to_check.clear();
        self.to_run.clear();
        for index in 0..self.status.len() {
            if matches!(self.status[index], Status::Waiting(_) | Status::ToRun) {
                self.status[index] = Status::Settled(Outcome::Skipped);
                self.open -= 1;
            }
        }
    }

    fn settle(&mut self, index: usize, outcome: Outcome) {
        let mut settled = vec![(index, outcome)];
        while let Some((index, outcome)) = settled.pop() {
            if matches!(self.status[index], Status::Settled(_)) {
                continue;
            }
            self.status[index] = Status::Settled(outcome);
            self.open -= 1;
            for at in self.dependents.range(index) {
                let dependent = self.dependents.all[at];
                settled.extend(self.release(dependent, outcome).map(|o| (dependent, o)));
            }
        }
    }

    /// Tells a dependent; returns its own outcome where this settles it.
    fn release(&mut self, dependent: usize, outcome: Outcome) -> Option<Outcome> {
        let Status::Waiting(left) = &mut self.status[dependent] else { return None };
        if !outcome.is_good() {
            return Some(outcome.above());
        }
        *left -= 1;
        if *left == 0 {
            self.to_check.insert(dependent);
        }
        None
    }

    /// How many actions are settled.
    pub fn settled(&self) -> usize {
        self.status.len() - self.open
    }

    /// How many are to run and have not begun.
    pub fn queued(&self) -> usize {
        self.to_run.len()
    }

    pub fn outcome(&self, index: usize) -> Option<Outcome> {
        match self.status[index] {
            Status::Settled(outcome) => Some(outcome),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::action::{Action, ActionId, Place};
    use super::*;
    use std::path::Path;

    pub fn action(name: &str, needs: &[&str]) -> Action {
        let id = |op: &str| ActionId { asset: "a".into(), op: op.into(), key: None };
        Action {
            id: id(name),
            common: Default::default(),
            period: None,
            upstreams: needs.iter().map(|n| id(n)).collect(),
            after: vec![],
            place: Place { root: Path::new("/").into(), directory: name.into() },
        }
    }

    pub fn chain() -> Graph {
        let mut graph = Graph::default();
        graph.add(action("one", &[]));
        graph.add(action("two", &["one"]));
        graph.add(action("three", &["two"]));
        graph.add(action("apart", &[]));
        graph
    }

    /// Drives a plan: `check` and `run` answer for each index. Returns the effects in order.
    fn drive(graph: &Graph, keep_going: bool, check: impl Fn(usize) -> Checked, run: impl Fn(usize) -> bool) -> (Vec<Step>, Vec<Outcome>) {
        let mut plan = Plan::new(graph, keep_going);
        let mut steps = Vec::new();
        loop {
            let step = plan.step();
            match step {
                Step::Check(i) => plan.checked(i, check(i)),
                Step::Run(i) => plan.finished(i, run(i)),
                Step::Wait => panic!("nothing is under way"),
                Step::Finished => break,
            }
            steps.push(step);
        }
        let outcomes = (0..graph.len()).filter_map(|i| plan.outcome(i)).collect();
        (steps, outcomes)
    }

    #[test]
    fn fresh_chains_are_checked_and_nothing_runs() {
        let (steps, outcomes) = drive(&chain(), false, |_| Checked::Fresh, |_| true);
        assert!(steps.iter().all(|s| matches!(s, Step::Check(_))));
        assert_eq!(outcomes, [Outcome::Fresh; 4]);
    }

    #[test]
    fn a_rebuilt_action_is_followed_by_a_check_of_what_reads_it() {
        let (steps, outcomes) = drive(&chain(), false, |i| if i == 0 { Checked::Run } else { Checked::Fresh }, |_| true);
        let position = |step| steps.iter().position(|s| *s == step).unwrap();
        assert!(position(Step::Run(0)) < position(Step::Check(1)));
        assert_eq!(outcomes, [Outcome::Built, Outcome::Fresh, Outcome::Fresh, Outcome::Fresh]);
    }

    #[test]
    fn after_a_failure_only_keep_going_goes_on() {
        let fails_first = |i| i != 0;
        let (_, outcomes) = drive(&chain(), true, |_| Checked::Run, fails_first);
        assert_eq!(outcomes, [Outcome::Failed, Outcome::Skipped, Outcome::Skipped, Outcome::Built]);
        let (_, outcomes) = drive(&chain(), false, |_| Checked::Run, fails_first);
        assert_eq!(outcomes, [Outcome::Failed, Outcome::Skipped, Outcome::Skipped, Outcome::Skipped]);
    }

    #[test]
    fn what_depends_on_the_blocked_is_blocked() {
        let (_, outcomes) = drive(&chain(), false, |i| if i == 1 { Checked::Blocked } else { Checked::Fresh }, |_| true);
        assert_eq!(outcomes, [Outcome::Fresh, Outcome::Blocked, Outcome::Blocked, Outcome::Fresh]);
    }
}
