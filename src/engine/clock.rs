//! The clock, injected so that delays can be tested and `DAEDA_NOW` can fix it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub trait Clock: Sync {
    /// Milliseconds since the epoch, UTC.
    fn now(&self) -> i64;

    fn sleep(&self, duration: Duration);
}

/// The machine's clock, one that stands still, or one whose hands are in a file, for tests that move them.
#[derive(Debug, Clone, Default)]
pub enum SystemClock {
    #[default]
    Machine,
    Fixed(i64),
    File(Hands),
}

/// A file that holds the time, and what it said last: while it is being written, the time stands still.
#[derive(Debug, Clone)]
pub struct Hands {
    path: PathBuf,
    last: Arc<AtomicI64>,
}

/// A file that is just being written is looked at so often, with a pause, before it counts as one without a time.
const LOOKS: usize = 20;
const PAUSE: Duration = Duration::from_millis(10);

impl Hands {
    fn open(path: PathBuf) -> Option<Self> {
        let looks = (0..LOOKS).map(|look| {
            if look > 0 {
                std::thread::sleep(PAUSE);
            }
            read(&path)
        });
        let first = looks.flatten().next()?;
        Some(Self { path, last: Arc::new(AtomicI64::new(first)) })
    }

    fn now(&self) -> i64 {
        match read(&self.path) {
            Some(now) => {
                self.last.store(now, Ordering::SeqCst);
                now
            }
            None => self.last.load(Ordering::SeqCst),
        }
    }
}

fn read(path: &Path) -> Option<i64> {
    parse(std::fs::read_to_string(path).ok()?.trim())
}

impl SystemClock {
    /// What `DAEDA_NOW` says: an instant or a day, or `@` and the name of a file that holds one. None where there is neither.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix('@') {
            Some(file) => Hands::open(file.into()).map(Self::File),
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
        match self {
            Self::Machine => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64),
            Self::Fixed(now) => *now,
            Self::File(hands) => hands.now(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_holds_no_time_stops_the_clock_and_is_none_to_begin_with() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("now");
        let name = format!("@{}", path.display());
        assert!(SystemClock::parse(&name).is_none());
        std::fs::write(&path, "junk").unwrap();
        assert!(SystemClock::parse(&name).is_none());
        std::fs::write(&path, "2026-02-01\n").unwrap();
        let clock = SystemClock::parse(&name).unwrap();
        let day = clock.now();
        assert_eq!(rfc3339(day), "2026-02-01T00:00:00Z");
        for junk in ["", "2026-", "junk"] {
            std::fs::write(&path, junk).unwrap();
            assert_eq!(clock.now(), day, "{junk}");
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(clock.now(), day);
        std::fs::write(&path, "2026-02-02").unwrap();
        assert_eq!(clock.now(), day + 86_400_000);
    }
}
