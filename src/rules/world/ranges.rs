//! Observations of ranges of periods: the files there, the columns that are read of them, and what is taken of these after a `where`.
//!
//! Invariants: a listing, the columns and each selection are one observation, however many periods there are; the token of a selection is
//! the digest of its columns.

use super::super::source::SourceSpec;
use super::ask::Read;
use super::periods::{Known, Range, View};
use super::selections::KnownSelections;
use crate::catalog::calendar::Period;
use crate::catalog::expr::Expr;
use crate::digest::{Digest, Hasher};
use crate::engine::action::Name;
use crate::engine::observation::{Kind, Observation, Shown};
use crate::engine::series::Series;
use crate::engine::world::{Detail, Unobservable};

/// A read as one action makes it.
pub struct Ranged<'a> {
    pub range: Range,
    /// The instants that it reaches to.
    pub within: Period,
    pub read: &'a Read,
}

impl<'a> Ranged<'a> {
    pub fn new(range: Range, read: &'a Read, target: Period) -> Self {
        let (start, end) = SourceSpec::range(read.reach, target);
        Self { range, within: Period { start: start.unwrap_or(i64::MIN), end }, read }
    }
}

/// The files, the columns that are seen whole, and each selection by its columns. Nothing of a source may be within reach, and that is
/// observed as well.
pub fn observe(name: &Name, view: &dyn Known, asked: &[Read], reads: &[Ranged], detail: Detail) -> Result<Vec<Observation>, Unobservable> {
    let listings = widest(reads);
    let listing: Result<Vec<Digest>, Unobservable> = listings.iter().map(|range| view.listing(*range)).collect();
    let mut listed = Shown::Unsaid;
    if detail == Detail::Values {
        let series: Result<Vec<Series>, Unobservable> = listings.iter().map(|range| view.listing_series(*range)).collect();
        listed = Shown::Series(series?);
    }
    let mut observations = vec![Observation::shown(Kind::Listing, name.clone(), combined("listing", &listing?), listed)];
    for filter in filters(asked) {
        let alike: Vec<&Ranged> = reads.iter().filter(|ranged| ranged.read.filter() == filter).collect();
        let (kind, name) = match filter {
            None => (Kind::Columns, name.clone()),
            Some(filter) => (Kind::Selection, selection_name(name, filter)),
        };
        observations.push(columns(kind, name, view, &alike, detail)?);
    }
    Ok(observations)
}

/// The `where`s by which reads differ, each once; none where all rows are seen.
fn filters(reads: &[Read]) -> Vec<Option<&Expr>> {
    let mut filters: Vec<Option<&Expr>> = Vec::new();
    for read in reads {
        if !filters.contains(&read.filter()) {
            filters.push(read.filter());
        }
    }
    filters
}

/// `feature_view/feed where event = 'like'`.
pub fn selection_name(source: &Name, filter: &Expr) -> Name {
    format!("{source} where {filter}").as_str().into()
}

fn columns(kind: Kind, name: Name, view: &dyn Known, reads: &[&Ranged], detail: Detail) -> Result<Observation, Unobservable> {
    let digests: Result<Vec<Digest>, Unobservable> = reads.iter().map(|r| view.columns(r.range, &r.read.columns)).collect();
    let mut value = Shown::Unsaid;
    if detail == Detail::Values {
        let series: Result<Vec<Series>, Unobservable> = reads.iter().map(|r| view.columns_series(r.range, &r.read.columns)).collect();
        value = Shown::Series(series?);
    }
    Ok(Observation::shown(kind, name, combined("columns", &digests?), value))
}

/// A selection with its content: what reads with one `where` take of each period.
pub fn select(name: Name, view: &View, reads: &[Ranged], selections: &KnownSelections) -> Result<Observation, Unobservable> {
    let alike: Vec<&Ranged> = reads.iter().collect();
    let mut observation = columns(Kind::Selection, name, view, &alike, Detail::Digests)?;
    let (mut fine, mut series) = (Hasher::new("selections"), Vec::new());
    for Ranged { range, within, read } in reads {
        let Some(selects) = &read.selects else { continue };
        let taken = view.selected(*range, *within, &read.columns, selects, selections)?;
        fine.number("from", range.0 as u64).number("to", range.1 as u64);
        for period in &taken {
            fine.part("period", period.as_ref().map_or(&[][..], |digest| &digest.bytes()[..16]));
        }
        // Reads of one `where` differ in their reach, which tells them apart whatever else is read.
        series.push(view.selected_series(*range, &serde_json::to_string(&read.reach).unwrap_or_default(), &taken));
    }
    observation.fine = Some(fine.finish());
    observation.value = Shown::Series(series);
    Ok(observation)
}

fn combined(what: &str, digests: &[Digest]) -> Digest {
    Hasher::new(what).digests("ranges", digests.iter()).finish()
}

/// Ranges that lie within no other.
pub fn widest(reads: &[Ranged]) -> Vec<Range> {
    let mut widest: Vec<Range> = Vec::new();
    for Ranged { range, .. } in reads {
        if widest.iter().any(|w| w.0 <= range.0 && range.1 <= w.1) {
            continue;
        }
        widest.retain(|w| !(range.0 <= w.0 && w.1 <= range.1));
        widest.push(*range);
    }
    widest
}
