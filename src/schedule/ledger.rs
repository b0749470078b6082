//! What has been told of which period, and to whom where not all have heard it, in a small file: each change of state is told once.
//!
//! Invariants: a period that stands, and of which all know it, is not in it; a file that is lost or damaged is an empty one; it is replaced whole, by a rename.

use crate::catalog::declaration::Occurrence;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

const VERSION: u32 = 1;

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    version: u32,
    told: BTreeMap<String, BTreeSet<Occurrence>>,
    /// Of what could not be told to all: who has heard it.
    #[serde(default)]
    heard: BTreeMap<String, BTreeMap<Occurrence, BTreeSet<String>>>,
}

static NOTHING: BTreeSet<Occurrence> = BTreeSet::new();

impl Ledger {
    pub fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        serde_json::from_str(&text).ok().filter(|ledger: &Self| ledger.version == VERSION).unwrap_or_default()
    }

    pub fn write(&self, path: &Path) -> io::Result<()> {
        let directory = path.parent().unwrap_or(path);
        fs::create_dir_all(directory)?;
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        serde_json::to_writer(&mut file, &Self { version: VERSION, told: self.told.clone(), heard: self.heard.clone() })?;
        file.persist(path)?;
        Ok(())
    }

    /// What is told of a period that does not stand.
    pub fn told(&self, period: &str) -> &BTreeSet<Occurrence> {
        self.told.get(period).unwrap_or(&NOTHING)
    }

    /// Whether anybody has heard anything of a period that does not stand.
    pub fn knows(&self, period: &str) -> bool {
        self.told.contains_key(period) || self.heard.contains_key(period)
    }

    /// Whether one of several listeners has heard something that others have not.
    pub fn has_heard(&self, period: &str, occurrence: Occurrence, listener: &str) -> bool {
        self.listeners(period, occurrence).is_some_and(|heard| heard.contains(listener))
    }

    fn listeners(&self, period: &str, occurrence: Occurrence) -> Option<&BTreeSet<String>> {
        self.heard.get(period)?.get(&occurrence)
    }

    /// One has heard it, of several.
    pub fn hear(&mut self, period: &str, occurrence: Occurrence, listener: &str) {
        self.heard.entry(period.into()).or_default().entry(occurrence).or_default().insert(listener.into());
    }

    /// All have heard it.
    pub fn tell(&mut self, period: &str, occurrence: Occurrence) {
        if occurrence == Occurrence::Recovered {
            self.told.remove(period);
            self.heard.remove(period);
            return;
        }
        self.told.entry(period.into()).or_default().insert(occurrence);
        if let Some(heard) = self.heard.get_mut(period) {
            heard.remove(&occurrence);
        }
        self.heard.retain(|_, heard| !heard.is_empty());
    }

    /// A period that does not stand has not recovered, whoever has heard so: for them, and for all, what is wrong is news.
    pub fn relapse(&mut self, period: &str) {
        if self.listeners(period, Occurrence::Recovered).is_some() {
            self.tell(period, Occurrence::Recovered);
        }
    }

    /// Forgets periods that the schedule does not have any more.
    pub fn keep(&mut self, is_known: impl Fn(&str) -> bool) {
        self.told.retain(|period, _| is_known(period));
        self.heard.retain(|period, _| is_known(period));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_and_damage_is_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("schedules/nightly.json");
        assert_eq!(Ledger::read(&path), Ledger::default());
        let mut ledger = Ledger::default();
        ledger.tell("daily@2026-02-01", Occurrence::Failed);
        ledger.tell("daily@2026-02-02", Occurrence::Late);
        ledger.tell("daily@2026-02-02", Occurrence::Recovered);
        ledger.hear("daily@2026-02-03", Occurrence::Failed, "one");
        ledger.write(&path).unwrap();
        let read = Ledger::read(&path);
        assert_eq!((&read.told, &read.heard), (&ledger.told, &ledger.heard));
        // As it was written before anybody noted who has heard what.
        fs::write(&path, "{\"version\":1,\"told\":{\"a\":[\"failed\"]}}").unwrap();
        assert!(Ledger::read(&path).told("a").contains(&Occurrence::Failed));
        for damage in ["", "{", "[]", "{\"version\":2,\"told\":{}}", "{\"version\":1,\"told\":{\"a\":[\"gone\"]}}"] {
            fs::write(&path, damage).unwrap();
            assert_eq!(Ledger::read(&path), Ledger::default(), "{damage}");
        }
    }

    #[test]
    fn who_has_heard_what_is_known_until_all_have() {
        use Occurrence::{Failed, Recovered};
        let mut ledger = Ledger::default();
        ledger.hear("a", Failed, "one");
        assert!(ledger.knows("a") && ledger.has_heard("a", Failed, "one") && !ledger.has_heard("a", Failed, "two"));
        ledger.tell("a", Failed);
        assert!(ledger.told("a").contains(&Failed) && ledger.heard.is_empty());
        ledger.hear("a", Recovered, "one");
        ledger.relapse("a");
        assert!(!ledger.knows("a"), "the relapse is told to all");
    }
}
