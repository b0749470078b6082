//! Keys compressed into ranges: `2026-02-03..2026-02-05, 2026-02-09`.

/// Joins keys that follow each other in `all` (sorted). Keys that are not in `all` stand alone.
pub fn compress(keys: &[String], all: &[String]) -> String {
    let mut ranges: Vec<(&String, &String, usize)> = Vec::new();
    for key in keys {
        let place = all.binary_search(key).unwrap_or(usize::MAX - 1);
        match ranges.last_mut() {
            Some((_, last, at)) if place == at.wrapping_add(1) => (*last, *at) = (key, place),
            _ => ranges.push((key, key, place)),
        }
    }
    let text = |(first, last, _): &(&String, &String, usize)| if first == last { first.to_string() } else { format!("{first}..{last}") };
    ranges.iter().map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_joined() {
        let all: Vec<String> = ["a", "b", "c", "d", "e"].map(String::from).to_vec();
        let some = |keys: &[&str]| keys.iter().map(|k| k.to_string()).collect::<Vec<_>>();
        assert_eq!(compress(&some(&["a", "b", "d"]), &all), "a..b, d");
        assert_eq!(compress(&some(&["c"]), &all), "c");
        assert_eq!(compress(&some(&["x", "y"]), &all), "x, y");
        assert_eq!(compress(&[], &all), "");
    }
}
