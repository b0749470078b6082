//! Keys in ranges: `2026-02-03..2026-02-05, 2026-02-09`.
//!
//! Two sorts of keys: those of an asset's partitions, which are known by their positions among all of them, and those of what they read,
//! of which only the texts are known.

use crate::catalog::calendar::Cadence;
use crate::catalog::declaration::Every;
use std::cmp::Ordering;

/// Runs of neighbours among ascending positions, both ends in.
pub fn runs(positions: impl IntoIterator<Item = usize>) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for position in positions {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == position => *last = position,
            _ => runs.push((position, position)),
        }
    }
    runs
}

/// Runs as texts, by the keys of their positions.
pub fn named<'a>(runs: &[(usize, usize)], key: impl Fn(usize) -> &'a str) -> Vec<String> {
    runs.iter().map(|(first, last)| joined(key(*first), key(*last))).collect()
}

/// Ascending keys of one cadence, whichever it is, as ranges. What is no key, or is a range already, stands alone.
pub fn of_keys<'a>(keys: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut ranges: Vec<(&str, &str)> = Vec::new();
    for key in keys {
        match ranges.last_mut() {
            Some((_, last)) if follows(last, key) => *last = key,
            _ => ranges.push((key, key)),
        }
    }
    ranges.into_iter().map(|(first, last)| joined(first, last)).collect()
}

/// Whether a key is that of the next hour, day or month. A week's key is a day's: weeks stand alone.
fn follows(before: &str, after: &str) -> bool {
    [Every::Hour, Every::Day, Every::Month].into_iter().map(Cadence::utc).any(|cadence| {
        let periods = cadence.period(before).zip(cadence.period(after));
        periods.is_some_and(|(before, after)| before.end == after.start)
    })
}

fn joined(first: &str, last: &str) -> String {
    match first.cmp(last) {
        Ordering::Equal => first.to_string(),
        Ordering::Less => format!("{first}..{last}"),
        // The newest come first.
        Ordering::Greater => format!("{last}..{first}"),
    }
}

/// The first few of many, and how many more there are.
pub fn abridged(texts: &[String], most: usize) -> String {
    let shown = texts.len().min(most);
    let told = texts[..shown].join(", ");
    if texts.len() > shown { format!("{told}, … and {} more", texts.len() - shown) } else { told }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_joined() {
        let keys = ["a", "b", "c", "d", "e"];
        let told = |positions: &[usize]| named(&runs(positions.iter().copied()), |at| keys[at]);
        assert_eq!(told(&[0, 1, 3]), ["a..b", "d"]);
        assert_eq!(told(&[2]), ["c"]);
        assert!(told(&[]).is_empty());
    }

    #[test]
    fn keys_that_follow_each_other_by_the_calendar_are_joined() {
        assert_eq!(of_keys(["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-03"]), ["2026-02-27..2026-03-01", "2026-03-03"]);
        assert_eq!(of_keys(["2026-02-01T22", "2026-02-01T23", "2026-02-02T00"]), ["2026-02-01T22..2026-02-02T00"]);
        assert_eq!(of_keys(["2026-01", "2026-02", "2026-04"]), ["2026-01..2026-02", "2026-04"]);
        assert_eq!(of_keys(["fragment 1", "fragment 2", "2026-02-01..2026-02-20"]), ["fragment 1", "fragment 2", "2026-02-01..2026-02-20"]);
    }

    #[test]
    fn many_are_abridged() {
        let texts: Vec<String> = (1..=5).map(|i| i.to_string()).collect();
        assert_eq!(abridged(&texts, 3), "1, 2, 3, … and 2 more");
        assert_eq!(abridged(&texts, 5), "1, 2, 3, 4, 5");
    }
}
