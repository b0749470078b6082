//! Partition keys and the periods they name: hours, days, weeks and months, in UTC or (days) in a time zone.
//!
//! Knows nothing of assets or files. Instants are milliseconds since the epoch, UTC. Invariants: the periods of one definition do not
//! overlap and leave no gap; a key and its period determine each other; keys of one cadence sort as their periods do.

use super::declaration::Every;
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use rayon::prelude::*;
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

    /// In strftime.
    pub fn key_format(self) -> &'static str {
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
        let start = self.start_at(instant);
        Period { start: self.instant(start), end: self.instant(self.step(start)) }
    }

    /// The local start of the period that holds an instant. Where clocks go back over midnight, what follows the first midnight is the next
    /// day's, although the clock shows the day before once more.
    fn start_at(&self, instant: i64) -> NaiveDateTime {
        let start = self.floor(self.local(instant));
        let next = self.step(start);
        if self.zone != Tz::UTC && self.instant(next) <= instant { next } else { start }
    }

    /// The key of the period that holds an instant.
    pub fn key_at(&self, instant: i64) -> String {
        written(self.start_at(instant), self.every.key_format())
    }

    /// The period that a key names. `None` for what is no key of this cadence (a week's key is its Monday, and a zone may have skipped a day).
    pub fn period(&self, key: &str) -> Option<Period> {
        let start = self.parse(key)?;
        let period = Period { start: self.instant(start), end: self.instant(self.step(start)) };
        let is_key = self.floor(start) == start && written(start, self.every.key_format()) == key;
        (is_key && period.start < period.end).then_some(period)
    }

    /// The keys of all periods that overlap a range, oldest first.
    pub fn keys(&self, range: Period) -> Vec<String> {
        if range.start >= range.end || self.zone != Tz::UTC {
            return self.periods(range).map(|p| self.key_at(p.start)).collect();
        }
        // There may be hundreds of thousands, and without a zone they need not be found one from the other.
        let numbers = self.ordinal(range.start)..self.ordinal(range.end - 1) + 1;
        numbers.into_par_iter().map(|number| self.key_at(self.at_ordinal(number).start)).collect()
    }

    /// The periods that overlap a range, oldest first.
    pub fn periods(&self, range: Period) -> impl Iterator<Item = Period> + '_ {
        let first = (range.start < range.end).then(|| self.period_at(range.start));
        let next = move |p: &Period| (p.end < range.end).then(|| self.period_at(p.end));
        std::iter::successors(first, next)
    }

    /// The number of the period that holds an instant: those of consecutive periods are consecutive.
    pub fn ordinal(&self, instant: i64) -> i64 {
        // The first of January 1970 is the day of that number.
        const EPOCH: i64 = 719_163;
        let days = |start: NaiveDateTime| i64::from(start.date().num_days_from_ce());
        let start = || self.start_at(instant);
        match self.every {
            Every::Hour => instant.div_euclid(HOUR),
            Every::Day if self.zone == Tz::UTC => instant.div_euclid(DAY) + EPOCH,
            Every::Day => days(start()),
            // The first day of the common era was a Monday.
            Every::Week => (days(start()) - 1).div_euclid(7),
            Every::Month => i64::from(start().year()) * 12 + i64::from(start().month0()),
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

    /// The end of what a user wrote as the last period: a key, or a day, with all its hours or with its week or month.
    pub fn end_of(&self, text: &str) -> Option<i64> {
        let start = self.start_of(text)?;
        let is_a_day = self.every == Every::Hour && self.parse(text).is_none();
        Some(if is_a_day { start + DAY } else { self.period_at(start).end })
    }

    /// From the first to the last period whose key begins with a year, a month, or (hourly) a day; `None` for what is no such beginning.
    pub fn prefixed(&self, prefix: &str) -> Option<Period> {
        let number = |text: &str, digits: usize| {
            (text.len() == digits && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse::<u32>().ok()).flatten()
        };
        let parts: Vec<&str> = prefix.trim_end_matches(['-', 'T']).split('-').collect();
        let (first, after) = match (parts.as_slice(), self.every) {
            ([year], _) => {
                let first = NaiveDate::from_ymd_opt(number(year, 4)? as i32, 1, 1)?;
                (first, first + Months::new(12))
            }
            ([year, month], Every::Hour | Every::Day | Every::Week) => {
                let first = NaiveDate::from_ymd_opt(number(year, 4)? as i32, number(month, 2)?, 1)?;
                (first, first + Months::new(1))
            }
            ([year, month, day], Every::Hour) => {
                let first = NaiveDate::from_ymd_opt(number(year, 4)? as i32, number(month, 2)?, number(day, 2)?)?;
                (first, first + Days::new(1))
            }
            _ => return None,
        };
        // A week belongs to the month that its Monday lies in.
        let of_key = |date: NaiveDate| {
            let floor = self.floor(date.and_time(NaiveTime::MIN));
            self.instant(if floor.date() < date { self.step(floor) } else { floor })
        };
        Some(Period { start: of_key(first), end: of_key(after) })
    }

    fn parse(&self, key: &str) -> Option<NaiveDateTime> {
        // There may be hundreds of thousands: those that are written as we write them are read by hand.
        let is_plain = matches!((self.every, key.len()), (Every::Hour, 13) | (Every::Day | Every::Week, 10));
        if let Some(start) = Some(key).filter(|_| is_plain).and_then(plainly_written) {
            return Some(start);
        }
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

    pub(super) fn local(&self, instant: i64) -> NaiveDateTime {
        let utc = DateTime::<Utc>::from_timestamp_millis(instant).unwrap_or_default();
        self.zone.from_utc_datetime(&utc.naive_utc()).naive_local()
    }

    /// A local midnight that a clock change skips starts at the first instant after the gap, be it an hour or a whole day.
    pub(super) fn instant(&self, local: NaiveDateTime) -> i64 {
        match self.zone.from_local_datetime(&local).earliest() {
            Some(instant) => instant.timestamp_millis(),
            None => self.after_gap(local),
        }
    }

    fn after_gap(&self, local: NaiveDateTime) -> i64 {
        let near = local.and_utc().timestamp_millis();
        // No zone is farther than this from UTC, on either side of the gap.
        let (mut before, mut after) = (near - 2 * DAY, near + 2 * DAY);
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if self.local(middle) < local { before = middle } else { after = middle }
        }
        after
    }
}

/// A named partition definition, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partitions {
    pub name: String,
    pub cadence: Cadence,
    pub start: i64,
    /// When the last period is over.
    pub end: Option<i64>,
}

