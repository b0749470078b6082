//! Everything that one aggregate works on: what it sees of a layout's events, where its windows lie among them, and the way back to rows
//! and values.
//!
//! Knows no aggregate. Invariants: events of keys off the spine, and events whose value is null, are not in the frame; the elements
//! of lists that are flattened are events of their own, in list order. Positions count over `events`.

use super::codes::{self, Order, Ordered};
use super::keyed::drop_nulls;
use super::layout::{Bound, Layout, Meeting, Seen, drop_unseen, found, same_length};
use super::rolling::{KernelError, Reach, Rolling, Sight, WindowSpan};
use super::sweep::{Fold, Lists, Slice, Way, sweep};
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Int64Array, ListArray, OffsetSizeTrait, PrimitiveArray, UInt32Array};
use arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::{cast, concat, take};
use arrow::datatypes::{DataType, Field};
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// What one aggregate sees of spine and events.
pub struct Frame<'a> {
    pub layout: &'a Layout<'a>,
    pub events: Arc<Seen>,
    pub meeting: Arc<Meeting<'a>>,
    pub windows: &'a [WindowSpan],
    pub day: i64,
    pub units_per_second: i64,
    pub way: Way,
    aggregate: &'static str,
    values: Option<ArrayRef>,
    /// Who only counts never asks for them.
    edges: OnceLock<Vec<Edges>>,
}

impl<'a> Frame<'a> {
    pub fn new(layout: &'a Layout<'a>, what: &Rolling<'a>, sight: &Sight) -> Result<Self, KernelError> {
        let aggregate = what.aggregate.name();
        let values = what.values.filter(|_| what.aggregate.takes_column()).cloned();
        if u32::try_from(layout.events_in_all.max(layout.rows)).is_err() {
            return Err(KernelError::TooLong { aggregate });
        }
        sight.known.map_or(Ok(()), |known| same_length("known instants", known.len(), layout.events_in_all))?;
        let facts = match values {
            Some(values) if what.options.flatten => Facts::flattened(layout, values, sight, aggregate)?,
            values => Facts::plain(layout, values, sight),
        };
        let Facts { events, meeting, since, values } = facts;
        let way = since.map_or(Way::Swept, Way::Known);
        let Rolling { windows, day, units_per_second, .. } = *what;
        Ok(Frame { layout, events, meeting, windows, day, units_per_second, way, aggregate, values, edges: OnceLock::new() })
    }

    /// When an event was.
    #[inline]
    pub fn time(&self, position: usize) -> i64 {
        self.meeting.events[self.events.runs().rows[position] as usize]
    }

    /// What [`Layout::zones`] says of these windows, where all events are seen and windows end alike; and the ids of the events.
    pub fn zones(&self) -> (Vec<Range<u32>>, Cow<'_, [u32]>) {
        let sees_all = Arc::ptr_eq(&self.events, &self.layout.seen(None)) && matches!(self.way, Way::Swept);
        let bounds: Vec<_> = self.windows.iter().map(bounds).collect();
        let Some((_, Some(end))) = bounds.first().filter(|_| sees_all && self.windows_end_alike()) else { return Default::default() };
        let zones = self.layout.zones(&bounds.iter().map(|(begin, _)| *begin).collect::<Vec<_>>(), *end);
        let ids = if zones.is_empty() { Cow::default() } else { self.layout.ids() };
        (zones, ids)
    }

    /// Where the windows begin and end. Who walks asks for them before others do it at once.
    #[inline]
    pub fn edges(&self) -> &[Edges] {
        let find = |span: &WindowSpan| Edges::find(span, self.layout, &self.events, &self.meeting);
        found::<Vec<Edges>>(&self.edges, || self.windows.iter().map(find).collect())
    }

