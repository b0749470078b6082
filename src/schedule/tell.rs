//! Telling: what has changed of a schedule's periods goes to its programs, and into its ledger.
//!
//! Invariants: the ledger is written after a program was told, so that a notice may be repeated and is never lost; a program that fails
//! is a warning and is told again, the others are not; who is to stop begins to tell nothing; nothing that a program has started outlives it.

use super::ledger::Ledger;
use super::messenger::{send, word_of};
use super::notice::{Notice, notices};
use super::standing::Standing;
use crate::catalog::declaration::Occurrence;
use crate::catalog::model::{Notify, Schedule};
use crate::engine::descendants;
use crate::engine::execute::Cancel;
use crate::engine::worker::adopted;
use std::path::Path;

/// Where notices come from and where they are noted.
pub struct Teller<'a> {
    pub schedule: &'a Schedule,
    /// What happened to each period so far.
    pub ledger: &'a Path,
    /// Programs run here.
    pub directory: &'a Path,
    pub cancel: &'a Cancel,
}

/// What became of a notice, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Sent(String),
    /// A program failed, or the ledger cannot be written.
    Trouble(String),
    /// Something was left untold, for this process is to stop.
    Stopped,
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
        standings.iter().filter(|standing| !standing.is_done()).for_each(|standing| ledger.relapse(&standing.due.name()));
        let mut told = Vec::new();
        for notice in notices(standings, &ledger, now) {
            told.extend(self.tell_one(&notice, &mut ledger, now));
        }
        if let Err(error) = ledger.write(self.ledger) {
            told.push(Told::Trouble(format!("what was told cannot be noted and will be told again: {error}")));
        }
        told
    }

    /// Tells all who have not heard it yet.
    fn tell_one(&self, notice: &Notice, ledger: &mut Ledger, now: i64) -> Vec<Told> {
        let document = notice.document(self.schedule, ledger, now).to_string();
        let (name, occurrence) = (notice.of.due.name(), notice.occurrence);
        let listeners = self.schedule.notify.iter().filter(|notify| notify.on.contains(&occurrence));
        let untold: Vec<&Notify> = listeners.filter(|notify| !ledger.has_heard(&name, occurrence, &signature(notify))).collect();
        let (mut sent, mut troubles) = (0, Vec::new());
        for notify in untold.iter().take_while(|_| !self.cancel.is_requested()) {
            match self.send(notify, &document) {
                Ok(()) => {
                    sent += 1;
                    ledger.hear(&name, occurrence, &signature(notify));
                }
                Err(why) => troubles.push(Told::Trouble(format!("could not tell that {name} {}: {why}", verb(occurrence)))),
            }
        }
        if sent == untold.len() {
            ledger.tell(&name, occurrence);
        } else if self.cancel.is_requested() {
            troubles.push(Told::Stopped);
        }
        let news = (sent > 0).then(|| Told::Sent(format!("told that {name} {}", verb(occurrence))));
        news.into_iter().chain(troubles).collect()
    }

    /// Runs a program, and ends what it leaves behind: that becomes a child of this process, wherever it has gone.
    fn send(&self, notify: &Notify, document: &str) -> Result<(), String> {
        descendants::adopt();
        let before = adopted();
        let sent = send(notify, self.directory, document, self.cancel);
        descendants::end_all(|| adopted().into_iter().filter(|pid| !before.contains(pid)).collect());
        sent
    }
}

/// Tells one listener of a schedule from another, wherever it stands: by what it runs.
fn signature(notify: &Notify) -> String {
    notify.environment.iter().chain(&notify.run).map(word_of).collect::<Vec<_>>().join(" ")
}

fn verb(occurrence: Occurrence) -> &'static str {
    match occurrence {
        Occurrence::Late => "is late",
        Occurrence::Failed => "has failed",
        Occurrence::Recovered => "has recovered",
    }
}
