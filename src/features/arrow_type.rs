//! The manifest's types as Arrow's. One place, so that what is read, computed and written agrees.

use crate::catalog::types::{DataType, TimeUnit};
use arrow::datatypes::{DataType as Arrow, Field, TimeUnit as ArrowUnit};
use std::sync::Arc;

/// The Arrow type of a column. List elements are nullable and named `item`; those of vectors too.
pub fn arrow_type(data_type: &DataType) -> Arrow {
    match data_type {
        DataType::Bool => Arrow::Boolean,
        DataType::Int8 => Arrow::Int8,
        DataType::Int16 => Arrow::Int16,
        DataType::Int32 => Arrow::Int32,
        DataType::Int64 => Arrow::Int64,
        DataType::UInt8 => Arrow::UInt8,
        DataType::UInt16 => Arrow::UInt16,
        DataType::UInt32 => Arrow::UInt32,
        DataType::UInt64 => Arrow::UInt64,
        DataType::Float16 => Arrow::Float16,
        DataType::Float32 => Arrow::Float32,
        DataType::Float64 => Arrow::Float64,
        DataType::String => Arrow::Utf8,
        DataType::Binary => Arrow::Binary,
        DataType::Date => Arrow::Date32,
        DataType::Timestamp { unit, zone } => Arrow::Timestamp(arrow_unit(*unit), zone.as_deref().map(Arc::from)),
        DataType::List(inner) => Arrow::List(item(inner)),
        DataType::Vector(inner, width) => Arrow::FixedSizeList(item(inner), *width as i32),
    }
}

fn item(inner: &DataType) -> Arc<Field> {
    Arc::new(Field::new("item", arrow_type(inner), true))
}

fn arrow_unit(unit: TimeUnit) -> ArrowUnit {
    match unit {
        TimeUnit::S => ArrowUnit::Second,
        TimeUnit::Ms => ArrowUnit::Millisecond,
        TimeUnit::Us => ArrowUnit::Microsecond,
        TimeUnit::Ns => ArrowUnit::Nanosecond,
    }
}

/// The type that a field of such a column is declared with, if any.
pub fn declared_type(found: &Arrow) -> Option<DataType> {
    Some(match found {
        Arrow::Boolean => DataType::Bool,
        Arrow::Int8 => DataType::Int8,
        Arrow::Int16 => DataType::Int16,
        Arrow::Int32 => DataType::Int32,
        Arrow::Int64 => DataType::Int64,
        Arrow::UInt8 => DataType::UInt8,
        Arrow::UInt16 => DataType::UInt16,
        Arrow::UInt32 => DataType::UInt32,
        Arrow::UInt64 => DataType::UInt64,
        Arrow::Float16 => DataType::Float16,
        Arrow::Float32 => DataType::Float32,
        Arrow::Float64 => DataType::Float64,
        Arrow::Utf8 | Arrow::LargeUtf8 | Arrow::Utf8View => DataType::String,
        Arrow::Binary | Arrow::LargeBinary | Arrow::BinaryView => DataType::Binary,
        Arrow::Date32 => DataType::Date,
        Arrow::Timestamp(unit, zone) => DataType::Timestamp { unit: time_unit(*unit), zone: zone.as_deref().map(str::to_string) },
        Arrow::Dictionary(_, values) => declared_type(values)?,
        Arrow::List(element) | Arrow::LargeList(element) => declared_type(element.data_type())?.list(),
        Arrow::FixedSizeList(element, width) => {
            DataType::Vector(Box::new(declared_type(element.data_type()).filter(DataType::is_float)?), u32::try_from(*width).ok()?)
        }
        _ => return None,
    })
}

fn time_unit(unit: ArrowUnit) -> TimeUnit {
    match unit {
        ArrowUnit::Second => TimeUnit::S,
        ArrowUnit::Millisecond => TimeUnit::Ms,
        ArrowUnit::Microsecond => TimeUnit::Us,
        ArrowUnit::Nanosecond => TimeUnit::Ns,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_back() {
        for text in ["bool", "uint16", "float16", "string", "date", "timestamp<us, UTC>", "list<list<int64>>", "vector<float32, 3>"] {
            let declared = DataType::parse(text).unwrap();
            assert_eq!(declared_type(&arrow_type(&declared)), Some(declared));
        }
    }
}
