//! Records of the first scheme in today's terms: they have one observation per period, with what today's digests are made of.
//!
//! Invariant: an input that has not changed since gets the digests that are observed today, and one that has changed differs: in the period
//! and column that changed, where it is partitioned. What is read by period is rebuilt from the record alone; of what is read by key
//! the files are compared as they were recorded, since only today's token says which rows they have.

use super::super::source::SourceSpec;
use super::periods::{Columns, FileDigests, Known, Periods, Range};
use super::ranges::{self, Ranged};
use super::tree::Tree;
use super::{Read, files};
use crate::catalog::calendar::Period;
use crate::digest::{Digest, Hasher};
use crate::engine::action::Name;
use crate::engine::observation::{ABSENT, Kind, Observation, Shown};
use crate::engine::world::{Detail, Unobservable};
use crate::table::lance::Dataset;
use crate::table::parquet::ColumnCache;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Replaces what was recorded of each period of a source by observations of ranges, as far as the periods that were recorded go.
pub fn periods(trace: &mut Vec<Observation>, name: &Name, periods: &Periods, reads: &[Read], target: Period) {
    let Some(recorded) = Recorded::of(trace, name, periods) else { return };
    // Of what a `where` takes only the columns were recorded: its token.
    let ranged = |read| Some(Ranged { range: recorded.range(read, target)?, within: target, read });
    let ranged: Vec<Ranged> = reads.iter().filter_map(ranged).collect();
    let Ok(observations) = ranges::observe(name, &recorded, reads, &ranged, Detail::Values) else { return };
    trace.retain(|o| !is_of(o, name));
    trace.extend(observations);
}

fn is_of(observation: &Observation, name: &Name) -> bool {
    let of_period = || observation.name.strip_prefix(&**name).is_some_and(|key| key.starts_with('@'));
    match observation.kind {
        Kind::Listing => observation.name == *name,
        Kind::Columns => of_period(),
        _ => false,
    }
}

/// What the first scheme has kept of a source's periods.
struct Recorded<'a> {
    periods: &'a Periods,
    found: BTreeMap<i64, RecordedPeriod>,
}

#[derive(Default)]
struct RecordedPeriod {
    names: String,
    columns: BTreeMap<String, Digest>,
}

impl<'a> Recorded<'a> {
    /// `None` where the source was not observed by period.
    fn of(trace: &[Observation], name: &Name, periods: &'a Periods) -> Option<Self> {
        let listing = trace.iter().find(|o| o.kind == Kind::Listing && o.name == *name)?;
        let Shown::Parts(listed) = &listing.value else { return None };
        let mut found = BTreeMap::new();
        for (key, names) in listed {
            let number = periods.number(key)?;
            let names = names_within(names, &periods.directory(number));
            found.insert(number, RecordedPeriod { names, columns: columns_of(trace, &format!("{name}@{key}")) });
        }
        Some(Self { periods, found })
    }

    /// What a read covered, as far as it was recorded: nothing before the first period that the source had then.
    fn range(&self, read: &Read, target: Period) -> Option<Range> {
        let ends = (*self.found.first_key_value()?.0, *self.found.last_key_value()?.0);
        self.periods.within(SourceSpec::range(read.reach, target), ends)
    }
}

/// The first scheme named files from the source on.
fn names_within(names: &str, directory: &str) -> String {
    let within = |name: &str| name.strip_prefix(directory).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name).to_string();
    names.split(", ").map(within).collect::<Vec<_>>().join(", ")
}

/// By column, or `column in file` where there were several files: the half of a digest that counts.
fn columns_of(trace: &[Observation], name: &str) -> BTreeMap<String, Digest> {
    let observation = trace.iter().find(|o| o.kind == Kind::Columns && o.name == *name);
    let Some(Shown::Parts(parts)) = observation.map(|o| &o.value) else { return BTreeMap::new() };
    parts.iter().filter_map(|(part, half)| Some((part.clone(), Digest::parse(&format!("{half:0<64}"))?))).collect()
}

/// Whether a source that is read by key was observed by its files.
pub fn is_by_file(trace: &[Observation], source: &SourceSpec) -> bool {
    trace.iter().any(|o| o.kind == Kind::Listing && is_of_files(o, source))
}

pub fn is_of_files(observation: &Observation, source: &SourceSpec) -> bool {
    matches!(observation.kind, Kind::Listing | Kind::Columns) && observation.name == source.name
}

/// Whether the files of an unpartitioned source, and the columns that were read of them, are as they were.
pub fn files_are_as_recorded(trace: &[Observation], source: &SourceSpec, cache: &ColumnCache) -> bool {
    let recorded: Vec<&Observation> = trace.iter().filter(|o| is_of_files(o, source)).collect();
    let Some(Shown::Parts(parts)) = recorded.iter().find(|o| o.kind == Kind::Columns).map(|o| &o.value) else { return false };
    let mut columns: Vec<String> = parts.keys().map(|part| part.split(" in ").next().unwrap_or(part).to_string()).collect();
    columns.dedup();
    let now = files::observe(&source.name.as_str().into(), source, &columns, cache).unwrap_or_default();
    now.len() == recorded.len() && now.iter().all(|o| recorded.iter().any(|then| then.kind == o.kind && then.digest == o.digest))
}

/// Whether the fragments of a dataset are as they were.
pub fn fragments_are_as_recorded(trace: &[Observation], source: &SourceSpec, columns: &[String]) -> bool {
    let recorded = trace.iter().find(|o| o.kind == Kind::Listing && is_of_files(o, source));
    let opened = Dataset::open(&source.path, &source.lance_pin()).and_then(|dataset| dataset.fragments(columns));
    let (Some(recorded), Ok(fragments)) = (recorded, opened) else { return false };
    let parts = fragments.into_iter().map(|(id, files)| (format!("fragment {id}"), files)).collect();
    Observation::parts(Kind::Listing, source.name.clone(), parts).digest == recorded.digest
}

/// Stands for rows of files that have changed since, and of which nothing more was recorded.
pub fn other_rows(name: &Name) -> Observation {
    let digest = Hasher::new(Kind::Rows.name()).text("recorded", "by file").finish();
    Observation::shown(Kind::Rows, name.clone(), digest, Shown::Text("recorded by file".into()))
}

impl Known for Recorded<'_> {
    fn names(&self, number: i64) -> Result<String, Unobservable> {
        // The first scheme told an empty directory from none.
        let names = self.found.get(&number).map(|p| p.names.as_str()).filter(|names| !names.is_empty());
        Ok(names.unwrap_or(ABSENT).to_string())
    }

    fn digests(&self, number: i64, wanted: &[String]) -> Result<Vec<FileDigests>, Unobservable> {
        let Some(period) = self.found.get(&number) else { return Ok(Vec::new()) };
        let files: Vec<&str> = period.names.split(", ").filter(|n| !n.is_empty() && *n != ABSENT).collect();
        let directory = self.periods.directory(number);
        let columns = |file: &str| {
            let part = |column: &String| if files.len() == 1 { column.clone() } else { format!("{column} in {directory}/{file}") };
            wanted.iter().map(|c| period.columns.get(&part(c)).copied().unwrap_or(Digest::of(b"not recorded"))).collect()
        };
        Ok(files.iter().map(|file| (file.to_string(), columns(file))).collect())
    }

    fn key(&self, number: i64) -> String {
        self.periods.key(number)
    }

    fn listing_tree(&self) -> Arc<Tree> {
        Arc::default()
    }

    fn columns_seen(&self, _wanted: &[String]) -> Arc<Columns> {
        Arc::default()
    }
}
