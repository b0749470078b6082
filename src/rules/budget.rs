//! What an op may hold in memory, and whether what it is to do has room there.
//!
//! The budget is the op's `resources memory`; without one of its own an op has the envelope of the config. It is a bound on the process: a part
//! of it goes to what every worker holds, another to what allocators keep. Estimates come from footers and from the operators alone.
//! Invariant: whichever way is chosen, the rows are the same.

use super::loader::{Inputs, scan_of};
use crate::catalog::dag::{Kind, Operator};
use crate::engine::failure::Failure;
use crate::table::parquet::Extent;

/// Bytes that an op may hold.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    memory: u64,
}

/// What a worker holds before it reads anything, its program included.
const RESERVE: u64 = 192 << 20;
/// What a kernel holds for each event, beside the event itself: its key's id, its time, its place.
const EVENT: u64 = 48;
/// What a kernel holds for each row of the spine.
const ROW: u64 = 48;
/// A value of a result while it is computed, beside the one in the array.
const RESULT: u64 = 16;
/// Values of a list that may be of any length, as far as one can guess.
const GUESSED_LENGTH: u64 = 64;

impl Budget {
    pub fn of(memory: u64) -> Self {
        Self { memory }
    }

    /// What is free for rows.
    fn free(self) -> u64 {
        self.memory - RESERVE.min(self.memory / 2)
    }

    /// Whether all that the scans read, what is copied of it and what is made of it has room at once.
    pub fn holds(self, inputs: &Inputs) -> Result<bool, Failure> {
        let read = inputs.bytes();
        let (mut rows, mut largest) = (0, 0);
        for scan in inputs.spec.operators.iter().filter_map(scan_of) {
            let extent = inputs.extent(scan)?;
            // The spine is the first to be scanned.
            rows = if rows == 0 { extent.rows } else { rows };
            largest = largest.max(extent.bytes + extent.rows * EVENT);
        }
        let made: u64 = inputs.spec.operators.iter().map(width).sum();
        Ok(read + largest + rows * (made * 5 / 4 + ROW) <= self.free() / 5 * 4)
    }

    /// For what is computed at once: a part of what is free, for memory that was given back is not always free at once.
    pub fn work(self) -> u64 {
        (self.free() / 4).max(1)
    }

    /// How many rows of some width make a chunk.
    pub fn chunk_rows(self, row_bytes: u64) -> usize {
        (self.work() / 8 / row_bytes.max(1)).clamp(8, 1 << 16) as usize
    }
}

/// What an operator holds while it brings some rows to others, and makes its results.
pub fn cost(operator: &Operator, left: Extent, right: Extent) -> u64 {
    left.bytes * 2 + left.rows * (ROW + 3 * width(operator)) + right.bytes * 2 + right.rows * EVENT
}

/// The bytes that an operator adds to a row.
pub fn width(operator: &Operator) -> u64 {
    match &operator.does {
        Kind::Join(join) => join.columns.len() as u64 * RESULT,
        Kind::PitJoin(join) => join.columns.len() as u64 * RESULT,
        Kind::RollingAggregate(what) => {
            let is_list = matches!(what.aggregate.as_str(), "first_k" | "last_k" | "distinct");
            let values = if is_list { what.options.k.or(what.options.max).unwrap_or(GUESSED_LENGTH) } else { 1 };
            what.windows.len() as u64 * (RESULT + 8 * values.saturating_sub(1))
        }
        Kind::Project(project) => project.columns.len() as u64 * RESULT,
        Kind::ArrowUdf(_) => RESULT,
        Kind::Scan(_) | Kind::Filter(_) | Kind::Embed(_) | Kind::Sink(_) => 0,
    }
}
