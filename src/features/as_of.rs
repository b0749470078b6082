//! As-of joins: for each row of a spine, the last row before it with an equal key.
//!
//! Knows nothing of the columns that are joined; it finds rows. Invariants: one answer per spine row, in spine order; among rows of one
//! instant the last in canonical order wins; a null key matches nothing; a row that never became known is never found.

use super::keyed::{self, Keyed, NO_KEY, Runs};
use super::sweep::gallop;
use rayon::prelude::*;

/// What may be found.
#[derive(Debug, Clone, Copy, Default)]
pub struct AsOf<'a> {
    /// How old a row may be, in the unit of the times.
    pub max_age: Option<i64>,
    /// Whether a row of the same instant counts.
    pub inclusive: bool,
    /// When each right row became known: it counts from that instant on; without one, never.
    pub available: Option<&'a [Option<i64>]>,
}

/// The right row for each spine row.
pub fn as_of(spine: &Keyed, right: &Keyed, how: &AsOf) -> Vec<Option<u32>> {
    let mut ids = keyed::matched(spine.keys, spine.times.len(), right.keys, right.times.len());
    if let Some(available) = how.available {
        ids.events.iter_mut().zip(available).filter(|(_, known)| known.is_none()).for_each(|(id, _)| *id = NO_KEY);
    }
    let right = Runs::group(&ids.events, ids.keys, right.times);
    let spine_runs = Runs::group(&ids.spine, ids.keys, spine.times).in_time_order();
    let found: Vec<Vec<Option<u32>>> =
        (0..ids.keys).into_par_iter().with_min_len(256).map(|key| matches(&spine_runs, &right, key, how)).collect();
    let mut rows = vec![None; spine.times.len()];
    for (row, found) in spine_runs.rows.iter().zip(found.into_iter().flatten()) {
        rows[*row as usize] = found;
    }
    rows
}

/// The right rows for the spine rows of one key.
fn matches(spine: &Runs, right: &Runs, key: usize, how: &AsOf) -> Vec<Option<u32>> {
    let run = right.run(key);
    let times = &right.times[..run.end];
    let mut end = run.start;
    let find = |at: &i64| {
        end = gallop(times, end, |time| time < *at || how.inclusive && time == *at);
        let oldest = how.max_age.map_or(i64::MIN, |age| at.saturating_sub(age));
        let young = (run.start..end).rev().take_while(|position| times[*position] >= oldest);
        young.map(|position| right.rows[position]).find(|row| is_known(how, *row, *at))
    };
    spine.times[spine.run(key)].iter().map(find).collect()
}

fn is_known(how: &AsOf, row: u32, at: i64) -> bool {
    how.available.is_none_or(|available| available[row as usize].is_some_and(|known| known <= at))
}
