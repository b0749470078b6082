//! Running an action somewhere: in a worker process, or (in tests) right here.

use super::action::Job;
use super::failure::Failure;
use super::record::OutputFile;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What an action made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// Data files in the staging directory, in their order.
    pub files: Vec<OutputFile>,
    pub metadata: Map<String, Value>,
    pub warnings: Vec<String>,
    /// Bytes.
    #[serde(default)]
    pub peak_memory: u64,
    /// What it saw of its inputs, for the world to complete its observations by. Opaque to the engine.
    #[serde(default)]
    pub seen: Value,
}

/// What progress is counted in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    #[default]
    Steps,
    Rows,
    Bytes,
}

/// What a check of an output found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    pub check: String,
    /// What it looks at: `rows`, `nulls`, `unique`.
    pub kind: String,
    pub passed: bool,
    /// Whether a failure keeps the output from being published.
    pub blocks: bool,
    /// What was measured.
    pub value: Value,
    /// What is wrong, if anything is.
    pub detail: Option<String>,
}

/// What a running action says meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    Step {
        message: String,
        done: u64,
        /// 0 where nobody knows.
        total: u64,
        unit: Unit,
    },
    /// A line of a program that it runs.
    Said(String),
    /// A check of what it wrote has ended.
    Checked(CheckResult),
    /// The leader of a process group that it has started; none once that has ended.
    Running(Option<u32>),
    /// The name of the log, for people, in which is what it says from now on.
    Logged(String),
}

/// Set once when the user wants to stop.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub fn request(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

pub trait Executor: Sync {
    /// Runs an action that writes into an empty staging directory.
    fn run(&self, job: &Job, cancel: &Cancel, progress: &(dyn Fn(Progress) + Sync)) -> Result<Made, Failure>;
}
