//! What the engine says while it works. It prints nothing: every output is a consumer of these.
//!
//! Invariant: the enum is closed and matched exhaustively. A new fact worth telling is a new variant.

use super::action::{Action, ActionId};
use super::execute::{CheckResult, Unit};
use super::state::Reason;
use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// So many actions are in the plan.
    Planned {
        actions: usize,
    },
    /// Much has to be hashed before verdicts can be made: bytes done and known of so far.
    Hashing {
        done: u64,
        total: u64,
    },
    /// An action that is not fresh is about to run, and why.
    Judged {
        action: ActionId,
        state: super::state::State,
        reasons: Vec<Reason>,
    },
    /// An action is not fresh, and what is published stands nevertheless, and why.
    Held {
        action: ActionId,
        state: super::state::State,
        reasons: Vec<Reason>,
    },
    /// Nothing was begun: so many published partitions would be replaced.
    Refused {
        replaced: u64,
        permitted: u64,
    },
    /// Another process holds the output's lock.
    WaitingForLock {
        action: ActionId,
    },
    /// No room yet: other processes hold cpus and memory.
    WaitingForRoom {
        action: ActionId,
        cpus: u64,
        memory: u64,
        holders: Vec<Holder>,
    },
    /// It has its cpus and memory now. Turns count the changes of the envelope, of all processes that share it.
    Admitted {
        action: ActionId,
        cpus: u64,
        memory: u64,
        /// The turn in which it got in line, and the one in which it was admitted.
        queued: u64,
        turn: u64,
        /// How many that came later were admitted before.
        overtaken: u64,
        /// How long it has waited.
        seconds: f64,
    },
    /// It has given its cpus and memory back.
    Released {
        action: ActionId,
        turn: u64,
    },
    Started {
        action: ActionId,
        attempt: u64,
    },
    /// A long action says where it is.
    Progress {
        action: ActionId,
        message: String,
        done: u64,
        /// 0 where nobody knows.
        total: u64,
        unit: Unit,
    },
    /// How far the whole build is: so many actions of the plan are settled, run now, and wait for their turn to run.
    Advanced {
        settled: usize,
        running: usize,
        queued: usize,
        actions: usize,
    },
    /// A line of a program that an action runs.
    Said {
        action: ActionId,
        line: String,
    },
    /// What a check of the output found, before that is published.
    Checked {
        action: ActionId,
        #[serde(flatten)]
        result: CheckResult,
    },
    /// An attempt failed and will be repeated after so many seconds.
    Retrying {
        action: ActionId,
        attempt: u64,
        error: String,
        delay: f64,
    },
    Published {
        action: ActionId,
        seconds: f64,
        peak_memory: u64,
        metadata: Map<String, Value>,
    },
    /// What a rule or check wants known although it is no failure.
    Warned {
        action: ActionId,
        message: String,
    },
    Failed {
        action: ActionId,
        attempt: u64,
        error: String,
        /// What was printed meanwhile, if anything was.
        #[serde(skip_serializing_if = "Option::is_none")]
        log: Option<String>,
        /// The most memory that the last attempt held, and what it may hold. Bytes; 0 where nobody knows.
        peak_memory: u64,
        memory: u64,
    },
    Blocked {
        action: ActionId,
        message: String,
    },
    /// Not run because of an action that failed; or, without one, because the build stopped before it.
    Skipped {
        action: ActionId,
        because: Option<ActionId>,
    },
    Interrupted,
    /// The last event of every build, however it ended.
    Finished(Summary),
}

/// What another process runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holder {
    pub pid: u32,
    pub action: String,
    pub cpus: u64,
    pub memory: u64,
}

/// How a build went.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    pub built: usize,
    pub fresh: usize,
    pub orphaned: usize,
    pub drifted: usize,
    pub failed: usize,
    pub skipped: usize,
    pub blocked: usize,
    pub retried: usize,
    pub seconds: f64,
}

/// What an action is at while it is under way: for those who want to see where time goes, and no part of the stream of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// For the lock of its output.
    Waiting,
    /// Its verdict is made again, and its inputs are observed.
    Observing,
    Running,
    /// Its inputs are compared with what they were.
    Comparing,
    Publishing,
    /// Before the next attempt.
    Pausing,
    Ended {
        well: bool,
    },
}

/// Consumes events. Called from several threads.
pub trait Sink: Sync {
    fn event(&self, event: &Event);

    /// An action enters a phase. The last one is its end.
    fn phase(&self, _action: &Action, _phase: Phase) {}

    /// Verdicts on so many actions are being made; 0: they are made.
    fn judging(&self, _actions: usize) {}
}
