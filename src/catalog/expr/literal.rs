//! Literals: `1`, `0.5`, `'like'`, `TRUE`, `NULL`, `DATE '2026-02-01'`, `TIMESTAMP '2026-02-01 12:00:00Z'`.
//!
//! Knows nothing of the tree around them. Invariant: `Display` writes the canonical literal, which reads back as the same value.

use crate::catalog::types::{DataType, TimeUnit};
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, TimeDelta};
use std::fmt;

/// The value of a literal.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// Finite.
    Float(f64),
    String(String),
    /// Days since 1970-01-01.
    Date(i32),
    /// An epoch; with an offset it is an instant, without it has no zone.
    Timestamp {
        micros: i64,
        zoned: bool,
    },
}

impl Scalar {
    /// Its type; null has none of its own.
    pub fn data_type(&self) -> Option<DataType> {
        Some(match self {
            Self::Null => return None,
            Self::Bool(_) => DataType::Bool,
            Self::Int(_) => DataType::Int64,
            Self::Float(_) => DataType::Float64,
            Self::String(_) => DataType::String,
            Self::Date(_) => DataType::Date,
            Self::Timestamp { zoned, .. } => DataType::Timestamp { unit: TimeUnit::Us, zone: zoned.then(|| "UTC".to_string()) },
        })
    }

    /// Reads a number as written: an integer, or a float where it has a point or an exponent.
    pub fn parse_number(text: &str) -> Result<Self, String> {
        if text.contains(['.', 'e', 'E']) {
            let value: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
            return if value.is_finite() { Ok(Self::Float(value)) } else { Err(format!("`{text}` is too large for a float64")) };
        }
        text.parse().map(Self::Int).map_err(|_| format!("`{text}` is too large for an int64"))
    }

    /// Reads what follows `DATE`.
    pub fn parse_date(text: &str) -> Option<Self> {
        let days = parse_day(text)?.signed_duration_since(NaiveDate::default()).num_days();
        Some(Self::Date(i32::try_from(days).ok()?))
    }

    /// Reads what follows `TIMESTAMP`.
    pub fn parse_timestamp(text: &str) -> Option<Self> {
        let (local, offset) = split_offset(text)?;
        let local = parse_moment(local)?;
        let instant = local.checked_sub_signed(TimeDelta::seconds(offset.unwrap_or(0)))?;
        Some(Self::Timestamp { micros: instant.and_utc().timestamp_micros(), zoned: offset.is_some() })
    }
}

fn parse_day(text: &str) -> Option<NaiveDate> {
    let dashes: Vec<usize> = text.match_indices('-').map(|(at, _)| at).collect();
    (text.len() == 10 && dashes == [4, 7]).then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok())?
}

/// A day, and a time of it if any; with at most six digits of a second.
fn parse_moment(text: &str) -> Option<NaiveDateTime> {
    let Some((day, time)) = text.split_once(['T', ' ']) else {
        return parse_day(text)?.and_hms_opt(0, 0, 0);
    };
    let too_fine = time.split_once('.').is_some_and(|(_, fraction)| fraction.len() > 6);
    let format = if time.len() == 5 { "%H:%M" } else { "%H:%M:%S%.f" };
    let time = chrono::NaiveTime::parse_from_str(time, format).ok().filter(|_| !too_fine)?;
    Some(parse_day(day)?.and_time(time))
}

/// The text before `Z` or `+02:00`, and that offset in seconds.
fn split_offset(text: &str) -> Option<(&str, Option<i64>)> {
    if let Some(local) = text.strip_suffix(['Z', 'z']) {
        return Some((local.trim_end(), Some(0)));
    }
    let Some(at) = text.get(10..)?.find(['+', '-']).map(|at| at + 10) else {
        return Some((text, None));
    };
    let offset: FixedOffset = text[at..].parse().ok()?;
    Some((text[..at].trim_end(), Some(offset.local_minus_utc().into())))
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Bool(value) => f.write_str(if *value { "TRUE" } else { "FALSE" }),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::String(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Self::Date(days) => write!(f, "DATE '{}'", day(*days)),
            Self::Timestamp { micros, zoned } => write_timestamp(f, *micros, *zoned),
        }
    }
}

fn day(days: i32) -> NaiveDate {
    NaiveDate::default().checked_add_signed(TimeDelta::days(days.into())).unwrap_or_default()
}

fn write_timestamp(f: &mut fmt::Formatter<'_>, micros: i64, zoned: bool) -> fmt::Result {
    let instant = DateTime::from_timestamp_micros(micros).unwrap_or_default();
    let fraction = if micros % 1_000_000 == 0 { "" } else { "%.6f" };
    let zone = if zoned { "Z" } else { "" };
    write!(f, "TIMESTAMP '{}'", instant.format(&format!("%Y-%m-%d %H:%M:%S{fraction}{zone}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_microsecond() {
        let day = 1_769_904_000_000_000;
        let cases = [
            ("2026-02-01", day, false),
            ("2026-02-01 00:00", day, false),
            ("2026-02-01T00:00:01.5", day + 1_500_000, false),
            ("2026-02-01 00:00:00Z", day, true),
            ("2026-02-01 02:00:00+02:00", day, true),
            ("2026-01-31 22:00:00 -02:00", day, true),
            ("1969-12-31 23:59:59.999999", -1, false),
        ];
        for (text, micros, zoned) in cases {
            assert_eq!(Scalar::parse_timestamp(text), Some(Scalar::Timestamp { micros, zoned }), "{text}");
        }
        for text in ["", "2026-2-1", "2026-02-30", "2026-02-01 25:00", "2026-02-01 00:00:00.1234567", "2026-02-01 00:00:00+x", "Z", "ä"] {
            assert_eq!(Scalar::parse_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn days_are_counted_from_1970() {
        assert_eq!(Scalar::parse_date("1970-01-02"), Some(Scalar::Date(1)));
        assert_eq!(Scalar::parse_date("1969-12-31"), Some(Scalar::Date(-1)));
        assert_eq!(Scalar::parse_date("2026-02-01 "), None);
        assert_eq!(Scalar::Date(-1).to_string(), "DATE '1969-12-31'");
    }

    #[test]
    fn numbers_with_a_point_are_floats() {
        assert_eq!(Scalar::parse_number("12"), Ok(Scalar::Int(12)));
        assert_eq!(Scalar::parse_number("1e3"), Ok(Scalar::Float(1000.0)));
        assert!(Scalar::parse_number("1e999").is_err());
        assert!(Scalar::parse_number("99999999999999999999").is_err());
        assert_eq!(Scalar::Float(1e21).to_string(), "1e21");
        assert_eq!(Scalar::Float(3.0).to_string(), "3.0");
    }
}
