//! Keys of rows: whole numbers as they are, all others by a 128-bit digest.
//!
//! Invariants: which form keys have follows from their types alone; numbers sort as numbers; a key with a null part is no key.

use super::RowError;
use super::values::digests;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::util::display::array_value_to_string;

/// A key of a source whose [`Form`] is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub(super) u128);

/// What the keys of a source are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Numbers,
    Digests,
}

/// Numbers are kept as their distance from the least.
const SIGN: u64 = 1 << 63;

impl Key {
    pub fn number(value: i64) -> Self {
        Self(u128::from(value as u64 ^ SIGN))
    }

    pub fn to_number(self) -> i64 {
        (self.0 as u64 ^ SIGN) as i64
    }
}

/// The keys of some rows.
pub struct Keys {
    pub form: Form,
    /// By row; none where a part is null.
    pub keys: Vec<Option<Key>>,
}

impl Keys {
    /// From the columns that make the key.
    pub fn of(columns: &[ArrayRef]) -> Result<Self, RowError> {
        if let [column] = columns
            && is_number(column.data_type())
        {
            let unsupported = |_| RowError::Unsupported { data_type: column.data_type().to_string() };
            let numbers = cast(column, &DataType::Int64).map_err(unsupported)?;
            let keys = numbers.as_primitive::<Int64Type>().iter().map(|key| key.map(Key::number)).collect();
            return Ok(Self { form: Form::Numbers, keys });
        }
        let nulls: Vec<_> = columns.iter().filter_map(|column| column.logical_nulls()).collect();
        let is_whole = |row: usize| nulls.iter().all(|nulls| nulls.is_valid(row));
        let keys = digests(columns)?.into_iter().enumerate().map(|(row, digest)| is_whole(row).then_some(Key(digest))).collect();
        Ok(Self { form: Form::Digests, keys })
    }
}

/// How people call the key of a row.
pub fn text(columns: &[ArrayRef], row: usize) -> String {
    let part = |column: &ArrayRef| array_value_to_string(column, row).unwrap_or_else(|error| error.to_string());
    columns.iter().map(part).collect::<Vec<_>>().join(", ")
}

/// Whether all values of a type are 64-bit signed numbers.
fn is_number(data_type: &DataType) -> bool {
    data_type.is_integer() && *data_type != DataType::UInt64
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int32Array, Int64Array, StringArray, UInt64Array};
    use std::sync::Arc;

    #[test]
    fn numbers_keep_their_order_and_come_back() {
        let numbers = [i64::MIN, -7, 0, 7, i64::MAX];
        let keys = numbers.map(Key::number);
        assert!(keys.is_sorted());
        assert_eq!(keys.map(Key::to_number), numbers);
    }

    #[test]
    fn widths_are_alike_and_nulls_no_keys() {
        let narrow: ArrayRef = Arc::new(Int32Array::from(vec![Some(5), None]));
        let wide: ArrayRef = Arc::new(Int64Array::from(vec![Some(5), None]));
        assert_eq!(Keys::of(&[narrow]).unwrap().keys, Keys::of(&[wide]).unwrap().keys);
        let large: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
        assert_eq!(Keys::of(&[large]).unwrap().form, Form::Digests);
    }

    #[test]
    fn all_parts_count() {
        let user: ArrayRef = Arc::new(Int64Array::from(vec![1, 1, 1, 2]));
        let country: ArrayRef = Arc::new(StringArray::from(vec![Some("DE"), Some("FR"), None, Some("DE")]));
        let columns = [user, country];
        let keys = Keys::of(&columns).unwrap();
        assert_eq!((keys.form, keys.keys[2]), (Form::Digests, None));
        assert!(keys.keys[0] != keys.keys[1] && keys.keys[0] != keys.keys[3]);
        assert_eq!(text(&columns, 1), "1, FR");
    }
}
