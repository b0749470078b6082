//! The world over files: answers requests by listing directories, hashing the columns that are read, and asking keyed sources for their parts.
//!
//! Invariants: what is not within reach is not looked at, and columns that nobody reads are not read; within one build a period is looked
//! at once and a dataset's version resolved once, until somebody asks to look again.

mod ask;
mod files;
mod keyed;
mod periods;
mod ranges;
mod selections;
mod tree;
mod upgrade;
mod vanished;

pub use ask::{Ask, Read, Selects, merged};

use super::command;
use super::keyed::Keyed;
use super::readiness::{Lacking, gap, require};
use super::source::SourceSpec;
use crate::catalog::calendar::Period;
use crate::catalog::declaration::Gaps;
use crate::digest::key::Table;
use crate::engine::action::{Action, Common, Interval, Name, Request};
use crate::engine::hashing::Hashed;
use crate::engine::observation::{Kind, Observation};
use crate::engine::record::{self, Record};
use crate::engine::state::Reason;
use crate::engine::trace;
use crate::engine::world::{Detail, Look, Unobservable, World};
use crate::table::lance::LanceError;
use crate::table::parquet::{ColumnCache, TableError};
use crate::table::rows::RowCache;
use keyed::{KeyedAsk, KeyedSources};
use periods::{Periods, Range, View};
use ranges::Ranged;
use selections::{KnownSelections, Selections};
pub use selections::{Taken, Told};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

/// The requests of an op, read once for all its partitions.
struct Prepared {
    /// Keeps the address that it is known by from being used again.
    _common: Arc<Common>,
    asks: Vec<(Name, Prepare)>,
}

impl Prepared {
    /// What is read by key.
    fn keyed(&self) -> impl Iterator<Item = (&Name, &KeyedAsk)> {
        self.asks.iter().filter_map(|(name, ask)| match ask {
            Prepare::Keyed(ask) => Some((name, ask)),
            _ => None,
        })
    }
}

enum Prepare {
    Periods {
        source: SourceSpec,
        periods: Arc<Periods>,
        reads: Vec<Read>,
        required: bool,
    },
    /// Always required: there is no other period to do with.
    Files {
        source: SourceSpec,
        columns: Vec<String>,
    },
    Keyed(KeyedAsk),
    Whole(Vec<(String, PathBuf)>),
    Environment(Vec<String>),
}

pub struct TableWorld {
    columns: ColumnCache,
    /// Where snapshots of sources are kept.
    snapshots: PathBuf,
    /// By the addresses of what they are of.
    prepared: RwLock<Table<Arc<Prepared>>>,
    /// By name and place: ops that read one view share what was seen of it.
    sources: Mutex<Vec<(SourceSpec, Arc<Periods>)>>,
    keyed: KeyedSources,
    selections: Selections,
    /// Files that are read whole, such as scripts.
    whole: Mutex<HashMap<PathBuf, Observation>>,
}

impl TableWorld {
    /// `cache` is where digests of unchanged files are kept between builds; those of rows and of selections lie beside it.
    pub fn new(cache: &Path) -> Self {
        let keyed = KeyedSources::new(RowCache::new(&cache.with_file_name("rows")));
        let selections = Selections::new(&cache.with_file_name("selections"));
        let (columns, snapshots) = (ColumnCache::open(cache), cache.with_file_name("periods"));
        Self { columns, snapshots, prepared: RwLock::default(), sources: Mutex::default(), keyed, selections, whole: Mutex::default() }
    }

    /// Whether there was a cache that could not be believed.
    pub fn is_started_anew(&self) -> bool {
        self.columns.is_started_anew()
    }

