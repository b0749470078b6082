//! What a verdict leads to, given what the user permits: the action runs, stands as it is, waits, or fails.
//!
//! Pure. Invariant: builds, dry runs and the brake ask this one function, so that none of them can say what another does not do.

use super::check::Verdict;
use super::graph::Graph;
use super::state::{Reason, ReasonKind, State};

/// What the user permits or demands beyond bringing up to date what is stale.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Permits {
    /// Rebuild the targets whatever their state.
    pub force: bool,
    pub retry_failed: bool,
    /// Rebuild also from less than what is published was made of.
    pub allow_missing: bool,
    /// Rebuild also what has settled and then drifted.
    pub drifted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// What is published stays, and what reads it reads it as it is.
    Stand,
    Run,
    /// An input is not there yet.
    Wait,
    /// No run could succeed, or the last one under the same circumstances did not.
    Fail,
}

impl Permits {
    pub fn decide(&self, graph: &Graph, index: usize, verdict: &Verdict) -> Decision {
        let forced = self.is_forced(graph, index);
        match verdict.state {
            State::Fresh if forced => Decision::Run,
            State::Fresh => Decision::Stand,
            State::Orphaned if self.allow_missing && verdict.trace.is_some() => Decision::Run,
            State::Orphaned => Decision::Stand,
            State::Drifted if self.drifted || forced || graph.named.contains(&index) => Decision::Run,
            State::Drifted => Decision::Stand,
            State::Blocked => Decision::Wait,
            State::Failed if self.retry_failed && verdict.trace.is_some() => Decision::Run,
            State::Failed => Decision::Fail,
            State::Running | State::Missing | State::Stale => Decision::Run,
        }
    }

    /// Why an action runs: its verdict's reasons, or that it was demanded.
    pub fn reasons(&self, graph: &Graph, index: usize, verdict: &Verdict) -> Vec<Reason> {
        let demanded = verdict.reasons.is_empty() && self.is_forced(graph, index);
        if demanded { vec![Reason::new(ReasonKind::Output, "--force", "")] } else { verdict.reasons.clone() }
    }

    pub fn is_forced(&self, graph: &Graph, index: usize) -> bool {
        self.force && graph.targets.contains(&index)
    }
}

#[cfg(test)]
mod tests {
    use super::super::index::TraceDigest;
    use super::*;
    use crate::digest::Digest;

    fn decided(state: State, can_run: bool, permits: Permits, named: bool) -> Decision {
        let mut graph = Graph::default();
        graph.targets.insert(0);
        if named {
            graph.named.insert(0);
        }
        let trace = can_run.then(|| TraceDigest { definition: Digest::of(b"definition"), data: Digest::of(b"data") });
        permits.decide(&graph, 0, &Verdict { trace, ..Verdict::of(state, vec![]) })
    }

    const NOTHING: Permits = Permits { force: false, retry_failed: false, allow_missing: false, drifted: false };

    #[test]
    fn what_drifted_is_built_only_when_asked_for() {
        assert_eq!(decided(State::Drifted, true, NOTHING, false), Decision::Stand);
        assert_eq!(decided(State::Drifted, true, NOTHING, true), Decision::Run);
        assert_eq!(decided(State::Drifted, true, Permits { drifted: true, ..NOTHING }, false), Decision::Run);
        assert_eq!(decided(State::Drifted, true, Permits { force: true, ..NOTHING }, false), Decision::Run);
    }

    #[test]
    fn what_is_orphaned_is_built_from_less_only_where_something_is_left() {
        let less = Permits { allow_missing: true, ..NOTHING };
        assert_eq!(decided(State::Orphaned, true, less, false), Decision::Run);
        assert_eq!(decided(State::Orphaned, false, less, true), Decision::Stand);
        assert_eq!(decided(State::Orphaned, true, Permits { force: true, ..NOTHING }, true), Decision::Stand);
    }

    #[test]
    fn a_failure_is_tried_again_only_when_asked_and_possible() {
        let again = Permits { retry_failed: true, ..NOTHING };
        assert_eq!(decided(State::Failed, true, NOTHING, true), Decision::Fail);
        assert_eq!(decided(State::Failed, true, again, false), Decision::Run);
        assert_eq!(decided(State::Failed, false, again, false), Decision::Fail);
    }
}
