//! Columns of many files, each as one array: whoever reads a piece puts it where it belongs, so that nothing is joined afterwards.
//!
//! Knows nothing of files. Invariant: an array is the one that joining its pieces gives, whatever the order in which they were put there.

use super::error::TableError;
use arrow::array::{Array, ArrayData, ArrayRef, AsArray, BooleanBufferBuilder, StringArray, make_array};
use arrow::buffer::{MutableBuffer, NullBuffer};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::Path;

/// Room for the values of a column, or for the keys of its dictionaries.
pub struct Room {
    data_type: DataType,
    width: usize,
    rows: Vec<usize>,
    values: MutableBuffer,
}

/// Where the values of one piece belong.
pub struct Place<'r> {
    bytes: &'r mut [u8],
    width: usize,
}

/// What is left to be known of a piece once its values have been put in their place.
pub struct Put {
    nulls: Option<NullBuffer>,
    dictionary: Option<ArrayRef>,
}

impl Room {
    /// For pieces of so many rows; nothing for types whose values are not all of one width.
    pub fn new(data_type: &DataType, rows: Vec<usize>) -> Option<Self> {
        let width = match data_type {
            DataType::Dictionary(keys, values) if **keys == DataType::Int32 && **values == DataType::Utf8 => size_of::<i32>(),
            other => other.primitive_width()?,
        };
        let total: usize = rows.iter().sum();
        Some(Self { data_type: data_type.clone(), width, values: zeros(total * width), rows })
    }

    /// The places of the pieces.
    pub fn places(&mut self) -> Vec<Place<'_>> {
        let (mut rest, mut places) = (self.values.as_slice_mut(), Vec::with_capacity(self.rows.len()));
        for rows in &self.rows {
            let (bytes, others) = rest.split_at_mut(rows * self.width);
            places.push(Place { bytes, width: self.width });
            rest = others;
        }
        places
    }

    /// The whole column, when all of its pieces have been put; nothing if there are too many different texts.
    pub fn close(mut self, mut put: Vec<Put>) -> Result<ArrayRef, ArrowError> {
        let nulls: Vec<_> = self.rows.iter().zip(&mut put).map(|(rows, put)| (*rows, put.nulls.take())).collect();
        let dictionary = matches!(self.data_type, DataType::Dictionary(..)).then(|| self.unify(put)).transpose()?;
        let data = ArrayData::builder(self.data_type)
            .len(self.rows.iter().sum())
            .add_buffer(self.values.into())
            .child_data(dictionary.iter().map(|texts| texts.to_data()).collect())
            .nulls(joined(&nulls));
        data.build().map(make_array)
    }

    /// One dictionary in place of those that the pieces have.
    fn unify(&mut self, put: Vec<Put>) -> Result<StringArray, ArrowError> {
        let mut all = Texts::default();
        let numbers = |put: &Put| -> Option<Vec<i32>> {
            // A piece without rows has none.
            let Some(own) = &put.dictionary else { return Some(Vec::new()) };
            own.as_string::<i32>().iter().map(|text| all.number(text.unwrap_or_default())).collect()
        };
        let numbers: Option<Vec<Vec<i32>>> = put.iter().map(numbers).collect();
        let numbers = numbers.ok_or(ArrowError::DictionaryKeyOverflowError)?;
        self.places().into_par_iter().zip(numbers).for_each(|(place, numbers)| place.renumber(&numbers));
        Ok(StringArray::from(all.texts))
    }
}

impl Place<'_> {
    /// Puts the arrays of a piece here, one after the other. One that has a dictionary is the whole piece.
    pub fn put(self, path: &Path, arrays: impl Iterator<Item = Result<ArrayRef, TableError>>) -> Result<Put, TableError> {
        let broken = || TableError::broken(path, "a row group has other rows than its footer says");
        let (mut rest, mut dictionary, mut nulls) = (self.bytes, None, Vec::new());
        for array in arrays {
            let data = array?.to_data();
            let bytes = &data.buffers()[0][data.offset() * self.width..(data.offset() + data.len()) * self.width];
            let (place, others) = std::mem::take(&mut rest).split_at_mut_checked(bytes.len()).ok_or_else(broken)?;
            place.copy_from_slice(bytes);
            dictionary = data.child_data().first().map(|values| make_array(values.clone()));
            nulls.push((data.len(), data.nulls().cloned()));
            rest = others;
        }
        match rest.is_empty() {
            true => Ok(Put { nulls: joined(&nulls), dictionary }),
            false => Err(broken()),
        }
    }

    /// Gives the keys the numbers that their values have in the dictionary of all pieces.
    fn renumber(self, numbers: &[i32]) {
        if numbers.iter().copied().eq(0..numbers.len() as i32) {
            return;
        }
        for key in self.bytes.chunks_exact_mut(self.width) {
            let old = i32::from_ne_bytes([key[0], key[1], key[2], key[3]]);
            // Beneath a null lies anything.
            let new = usize::try_from(old).ok().and_then(|old| numbers.get(old)).copied().unwrap_or(0);
            key.copy_from_slice(&new.to_ne_bytes());
        }
    }
}