    fn prepared(&self, common: &Arc<Common>) -> Result<Arc<Prepared>, Unobservable> {
        // Spread over all bits, as keys of tables are.
        let address = (Arc::as_ptr(common) as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if let Some(known) = self.prepared.read().expect("no thread panics while it holds the requests").get(&address) {
            return Ok(known.clone());
        }
        let asks: Result<Vec<_>, Unobservable> = common.requests.iter().map(|request| self.prepare(request)).collect();
        let prepared = Arc::new(Prepared { _common: common.clone(), asks: asks? });
        self.prepared.write().expect("no thread panics while it holds the requests").insert(address, prepared.clone());
        Ok(prepared)
    }

    fn prepare(&self, request: &Request) -> Result<(Name, Prepare), Unobservable> {
        let ask: Ask = serde_json::from_value(request.ask.clone()).map_err(|e| Unobservable::Broken(format!("{}: {e}", request.name)))?;
        let prepare = match ask {
            Ask::Parquet { source, reads, required } => match source.layout.as_ref().map(|l| l.cadence) {
                Some(cadence) => Prepare::Periods { periods: self.periods(&source, cadence), source, reads: merged(reads), required },
                None => {
                    let columns =
                        merged(reads.into_iter().map(|r| Read { reach: crate::catalog::dag::Reach::Whole, selects: None, ..r }).collect());
                    Prepare::Files { source, columns: columns.into_iter().flat_map(|r| r.columns).collect() }
                }
            },
            Ask::Keyed { source, read, number, .. } => Prepare::Keyed(KeyedAsk { source, read, number, of_store: OnceLock::new() }),
            Ask::Whole { files } => Prepare::Whole(files),
            Ask::Environment { names } => Prepare::Environment(names),
        };
        Ok((request.name.as_str().into(), prepare))
    }

    fn periods(&self, source: &SourceSpec, cadence: crate::catalog::calendar::Cadence) -> Arc<Periods> {
        let mut sources = self.sources.lock().expect("no thread panics while it holds the sources");
        if let Some((_, periods)) = sources.iter().find(|(known, _)| known == source) {
            return periods.clone();
        }
        let periods = Arc::new(Periods::new(source.clone(), cadence, &self.snapshots));
        sources.push((source.clone(), periods.clone()));
        periods
    }

    fn answer(
        &self,
        name: &Name,
        ask: &Prepare,
        period: Option<Period>,
        look: Look,
        detail: Detail,
    ) -> Result<Vec<Observation>, Unobservable> {
        match ask {
            Prepare::Periods { source, periods, reads, required } => {
                let view = match look {
                    Look::Once => periods.view(&self.columns),
                    Look::Again => periods.view_again(&self.columns),
                };
                let Some(target) = period else { return Err(Unobservable::Broken(format!("{name} is read by period"))) };
                let ranged = ranged(periods, reads, target);
                if periods.first().is_none() {
                    periods.check_cadence(None)?;
                }
                let required = required.then(|| periods.range((Some(target.start), target.end)));
                let lacking = lacking(source, &view, required, &ranged)?;
                match &lacking {
                    Some(Lacking::NotReady(why)) => return Err(Unobservable::Blocked(why.clone())),
                    Some(Lacking::Absent { why, some_left: false }) => {
                        return Err(Unobservable::Absent { why: why.clone(), left: None });
                    }
                    Some(Lacking::Absent { some_left: true, .. }) | None => {}
                }
                let observations = ranges::observe(name, &view, reads, &ranged, detail)?;
                match lacking {
                    Some(Lacking::Absent { why, .. }) => Err(Unobservable::Absent { why, left: Some(observations) }),
                    Some(Lacking::NotReady(_)) | None => Ok(observations),
                }
            }
            Prepare::Files { source, columns } => files::observe(name, source, columns, &self.columns),
            Prepare::Keyed(ask) => self.keyed.observe(name, ask, &self.columns, look),
            Prepare::Whole(files) => files.iter().map(|(name, path)| self.whole(name, path, look)).collect(),
            Prepare::Environment(names) => Ok(names.iter().map(|name| command::environment(name)).collect()),
        }
    }

    /// A selection of an action with its content, if there is one of that name; `since` the first period of what was recorded of it.
    fn selection(
        &self,
        prepared: &Prepared,
        action: &Action,
        wanted: &Name,
        told: &Told,
        since: Option<&Observation>,
    ) -> Result<Option<Observation>, Unobservable> {
        let Some(Interval { start, end }) = action.period else { return Ok(None) };
        for (name, ask) in &prepared.asks {
            let Prepare::Periods { periods, reads, .. } = ask else { continue };
            let is_wanted = |read: &Read| read.filter().is_some_and(|filter| ranges::selection_name(name, filter) == *wanted);
            if reads.iter().any(is_wanted) {
                let target = Period { start, end };
                let wide = since.and_then(|recorded| vanished::widened(periods, reads, target, recorded));
                let mut ranged = wide.unwrap_or_else(|| ranged(periods, reads, target));
                ranged.retain(|ranged| is_wanted(ranged.read));
                let known = KnownSelections { kept: &self.selections, told };
                return ranges::select(wanted.clone(), &periods.view(&self.columns), &ranged, &known).map(Some);
            }
        }
        Ok(None)
    }

    /// Nothing, if what is taken of the periods is the same, or in which of them it is not.
    fn refine_selection(&self, prepared: &Prepared, action: &Action, recorded: &Observation) -> Result<Option<Vec<Reason>>, Unobservable> {
        // A record of the first scheme knows of the columns alone.
        let content =
            recorded.fine.map(|_| self.selection(prepared, action, &recorded.name, &Told::default(), None)).transpose()?.flatten();
        let Some(now) = content else { return Ok(None) };
        if now.fine == recorded.fine {
            return Ok(Some(vec![]));
        }
        let since = self.selection(prepared, action, &recorded.name, &Told::default(), Some(recorded))?;
        Ok(Some(trace::differences(recorded, &since.unwrap_or(now))))
    }

    /// What differs of files and columns where the source began earlier once.
    fn refine_periods(&self, prepared: &Prepared, action: &Action, recorded: &Observation) -> Result<Option<Vec<Reason>>, Unobservable> {
        let Some(Interval { start, end }) = action.period else { return Ok(None) };
        let ask = prepared.asks.iter().find(|(name, _)| *name == recorded.name).map(|(_, ask)| ask);
        let Some(Prepare::Periods { periods, reads, .. }) = ask else { return Ok(None) };
        let Some(wide) = vanished::widened(periods, reads, Period { start, end }, recorded) else { return Ok(None) };
        let since = ranges::observe(&recorded.name, &periods.view(&self.columns), reads, &wide, Detail::Values)?;
        let since = since.iter().find(|o| o.kind == recorded.kind && o.name == recorded.name && o.digest != recorded.digest);
        Ok(since.map(|since| trace::differences(recorded, since)))
    }

    fn whole(&self, name: &str, path: &Path, look: Look) -> Result<Observation, Unobservable> {
        let known = || self.whole.lock().expect("no thread panics while it holds the files").get(path).cloned();
        if let (Look::Once, Some(known)) = (look, known()) {
            return Ok(known);
        }
        let seen = command::file(name, path)?;
        self.whole.lock().expect("no thread panics while it holds the files").insert(path.into(), seen.clone());
        Ok(seen)
    }
}

impl TableWorld {
    /// What is read by key was observed by file once. Of files that are as they were, today's token is what would have been recorded.
    fn upgrade_keyed(&self, prepared: &Prepared, trace: &mut Vec<Observation>) {
        let asks: Vec<(&Name, &KeyedAsk)> = prepared.keyed().collect();
        let by_file: Vec<&(&Name, &KeyedAsk)> = asks.iter().filter(|(_, ask)| upgrade::is_by_file(trace, &ask.source)).collect();
        let rows: Vec<Observation> = by_file.iter().map(|(name, ask)| self.rows_then(name, ask, &asks, trace)).collect();
        trace.retain(|o| !by_file.iter().any(|(_, ask)| upgrade::is_of_files(o, &ask.source)));
        trace.extend(rows);
    }