    /// Where a window of a row lies among the events of its key; the place counts over the runs of the spine.
    #[inline]
    pub fn slice(&self, window: usize, place: usize, run: &Range<usize>) -> Slice {
        let (span, at) = (&self.windows[window], self.layout.instants[place]);
        let position = |edge: &Option<Arc<Vec<u32>>>| edge.as_ref().map(|edge| edge[place] as usize);
        let Edges { lo, hi } = &self.edges()[window];
        let near = if span.forward { at.saturating_add(span.offset) } else { at.saturating_sub(span.offset) };
        let far = span.width().map(|width| if span.forward { near.saturating_add(width) } else { near.saturating_sub(width) });
        let (from, to) = if span.forward { (Some(near), far) } else { (far, Some(near)) };
        Slice { lo: position(lo).unwrap_or(run.start), hi: position(hi).unwrap_or(run.end), from, to, at }
    }

    /// Whether all windows of a row end where the row is, or equally long before it.
    pub fn windows_end_alike(&self) -> bool {
        self.windows.iter().all(|window| !window.forward && window.offset == self.windows[0].offset)
    }

    /// The values of the events.
    fn values(&self) -> Result<&ArrayRef, KernelError> {
        let missing = || self.unfit("needs a column to read".to_string());
        self.values.as_ref().ok_or_else(missing)
    }

    /// The values in the order of positions.
    fn gathered(&self) -> Result<ArrayRef, KernelError> {
        self.taken(&UInt32Array::new(self.events.runs().rows.clone(), None))
    }

    /// The values in the order of positions, as numbers of one type.
    pub fn numbers<P: ArrowPrimitiveType>(&self) -> Result<ScalarBuffer<P::Native>, KernelError> {
        let wide = cast(self.values()?, &P::DATA_TYPE).map_err(|error| self.unfit(error.to_string()))?;
        let wide = wide.as_primitive::<P>().values();
        Ok(self.events.runs().rows.par_iter().with_min_len(4096).map(|row| wide[*row as usize]).collect::<Vec<_>>().into())
    }

    pub fn type_of_values(&self) -> Result<&DataType, KernelError> {
        Ok(self.values()?.data_type())
    }

    /// Words that are equal where the values at the positions are.
    pub fn equality(&self) -> Result<Vec<u64>, KernelError> {
        codes::by_equality(&self.gathered()?).ok_or_else(|| self.no_codes("equality"))
    }

