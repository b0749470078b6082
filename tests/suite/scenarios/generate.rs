//! Many periods of a feed at once.
//!
//! Invariant: what is generated for a day of the usual workspace is what lies there.

use crate::fixture::{Event, events_from, feed_columns, write_parquet};
use chrono_tz::Tz;
use daeda::catalog::calendar::{Cadence, Period};
use daeda::catalog::pattern::{fill, pattern_cadence};
use std::path::Path;

pub struct Generate {
    /// `data/feed/dt={day}/part-0.parquet`.
    pattern: String,
    cadence: Cadence,
    periods: Vec<Period>,
    /// Milliseconds between two events; without, twelve of them, an hour apart.
    every: Option<i64>,
}

impl Generate {
    pub fn parse(pattern: &str, range: &str, options: &[&str]) -> Option<Self> {
        let option = |name: &str| options.iter().find_map(|o| o.strip_prefix(name)?.strip_prefix('='));
        if options.iter().any(|o| !o.starts_with("every=") && !o.starts_with("zone=")) {
            return None;
        }
        let zone = option("zone").map_or(Some(Tz::UTC), |name| name.parse().ok())?;
        let cadence = Cadence { every: pattern_cadence(pattern).ok()??, zone };
        let (first, last) = range.split_once("..").unwrap_or((range, range));
        let whole = Period { start: cadence.period(first)?.start, end: cadence.period(last)?.end };
        let every = option("every").map(|text| text.strip_suffix('m')?.parse::<i64>().ok());
        let every = match every {
            Some(minutes) => Some(minutes? * 60_000),
            None => None,
        };
        Some(Self { pattern: pattern.into(), cadence, periods: cadence.periods(whole).collect(), every })
    }

    pub fn apply(&self, root: &Path) -> Result<(), String> {
        for period in &self.periods {
            let path = root.join(fill(&self.pattern, &self.cadence, period.start));
            write_parquet(&path, feed_columns(&self.events(*period)));
        }
        Ok(())
    }

    fn events(&self, period: Period) -> Vec<Event> {
        let (step, count) = match self.every {
            Some(step) => (step, (period.end - period.start) / step),
            None => (3_600_000, 12),
        };
        events_from(period.start, step, count)
    }
}
