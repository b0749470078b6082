//! What the vectors of a store are made of, and their plain bytes.
//!
//! Invariant: a vector's bytes are its elements one after the other in this machine's order, which is little-endian where daeda runs.

use super::VectorError;
use crate::table::rows::digests;
use arrow::array::{Array, ArrayRef, FixedSizeListArray, make_array, new_null_array};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field};
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    Float16,
    Float32,
    Float64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub element: Element,
    pub width: usize,
}

impl Element {
    pub fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Float16 => Some(Self::Float16),
            DataType::Float32 => Some(Self::Float32),
            DataType::Float64 => Some(Self::Float64),
            _ => None,
        }
    }

    pub fn data_type(self) -> DataType {
        match self {
            Self::Float16 => DataType::Float16,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
        }
    }

    pub fn bytes(self) -> usize {
        match self {
            Self::Float16 => 2,
            Self::Float32 => 4,
            Self::Float64 => 8,
        }
    }
}

impl Shape {
    pub fn row_bytes(self) -> usize {
        self.width * self.element.bytes()
    }

    fn data_type(self) -> DataType {
        DataType::FixedSizeList(self.item(), self.width as i32)
    }

    fn item(self) -> Arc<Field> {
        Arc::new(Field::new("item", self.element.data_type(), true))
    }

    /// The digests of vectors that lie one after the other: the same as of the rows that they were read from.
    pub fn digests(self, bytes: Vec<u8>) -> Result<Vec<u128>, VectorError> {
        let buffer = Buffer::from_vec(bytes);
        let data = arrow::array::ArrayData::builder(self.element.data_type()).len(buffer.len() / self.element.bytes());
        let values =
            data.add_buffer(buffer).align_buffers(true).build().map_err(|error| VectorError::Element { found: error.to_string() })?;
        let vectors = FixedSizeListArray::new(self.item(), self.width as i32, make_array(values), None);
        Ok(digests(&[Arc::new(vectors) as ArrayRef])?)
    }

    /// The digest of a row without a vector.
    pub fn null_digest(self) -> Result<u128, VectorError> {
        Ok(digests(&[new_null_array(&self.data_type(), 1)])?[0])
    }

    /// The bytes of all vectors, whatever lies beneath nulls included.
    pub fn bytes_of(self, vectors: &FixedSizeListArray) -> Result<Buffer, VectorError> {
        let found = vectors.value_length() as usize;
        if found != self.width {
            return Err(VectorError::Width { expected: self.width, found });
        }
        if *vectors.values().data_type() != self.element.data_type() {
            return Err(VectorError::Element { found: vectors.values().data_type().to_string() });
        }
        let first = if vectors.is_empty() { 0 } else { vectors.value_offset(0) as usize };
        let values = vectors.values().slice(first, vectors.len() * self.width);
        if values.null_count() > 0 && has_null_element(vectors) {
            return Err(VectorError::NullElement);
        }
        let (data, size) = (values.to_data(), self.element.bytes());
        Ok(data.buffers()[0].slice_with_length(data.offset() * size, data.len() * size))
    }
}

/// Of a vector that is there.
fn has_null_element(vectors: &FixedSizeListArray) -> bool {
    (0..vectors.len()).any(|row| vectors.is_valid(row) && vectors.value(row).null_count() > 0)
}
