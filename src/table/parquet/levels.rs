//! The levels of a page of vectors: which rows are there, and where each begins.
//!
//! Generic writers compute two levels per element, 1152 times a row; here a row costs five bytes. Layout: the RLE hybrid of Parquet's
//! Encodings.md, each of the two streams preceded by its length.

use arrow::buffer::NullBuffer;
use std::ops::Range;

/// Rows that are alike present or null.
pub struct Stretch {
    pub rows: Range<usize>,
    pub present: bool,
}

/// The stretches of a range of rows.
pub fn stretches(nulls: Option<&NullBuffer>, rows: Range<usize>) -> Vec<Stretch> {
    let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else { return vec![Stretch { rows, present: true }] };
    let mut out: Vec<Stretch> = Vec::new();
    for row in rows {
        let present = nulls.is_valid(row);
        match out.last_mut() {
            Some(last) if last.present == present => last.rows.end = row + 1,
            _ => out.push(Stretch { rows: row..row + 1, present }),
        }
    }
    out
}

/// Both streams: repetition levels, definition levels. `greatest` is the definition level of an element that is there.
pub fn write_levels(out: &mut Vec<u8>, stretches: &[Stretch], width: u64, greatest: u8) {
    prefixed(out, |out| repetition_levels(out, stretches, width));
    prefixed(out, |out| definition_levels(out, stretches, width, greatest));
}

fn prefixed(out: &mut Vec<u8>, levels: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; 4]);
    levels(out);
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// A new row is 0, a further element of it is 1.
fn repetition_levels(out: &mut Vec<u8>, stretches: &[Stretch], width: u64) {
    for stretch in stretches {
        for _ in stretch.rows.clone() {
            run(out, 1, 0);
            if stretch.present {
                run(out, width - 1, 1);
            }
        }
    }
}

/// An element that is there has the greatest level; a row that is null has level 0, once.
fn definition_levels(out: &mut Vec<u8>, stretches: &[Stretch], width: u64, greatest: u8) {
    for stretch in stretches {
        let rows = stretch.rows.len() as u64;
        if stretch.present { run(out, rows * width, greatest) } else { run(out, rows, 0) }
    }
}

/// A run: its length shifted by one as a varint, then the value in one byte.
fn run(out: &mut Vec<u8>, length: u64, value: u8) {
    if length == 0 {
        return;
    }
    let mut header = length << 1;
    while header >= 0x80 {
        out.push(header as u8 | 0x80);
        header >>= 7;
    }
    out.extend([header as u8, value]);
}
