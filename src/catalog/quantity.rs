//! Durations and sizes as the manifest writes them: `7d`, `90s`, `44GiB`.
//!
//! Knows nothing of calendars: a day is 86,400 s here, in every zone. Invariant: `parse` and `Display` are inverse up to the choice of unit.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A length of time in whole milliseconds, never negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration {
    pub millis: i64,
}

const DURATIONS: [(&str, i64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl Duration {
    pub const DAY: Self = Self { millis: 86_400_000 };

    /// Reads an integer with one of `ms s m h d`.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split_unit(text)?;
        let (_, millis) = DURATIONS.iter().find(|(name, _)| *name == unit)?;
        number.checked_mul(*millis as u64).and_then(|n| i64::try_from(n).ok()).map(|millis| Self { millis })
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, millis): &&(&str, i64)| self.millis != 0 && self.millis % millis == 0;
        let (name, millis) = DURATIONS.iter().rev().find(fits).unwrap_or(&("s", 1_000));
        write!(f, "{}{name}", self.millis / millis)
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Size {
    pub bytes: u64,
}

const SIZES: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

impl Size {
    /// Reads an integer with one of `KiB MiB GiB`.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split_unit(text)?;
        let (_, bytes) = SIZES.iter().find(|(name, _)| *name == unit)?;
        number.checked_mul(*bytes).map(|bytes| Self { bytes })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SIZES.iter().rev().find(|(_, bytes)| self.bytes.is_multiple_of(*bytes) && self.bytes > 0) {
            Some((name, bytes)) => write!(f, "{}{name}", self.bytes / bytes),
            None => write!(f, "{}B", self.bytes),
        }
    }
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// How far back (or ahead) an aggregate looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    Of(Duration),
    Lifetime,
}

impl Window {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "lifetime" => Some(Self::Lifetime),
            _ => Duration::parse(text).filter(|d| d.millis > 0).map(Self::Of),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(duration) => duration.fmt(f),
            Self::Lifetime => f.write_str("lifetime"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_back() {
        for text in ["1d", "36h", "90s", "5m", "7ms", "0s"] {
            assert_eq!(Duration::parse(text).unwrap().to_string(), text);
        }
        for text in ["44GiB", "512MiB", "3KiB"] {
            assert_eq!(Size::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_refused_without_overflow() {
        for text in ["", "d", "1", "1w", "-1d", "1.5h", "99999999999999999999d", "9223372036854775807d"] {
            assert_eq!(Duration::parse(text), None, "{text}");
        }
        assert_eq!(Size::parse("99999999999999999GiB"), None);
        assert_eq!(Window::parse("0d"), None);
    }
}
