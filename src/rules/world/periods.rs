//! One partitioned source as all actions of a build see it: which files each period has, and digests over ranges of periods.
//!
//! Invariants: within one build a period is looked at once, until somebody asks to look again; what nobody reads is not looked at.

use super::super::cadence::Strangers;
use super::super::readiness::Readiness;
use super::super::source::{PeriodFiles, SourceSpec};
use super::ask::Selects;
use super::selections::{KnownSelections, Taken};
use super::tree::{Memo, Tree};
use super::unobservable;
use crate::catalog::calendar::{Cadence, Period};
use crate::catalog::pattern::fill;
use crate::digest::{Digest, Hasher};
use crate::engine::observation::ABSENT;
use crate::engine::series::{Marks, Prints, Series};
use crate::engine::world::Unobservable;
use crate::table::parquet::ColumnCache;
pub use crate::table::snapshot::Range;
use crate::table::snapshot::{Found, Learned, Looked, Snapshot, Stat};
use rayon::prelude::*;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, RwLock};

pub struct Periods {
    source: SourceSpec,
    cadence: Cadence,
    first: OnceLock<Option<i64>>,
    strangers: OnceLock<Strangers>,
    /// What earlier builds have seen. Not of a source whose periods count as there by more than their files.
    snapshot: Option<Snapshot>,
    seen: RwLock<Arc<Seen>>,
}

/// What was seen since the last look.
#[derive(Default)]
struct Seen {
    files: Memo<(Arc<PeriodFiles>, Option<Stat>)>,
    /// What is as earlier builds have seen it.
    looked: Option<Looked>,
    unbroken: Unbroken,
    listing: Arc<Tree>,
    listings: Mutex<Vec<(Range, Digest)>>,
    /// By their names: of these there are few.
    columns: RwLock<Vec<(Vec<String>, Arc<Columns>)>>,
    selections: RwLock<HashMap<String, Arc<Memo<Option<Digest>>>>>,
}

/// Some columns of all periods.
#[derive(Default)]
pub struct Columns {
    tree: Tree,
    /// What records are written of: every action of a window of hundreds of periods asks for them again.
    digests: Memo<Arc<Vec<FileDigests>>>,
    /// The number of the set in the snapshot.
    set: Option<usize>,
    learned: Mutex<Learned>,
}

/// A file's name within its period, and the digests of its columns in the order in which they are wanted.
pub type FileDigests = (String, Vec<Digest>);

impl Seen {
    fn of(snapshot: Option<&Snapshot>, source: &SourceSpec) -> Self {
        Self { looked: snapshot.map(|snapshot| snapshot.look(&source.path)), ..Self::default() }
    }

    fn columns(&self, wanted: &[String]) -> Arc<Columns> {
        let find = |all: &[(Vec<String>, Arc<Columns>)]| all.iter().find(|(set, _)| set == wanted).map(|(_, columns)| columns.clone());
        if let Some(known) = find(&self.columns.read().expect("no thread panics while it holds the trees")) {
            return known;
        }
        let mut all = self.columns.write().expect("no thread panics while it holds the trees");
        find(&all).unwrap_or_else(|| {
            let set = self.looked.as_ref().and_then(|looked| looked.set(wanted));
            let new = Arc::new(Columns { set, ..Columns::default() });
            all.push((wanted.to_vec(), new.clone()));
            new
        })
    }

    fn selections(&self, what: &str) -> Arc<Memo<Option<Digest>>> {
        let known = self.selections.read().expect("no thread panics while it holds the selections").get(what).cloned();
        known.unwrap_or_else(|| {
            self.selections.write().expect("no thread panics while it holds the selections").entry(what.to_string()).or_default().clone()
        })
    }
}

impl Columns {
    fn learned(&self) -> MutexGuard<'_, Learned> {
        self.learned.lock().expect("no thread panics while it learns")
    }
}

/// A file for each source, whatever its name.
fn file_name(source: &str) -> String {
    source.chars().map(|c| if c.is_alphanumeric() || "._-".contains(c) { c } else { '.' }).collect()
}

/// Where a source lies, how, and how its digests are made: what a snapshot of another one says nothing about.
fn about(source: &SourceSpec) -> Digest {
    let source = serde_json::to_string(source).unwrap_or_default();
    let columns = u64::from(ColumnCache::VERSION);
    Hasher::new("snapshot").text("source", &source).number("columns", columns).digest("ranges", &way_of_hashing()).finish()
}

