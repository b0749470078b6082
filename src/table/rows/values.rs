//! Values as bytes: the same bytes for the same values, however a file or a library stores them.
//!
//! Knows nothing of rows' meaning. Invariants: encodings of one type (dictionaries, views, large offsets, fixed-size lists) are told apart by
//! nothing, different types are; a value says itself where it ends, so that no two different sequences of values are alike; null is
//! no value, and what lies beneath a null does not count. Floats are their bits.

use super::RowError;
use crate::digest::Hasher;
use arrow::array::{Array, ArrayRef, AsArray, LargeBinaryArray};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, TimeUnit};
use rayon::prelude::*;

/// Rows hashed by one thread at a time.
const ROWS_AT_ONCE: usize = 256;

/// One 128-bit digest per row, over the values of its columns.
pub fn digests(columns: &[ArrayRef]) -> Result<Vec<u128>, RowError> {
    let rows = columns.first().map_or(0, |column| column.len());
    let encoders: Vec<Encoder> = columns.iter().map(Encoder::new).collect::<Result<_, _>>()?;
    let types = encoders.iter().map(Encoder::data_type).collect::<Vec<_>>().join(", ");
    let digest = |buffer: &mut Vec<u8>, row: usize| {
        buffer.clear();
        encoders.iter().for_each(|column| column.append(row, buffer));
        Hasher::new("row").text("types", &types).part("values", buffer).finish().wide()
    };
    Ok((0..rows).into_par_iter().with_min_len(ROWS_AT_ONCE).map_init(Vec::new, digest).collect())
}

/// One digest of all rows, in their order, of the digests of their columns.
pub fn digest_of_columns(rows: usize, parts: impl IntoIterator<Item = u128>) -> u128 {
    let mut hasher = Hasher::new("rows");
    hasher.number("rows", rows as u64);
    for part in parts {
        hasher.part("column", &part.to_le_bytes());
    }
    hasher.finish().wide()
}

/// One digest of the values of a column, in their order.
pub fn digest_of_column(column: &ArrayRef) -> Result<u128, RowError> {
    let encoder = Encoder::new(column)?;
    let mut hasher = Hasher::new("column of rows");
    hasher.text("type", encoder.data_type());
    let said = encoder.values_said();
    let mut buffer = Vec::new();
    for start in (0..column.len()).step_by(ROWS_AT_ONCE) {
        buffer.clear();
        encoder.append_rows(start, column.len().min(start + ROWS_AT_ONCE), &said, &mut buffer);
        hasher.part("values", &buffer);
    }
    Ok(hasher.finish().wide())
}

/// Writes the values of one column.
pub(super) struct Encoder {
    data_type: String,
    nulls: Option<NullBuffer>,
    form: Form,
}

enum Form {
    /// Nothing but nulls.
    Null,
    Bits(arrow::array::BooleanArray),
    /// Values of so many bytes, one after the other.
    Fixed(Buffer, usize),
    Bytes(LargeBinaryArray),
    List(Bounds, Box<Encoder>),
    Struct(Vec<Encoder>),
    Dictionary(Vec<usize>, Box<Encoder>),
}

/// Where the items of a row's list lie.
enum Bounds {
    Small(OffsetBuffer<i32>),
    Large(OffsetBuffer<i64>),
    Fixed(usize),
}

impl Encoder {
    pub fn new(array: &ArrayRef) -> Result<Self, RowError> {
        let data_type = name_of(array.data_type())?;
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        Ok(Self { data_type, nulls, form: form(array)? })
    }

    /// The type in our own words.
    pub fn data_type(&self) -> &str {
        &self.data_type
    }

    /// Appends a row's value.
    pub fn append(&self, row: usize, out: &mut Vec<u8>) {
        let is_null = matches!(self.form, Form::Null) || self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        // What a dictionary holds says itself whether it is there.
        if let (Form::Dictionary(keys, values), false) = (&self.form, is_null) {
            return values.append(keys[row], out);
        }
        out.push(u8::from(!is_null));
        if !is_null {
            self.append_present(row, out);
        }
    }

