//! A snapshot's file: read whole and looked up where it lies.
//!
//! | part | what |
//! |---|---|
//! | about | a digest of what it is a snapshot of |
//! | sets | of columns that digests are of: their number; of each the number of its columns, and their names |
//! | index | number of the first period, how many there are; of each where its entry starts, plus one, or 0 |
//! | ranges | of the listing, then of each set: their number; of each, sorted: last and first period, digest |
//! | entries | directory, its stat, digest of the listing; of each set a digest or zeros; number of files, of each name and stat |
//!
//! What stands around them (kind, version, checksum) is `pack`'s. Invariant: nothing in the bytes can make a lookup panic.

use super::{Files, Range};
use crate::digest::key::first_not_below;
use crate::digest::{Digest, SCHEME};
use crate::pack::{self, Packer, Unpacker};
use crate::stat::Stat;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

const KIND: &str = "daeda snapshot of periods";
const VERSION: u32 = SCHEME * 100 + 1;

/// Bytes of where an entry starts, and of a range.
const PLACE: usize = 8;
const RANGE: usize = 8 + 8 + 32;

/// In place of a digest that is not known.
const UNKNOWN: Digest = Digest::from_bytes([0; 32]);

pub struct SnapshotFile {
    bytes: Vec<u8>,
    pub sets: Vec<Vec<String>>,
    pub first: i64,
    pub count: usize,
    /// Where these start.
    index: usize,
    entries: usize,
    /// Of the listing and of each set, where its ranges start, and how many there are.
    ranges: Vec<(usize, usize)>,
}

/// What is kept of a period.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    /// Relative to the source.
    pub directory: &'a str,
    pub stat: Stat,
    pub listing: Digest,
    sets: &'a [u8],
    files: Unpacker<'a>,
}

impl Entry<'_> {
    /// The digest of a set of columns.
    pub fn columns(&self, set: usize) -> Option<Digest> {
        let mut at = Unpacker::new(self.sets.get(set.checked_mul(32)?..)?);
        at.digest().filter(|digest| *digest != UNKNOWN)
    }

    /// Names and stats of the files; none where there is nothing that can be read.
    pub fn files(&self) -> impl Iterator<Item = (&str, Stat)> {
        let mut rest = self.files;
        let count = rest.small().unwrap_or_default();
        (0..count).map_while(move |_| Some((rest.text()?, Stat::unpack(&mut rest)?)))
    }

    /// Whether all files can be read.
    pub fn is_whole(&self) -> bool {
        let mut rest = self.files;
        rest.small().is_some_and(|count| count > 0 && self.files().count() == count as usize)
    }
}

impl SnapshotFile {
    /// `None` where there is no file that can be believed, or it is about something else.
    pub fn open(path: &Path, about: &Digest) -> Option<Self> {
        let (bytes, start) = pack::load(path, KIND, VERSION)?;
        let contents = bytes.get(start..)?;
        let mut head = Unpacker::new(contents);
        if head.digest()? != *about {
            return None;
        }
        let sets: Vec<Vec<String>> = (0..head.small()?).map(|_| names(&mut head)).collect::<Option<_>>()?;
        let (first, count) = (head.number()? as i64, head.number()? as usize);
        first.checked_add(i64::try_from(count).ok()?)?;
        let at = |rest: &Unpacker| bytes.len() - rest.left();
        let index = at(&head);
        head.raw(count.checked_mul(PLACE)?)?;
        let mut ranges = Vec::with_capacity(sets.len() + 1);
        for _ in 0..=sets.len() {
            let count = head.number()? as usize;
            ranges.push((at(&head), count));
            head.raw(count.checked_mul(RANGE)?)?;
        }
        let entries = at(&head);
        Some(Self { bytes, sets, first, count, index, entries, ranges })
    }

