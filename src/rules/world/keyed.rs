//! Sources that are read by key: a token says that nothing has changed; where it differs, the rows that were used are compared.
//!
//! Invariants: a dataset's version is resolved once per build, and whoever runs reads that one; a part is read once for all actions.

use super::super::keyed::{Keyed, store_rows, view_rows};
use super::super::source::{PinSpec, SourceSpec};
use super::super::uses::file_name;
use super::{unobservable, unobservable_lance};
use crate::engine::action::Name;
use crate::engine::observation::{Kind, Observation, Shown};
use crate::engine::state::{Reason, ReasonKind};
use crate::engine::world::{Look, Unobservable};
use crate::table::lance::Dataset;
use crate::table::listing::parquet_files;
use crate::table::parquet::ColumnCache;
use crate::table::rows::{Parts, RowCache, RowError, Sidecar, StoreRows, ViewRows, compare, read_sidecar, token};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// What has been opened in this build.
pub struct KeyedSources {
    cache: RowCache,
    opened: Mutex<HashMap<(PathBuf, PinSpec), Dataset>>,
    stores: Mutex<HashMap<(PathBuf, PinSpec, String), Arc<StoreRows>>>,
    views: Mutex<HashMap<(PathBuf, String), Arc<ViewRows>>>,
}

/// A source as it is now.
enum Now {
    Store(Arc<StoreRows>),
    View(Arc<ViewRows>),
}

/// What an op asks about a source that it reads by key.
#[derive(Debug, Clone)]
pub struct KeyedAsk {
    pub source: SourceSpec,
    pub read: Keyed,
    /// Of its sidecar.
    pub number: usize,
    /// What was observed of a store: its version is resolved once for a build, whoever looks how often.
    pub of_store: OnceLock<Observation>,
}

impl KeyedSources {
    pub fn new(cache: RowCache) -> Self {
        Self { cache, opened: Mutex::default(), stores: Mutex::default(), views: Mutex::default() }
    }

    pub fn observe(&self, name: &Name, ask: &KeyedAsk, columns: &ColumnCache, look: Look) -> Result<Vec<Observation>, Unobservable> {
        if let Some(known) = ask.of_store.get() {
            return Ok(vec![known.clone()]);
        }
        let now = self.now(ask, columns, look)?;
        let value = match &now {
            Now::Store(_) => format!("version {}", self.dataset(&ask.source)?.version()),
            Now::View(view) if view.files() == 1 => "1 file".into(),
            Now::View(view) => format!("{} files", view.files()),
        };
        let observed = Observation::shown(Kind::Rows, name.clone(), token(now.parts()), Shown::Text(value));
        if let Now::Store(_) = now {
            let _ = ask.of_store.set(observed.clone());
        }
        Ok(vec![observed])
    }

    /// The version of a dataset that this build reads.
    pub fn version(&self, source: &SourceSpec) -> Option<u64> {
        self.dataset(source).ok().map(|dataset| dataset.version())
    }

    /// The digest of what a run has used, if that is of the source that was observed.
    pub fn discover(&self, ask: &KeyedAsk, staged: &Path, observed: &mut Observation) -> Result<(), Unobservable> {
        let sidecar = read_sidecar(&staged.join(file_name(ask.number))).map_err(|error| of_rows(&ask.source, error))?;
        if token(&sidecar.parts) != observed.digest {
            return Err(Unobservable::Blocked(format!("{} changed while the op ran", ask.source.name)));
        }
        observed.fine = Some(sidecar.digest());
        Ok(())
    }

