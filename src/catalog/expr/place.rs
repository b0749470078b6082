//! Where in an expression's text something was written.
//!
//! Knows nothing of source files: the offsets are of the expression's own text. Invariant: a place never takes part in equality.

use std::ops::Deref;

/// A byte range of the expression's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub offset: usize,
    pub len: usize,
}

impl Place {
    /// From `start` to `end`, the latter out.
    pub fn between(start: usize, end: usize) -> Self {
        Self { offset: start, len: end.saturating_sub(start) }
    }

    /// The smallest place around two.
    pub fn around(a: Option<Place>, b: Option<Place>) -> Option<Place> {
        match (a, b) {
            (Some(a), Some(b)) => Some(Self::between(a.offset.min(b.offset), a.end().max(b.end()))),
            (a, b) => a.or(b),
        }
    }

    fn end(self) -> usize {
        self.offset + self.len
    }
}

/// A value and where it was written, if anywhere. Equality looks at the value alone.
#[derive(Debug, Clone)]
pub struct Placed<T> {
    pub value: T,
    pub place: Option<Place>,
}

impl<T> Placed<T> {
    pub fn new(value: T, place: Place) -> Self {
        Self { value, place: Some(place) }
    }

    pub fn nowhere(value: T) -> Self {
        Self { value, place: None }
    }
}

impl<T> Deref for Placed<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for Placed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}