impl Partitions {
    /// The keys of all periods from the start to the last one that has ended by `now`.
    pub fn keys(&self, now: i64) -> Vec<String> {
        let until = self.cadence.period_at(now).start.min(self.end.unwrap_or(i64::MAX));
        self.cadence.keys(Period { start: self.start, end: until })
    }

    /// The keys of the periods that overlap a range; without its bounds, from the first one to the last that has ended by `now`.
    pub fn keys_within(&self, range: (Option<i64>, Option<i64>), now: i64) -> Vec<String> {
        let Some(until) = range.1 else {
            let from = range.0.unwrap_or(i64::MIN);
            let mut keys = self.keys(now);
            keys.retain(|key| self.cadence.period(key).is_some_and(|p| p.end > from));
            return keys;
        };
        let start = range.0.map_or(self.start, |from| from.max(self.start));
        self.cadence.keys(Period { start, end: until.min(self.end.unwrap_or(i64::MAX)) })
    }

    /// Whether a key names a period of this definition, ended or not.
    pub fn holds(&self, key: &str) -> bool {
        let inside = |p: Period| p.start >= self.start && self.end.is_none_or(|end| p.start < end);
        self.cadence.period(key).is_some_and(inside)
    }
}

/// The time of `2026-02-01` or `2026-02-01T13`.
fn plainly_written(key: &str) -> Option<NaiveDateTime> {
    let number = |range: std::ops::Range<usize>| {
        let digits = key.as_bytes().get(range)?;
        digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
    };
    let is = |at: usize, what: u8| key.as_bytes().get(at) == Some(&what);
    let date = || NaiveDate::from_ymd_opt(number(0..4)? as i32, number(5..7)?, number(8..10)?).filter(|_| is(4, b'-') && is(7, b'-'));
    match key.len() {
        10 => date().map(|date| date.and_time(NaiveTime::MIN)),
        13 if is(10, b'T') => date()?.and_hms_opt(number(11..13)?, 0, 0),
        _ => None,
    }
}

/// A time as a strftime pattern writes it; the common ones by hand, for there may be hundreds of thousands of periods.
pub(super) fn written(time: NaiveDateTime, pattern: &str) -> String {
    let (year, month, day, hour) = (time.year(), time.month(), time.day(), time.hour());
    match pattern {
        _ if !(0..=9999).contains(&year) => time.format(pattern).to_string(),
        "%Y-%m-%d" => digits(year as u32, &[('-', month), ('-', day)]),
        "%Y-%m-%dT%H" => digits(year as u32, &[('-', month), ('-', day), ('T', hour)]),
        "%Y-%m" => digits(year as u32, &[('-', month)]),
        "%H" => digits(hour, &[])[2..].to_string(),
        "%Y" => digits(year as u32, &[]),
        "%m" => digits(month, &[])[2..].to_string(),
        other => time.format(other).to_string(),
    }
}

