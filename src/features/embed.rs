//! Embeddings: looks vectors up by key, or pools those that a list of keys names, from a matrix of the vectors that are needed.
//!
//! Knows nothing of where vectors come from. Keys are looked up at once, vectors are worked on when their page is written. Invariants:
//! keys without a vector are skipped and counted; a row of which none is found is null.

use super::elements::Vector;
use super::pool::Pooler;
use super::repeats::Repeats;
use super::sums::fetch;
use crate::catalog::declaration::Pool;
use crate::table::parquet::PageVectors;
use crate::table::vectors::{Element, Scratch};
use arrow::array::{Array, Int64Array, ListArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// The row of a key that has no vector.
pub const ABSENT: u32 = u32::MAX;

/// Vectors by row, and the row of a key.
pub trait Matrix: Send + Sync {
    fn width(&self) -> usize;

    fn row_of(&self, key: i64) -> Option<u32>;

    /// Appends the row of each key, or [`ABSENT`].
    fn rows_of(&self, keys: &[i64], rows: &mut Vec<u32>) {
        rows.extend(keys.iter().map(|key| self.row_of(*key).unwrap_or(ABSENT)));
    }

    /// Lends the vectors of some rows; what is not in memory is read into the scratch.
    fn lend<'a>(&'a self, rows: &[u32], scratch: &'a mut Scratch) -> io::Result<Box<dyn Lend + 'a>>;
}

/// Vectors that were lent.
pub trait Lend {
    /// One of the rows that were asked for.
    fn vector(&self, row: u32) -> Vector<'_>;
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

/// Rows of the matrix: where the vectors come from.
enum From {
    /// One for each row that is not null.
    Rows(Vec<u32>),
    Lists(Lists),
}

/// The rows that were found of each list, one list after the other.
struct Lists {
    rows: Vec<u32>,
    ends: Vec<usize>,
    pool: Pool,
    repeats: Repeats,
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
    let of = |row: usize| &rows[if row == 0 { 0 } else { ends[row - 1] }..ends[row]];
    let repeats = Repeats::of((0..ends.len()).map(of), matrix.width() * element.bytes());
    let found = Lists { rows, ends, pool, repeats };
    let nulls = NullBuffer::new(BooleanBuffer::collect_bool(lists.len(), |row| !found.of(row).is_empty()));
    Some(Embedded { matrix, element, from: From::Lists(found), nulls })
}

impl PageVectors for Embedded {
    fn nulls(&self) -> Option<&NullBuffer> {
        Some(&self.nulls)
    }

    fn append(&self, rows: Range<usize>, out: &mut Vec<u8>) -> io::Result<()> {
        let mut scratch = Scratch::default();
        match &self.from {
            From::Rows(places) => self.append_rows(&places[rows], &mut scratch, out),
            From::Lists(lists) => {
                let mut pooler = Pooler::new(lists.pool, self.matrix.width(), self.element);
                lists.portions(rows).try_for_each(|rows| self.append_pools(lists, rows, &mut pooler, &mut scratch, out))
            }
        }
    }
}

impl Embedded {
    fn append_rows(&self, rows: &[u32], scratch: &mut Scratch, out: &mut Vec<u8>) -> io::Result<()> {
        /// How far memory is asked ahead.
        const AHEAD: usize = 4;
        let lent = self.matrix.lend(rows, scratch)?;
        for (number, row) in rows.iter().enumerate() {
            rows.get(number + AHEAD).into_iter().for_each(|next| fetch(&lent.vector(*next)));
            lent.vector(*row).put(self.element, out);
        }
        Ok(())
    }

    /// While a row is pooled, the vectors of the next come from memory.
    fn append_pools(
        &self,
        lists: &Lists,
        rows: Range<usize>,
        pooler: &mut Pooler,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let unknown = |row: &usize| lists.repeats.result(*row).is_none();
        let wanted: Vec<usize> = rows.clone().filter(unknown).collect();
        let places: Vec<u32> = wanted.iter().flat_map(|row| lists.of(*row)).copied().collect();
        let lent = self.matrix.lend(&places, scratch)?;
        let fetch_row = |row: &usize| lists.of(*row).iter().for_each(|place| fetch(&lent.vector(*place)));
        let (mut wanted, mut vectors) = (wanted.into_iter().peekable(), Vec::new());
        for row in rows {
            wanted.next_if_eq(&row);
            if let Some(result) = lists.repeats.result(row) {
                out.extend_from_slice(result);
                continue;
            }
            wanted.peek().into_iter().filter(|next| unknown(next)).for_each(fetch_row);
            vectors.clear();
            vectors.extend(lists.of(row).iter().map(|place| lent.vector(*place)));
            let start = out.len();
            pooler.pool(&vectors, out);
            lists.repeats.keep(row, &out[start..]);
        }
        Ok(())
    }
}

impl Lists {
    fn start(&self, row: usize) -> usize {
        row.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    fn of(&self, row: usize) -> &[u32] {
        &self.rows[self.start(row)..self.ends[row]]
    }

    /// Cuts rows so that the lists of a portion are not too long together, for their vectors may have to be read into memory.
    fn portions(&self, rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        const VECTORS: usize = 4096;
        let mut start = rows.start;
        std::iter::from_fn(move || {
            let limit = self.start(start) + VECTORS;
            let fits = (start..rows.end).take_while(|row| self.ends[*row] <= limit).count().max(1);
            let portion = start..rows.end.min(start + fits);
            start = portion.end;
            (!portion.is_empty()).then_some(portion)
        })
    }
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
        fn row_of(&self, key: i64) -> Option<u32> {
            (0..3).contains(&key).then_some(key as u32)
        }
        fn lend<'a>(&'a self, _rows: &[u32], _scratch: &'a mut Scratch) -> io::Result<Box<dyn Lend + 'a>> {
            Ok(Box::new(Three))
        }
    }
    impl Lend for Three {
        fn vector(&self, row: u32) -> Vector<'_> {
            const ROWS: [[f16; 2]; 3] = [[f16::ONE, f16::ZERO], [f16::ZERO, f16::ONE], [f16::ONE, f16::ONE]];
            Vector::Float16(&ROWS[row as usize])
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
