//! Everything a rolling aggregate works on: the spine and the events in runs of one key, and the way back to rows and values.
//!
//! Knows no aggregate. Invariants: events of keys off the spine, and events whose value is null, are not in the frame; the elements
//! of lists that are flattened are events of their own, in list order. Positions count over `events`.

use super::codes::{self, Order};
use super::keyed::{self, Keyed, NO_KEY, Runs};
use super::rolling::{KernelError, Rolling, WindowSpan};
use super::sweep::{Fold, Lists, Way, sweep};
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, ListArray, OffsetSizeTrait, PrimitiveArray, UInt32Array};
use arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field};
use rayon::prelude::*;
use std::borrow::Cow;
use std::sync::Arc;

/// Spine and events of one call, laid out by key.
pub struct Frame<'a> {
    /// How many rows the spine has, those without a key included.
    pub rows: usize,
    pub spine: Runs,
    pub events: Runs,
    pub windows: &'a [WindowSpan],
    pub day: i64,
    pub units_per_second: i64,
    pub way: Way,
    aggregate: &'static str,
    values: Option<ArrayRef>,
}

impl<'a> Frame<'a> {
    /// Lays out one call. With `available`, an event counts only for rows at or after the instant it became known.
    pub fn new(spine: &Keyed, events: &Keyed, what: &Rolling<'a>, available: Option<&[Option<i64>]>) -> Result<Self, KernelError> {
        let aggregate = what.aggregate.name();
        let ids = keyed::matched(spine.keys, spine.times.len(), events.keys, events.times.len());
        let values = what.values.filter(|_| what.aggregate.takes_column()).cloned();
        let facts = Facts { ids: ids.events, times: Cow::Borrowed(events.times), available: available.map(Cow::Borrowed), values };
        let facts = facts.flattened(what.options.flatten, aggregate)?.without_gaps();
        if u32::try_from(facts.times.len().max(spine.times.len())).is_err() {
            return Err(KernelError::TooLong { aggregate });
        }
        let runs = Runs::group(&facts.ids, ids.keys, &facts.times);
        Ok(Frame {
            rows: spine.times.len(),
            spine: Runs::group(&ids.spine, ids.keys, spine.times).in_time_order(),
            way: facts.way(&runs),
            events: runs,
            windows: what.windows,
            day: what.day,
            units_per_second: what.units_per_second,
            aggregate,
            values: facts.values,
        })
    }

    /// The values of the events.
    fn values(&self) -> Result<&ArrayRef, KernelError> {
        let missing = || self.unfit("needs a column to read".to_string());
        self.values.as_ref().ok_or_else(missing)
    }

    /// The values in the order of positions.
    fn gathered(&self) -> Result<ArrayRef, KernelError> {
        self.taken(&self.events.rows.clone().into())
    }

    /// The values in the order of positions, as numbers of one type.
    pub fn numbers<P: ArrowPrimitiveType>(&self) -> Result<ScalarBuffer<P::Native>, KernelError> {
        let wide = cast(&self.gathered()?, &P::DATA_TYPE).map_err(|error| self.unfit(error.to_string()))?;
        Ok(wide.as_primitive::<P>().values().clone())
    }

    pub fn type_of_values(&self) -> Result<&DataType, KernelError> {
        Ok(self.values()?.data_type())
    }

    /// Words that are equal where the values at the positions are.
    pub fn equality(&self) -> Result<Vec<u64>, KernelError> {
        codes::by_equality(&self.gathered()?).ok_or_else(|| self.no_codes("equality"))
    }

    /// Words in the order of the values at the positions; NaN is on top.
    pub fn order(&self, order: Order) -> Result<Vec<u64>, KernelError> {
        codes::by_order(&self.gathered()?, order).ok_or_else(|| self.no_codes("order"))
    }

    fn no_codes(&self, what: &str) -> KernelError {
        let found = self.values.as_ref().map(|values| values.data_type().to_string()).unwrap_or_default();
        self.unfit(format!("needs values with {what}, and {found} has none"))
    }

    /// An error about the column or the options.
    pub fn unfit(&self, why: String) -> KernelError {
        KernelError::Unfit { aggregate: self.aggregate, why }
    }

    /// An error about a sum that does not fit.
    pub fn overflow(&self, limit: &'static str) -> KernelError {
        KernelError::Overflow { aggregate: self.aggregate, limit }
    }

    /// What a fold says for each window, row by row of the spine; `empty` for the rows without a key.
    pub fn scalars<T, F>(&self, fold: &F, empty: Option<T>) -> Vec<Vec<Option<T>>>
    where
        T: Copy + Send + Sync,
        F: Fold<Column = Vec<Option<T>>>,
    {
        sweep(self, fold).into_par_iter().map(|parts| self.scattered(parts, empty)).collect()
    }

    /// [`Frame::scalars`] as arrays.
    pub fn arrays<P, F>(&self, fold: &F, empty: Option<P::Native>) -> Vec<ArrayRef>
    where
        P: ArrowPrimitiveType,
        F: Fold<Column = Vec<Option<P::Native>>>,
    {
        self.scalars(fold, empty).into_par_iter().map(|column| primitive::<P>(&column)).collect()
    }