/// Four digits, and two after each of some marks.
fn digits(first: u32, rest: &[(char, u32)]) -> String {
    let digit = |number: u32, power: u32| char::from(b'0' + (number / power % 10) as u8);
    let mut out = String::with_capacity(4 + 3 * rest.len());
    out.extend([1000, 100, 10, 1].map(|power| digit(first, power)));
    for (mark, number) in rest {
        out.extend([*mark, digit(*number, 10), digit(*number, 1)]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
    fn keys_of_a_range_are_those_of_its_periods() {
        for every in [Every::Hour, Every::Day, Every::Week, Every::Month] {
            let cadence = Cadence::utc(every);
            for (start, end) in [(0, 0), (5, 4), (0, 1), (-90 * DAY - 7, 40 * DAY + 3), (HOUR, 2 * HOUR), (31 * DAY, 59 * DAY)] {
                let keys: Vec<String> = cadence.periods(Period { start, end }).map(|p| cadence.key_at(p.start)).collect();
                assert_eq!(cadence.keys(Period { start, end }), keys, "{every:?} {start}..{end}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_by_hand_is_what_the_library_writes(instant in -70_000_000_000_000i64..260_000_000_000_000) {
            let time = Cadence::DAILY.local(instant);
            for pattern in ["%Y-%m-%d", "%Y-%m-%dT%H", "%Y-%m", "%H", "%Y", "%m"] {
                prop_assert_eq!(written(time, pattern), time.format(pattern).to_string());
            }
        }
    }

    #[test]
    fn what_is_read_by_hand_is_what_the_library_reads() {
        let texts = [
            "2026-02-01",
            "2026-02-30",
            "2026-2-01",
            "2026-02-01T13",
            "2026-02-01T24",
            "2026-02-01T1",
            "2026-02-01 13",
            "+026-02-01",
            "é26-02-01",
        ];
        for text in texts {
            let by_library = match text.len() {
                10 => NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|date| date.and_time(NaiveTime::MIN)),
                _ => NaiveDateTime::parse_from_str(&format!("{text}:00"), "%Y-%m-%dT%H:%M").ok(),
            };
            let by_hand = plainly_written(text);
            assert!(by_hand.is_none() || by_hand == by_library, "{text}");
        }
        assert!(plainly_written("2026-02-01").is_some() && plainly_written("2026-02-01T13").is_some());
        assert_eq!(Cadence::utc(Every::Hour).parse("2026-02-01"), None);
        assert_eq!(Cadence::utc(Every::Hour).end_of("2026-02-01"), Cadence::DAILY.end_of("2026-02-01"));
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

    /// Every period of decades, one after the other: they meet, their keys ascend, and keys and periods determine each other.
    fn walk(cadence: Cadence, from: &str, years: i64, hours: &[i64]) {
        let mut period = cadence.period_at(Cadence::DAILY.start_of(from).unwrap());
        let mut last = String::new();
        let until = period.start + years * 366 * DAY;
        while period.start < until {
            let key = cadence.key_at(period.start);
            assert!(key > last, "{cadence:?}: {key} after {last}");
            assert_eq!(cadence.period(&key), Some(period), "{cadence:?} {key}");
            assert_eq!(cadence.key_at(period.end - 1), key, "{cadence:?}");
            assert!(hours.is_empty() || hours.contains(&((period.end - period.start) / HOUR)), "{cadence:?} {key}");
            let next = cadence.period_at(period.end);
            assert_eq!(next.start, period.end, "{cadence:?} {key}: neither gap nor overlap");
            (period, last) = (next, key);
        }
    }

    #[test]
    fn periods_meet_over_decades() {
        walk(Cadence::utc(Every::Hour), "2024-01-01", 2, &[1]);
        walk(Cadence::utc(Every::Day), "1975-01-01", 80, &[24]);
        walk(Cadence::utc(Every::Week), "1975-01-01", 80, &[7 * 24]);
        walk(Cadence::utc(Every::Month), "1975-01-01", 80, &[28 * 24, 29 * 24, 30 * 24, 31 * 24]);
    }

    #[test]
    fn days_of_zones_meet_over_decades() {
        // Clocks change at midnight, by half an hour, back over midnight (St John's), and a whole day is left out (Apia).
        for zone in ["Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Africa/Cairo", "Australia/Lord_Howe"] {
            walk(Cadence { every: Every::Day, zone: zone.parse().unwrap() }, "1985-01-01", 45, &[23, 24, 25]);
        }
        for zone in ["America/St_Johns", "Pacific/Apia", "America/Havana"] {
            walk(Cadence { every: Every::Day, zone: zone.parse().unwrap() }, "1985-01-01", 45, &[]);
        }
    }

    #[test]
    fn a_day_that_a_zone_left_out_is_no_key() {
        let apia = Cadence { every: Every::Day, zone: Tz::Pacific__Apia };
        assert_eq!(apia.period("2011-12-30"), None);
        let (before, after) = (apia.period("2011-12-29").unwrap(), apia.period("2011-12-31").unwrap());
        assert_eq!((before.end, before.end - before.start), (after.start, 24 * HOUR));
    }

    proptest! {
        #[test]
        fn an_instant_lies_in_the_period_of_its_key(instant in 0..4_000_000_000_000i64, zone in 0..chrono_tz::TZ_VARIANTS.len(), kind in 0..4usize) {
            let cadence = match kind {
                0 => Cadence::utc(Every::Hour),
                1 => Cadence::utc(Every::Week),
                2 => Cadence::utc(Every::Month),
                _ => Cadence { every: Every::Day, zone: chrono_tz::TZ_VARIANTS[zone] },
            };
            let period = cadence.period_at(instant);
            prop_assert!(period.start <= instant && instant < period.end, "{:?}", cadence);
            prop_assert_eq!(cadence.period(&cadence.key_at(instant)), Some(period));
        }

        #[test]
        fn a_prefix_is_of_the_keys_that_begin_so(day in 0..20_000i64, every in 0..4usize) {
            let every = [Every::Hour, Every::Day, Every::Week, Every::Month][every];
            let cadence = Cadence::utc(every);
            let key = cadence.key_at(day * DAY);
            for length in [4, 7, 10].into_iter().filter(|length| *length < key.len()) {
                let prefix = &key[..length];
                let Some(range) = cadence.prefixed(prefix) else { prop_assert!(false, "{prefix}"); continue };
                let wide = Period { start: range.start - 40 * DAY, end: range.end + 40 * DAY };
                let begin_so: Vec<String> = cadence.keys(wide).into_iter().filter(|k| k.starts_with(prefix)).collect();
                prop_assert_eq!(cadence.keys(range), begin_so);
            }
        }
    }

    #[test]
    fn what_no_key_begins_with_is_no_prefix() {
        for prefix in ["", "20", "2026-13", "2026-2", "2026-02-30", "x", "2026-02-01T0"] {
            assert_eq!(Cadence::utc(Every::Hour).prefixed(prefix), None, "{prefix}");
        }
        assert_eq!(Cadence::DAILY.prefixed("2026-02-01"), None);
        assert_eq!(Cadence::utc(Every::Month).prefixed("2026-02"), None);
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
    fn the_last_period_is_one_of_them() {
        for (every, end, last, after) in [
            (Every::Day, "2026-02-09", "2026-02-09", "2026-02-10"),
            (Every::Week, "2026-02-09", "2026-02-09", "2026-02-16"),
            (Every::Week, "2026-02-11", "2026-02-09", "2026-02-16"),
            (Every::Month, "2026-03", "2026-03", "2026-04"),
            (Every::Month, "2026-03-31", "2026-03", "2026-04"),
            (Every::Hour, "2026-02-09T13", "2026-02-09T13", "2026-02-09T14"),
            (Every::Hour, "2026-02-09", "2026-02-09T23", "2026-02-10T00"),
        ] {
            let cadence = Cadence::utc(every);
            let start = cadence.start_of("2026-02-02").unwrap();
            let partitions = Partitions { name: "some".into(), cadence, start, end: cadence.end_of(end) };
            let keys = partitions.keys(start + 400 * DAY);
            assert_eq!(keys.last().unwrap(), last, "{every:?} {end}");
            assert_eq!(partitions.keys_within((Some(start), Some(i64::MAX - DAY)), 0), keys);
            assert!(partitions.holds(last) && !partitions.holds(after), "{every:?} {end}");
        }
        let berlin = Partitions { name: "some".into(), cadence: berlin(), start: 0, end: berlin().end_of("2026-10-25") };
        assert_eq!(berlin.keys(i64::from(i32::MAX) * 1000).last().unwrap(), "2026-10-25");
    }

    #[test]
    fn what_is_written_by_hand_is_what_strftime_writes() {
        for time in [0, 1_769_904_123_000, 1_760_000_000_000, -62_135_596_800_000, 253_402_300_800_000] {
            let time = DateTime::<Utc>::from_timestamp_millis(time).unwrap().naive_utc();
            for pattern in ["%Y-%m-%d", "%Y-%m-%dT%H", "%Y-%m", "%H", "%Y", "%m", "%j"] {
                assert_eq!(written(time, pattern), time.format(pattern).to_string());
            }
        }
    }
}
