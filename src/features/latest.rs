//! Static joins: for each row of a spine, the newest row with an equal key.
//!
//! Knows nothing of the spine's instants: what is newest may lie after a row. Invariants: one answer per spine row, in spine order; two newest
//! rows of one key are an error, but only if the key occurs on the spine.

use super::keyed::{self, Keyed, NO_KEY};
use arrow::array::ArrayRef;
use arrow::util::display::array_value_to_string;
use std::fmt;

/// Keys with more than one newest row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tie {
    /// The first of them on the spine; the parts of a composite key are separated by commas.
    pub key: String,
    /// The time of its newest rows.
    pub time: i64,
    /// How many keys tie.
    pub keys: usize,
}

impl fmt::Display for Tie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {} has several rows at its greatest time {}", self.key, self.time)?;
        if self.keys > 1 {
            write!(f, ", and so have {} more keys", self.keys - 1)?;
        }
        f.write_str("; a static join needs one newest row per key")
    }
}

impl std::error::Error for Tie {}

/// The greatest time of a key, where it stands, and whether it stands there twice.
#[derive(Clone, Copy)]
struct Newest {
    time: i64,
    row: u32,
    tied: bool,
}

/// The right row for each spine row: that with the greatest time of its key.
pub fn latest(spine_keys: &[ArrayRef], right: &Keyed) -> Result<Vec<Option<u32>>, Tie> {
    let rows = spine_keys.first().map_or(0, |key| key.len());
    let ids = keyed::matched(spine_keys, rows, right.keys, right.times.len());
    let newest = newest(&ids.events, ids.keys, right.times);
    match newest.iter().position(|newest| newest.is_some_and(|newest| newest.tied)) {
        Some(id) => Err(tie(spine_keys, &ids.spine, &newest, id)),
        None => Ok(ids.spine.iter().map(|id| newest.get(*id as usize).copied().flatten().map(|newest| newest.row)).collect()),
    }
}

fn newest(ids: &[u32], keys: usize, times: &[i64]) -> Vec<Option<Newest>> {
    let mut newest: Vec<Option<Newest>> = vec![None; keys];
    for (row, (id, time)) in ids.iter().zip(times).enumerate().filter(|(_, (id, _))| **id != NO_KEY) {
        let slot = &mut newest[*id as usize];
        let tied = slot.is_some_and(|newest| newest.time == *time);
        if slot.is_none_or(|newest| newest.time <= *time) {
            *slot = Some(Newest { time: *time, row: row as u32, tied });
        }
    }
    newest
}

/// Ids count up along the spine, so the first that ties is the first on the spine.
fn tie(keys: &[ArrayRef], spine: &[u32], newest: &[Option<Newest>], id: usize) -> Tie {
    let row = spine.iter().position(|found| *found as usize == id).unwrap_or_default();
    Tie {
        key: key_text(keys, row),
        time: newest[id].map_or(0, |newest| newest.time),
        keys: newest.iter().flatten().filter(|newest| newest.tied).count(),
    }
}

fn key_text(keys: &[ArrayRef], row: usize) -> String {
    let part = |key: &ArrayRef| array_value_to_string(key, row).unwrap_or_else(|error| error.to_string());
    keys.iter().map(part).collect::<Vec<_>>().join(", ")
}
