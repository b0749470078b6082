//! A text without its indentation and empty lines, for the parser, which spends as much time on a blank as on anything else.
//!
//! Invariant: every place of the squeezed text is known as a place of the given one, and what is between two line ends is as it was.

/// Where the pieces of a squeezed text stood: offsets in it, ascending, each with that in the given text.
pub(super) type Moved = Vec<(usize, usize)>;

#[derive(Debug, Default)]
pub(super) struct Squeezed {
    pub text: String,
    pub moved: Moved,
}

/// Squeezes a text whose comments are blank. `None` where lines belong together, so that a blank may be part of a text.
pub(super) fn squeeze(clean: &str) -> Option<Squeezed> {
    let together = ["\"\"\"", "\\\n", "\\\r", "\\ ", "\\\t"];
    if together.iter().any(|together| clean.contains(together)) {
        return None;
    }
    let mut squeezed = Squeezed { text: String::with_capacity(clean.len()), moved: Vec::new() };
    let mut start = 0;
    for line in clean.split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        let kept = line[indent..].trim_end_matches([' ', '\t', '\n', '\r']);
        if !kept.is_empty() {
            squeezed.moved.push((squeezed.text.len(), start + indent));
            squeezed.text.push_str(kept);
            squeezed.text.push('\n');
        }
        start += line.len();
    }
    Some(squeezed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_their_blanks_and_keep_their_places() {
        let clean = "a {\r\n    b \"  c\"   \n\n\t}\n";
        let squeezed = squeeze(clean).unwrap();
        assert_eq!(squeezed.text, "a {\nb \"  c\"\n}\n");
        for (at, before) in squeezed.moved {
            assert_eq!(squeezed.text.as_bytes()[at], clean.as_bytes()[before]);
        }
        assert!(squeeze("a \\\n b").is_none());
        assert!(squeeze("a \"\"\"\n b\n \"\"\"").is_none());
    }
}
