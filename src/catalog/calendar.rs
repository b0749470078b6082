//! Partition keys and the periods they name: hours, days, weeks and months, in UTC or (days) in a time zone.
//!
//! Knows nothing of assets or files. Instants are milliseconds since the epoch, UTC. Invariants: the periods of one definition do not
//! overlap and leave no gap; a key and its period determine each other; keys of one cadence sort as their periods do.

use super::declaration::Every;
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

pub const HOUR: i64 = 3_600_000;
pub const DAY: i64 = 24 * HOUR;

/// A half-open range of instants, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    pub start: i64,
    pub end: i64,
}

/// How time is cut into periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cadence {
    pub every: Every,
    #[serde(with = "zone_name")]
    pub zone: Tz,
}

/// A zone is stored by its IANA name.
mod zone_name {
    use chrono_tz::Tz;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(zone: &Tz, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(zone.name())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Tz, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Every {
    pub const NAMES: [&str; 4] = ["hour", "day", "week", "month"];

    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    fn key_format(self) -> &'static str {
        match self {
            Self::Hour => "%Y-%m-%dT%H",
            Self::Day | Self::Week => "%Y-%m-%d",
            Self::Month => "%Y-%m",
        }
    }
}

impl Cadence {
    pub const DAILY: Self = Self { every: Every::Day, zone: Tz::UTC };

    pub fn utc(every: Every) -> Self {
        Self { every, zone: Tz::UTC }
    }

    /// The period that holds an instant.
    pub fn period_at(&self, instant: i64) -> Period {
        let local = self.local(instant);
        let start = self.floor(local);
        Period { start: self.instant(start), end: self.instant(self.step(start)) }
    }

    /// The key of the period that holds an instant.
    pub fn key_at(&self, instant: i64) -> String {
        self.floor(self.local(instant)).format(self.every.key_format()).to_string()
    }

    /// The period that a key names. `None` for what is no key of this cadence (a week's key is its Monday).
    pub fn period(&self, key: &str) -> Option<Period> {
        let start = self.parse(key)?;
        (self.floor(start) == start && start.format(self.every.key_format()).to_string() == key)
            .then(|| Period { start: self.instant(start), end: self.instant(self.step(start)) })
    }

    /// The keys of all periods that overlap a range, oldest first.
    pub fn keys(&self, range: Period) -> Vec<String> {
        self.periods(range).map(|p| self.key_at(p.start)).collect()
    }

    /// The periods that overlap a range, oldest first.
    pub fn periods(&self, range: Period) -> impl Iterator<Item = Period> + '_ {
        let first = (range.start < range.end).then(|| self.period_at(range.start));
        let next = move |p: &Period| (p.end < range.end).then(|| self.period_at(p.end));
        std::iter::successors(first, next)
    }

    /// The number of the period that holds an instant: those of consecutive periods are consecutive.
    pub fn ordinal(&self, instant: i64) -> i64 {
        let start = self.floor(self.local(instant));
        let days = i64::from(start.date().num_days_from_ce());
        match self.every {
            Every::Hour => instant.div_euclid(HOUR),
            Every::Day => days,
            // The first day of the common era was a Monday.
            Every::Week => (days - 1).div_euclid(7),
            Every::Month => i64::from(start.year()) * 12 + i64::from(start.month0()),
        }
    }

    /// The period of a number.
    pub fn at_ordinal(&self, ordinal: i64) -> Period {
        let day = |days: i64| i32::try_from(days).ok().and_then(NaiveDate::from_num_days_from_ce_opt).unwrap_or_default();
        let month = || NaiveDate::from_ymd_opt(ordinal.div_euclid(12) as i32, ordinal.rem_euclid(12) as u32 + 1, 1).unwrap_or_default();
        let date = match self.every {
            Every::Hour => return Period { start: ordinal * HOUR, end: (ordinal + 1) * HOUR },
            Every::Day => day(ordinal),
            Every::Week => day(ordinal * 7 + 1),
            Every::Month => month(),
        };
        let start = date.and_time(NaiveTime::MIN);
        Period { start: self.instant(start), end: self.instant(self.step(start)) }
    }

