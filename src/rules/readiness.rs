//! When a period of a source counts as there: its marker is in place, and its files have been quiet for long enough.
//!
//! Knows nothing of columns. Invariant: the world that observes and the worker that reads ask these functions, so that what is read is
//! what was observed.

use super::source::{PeriodFiles, SourceSpec};
use crate::catalog::declaration::Gaps;
use crate::catalog::quantity::Duration;
use crate::engine::clock::{Clock, SystemClock};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// What a view says of when its periods are complete.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Readiness {
    /// A file that is put into the directory last.
    pub ready: Option<String>,
    /// For how long the files are to be unchanged, in milliseconds.
    pub quiet: Option<i64>,
}

/// Why an action that requires a period cannot run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lacking {
    /// It is there, and not complete yet.
    NotReady(String),
    /// It is not there; whether anything required is.
    Absent { why: String, some_left: bool },
}

impl Readiness {
    /// What keeps a directory with files from counting as there; `shown` is its name.
    pub fn waits(&self, directory: &Path, shown: &str, files: &[PathBuf]) -> Option<String> {
        self.waits_at(directory, shown, files, || SystemClock::of_environment().now())
    }

    fn waits_at(&self, directory: &Path, shown: &str, files: &[PathBuf], now: impl Fn() -> i64) -> Option<String> {
        if let Some(marker) = self.ready.as_ref().filter(|marker| !directory.join(marker).exists()) {
            return Some(format!("not ready: no {marker} in {shown}"));
        }
        let quiet = self.quiet?;
        let changed = files.iter().filter_map(|file| modified(file)).max()?;
        let age = now().saturating_sub(changed);
        let since = || format!("not ready: {shown} changed {}, quiet={}", ago(age), Duration { millis: quiet });
        (age < quiet).then(since)
    }
}

/// Milliseconds since the epoch.
fn modified(file: &Path) -> Option<i64> {
    let time = fs::metadata(file).and_then(|m| m.modified()).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|d| d.as_millis() as i64)
}

/// `3 minutes ago`, in the largest unit of which at least one has passed.
fn ago(millis: i64) -> String {
    let units = [("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000)];
    let Some((unit, size)) = units.into_iter().find(|(_, size)| millis >= *size) else {
        return if millis < 0 { "after now, by this machine's clock".into() } else { "just now".into() };
    };
    let count = millis / size;
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

/// Whether the periods that an action cannot do without are all there.
pub fn require(source: &SourceSpec, required: &[Arc<PeriodFiles>]) -> Result<(), Lacking> {
    let some_left = required.iter().any(|p| p.is_there());
    let Some(period) = required.iter().find(|p| !p.is_there()) else {
        let why = || format!("{} has no period there yet: nothing in {}", source.name, source.shown);
        return if required.is_empty() { Err(Lacking::Absent { why: why(), some_left }) } else { Ok(()) };
    };
    let name = source.period_name(period);
    Err(match &period.waits {
        Some(why) => Lacking::NotReady(format!("{name} is {why}")),
        None => Lacking::Absent { why: format!("{name} is not there: no Parquet file in {}", source.shown_directory(period)), some_left },
    })
}

/// What is lacking where a period within reach is not there and gaps block.
pub fn gap(source: &SourceSpec, period: &PeriodFiles) -> Lacking {
    let why = period.waits.clone().unwrap_or_else(|| format!("a gap: no Parquet file in {}", source.shown_directory(period)));
    Lacking::Absent { why: format!("{} is {why} (gaps=\"block\")", source.period_name(period)), some_left: true }
}

/// What is said of periods within reach that are not there and count as empty.
pub fn gap_warning(source: &SourceSpec, keys: &[String]) -> Option<String> {
    const SHOWN: usize = 5;
    let (count, first) = (keys.len(), keys.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", "));
    let more = if count > SHOWN { ", …" } else { "" };
    let hint = "gaps=\"block\" waits for such periods, gaps=\"empty\" says nothing of them";
    let said = || format!("{}: {count} periods within reach are not there and count as empty: {first}{more}; {hint}", source.name);
    (count > 0 && source.gaps == Gaps::Warn).then(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    #[test]
    fn a_marker_and_quiet_are_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let files = [directory.path().join("a.parquet")];
        fs::write(&files[0], "").unwrap();
        let changed = modified(&files[0]).unwrap();
        let waits = |readiness: &Readiness, now| readiness.waits_at(directory.path(), "data/feed/dt=1", &files, || now);
        let marker = Readiness { ready: Some("_SUCCESS".into()), quiet: None };
        assert_eq!(waits(&marker, 0).unwrap(), "not ready: no _SUCCESS in data/feed/dt=1");
        fs::write(directory.path().join("_SUCCESS"), "").unwrap();
        assert_eq!(waits(&marker, 0), None);
        let quiet = Readiness { ready: None, quiet: Some(15 * MINUTE) };
        assert_eq!(waits(&quiet, changed + 3 * MINUTE).unwrap(), "not ready: data/feed/dt=1 changed 3 minutes ago, quiet=15m");
        assert_eq!(waits(&quiet, changed + 15 * MINUTE), None);
        assert!(waits(&quiet, changed - MINUTE).unwrap().contains("after now"));
    }
}
