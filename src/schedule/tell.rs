//! Telling: what has changed of a schedule's periods goes to its programs, and into its ledger.
//!
//! Invariants: the ledger is written after a program was told, so that a notice may be repeated and is never lost; a program that fails
//! is a warning and is told again.

use super::ledger::Ledger;
use super::messenger::send;
use super::notice::notices;
use super::standing::Standing;
use crate::catalog::model::Schedule;
use std::path::Path;

/// Where notices come from and where they are noted.
pub struct Teller<'a> {
    pub schedule: &'a Schedule,
    /// What happened to each period so far.
    pub ledger: &'a Path,
    /// Programs run here.
    pub directory: &'a Path,
}

/// What became of a notice, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Sent(String),
    /// A program failed, or the ledger cannot be written.
    Trouble(String),
}

impl Teller<'_> {
    /// Tells what there is to tell.
    pub fn tell(&self, standings: &[Standing], now: i64) -> Vec<Told> {
        if self.schedule.notify.is_empty() {
            return Vec::new();
        }
        let mut ledger = Ledger::read(self.ledger);
        let known: Vec<String> = standings.iter().map(|s| s.due.name()).collect();
        ledger.keep(|period| known.iter().any(|name| name == period));
        let mut told = Vec::new();
        for notice in notices(standings, &ledger, now) {
            let document = notice.document(self.schedule, &ledger, now).to_string();
            let (name, what) = (notice.of.due.name(), notice.occurrence.name());
            let listeners = self.schedule.notify.iter().filter(|notify| notify.on.contains(&notice.occurrence));
            let sent: Vec<Result<(), String>> = listeners.map(|notify| send(notify, self.directory, &document)).collect();
            let failed: Vec<String> = sent.iter().filter_map(|result| result.clone().err()).collect();
            if failed.is_empty() {
                ledger.tell(&name, notice.occurrence);
                told.extend((!sent.is_empty()).then(|| Told::Sent(format!("told that {name} {}", verb(what)))));
            }
            told.extend(failed.into_iter().map(|why| Told::Trouble(format!("could not tell that {name} {}: {why}", verb(what)))));
        }
        if let Err(error) = ledger.write(self.ledger) {
            told.push(Told::Trouble(format!("what was told cannot be noted and will be told again: {error}")));
        }
        told
    }
}

fn verb(what: &str) -> &str {
    match what {
        "late" => "is late",
        "failed" => "has failed",
        _ => "has recovered",
    }
}
