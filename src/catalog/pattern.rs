//! Path patterns: where a period lies, and which period lies where. `dt={day}/hr={hour}`, `{%Y}/{%m}/{%d}`.
//!
//! Knows nothing of files. Invariant: what a pattern fills, it reads back.

use super::calendar::{Cadence, written};
use super::declaration::Every;
use chrono::NaiveDate;

/// The directory of a partition below an asset's: `dt=2026-02-01`, hourly `dt=2026-02-01/hr=13`.
pub fn partition_directory(key: &str) -> String {
    match key.split_once('T') {
        Some((day, hour)) => ["dt=", day, "/hr=", hour].concat(),
        None => ["dt=", key].concat(),
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
        out.push_str(&written(local, strftime(name)));
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
    use super::super::calendar::HOUR;
    use super::*;

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