    fn rows_then(&self, name: &Name, ask: &KeyedAsk, asks: &[(&Name, &KeyedAsk)], trace: &[Observation]) -> Observation {
        let same = match &ask.read {
            Keyed::View { .. } => upgrade::files_are_as_recorded(trace, &ask.source, &self.columns),
            Keyed::Store { .. } => {
                let beside = asks.iter().filter(|(_, other)| other.source == ask.source);
                let columns: Vec<String> = beside.flat_map(|(_, other)| other.read.stored_columns()).collect();
                upgrade::fragments_are_as_recorded(trace, &ask.source, &columns)
            }
        };
        let now = || self.keyed.observe(name, ask, &self.columns, Look::Once).ok()?.pop();
        same.then(now).flatten().unwrap_or_else(|| upgrade::other_rows(name))
    }
}

impl World for TableWorld {
    fn observe(&self, action: &Action, look: Look, detail: Detail) -> Result<Vec<Observation>, Unobservable> {
        let prepared = self.prepared(&action.common)?;
        let period = action.period.map(|Interval { start, end }| Period { start, end });
        let (mut observations, mut lacking) = (Vec::new(), None);
        for (name, ask) in &prepared.asks {
            match self.answer(name, ask, period, look, detail) {
                Ok(answer) => observations.extend(answer),
                Err(Unobservable::Absent { why, left: Some(left) }) => {
                    observations.extend(left);
                    lacking.get_or_insert(why);
                }
                Err(unobservable) => return Err(unobservable),
            }
        }
        match lacking {
            Some(why) => Err(Unobservable::Absent { why, left: Some(observations) }),
            None => Ok(observations),
        }
    }

