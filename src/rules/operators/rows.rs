//! The rows that an operator made: columns, and which of their rows are left of them. Filters are noted, and carried out for who needs it.
//!
//! Invariant: columns that several operators take of one scan stay one, so that what was found of them serves all.

use super::{arrow_failure, keep_mask};
use crate::catalog::expr::Expr;
use crate::engine::failure::Failure;
use crate::features::dictionary::{passing, plain_columns};
use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use std::sync::Arc;

#[derive(Clone)]
pub struct Rows {
    /// All rows, strings perhaps as dictionaries.
    pub batch: RecordBatch,
    /// Those that are left.
    pub kept: Option<Arc<BooleanBuffer>>,
}

impl From<RecordBatch> for Rows {
    fn from(batch: RecordBatch) -> Self {
        Self { batch, kept: None }
    }
}

impl Rows {
    pub fn count(&self) -> usize {
        self.kept.as_ref().map_or(self.batch.num_rows(), |kept| kept.count_set_bits())
    }

    /// The rows that are left, in plain columns.
    pub fn plain(self) -> Result<RecordBatch, Failure> {
        let rows = match self.kept {
            Some(kept) => keep_mask(&self.batch, &BooleanArray::new(kept.as_ref().clone(), None))?,
            None => self.batch,
        };
        plain_columns(&rows, |_| true).map_err(arrow_failure)
    }
}

/// What filters found of columns that others may filter as well.
#[derive(Default)]
pub struct Filters(Vec<Found>);

/// The rows of some columns for which a condition is true.
struct Found {
    expr: Expr,
    columns: Vec<ArrayRef>,
    passing: Arc<BooleanBuffer>,
}

impl Filters {
    /// The rows that are left and for which a condition is true.
    pub fn apply(&mut self, rows: Rows, expr: &Expr) -> Result<Rows, Failure> {
        let unfit = |e: crate::features::evaluate::EvaluateError| Failure::permanent(e.to_string());
        let Some(kept) = rows.kept else {
            return Ok(Rows { kept: Some(self.passing(&rows.batch, expr)?), ..rows });
        };
        // A row that has gone cannot fail any more.
        let left = keep_mask(&rows.batch, &BooleanArray::new(kept.as_ref().clone(), None))?;
        let mut answers = passing(&left, expr).map_err(unfit)?.iter().collect::<Vec<_>>().into_iter();
        let both = kept.iter().map(|kept| kept && answers.next().unwrap_or(false)).collect();
        Ok(Rows { kept: Some(Arc::new(both)), ..rows })
    }

    fn passing(&mut self, batch: &RecordBatch, expr: &Expr) -> Result<Arc<BooleanBuffer>, Failure> {
        let columns: Vec<ArrayRef> = expr.columns().iter().filter_map(|name| batch.column_by_name(name).cloned()).collect();
        let known = self.0.iter().find(|found| found.expr == *expr && same(&found.columns, &columns));
        if let Some(found) = known.filter(|_| !columns.is_empty()) {
            return Ok(found.passing.clone());
        }
        let passing = Arc::new(passing(batch, expr).map_err(|e| Failure::permanent(e.to_string()))?);
        self.0.push(Found { expr: expr.clone(), columns, passing: passing.clone() });
        Ok(passing)
    }
}

/// Whether columns are the very same ones.
pub fn same(one: &[ArrayRef], other: &[ArrayRef]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| Arc::ptr_eq(one, other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::expr::parse;
    use arrow::array::{AsArray, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;

    fn rows() -> Rows {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["1", "x", "3", "4"]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
        RecordBatch::try_from_iter([("text", texts), ("n", numbers)]).unwrap().into()
    }

    #[test]
    fn filters_in_a_row_leave_what_both_leave() {
        let (mut filters, all) = (Filters::default(), rows());
        let digits = filters.apply(all.clone(), &parse("text <> 'x'").unwrap()).unwrap();
        let few = filters.apply(digits.clone(), &parse("CAST(text AS bigint) > 1").unwrap()).unwrap();
        assert_eq!((digits.count(), few.count()), (3, 2));
        assert_eq!(few.plain().unwrap().column(1).as_primitive::<Int64Type>().values()[..], [3, 4]);
        assert!(filters.apply(all, &parse("CAST(text AS bigint) > 1").unwrap()).is_err(), "a row that is there can fail");
    }

    #[test]
    fn a_filter_of_the_same_columns_is_tried_once() {
        let (mut filters, all, expr) = (Filters::default(), rows(), parse("n > 1").unwrap());
        let masks = [0, 0].map(|_| filters.apply(all.clone(), &expr).unwrap().kept.unwrap());
        assert!(Arc::ptr_eq(&masks[0], &masks[1]));
        let other = filters.apply(rows(), &expr).unwrap().kept.unwrap();
        assert!(!Arc::ptr_eq(&masks[0], &other));
    }
}
