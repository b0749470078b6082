//! Sources whose directories are laid out for another cadence than their pattern says: an error, not an absence.
//!
//! Knows nothing of what is in the files. Invariant: what is wrong is named with the pattern that would fit it.

use super::source::{LayoutSpec, SourceSpec};
use crate::catalog::calendar::{Cadence, Period};
use crate::catalog::declaration::Every;
use crate::catalog::pattern::{fill, read_pattern};
use crate::table::listing::parquet_files;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// An error where a period's directory is laid out for another cadence than the pattern says.
pub fn check_cadence(source: &SourceSpec, pattern: &str, every: Every, directory: &Path, files: Option<&[PathBuf]>) -> io::Result<()> {
    let name = |path: &Path| Path::new(&source.shown).join(source.file_name(path)).display().to_string();
    let wrong = |what: String| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    match files.filter(|files| !files.is_empty()) {
        Some(files) if every != Every::Hour => {
            let hourly = files.iter().all(|file| file.strip_prefix(directory).is_ok_and(is_below_an_hour));
            let example = || files[0].parent().map(name).unwrap_or_default();
            let remedy = "say partition=\"…/hr={hour}\" with the directories' own name for hours, or move the files up";
            match hourly {
                true => wrong(format!(
                    "{} holds hours, while partition=\"{pattern}\" says that it is one {}: {remedy}",
                    example(),
                    every.name()
                )),
                false => Ok(()),
            }
        }
        Some(_) => Ok(()),
        None => {
            let Some((above, _)) = pattern.trim_matches('/').rsplit_once('/') else { return Ok(()) };
            let Some(parent) = directory.parent().filter(|parent| parent != &source.path && holds_parquet(parent)) else { return Ok(()) };
            let (parent, every) = (name(parent), every.name());
            let remedy = format!("say partition=\"{above}\", or move them into a directory for each {every}");
            wrong(format!("{parent} holds files itself, while partition=\"{pattern}\" says that each {every} has a directory: {remedy}"))
        }
    }
}

/// Whether a path relative to a longer period's directory begins with an hour: `hr=13`, `hour=13`, `13`.
fn is_below_an_hour(path: &Path) -> bool {
    let first = path.components().next().map(|c| c.as_os_str().to_string_lossy().into_owned()).unwrap_or_default();
    let hour = first.strip_prefix("hr=").or_else(|| first.strip_prefix("hour=")).unwrap_or(&first);
    path.components().count() > 1 && hour.len() == 2 && hour.parse::<u8>().is_ok_and(|h| h < 24)
}

fn holds_parquet(directory: &Path) -> bool {
    let names = fs::read_dir(directory).into_iter().flatten().flatten().map(|e| e.file_name().to_string_lossy().into_owned());
    names.into_iter().any(|name| name.ends_with(".parquet") && !name.starts_with(['_', '.']))
}

/// What lies where a source's periods should, and is named for periods of another cadence.
#[derive(Debug, Default)]
pub struct Strangers {
    strangers: Vec<Stranger>,
    /// Where no period is there, and files are instead.
    bare: Option<PathBuf>,
}

#[derive(Debug)]
struct Stranger {
    path: PathBuf,
    every: Every,
    period: Period,
    /// The pattern that would find it.
    fitting: String,
}

/// How people write a period into a name; each is one that patterns may have.
const FORMATS: [(Every, &str); 7] = [
    (Every::Hour, "%Y-%m-%dT%H"),
    (Every::Hour, "%Y-%m-%d-%H"),
    (Every::Hour, "%Y%m%d%H"),
    (Every::Day, "%Y-%m-%d"),
    (Every::Day, "%Y%m%d"),
    (Every::Month, "%Y-%m"),
    (Every::Month, "%Y%m"),
];

