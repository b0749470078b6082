//! Which file a row's window needs, told from the clock on the wall, and whether it is among those that are read and admitted: days of zones
//! with 23 and 25 hours, sources by day and by hour, rows that are late, many small cases.
//!
//! `DAEDA_CASES` raises the number of cases.

use super::readiness::Readiness;
use super::source::{LayoutSpec, PinSpec, SourceSpec};
use crate::catalog::calendar::{Cadence, Period};
use crate::catalog::dag::Reach;
use crate::catalog::declaration::{Every, Gaps, Late};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::path::{Path, PathBuf};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const CASES: u32 = 10_000;

const ZONES: [Tz; 6] = [Tz::UTC, Tz::Europe__Berlin, Tz::America__New_York, Tz::Asia__Kolkata, Tz::Asia__Tokyo, Tz::Australia__Lord_Howe];

/// Plain days, and those around the changes of the clocks.
const DAYS: [&str; 10] = [
    "2026-02-01",
    "2026-02-02",
    "2026-03-08",
    "2026-03-28",
    "2026-03-29",
    "2026-03-30",
    "2026-04-05",
    "2026-10-04",
    "2026-10-25",
    "2026-11-01",
];

/// One event that a row's window covers, and the file that it was written to.
#[derive(Debug, Clone)]
struct Case {
    zone: Tz,
    /// How the source's files lie: by day of UTC, by hour, or by day of the zone.
    source: Cadence,
    day: &'static str,
    /// Where in its day the row lies: at its start, just after, in its midst, just before its end.
    row: usize,
    width: i64,
    offset: i64,
    forward: bool,
    /// Where in its window the event lies: at the included end, just beside the excluded one, between.
    place: usize,
    lateness: i64,
    /// How late the event was written, in quarters of what is allowed.
    quarters: i64,
}

/// A mistake that the reference can be made to make.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Bug {
    /// The partitions' days are those of UTC.
    ZoneForgotten,
    /// Rows of later days belong to the period.
    LaterDay,
    /// Events are written later than is allowed.
    TooLate,
}

impl Case {
    fn period(&self, bug: Option<Bug>) -> Period {
        let zone = if bug == Some(Bug::ZoneForgotten) { Tz::UTC } else { self.zone };
        Cadence { every: Every::Day, zone }.period(self.day).expect("the day is one of every zone here")
    }

    /// The event's instant.
    fn event(&self, bug: Option<Bug>) -> i64 {
        let Period { start, end } = self.period(bug);
        let last = if bug == Some(Bug::LaterDay) { end + self.width + self.offset + DAY } else { end - 1 };
        let at = [start, start + 1, start + (end - start) / 2, last][self.row];
        let sign = if self.forward { 1 } else { -1 };
        let near = at + sign * self.offset;
        near + sign * [self.width, 1, 1 + (self.width - 1) / 2][self.place]
    }

    /// When the event was written.
    fn written(&self, bug: Option<Bug>) -> i64 {
        let late = self.lateness * self.quarters / 4;
        self.event(bug) + if bug == Some(Bug::TooLate) { late + 3 * DAY } else { late }
    }

    /// The directory of the clock on the wall.
    fn directory(&self, bug: Option<Bug>) -> String {
        let instant: DateTime<Utc> = DateTime::from_timestamp_millis(self.written(bug)).unwrap();
        match self.source.every {
            Every::Hour => instant.format("dt=%Y-%m-%d/hr=%H").to_string(),
            _ => instant.with_timezone(&self.source.zone).format("dt=%Y-%m-%d").to_string(),
        }
    }

    fn spec(&self) -> SourceSpec {
        let pattern = if self.source.every == Every::Hour { "dt={day}/hr={hour}" } else { "dt={day}" };
        SourceSpec {
            name: "feature_view/events".into(),
            shown: "data/events".into(),
            path: PathBuf::from("/data/events"),
            layout: Some(LayoutSpec { pattern: pattern.into(), cadence: self.source, end: None }),
            first: Some(Cadence::DAILY.start_of("2026-01-01").unwrap()),
            readiness: Readiness::default(),
            gaps: Gaps::default(),
            late: if self.lateness > 0 { Late::Allow } else { Late::Error },
            lateness: self.lateness,
            pin: PinSpec::Latest,
        }
    }

    /// Whether the event's file is read, and may hold it.
    fn is_read(&self, bug: Option<Bug>) -> bool {
        let (spec, furthest) = (self.spec(), self.width + self.offset);
        let reach = if self.forward { Reach::Around { back: 0, ahead: furthest } } else { Reach::Around { back: furthest, ahead: 0 } };
        let one_file = |directory: &Path| Ok(Some(vec![directory.join("part-0.parquet")]));
        let range = SourceSpec::range(reach, self.period(None));
        let periods = spec.periods(range, &one_file).unwrap();
        let (event, directory) = (self.event(bug), self.directory(bug));
        // An event of the last instant that a forward window includes may open the next period.
        let is_in_reach = range.0.is_none_or(|start| start <= event) && event <= range.1;
        let holds = |period: Option<Period>| period.is_some_and(|p| (spec.admits(p).start..spec.admits(p).end).contains(&event));
        is_in_reach && periods.iter().any(|p| p.directory == spec.path.join(&directory) && holds(p.period))
    }
}

fn case() -> impl Strategy<Value = Case> {
    let zone = prop::sample::select(ZONES.to_vec());
    let width = prop::sample::select(vec![1, HOUR, DAY, DAY + HOUR, 7 * DAY]);
    let offset = prop::sample::select(vec![0, 0, HOUR, DAY]);
    let lateness = prop::sample::select(vec![0, 0, HOUR, DAY, 2 * DAY]);
    let days = prop::sample::select(DAYS.to_vec());
    (zone, 0..3usize, days, 0..4usize, width, offset, prop::bool::weighted(0.25), 0..3usize, lateness, 0..5i64).prop_map(
        |(zone, kind, day, row, width, offset, forward, place, lateness, quarters)| {
            let source = [Cadence::DAILY, Cadence { every: Every::Hour, zone: Tz::UTC }, Cadence { every: Every::Day, zone }][kind];
            Case { zone, source, day, row, width, offset, forward, place, lateness, quarters }
        },
    )
}

fn cases() -> u32 {
    std::env::var("DAEDA_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(CASES).max(CASES)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn what_a_window_covers_is_read(case in case()) {
        prop_assert!(case.is_read(None), "{} of {:?}", case.directory(None), case.event(None));
    }
}

#[test]
fn planted_bugs_are_found() {
    let mut runner = TestRunner::deterministic();
    let cases: Vec<Case> = (0..CASES).map(|_| case().new_tree(&mut runner).unwrap().current()).collect();
    for bug in [Bug::ZoneForgotten, Bug::LaterDay, Bug::TooLate] {
        assert!(cases.iter().any(|case| !case.is_read(Some(bug))), "{bug:?} is not found in {CASES} cases");
    }
}