    /// What became of the rows that the output in a directory was made of.
    pub fn refine(
        &self,
        ask: &KeyedAsk,
        directory: &Path,
        recorded: &Observation,
        columns: &ColumnCache,
    ) -> Result<Vec<Reason>, Unobservable> {
        let reason = |detail: String| Reason::new(ReasonKind::ROWS, &*recorded.name, detail);
        let is_ours = |sidecar: &Sidecar| {
            let same_use = Some(sidecar.digest()) == recorded.fine && sidecar.source == ask.read.label();
            same_use && token(&sidecar.parts) == recorded.digest
        };
        let file = file_name(ask.number);
        let Some(then) = read_sidecar(&directory.join(&file)).ok().filter(is_ours) else {
            return Ok(vec![reason(format!("changed, and {file} does not say which rows were used"))]);
        };
        let changes = match self.now(ask, columns, Look::Once)? {
            Now::Store(store) => compare(&then, store.as_ref()),
            Now::View(view) => compare(&then, view.as_ref()),
        };
        let changes = changes.map_err(|error| of_rows(&ask.source, error))?;
        Ok(if changes.is_empty() { vec![] } else { vec![reason(changes.describe(&then))] })
    }

    fn now(&self, ask: &KeyedAsk, columns: &ColumnCache, look: Look) -> Result<Now, Unobservable> {
        match &ask.read {
            Keyed::Store { key, vector, .. } => self.store(ask, key, vector.as_ref()).map(Now::Store),
            Keyed::View { .. } => self.view(ask, columns, look).map(Now::View),
        }
    }

    fn dataset(&self, source: &SourceSpec) -> Result<Dataset, Unobservable> {
        let mut opened = held(&self.opened);
        let key = (source.path.clone(), source.pin.clone());
        if let Some(known) = opened.get(&key) {
            return Ok(known.clone());
        }
        let dataset = Dataset::open(&source.path, &source.lance_pin()).map_err(|error| unobservable_lance(source, error))?;
        opened.insert(key, dataset.clone());
        Ok(dataset)
    }

    fn store(&self, ask: &KeyedAsk, key: &str, vector: Option<&String>) -> Result<Arc<StoreRows>, Unobservable> {
        let dataset = self.dataset(&ask.source)?;
        let mut stores = held(&self.stores);
        let name = (ask.source.path.clone(), ask.source.pin.clone(), ask.read.label());
        if let Some(known) = stores.get(&name) {
            return Ok(known.clone());
        }
        let rows = store_rows(dataset, key, vector, &self.cache).map_err(|error| of_rows(&ask.source, error))?;
        let rows = Arc::new(rows);
        stores.insert(name, rows.clone());
        Ok(rows)
    }

    fn view(&self, ask: &KeyedAsk, columns: &ColumnCache, look: Look) -> Result<Arc<ViewRows>, Unobservable> {
        let name = (ask.source.path.clone(), ask.read.label());
        let known = held(&self.views).get(&name).cloned();
        if let (Some(known), Look::Once) = (&known, look) {
            return Ok(known.clone());
        }
        let digests = |file: &Path, wanted: &[String]| columns.digests(file, wanted);
        let now = view_rows(files(&ask.source)?, &ask.read, &self.cache, &digests).map_err(|error| of_rows(&ask.source, error))?;
        let now = known.filter(|known| known.parts() == now.parts()).unwrap_or_else(|| Arc::new(now));
        held(&self.views).insert(name, now.clone());
        Ok(now)
    }
}

impl Now {
    fn parts(&self) -> &[u128] {
        match self {
            Self::Store(store) => store.parts(),
            Self::View(view) => view.parts(),
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics while it holds the sources")
}

fn files(source: &SourceSpec) -> Result<Vec<PathBuf>, Unobservable> {
    let listed = parquet_files(&source.path).map_err(|error| Unobservable::Broken(format!("{}: {error}", source.shown)))?;
    let why = || format!("{} is not there: no Parquet file in {}", source.name, source.shown);
    listed.filter(|files| !files.is_empty()).ok_or_else(|| Unobservable::Absent { why: why(), left: None })
}

fn of_rows(source: &SourceSpec, error: RowError) -> Unobservable {
    match error {
        RowError::Lance(error) => unobservable_lance(source, error),
        RowError::Table(error) => unobservable(source, error),
        RowError::Unsupported { .. } | RowError::Damaged { .. } => Unobservable::Broken(format!("{}: {error}", source.name)),
    }
}
