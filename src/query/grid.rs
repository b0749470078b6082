//! Rows of texts in columns, and texts broken into lines, for terminals and logs.

/// What every terminal shows.
pub const WIDTH: usize = 80;

/// A text in lines of at most [`WIDTH`], the first after `first`, the others indented by as much as `rest`. A longer word stays whole.
pub fn wrapped(text: &str, first: &str, rest: usize) -> String {
    let (mut lines, mut line) = (String::new(), first.to_string());
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines += line.trim_end();
            lines.push('\n');
            (line, empty) = (" ".repeat(rest), true);
        }
        if !empty {
            line.push(' ');
        }
        line += word;
        empty = false;
    }
    lines + line.trim_end() + "\n"
}

/// Aligns columns by their widest cell. The last column is not padded.
pub fn grid(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().enumerate().map(|(i, cell)| if i + 1 == row.len() { cell.clone() } else { pad(cell, widths[i]) });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn pad(cell: &str, width: usize) -> String {
    let missing = width.saturating_sub(cell.chars().count());
    format!("{cell}{}", " ".repeat(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_broken_at_spaces() {
        let text = wrapped(&"word ".repeat(20), "  a: ", 5);
        assert_eq!(text.lines().map(|l| l.chars().count()).collect::<Vec<_>>(), [79, 29]);
        assert!(text.starts_with("  a: word") && text.contains("\n     word"));
        assert_eq!(wrapped("", "  a", 2), "  a\n");
        assert_eq!(wrapped(&"x".repeat(90), "- ", 2), format!("- {}\n", "x".repeat(90)));
    }

    #[test]
    fn columns_align() {
        let rows = [["a", "long", "x"], ["bbb", "s", "y"]].map(|r| r.map(String::from).to_vec());
        assert_eq!(grid(&rows), "a    long  x\nbbb  s     y\n");
    }
}
