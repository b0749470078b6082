//! Damaged texts: nothing panics, and what is said lies within the text.

use super::{EXAMPLE, File, one};

fn holds(file: File, text: &str) {
    let (sources, id) = one(text);
    let mut last = 0;
    for diagnostic in file.check(&sources, id) {
        assert!(diagnostic.span().offset >= last, "out of order: {diagnostic:?}");
        last = diagnostic.span().offset;
        for label in &diagnostic.labels {
            assert!(text.get(label.span.offset..label.span.offset + label.span.len).is_some(), "{diagnostic:?} in {text:?}");
        }
        assert!(diagnostic.hint.is_some() && !diagnostic.message.is_empty(), "{diagnostic:?}");
    }
}

/// The example's texts without comments, so that every byte counts.
fn texts() -> impl Iterator<Item = (File, String)> {
    let code = |line: &str| line.split("//").next().unwrap_or_default().trim().to_string();
    EXAMPLE
        .iter()
        .map(move |(file, _, text)| (*file, text.lines().map(code).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")))
}

/// Every place of the short files; every few of the long ones, which hold the same kinds of thing many times.
fn stride(text: &str) -> usize {
    1 + text.len() / 700 * 7
}

#[test]
fn a_text_may_end_anywhere() {
    for (file, text) in texts() {
        for end in (0..text.len()).step_by(stride(&text)).filter(|end| text.is_char_boundary(*end)) {
            holds(file, &text[..end]);
        }
    }
}

#[test]
fn any_character_may_be_another() {
    let others = ['"', '{', '}', '#', '(', '=', ';', '\\', '/', '\n', 'ü', '0', '*'];
    for (file, text) in texts() {
        for (step, (at, old)) in text.char_indices().step_by(stride(&text)).enumerate() {
            let new = others[step % others.len()];
            holds(file, &format!("{}{new}{}", &text[..at], &text[at + old.len_utf8()..]));
        }
    }
}

#[test]
fn odd_texts_are_survived() {
    let deep = "a {".repeat(100_000);
    let comments = "/*".repeat(100_000);
    let dashed = format!("{}{}", "a /- { ".repeat(10), "}".repeat(10));
    let stars = format!("/{}/ a", "*".repeat(100_000));
    let glued = "a\"{\" ".repeat(10_000);
    let hidden = "a { \"}\" { #\"}\"# ".repeat(1_000);
    let broken = "a { \"}\n".repeat(50_000);
    let odd = [
        "\u{feff}",
        "\0",
        "{",
        "}",
        "\"",
        "\\",
        "=",
        "(",
        "(env)",
        "(env)a",
        "#",
        "a b=",
        "\"\"\"\n",
        "/-",
        "a;;b",
        "🦀 🦀=🦀",
        "* *",
        "\"\" \"\"=\"\"",
    ];
    for file in [File::Daedalus, File::View, File::Service, File::Runtime, File::Aggregations] {
        for text in odd.iter().copied().chain([&*deep, &*comments, &*dashed, &*hidden, &*broken, &*stars, &*glued]) {
            holds(file, text);
        }
    }
}