    /// The values at the positions that a fold picks.
    pub fn picked<F: Fold<Column = Vec<Option<u32>>>>(&self, fold: &F) -> Result<Vec<ArrayRef>, KernelError> {
        let row = |position: u32| self.events.rows[position as usize];
        let column = |picks: Vec<Option<u32>>| self.taken(&picks.into_iter().map(|pick| pick.map(row)).collect());
        self.scalars(fold, None).into_par_iter().map(column).collect()
    }

    /// Lists of the values at the positions that a fold picks.
    pub fn picked_lists<F: Fold<Column = Lists>>(&self, fold: &F) -> Result<Vec<ArrayRef>, KernelError> {
        sweep(self, fold).into_par_iter().map(|parts| self.list_array(parts)).collect()
    }

    /// From the order of the runs back to that of the spine.
    fn scattered<T: Copy>(&self, parts: Vec<Vec<T>>, elsewhere: T) -> Vec<T> {
        let mut column = vec![elsewhere; self.rows];
        for (row, value) in self.spine.rows.iter().zip(parts.into_iter().flatten()) {
            column[*row as usize] = value;
        }
        column
    }

    fn list_array(&self, parts: Vec<Lists>) -> Result<ArrayRef, KernelError> {
        let lists = self.lists_by_row(&parts);
        let total: usize = lists.iter().map(|list| list.len()).sum();
        i32::try_from(total).map_err(|_| KernelError::TooLong { aggregate: self.aggregate })?;
        let rows = lists.iter().flat_map(|list| list.iter()).map(|position| self.events.rows[*position as usize]);
        let values = self.taken(&UInt32Array::from_iter_values(rows))?;
        let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
        let offsets = OffsetBuffer::from_lengths(lists.iter().map(|list| list.len()));
        let valid = NullBuffer::from_iter(lists.iter().map(|list| !list.is_empty()));
        Ok(Arc::new(ListArray::new(field, offsets, values, Some(valid))))
    }

    /// The picks of each row of the spine; none where the window is empty.
    fn lists_by_row<'p>(&self, parts: &'p [Lists]) -> Vec<&'p [u32]> {
        let lists = parts.iter().map(|part| part.iter().collect()).collect();
        self.scattered::<&[u32]>(lists, &[])
    }

    fn taken(&self, rows: &UInt32Array) -> Result<ArrayRef, KernelError> {
        take(self.values()?, rows, None).map_err(|error| self.unfit(error.to_string()))
    }
}

/// An array of a column, in two plain passes.
pub fn primitive<P: ArrowPrimitiveType>(column: &[Option<P::Native>]) -> ArrayRef {
    let values: ScalarBuffer<P::Native> = column.iter().map(|value| value.unwrap_or_default()).collect();
    let valid = NullBuffer::new(BooleanBuffer::collect_bool(column.len(), |row| column[row].is_some()));
    Arc::new(PrimitiveArray::<P>::new(values, Some(valid).filter(|valid| valid.null_count() > 0)))
}

/// The events before they are laid out.
struct Facts<'a> {
    ids: Vec<u32>,
    times: Cow<'a, [i64]>,
    available: Option<Cow<'a, [Option<i64>]>>,
    values: Option<ArrayRef>,
}

impl Facts<'_> {
    /// Makes each element of a list an event of its own.
    fn flattened(self, flatten: bool, aggregate: &'static str) -> Result<Self, KernelError> {
        let Some(lists) = self.values.clone().filter(|_| flatten) else { return Ok(self) };
        match lists.data_type() {
            DataType::List(_) => Ok(self.flattened_from::<i32>(&lists)),
            DataType::LargeList(_) => Ok(self.flattened_from::<i64>(&lists)),
            other => Err(KernelError::Unfit { aggregate, why: format!("flattens lists, and {other} is none") }),
        }
    }

    fn flattened_from<O: OffsetSizeTrait>(mut self, lists: &ArrayRef) -> Self {
        keyed::drop_nulls(&mut self.ids, lists.as_ref());
        let lists = lists.as_list::<O>();
        let offsets = lists.value_offsets();
        let first = offsets[0].as_usize();
        let parents: Vec<usize> = (0..lists.len()).flat_map(|row| std::iter::repeat_n(row, lists.value_length(row).as_usize())).collect();
        Facts {
            ids: parents.iter().map(|row| self.ids[*row]).collect(),
            times: parents.iter().map(|row| self.times[*row]).collect(),
            available: self.available.map(|available| parents.iter().map(|row| available[*row]).collect()),
            values: Some(lists.values().slice(first, parents.len())),
        }
    }

    /// Leaves out events whose value is null, and those that never became known.
    fn without_gaps(mut self) -> Self {
        if let Some(values) = &self.values {
            keyed::drop_nulls(&mut self.ids, values.as_ref());
        }
        if let Some(available) = &self.available {
            self.ids.iter_mut().zip(available.iter()).filter(|(_, known)| known.is_none()).for_each(|(id, _)| *id = NO_KEY);
        }
        self
    }

    fn way(&self, runs: &Runs) -> Way {
        match &self.available {
            Some(available) => Way::Known(runs.rows.iter().filter_map(|row| available[*row as usize]).collect()),
            None => Way::Swept,
        }
    }
}