/// Another one where the digests of periods, or those over ranges of them, are made in another way.
fn way_of_hashing() -> Digest {
    let column = |number: i64| digest_of_columns(&[(String::new(), vec![Digest::of(&number.to_le_bytes())])], &["column".into()]);
    let leaf = |number: i64| Ok::<_, Infallible>(if number % 2 == 0 { digest_of_listing(ABSENT) } else { column(number) });
    let Ok(digest) = Tree::default().range(-3, 40, &leaf);
    digest
}

fn digest_of_listing(names: &str) -> Digest {
    Hasher::new("files").text("names", names).finish()
}

/// The longest run of periods that are known to be there: where gaps block, each period of a history asks about all of it.
#[derive(Default)]
struct Unbroken(RwLock<Option<Range>>);

impl Unbroken {
    /// The first of a range that is not there. What is known to be is not asked about again.
    fn gap<E>(&self, (from, to): Range, is_there: impl Fn(i64) -> Result<bool, E>) -> Result<Option<i64>, E> {
        let known = *self.0.read().expect("no thread panics while it holds what is unbroken");
        let (mut start, mut next) = (from, from);
        while next <= to {
            match known.filter(|(first, last)| (*first..=*last).contains(&next)) {
                Some((first, last)) => (start, next) = (start.min(first), last + 1),
                None if is_there(next)? => next += 1,
                None => {
                    self.keep(start, next - 1);
                    return Ok(Some(next));
                }
            }
        }
        self.keep(start, next - 1);
        Ok(None)
    }

    fn keep(&self, first: i64, last: i64) {
        let mut known = self.0.write().expect("no thread panics while it holds what is unbroken");
        if known.is_none_or(|known| known.1 - known.0 < last - first) {
            *known = Some((first, last));
        }
    }
}

/// One look at a source: what was seen before, or everything anew.
pub struct View<'a> {
    periods: &'a Periods,
    cache: &'a ColumnCache,
    seen: Arc<Seen>,
}

impl Periods {
    /// `snapshots` is where those of sources are kept between builds.
    pub fn new(source: SourceSpec, cadence: Cadence, snapshots: &Path) -> Self {
        let by_files = source.readiness == Readiness::default();
        let snapshot = by_files.then(|| Snapshot::open(&snapshots.join(file_name(&source.name)), about(&source)));
        let seen = RwLock::new(Arc::new(Seen::of(snapshot.as_ref(), &source)));
        Self { source, cadence, first: OnceLock::new(), strangers: OnceLock::new(), snapshot, seen }
    }

    /// Looks at once at what earlier builds have seen of some ranges.
    pub fn foresee(&self, ranges: &[Range]) {
        let seen = self.seen.read().expect("no thread panics while it holds what was seen").clone();
        seen.looked.iter().for_each(|looked| looked.foresee(ranges));
    }

    /// Keeps what was seen last for later builds.
    pub fn remember(&self) {
        let seen = self.seen.read().expect("no thread panics while it holds what was seen").clone();
        let (Some(snapshot), Some(looked)) = (&self.snapshot, &seen.looked) else { return };
        let columns = seen.columns.read().expect("no thread panics while it holds the trees");
        let learned = columns.iter().map(|(wanted, columns)| (wanted.clone(), std::mem::take(&mut *columns.learned())));
        let listings = std::mem::take(&mut *seen.listings.lock().expect("no thread panics while it holds the listings"));
        snapshot.save(looked, &learned.collect(), &listings);
    }

    pub fn view<'a>(&'a self, cache: &'a ColumnCache) -> View<'a> {
        let seen = self.seen.read().expect("no thread panics while it holds what was seen").clone();
        View { periods: self, cache, seen }
    }

    /// Looks again, without believing anything; what is seen now is what others see from now on.
    pub fn view_again<'a>(&'a self, cache: &'a ColumnCache) -> View<'a> {
        let seen = Arc::new(Seen::of(self.snapshot.as_ref(), &self.source));
        *self.seen.write().expect("no thread panics while it holds what was seen") = seen.clone();
        View { periods: self, cache, seen }
    }

    /// The numbers of the periods whose files may hold rows of a range of instants; none before the source's first one.
    pub fn range(&self, (start, end): (Option<i64>, i64)) -> Option<Range> {
        let first = self.first()?;
        let start = start.unwrap_or(first).max(first);
        let end = end.saturating_add(self.source.lateness);
        (start < end).then(|| (self.cadence.ordinal(start), self.cadence.ordinal(end - 1)))
    }