    fn hashed(&self) -> Hashed {
        let meter = self.columns.meter();
        Hashed { done: meter.done(), total: meter.total() }
    }

    fn upgrade(&self, action: &Action, mut record: Record) -> Record {
        let period = action.period.map(|Interval { start, end }| Period { start, end });
        if let (Ok(prepared), Some(target)) = (self.prepared(&action.common), period) {
            for (name, ask) in &prepared.asks {
                if let Prepare::Periods { periods, reads, .. } = ask {
                    upgrade::periods(&mut record.trace, name, periods, reads, target);
                }
            }
            self.upgrade_keyed(&prepared, &mut record.trace);
        }
        Record { scheme: record::SCHEME, ..record }
    }

    fn refine(&self, action: &Action, recorded: &Observation, _now: &Observation) -> Result<Option<Vec<Reason>>, Unobservable> {
        let prepared = self.prepared(&action.common)?;
        if recorded.kind == Kind::Selection {
            return self.refine_selection(&prepared, action, recorded);
        }
        if matches!(recorded.kind, Kind::Listing | Kind::Columns) {
            return self.refine_periods(&prepared, action, recorded);
        }
        let ask = prepared.keyed().find(|(name, _)| recorded.kind == Kind::Rows && **name == recorded.name);
        ask.map(|(_, ask)| self.keyed.refine(ask, &action.place.path(), recorded, &self.columns)).transpose()
    }

    fn discover(&self, action: &Action, staged: &Path, seen: &Value, trace: &mut [Observation]) -> Result<(), Unobservable> {
        let (prepared, told) = (self.prepared(&action.common)?, Told::parse(seen));
        for (name, ask) in prepared.keyed() {
            for observed in trace.iter_mut().filter(|o| o.kind == Kind::Rows && o.name == *name) {
                self.keyed.discover(ask, staged, observed)?;
            }
        }
        for observed in trace.iter_mut().filter(|o| o.kind == Kind::Selection) {
            match self.selection(&prepared, action, &observed.name, &told, None)? {
                Some(now) if now.digest == observed.digest => *observed = now,
                Some(_) => return Err(Unobservable::Blocked(format!("{} changed while the op ran", observed.name))),
                None => {}
            }
        }
        Ok(())
    }

    fn resolved(&self, action: &Action) -> Value {
        let Ok(prepared) = self.prepared(&action.common) else { return Value::Null };
        let stores = prepared.keyed().filter(|(_, ask)| matches!(ask.read, Keyed::Store { .. }));
        let version = |(_, ask): (&Name, &KeyedAsk)| Some((ask.read.view().to_string(), json!(self.keyed.version(&ask.source)?)));
        // What a worker would have to look for in all of a source, for each action anew.
        let first = |(_, ask): &(Name, Prepare)| match ask {
            Prepare::Periods { source, periods, .. } => Some((source.name.clone(), json!(periods.first()?))),
            _ => None,
        };
        Value::Object(stores.filter_map(version).chain(prepared.asks.iter().filter_map(first)).collect())
    }