    /// Words in the order of the values, by row; NaN is on top.
    pub fn order(&self, order: Order) -> Result<Ordered, KernelError> {
        Ordered::new(self.values()?, order).ok_or_else(|| self.no_codes("order"))
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

    /// How many events each window has, row by row of the spine, where its ends say all.
    pub fn lengths(&self) -> Option<Vec<ArrayRef>> {
        let bounds = self.windows.iter().map(bounds).map(|(lo, hi)| lo.zip(hi)).collect::<Option<Vec<(Bound, Bound)>>>();
        let lengths = |(lo, hi): (Bound, Bound)| -> ArrayRef {
            let between = self.events.between(self.layout, &self.meeting, lo, hi);
            let mut column = vec![0; self.layout.rows];
            for (place, row) in self.layout.spine.rows.iter().enumerate() {
                column[*row as usize] = i64::from(between.count(place));
            }
            Arc::new(Int64Array::from(column))
        };
        bounds.filter(|_| matches!(self.way, Way::Swept)).map(|bounds| bounds.into_par_iter().map(lengths).collect())
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
        sweep(self, fold).into_par_iter().map(|parts| self.scattered_values::<P>(parts, empty)).collect()
    }

    /// The values at the positions that a fold picks.
    pub fn picked<F: Fold<Column = Vec<Option<u32>>>>(&self, fold: &F) -> Result<Vec<ArrayRef>, KernelError> {
        let row = |position: u32| self.events.runs().rows[position as usize];
        let column = |picks: Vec<Option<u32>>| self.taken(&picks.into_iter().map(|pick| pick.map(row)).collect());
        self.scalars(fold, None).into_par_iter().map(column).collect()
    }

    /// Lists of the values at the positions that a fold picks.
    pub fn picked_lists<F: Fold<Column = Lists>>(&self, fold: &F) -> Result<Vec<ArrayRef>, KernelError> {
        sweep(self, fold).into_par_iter().map(|parts| self.list_array(parts)).collect()
    }

    /// From the order of the runs back to that of the spine.
    fn scattered<T: Copy>(&self, parts: Vec<Vec<T>>, elsewhere: T) -> Vec<T> {
        let mut column = vec![elsewhere; self.layout.rows];
        for (row, value) in self.layout.spine.rows.iter().zip(parts.into_iter().flatten()) {
            column[*row as usize] = value;
        }
        column
    }

    /// The same, as an array.
    fn scattered_values<P: ArrowPrimitiveType>(&self, parts: Vec<Vec<Option<P::Native>>>, elsewhere: Option<P::Native>) -> ArrayRef {
        let mut values = vec![elsewhere.unwrap_or_default(); self.layout.rows];
        let mut valid = vec![elsewhere.is_some(); self.layout.rows];
        for (row, value) in self.layout.spine.rows.iter().zip(parts.into_iter().flatten()) {
            values[*row as usize] = value.unwrap_or_default();
            valid[*row as usize] = value.is_some();
        }
        let valid = NullBuffer::from(valid);
        Arc::new(PrimitiveArray::<P>::new(values.into(), Some(valid).filter(|valid| valid.null_count() > 0)))
    }

    fn list_array(&self, parts: Vec<Lists>) -> Result<ArrayRef, KernelError> {
        let lists = self.lists_by_row(&parts);
        let total: usize = lists.iter().map(|list| list.len()).sum();
        i32::try_from(total).map_err(|_| KernelError::TooLong { aggregate: self.aggregate })?;
        let rows = lists.iter().flat_map(|list| list.iter()).map(|position| self.events.runs().rows[*position as usize]);
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

    /// The values of rows, many of them in several pieces at once.
    fn taken(&self, rows: &UInt32Array) -> Result<ArrayRef, KernelError> {
        let (values, unfit) = (self.values()?, |error: arrow::error::ArrowError| self.unfit(error.to_string()));
        if rows.len() <= PIECE || values.data_type().is_nested() {
            return take(values, rows, None).map_err(unfit);
        }
        let pieces: Vec<usize> = (0..rows.len()).step_by(PIECE).collect();
        let piece = |start: usize| take(values, &rows.slice(start, PIECE.min(rows.len() - start)), None);
        let pieces: Vec<ArrayRef> = pieces.into_par_iter().map(piece).collect::<Result<_, _>>().map_err(unfit)?;
        concat(&pieces.iter().map(|piece| piece.as_ref()).collect::<Vec<_>>()).map_err(unfit)
    }
}

/// Values that are taken at once.
const PIECE: usize = 1 << 16;

/// Where a window begins and ends, by places of the spine; without an end it takes all that there is.
pub struct Edges {
    lo: Option<Arc<Vec<u32>>>,
    hi: Option<Arc<Vec<u32>>>,
}

impl Edges {
    fn find(span: &WindowSpan, layout: &Layout, events: &Seen, meeting: &Meeting) -> Self {
        let (lo, hi) = bounds(span);
        let positions = |bound| events.positions(layout, meeting, bound);
        Edges { lo: lo.map(positions), hi: hi.map(positions) }
    }
}

/// The bounds of windows, each once.
pub fn different_bounds(windows: &[WindowSpan]) -> Vec<Bound> {
    let mut different = Vec::new();
    for bound in windows.iter().map(bounds).flat_map(|(lo, hi)| [lo, hi]).flatten() {
        if !different.contains(&bound) {
            different.push(bound);
        }
    }
    different
}

/// What bounds a window; nothing on a side that takes all that there is.
fn bounds(span: &WindowSpan) -> (Option<Bound>, Option<Bound>) {
    let far = |offset: i128| span.width().map(|width| offset + i128::from(width));
    let offset = i128::from(span.offset);
    let (lo, hi) = match span.forward {
        false => (far(offset).map(|far| -far), Some(-offset)),
        true => (Some(offset), far(offset)),
    };
    let bound = |shift| Bound { shift, after: span.forward };
    (lo.map(bound), hi.map(bound))
}

impl WindowSpan {
    fn width(&self) -> Option<i64> {
        match self.reach {
            Reach::Of(width) => Some(width),
            Reach::Lifetime => None,
        }
    }
}

/// An array of a column, in two plain passes.
pub fn primitive<P: ArrowPrimitiveType>(column: &[Option<P::Native>]) -> ArrayRef {
    let values: ScalarBuffer<P::Native> = column.iter().map(|value| value.unwrap_or_default()).collect();
    let valid = NullBuffer::new(BooleanBuffer::collect_bool(column.len(), |row| column[row].is_some()));
    Arc::new(PrimitiveArray::<P>::new(values, Some(valid).filter(|valid| valid.null_count() > 0)))
}

/// The events that count.
struct Facts<'a> {
    events: Arc<Seen>,
    meeting: Arc<Meeting<'a>>,
    /// When each of them became known, by position.
    since: Option<Vec<i64>>,
    values: Option<ArrayRef>,
}

impl<'a> Facts<'a> {
    /// The events that are seen, that have a value and that became known.
    fn plain(layout: &Layout<'a>, values: Option<ArrayRef>, sight: &Sight) -> Self {
        let nulls = values.as_ref().and_then(|values| values.logical_nulls()).filter(|nulls| nulls.null_count() > 0);
        let valued = nulls.map(|nulls| nulls.inner().clone());
        let events = match both(valued, known_ever(sight)) {
            None => sight.seen.cloned().unwrap_or_else(|| layout.seen(None)),
            Some(counts) => layout.seen(Some(&both(sight.keep.cloned(), Some(counts.clone())).unwrap_or(counts))),
        };
        let since = sight.known.map(|known| events.runs().rows.iter().filter_map(|row| known[*row as usize]).collect());
        Facts { events, meeting: layout.meeting.clone(), since, values }
    }

