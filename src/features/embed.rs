//! Embeddings: looks vectors up by key, or pools those that a list of keys names, from a matrix of the vectors that are needed.
//!
//! Knows nothing of where vectors come from. Keys are looked up at once, vectors are worked on when their page is written. Invariants:
//! keys without a vector are skipped and counted; a row of which none is found is null.

use super::elements::{Element, Vector};
use super::pool::Pooler;
use super::sums::fetch;
use crate::catalog::declaration::Pool;
use crate::table::parquet::Vectors;
use crate::table::vectors::Scratch;
use arrow::array::{Array, Int64Array, ListArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// The row of a key that has no vector.
pub const ABSENT: u32 = u32::MAX;

/// Vectors by row, and the row of a key.
pub trait Matrix: Send + Sync {
    fn width(&self) -> usize;

    /// At most [`ABSENT`] rows.
    fn row_of(&self, key: i64) -> Option<usize>;

    /// Appends the row of each key, or [`ABSENT`].
    fn rows_of(&self, keys: &[i64], rows: &mut Vec<u32>) {
        rows.extend(keys.iter().map(|key| self.row_of(*key).map_or(ABSENT, |row| row as u32)));
    }

    /// How many rows should be lent at once.
    fn most_lent(&self) -> usize {
        usize::MAX
    }

    /// Lends the vectors of some rows, until the scratch is used again.
    fn lend<'a>(&'a self, rows: &[u32], scratch: &'a mut Scratch) -> io::Result<Lookup<'a>>;
}

/// Finds the vector of a row that is lent.
pub type Lookup<'a> = Box<dyn Fn(u32) -> Vector<'a> + 'a>;

thread_local! {
    /// Of a thread that makes pages.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// How many keys were asked for, and how many of them have no vector.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    pub keys: u64,
    pub not_found: u64,
}

/// A column of embeddings of which it is known where their vectors lie.
pub struct Embedded {
    matrix: Arc<dyn Matrix>,
    element: Element,
    from: From,
    nulls: NullBuffer,
}

/// Rows of the matrix.
enum From {
    /// One for each row that is not null.
    Rows(Vec<u32>),
    /// Those that were found of each list, one list after the other.
    Lists { rows: Vec<u32>, ends: Vec<usize>, pool: Pool },
}

/// One vector per row of `keys`.
pub fn look_up(keys: &Int64Array, matrix: Arc<dyn Matrix>, element: Element, asked: &mut Asked) -> Embedded {
    let mut rows = Vec::with_capacity(keys.len());
    matrix.rows_of(keys.values(), &mut rows);
    let present = BooleanBuffer::collect_bool(keys.len(), |row| keys.is_valid(row) && rows[row] != ABSENT);
    let nulls = NullBuffer::new(present);
    let known = (keys.len() - keys.null_count()) as u64;
    asked.keys += known;
    asked.not_found += known - (keys.len() - nulls.null_count()) as u64;
    Embedded { matrix, element, from: From::Rows(rows), nulls }
}

/// One pooled vector per row of `lists`, whose elements are int64 keys. None if they are something else.
pub fn pool(lists: &ListArray, pool: Pool, matrix: Arc<dyn Matrix>, element: Element, asked: &mut Asked) -> Option<Embedded> {
    let keys = lists.values().as_any().downcast_ref::<Int64Array>()?;
    let offsets = lists.value_offsets();
    let first = offsets.first().map_or(0, |first| *first as usize);
    let last = offsets.last().map_or(0, |last| *last as usize);
    let mut found = Vec::with_capacity(last - first);
    matrix.rows_of(&keys.values()[first..last], &mut found);
    let (mut rows, mut ends) = (Vec::with_capacity(found.len()), Vec::with_capacity(lists.len()));
    for row in 0..lists.len() {
        let list = if lists.is_valid(row) { offsets[row] as usize..offsets[row + 1] as usize } else { 0..0 };
        for place in list.filter(|place| keys.is_valid(*place)) {
            let row = found[place - first];
            asked.keys += 1;
            asked.not_found += u64::from(row == ABSENT);
            rows.extend((row != ABSENT).then_some(row));
        }
        ends.push(rows.len());
    }
    let starts = |row: usize| if row == 0 { 0 } else { ends[row - 1] };
    let nulls = NullBuffer::new(BooleanBuffer::collect_bool(lists.len(), |row| starts(row) < ends[row]));
    Some(Embedded { matrix, element, from: From::Lists { rows, ends, pool }, nulls })
}

impl Vectors for Embedded {
    fn nulls(&self) -> Option<&NullBuffer> {
        Some(&self.nulls)
    }

    fn append(&self, rows: Range<usize>, out: &mut Vec<u8>) -> io::Result<()> {
        SCRATCH.with_borrow_mut(|scratch| match &self.from {
            From::Rows(places) => self.append_rows(&places[rows], scratch, out),
            From::Lists { rows: places, ends, pool } => self.append_pools(places, ends, *pool, rows, scratch, out),
        })
    }
}

impl Embedded {
    fn append_rows(&self, rows: &[u32], scratch: &mut Scratch, out: &mut Vec<u8>) -> io::Result<()> {
        /// How far memory is asked ahead.
        const AHEAD: usize = 4;
        for rows in rows.chunks(self.matrix.most_lent()) {
            let vector = self.matrix.lend(rows, scratch)?;
            for (number, row) in rows.iter().enumerate() {
                rows.get(number + AHEAD).into_iter().for_each(|next| fetch(&vector(*next)));
                vector(*row).put(self.element, out);
            }
        }
        Ok(())
    }

    /// While a row is pooled, the vectors of the next come from memory.
    fn append_pools(
        &self,
        places: &[u32],
        ends: &[usize],
        pool: Pool,
        rows: Range<usize>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let mut pooler = Pooler::new(pool, self.matrix.width(), self.element);
        let list = |row: usize| &places[start(ends, row)..ends[row]];
        let mut next = rows.start;
        while next < rows.end {
            let rows = next..lent_together(ends, next..rows.end, self.matrix.most_lent());
            let vector = self.matrix.lend(&places[start(ends, rows.start)..ends[rows.end - 1]], scratch)?;
            let mut current: Vec<Vector> = Vec::new();
            for row in rows.clone() {
                current.clear();
                current.extend(list(row).iter().map(|place| vector(*place)));
                if row + 1 < rows.end {
                    list(row + 1).iter().for_each(|place| fetch(&vector(*place)));
                }
                pooler.pool(&current, out);
            }
            next = rows.end;
        }
        Ok(())
    }
}

/// Where the list of a row starts.
fn start(ends: &[usize], row: usize) -> usize {
    if row == 0 { 0 } else { ends[row - 1] }
}

/// The end of the first rows whose lists have at most so many elements together; one row at least.
fn lent_together(ends: &[usize], rows: Range<usize>, most: usize) -> usize {
    let limit = start(ends, rows.start).saturating_add(most);
    let fitting = ends[rows.clone()].partition_point(|end| *end <= limit);
    rows.start + fitting.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Builder;
    use arrow::array::ListBuilder;
    use half::f16;

    struct Three;
    impl Matrix for Three {
        fn width(&self) -> usize {
            2
        }
        fn row_of(&self, key: i64) -> Option<usize> {
            (0..3).contains(&key).then_some(key as usize)
        }
        fn most_lent(&self) -> usize {
            2
        }
        fn lend<'a>(&'a self, rows: &[u32], _scratch: &'a mut Scratch) -> io::Result<Lookup<'a>> {
            const ROWS: [[f16; 2]; 3] = [[f16::ONE, f16::ZERO], [f16::ZERO, f16::ONE], [f16::ONE, f16::ONE]];
            let rows = rows.to_vec();
            Ok(Box::new(move |row| {
                assert!(rows.contains(&row), "what is used was lent");
                Vector::Float16(&ROWS[row as usize])
            }))
        }
    }

    fn floats(column: &Embedded, row: usize) -> Option<Vec<f32>> {
        column.nulls.is_valid(row).then(|| {
            let mut out = Vec::new();
            column.append(row..row + 1, &mut out).unwrap();
            out.chunks(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
        })
    }

    #[test]
    fn absent_keys_are_null_and_counted() {
        let mut asked = Asked::default();
        let keys = Int64Array::from(vec![Some(2), Some(9), None]);
        let found = look_up(&keys, Arc::new(Three), Element::Float16, &mut asked);
        assert_eq!((floats(&found, 0), floats(&found, 1), floats(&found, 2)), (Some(vec![1.0, 1.0]), None, None));
        assert_eq!(asked, Asked { keys: 2, not_found: 1 });
    }

    #[test]
    fn rows_are_lent_in_bounded_batches() {
        let ends = [3, 3, 5, 20, 21, 22];
        let mut rows = 1..6;
        let mut batches = Vec::new();
        while rows.start < rows.end {
            let end = lent_together(&ends, rows.clone(), 4);
            batches.push(rows.start..end);
            rows.start = end;
        }
        assert_eq!(batches, [1..3, 3..4, 4..6]);
        assert_eq!(lent_together(&ends, 0..6, usize::MAX), 6);
    }

    #[test]
    fn means_skip_what_is_absent_and_count_repeats() {
        let mut lists = ListBuilder::new(Int64Builder::new());
        lists.append_value([Some(5)]);
        lists.append_value([Some(0), Some(1), Some(9), None, Some(0)]);
        lists.append_value([Some(9)]);
        lists.append_value([None::<i64>; 0]);
        lists.append_null();
        let mut asked = Asked::default();
        let lists = lists.finish().slice(1, 4);
        let pooled = pool(&lists, Pool::Mean, Arc::new(Three), Element::Float16, &mut asked).unwrap();
        let two_thirds = f16::from_f64(2.0 / 3.0).to_f32();
        let third = f16::from_f64(1.0 / 3.0).to_f32();
        assert_eq!(floats(&pooled, 0), Some(vec![two_thirds, third]));
        assert!((1..4).all(|row| floats(&pooled, row).is_none()));
        assert_eq!(asked, Asked { keys: 5, not_found: 2 });
    }
}
