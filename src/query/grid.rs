//! Rows of texts in columns, for terminals and logs.

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
    fn columns_align() {
        let rows = [["a", "long", "x"], ["bbb", "s", "y"]].map(|r| r.map(String::from).to_vec());
        assert_eq!(grid(&rows), "a    long  x\nbbb  s     y\n");
    }
}