    /// The start of the first period that can hold data, if there is one.
    pub fn first(&self) -> Option<i64> {
        *self.first.get_or_init(|| self.source.first_instant())
    }

    /// An error where a period is not there and something of another cadence is; without a number, where no period is.
    pub fn check_cadence(&self, number: Option<i64>) -> Result<(), Unobservable> {
        let strangers = self.strangers.get_or_init(|| Strangers::of(&self.source));
        let wrong = strangers.instead_of(&self.source, number.map(|number| self.period(number)));
        wrong.map_or(Ok(()), |why| Err(Unobservable::Broken(format!("{}: {why}", self.source.shown))))
    }

    pub fn key(&self, number: i64) -> String {
        self.cadence.key_at(self.period(number).start)
    }

    /// The number of the period that a key names.
    pub fn number(&self, key: &str) -> Option<i64> {
        self.cadence.period(key).map(|period| self.cadence.ordinal(period.start))
    }

    /// The part of a range of instants that lies within periods that were recorded.
    pub fn within(&self, (start, end): (Option<i64>, i64), (first, last): Range) -> Option<Range> {
        let from = start.map_or(first, |start| self.cadence.ordinal(start)).max(first);
        let to = self.cadence.ordinal(end.saturating_add(self.source.lateness).saturating_sub(1)).min(last);
        (from <= to).then_some((from, to))
    }

    /// The directory of a period, below the source's.
    pub fn directory(&self, number: i64) -> String {
        let layout = self.source.layout.as_ref().map_or("", |l| &l.pattern);
        fill(layout, &self.cadence, self.period(number).start)
    }

    fn period(&self, number: i64) -> Period {
        self.cadence.at_ordinal(number)
    }
}

impl View<'_> {
    fn source(&self) -> &SourceSpec {
        &self.periods.source
    }

    /// What is as earlier builds have seen it.
    fn looked(&self) -> Option<&Looked> {
        self.seen.looked.as_ref()
    }

    /// The files of a period.
    pub fn files(&self, number: i64) -> Result<Arc<PeriodFiles>, Unobservable> {
        self.listed(number).map(|(files, _)| files)
    }

    /// With its directory, where that would show a change of them.
    fn listed(&self, number: i64) -> Result<(Arc<PeriodFiles>, Option<Stat>), Unobservable> {
        self.seen.files.get(number, || {
            let stat = Cell::new(None);
            let list = |directory: &Path| {
                let (files, seen) = self.cache.files_seen(directory)?;
                stat.set(seen);
                Ok(files)
            };
            let found = self.source().period_files(self.periods.period(number), &list);
            let found = found.map_err(|e| Unobservable::Broken(format!("{}: {e}", self.source().shown)))?;
            if !found.is_there() && found.waits.is_none() {
                self.periods.check_cadence(Some(number))?;
            }
            Ok((Arc::new(found), stat.get()))
        })
    }

    /// Whether a period is there.
    pub fn is_there(&self, number: i64) -> Result<bool, Unobservable> {
        if self.looked().is_some_and(|looked| looked.is_there(number)) {
            return Ok(true);
        }
        self.files(number).map(|files| files.is_there())
    }

    /// The digest of columns of a period. What would show a change of it is kept.
    fn learn(&self, number: i64, wanted: &[String], columns: &Columns) -> Result<Digest, Unobservable> {
        let (period, directory) = self.listed(number)?;
        let (mut digests, mut stats) = (Vec::new(), Vec::new());
        for file in period.files.iter().flatten() {
            let seen = self.cache.digests_seen(file, wanted).map_err(|e| unobservable(self.source(), e))?;
            digests.push((period.name_of(file), seen.0));
            stats.extend(seen.1.map(|stat| (period.name_of(file), stat)));
        }
        let digest = digest_of_columns(&digests, wanted);
        if let Some(stat) = directory.filter(|_| self.seen.looked.is_some() && stats.len() == digests.len() && !stats.is_empty()) {
            let (directory, listing) = (self.periods.directory(number), self.listing_leaf(number)?);
            let found = Found { number, directory, stat, listing, columns: digest, files: stats };
            columns.learned().periods.push(found);
        }
        Ok(digest)
    }

    /// The first period of a range that is not there.
    pub fn gap(&self, range: Range) -> Result<Option<Arc<PeriodFiles>>, Unobservable> {
        let gap = self.seen.unbroken.gap(range, |number| self.is_there(number))?;
        gap.map(|number| self.files(number)).transpose()
    }

    /// What is taken of each period of a range, nothing where there is none, of instants within reach.
    pub fn selected(
        &self,
        (from, to): Range,
        reach: Period,
        wanted: &[String],
        selects: &Selects,
        selections: &KnownSelections,
    ) -> Result<Vec<Option<Digest>>, Unobservable> {
        let whole = self.seen.selections(&selects.text());
        let make = |number: i64, reach: Period| {
            let files = self.files(number)?;
            let taken = Taken { source: self.source(), files: &files, selects, columns: wanted, reach };
            files.is_there().then(|| selections.digest(&taken, self.cache)).transpose()
        };
        let of = |number: i64| {
            let admitted = self.source().admits(self.periods.period(number));
            match reach.start <= admitted.start && admitted.end <= reach.end {
                true => whole.get(number, || make(number, reach)),
                false => make(number, reach),
            }
        };
        (from..=to).collect::<Vec<i64>>().into_par_iter().map(of).collect()
    }

    /// What a selection is made of, for people: one mark per period.
    pub fn selected_series(&self, range: Range, part: &str, digests: &[Option<Digest>]) -> Series {
        let mut prints = Prints::default();
        digests.iter().for_each(|digest| prints.push(digest.iter()));
        self.series(range, [(part.to_string(), Marks::Prints(prints))].into())
    }
}

