//! Planning: a pure state machine that says what to check, what to run, and when it is over.
//!
//! Knows no files, no clock, no processes: [`Plan::step`] asks for an effect, `checked` and `finished` report its result. Invariants: an
//! action is checked once all it depends on is settled, and run only after a check said so; every action ends settled.

use super::graph::Graph;
use std::collections::BTreeSet;

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
    Run,
    /// Not to be run now: its input is not there, or it failed before and nothing has changed.
    Blocked,
    Failed,
}

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Fresh,
    Built,
    Failed,
    Blocked,
    /// Something it depends on did not end well, or the build stopped before it.
    Skipped,
}

impl Outcome {
    fn is_good(self) -> bool {
        matches!(self, Self::Fresh | Self::Built)
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

pub struct Plan {
    status: Vec<Status>,
    dependents: Vec<Vec<usize>>,
    /// The smallest index first: the oldest partition, and what it needs before the next one.
    to_check: BTreeSet<usize>,
    to_run: BTreeSet<usize>,
    open: usize,
    keep_going: bool,
    stopped: bool,
}

impl Plan {
    pub fn new(graph: &Graph, keep_going: bool) -> Self {
        let mut dependents = vec![Vec::new(); graph.len()];
        let mut status = Vec::with_capacity(graph.len());
        for index in 0..graph.len() {
            let dependencies = graph.dependencies(index);
            dependencies.iter().for_each(|d| dependents[*d].push(index));
            status.push(Status::Waiting(dependencies.len()));
        }
        let free = (0..graph.len()).filter(|i| status[*i] == Status::Waiting(0));
        let to_check = free.collect();
        Self { open: status.len(), status, dependents, to_check, to_run: BTreeSet::new(), keep_going, stopped: false }
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
        match found {
            Checked::Run if self.stopped => self.settle(index, Outcome::Skipped),
            Checked::Run => {
                self.status[index] = Status::ToRun;
                self.to_run.insert(index);
            }
            Checked::Fresh => self.settle(index, Outcome::Fresh),
            Checked::Blocked => self.settle(index, Outcome::Blocked),
            Checked::Failed => self.fail(index),
        }
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
            for dependent in self.dependents[index].clone() {
                settled.extend(self.release(dependent, outcome).map(|o| (dependent, o)));
            }
        }
    }

    /// Tells a dependent; returns its own outcome where this settles it.
    fn release(&mut self, dependent: usize, outcome: Outcome) -> Option<Outcome> {
        let Status::Waiting(left) = &mut self.status[dependent] else { return None };
        if !outcome.is_good() {
            return Some(if outcome == Outcome::Blocked { Outcome::Blocked } else { Outcome::Skipped });
        }
        *left -= 1;
        if *left == 0 {
            self.to_check.insert(dependent);
        }
        None
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

    fn action(name: &str, needs: &[&str]) -> Action {
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

    fn chain() -> Graph {
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
