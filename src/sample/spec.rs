//! How much sample data, and from when: what the user may choose.
//!
//! Knows nothing of files. Invariant: a spec that passed [`SampleSpec::check`] can be written whole.

use super::SampleError;
use chrono::{Days, NaiveDate};

pub(super) const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * 60 * MINUTE;

const MAX_DIM: u32 = 65_536;

/// The size of the sample. Its defaults take seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleSpec {
    pub start: NaiveDate,
    pub days: u32,
    pub users: u32,
    pub artworks: u32,
    pub events_per_day: u32,
    /// Width of the embeddings.
    pub dim: u32,
    pub seed: u64,
    /// Tables of which each hour has a directory of its own: the rows are the same.
    pub hourly: Vec<String>,
}

impl Default for SampleSpec {
    fn default() -> Self {
        let start = NaiveDate::from_ymd_opt(2026, 2, 1).unwrap_or_default();
        Self { start, days: 10, users: 500, artworks: 2_000, events_per_day: 5_000, dim: 1_152, seed: 7, hourly: vec![] }
    }
}

impl SampleSpec {
    pub(super) fn check(&self) -> Result<(), SampleError> {
        let sizes = [("days", self.days), ("users", self.users), ("artworks", self.artworks), ("dim", self.dim)];
        if let Some((flag, _)) = sizes.into_iter().find(|(_, size)| *size == 0) {
            return Err(SampleError::Spec { reason: format!("--{flag} is 0; it must be at least 1") });
        }
        if self.dim > MAX_DIM {
            return Err(SampleError::Spec { reason: format!("--dim {} is too wide; it must be at most {MAX_DIM}", self.dim) });
        }
        if self.last_day().is_none() {
            return Err(SampleError::Spec { reason: format!("--days {} goes past the calendar; choose fewer", self.days) });
        }
        Ok(())
    }

    fn last_day(&self) -> Option<NaiveDate> {
        self.start.checked_add_days(Days::new(self.days.into()))
    }

    pub(super) fn days(&self) -> impl Iterator<Item = Day> {
        let first = self.start_ms();
        let dates = self.start.iter_days().take(self.days as usize).enumerate();
        dates.map(move |(number, date)| Day { number: number as u32, date, start: first + number as i64 * DAY })
    }

    pub(super) fn start_ms(&self) -> i64 {
        epoch_days(self.start) * DAY
    }

    pub(super) fn end_ms(&self) -> i64 {
        self.start_ms() + i64::from(self.days) * DAY
    }
}

fn epoch_days(date: NaiveDate) -> i64 {
    date.signed_duration_since(NaiveDate::default()).num_days()
}

/// One day of the sample, in UTC.
#[derive(Debug, Clone, Copy)]
pub(super) struct Day {
    /// From 0.
    pub(super) number: u32,
    pub(super) date: NaiveDate,
    /// Its first millisecond.
    pub(super) start: i64,
}

impl Day {
    /// Its directory.
    pub(super) fn partition(&self) -> String {
        format!("dt={}", self.date.format("%Y-%m-%d"))
    }

    /// The directories of its hours, each with its last millisecond.
    pub(super) fn hours(&self) -> Vec<(String, i64)> {
        let hour = |number: i64| (format!("{}/hr={number:02}", self.partition()), self.start + (number + 1) * HOUR - 1);
        (0..24).map(hour).collect()
    }

    pub(super) fn last_ms(&self) -> i64 {
        self.start + DAY - 1
    }
}
