//! A snapshot of a source by periods: which files each period had, what the file system said of them, and the digests of its listing and of
//! columns that followed. A period that is as it was costs a look at its directory and at each file, and nothing is hashed.
//!
//! Knows nothing of what a digest is made of. Invariants: what is kept of a period is believed only while its directory and all its files are
//! what they were, and is made only of what would show a change (see `stat`); what is kept of a range, only while every period of it is
//! believed. The file is a cache: damaged or foreign, it is started anew.

mod file;
#[cfg(test)]
mod tests;

use crate::digest::Digest;
use crate::stat::Near;
pub use crate::stat::Stat;
use file::{Contents, Period, SnapshotFile};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Periods by their numbers, both ends in.
pub type Range = (i64, i64);

/// Names and stats of the files of a period.
pub type Files = Vec<(String, Stat)>;

/// So many sets of columns are kept, those first that were asked for last.
const SETS: usize = 64;

/// So many ranges are kept that end with one period, before all make way that nobody asked for now.
const ENDS: usize = 8;

/// So many periods are looked at by one thread in a row.
const ROW: i64 = 192;

/// What is kept of a source.
#[derive(Clone)]
pub struct Snapshot {
    path: Arc<Path>,
    about: Digest,
    kept: Option<Arc<SnapshotFile>>,
}

/// One look at the periods of a snapshot: which are as they were, and which are not.
pub struct Looked {
    root: PathBuf,
    kept: Option<Arc<SnapshotFile>>,
    same: Box<[AtomicU64]>,
    other: Box<[AtomicU64]>,
}

/// What was found out of one period, to be kept: of a listing that is flat, and of files whose next change will show.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub number: i64,
    /// Relative to the source.
    pub directory: String,
    pub stat: Stat,
    pub listing: Digest,
    pub columns: Digest,
    pub files: Files,
}

/// What was found out of a set of columns.
#[derive(Debug, Default)]
pub struct Learned {
    pub periods: Vec<Found>,
    pub ranges: Vec<(Range, Digest)>,
}

impl Snapshot {
    /// The one that is kept in a file, about what `about` is a digest of.
    pub fn open(path: &Path, about: Digest) -> Self {
        Self { path: path.into(), about, kept: SnapshotFile::open(path, &about).map(Arc::new) }
    }

    /// A look at a source's directory.
    pub fn look(&self, root: &Path) -> Looked {
        let words = self.kept.as_ref().map_or(0, |kept| kept.count.div_ceil(64));
        let bits = || (0..words).map(|_| AtomicU64::new(0)).collect();
        Looked { root: root.into(), kept: self.kept.clone(), same: bits(), other: bits() }
    }

    /// Keeps what was learned since, by sets of columns, and of ranges of the listing. Best effort: what cannot be written costs time only.
    pub fn save(&self, looked: &Looked, learned: &HashMap<Vec<String>, Learned>, listing: &[(Range, Digest)]) {
        // A range that something is lacking of is asked for each time anew, and never kept.
        let is_whole = |ranges: &[(Range, Digest)]| ranges.iter().any(|(range, _)| looked.are_same(*range));
        if learned.values().all(|l| l.periods.is_empty() && !is_whole(&l.ranges)) && !is_whole(listing) {
            return;
        }
        let mut contents = Contents { sets: self.sets(learned), ..Contents::default() };
        let periods = periods(learned, &contents.sets);
        contents.periods = looked.believed(&contents.sets);
        // Periods that became others after they were seen to be as they were: what was learned or kept of ranges over them is of before.
        let mut others = BTreeSet::new();
        for (number, found) in periods {
            match (contents.periods.remove(&number), found.filter(|_| !looked.is_torn(number))) {
                (Some(mut known), Some(found)) if known.is_of(&found) => {
                    known.add(&found);
                    contents.periods.insert(number, known);
                }
                (known, found) => {
                    others.extend((known.is_some() || found.is_none()).then_some(number));
                    contents.periods.extend(found.map(|found| (number, found)));
                }
            }
        }
        let whole = Whole::of(&contents);
        let of = |set: usize| learned.get(&contents.sets[set]);
        let mut is_new = (0..contents.sets.len()).any(|set| of(set).is_some_and(|l| !l.periods.is_empty()));
        for set in std::iter::once(None).chain((0..contents.sets.len()).map(Some)) {
            let mut ranges = looked.believed_ranges(set.map(|set| &contents.sets[set]), &others);
            let more = set.map_or(listing, |set| of(set).map_or(&[], |l| &l.ranges));
            let holds = |range: Range| whole.holds(set, range) && !has_any(&others, range);
            let more = more.iter().filter(|(range, _)| holds(*range)).map(|((from, to), digest)| ((*to, *from), *digest));
            is_new |= add(&mut ranges, more);
            contents.ranges.push(ranges);
        }
        if is_new {
            let _ = contents.save(&self.path, &self.about);
        }
    }

