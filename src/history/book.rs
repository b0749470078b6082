//! Writing: events of one run become rows.
//!
//! Invariants: what is written is bounded, action by action; several events are one transaction.

use super::pending::Noted;
use crate::engine::action::ActionId;
use crate::engine::event::Event;
use crate::engine::execute::CheckResult;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Of what a program says so much is kept.
const LOG: usize = 64 << 10;
/// Of one value of metadata, and of the reasons of an action, so much.
const VALUE: usize = 2 << 10;
/// So many of those that were skipped.
const SKIPPED: usize = 1000;

/// An event, and when it was.
pub struct Told {
    pub at: i64,
    /// Since the run began, in seconds.
    pub since: f64,
    pub event: Event,
}

/// The history, open to be written.
pub struct Book {
    pub connection: Connection,
    run: i64,
    open: HashMap<ActionId, Open>,
    skipped: usize,
}

/// An action that is under way.
struct Open {
    row: i64,
    /// Since the run began, of the attempt.
    since: f64,
    first: f64,
    at: i64,
    attempt: i64,
    log: String,
}

impl Book {
    /// Opened for a run that is noted as begun.
    pub fn begin(connection: Connection, started: i64, pid: u32, command: &str) -> rusqlite::Result<Self> {
        let mut book = Self { connection, run: 0, open: HashMap::new(), skipped: 0 };
        let sql = "INSERT INTO runs (started, pid, command, state) VALUES (?1, ?2, ?3, 'running')";
        book.connection.execute(sql, params![started, pid, command])?;
        book.run = book.connection.last_insert_rowid();
        Ok(book)
    }

    /// Runs that are over already. They come before the one that is under way, as far as their numbers go.
    pub fn add_all(&mut self, runs: &[Noted]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for run in runs {
            let sql = "INSERT INTO runs (started, seconds, pid, command, state, summary) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            transaction.execute(sql, params![run.started, run.seconds, run.pid, run.command, run.state, run.summary.to_string()])?;
        }
        transaction.commit()
    }

    /// Writes what was told.
    pub fn write(&mut self, told: &[Told]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut page = Page { transaction, run: self.run, open: &mut self.open, skipped: &mut self.skipped };
        told.iter().try_for_each(|told| page.write(told))?;
        page.transaction.commit()
    }

    /// How the run ended.
    pub fn end(&mut self, state: &str, seconds: f64, summary: &Value) -> rusqlite::Result<()> {
        let sql = "UPDATE runs SET state = ?2, seconds = ?3, summary = ?4 WHERE id = ?1";
        self.connection.execute(sql, params![self.run, state, seconds, summary.to_string()])?;
        let sql = "UPDATE actions SET outcome = 'interrupted' WHERE run = ?1 AND outcome = 'running'";
        self.connection.execute(sql, params![self.run]).map(drop)
    }
}

struct Page<'a> {
    transaction: Transaction<'a>,
    run: i64,
    open: &'a mut HashMap<ActionId, Open>,
    skipped: &'a mut usize,
}

