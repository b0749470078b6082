//! Embeddings: looks vectors up by key, or pools those that a list of keys names, from a matrix of the vectors that are needed.
//!
//! Knows nothing of where vectors come from. Invariants: keys without a vector are skipped and counted; a row of which none is found is null.

use super::pool::Pooler;
use crate::catalog::declaration::Pool;
use arrow::array::{Array, ArrayRef, FixedSizeListArray, Float16Array, Int64Array, ListArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field};
use half::f16;
use std::sync::Arc;

/// Vectors by row, and the row of a key.
pub trait Matrix {
    fn width(&self) -> usize;
    fn row_of(&self, key: i64) -> Option<usize>;
    fn vector(&self, row: usize) -> &[f16];
}

/// How many keys were asked for, and how many of them have no vector.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    pub keys: u64,
    pub not_found: u64,
}

impl Asked {
    fn found(&mut self, row: Option<usize>) -> Option<usize> {
        self.keys += 1;
        self.not_found += u64::from(row.is_none());
        row
    }
}

/// One vector per row of `keys`.
pub fn look_up(keys: &Int64Array, matrix: &dyn Matrix, asked: &mut Asked) -> ArrayRef {
    let mut values = Vec::with_capacity(keys.len() * matrix.width());
    let mut valid = Vec::with_capacity(keys.len());
    for key in keys {
        let row = key.and_then(|key| asked.found(matrix.row_of(key)));
        match row {
            Some(row) => values.extend_from_slice(matrix.vector(row)),
            None => values.resize(values.len() + matrix.width(), f16::ZERO),
        }
        valid.push(row.is_some());
    }
    vectors(values, valid, matrix.width())
}

/// One pooled vector per row of `lists`, whose elements are int64 keys.
pub fn pool(lists: &ListArray, pool: Pool, matrix: &dyn Matrix, asked: &mut Asked) -> ArrayRef {
    let mut values = Vec::with_capacity(lists.len() * matrix.width());
    let mut valid = Vec::with_capacity(lists.len());
    let mut pooler = Pooler::new(pool, matrix.width());
    for row in 0..lists.len() {
        let list = lists.is_valid(row).then(|| lists.value(row));
        let keys = list.as_ref().and_then(|l| l.as_any().downcast_ref::<Int64Array>());
        for key in keys.into_iter().flatten().flatten() {
            if let Some(found) = asked.found(matrix.row_of(key)) {
                pooler.add(matrix.vector(found));
            }
        }
        let found = pooler.finish(&mut values);
        if !found {
            values.resize(values.len() + matrix.width(), f16::ZERO);
        }
        valid.push(found);
    }
    vectors(values, valid, matrix.width())
}

fn vectors(values: Vec<f16>, valid: Vec<bool>, width: usize) -> ArrayRef {
    let field = Arc::new(Field::new("item", DataType::Float16, true));
    let values = Arc::new(Float16Array::from(values));
    Arc::new(FixedSizeListArray::new(field, width as i32, values, Some(NullBuffer::from(valid))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Builder;
    use arrow::array::ListBuilder;

    struct Three;
    impl Matrix for Three {
        fn width(&self) -> usize {
            2
        }
        fn row_of(&self, key: i64) -> Option<usize> {
            (0..3).contains(&key).then_some(key as usize)
        }
        fn vector(&self, row: usize) -> &[f16] {
            const ROWS: [[f16; 2]; 3] = [[f16::ONE, f16::ZERO], [f16::ZERO, f16::ONE], [f16::ONE, f16::ONE]];
            &ROWS[row]
        }
    }

    fn floats(array: &ArrayRef, row: usize) -> Option<Vec<f32>> {
        let lists = array.as_any().downcast_ref::<FixedSizeListArray>().unwrap();
        lists.is_valid(row).then(|| {
            let values = lists.value(row);
            values.as_any().downcast_ref::<Float16Array>().unwrap().iter().map(|v| v.unwrap().to_f32()).collect()
        })
    }

    #[test]
    fn absent_keys_are_null_and_counted() {
        let mut asked = Asked::default();
        let found = look_up(&Int64Array::from(vec![Some(2), Some(9), None]), &Three, &mut asked);
        assert_eq!((floats(&found, 0), floats(&found, 1), floats(&found, 2)), (Some(vec![1.0, 1.0]), None, None));
        assert_eq!(asked, Asked { keys: 2, not_found: 1 });
    }

    #[test]
    fn means_skip_what_is_absent_and_count_repeats() {
        let mut lists = ListBuilder::new(Int64Builder::new());
        lists.append_value([Some(0), Some(1), Some(9), Some(0)]);
        lists.append_value([Some(9)]);
        lists.append_value([None::<i64>; 0]);
        lists.append_null();
        let mut asked = Asked::default();
        let pooled = pool(&lists.finish(), Pool::Mean, &Three, &mut asked);
        let two_thirds = f16::from_f64(2.0 / 3.0).to_f32();
        let third = f16::from_f64(1.0 / 3.0).to_f32();
        assert_eq!(floats(&pooled, 0), Some(vec![two_thirds, third]));
        assert!((1..4).all(|row| floats(&pooled, row).is_none()));
        assert_eq!(asked, Asked { keys: 5, not_found: 2 });
    }
}
