//! What was observed of each period of a range, kept small enough for a record, so that the periods that differ can be named.
//!
//! Pure. The verdict never depends on a series: digests decide, a series only explains. Invariants: periods follow each other without a
//! gap; keys are known only where they were just observed, and those of a recorded series follow from the ones both have in common.

use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// A range of periods, and of each of its parts (a column, or the listing) one mark per period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// The key of the first period.
    pub from: String,
    pub to: String,
    pub parts: BTreeMap<String, Marks>,
    #[serde(skip)]
    pub keys: Vec<String>,
}

/// One mark per period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Marks {
    /// Texts that repeat, such as the names of files: how many periods in a row have which.
    Texts {
        texts: Vec<String>,
        runs: Vec<(u32, u32)>,
    },
    Prints(Prints),
}

/// The first 32 bits of the digest of each file of each period.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prints {
    #[serde(with = "hex")]
    prints: Vec<u32>,
    /// How many periods in a row have how many files.
    files: Vec<(u32, u32)>,
}

impl Prints {
    /// Adds a period with the digests of its files.
    pub fn push<'a>(&mut self, digests: impl Iterator<Item = &'a Digest>) {
        let before = self.prints.len();
        self.prints.extend(digests.map(Digest::print));
        let count = (self.prints.len() - before) as u32;
        match self.files.last_mut() {
            Some((last, run)) if *last == count => *run += 1,
            _ => self.files.push((count, 1)),
        }
    }

    /// The prints of each period's files.
    fn list(&self) -> Vec<&[u32]> {
        let mut rest = &self.prints[..];
        let counts = self.files.iter().flat_map(|(count, run)| std::iter::repeat_n(*count as usize, *run as usize));
        let taken = counts.map(|count| {
            let (taken, left) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            rest = left;
            taken
        });
        taken.collect()
    }
}

/// Written as eight hex digits each.
mod hex {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(prints: &[u32], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&prints.iter().map(|print| format!("{print:08x}")).collect::<String>())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u32>, D::Error> {
        let text = String::deserialize(d)?;
        let print = |hex: &[u8]| std::str::from_utf8(hex).ok().and_then(|hex| u32::from_str_radix(hex, 16).ok());
        let prints: Option<Vec<u32>> = text.as_bytes().chunks(8).map(print).collect();
        prints.ok_or_else(|| serde::de::Error::custom("not a row of prints"))
    }
}

impl Marks {
    pub fn texts(of: impl Iterator<Item = String>) -> Self {
        let (mut texts, mut runs): (Vec<String>, Vec<(u32, u32)>) = (Vec::new(), Vec::new());
        for text in of {
            let number = texts.iter().rposition(|known| *known == text).unwrap_or_else(|| {
                texts.push(text);
                texts.len() - 1
            }) as u32;
            match runs.last_mut() {
                Some((last, length)) if *last == number => *length += 1,
                _ => runs.push((number, 1)),
            }
        }
        Self::Texts { texts, runs }
    }

    fn len(&self) -> usize {
        let runs = match self {
            Self::Texts { runs, .. } => runs,
            Self::Prints(prints) => &prints.files,
        };
        runs.iter().map(|(_, run)| *run as usize).sum()
    }

    /// One text per period.
    fn list(&self) -> Vec<&str> {
        let Self::Texts { texts, runs } = self else { return Vec::new() };
        let text = |number: &u32| texts.get(*number as usize).map_or("", String::as_str);
        runs.iter().flat_map(|(number, run)| std::iter::repeat_n(text(number), *run as usize)).collect()
    }
}

/// A part of a period that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The period's key, or `from..to` of many that follow each other and differ alike.
    pub key: String,
    pub part: String,
    pub old: Option<String>,
    pub new: Option<String>,
}

