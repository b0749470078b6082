//! What an op reads of other assets: which of their periods, relative to its own.
//!
//! Invariant: what a rule reads of an asset lies within what it says here, so that the actions behind it are all observed.

use super::source::SourceSpec;
use crate::catalog::calendar::Period;
use crate::catalog::dag::Reach;
use crate::catalog::quantity::Duration;

/// The periods of an asset that are read.
pub struct Reads {
    pub asset: String,
    pub periods: Periods,
}

/// Which periods, as seen from one.
pub enum Periods {
    /// Those that overlap, and as far back from the end of the period as the window says.
    Window(Option<Duration>),
    /// Those within reach of a scan, from the view's first instant on.
    Scanned { reach: Reach, first: Option<i64> },
}

impl Periods {
    /// The range of instants around a period. Without a start: from the first one on; without an end: to the last that has ended.
    pub fn around(&self, period: Option<Period>) -> (Option<i64>, Option<i64>) {
        let Some(period) = period else { return (None, None) };
        match self {
            Self::Window(window) => {
                let from = window.map_or(period.start, |window| period.start.min(period.end.saturating_sub(window.millis)));
                (Some(from), Some(period.end))
            }
            Self::Scanned { reach, first } => {
                let (from, until) = SourceSpec::range(*reach, period);
                (from.max(*first), (until < i64::MAX).then_some(until))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::calendar::DAY;

    #[test]
    fn a_window_ends_with_the_period_and_holds_what_overlaps() {
        let week = |days: i64| Periods::Window(Some(Duration { millis: days * DAY }));
        let period = Period { start: 10 * DAY, end: 11 * DAY };
        assert_eq!(week(7).around(Some(period)), (Some(4 * DAY), Some(11 * DAY)));
        assert_eq!(week(1).around(Some(period)), (Some(10 * DAY), Some(11 * DAY)));
        assert_eq!(Periods::Window(Some(Duration { millis: 1 })).around(Some(period)), (Some(10 * DAY), Some(11 * DAY)));
        assert_eq!(Periods::Window(None).around(Some(period)), (Some(10 * DAY), Some(11 * DAY)));
        assert_eq!(week(7).around(None), (None, None));
    }
}
