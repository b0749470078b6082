//! Trials of the kernels: random cases in which the awkward is common, agreement with the reference, and laws over the registry.

mod agreement;
mod cases;
mod chance;
mod laws;
mod many;
mod tree;

use super::sweep::{Fold, Slice, Walk, folded};
use std::ops::Range;

/// Where windows are cut, and whether nothing is merged to both sides of each piece.
#[derive(Default)]
pub struct Cuts {
    pub positions: Vec<usize>,
    pub padded: bool,
}

/// Folds the pieces of each window and merges them from left to right, whatever walk the fold has.
pub struct Cut<'a, F> {
    pub fold: &'a F,
    pub cuts: &'a Cuts,
}

impl<F: Fold> Cut<'_, F> {
    fn piece(&self, positions: Range<usize>) -> F::State {
        let piece = folded(self.fold, positions);
        if !self.cuts.padded {
            return piece;
        }
        let mut padded = self.fold.init();
        self.fold.merge(&mut padded, &piece);
        self.fold.merge(&mut padded, &self.fold.init());
        padded
    }
}

impl<F: Fold> Walk for Cut<'_, F> {
    type Column = F::Column;

    fn key(&mut self, _run: Range<usize>) {}

    fn row(&mut self, slice: &Slice, column: &mut F::Column) {
        let inside = self.cuts.positions.iter().copied().filter(|cut| (slice.lo..=slice.hi).contains(cut));
        let mut ends = inside.chain([slice.hi]);
        let first = ends.next().expect("there is an end");
        let (mut state, mut start) = (self.piece(slice.lo..first), first);
        for end in ends {
            self.fold.merge(&mut state, &self.piece(start..end));
            start = end;
        }
        self.fold.finish(&state, slice.at, column);
    }
}
