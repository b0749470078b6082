//! Why vectors cannot be had: Lance's side, the store's contents, or the file they are kept in.

use crate::table::lance::LanceError;
use crate::table::rows::RowError;
use std::fmt;
use std::io;

#[derive(Debug)]
pub enum VectorError {
    Lance(LanceError),
    Rows(RowError),
    Io(io::Error),
    /// A vector that is there lacks one of its elements.
    NullElement,
    /// The column does not hold vectors of the expected width.
    Width {
        expected: usize,
        found: usize,
    },
    /// The column does not hold floats.
    Element {
        found: String,
    },
}

impl fmt::Display for VectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lance(error) => error.fmt(f),
            Self::Rows(error) => error.fmt(f),
            Self::Io(error) => write!(f, "vectors cannot be kept beside the output: {error}"),
            Self::NullElement => f.write_str("the store holds a vector with a null element; write the vector whole, or as null"),
            Self::Width { expected, found } => {
                write!(f, "the store holds vectors of width {found}, not {expected}; correct the view's field")
            }
            Self::Element { found } => {
                write!(f, "the store holds vectors of {found}; write them as float16, float32 or float64")
            }
        }
    }
}

impl std::error::Error for VectorError {}

impl From<LanceError> for VectorError {
    fn from(error: LanceError) -> Self {
        Self::Lance(error)
    }
}

impl From<RowError> for VectorError {
    fn from(error: RowError) -> Self {
        Self::Rows(error)
    }
}

impl From<io::Error> for VectorError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