    /// The sets of columns to be kept: what was asked for, then what was known.
    fn sets(&self, learned: &HashMap<Vec<String>, Learned>) -> Vec<Vec<String>> {
        let mut sets: Vec<Vec<String>> = learned.keys().cloned().collect();
        sets.sort_unstable();
        let known = self.kept.iter().flat_map(|kept| &kept.sets).filter(|set| !learned.contains_key(*set));
        sets.extend(known.cloned());
        sets.truncate(SETS);
        sets
    }
}

/// Adds ranges by their ends; whether any is new.
fn add(ranges: &mut BTreeMap<(i64, i64), Digest>, more: impl Iterator<Item = ((i64, i64), Digest)>) -> bool {
    let mut new: BTreeMap<(i64, i64), Digest> = more.collect();
    new.retain(|range, digest| ranges.get(range) != Some(digest));
    for (to, _) in new.keys() {
        let alike = (*to, i64::MIN)..=(*to, i64::MAX);
        if ranges.range(alike.clone()).count() >= ENDS {
            let crowd: Vec<(i64, i64)> = ranges.range(alike).map(|(range, _)| *range).collect();
            for range in &crowd {
                ranges.remove(range);
            }
        }
    }
    let is_new = !new.is_empty();
    ranges.extend(new);
    is_new
}

/// What was learned, by period; nothing of one of which different things were.
fn periods(learned: &HashMap<Vec<String>, Learned>, sets: &[Vec<String>]) -> BTreeMap<i64, Option<Period>> {
    let mut periods: BTreeMap<i64, Option<Period>> = BTreeMap::new();
    for (set, names) in sets.iter().enumerate() {
        for found in learned.get(names).iter().flat_map(|l| &l.periods) {
            let mut columns = vec![None; sets.len()];
            columns[set] = Some(found.columns);
            let Found { directory, stat, listing, files, .. } = found.clone();
            let new = Period { directory, stat, listing, columns, files };
            match periods.entry(found.number).or_insert_with(|| Some(new.clone())) {
                Some(known) if known.is_of(&new) && known.agrees(&new) => known.add(&new),
                other => *other = None,
            }
        }
    }
    periods
}

impl Period {
    /// Whether both are of the same files.
    fn is_of(&self, other: &Self) -> bool {
        self.directory == other.directory && self.stat == other.stat && self.listing == other.listing && self.files == other.files
    }

    fn agrees(&self, other: &Self) -> bool {
        self.columns.iter().zip(&other.columns).all(|(a, b)| a.is_none() || b.is_none() || a == b)
    }

    fn add(&mut self, other: &Self) {
        self.columns.iter_mut().zip(&other.columns).for_each(|(known, new)| *known = new.or(*known));
    }
}

/// For each period and set, how many periods up to it are kept with that set.
struct Whole {
    first: i64,
    counts: Vec<Vec<u32>>,
}

