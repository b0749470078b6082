//! The world as the engine sees it: something that answers an action's requests with observations.

use super::action::Action;
use super::hashing::Hashed;
use super::observation::Observation;
use super::record::Record;
use super::state::Reason;
use serde_json::Value;
use std::path::Path;

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

/// Whether the values of observations are wanted beside their digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    Digests,
    Values,
}

/// Makes observations. Implementations are shared between threads.
pub trait World: Sync {
    /// All observations that answer an action's requests.
    fn observe(&self, action: &Action, look: Look, detail: Detail) -> Result<Vec<Observation>, Unobservable>;

    /// Says which actions will be asked about, so that what they have in common can be looked at once.
    fn foresee(&self, _actions: &[Action]) {}

    /// Compares the content behind a recorded observation whose token is not what it was: no reasons if it is the same.
    /// `None`: this kind has no more to it than its digest.
    fn refine(&self, _action: &Action, _recorded: &Observation, _now: &Observation) -> Result<Option<Vec<Reason>>, Unobservable> {
        Ok(None)
    }

    /// Completes the observations of a run with what it has discovered, such as the keys used, or has `seen`: sets `fine`.
    fn discover(&self, _action: &Action, _staged: &Path, _seen: &Value, _trace: &mut [Observation]) -> Result<(), Unobservable> {
        Ok(())
    }

    /// What was resolved once for this build, and whoever runs the action must use: versions of datasets. Opaque to the engine.
    fn resolved(&self, _action: &Action) -> Value {
        Value::Null
    }

    /// How far it is with hashing what it did not know.
    fn hashed(&self) -> Hashed {
        Hashed::default()
    }

    /// What a record of an older scheme would say today of the world it has seen.
    fn upgrade(&self, _action: &Action, record: Record) -> Record {
        record
    }

    /// Keeps what was learned for the next build; called once at the end.
    fn remember(&self) {}
}
