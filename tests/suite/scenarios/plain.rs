//! Text without what differs between two runs: digests, made-up names, durations, the place of the workspace.

use std::path::Path;

/// Whether a value says nothing to a reader.
pub fn is_digest(text: &str) -> bool {
    text == "…" || (text.len() >= 8 && text.chars().all(|c| c.is_ascii_hexdigit()))
}

/// A line without what differs between two runs.
pub fn plain(line: &str, root: &Path) -> String {
    let line = without_seconds(&line.replace(&root.display().to_string(), "<workspace>"));
    let mut told = String::new();
    let mut rest = line.as_str();
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        told += &rest[..start];
        let end = rest[start..].find(|c: char| !c.is_ascii_alphanumeric()).map_or(rest.len(), |length| start + length);
        let token = &rest[start..end];
        told += if is_of_this_run(token, &told) { "…" } else { token };
        rest = &rest[end..];
    }
    (told + rest).trim_end().to_string()
}

/// `(0.10 s)` and `in 0.10 s` at a line's end.
fn without_seconds(line: &str) -> String {
    let is_number = |text: &str| text.parse::<f64>().is_ok();
    for (before, after) in [(" (", " s)"), (" in ", " s")] {
        match line.rsplit_once(before) {
            Some((rest, seconds)) if seconds.strip_suffix(after).is_some_and(is_number) => return format!("{rest}{before}…{after}"),
            _ => {}
        }
    }
    line.to_string()
}

/// Digests, and names that daeda and Lance make up.
fn is_of_this_run(token: &str, before: &str) -> bool {
    let has = |test: fn(char) -> bool| token.contains(test);
    let hexadecimal = token.chars().all(|c| c.is_ascii_hexdigit());
    let mixed = has(|c| c.is_ascii_digit()) && has(|c| c.is_ascii_alphabetic());
    (mixed && token.len() >= 20) || (hexadecimal && token.len() >= 8 && (mixed || before.ends_with("part-00000-")))
}
