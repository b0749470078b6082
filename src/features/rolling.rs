//! Rolling windows: what an aggregate says of the events before (or after) each row of a spine.
//!
//! Knows which events belong to a window; what they are worth is the business of [`aggregates`](super::aggregates). A window of width
//! `w` with offset `o` at the instant `t` covers
//!
//! | direction | events |
//! |---|---|
//! | backward | `t − o − w <= ts < t − o` |
//! | forward | `t + o < ts <= t + o + w` |
//! | lifetime | `ts < t − o`, forward `ts > t + o` |
//!
//! in arithmetic that saturates. Over no events counts are 0 and everything else is null, for rows with a null key too. Events whose value is
//! null are skipped; `count` and `time_since_last` read no value and skip nothing.
//!
//! # The canonical tree
//!
//! Float addition is not associative, so the order of merging is part of the meaning, and is the same whatever is cached. A *tile* is
//! the events of one key on one UTC day, which begins at a multiple of [`Rolling::day`]. The *first* and the *last day* of a window are
//! those of its two instants: `t − o − w` and `t − o` backward, `t + o` and `t + o + w` forward; so the excluded instant counts
//! towards its own day.
//!
//! * If both days are the same, the events are folded by `update`, in order.
//! * Otherwise the state is `merge(merge(S, M), P)`. `S` covers the window's events of the first day and is built from its end:
//!   `S(s) = merge(single(s), S(s + 1))`. `M` is the left fold by `merge` of the tiles of the days between, each folded by `update`
//!   in order. `P` folds the window's events of the last day by `update`, in order. Empty parts and days are the identity.
//! * A lifetime has no first day (forward: no last one): `M` reaches to the key's first (last) event, and there is no `S` (no `P`).
//!
//! Invariants: events outside a window change no bit of its result, nor do other rows of the spine or their order.

use super::aggregates::Aggregate;
use super::frame::{Frame, different_bounds};
use super::keyed::Keyed;
use super::layout::same_length;
pub use super::layout::{Layout, Meeting, Seen};
use crate::catalog::aggregate::Options;
use arrow::array::{Array, ArrayRef};
use arrow::buffer::BooleanBuffer;
use std::fmt;
use std::sync::Arc;

/// How far a window reaches, in the unit of the times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Of(i64),
    Lifetime,
}

/// One window, in the unit of the times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSpan {
    pub reach: Reach,
    /// Not negative.
    pub offset: i64,
    pub forward: bool,
}

/// What to compute, over which windows.
#[derive(Clone, Copy)]
pub struct Rolling<'a> {
    pub aggregate: &'static dyn Aggregate,
    pub options: &'a Options,
    pub values: Option<&'a ArrayRef>,
    pub windows: &'a [WindowSpan],
    /// The length of a UTC day.
    pub day: i64,
    pub units_per_second: i64,
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelError {
    /// A sum over a window does not fit its type.
    Overflow { aggregate: &'static str, limit: &'static str },
    /// The column or the options do not suit the aggregate.
    Unfit { aggregate: &'static str, why: String },
    /// Too many rows, or elements of lists, for one call.
    TooLong { aggregate: &'static str },
    /// Columns of one side differ in length, or a window is negative.
    Misshapen { what: String },
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overflow { aggregate, limit } => {
                write!(f, "`{aggregate}` exceeds {limit} within one window; declare the field as float64, or shorten the window")
            }
            Self::Unfit { aggregate, why } => write!(f, "`{aggregate}` {why}"),
            Self::TooLong { aggregate } => {
                write!(f, "`{aggregate}` meets too many values for one partition; use smaller partitions, or set `max` or `k`")
            }
            Self::Misshapen { what } => f.write_str(what),
        }
    }
}

impl std::error::Error for KernelError {}

/// Which of the events of a layout count.
#[derive(Clone, Copy, Default)]
pub struct Sight<'a> {
    /// The events that are seen, and the same laid out by [`Layout::seen`], which serves all aggregates that see them.
    pub keep: Option<&'a BooleanBuffer>,
    pub seen: Option<&'a Arc<Seen>>,
    /// An event counts only for rows at or after the instant it became known; without such an instant it counts for none.
    pub known: Option<&'a [Option<i64>]>,
}

/// One array per window, one row per spine row, spine rows in any order.
pub fn rolling(spine: &Keyed, events: &Keyed, what: &Rolling) -> Result<Vec<ArrayRef>, KernelError> {
    rolled(&Layout::new(spine, events)?, what, &Sight::default())
}

/// [`rolling`], but an event counts only for rows at or after the instant it became known; without such an instant it counts for none.
pub fn rolling_known(spine: &Keyed, events: &Keyed, what: &Rolling, known: &[Option<i64>]) -> Result<Vec<ArrayRef>, KernelError> {
    rolled(&Layout::new(spine, events)?, what, &Sight { known: Some(known), ..Sight::default() })
}

/// Finds what several aggregates over these windows have alike, before they ask for it at once.
pub fn prepare(layout: &Layout, windows: &[WindowSpan]) {
    layout.prepare(&different_bounds(windows));
}

/// [`rolling`] over rows that are laid out already, of those events that count.
pub fn rolled(layout: &Layout, what: &Rolling, sight: &Sight) -> Result<Vec<ArrayRef>, KernelError> {
    what.values.map_or(Ok(()), |values| same_length("values", values.len(), layout.events_in_all))?;
    if let Some(window) = what.windows.iter().find(|window| window.offset < 0 || matches!(window.reach, Reach::Of(width) if width < 0)) {
        return Err(KernelError::Misshapen { what: format!("{window:?} is negative; use `direction=\"forward\"` to look ahead") });
    }
    what.aggregate.roll(&Frame::new(layout, what, sight)?, what.options)
}