    fn foresee(&self, actions: &[Action]) {
        // Ops are few, and their actions come in turns.
        let mut ops: Vec<(&Arc<Common>, Option<Arc<Prepared>>)> = Vec::new();
        let mut foreseen: Vec<(&Periods, Vec<Range>)> = Vec::new();
        for action in actions {
            if !ops.iter().any(|(common, _)| Arc::ptr_eq(common, &action.common)) {
                ops.push((&action.common, self.prepared(&action.common).ok()));
            }
        }
        for (common, prepared) in &ops {
            let periods = || actions.iter().filter(|action| Arc::ptr_eq(&action.common, common)).filter_map(|action| action.period);
            for (_, ask) in prepared.iter().flat_map(|prepared| &prepared.asks) {
                let Prepare::Periods { periods: source, reads, .. } = ask else { continue };
                let mut ranges = Vec::new();
                for Interval { start, end } in periods() {
                    ranged(source, reads, Period { start, end }).iter().for_each(|ranged| cover(&mut ranges, ranged.range));
                }
                foreseen.push((source, ranges));
            }
        }
        foreseen.iter().for_each(|(source, ranges)| source.foresee(ranges));
    }

    fn remember(&self) {
        let sources = self.sources.lock().expect("no thread panics while it holds the sources");
        sources.iter().for_each(|(_, periods)| periods.remember());
        self.columns.save();
        self.selections.save();
    }
}

/// The ranges of periods that reads reach to from a period.
fn ranged<'r>(periods: &Periods, reads: &'r [Read], target: Period) -> Vec<Ranged<'r>> {
    let of = |read: &'r Read| {
        let range = periods.range(SourceSpec::range(read.reach, target))?;
        Some(Ranged::new(range, read, target))
    };
    reads.iter().filter_map(of).collect()
}

/// Adds a range to others. Most follow the one before, or lie in it.
fn cover(ranges: &mut Vec<Range>, (from, to): Range) {
    match ranges.last_mut() {
        Some((first, last)) if *first <= from && from <= *last + 1 => *last = to.max(*last),
        _ => ranges.push((from, to)),
    }
}

/// What an action cannot do without and is not there: a required period, or any within reach where gaps block.
fn lacking(source: &SourceSpec, view: &View, required: Option<Option<Range>>, reads: &[Ranged]) -> Result<Option<Lacking>, Unobservable> {
    let is_there = |range: Range| (range.0..=range.1).all(|number| view.is_there(number) == Ok(true));
    if let Some(range) = required.filter(|range| !range.is_some_and(is_there)) {
        let files: Result<Vec<_>, Unobservable> = range.into_iter().flat_map(|(from, to)| from..=to).map(|n| view.files(n)).collect();
        if let Err(lacking) = require(source, &files?) {
            return Ok(Some(lacking));
        }
    }
    if source.gaps == Gaps::Block {
        for range in ranges::widest(reads) {
            if let Some(period) = view.gap(range)? {
                return Ok(Some(gap(source, &period)));
            }
        }
    }
    Ok(None)
}

fn unobservable(source: &SourceSpec, error: TableError) -> Unobservable {
    match &error {
        TableError::Io { error: e, .. } if e.kind() == io::ErrorKind::NotFound => {
            Unobservable::Blocked(format!("{}: {error}", source.name))
        }
        _ => Unobservable::Broken(format!("{}: {error}", source.name)),
    }
}

fn unobservable_lance(source: &SourceSpec, error: LanceError) -> Unobservable {
    match error {
        LanceError::NotFound { .. } => Unobservable::Absent { why: format!("{} is not there: {error}", source.name), left: None },
        _ => Unobservable::Broken(format!("{}: {error}", source.name)),
    }
}