    /// Each element of a list is an event of its own.
    fn flattened(layout: &Layout<'a>, values: ArrayRef, sight: &Sight, aggregate: &'static str) -> Result<Self, KernelError> {
        match values.data_type() {
            DataType::List(_) => Ok(Self::flattened_from::<i32>(layout, &values, sight)),
            DataType::LargeList(_) => Ok(Self::flattened_from::<i64>(layout, &values, sight)),
            other => Err(KernelError::Unfit { aggregate, why: format!("flattens lists, and {other} is none") }),
        }
    }

    fn flattened_from<O: OffsetSizeTrait>(layout: &Layout<'a>, lists: &ArrayRef, sight: &Sight) -> Self {
        let lists = lists.as_list::<O>();
        let offsets = lists.value_offsets();
        let first = offsets[0].as_usize();
        let parents: Vec<usize> = (0..lists.len()).flat_map(|row| std::iter::repeat_n(row, lists.value_length(row).as_usize())).collect();
        let elements = lists.values().slice(first, parents.len());
        let mut ids = layout.ids().into_owned();
        drop_nulls(&mut ids, lists);
        both(sight.keep.cloned(), known_ever(sight)).iter().for_each(|keep| drop_unseen(&mut ids, keep));
        let mut ids: Vec<u32> = parents.iter().map(|row| ids[*row]).collect();
        drop_nulls(&mut ids, elements.as_ref());
        let events = layout.regrouped(&ids);
        let since = sight.known.map(|known| events.runs().rows.iter().filter_map(|row| known[parents[*row as usize]]).collect());
        let times = parents.iter().map(|row| layout.meeting.events[*row]).collect();
        Facts { events, meeting: Arc::new(layout.meeting.with(times)), since, values: Some(elements) }
    }
}

/// The events that became known at some time.
fn known_ever(sight: &Sight) -> Option<BooleanBuffer> {
    let known = sight.known.filter(|known| known.iter().any(Option::is_none))?;
    Some(known.iter().map(Option::is_some).collect())
}

fn both(one: Option<BooleanBuffer>, other: Option<BooleanBuffer>) -> Option<BooleanBuffer> {
    match (one, other) {
        (Some(one), Some(other)) => Some(&one & &other),
        (one, other) => one.or(other),
    }
}