/// By part and key, the marks of a period's files with their names. The listing's part has no name, and one mark for all its files.
type Known<'a> = BTreeMap<(&'a str, String), Vec<(&'a str, String)>>;

/// What differs between recorded series and those of now, period by period.
pub fn differences(old: &[Series], new: &[Series]) -> Vec<Difference> {
    let (was, is) = (marks(old, new), marks(new, new));
    let none = Vec::new();
    let of_now = is.iter().map(|(at, now)| (at, was.get(at).unwrap_or(&none), now));
    let gone = was.iter().filter(|(at, _)| !is.contains_key(*at)).map(|(at, then)| (at, then, &none));
    let found = of_now.chain(gone).flat_map(|((part, key), then, now)| of_period(part, key, then, now));
    folded(found.collect(), new)
}

/// The files of one period in which a part differs. Where there was one file and is one, it need not be named.
fn of_period(part: &str, key: &str, then: &[(&str, String)], now: &[(&str, String)]) -> Vec<Difference> {
    let difference = |name: &str, old: Option<&String>, new: Option<&String>| {
        let part = if name.is_empty() { part.to_string() } else { format!("{part} in {name}") };
        Difference { key: key.into(), part, old: old.cloned(), new: new.cloned() }
    };
    let mut found = match (then, now) {
        ([] | [_], [] | [_]) => vec![difference("", then.first().map(|(_, mark)| mark), now.first().map(|(_, mark)| mark))],
        _ => {
            let of = |files: &[(&str, String)], name: &str| files.iter().find(|(n, _)| *n == name).map(|(_, mark)| mark.clone());
            let kept = now.iter().map(|(name, mark)| difference(name, of(then, name).as_ref(), Some(mark)));
            let gone = then.iter().filter(|(name, _)| of(now, name).is_none());
            kept.chain(gone.map(|(name, mark)| difference(name, Some(mark), None))).collect()
        }
    };
    found.retain(|d| d.old != d.new);
    found
}

/// From so many periods in a row on, they are told as one range: a rewritten history is one cause, not thousands.
const RANGE: usize = 8;

/// Joins runs of periods that follow each other and differ in the same part.
fn folded(differences: Vec<Difference>, now: &[Series]) -> Vec<Difference> {
    let next: HashMap<&str, &str> = now.iter().flat_map(|s| s.keys.windows(2)).map(|w| (w[0].as_str(), w[1].as_str())).collect();
    let follows = |a: &Difference, b: &Difference| a.is_like(b) && next.get(a.key.as_str()) == Some(&b.key.as_str());
    let runs = differences.chunk_by(follows);
    let mut folded: Vec<Difference> =
        runs.flat_map(|run| if run.len() < RANGE { run.to_vec() } else { vec![Difference::range(run)] }).collect();
    // Period by period, all parts of each together.
    folded.sort_by(|a, b| (&a.key, &a.part).cmp(&(&b.key, &b.part)));
    folded
}

impl Difference {
    /// Whether two periods differ in the same way: of listings also their files.
    fn is_like(&self, other: &Self) -> bool {
        let sides = |d: &Self| (d.old.is_some(), d.new.is_some());
        let same_files = !self.part.is_empty() || (&self.old, &self.new) == (&other.old, &other.new);
        self.part == other.part && sides(self) == sides(other) && same_files
    }

    /// Many periods as one; of columns there is no one value to show.
    fn range(run: &[Self]) -> Self {
        let first = &run[0];
        let key = format!("{}..{}", first.key, run[run.len() - 1].key);
        let count = |side: &Option<String>| side.as_ref().map(|_| format!("{} periods", run.len()));
        let (old, new) = match (first.part.is_empty(), &first.old, &first.new) {
            (true, old, new) => (old.clone(), new.clone()),
            (false, Some(_), Some(_)) => (None, None),
            (false, old, new) => (count(old), count(new)),
        };
        Self { key, part: first.part.clone(), old, new }
    }
}

fn marks<'a>(series: &'a [Series], now: &[Series]) -> Known<'a> {
    series.iter().flat_map(|s| s.marks(now)).collect()
}

impl Series {
    fn len(&self) -> usize {
        self.parts.values().map(Marks::len).max().unwrap_or(0)
    }

    /// How many periods have that text in their listing.
    pub fn count_of(&self, text: &str) -> usize {
        self.parts.get("").map_or(0, |listing| listing.list().into_iter().filter(|t| *t == text).count())
    }

    /// Where there are prints of columns, the listing only names the files.
    fn marks(&self, now: &[Series]) -> Known<'_> {
        let keys = self.named(now);
        let names = self.parts.get("").map(Marks::list).unwrap_or_default();
        let mut known = Known::new();
        for (part, marks) in &self.parts {
            let of_periods: Vec<Vec<(&str, String)>> = match marks {
                Marks::Texts { .. } if self.parts.len() > 1 => continue,
                Marks::Texts { .. } => marks.list().into_iter().map(|text| vec![("", text.to_string())]).collect(),
                Marks::Prints(prints) => {
                    prints.list().into_iter().enumerate().map(|(at, prints)| named_prints(prints, names.get(at).copied())).collect()
                }
            };
            known.extend(keys.iter().zip(of_periods).filter_map(|(key, files)| Some(((part.as_str(), key.clone()?), files))));
        }
        known
    }

    /// Keys in order; `None` where nobody knows them any more.
    fn named(&self, now: &[Series]) -> Vec<Option<String>> {
        if !self.keys.is_empty() {
            return self.keys.iter().cloned().map(Some).collect();
        }
        let length = self.len() as isize;
        let at = |key: &str, offset: isize| {
            let place = |s: &Series| s.keys.iter().position(|k| k == key).map(|i| i as isize + offset);
            now.iter().find_map(|s| place(s).map(|start| (s, start)))
        };
        // The first key of either in the other, or the last.
        let first_of_ours = at(&self.from, 0);
        let Some((series, start)) = first_of_ours.or_else(|| at(&self.to, 1 - length)) else { return self.ends(length) };
        (0..length).map(|i| usize::try_from(start + i).ok().and_then(|i| series.keys.get(i).cloned())).collect()
    }

    /// Nothing in common: only the ends are known.
    fn ends(&self, length: isize) -> Vec<Option<String>> {
        let mut keys = vec![None; length.max(0) as usize];
        if let Some(first) = keys.first_mut() {
            *first = Some(self.from.clone());
        }
        if let Some(last) = keys.last_mut() {
            *last = Some(self.to.clone());
        }
        keys
    }
}

