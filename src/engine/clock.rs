//! The clock, injected so that delays can be tested and `DAEDA_NOW` can fix it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub trait Clock: Sync {
    /// Milliseconds since the epoch, UTC.
    fn now(&self) -> i64;

    fn sleep(&self, duration: Duration);
}

/// The machine's clock, or one that stands still at a given instant.
#[derive(Debug, Default)]
pub struct SystemClock {
    pub fixed: Option<i64>,
}

impl Clock for SystemClock {
    fn now(&self) -> i64 {
        let since = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        self.fixed.unwrap_or_else(since)
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
