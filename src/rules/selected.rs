//! What the scans of a run that only filters take have taken of each period: the run has the rows in memory that the world would have to read
//! again.
//!
//! Knows nothing of records. Invariant: what is told is what the world would find; what cannot be told is left to it.

use super::loader::Loader;
use super::source::{PeriodFiles, SourceSpec};
use super::world::{Ask, Read, Taken, Told, merged};
use crate::catalog::calendar::Period;
use crate::engine::action::Action;
use crate::features::selection::Selections;
use crate::table::listing::parquet_files;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A read of a period's files that was asked about.
struct Asked {
    source: SourceSpec,
    read: Read,
    reach: Period,
    files: PeriodFiles,
}

/// The digests of all that was taken.
pub fn told(action: &Action, period: Period, loader: &Loader) -> Told {
    let requests = action.common.requests.iter().filter_map(|request| serde_json::from_value(request.ask.clone()).ok());
    let asked: Vec<Asked> = requests.flat_map(|ask: Ask| asked(ask, period)).collect();
    // Reads of the same files share what they take alike.
    let mut by_files: BTreeMap<(&str, &[PathBuf]), Vec<&Asked>> = BTreeMap::new();
    for asked in &asked {
        if let Some(files) = &asked.files.files {
            by_files.entry((&asked.source.name, files)).or_default().push(asked);
        }
    }
    let digests = |((_, files), all): (&(&str, &[PathBuf]), &Vec<&Asked>)| {
        let mut shared = Selections::default();
        let digest = |asked: &&Asked| {
            let Asked { source, read, reach, .. } = asked;
            let selects = read.selects.as_ref()?;
            let taken = Taken { source, files: &asked.files, selects, columns: &read.columns, reach: *reach };
            Some((taken.identity(), taken.digest_of(&loader.rows_of(source, files, &selects.columns)?, &mut shared)?))
        };
        all.iter().filter_map(digest).collect::<Vec<_>>()
    };
    by_files.par_iter().flat_map_iter(digests).collect::<Vec<_>>().into_iter().collect()
}

fn asked(ask: Ask, target: Period) -> Vec<Asked> {
    let Ask::Parquet { source, reads, .. } = ask else { return Vec::new() };
    let reads = merged(reads).into_iter().filter(|read| read.selects.is_some() && source.layout.is_some());
    let of_read = |read: Read| {
        let (start, end) = SourceSpec::range(read.reach, target);
        let reach = Period { start: start.unwrap_or(i64::MIN), end };
        let periods = source.periods((start, end), &|directory: &Path| parquet_files(directory)).unwrap_or_default().into_iter();
        let new = |files: PeriodFiles| Asked { source: source.clone(), read: read.clone(), reach, files };
        periods.filter(PeriodFiles::is_there).map(new).collect::<Vec<_>>()
    };
    reads.flat_map(of_read).collect()
}