fn named_prints<'a>(prints: &[u32], names: Option<&'a str>) -> Vec<(&'a str, String)> {
    let mut names = names.unwrap_or_default().split(", ");
    prints.iter().map(|print| (names.next().unwrap_or_default(), format!("{print:08x}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(days: std::ops::RangeInclusive<u32>, marks: impl Fn(u32) -> &'static str) -> Series {
        let key = |day: u32| format!("2026-02-{day:02}");
        let texts = Marks::texts(days.clone().map(|day| marks(day).to_string()));
        Series { from: key(*days.start()), to: key(*days.end()), parts: [("".to_string(), texts)].into(), keys: days.map(key).collect() }
    }

    fn recorded(series: &Series) -> Series {
        serde_json::from_str(&serde_json::to_string(series).unwrap()).unwrap()
    }

    #[test]
    fn the_one_period_that_changed_is_named() {
        let old = recorded(&series(1..=9, |_| "part-0.parquet"));
        let new = series(1..=9, |day| if day == 4 { "part-1.parquet" } else { "part-0.parquet" });
        let found = differences(&[old], &[new]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].key.as_str(), found[0].old.as_deref(), found[0].new.as_deref()), {
            ("2026-02-04", Some("part-0.parquet"), Some("part-1.parquet"))
        });
    }

    #[test]
    fn ranges_that_have_moved_are_compared_where_they_overlap() {
        let old = recorded(&series(3..=7, |_| "a"));
        let new = series(5..=9, |_| "a");
        let keys: Vec<String> = differences(std::slice::from_ref(&old), &[new]).into_iter().map(|d| d.key).collect();
        assert_eq!(keys, ["2026-02-08", "2026-02-09"]);
        let longer = series(1..=9, |day| if day == 6 { "b" } else { "a" });
        let keys: Vec<String> = differences(&[old], &[longer]).into_iter().map(|d| d.key).collect();
        assert_eq!(keys, ["2026-02-01", "2026-02-02", "2026-02-06", "2026-02-08", "2026-02-09"]);
    }

    #[test]
    fn many_periods_in_a_row_are_one_range() {
        let old = recorded(&series(1..=20, |_| "a"));
        let new = series(1..=20, |day| if (3..=12).contains(&day) || day == 15 { "b" } else { "a" });
        let found = differences(&[old], &[new]);
        let told: Vec<(&str, Option<&str>)> = found.iter().map(|d| (d.key.as_str(), d.new.as_deref())).collect();
        assert_eq!(told, [("2026-02-03..2026-02-12", Some("b")), ("2026-02-15", Some("b"))]);
    }

    #[test]
    fn of_several_files_the_one_that_changed_is_named() {
        let columns = |second: &[u8]| {
            let mut prints = Prints::default();
            prints.push([Digest::of(b"a")].iter());
            prints.push([Digest::of(b"b"), Digest::of(second)].iter());
            let names = Marks::texts(["p0".to_string(), "p0, p1".to_string()].into_iter());
            let keys = ["2026-02-01", "2026-02-02"].map(String::from).to_vec();
            let parts = [(String::new(), names), ("event".to_string(), Marks::Prints(prints))].into();
            Series { from: keys[0].clone(), to: keys[1].clone(), parts, keys }
        };
        let (old, new) = (recorded(&columns(b"c")), columns(b"d"));
        assert_eq!(differences(std::slice::from_ref(&old), &[columns(b"c")]), []);
        let found = differences(&[old], &[new]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].key.as_str(), found[0].part.as_str()), ("2026-02-02", "event in p1"));
    }

    #[test]
    fn a_file_that_joins_another_is_all_that_is_new() {
        let period = |files: &[&str]| {
            let mut prints = Prints::default();
            prints.push(files.iter().map(|name| Digest::of(name.as_bytes())).collect::<Vec<_>>().iter());
            let names = Marks::texts(std::iter::once(files.join(", ")));
            let key = "2026-02-01".to_string();
            let parts = [(String::new(), names), ("event".to_string(), Marks::Prints(prints))].into();
            Series { from: key.clone(), to: key.clone(), parts, keys: vec![key] }
        };
        let found = differences(&[recorded(&period(&["p0"]))], &[period(&["p0", "p1"])]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].part.as_str(), found[0].old.is_none()), ("event in p1", true));
    }
}
