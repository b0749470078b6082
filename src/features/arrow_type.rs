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
