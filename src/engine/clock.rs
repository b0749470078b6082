//! The clock, injected so that delays can be tested and `DAEDA_NOW` can fix it.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub trait Clock: Sync {
    /// Milliseconds since the epoch, UTC.
    fn now(&self) -> i64;

    fn sleep(&self, duration: Duration);
}

/// The machine's clock, one that stands still, or one whose hands are in a file, for tests that move them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SystemClock {
    #[default]
    Machine,
    Fixed(i64),
    File(PathBuf),
}

impl SystemClock {
    /// What `DAEDA_NOW` says: an instant or a day, or `@` and the name of a file that holds one.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix('@') {
            Some(file) => Some(Self::File(file.into())),
            None => parse(text).map(Self::Fixed),
        }
    }

    /// The clock that `DAEDA_NOW` names, or the machine's: a worker has the time of the build that started it.
    pub fn of_environment() -> Self {
        std::env::var("DAEDA_NOW").ok().and_then(|text| Self::parse(&text)).unwrap_or_default()
    }
}

/// An RFC 3339 instant, or a day.
pub fn parse(text: &str) -> Option<i64> {
    let instant = chrono::DateTime::parse_from_rfc3339(text).ok().map(|t| t.timestamp_millis());
    let day = || chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0).map(|t| t.and_utc().timestamp_millis());
    instant.or_else(day)
}

impl Clock for SystemClock {
    fn now(&self) -> i64 {
        let machine = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        match self {
            Self::Machine => machine(),
            Self::Fixed(now) => *now,
            Self::File(path) => std::fs::read_to_string(path).ok().and_then(|text| parse(text.trim())).unwrap_or_else(machine),
        }
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// RFC 3339, UTC, in whole seconds.
pub fn rfc3339(millis: i64) -> String {
    let instant = chrono::DateTime::<chrono::Utc>::from_timestamp_millis(millis).unwrap_or_default();
    instant.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