    /// The entry of a period.
    pub fn entry(&self, number: i64) -> Option<Entry<'_>> {
        let place = self.place(number)?;
        let mut place = Unpacker::new(self.bytes.get(self.index + place * PLACE..)?);
        let start = usize::try_from(place.number()?.checked_sub(1)?).ok()?;
        let mut at = Unpacker::new(self.bytes.get(self.entries.checked_add(start)?..)?);
        let (directory, stat, listing) = (at.text()?, Stat::unpack(&mut at)?, at.digest()?);
        let sets = at.raw(self.sets.len() * 32)?;
        Some(Entry { directory, stat, listing, sets, files: at })
    }

    /// Where a period stands in the index.
    pub fn place(&self, number: i64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok().filter(|place| *place < self.count)
    }

    /// The digest of a range of periods; of the listing, or of a set of columns.
    pub fn range(&self, set: Option<usize>, (from, to): Range) -> Option<Digest> {
        let (start, count) = *self.ranges.get(set.map_or(0, |set| set + 1))?;
        let at = |place: usize| -> Option<(i64, i64, Digest)> {
            let mut range = Unpacker::new(self.bytes.get(start + place * RANGE..)?);
            Some((range.number()? as i64, range.number()? as i64, range.digest()?))
        };
        // Last periods are spread evenly, but not over all numbers: they are spread over these.
        let (low, high) = (at(0)?.0, at(count.checked_sub(1)?)?.0);
        let stretched = |last: i64| stretch(last, low, high);
        if !(low..=high).contains(&to) {
            return None;
        }
        let first = first_not_below(stretched(to), count, |place| at(place).map_or(u64::MAX, |(last, ..)| stretched(last)));
        let mut alike = (first..count).map_while(at).take_while(|(last, ..)| *last <= to);
        alike.find(|(last, start, _)| (*start, *last) == (from, to)).map(|(.., digest)| digest)
    }

    pub fn ranges(&self, set: Option<usize>) -> impl Iterator<Item = (Range, Digest)> {
        let (start, count) = self.ranges.get(set.map_or(0, |set| set + 1)).copied().unwrap_or_default();
        (0..count).map_while(move |place| {
            let mut range = Unpacker::new(self.bytes.get(start + place * RANGE..)?);
            let (to, from) = (range.number()? as i64, range.number()? as i64);
            Some(((from, to), range.digest()?))
        })
    }
}

fn names(from: &mut Unpacker) -> Option<Vec<String>> {
    (0..from.small()?).map(|_| from.text().map(str::to_string)).collect()
}

/// A number between two, as a share of what 64 bits hold.
fn stretch(number: i64, low: i64, high: i64) -> u64 {
    let width = i128::from(high) - i128::from(low) + 1;
    let above = (i128::from(number) - i128::from(low)).clamp(0, width - 1);
    u64::try_from((above << 64) / width).unwrap_or(u64::MAX)
}

/// What a new file is made of.
#[derive(Default)]
pub struct Contents {
    pub sets: Vec<Vec<String>>,
    pub periods: BTreeMap<i64, Period>,
    /// Of the listing, then of each set; last period first, so that they are sorted by it.
    pub ranges: Vec<BTreeMap<(i64, i64), Digest>>,
}

/// A period before it is packed.
#[derive(Debug, Clone, PartialEq)]
pub struct Period {
    pub directory: String,
    pub stat: Stat,
    pub listing: Digest,
    /// Of each set, where it is known.
    pub columns: Vec<Option<Digest>>,
    pub files: Files,
}

impl Contents {
    pub fn save(&self, path: &Path, about: &Digest) -> io::Result<()> {
        pack::save(path, KIND, VERSION, &self.packed(about))
    }

    fn packed(&self, about: &Digest) -> Vec<u8> {
        let mut packer = Packer::default();
        packer.digest(about).small(self.sets.len() as u32);
        for set in &self.sets {
            packer.small(set.len() as u32);
            set.iter().for_each(|name| {
                packer.text(name);
            });
        }
        let first = self.periods.keys().next().copied().unwrap_or_default();
        let count = self.periods.keys().next_back().map_or(0, |last| last - first + 1);
        packer.number(first as u64).number(count as u64);
        let mut entries = Packer::default();
        let mut next = first;
        for (number, period) in &self.periods {
            (next..*number).for_each(|_| {
                packer.number(0);
            });
            packer.number(entries.len() as u64 + 1);
            period.pack(&mut entries);
            next = number + 1;
        }
        for ranges in &self.ranges {
            packer.number(ranges.len() as u64);
            for ((to, from), digest) in ranges {
                packer.number(*to as u64).number(*from as u64).digest(digest);
            }
        }
        packer.raw(&entries.into_bytes());
        packer.into_bytes()
    }
}

impl Period {
    fn pack(&self, packer: &mut Packer) {
        packer.text(&self.directory);
        self.stat.pack(packer);
        packer.digest(&self.listing);
        for digest in &self.columns {
            packer.digest(digest.as_ref().unwrap_or(&UNKNOWN));
        }
        packer.small(self.files.len() as u32);
        for (name, stat) in &self.files {
            packer.text(name);
            stat.pack(packer);
        }
    }
}
