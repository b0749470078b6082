//! The judge of a build or a survey: the check of one action, then what holds it back (its period has settled, is not due yet, or failed
//! before under the same trace).
//!
//! Knows nothing of the plan. Invariant: holding back changes a verdict's state, never its reasons for a difference.

use super::action::Action;
use super::check::{Eyes, Upstreams, Verdict};
use super::clock::{Clock, rfc3339};
use super::failure::FailureMemory;
use super::observation::Kind;
use super::state::{Reason, ReasonKind, State};
use super::world::Look;
use crate::stat::Near;

/// What verdicts are made with.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    pub eyes: Eyes<'a>,
    pub clock: &'a dyn Clock,
    pub memory: &'a FailureMemory,
    /// Forget what failed before.
    pub retry_failed: bool,
}

impl Judge<'_> {
    /// The verdict on an action whose upstreams are settled.
    pub fn verdict(&self, action: &Action, upstreams: Upstreams, look: Look, near: &mut Near) -> Verdict {
        let verdict = self.eyes.check(action, upstreams, look, near);
        let verdict = hold(action, verdict, self.clock.now());
        if self.retry_failed { verdict } else { recall(action, verdict, self.memory) }
    }
}

/// Holds back what the calendar says is over, or not yet to be begun.
fn hold(action: &Action, verdict: Verdict, now: i64) -> Verdict {
    let Some(period) = action.period else { return verdict };
    let due = period.end.saturating_add(action.common.due_after);
    if action.common.due_after > 0 && now < due && matches!(verdict.state, State::Missing | State::Stale) {
        let why = format!("{} is due at {}: until then rows of its period may still come", action.id, rfc3339(due));
        return Verdict { state: State::Blocked, reasons: vec![Reason::new(ReasonKind::Blocked, action.id.to_string(), why)], ..verdict };
    }
    let settled = action.common.settle.is_some_and(|age| now > period.end.saturating_add(age));
    if settled && verdict.state == State::Stale && verdict.reasons.iter().all(|r| is_late_data(action, r)) {
        return Verdict { state: State::Drifted, ..verdict };
    }
    verdict
}

/// Whether a reason is about data that came from outside the asset. What an earlier op of the same partition has made anew is followed:
/// the asset settles as a whole.
fn is_late_data(action: &Action, reason: &Reason) -> bool {
    match reason.kind {
        ReasonKind::Observed(Kind::Upstream) => !reason.name.starts_with(&format!("{}.", action.id.asset)),
        ReasonKind::Observed(kind) => !kind.is_definition(),
        ReasonKind::Output | ReasonKind::Blocked | ReasonKind::Failed => false,
    }
}

/// What failed under just this trace is shown as failed.
fn recall(action: &Action, verdict: Verdict, memory: &FailureMemory) -> Verdict {
    let (State::Stale | State::Missing, Some(trace)) = (verdict.state, verdict.trace) else { return verdict };
    match memory.recall(action, trace) {
        Some(past) => {
            let mut reasons = vec![Reason::new(ReasonKind::Failed, action.id.to_string(), past.message.clone())];
            reasons.extend(verdict.reasons);
            Verdict { state: State::Failed, reasons, failure: Some(Box::new(past)), ..verdict }
        }
        None => verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::super::action::{ActionId, Common, Interval, Place};
    use super::*;
    use std::path::Path;
    use std::sync::Arc;

    const DAY: i64 = 86_400_000;

    fn action(settle: Option<i64>, due_after: i64) -> Action {
        Action {
            id: ActionId { asset: "a".into(), op: "skeleton".into(), key: Some("1970-01-01".into()) },
            common: Arc::new(Common { settle, due_after, ..Common::default() }),
            period: Some(Interval { start: 0, end: DAY }),
            upstreams: vec![],
            after: vec![],
            place: Place { root: Path::new("/").into(), directory: "a".into() },
        }
    }

    fn stale(reasons: &[(ReasonKind, &str)]) -> Verdict {
        let reasons = reasons.iter().map(|(kind, name)| Reason::new(*kind, *name, "")).collect();
        Verdict::of(State::Stale, reasons)
    }

    const COLUMNS: (ReasonKind, &str) = (ReasonKind::COLUMNS, "feature_view/feed@1970-01-01");

    #[test]
    fn a_period_settles_once_it_ended_longer_ago_than_that() {
        let held = |now| hold(&action(Some(2 * DAY), 0), stale(&[COLUMNS]), now).state;
        assert_eq!([held(3 * DAY), held(3 * DAY + 1)], [State::Stale, State::Drifted]);
        assert_eq!(hold(&action(None, 0), stale(&[COLUMNS]), 99 * DAY).state, State::Stale);
    }

    #[test]
    fn only_data_from_outside_drifts() {
        let held = |reasons: &[(ReasonKind, &str)]| hold(&action(Some(0), 0), stale(reasons), 99 * DAY).state;
        assert_eq!(held(&[COLUMNS, (ReasonKind::UPSTREAM, "export.run@1970-01-01")]), State::Drifted);
        assert_eq!(held(&[COLUMNS, (ReasonKind::Observed(Kind::Parameter), "likes.k")]), State::Stale);
        assert_eq!(held(&[(ReasonKind::UPSTREAM, "a.skeleton@1970-01-01")]), State::Stale);
        assert_eq!(held(&[(ReasonKind::Output, "output removed")]), State::Stale);
    }

    #[test]
    fn what_may_still_grow_is_waited_for() {
        let held = |now| hold(&action(None, DAY), stale(&[COLUMNS]), now).state;
        assert_eq!([held(2 * DAY - 1), held(2 * DAY)], [State::Blocked, State::Stale]);
    }
}
