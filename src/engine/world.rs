//! The world as the engine sees it: something that answers requests with observations.

use super::action::Request;
use super::observation::Observation;

/// Why an observation cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unobservable {
    /// What is required is there and not complete yet: waiting helps.
    Blocked(String),
    /// What is required is not there: it has not come yet, or has gone. With the observations of what is left, if that is anything.
    Absent { why: String, left: Option<Vec<Observation>> },
    /// The input is broken: no run could succeed.
    Broken(String),
}

/// How much of what was seen earlier in this build may be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// What this build has seen once holds.
    Once,
    /// Look again: an op has run meanwhile.
    Again,
}

/// Makes observations. Implementations are shared between threads.
pub trait World: Sync {
    /// All observations that answer the requests of one action.
    fn observe(&self, requests: &[Request], look: Look) -> Result<Vec<Observation>, Unobservable>;

    /// Keeps what was learned for the next build; called once at the end.
    fn remember(&self) {}
}
