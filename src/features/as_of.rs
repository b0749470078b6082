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
    let right = Timed::new(Runs::group(&ids.events, ids.keys), right.times);
    let left = Timed::new(Runs::group(&ids.spine, ids.keys).in_time_order(spine.times), spine.times);
    let found: Vec<Vec<Option<u32>>> =
        (0..ids.keys).into_par_iter().with_min_len(256).map(|key| matches(&left, &right, key, how)).collect();
    let mut rows = vec![None; spine.times.len()];
    for (row, found) in left.runs.rows.iter().zip(found.into_iter().flatten()) {
        rows[*row as usize] = found;
    }
    rows
}

/// Runs with their times.
struct Timed {
    runs: Runs,
    times: Vec<i64>,
}

impl Timed {
    fn new(runs: Runs, times: &[i64]) -> Self {
        let times = runs.times(times);
        Self { runs, times }
    }
}

/// The right rows for the spine rows of one key.
fn matches(spine: &Timed, right: &Timed, key: usize, how: &AsOf) -> Vec<Option<u32>> {
    let run = right.runs.run(key);
    let times = &right.times[..run.end];
    let mut end = run.start;
    let find = |at: &i64| {
        end = gallop(times, end, |time| time < *at || how.inclusive && time == *at);
        let oldest = how.max_age.map_or(i64::MIN, |age| at.saturating_sub(age));
        let young = (run.start..end).rev().take_while(|position| times[*position] >= oldest);
        young.map(|position| right.runs.rows[position]).find(|row| is_known(how, *row, *at))
    };
    spine.times[spine.runs.run(key)].iter().map(find).collect()
}

fn is_known(how: &AsOf, row: u32, at: i64) -> bool {
    how.available.is_none_or(|available| available[row as usize].is_some_and(|known| known <= at))
}