    /// What each value of a dictionary appends.
    fn values_said(&self) -> Vec<Vec<u8>> {
        let Form::Dictionary(keys, values) = &self.form else { return Vec::new() };
        let most = keys.iter().max().map_or(0, |most| most + 1);
        let said = |key: usize| {
            let mut said = Vec::new();
            values.append(key, &mut said);
            said
        };
        (0..most).map(said).collect()
    }

    /// Appends the values of several rows, as [`Encoder::append`] does one by one.
    fn append_rows(&self, start: usize, end: usize, said: &[Vec<u8>], out: &mut Vec<u8>) {
        match (&self.form, &self.nulls) {
            (Form::Fixed(bytes, 8), None) => {
                for value in bytes[8 * start..8 * end].chunks_exact(8) {
                    let mut present = [1; 9];
                    present[1..].copy_from_slice(value);
                    out.extend_from_slice(&present);
                }
            }
            (Form::Bytes(values), None) => {
                for row in start..end {
                    let value = values.value(row);
                    out.push(1);
                    append_length(value.len(), out);
                    out.extend_from_slice(value);
                }
            }
            (Form::Dictionary(keys, _), None) => keys[start..end].iter().for_each(|key| out.extend_from_slice(&said[*key])),
            _ => (start..end).for_each(|row| self.append(row, out)),
        }
    }

    fn append_present(&self, row: usize, out: &mut Vec<u8>) {
        match &self.form {
            Form::Null | Form::Dictionary(..) => {}
            Form::Bits(bits) => out.push(u8::from(bits.value(row))),
            Form::Fixed(bytes, width) => out.extend_from_slice(&bytes[row * width..(row + 1) * width]),
            Form::Bytes(values) => {
                let value = values.value(row);
                append_length(value.len(), out);
                out.extend_from_slice(value);
            }
            Form::List(bounds, items) => {
                let (start, end) = bounds.of(row);
                append_length(end - start, out);
                items.append_all(start, end, out);
            }
            Form::Struct(fields) => fields.iter().for_each(|field| field.append(row, out)),
        }
    }

    /// Several values; plain ones without a gap as one copy, since vectors are long.
    fn append_all(&self, start: usize, end: usize, out: &mut Vec<u8>) {
        let whole = self.nulls.as_ref().is_none_or(|nulls| nulls.slice(start, end - start).null_count() == 0);
        match &self.form {
            Form::Fixed(bytes, width) if whole => {
                out.push(1);
                out.extend_from_slice(&bytes[start * width..end * width]);
            }
            _ => {
                out.push(0);
                (start..end).for_each(|row| self.append(row, out));
            }
        }
    }
}

impl Bounds {
    fn of(&self, row: usize) -> (usize, usize) {
        match self {
            Self::Small(offsets) => (offsets[row] as usize, offsets[row + 1] as usize),
            Self::Large(offsets) => (offsets[row] as usize, offsets[row + 1] as usize),
            Self::Fixed(width) => (row * width, (row + 1) * width),
        }
    }
}

fn append_length(length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(length as u64).to_le_bytes());
}

fn form(array: &ArrayRef) -> Result<Form, RowError> {
    use DataType::*;
    Ok(match array.data_type() {
        Null => Form::Null,
        Boolean => Form::Bits(array.as_boolean().clone()),
        Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView => Form::Bytes(as_bytes(array)?),
        FixedSizeBinary(width) => fixed(array, *width as usize),
        List(_) => {
            let lists = array.as_list::<i32>();
            Form::List(Bounds::Small(lists.offsets().clone()), items(lists.values())?)
        }
        LargeList(_) => {
            let lists = array.as_list::<i64>();
            Form::List(Bounds::Large(lists.offsets().clone()), items(lists.values())?)
        }
        FixedSizeList(_, width) => {
            let lists = array.as_fixed_size_list();
            let first = if lists.is_empty() { 0 } else { lists.value_offset(0) as usize };
            let values = lists.values().slice(first, lists.len() * *width as usize);
            Form::List(Bounds::Fixed(*width as usize), items(&values)?)
        }
        Struct(_) => Form::Struct(array.as_struct().columns().iter().map(Encoder::new).collect::<Result<_, _>>()?),
        Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            let keys = if dictionary.values().is_empty() { vec![0; array.len()] } else { dictionary.normalized_keys() };
            Form::Dictionary(keys, items(dictionary.values())?)
        }
        other => match other.primitive_width() {
            Some(width) => fixed(array, width),
            None => return Err(RowError::Unsupported { data_type: other.to_string() }),
        },
    })
}