impl Page<'_> {
    fn write(&mut self, Told { at, since, event }: &Told) -> rusqlite::Result<()> {
        match event {
            Event::Judged { action, state, reasons } => {
                let told: Vec<String> = reasons.iter().map(ToString::to_string).collect();
                let row = self.add(action, "running", *at)?;
                let sql = "UPDATE actions SET state = ?2, reasons = ?3 WHERE id = ?1";
                self.transaction.prepare_cached(sql)?.execute(params![row, state.name(), cut(&told.join("\n"), VALUE)])?;
                self.open.insert(action.clone(), Open { row, since: *since, first: *since, at: *at, attempt: 0, log: String::new() });
            }
            Event::Started { action, attempt } => {
                self.opened(action, *at, *since)?;
                if let Some(open) = self.open.get_mut(action) {
                    if *attempt == 1 {
                        open.first = *since;
                    }
                    (open.attempt, open.since, open.at) = (i64::try_from(*attempt).unwrap_or(i64::MAX), *since, *at);
                }
            }
            Event::Said { action, line } => {
                if let Some(open) = self.open.get_mut(action) {
                    keep(&mut open.log, line);
                }
            }
            Event::Checked { action, result } => self.checked(action, result)?,
            Event::Retrying { action, error, delay, .. } => self.attempt(action, *since, Some((error, Some(*delay))))?,
            Event::Published { action, seconds, peak_memory, metadata } => {
                self.attempt(action, *since, None)?;
                let metadata = abridged(metadata);
                self.ended(action, "built", Some((*seconds, *peak_memory)), None, Some(&metadata))?;
            }
            Event::Failed { action, attempt, error, peak_memory, .. } => {
                if *attempt == 0 {
                    // It was not tried: it had failed before.
                    let row = self.add(action, "failed before", *at)?;
                    let sql = "UPDATE actions SET error = ?2 WHERE id = ?1";
                    self.transaction.execute(sql, params![row, cut(error, VALUE)]).map(drop)?;
                    return Ok(());
                }
                self.attempt(action, *since, Some((error, None)))?;
                let seconds = self.open.get(action).map_or(0.0, |open| since - open.first);
                self.ended(action, "failed", Some((seconds, *peak_memory)), Some(error), None)?;
            }
            Event::Skipped { action, because } => {
                *self.skipped += 1;
                if *self.skipped <= SKIPPED && !self.open.contains_key(action) {
                    let row = self.add(action, "skipped", *at)?;
                    let why = because.as_ref().map(|failed| format!("{failed} failed"));
                    self.transaction.execute("UPDATE actions SET error = ?2 WHERE id = ?1", params![row, why]).map(drop)?;
                }
            }
            Event::Warned { action, message } => {
                if let Some(open) = self.open.get_mut(action) {
                    keep(&mut open.log, &format!("warning: {message}"));
                }
            }
            Event::Planned { .. }
            | Event::Hashing { .. }
            | Event::Held { .. }
            | Event::Refused { .. }
            | Event::WaitingForLock { .. }
            | Event::WaitingForRoom { .. }
            | Event::Admitted { .. }
            | Event::Released { .. }
            | Event::Progress { .. }
            | Event::Advanced { .. }
            | Event::Blocked { .. }
            | Event::Interrupted
            | Event::Finished(_) => {}
        }
        Ok(())
    }

    fn add(&self, action: &ActionId, outcome: &str, at: i64) -> rusqlite::Result<i64> {
        let sql = "INSERT INTO actions (run, asset, op, key, outcome, started) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let ActionId { asset, op, key } = action;
        self.transaction.prepare_cached(sql)?.execute(params![self.run, &**asset, &**op, key.as_deref(), outcome, at])?;
        Ok(self.transaction.last_insert_rowid())
    }

    /// One that begins without having been judged before our eyes.
    fn opened(&mut self, action: &ActionId, at: i64, since: f64) -> rusqlite::Result<()> {
        if !self.open.contains_key(action) {
            let row = self.add(action, "running", at)?;
            self.open.insert(action.clone(), Open { row, since, first: since, at, attempt: 0, log: String::new() });
        }
        Ok(())
    }

    fn checked(&self, action: &ActionId, result: &CheckResult) -> rusqlite::Result<()> {
        let Some(open) = self.open.get(action) else { return Ok(()) };
        let CheckResult { check, kind, passed, blocks, value, detail } = result;
        let sql = "INSERT INTO checks (action, name, kind, passed, blocks, value, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let value = cut(&value.to_string(), VALUE);
        self.transaction.prepare_cached(sql)?.execute(params![open.row, check, kind, passed, blocks, value, detail]).map(drop)
    }

    /// The end of an attempt: well, or with an error and the pause until the next.
    fn attempt(&mut self, action: &ActionId, since: f64, failed: Option<(&String, Option<f64>)>) -> rusqlite::Result<()> {
        let Some(open) = self.open.get(action) else { return Ok(()) };
        let (error, delay) = failed.map_or((None, None), |(error, delay)| (Some(cut(error, VALUE)), delay));
        let sql = "INSERT INTO attempts (action, number, started, seconds, error, delay) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let seconds = since - open.since;
        self.transaction.prepare_cached(sql)?.execute(params![open.row, open.attempt, open.at, seconds, error, delay]).map(drop)
    }

    fn ended(
        &mut self,
        action: &ActionId,
        outcome: &str,
        used: Option<(f64, u64)>,
        error: Option<&String>,
        metadata: Option<&Value>,
    ) -> rusqlite::Result<()> {
        let Some(open) = self.open.remove(action) else { return Ok(()) };
        let (seconds, peak) = used.unwrap_or_default();
        let sql = "UPDATE actions SET outcome = ?2, seconds = ?3, attempts = ?4, peak_memory = ?5, error = ?6, metadata = ?7 WHERE id = ?1";
        let (error, metadata) = (error.map(|error| cut(error, VALUE)), metadata.map(ToString::to_string));
        let peak = i64::try_from(peak).unwrap_or(i64::MAX);
        self.transaction.prepare_cached(sql)?.execute(params![open.row, outcome, seconds, open.attempt, peak, error, metadata])?;
        if !open.log.is_empty() {
            self.transaction.execute("INSERT INTO logs (action, text) VALUES (?1, ?2)", params![open.row, open.log])?;
        }
        Ok(())
    }
}

/// The last of what was said.
fn keep(log: &mut String, line: &str) {
    log.push_str(line);
    log.push('\n');
    if log.len() > 2 * LOG {
        let mut from = log.len() - LOG;
        while !log.is_char_boundary(from) {
            from += 1;
        }
        log.replace_range(..from, "…");
    }
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().find(|(at, c)| at + c.len_utf8() > most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

/// Metadata without what is too long to be compared over time.
fn abridged(metadata: &Map<String, Value>) -> Value {
    let short = metadata.iter().filter(|(_, value)| value.to_string().len() <= VALUE);
    Value::Object(short.map(|(name, value)| (name.clone(), value.clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_log_the_end_is_kept() {
        let mut log = String::new();
        (0..40_000).for_each(|number| keep(&mut log, &format!("zeile ä {number}")));
        assert!(log.len() <= 2 * LOG && log.ends_with("39999\n") && log.starts_with('…'));
        assert_eq!((cut("äöü", 4), cut("äöü", 6)), ("äö…".into(), "äöü".into()));
    }
}
