//! Cleaning: published outputs give way to tombstones, records without data that whoever was built from them is verified against.
//!
//! Knows nothing of which outputs are to go. Invariants: only what daeda wrote and nobody has changed since is removed; a tombstone is put
//! in place as data is, staged and by one rename, under the locks of the output and of whatever may be reading it just now.

use super::action::{Action, ActionId, Place};
use super::check::{OutputCheck, output_differs};
use super::clock::{Clock, rfc3339};
use super::disk::Disk;
use super::execute::Cancel;
use super::failure::{Failure, FailureKind};
use super::graph::Graph;
use super::lock::{self, Lock};
use super::publish::{publish, withdraw};
use super::record::{Record, Records};
use super::staging::Staging;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};

/// What lies where an action publishes.
#[derive(Debug, Clone)]
pub enum Held {
    Nothing,
    /// Only a record.
    Tombstone(Box<Record>),
    Data(Box<Record>),
    /// Not to be touched, and why.
    Foreign(String),
}

impl Record {
    /// The bytes of the data files that it was written with.
    pub fn bytes(&self) -> u64 {
        self.output.files.iter().map(|f| f.size).sum()
    }
}

/// Looks without changing anything.
pub fn held(id: &ActionId, directory: &Path, records: &dyn Records) -> Held {
    let mut names: Vec<String> = match fs::read_dir(directory) {
        Ok(entries) => entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect(),
        Err(_) => return Held::Nothing,
    };
    if names.is_empty() {
        return Held::Nothing;
    }
    let Some(record) = records.read(directory).filter(|r| r.is_about(id)) else {
        return Held::Foreign("there is no record of this action in it".into());
    };
    let is_recorded = |name: &String| record.output.files.iter().any(|f| f.name.split('/').next() == Some(name.as_str()));
    names.retain(|name| !name.starts_with("_daeda") && !is_recorded(name));
    if let Some(name) = names.first() {
        return Held::Foreign(format!("it holds {name}, which daeda did not write"));
    }
    if record.cleaned.is_some() {
        return Held::Tombstone(Box::new(record));
    }
    let differs = output_differs(directory, &record, OutputCheck::Stat).filter(|reason| directory.join(&reason.detail).exists());
    match differs {
        Some(reason) => Held::Foreign(reason.to_string()),
        None => Held::Data(Box::new(record)),
    }
}

/// What cleaning works with.
pub struct Broom<'a> {
    pub records: &'a dyn Records,
    pub disk: &'a dyn Disk,
    pub clock: &'a dyn Clock,
    pub cancel: &'a Cancel,
    /// Told once about each output whose lock another process holds.
    pub waiting: &'a dyn Fn(&ActionId),
    staging: BTreeMap<PathBuf, Staging<'a>>,
}

impl<'a> Broom<'a> {
    pub fn new(
        records: &'a dyn Records,
        disk: &'a dyn Disk,
        clock: &'a dyn Clock,
        cancel: &'a Cancel,
        waiting: &'a dyn Fn(&ActionId),
    ) -> Self {
        Self { records, disk, clock, cancel, waiting, staging: BTreeMap::new() }
    }

    /// Leaves only the record of an action's output. What lay there before is returned as it was found under the lock; `readers` are those
    /// that may be reading it.
    pub fn clean(&mut self, graph: &Graph, index: usize, readers: &[usize]) -> Result<Held, Failure> {
        let action = &graph.actions()[index];
        let actions = std::iter::once(action).chain(readers.iter().map(|reader| &graph.actions()[*reader]));
        let locks: Result<Vec<Lock>, Failure> = actions.map(|a| self.lock(&a.place, &a.id)).collect();
        let locks = locks?;
        let found = held(&action.id, &action.place.path(), self.records);
        if let Held::Data(record) = &found {
            self.bury(action, record, &locks[0])
                .map_err(|e| Failure::io(&format!("cannot clean {}", action.place.path().display()), &e))?;
        }
        Ok(found)
    }

    fn bury(&mut self, action: &Action, record: &Record, lock: &Lock) -> std::io::Result<()> {
        let tombstone = Record { cleaned: Some(rfc3339(self.clock.now())), ..record.clone() };
        let staged = self.staging(&action.place.root)?.create()?;
        self.records.bury(&action.place.path(), &staged, &tombstone, self.disk)?;
        publish(&staged, &action.place, lock, self.disk)
    }

    /// Removes an output whole, with its record: nothing is verified against it any more.
    pub fn remove(&mut self, id: &ActionId, place: &Place) -> Result<Held, Failure> {
        let lock = self.lock(place, id)?;
        let found = held(id, &place.path(), self.records);
        if let Held::Data(_) | Held::Tombstone(_) = found {
            let disk = self.disk;
            let removed = self.staging(&place.root).and_then(|staging| withdraw(&staging.create()?, place, &lock, disk));
            removed.map_err(|e| Failure::io(&format!("cannot remove {}", place.path().display()), &e))?;
        }
        Ok(found)
    }

    fn lock(&self, place: &Place, id: &ActionId) -> Result<Lock, Failure> {
        let taken = Lock::take(&lock::path_at(&place.root, id), self.disk, || (self.waiting)(id), &|| self.cancel.is_requested());
        let taken = taken.map_err(|e| Failure::io(&format!("cannot lock the output in {}", place.root.display()), &e))?;
        taken.ok_or_else(|| Failure::new(FailureKind::Interrupted, "interrupted"))
    }

    fn staging(&mut self, root: &Path) -> std::io::Result<&Staging<'a>> {
        match self.staging.entry(root.into()) {
            Entry::Occupied(open) => Ok(open.into_mut()),
            Entry::Vacant(free) => Ok(free.insert(Staging::open(root, self.disk)?)),
        }
    }
}