/// What is known of each period of a source, seen now or recorded, and the digests over ranges that follow from it.
pub trait Known {
    /// The names of a period's files, as listings have them.
    fn names(&self, number: i64) -> Result<String, Unobservable>;

    /// By file of a period, the digests of columns in their order.
    fn digests(&self, number: i64, wanted: &[String]) -> Result<Vec<FileDigests>, Unobservable>;

    fn key(&self, number: i64) -> String;

    /// Where digests of listings are kept.
    fn listing_tree(&self) -> Arc<Tree>;

    /// Where digests of columns are kept.
    fn columns_seen(&self, wanted: &[String]) -> Arc<Columns>;

    /// One digest of which files the periods of a range have.
    fn listing(&self, (from, to): Range) -> Result<Digest, Unobservable> {
        self.listing_tree().range(from, to, &|number| self.listing_leaf(number))
    }

    /// One digest of columns of the periods of a range.
    fn columns(&self, (from, to): Range, wanted: &[String]) -> Result<Digest, Unobservable> {
        let leaf = |number| Ok(digest_of_columns(&self.digests(number, wanted)?, wanted));
        self.columns_seen(wanted).tree.range(from, to, &leaf)
    }

    fn listing_leaf(&self, number: i64) -> Result<Digest, Unobservable> {
        Ok(digest_of_listing(&self.names(number)?))
    }

    /// What `listing` is made of, for people.
    fn listing_series(&self, (from, to): Range) -> Result<Series, Unobservable> {
        let names: Result<Vec<String>, Unobservable> = (from..=to).map(|n| self.names(n)).collect();
        Ok(self.series((from, to), [(String::new(), Marks::texts(names?.into_iter()))].into()))
    }

    /// What `columns` is made of, for people.
    fn columns_series(&self, (from, to): Range, wanted: &[String]) -> Result<Series, Unobservable> {
        let mut prints = vec![Prints::default(); wanted.len()];
        let mut names = Vec::new();
        let columns = self.columns_seen(wanted);
        for number in from..=to {
            names.push(self.names(number)?);
            let files = columns.digests.get(number, || self.digests(number, wanted).map(Arc::new))?;
            for (column, prints) in prints.iter_mut().enumerate() {
                prints.push(files.iter().filter_map(|(_, digests)| digests.get(column)));
            }
        }
        let mut parts: BTreeMap<String, Marks> = wanted.iter().cloned().zip(prints.into_iter().map(Marks::Prints)).collect();
        parts.insert(String::new(), Marks::texts(names.into_iter()));
        Ok(self.series((from, to), parts))
    }

    fn series(&self, (from, to): Range, parts: BTreeMap<String, Marks>) -> Series {
        let keys: Vec<String> = (from..=to).map(|n| self.key(n)).collect();
        let ends = |key: Option<&String>| key.cloned().unwrap_or_default();
        Series { from: ends(keys.first()), to: ends(keys.last()), parts, keys }
    }
}