impl Strangers {
    /// One look at the directory in which a source's periods lie. Where periods lie deeper, each has its own, and there are none.
    pub fn of(source: &SourceSpec) -> Self {
        let Some((layout, Flat { directory, head, tail })) = source.layout.as_ref().and_then(|layout| Some((layout, flat(layout)?))) else {
            return Self::default();
        };
        let above = source.path.join(directory);
        let mut found = Self::default();
        let mut fits = false;
        for entry in fs::read_dir(&above).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let below = if directory.is_empty() { name.clone() } else { format!("{directory}/{name}") };
            if name.starts_with(['_', '.']) {
                continue;
            } else if read_pattern(layout.pattern.trim_matches('/'), &layout.cadence, &below).is_some() {
                fits = true;
            } else if let Some(middle) = name.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail)) {
                let named = named(middle).filter(|(every, ..)| *every != layout.cadence.every);
                found.strangers.extend(named.map(|(every, period, word)| {
                    let last = format!("{head}{{{word}}}{tail}");
                    let fitting = if directory.is_empty() { last } else { format!("{directory}/{last}") };
                    Stranger { path: entry.path(), every, period, fitting }
                }));
            }
        }
        found.bare = (!fits && !tail.ends_with(".parquet") && holds_parquet(&above)).then_some(above);
        found
    }

    /// What is wrong where a period is not there; without one, where none is.
    pub fn instead_of(&self, source: &SourceSpec, period: Option<Period>) -> Option<String> {
        let layout = source.layout.as_ref()?;
        let name = |path: &Path| match source.file_name(path) {
            below if below.is_empty() => source.shown.clone(),
            below => Path::new(&source.shown).join(below).display().to_string(),
        };
        let (every, pattern) = (layout.cadence.every.name(), &layout.pattern);
        let says = format!("while partition=\"{pattern}\" says that each {every} has a directory");
        if let Some(bare) = &self.bare {
            let remedy = format!("leave out `partition` if they are all there is, or move them into a directory for each {every}");
            return Some(format!("{} holds files itself, {says}: {remedy}", name(bare)));
        }
        let overlaps = |other: &Stranger| period.is_none_or(|period| period.start < other.period.end && other.period.start < period.end);
        let is_data = |other: &&Stranger| parquet_files(&other.path).is_ok_and(|files| files.is_some_and(|files| !files.is_empty()));
        let other = self.strangers.iter().filter(|other| overlaps(other)).find(is_data)?;
        let remedy = format!("say partition=\"{}\", or move its files into a directory for each {every}", other.fitting);
        Some(format!("{} is one {}, {says}: {remedy}", name(&other.path), other.every.name()))
    }
}

/// A pattern whose periods all lie in one directory: that, and what stands around the period in their names.
struct Flat<'a> {
    directory: &'a str,
    head: &'a str,
    tail: &'a str,
}

fn flat(layout: &LayoutSpec) -> Option<Flat<'_>> {
    let pattern = layout.pattern.trim_matches('/');
    let (directory, last) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    let (head, tail) = (last.split_once('{')?.0, last.rsplit_once('}')?.1);
    (!directory.contains('{')).then_some(Flat { directory, head, tail })
}

/// The period that a text names, and the placeholder that would write it so.
fn named(text: &str) -> Option<(Every, Period, &'static str)> {
    FORMATS.iter().find_map(|(every, format)| {
        let (cadence, pattern) = (Cadence::utc(*every), format!("{{{format}}}"));
        let start = read_pattern(&pattern, &cadence, text).filter(|start| fill(&pattern, &cadence, *start) == text)?;
        Some((*every, cadence.period_at(start), if *format == "%Y-%m-%d" { "day" } else { format }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_names_a_period_of_one_cadence() {
        let every = |text: &str| named(text).map(|(every, _, word)| (every, word));
        assert_eq!(every("2026-02-03T07"), Some((Every::Hour, "%Y-%m-%dT%H")));
        assert_eq!(every("2026020307"), Some((Every::Hour, "%Y%m%d%H")));
        assert_eq!(every("2026-02-03"), Some((Every::Day, "day")));
        assert_eq!(every("20260203"), Some((Every::Day, "%Y%m%d")));
        assert_eq!(every("2026-02"), Some((Every::Month, "%Y-%m")));
        assert_eq!(every("202602"), Some((Every::Month, "%Y%m")));
        for none in ["", "2026", "yesterday", "2026-13", "2026-2-3", "2026-02-03T25", "20260230"] {
            assert_eq!(every(none), None, "{none}");
        }
    }

    #[test]
    fn an_hour_is_recognised_by_its_directory() {
        for hourly in ["hr=13/a.parquet", "hour=00/a.parquet", "07/a.parquet"] {
            assert!(is_below_an_hour(Path::new(hourly)), "{hourly}");
        }
        for other in ["a.parquet", "13", "hr=24/a.parquet", "shard=03/a.parquet", "region/a.parquet"] {
            assert!(!is_below_an_hour(Path::new(other)), "{other}");
        }
    }
}