fn items(values: &ArrayRef) -> Result<Box<Encoder>, RowError> {
    Encoder::new(values).map(Box::new)
}

fn fixed(array: &ArrayRef, width: usize) -> Form {
    let data = array.to_data();
    Form::Fixed(data.buffers()[0].slice_with_length(data.offset() * width, data.len() * width), width)
}

fn as_bytes(array: &ArrayRef) -> Result<LargeBinaryArray, RowError> {
    let unsupported = |_| RowError::Unsupported { data_type: array.data_type().to_string() };
    let array = match array.data_type() {
        DataType::Utf8View => cast(array, &DataType::LargeUtf8).map_err(unsupported)?,
        _ => array.clone(),
    };
    Ok(cast(&array, &DataType::LargeBinary).map_err(unsupported)?.as_binary::<i64>().clone())
}

/// A type in our own words, alike for all its encodings.
fn name_of(data_type: &DataType) -> Result<String, RowError> {
    use DataType::*;
    let plain = match data_type {
        Null => "null",
        Boolean => "bool",
        Int8 => "int8",
        Int16 => "int16",
        Int32 => "int32",
        Int64 => "int64",
        UInt8 => "uint8",
        UInt16 => "uint16",
        UInt32 => "uint32",
        UInt64 => "uint64",
        Float16 => "float16",
        Float32 => "float32",
        Float64 => "float64",
        Utf8 | LargeUtf8 | Utf8View => "string",
        Binary | LargeBinary | BinaryView => "binary",
        Date32 => "date in days",
        Date64 => "date in milliseconds",
        Dictionary(_, values) => return name_of(values),
        List(item) | LargeList(item) | FixedSizeList(item, _) => return Ok(format!("list of {}", name_of(item.data_type())?)),
        Struct(fields) => {
            let field = |field: &std::sync::Arc<Field>| Ok(format!("{:?} {}", field.name(), name_of(field.data_type())?));
            return Ok(format!("struct of ({})", fields.iter().map(field).collect::<Result<Vec<_>, RowError>>()?.join(", ")));
        }
        FixedSizeBinary(width) => return Ok(format!("binary of {width}")),
        Timestamp(unit, zone) => return Ok(format!("timestamp in {} utc={}", unit_name(unit), zone.is_some())),
        Time32(unit) | Time64(unit) => return Ok(format!("time in {}", unit_name(unit))),
        Duration(unit) => return Ok(format!("duration in {}", unit_name(unit))),
        Decimal128(precision, scale) => return Ok(format!("decimal {precision},{scale}")),
        other => return Err(RowError::Unsupported { data_type: other.to_string() }),
    };
    Ok(plain.to_string())
}