    /// The start of what a user wrote as a key or as the day in which a period starts.
    pub fn start_of(&self, text: &str) -> Option<i64> {
        let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|d| d.and_time(NaiveTime::MIN));
        self.parse(text).or_else(day).map(|local| self.instant(self.floor(local)))
    }

    fn parse(&self, key: &str) -> Option<NaiveDateTime> {
        let (text, format) = match self.every {
            Every::Hour => (format!("{key}:00"), "%Y-%m-%dT%H:%M"),
            Every::Day | Every::Week => (format!("{key}T00:00"), "%Y-%m-%dT%H:%M"),
            Every::Month => (format!("{key}-01T00:00"), "%Y-%m-%dT%H:%M"),
        };
        NaiveDateTime::parse_from_str(&text, format).ok()
    }

    fn floor(&self, local: NaiveDateTime) -> NaiveDateTime {
        let date = local.date();
        match self.every {
            Every::Hour => date.and_hms_opt(chrono::Timelike::hour(&local), 0, 0).unwrap_or(local),
            Every::Day => date.and_time(NaiveTime::MIN),
            Every::Week => (date - Days::new(date.weekday().num_days_from_monday().into())).and_time(NaiveTime::MIN),
            Every::Month => date.with_day(1).unwrap_or(date).and_time(NaiveTime::MIN),
        }
    }

    fn step(&self, start: NaiveDateTime) -> NaiveDateTime {
        match self.every {
            Every::Hour => start + chrono::TimeDelta::hours(1),
            Every::Day => start + Days::new(1),
            Every::Week => start + Days::new(7),
            Every::Month => start + Months::new(1),
        }
    }

    fn local(&self, instant: i64) -> NaiveDateTime {
        let utc = DateTime::<Utc>::from_timestamp_millis(instant).unwrap_or_default();
        self.zone.from_utc_datetime(&utc.naive_utc()).naive_local()
    }

    /// A local midnight that a clock change skips starts at the first instant after the gap.
    fn instant(&self, local: NaiveDateTime) -> i64 {
        let later = (0..=4).map(|quarters| local + chrono::TimeDelta::minutes(30 * quarters));
        let found = later.filter_map(|l| self.zone.from_local_datetime(&l).earliest()).next();
        found.map_or_else(|| local.and_utc().timestamp_millis(), |t| t.timestamp_millis())
    }
}

/// A named partition definition, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partitions {
    pub name: String,
    pub cadence: Cadence,
    pub start: i64,
    /// Exclusive.
    pub end: Option<i64>,
}

impl Partitions {
    /// The keys of all periods from the start to the last one that has ended by `now`.
    pub fn keys(&self, now: i64) -> Vec<String> {
        let until = self.cadence.period_at(now).start.min(self.end.unwrap_or(i64::MAX));
        self.cadence.keys(Period { start: self.start, end: until })
    }

    /// Whether a key names a period of this definition, ended or not.
    pub fn holds(&self, key: &str) -> bool {
        let inside = |p: Period| p.start >= self.start && self.end.is_none_or(|end| p.start < end);
        self.cadence.period(key).is_some_and(inside)
    }
}

/// The directory of a partition below an asset's: `dt=2026-02-01`, hourly `dt=2026-02-01/hr=13`.
pub fn partition_directory(key: &str) -> String {
    match key.split_once('T') {
        Some((day, hour)) => format!("dt={day}/hr={hour}"),
        None => format!("dt={key}"),
    }
}

/// Fills `{day} {hour} {year} {month}` and strftime (`{%Y}`) placeholders for the period that starts at an instant.
pub fn fill(pattern: &str, cadence: &Cadence, start: i64) -> String {
    let local = cadence.local(start);
    let mut out = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, tail)) = after.split_once('}') else { break };
        out.push_str(before);
        out.push_str(&local.format(strftime(name)).to_string());
        rest = tail;
    }
    out + rest
}

fn strftime(name: &str) -> &str {
    match name {
        "day" => "%Y-%m-%d",
        "hour" => "%H",
        "year" => "%Y",
        "month" => "%m",
        other => other,
    }
}

/// The start of the period that a path filled from a pattern names.
pub fn read_pattern(pattern: &str, cadence: &Cadence, path: &str) -> Option<i64> {
    let mut format = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, tail) = after.split_once('}')?;
        format.push_str(&before.replace('%', "%%"));
        format.push_str(strftime(name));
        rest = tail;
    }
    format.push_str(&rest.replace('%', "%%"));
    let mut parsed = chrono::format::Parsed::new();
    chrono::format::parse(&mut parsed, path, chrono::format::StrftimeItems::new(&format)).ok()?;
    let (year, month, day) = (parsed.year()?, parsed.month().unwrap_or(1), parsed.day().unwrap_or(1));
    let hour = parsed.hour_div_12().zip(parsed.hour_mod_12()).map_or(0, |(half, hour)| half * 12 + hour);
    let date = parsed.to_naive_date().ok().or_else(|| NaiveDate::from_ymd_opt(year, month, day))?;
    Some(cadence.instant(date.and_hms_opt(hour, 0, 0)?))
}

