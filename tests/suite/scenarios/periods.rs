//! Keys that follow each other, as ranges.

use daeda::catalog::calendar::Cadence;
use daeda::catalog::declaration::Every;

/// `2026-02-01..2026-02-03, 2026-02-05`.
pub fn compress(keys: &[String]) -> String {
    let mut keys: Vec<&String> = keys.iter().filter(|key| !key.is_empty()).collect();
    keys.sort();
    keys.dedup();
    let mut ranges: Vec<(&String, &String)> = Vec::new();
    for key in keys {
        match ranges.last_mut() {
            Some((_, last)) if next(last).as_ref() == Some(key) => *last = key,
            _ => ranges.push((key, key)),
        }
    }
    let text = |(first, last): &(&String, &String)| if first == last { first.to_string() } else { format!("{first}..{last}") };
    ranges.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// The key after this one. Weeks look like days, and stand alone.
fn next(key: &str) -> Option<String> {
    let every = if key.contains('T') {
        Every::Hour
    } else if key.len() == 7 {
        Every::Month
    } else {
        Every::Day
    };
    let cadence = Cadence::utc(every);
    cadence.period(key).map(|period| cadence.key_at(period.end))
}

#[test]
fn neighbours_are_joined() {
    let shown = |keys: &[&str]| compress(&keys.iter().map(|key| key.to_string()).collect::<Vec<_>>());
    assert_eq!(shown(&["2026-02-28", "2026-03-01", "2026-02-26"]), "2026-02-26, 2026-02-28..2026-03-01");
    assert_eq!(shown(&["2026-02-01T23", "2026-02-02T00"]), "2026-02-01T23..2026-02-02T00");
    assert_eq!(shown(&["2026-12", "2027-01"]), "2026-12..2027-01");
    assert_eq!(shown(&[""]), "");
}