fn unit_name(unit: &TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{
        DictionaryArray, FixedSizeListArray, Float32Array, Int32Array, Int64Array, LargeListArray, LargeStringArray, ListArray,
        StringArray, StringViewArray, StructArray, UInt64Array,
    };
    use arrow::datatypes::{Float32Type, Int32Type};
    use std::sync::Arc;

    fn of(array: impl Array + 'static) -> Vec<u128> {
        digests(&[Arc::new(array)]).unwrap()
    }

    #[test]
    fn the_digest_is_pinned() {
        let columns: [ArrayRef; 2] = [Arc::new(Int64Array::from(vec![7])), Arc::new(StringArray::from(vec![Some("a")]))];
        assert_eq!(format!("{:032x}", digests(&columns).unwrap()[0]), "736d2eedf5fabad464cd7ea9e5285c06");
    }

    #[test]
    fn encodings_of_a_type_are_alike_and_types_are_not() {
        let texts = [Some("a"), None, Some(""), Some("a")];
        let plain = of(StringArray::from_iter(texts));
        assert_eq!(of(LargeStringArray::from_iter(texts)), plain);
        assert_eq!(of(StringViewArray::from_iter(texts)), plain);
        assert_eq!(of(texts.into_iter().collect::<DictionaryArray<Int32Type>>()), plain);
        assert_eq!(plain[0], plain[3]);
        assert_ne!(plain[1], plain[2], "null is not empty");
        let number = of(Int64Array::from(vec![1]));
        assert_ne!(of(Int32Array::from(vec![1])), number);
        assert_ne!(of(UInt64Array::from(vec![1])), number);
    }

    #[test]
    fn lists_of_all_kinds_and_slices_are_alike() {
        let rows = || [Some(vec![Some(1.0), Some(2.0)]), None, Some(vec![Some(3.0), None])];
        let small = of(ListArray::from_iter_primitive::<Float32Type, _, _>(rows()));
        assert_eq!(of(LargeListArray::from_iter_primitive::<Float32Type, _, _>(rows())), small);
        let fixed = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows(), 2);
        assert_eq!(of(fixed.slice(1, 2)), small[1..]);
        assert_eq!(of(ListArray::from_iter_primitive::<Float32Type, _, _>(rows()).slice(2, 1)), small[2..]);
        assert_eq!(of(fixed), small);
    }

    /// What lies beneath a null, and a null in a dictionary's values, are nulls like any other.
    #[test]
    fn nulls_are_alike() {
        let beneath = Float32Array::new(vec![1.0, 2.0].into(), Some(vec![false, false].into()));
        assert_eq!(of(beneath), of(Float32Array::from(vec![None, None])));
        let values: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None]));
        let dictionary = DictionaryArray::new(Int32Array::from(vec![Some(0), Some(1), None]), values);
        assert_eq!(of(dictionary), of(StringArray::from(vec![Some("x"), None, None])));
    }

    #[test]
    fn columns_are_alike_however_their_rows_are_appended() {
        let texts = |row: usize| ["a", "", "bc"][row * row % 3];
        let rows = 3 * ROWS_AT_ONCE + 5;
        let plain: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(texts)));
        let encoded: ArrayRef = Arc::new((0..rows).map(texts).collect::<DictionaryArray<Int32Type>>());
        let number = |row: usize| (!row.is_multiple_of(7)).then_some(row as i64);
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter((0..rows).map(number)));
        let one_by_one = |column: &ArrayRef| {
            let encoder = Encoder::new(column).unwrap();
            let mut hasher = Hasher::new("column of rows");
            hasher.text("type", encoder.data_type());
            for start in (0..rows).step_by(ROWS_AT_ONCE) {
                let mut buffer = Vec::new();
                (start..rows.min(start + ROWS_AT_ONCE)).for_each(|row| encoder.append(row, &mut buffer));
                hasher.part("values", &buffer);
            }
            hasher.finish().wide()
        };
        let whole: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
        for column in [&plain, &encoded, &numbers, &whole] {
            assert_eq!(digest_of_column(column).unwrap(), one_by_one(column), "{}", column.data_type());
        }
        assert_eq!(digest_of_column(&plain).unwrap(), digest_of_column(&encoded).unwrap());
    }

    #[test]
    fn neighbouring_values_do_not_run_together() {
        let two = |a: &str, b: &str| -> u128 {
            let columns: [ArrayRef; 2] = [Arc::new(StringArray::from(vec![a])), Arc::new(StringArray::from(vec![b]))];
            digests(&columns).unwrap()[0]
        };
        assert_ne!(two("ab", "c"), two("a", "bc"));
        let fields = |a: Option<i32>, b: Option<i32>| {
            let field = |name: &str, value| {
                let array: ArrayRef = Arc::new(Int32Array::from(vec![value]));
                (Arc::new(Field::new(name, DataType::Int32, true)), array)
            };
            of(StructArray::from(vec![field("a", a), field("b", b)]))
        };
        assert_ne!(fields(Some(1), None), fields(None, Some(1)));
    }
}