/// So many bytes, aligned for every type. The system gives them out as they are put, to the threads that put them there.
fn zeros(bytes: usize) -> MutableBuffer {
    let mut zeros = MutableBuffer::from(vec![0i128; bytes.div_ceil(size_of::<i128>())]);
    zeros.truncate(bytes);
    zeros
}

/// The nulls of rows that follow one another; nothing if there are none.
fn joined(parts: &[(usize, Option<NullBuffer>)]) -> Option<NullBuffer> {
    parts.iter().any(|(_, nulls)| nulls.is_some()).then(|| {
        let mut valid = BooleanBufferBuilder::new(parts.iter().map(|(rows, _)| rows).sum());
        for (rows, nulls) in parts {
            match nulls {
                Some(nulls) => valid.append_buffer(nulls.inner()),
                None => valid.append_n(*rows, true),
            }
        }
        NullBuffer::new(valid.finish())
    })
}

/// A number for each different text of several dictionaries, in order of appearance.
#[derive(Default)]
struct Texts {
    numbers: HashMap<String, i32>,
    texts: Vec<String>,
    bytes: usize,
}

impl Texts {
    fn number(&mut self, text: &str) -> Option<i32> {
        if let Some(known) = self.numbers.get(text) {
            return Some(*known);
        }
        let next = i32::try_from(self.texts.len()).ok()?;
        self.bytes += text.len();
        i32::try_from(self.bytes).ok()?;
        self.texts.push(text.into());
        self.numbers.insert(text.into(), next);
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{DictionaryArray, Float64Array, Int64Array};
    use arrow::compute::{cast, concat};
    use arrow::datatypes::Int32Type;
    use std::sync::Arc;

    /// Puts pieces in their places, each in two parts if it is `cut`, and holds the result against their concatenation.
    fn check(pieces: &[ArrayRef], cut: bool) {
        let mut room = Room::new(pieces[0].data_type(), pieces.iter().map(|piece| piece.len()).collect()).unwrap();
        let parts = |piece: &ArrayRef| {
            let half = if cut { piece.len() / 2 } else { 0 };
            [piece.slice(0, half), piece.slice(half, piece.len() - half)].into_iter().filter(|part| !part.is_empty()).map(Ok)
        };
        let put = |(place, piece): (Place, &ArrayRef)| place.put(Path::new("f"), parts(piece)).unwrap();
        let put = room.places().into_iter().zip(pieces).map(put).collect();
        let found = room.close(put).unwrap();
        assert_eq!(found.data_type(), pieces[0].data_type());
        let expected = concat(&pieces.iter().map(|piece| piece.as_ref()).collect::<Vec<_>>()).unwrap();
        let plain = |array: &ArrayRef| match array.data_type() {
            DataType::Dictionary(_, values) => cast(array, values).unwrap(),
            _ => array.clone(),
        };
        assert_eq!(&plain(&found), &plain(&expected));
    }

    #[test]
    fn what_is_put_in_places_is_what_would_be_joined() {
        let numbers = |from: i64, to: i64, nulls: i64| -> ArrayRef {
            Arc::new(Int64Array::from_iter((from..to).map(|n| (nulls == 0 || n % nulls > 0).then_some(n))))
        };
        for cut in [false, true] {
            check(&[numbers(0, 9, 0), numbers(0, 0, 0), numbers(5, 6, 0)], cut);
            check(&[numbers(0, 9, 0), numbers(3, 21, 3), numbers(0, 70, 0)], cut);
            check(&[Arc::new(Float64Array::from(vec![f64::NAN, -0.0]).slice(1, 1))], cut);
        }
    }

    #[test]
    fn dictionaries_become_one() {
        let texts = |texts: &[Option<&str>]| -> ArrayRef { Arc::new(texts.iter().copied().collect::<DictionaryArray<Int32Type>>()) };
        let pieces =
            [texts(&[Some("b"), Some("a"), Some("b")]), texts(&[None, None]), texts(&[]), texts(&[Some("a"), None, Some("c"), Some("b")])];
        check(&pieces, false);
        check(&pieces[1..2], false);
    }

    #[test]
    fn a_piece_of_another_length_is_an_error() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        for rows in [2, 4] {
            let mut room = Room::new(&DataType::Int64, vec![rows]).unwrap();
            assert!(room.places().remove(0).put(Path::new("f"), [Ok(numbers.clone())].into_iter()).is_err());
        }
    }
}