impl Whole {
    fn of(contents: &Contents) -> Self {
        let numbers = || contents.periods.keys();
        let (first, last) = (numbers().next().copied().unwrap_or(0), numbers().next_back().copied().unwrap_or(-1));
        let counts = |set: Option<usize>| {
            let mut count = 0;
            let up_to = |number: i64| {
                let is_known = |p: &Period| set.is_none_or(|set| p.columns[set].is_some());
                count += u32::from(contents.periods.get(&number).is_some_and(is_known));
                count
            };
            (first..=last).map(up_to).collect()
        };
        Self { first, counts: std::iter::once(None).chain((0..contents.sets.len()).map(Some)).map(counts).collect() }
    }

    /// Whether every period of a range is kept with a set.
    fn holds(&self, set: Option<usize>, (from, to): Range) -> bool {
        let counts = &self.counts[set.map_or(0, |set| set + 1)];
        let up_to = |number: i64| usize::try_from(number.checked_sub(self.first)?).ok().and_then(|at| counts.get(at)).copied();
        let before = if from == self.first { Some(0) } else { up_to(from.saturating_sub(1)) };
        up_to(to).zip(before).is_some_and(|(upto, before)| i64::from(upto) - i64::from(before) == to - from + 1)
    }
}

impl Looked {
    /// The number of a set of columns, if anything is kept of it.
    pub fn set(&self, columns: &[String]) -> Option<usize> {
        self.kept.as_ref()?.sets.iter().position(|set| set == columns)
    }

    /// Looks at all periods of some ranges at once.
    pub fn foresee(&self, ranges: &[Range]) {
        let Some(kept) = &self.kept else { return };
        let (first, last) = (kept.first, kept.first + kept.count as i64 - 1);
        let within = ranges.iter().map(|(from, to)| ((*from).max(first), (*to).min(last))).filter(|(from, to)| from <= to);
        let row = |(from, to): Range| (from..=to).step_by(ROW as usize).map(move |start| (start, (start + ROW - 1).min(to)));
        let rows: Vec<Range> = within.flat_map(row).collect();
        rows.into_par_iter().for_each(|(from, to)| {
            let mut near = Near::default();
            for number in from..=to {
                self.is_same(number, &mut near);
            }
        });
    }

    /// Whether a period is there and as it was.
    pub fn is_there(&self, number: i64) -> bool {
        self.is_same(number, &mut Near::default())
    }

    /// The digest of a period's listing, if the period is as it was.
    pub fn listing(&self, number: i64) -> Option<Digest> {
        self.is_there(number).then(|| self.kept.as_ref()?.entry(number).map(|entry| entry.listing))?
    }

    /// The digest of a set of columns, if the period is as it was.
    pub fn columns(&self, set: usize, number: i64) -> Option<Digest> {
        self.is_there(number).then(|| self.kept.as_ref()?.entry(number)?.columns(set))?
    }

    /// The digest of a range of the listing or of a set of columns, if all of its periods are as they were.
    pub fn range(&self, set: Option<usize>, range: Range) -> Option<Digest> {
        let digest = self.kept.as_ref()?.range(set, range)?;
        self.are_same(range).then_some(digest)
    }

    fn are_same(&self, (from, to): Range) -> bool {
        let Some((from, to)) = self.kept.as_ref().and_then(|kept| Some((kept.place(from)?, kept.place(to)?))) else { return false };
        (from / 64..=to / 64).all(|word| {
            let (low, high) = (from.max(word * 64) - word * 64, to.min(word * 64 + 63) - word * 64);
            let wanted = (u64::MAX >> (63 - (high - low))) << low;
            let left = wanted & !self.are_seen_same(word);
            left == 0 || bits(left).all(|bit| self.is_same(self.number(word * 64 + bit), &mut Near::default()))
        })
    }

    fn number(&self, place: usize) -> i64 {
        self.kept.as_ref().map_or(0, |kept| kept.first) + place as i64
    }