/// The cadence that a path pattern's finest placeholder implies; an error names a placeholder that is not known.
pub fn pattern_cadence(pattern: &str) -> Result<Option<Every>, String> {
    let mut finest = None;
    for name in placeholders(pattern) {
        let every = match name {
            "hour" | "%H" => Every::Hour,
            "day" | "%d" | "%Y-%m-%d" | "%Y%m%d" | "%F" | "%j" => Every::Day,
            "month" | "%m" | "%Y-%m" | "%Y%m" => Every::Month,
            "year" | "%Y" => continue,
            "%Y-%m-%dT%H" | "%Y%m%d%H" | "%Y-%m-%d-%H" => Every::Hour,
            other => return Err(other.to_string()),
        };
        finest = Some(finest.map_or(every, |f: Every| if rank(every) < rank(f) { every } else { f }));
    }
    Ok(finest)
}

fn rank(every: Every) -> u8 {
    match every {
        Every::Hour => 0,
        Every::Day => 1,
        Every::Week => 2,
        Every::Month => 3,
    }
}

fn placeholders(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> Cadence {
        Cadence { every: Every::Day, zone: Tz::Europe__Berlin }
    }

    #[test]
    fn keys_and_periods_determine_each_other() {
        for (every, key) in
            [(Every::Hour, "2026-02-01T13"), (Every::Day, "2026-02-01"), (Every::Week, "2026-02-02"), (Every::Month, "2026-02")]
        {
            let cadence = Cadence::utc(every);
            let period = cadence.period(key).unwrap();
            assert_eq!(cadence.key_at(period.start), key);
            assert_eq!(cadence.key_at(period.end - 1), key);
            assert_ne!(cadence.key_at(period.end), key);
        }
    }

    #[test]
    fn periods_are_numbered_one_after_the_other() {
        let zones = [Tz::UTC, Tz::Europe__Berlin];
        for (every, zone) in
            [Every::Day, Every::Week, Every::Month].into_iter().flat_map(|e| zones.map(|z| (e, z))).chain([(Every::Hour, Tz::UTC)])
        {
            let cadence = Cadence { every, zone };
            let mut period = cadence.period_at(1_760_000_000_000);
            for _ in 0..200 {
                let number = cadence.ordinal(period.start);
                assert_eq!(cadence.at_ordinal(number), period);
                assert_eq!(cadence.ordinal(period.end - 1), number);
                assert_eq!(cadence.ordinal(period.end), number + 1);
                period = cadence.period_at(period.end);
            }
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(Cadence::utc(Every::Week).period("2026-02-03"), None);
        assert_eq!(Cadence::DAILY.period("2026-2-3"), None);
        assert_eq!(Cadence::DAILY.period("2026-02-30"), None);
        assert_eq!(Cadence::DAILY.period("2026-02"), None);
    }

    #[test]
    fn days_in_a_zone_have_23_and_25_hours() {
        let length = |key: &str| berlin().period(key).map(|p| (p.end - p.start) / HOUR);
        assert_eq!(length("2026-03-29"), Some(23));
        assert_eq!(length("2026-10-25"), Some(25));
        assert_eq!(length("2026-06-01"), Some(24));
    }

    #[test]
    fn all_periods_that_have_ended() {
        let partitions =
            Partitions { name: "daily".into(), cadence: Cadence::DAILY, start: Cadence::DAILY.start_of("2026-02-01").unwrap(), end: None };
        let noon = Cadence::DAILY.start_of("2026-02-04").unwrap() + DAY / 2;
        assert_eq!(partitions.keys(noon), ["2026-02-01", "2026-02-02", "2026-02-03"]);
        assert!(partitions.holds("2026-02-09") && !partitions.holds("2026-01-31"));
    }

    #[test]
    fn patterns_are_filled_and_have_a_cadence() {
        let start = Cadence::utc(Every::Hour).period("2026-02-01T07").unwrap().start;
        assert_eq!(fill("dt={day}/hr={hour}", &Cadence::utc(Every::Hour), start), "dt=2026-02-01/hr=07");
        assert_eq!(fill("{%Y}/{%m}/{%d}", &Cadence::DAILY, start), "2026/02/01");
        assert_eq!(read_pattern("dt={day}/hr={hour}", &Cadence::utc(Every::Hour), "dt=2026-02-01/hr=07"), Some(start));
        assert_eq!(read_pattern("{year}/{month}", &Cadence::utc(Every::Month), "2026/02"), Some(start - 7 * HOUR));
        assert_eq!(read_pattern("dt={day}", &Cadence::DAILY, "dt=yesterday"), None);
        assert_eq!(pattern_cadence("dt={day}"), Ok(Some(Every::Day)));
        assert_eq!(pattern_cadence("{year}/{month}"), Ok(Some(Every::Month)));
        assert_eq!(pattern_cadence("{dya}"), Err("dya".into()));
        assert_eq!(pattern_cadence("all"), Ok(None));
    }
}
