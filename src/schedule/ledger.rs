//! What has been told of which period, in a small file, so that each change of state is told once.
//!
//! Invariants: a period that stands is not in it; a file that is lost or damaged is an empty one; it is replaced whole, by a rename.

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
        serde_json::to_writer(&mut file, &Self { version: VERSION, told: self.told.clone() })?;
        file.persist(path)?;
        Ok(())
    }

    /// What is told of a period that does not stand.
    pub fn told(&self, period: &str) -> &BTreeSet<Occurrence> {
        self.told.get(period).unwrap_or(&NOTHING)
    }

    pub fn tell(&mut self, period: &str, occurrence: Occurrence) {
        if occurrence == Occurrence::Recovered {
            self.told.remove(period);
        } else {
            self.told.entry(period.into()).or_default().insert(occurrence);
        }
    }

    /// Forgets periods that the schedule does not have any more.
    pub fn keep(&mut self, is_known: impl Fn(&str) -> bool) {
        self.told.retain(|period, _| is_known(period));
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
        ledger.write(&path).unwrap();
        assert_eq!(Ledger::read(&path).told, ledger.told);
        for damage in ["", "{", "[]", "{\"version\":2,\"told\":{}}", "{\"version\":1,\"told\":{\"a\":[\"gone\"]}}"] {
            fs::write(&path, damage).unwrap();
            assert_eq!(Ledger::read(&path), Ledger::default(), "{damage}");
        }
    }
}
