//! Reading: runs, and what they did.

use super::pending::{self, Noted};
use super::schema::{Trouble, open_to_read};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The history, open to be read.
pub struct History {
    state: PathBuf,
    /// None where nothing was written yet.
    pub(super) connection: Option<Connection>,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    Running,
    Succeeded,
    Failed,
    Interrupted,
    Refused,
    /// Its process is gone and has not said how it ended.
    Died,
}

impl RunState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Refused => "refused",
            Self::Died => "died",
        }
    }

    fn of(word: &str, pid: u32) -> Self {
        match word {
            "succeeded" => Self::Succeeded,
            "failed" => Self::Failed,
            "interrupted" => Self::Interrupted,
            "refused" => Self::Refused,
            _ if Path::new("/proc").join(pid.to_string()).exists() => Self::Running,
            _ => Self::Died,
        }
    }
}

#[derive(Debug, Clone)]
pub struct PastRun {
    /// None while it is only noted.
    pub number: Option<i64>,
    /// Milliseconds since the epoch.
    pub started: i64,
    pub seconds: Option<f64>,
    pub command: String,
    pub state: RunState,
    /// Counts, as the `finished` event has them.
    pub summary: Value,
}

#[derive(Debug, Clone)]
pub struct PastAction {
    row: i64,
    pub asset: String,
    pub op: String,
    pub key: Option<String>,
    pub outcome: String,
    /// What it was when it was judged, and why.
    pub state: Option<String>,
    pub reasons: Vec<String>,
    pub started: i64,
    pub seconds: Option<f64>,
    pub peak_memory: u64,
    pub error: Option<String>,
    pub metadata: Value,
    pub attempts: Vec<Attempt>,
    pub checks: Vec<PastCheck>,
}

#[derive(Debug, Clone)]
pub struct Attempt {
    pub number: u64,
    pub started: i64,
    pub seconds: f64,
    pub error: Option<String>,
    /// The pause after it, in seconds.
    pub delay: Option<f64>,
}

#[derive(Debug, Clone)]
pub struct PastCheck {
    pub name: String,
    pub kind: String,
    pub passed: bool,
    pub blocks: bool,
    pub value: Value,
    pub detail: Option<String>,
}

impl PastAction {
    pub fn name(&self) -> String {
        let key = self.key.as_ref().map_or(String::new(), |key| format!("@{key}"));
        format!("{}.{}{key}", self.asset, self.op)
    }
}

impl History {
    pub fn open(state: &Path) -> Result<Self, Trouble> {
        Ok(Self { state: state.into(), connection: open_to_read(state)? })
    }

    /// The last runs, the newest first.
    pub fn runs(&self, most: usize) -> Result<Vec<PastRun>, Trouble> {
        let noted = pending::noted(&self.state).into_iter().map(of_noted);
        let mut runs: Vec<PastRun> = noted.collect();
        if let Some(connection) = &self.connection {
            let sql = format!("SELECT {RUN} FROM runs ORDER BY started DESC, id DESC LIMIT ?1");
            let mut query = connection.prepare(&sql)?;
            let written = query.query_map(params![most as i64], run)?;
            runs.extend(written.collect::<rusqlite::Result<Vec<_>>>()?);
        }
        // Those that are only noted are the newest of their moment.
        runs.sort_by_key(|run| (std::cmp::Reverse(run.started), std::cmp::Reverse(run.number.unwrap_or(i64::MAX))));
        runs.truncate(most);
        Ok(runs)
    }

    /// The run of a number, or the last that did anything.
    pub fn run(&self, number: Option<i64>) -> Result<Option<PastRun>, Trouble> {
        let Some(connection) = &self.connection else { return Ok(None) };
        let last = "(SELECT max(run) FROM actions)";
        let sql = format!("SELECT {RUN} FROM runs WHERE id = coalesce(?1, {last})");
        Ok(connection.query_row(&sql, params![number], run).optional()?)
    }

    /// What a run did, in the order in which it began.
    pub fn actions(&self, number: i64) -> Result<Vec<PastAction>, Trouble> {
        let Some(connection) = &self.connection else { return Ok(Vec::new()) };
        let mut query = connection.prepare(&format!("SELECT {ACTION} FROM actions WHERE run = ?1 ORDER BY id"))?;
        let mut actions = query.query_map(params![number], action)?.collect::<rusqlite::Result<Vec<_>>>()?;
        for action in &mut actions {
            action.attempts = attempts(connection, action.row)?;
            action.checks = checks(connection, action.row)?;
        }
        Ok(actions)
    }

    /// What the program of an action said in its run.
    pub fn log(&self, action: &PastAction) -> Result<Option<String>, Trouble> {
        let Some(connection) = &self.connection else { return Ok(None) };
        let text = connection.query_row("SELECT text FROM logs WHERE action = ?1", params![action.row], |row| row.get(0));
        Ok(text.optional()?)
    }
}

const RUN: &str = "id, started, seconds, pid, command, state, summary";

fn run(row: &Row) -> rusqlite::Result<PastRun> {
    let (pid, state): (u32, String) = (row.get(3)?, row.get(5)?);
    Ok(PastRun {
        number: Some(row.get(0)?),
        started: row.get(1)?,
        seconds: row.get(2)?,
        command: row.get(4)?,
        state: RunState::of(&state, pid),
        summary: json(row.get(6)?),
    })
}

fn of_noted(noted: Noted) -> PastRun {
    let Noted { started, seconds, pid, command, state, summary } = noted;
    PastRun { number: None, started, seconds: Some(seconds), command, state: RunState::of(&state, pid), summary }
}

const ACTION: &str = "id, asset, op, key, outcome, state, reasons, started, seconds, peak_memory, error, metadata";

fn action(row: &Row) -> rusqlite::Result<PastAction> {
    let reasons: Option<String> = row.get(6)?;
    Ok(PastAction {
        row: row.get(0)?,
        asset: row.get(1)?,
        op: row.get(2)?,
        key: row.get(3)?,
        outcome: row.get(4)?,
        state: row.get(5)?,
        reasons: reasons.iter().flat_map(|text| text.lines()).map(str::to_string).collect(),
        started: row.get(7)?,
        seconds: row.get(8)?,
        peak_memory: row.get::<_, Option<i64>>(9)?.unwrap_or_default().max(0) as u64,
        error: row.get(10)?,
        metadata: json(row.get(11)?),
        attempts: Vec::new(),
        checks: Vec::new(),
    })
}

fn attempts(connection: &Connection, action: i64) -> rusqlite::Result<Vec<Attempt>> {
    let mut query =
        connection.prepare_cached("SELECT number, started, seconds, error, delay FROM attempts WHERE action = ?1 ORDER BY number")?;
    let of = |row: &Row| {
        let number: i64 = row.get(0)?;
        Ok(Attempt { number: number.max(0) as u64, started: row.get(1)?, seconds: row.get(2)?, error: row.get(3)?, delay: row.get(4)? })
    };
    query.query_map(params![action], of)?.collect()
}

fn checks(connection: &Connection, action: i64) -> rusqlite::Result<Vec<PastCheck>> {
    let mut query = connection.prepare_cached("SELECT name, kind, passed, blocks, value, detail FROM checks WHERE action = ?1")?;
    let of = |row: &Row| {
        let (name, kind, passed, blocks, detail) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(5)?);
        Ok(PastCheck { name, kind, passed, blocks, value: json(row.get(4)?), detail })
    };
    query.query_map(params![action], of)?.collect()
}

pub(super) fn json(text: Option<String>) -> Value {
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null)
}