fn digest_of_columns(files: &[FileDigests], wanted: &[String]) -> Digest {
    let mut hasher = Hasher::new("columns of a period");
    // Names are the listing's: a file that is renamed has the columns it had.
    for (at, (_, digests)) in files.iter().enumerate() {
        hasher.number("file", at as u64);
        for (column, digest) in wanted.iter().zip(digests) {
            hasher.part(column, &digest.bytes()[..16]);
        }
    }
    hasher.finish()
}

impl Known for View<'_> {
    fn listing(&self, range: Range) -> Result<Digest, Unobservable> {
        if let Some(known) = self.looked().and_then(|looked| looked.range(None, range)) {
            return Ok(known);
        }
        let known = |number| self.looked()?.listing(number);
        let leaf = |number| known(number).map_or_else(|| self.listing_leaf(number), Ok);
        let digest = self.seen.listing.range(range.0, range.1, &leaf)?;
        if self.looked().is_some() {
            self.seen.listings.lock().expect("no thread panics while it holds the listings").push((range, digest));
        }
        Ok(digest)
    }

    fn columns(&self, range: Range, wanted: &[String]) -> Result<Digest, Unobservable> {
        let columns = self.seen.columns(wanted);
        if let Some(known) = columns.set.and_then(|set| self.looked()?.range(Some(set), range)) {
            return Ok(known);
        }
        let known = |number| self.looked()?.columns(columns.set?, number);
        let leaf = |number| known(number).map_or_else(|| self.learn(number, wanted, &columns), Ok);
        let digest = columns.tree.range(range.0, range.1, &leaf)?;
        if self.looked().is_some() {
            columns.learned().ranges.push((range, digest));
        }
        Ok(digest)
    }

    fn names(&self, number: i64) -> Result<String, Unobservable> {
        let period = self.files(number)?;
        // An empty directory is no period: retention may remove files and leave it.
        Ok(match period.files.as_ref().filter(|files| !files.is_empty()) {
            None => ABSENT.to_string(),
            Some(files) => files.iter().map(|f| period.name_of(f)).collect::<Vec<_>>().join(", "),
        })
    }

    fn digests(&self, number: i64, wanted: &[String]) -> Result<Vec<FileDigests>, Unobservable> {
        let period = self.files(number)?;
        let files = period.files.iter().flatten();
        let of = |file: &PathBuf| Ok((period.name_of(file), self.cache.digests(file, wanted).map_err(|e| unobservable(self.source(), e))?));
        files.map(of).collect()
    }

    fn key(&self, number: i64) -> String {
        self.periods.key(number)
    }

    fn listing_tree(&self) -> Arc<Tree> {
        self.seen.listing.clone()
    }

    fn columns_seen(&self, wanted: &[String]) -> Arc<Columns> {
        self.seen.columns(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::RefCell;

    /// A gap, and what was asked about on the way.
    fn gap(unbroken: &Unbroken, range: Range, there: &[bool]) -> (Option<i64>, Vec<i64>) {
        let asked = RefCell::new(Vec::<i64>::new());
        let found = unbroken.gap::<Infallible>(range, |number| {
            asked.borrow_mut().push(number);
            Ok(there[number as usize])
        });
        (found.unwrap(), asked.into_inner())
    }

    proptest! {
        #[test]
        fn the_first_gap_of_a_range_is_found(there in proptest::collection::vec(proptest::bool::weighted(0.8), 30),
                                             ranges in proptest::collection::vec((0..30i64, 0..30i64), 1..12)) {
            let unbroken = Unbroken::default();
            for range in ranges {
                let first = (range.0..=range.1).find(|number| !there[*number as usize]);
                prop_assert_eq!(gap(&unbroken, range, &there).0, first);
            }
        }
    }

    #[test]
    fn a_history_that_grows_is_asked_about_once() {
        let (unbroken, there) = (Unbroken::default(), [true; 100]);
        let asked: Vec<i64> = (0..100).flat_map(|to| gap(&unbroken, (0, to), &there).1).collect();
        assert_eq!(asked, (0..100).collect::<Vec<i64>>());
        let mut there = [true; 100];
        there[50] = false;
        let unbroken = Unbroken::default();
        let asked: usize = (0..100).map(|to| gap(&unbroken, (0, to), &there).1.len()).sum();
        assert_eq!(asked, 50 + 50, "up to the gap once, and the gap by each beyond it");
    }
}
