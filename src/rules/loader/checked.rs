//! What was read of the files of one view, once their times have been looked at: late rows are dropped or an error, as the view says.
//!
//! Invariant: of several files that cannot be read, or must not, the first one is named, whichever was tried first.

use super::inputs::{FileRead, Inputs, of_view};
use super::times::TimeCheck;
use crate::engine::failure::Failure;
use crate::rules::columns::{Part, joined};
use crate::rules::failures::of_table;
use crate::table::parquet::{Joined, Stretch, Wanted, read_joined};
use arrow::array::{Array, ArrayRef, BooleanArray, BooleanBufferBuilder};
use arrow::compute::filter;
use rayon::prelude::*;

/// What is there of one view.
pub struct Checked {
    pub parts: Vec<Part>,
    /// The rows of each file, late ones left out.
    pub rows: Vec<usize>,
    /// How many late ones were dropped.
    pub late: usize,
}

/// The rows of a file, and those of them that stay where not all do.
struct Kept {
    rows: usize,
    mask: Option<BooleanArray>,
    late: usize,
}

impl Kept {
    fn count(&self) -> usize {
        self.mask.as_ref().map_or(self.rows, BooleanArray::true_count)
    }
}

/// Reads files of one view.
pub fn read(reads: &[&FileRead], inputs: &Inputs) -> Result<Checked, Failure> {
    let wanted: Vec<Wanted> =
        reads.iter().map(|read| Wanted { path: read.path.clone(), columns: read.wanted(), groups: read.groups.clone() }).collect();
    let Joined { files, mut columns } = read_joined(&wanted);
    let rows: Vec<usize> = files.iter().map(|rows| rows.as_ref().copied().unwrap_or(0)).collect();
    let time = reads.iter().find_map(|read| TimeCheck::of(read, inputs)?.column());
    let times = time.and_then(|name| columns.get_mut(name)).map(|stretch| Times::join(stretch, &rows)).transpose()?;
    let kept = files.into_par_iter().enumerate().map(|(index, rows)| {
        let rows = rows.map_err(|e| of_view(reads[index], of_table(e)))?;
        let times = times.as_ref().and_then(|times| times.of_file(index));
        let (mask, late) = times.map_or(Ok((None, 0)), |times| looked_at(reads[index], &times, inputs))?;
        Ok(Kept { rows, mask, late })
    });
    let kept = kept.collect::<Vec<Result<Kept, Failure>>>().into_iter().collect::<Result<Vec<Kept>, _>>()?;
    let part = |(physical, stretch): (String, Stretch)| {
        let files = stretch.files.iter().map(|file| (reads[*file].path.clone(), kept[*file].count())).collect();
        Ok(Part { name: (reads[0].view.clone(), physical), files, pieces: left(stretch, &kept)? })
    };
    let parts = columns.into_iter().map(part).collect::<Result<_, Failure>>()?;
    Ok(Checked { parts, rows: kept.iter().map(Kept::count).collect(), late: kept.iter().map(|kept| kept.late).sum() })
}

/// The times of all files.
struct Times {
    array: ArrayRef,
    /// The files that have them, and where theirs begin.
    starts: Vec<(usize, usize)>,
    rows: Vec<usize>,
}

impl Times {
    /// The pieces become one, since they are looked at file by file.
    fn join(stretch: &mut Stretch, rows: &[usize]) -> Result<Self, Failure> {
        let mut start = 0;
        let mut starts = Vec::with_capacity(stretch.files.len());
        for file in &stretch.files {
            starts.push((*file, start));
            start += rows[*file];
        }
        let array = joined(&stretch.pieces)?;
        stretch.pieces = if array.is_empty() { Vec::new() } else { vec![array.clone()] };
        Ok(Self { array, starts, rows: rows.to_vec() })
    }

    fn of_file(&self, file: usize) -> Option<ArrayRef> {
        let (_, start) = self.starts.iter().find(|(of, _)| *of == file)?;
        // Of other files there may be no values, because they could not be read.
        let end = (start + self.rows[file]).min(self.array.len());
        (self.rows[file] > 0 && *start < end).then(|| self.array.slice(*start, end - start))
    }
}

/// A mask of the rows of a file that stay where some do not, and how many those are.
fn looked_at(read: &FileRead, times: &ArrayRef, inputs: &Inputs) -> Result<(Option<BooleanArray>, usize), Failure> {
    let Some(mut check) = TimeCheck::of(read, inputs) else { return Ok((None, 0)) };
    let mask = check.look(times)?;
    Ok((mask, check.verdict()?))
}

/// What the masks of all files leave of a column.
fn left(stretch: Stretch, kept: &[Kept]) -> Result<Vec<ArrayRef>, Failure> {
    let files = || stretch.files.iter().map(|file| &kept[*file]);
    if files().all(|kept| kept.mask.is_none()) {
        return Ok(stretch.pieces);
    }
    let mut mask = BooleanBufferBuilder::new(files().map(|kept| kept.rows).sum());
    for Kept { rows, mask: of_file, .. } in files() {
        match of_file {
            Some(of_file) => mask.append_buffer(of_file.values()),
            None => mask.append_n(*rows, true),
        }
    }
    let left = filter(&joined(&stretch.pieces)?, &BooleanArray::new(mask.finish(), None));
    Ok(vec![left.map_err(|e| Failure::permanent(e.to_string()))?])
}