    /// Whether a period is as it was; looked at once.
    fn is_same(&self, number: i64, near: &mut Near) -> bool {
        let Some((kept, place)) = self.kept.as_ref().and_then(|kept| Some((kept, kept.place(number)?))) else { return false };
        let (word, bit) = (place / 64, 1 << (place % 64));
        if self.are_seen_same(word) & bit != 0 {
            return true;
        }
        if self.is_other(number) {
            return false;
        }
        let is_same = kept.entry(number).is_some_and(|entry| is_as_it_was(&self.root, &entry, near));
        let bits = if is_same { &self.same } else { &self.other };
        bits[word].fetch_or(bit, Ordering::Relaxed);
        self.are_seen_same(word) & bit != 0
    }

    /// Two threads may look at once, and see a change between: that is then no period that is as it was.
    fn are_seen_same(&self, word: usize) -> u64 {
        self.same[word].load(Ordering::Relaxed) & !self.other[word].load(Ordering::Relaxed)
    }

    fn is_other(&self, number: i64) -> bool {
        self.bit(&self.other, number)
    }

    /// Whether it was seen both as it was and as another: nothing that was learned of it meanwhile can be told apart.
    fn is_torn(&self, number: i64) -> bool {
        self.is_other(number) && self.bit(&self.same, number)
    }

    fn bit(&self, words: &[AtomicU64], number: i64) -> bool {
        let place = self.kept.as_ref().and_then(|kept| kept.place(number));
        place.is_some_and(|place| words[place / 64].load(Ordering::Relaxed) >> (place % 64) & 1 == 1)
    }

    /// What is kept of periods that have not been seen to be others.
    fn believed(&self, sets: &[Vec<String>]) -> BTreeMap<i64, Period> {
        let Some(kept) = &self.kept else { return BTreeMap::new() };
        let from: Vec<Option<usize>> = sets.iter().map(|set| self.set(set)).collect();
        let period = |number: i64| {
            let entry = kept.entry(number).filter(|_| !self.is_other(number))?;
            let columns = from.iter().map(|set| set.and_then(|set| entry.columns(set))).collect();
            let files = entry.files().map(|(name, stat)| (name.to_string(), stat)).collect();
            let (directory, stat, listing) = (entry.directory.to_string(), entry.stat, entry.listing);
            Some((number, Period { directory, stat, listing, columns, files }))
        };
        (0..kept.count).filter_map(|place| period(self.number(place))).collect()
    }

    /// What is kept of ranges of which no period has been seen to be another, nor is one of `more`; last period first.
    fn believed_ranges(&self, set: Option<&Vec<String>>, more: &BTreeSet<i64>) -> BTreeMap<(i64, i64), Digest> {
        let Some(kept) = &self.kept else { return BTreeMap::new() };
        let from = match set {
            None => Some(None),
            Some(set) => self.set(set).map(Some),
        };
        let seen = (0..kept.count).map(|place| self.number(place)).filter(|number| self.is_other(*number));
        let others: BTreeSet<i64> = seen.chain(more.iter().copied()).collect();
        let ranges = from.into_iter().flat_map(|set| kept.ranges(set));
        let believed = ranges.filter(|((from, to), _)| from <= to && !has_any(&others, (*from, *to)));
        believed.map(|((from, to), digest)| ((to, from), digest)).collect()
    }
}

fn has_any(numbers: &BTreeSet<i64>, (from, to): Range) -> bool {
    from <= to && numbers.range(from..=to).next().is_some()
}

fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
        word &= word - 1;
        Some(bit)
    })
}

/// Whether a period's directory and all its files are what they were.
fn is_as_it_was(root: &Path, entry: &file::Entry, near: &mut Near) -> bool {
    near.turn(root, entry.directory);
    near.directory() == Some(entry.stat) && entry.is_whole() && entry.files().all(|(name, stat)| near.file(OsStr::new(name)) == Some(stat))
}
