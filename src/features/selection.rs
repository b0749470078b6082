//! The rows that a consumer takes of a period, after its `where` and within its reach, as one digest.
//!
//! Knows nothing of files: rows come as they were read, by file and row. Invariants: two digests are equal if and only if the consumer would
//! see the same rows in the same canonical order (time, created, file, row); what it does not see has no part in it.

use super::dictionary::{passing, plain};
use super::evaluate::EvaluateError;
use super::time::{instants, is_within, optional_instants};
use crate::catalog::calendar::Period;
use crate::catalog::expr::Expr;
use crate::catalog::types::TimeUnit;
use crate::table::rows::{RowError, digest_of_column, digest_of_columns};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{SortColumn, filter, lexsort_to_indices, take};
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// What a consumer takes of rows.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    /// The columns whose values it sees.
    pub columns: &'a [String],
    /// Which rows it takes.
    pub filter: Option<&'a Expr>,
    /// What puts its rows in order: the time, and when it was created.
    pub order: &'a [String],
    /// The column of times, its unit and the range within reach.
    pub within: Option<(&'a str, TimeUnit, Period)>,
}

/// Why rows have no digest.
#[derive(Debug)]
pub enum SelectionError {
    Filter(EvaluateError),
    Rows(RowError),
    NoSuchColumn(String),
    Times(String),
    Arrow(ArrowError),
}

impl fmt::Display for SelectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter(error) => error.fmt(f),
            Self::Rows(error) => error.fmt(f),
            Self::NoSuchColumn(name) => write!(f, "the rows have no column `{name}`"),
            Self::Times(error) => f.write_str(error),
            Self::Arrow(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SelectionError {}

impl From<RowError> for SelectionError {
    fn from(error: RowError) -> Self {
        Self::Rows(error)
    }
}

impl From<ArrowError> for SelectionError {
    fn from(error: ArrowError) -> Self {
        Self::Arrow(error)
    }
}

/// The digest of the rows that are taken. Strings may be dictionaries.
pub fn selection(rows: &RecordBatch, how: &Selection) -> Result<u128, SelectionError> {
    Selections::default().digest(rows, how)
}

/// Digests of what several consumers take of the same rows: what they take alike is looked at once.
#[derive(Default)]
pub struct Selections {
    taken: Vec<Taken>,
    /// Of which columns, as which taken them, there are digests.
    digests: Vec<(ArrayRef, usize, u128)>,
}

/// The rows that a filter and a range leave, in order.
struct Taken {
    filter: Option<Expr>,
    within: Option<(ArrayRef, TimeUnit, Period)>,
    /// What the filter reads, and what the rows are put in order by.
    columns: Vec<ArrayRef>,
    mask: Option<BooleanArray>,
    order: Option<UInt32Array>,
    count: usize,
}

impl Selections {
    /// [`selection`], of rows whose columns are perhaps those of other calls.
    pub fn digest(&mut self, rows: &RecordBatch, how: &Selection) -> Result<u128, SelectionError> {
        let taken = self.taken(rows, how)?;
        let columns = how.columns.iter().map(|name| Ok(column(rows, name)?.clone())).collect::<Result<Vec<_>, SelectionError>>()?;
        let new: Vec<&ArrayRef> = columns.iter().filter(|column| self.known(column, taken).is_none()).collect();
        let of = |column: &&ArrayRef| Ok((ArrayRef::clone(column), taken, digest_of_column(&self.taken[taken].ordered(column)?)?));
        let new: Vec<_> = new.par_iter().map(of).collect::<Result<_, SelectionError>>()?;
        self.digests.extend(new);
        let count = if columns.is_empty() { 0 } else { self.taken[taken].count };
        Ok(digest_of_columns(count, columns.iter().filter_map(|column| self.known(column, taken))))
    }

    fn known(&self, column: &ArrayRef, taken: usize) -> Option<u128> {
        let known = self.digests.iter().find(|(of, by, _)| *by == taken && Arc::ptr_eq(of, column));
        known.map(|(_, _, digest)| *digest)
    }

    /// Which rows are taken: found before, if somebody takes them by the same columns.
    fn taken(&mut self, rows: &RecordBatch, how: &Selection) -> Result<usize, SelectionError> {
        let filtered: BTreeSet<String> = how.filter.map(Expr::columns).unwrap_or_default();
        let names = filtered.iter().chain(how.order);
        let columns: Vec<ArrayRef> = names.filter_map(|name| rows.column_by_name(name).cloned()).collect();
        let of_column = |(name, unit, period)| Ok::<_, SelectionError>((column(rows, name)?.clone(), unit, period));
        let within = how.within.map(of_column).transpose()?;
        let known = |taken: &Taken| {
            let alike = match (&taken.within, &within) {
                (Some((of, unit, period)), Some(other)) => Arc::ptr_eq(of, &other.0) && (unit, period) == (&other.1, &other.2),
                (None, None) => true,
                _ => false,
            };
            let same =
                taken.columns.len() == columns.len() && taken.columns.iter().zip(&columns).all(|(one, other)| Arc::ptr_eq(one, other));
            alike && same && taken.filter.as_ref() == how.filter
        };
        // Without a column there is nothing to tell rows by.
        if let Some(known) = self.taken.iter().position(known).filter(|_| !columns.is_empty()) {
            return Ok(known);
        }
        let mask = mask(rows, how)?;
        let count = mask.as_ref().map_or(rows.num_rows(), |mask| mask.true_count());
        let mut taken = Taken { filter: how.filter.cloned(), within, columns, mask, order: None, count };
        let key = |name: &String| Ok(plain(&taken.ordered(column(rows, name)?)?)?);
        let keys: Vec<ArrayRef> = how.order.iter().map(key).collect::<Result<_, SelectionError>>()?;
        taken.order = in_order(&keys, count)?;
        self.taken.push(taken);
        Ok(self.taken.len() - 1)
    }
}

impl Taken {
    /// What is taken of a column, in order.
    fn ordered(&self, column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        let taken = self.mask.as_ref().map_or_else(|| Ok(column.clone()), |mask| filter(column, mask))?;
        self.order.as_ref().map_or_else(|| Ok(taken.clone()), |order| take(&taken, order, None))
    }
}

/// The rows that are taken; nothing if all are.
fn mask(rows: &RecordBatch, how: &Selection) -> Result<Option<BooleanArray>, SelectionError> {
    let passing = how.filter.map(|filter| passing(rows, filter)).transpose().map_err(SelectionError::Filter)?;
    let within = how.within.map(|within| mask_within(rows, within)).transpose()?.flatten();
    let both = match (passing, within) {
        (Some(passing), Some(within)) => Some(&passing & &within),
        (one, other) => one.or(other),
    };
    Ok(both.map(|mask| BooleanArray::new(mask, None)))
}

/// A row without a time is taken, so that it shows: whoever reads it says what is wrong. Nothing is said of rows that are all within.
fn mask_within(rows: &RecordBatch, (name, unit, period): (&str, TimeUnit, Period)) -> Result<Option<BooleanBuffer>, SelectionError> {
    let (column, inside) = (column(rows, name)?, is_within(period, unit));
    if column.null_count() == 0 {
        let times = instants(column, unit, unit).map_err(SelectionError::Times)?;
        return Ok((!times.iter().all(&inside)).then(|| times.iter().map(inside).collect()));
    }
    let times = optional_instants(column, unit, unit).map_err(SelectionError::Times)?;
    Ok(Some(times.iter().map(|time| time.as_ref().is_none_or(&inside)).collect()))
}

/// The row number makes the order total, whatever the sort does with equals. Nothing is said of rows that are in order.
fn in_order(keys: &[ArrayRef], rows: usize) -> Result<Option<UInt32Array>, SelectionError> {
    let is_sorted = |times: &ArrayRef| times.as_primitive_opt::<Int64Type>().is_some_and(|t| t.null_count() == 0 && t.values().is_sorted());
    if keys.is_empty() || matches!(keys, [only] if is_sorted(only)) {
        return Ok(None);
    }
    let ordinal: ArrayRef = Arc::new(UInt32Array::from_iter_values(0..rows as u32));
    let sort: Vec<SortColumn> = keys.iter().cloned().chain([ordinal]).map(|values| SortColumn { values, options: None }).collect();
    Ok(Some(lexsort_to_indices(&sort, None)?))
}

fn column<'r>(rows: &'r RecordBatch, name: &str) -> Result<&'r ArrayRef, SelectionError> {
    rows.column_by_name(name).ok_or_else(|| SelectionError::NoSuchColumn(name.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::expr::parse;
    use crate::table::parquet::read_columns;
    use arrow::array::{Float64Array, Int64Array, StringArray};
    use arrow::datatypes::DataType;
    use parquet::arrow::ArrowWriter;
    use parquet::basic::Compression;
    use parquet::file::properties::WriterProperties;
    use proptest::prelude::*;
    use std::fs::File;
    use std::path::Path;

    #[derive(Debug, Clone, PartialEq)]
    struct Row {
        time: i64,
        created: Option<i64>,
        event: &'static str,
        value: Option<f64>,
    }

    /// How a file is written, which is nobody's business.
    #[derive(Debug, Clone, Copy)]
    struct Written {
        group_rows: usize,
        dictionary: bool,
        codec: u8,
    }

    fn save(path: &Path, rows: &[Row], how: Written) {
        let columns: [(&str, ArrayRef); 4] = [
            ("time", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.time)))),
            ("created", Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.created)))),
            ("event", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.event)))),
            ("value", Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.value)))),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap();
        let codec = [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::LZ4_RAW][usize::from(how.codec) % 3];
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(how.group_rows))
            .set_dictionary_enabled(how.dictionary)
            .set_compression(codec)
            .build();
        let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    fn wheres() -> Expr {
        parse("event = 'dislike'").unwrap()
    }

    const REACH: Period = Period { start: 2, end: 9 };

    fn digest(rows: &[Row], how: Written) -> u128 {
        let file = tempfile::NamedTempFile::new().unwrap();
        save(file.path(), rows, how);
        let wanted = [("time", DataType::Int64), ("created", DataType::Int64), ("event", DataType::Utf8), ("value", DataType::Float64)];
        let batch = read_columns(file.path(), &wanted.map(|(name, data_type)| (name.to_string(), data_type))).unwrap();
        let (columns, order, filter) = (names(&["time", "event", "value"]), names(&["time", "created"]), wheres());
        let within = Some(("time", TimeUnit::Ms, REACH));
        selection(&batch, &Selection { columns: &columns, filter: Some(&filter), order: &order, within }).unwrap()
    }

    /// What the consumer sees, as plain values in canonical order.
    fn seen(rows: &[Row]) -> Vec<(i64, Option<u64>)> {
        let taken = rows.iter().filter(|row| row.event == "dislike" && (REACH.start..REACH.end).contains(&row.time));
        let mut taken: Vec<&Row> = taken.collect();
        taken.sort_by_key(|row| (row.time, row.created));
        taken.into_iter().map(|row| (row.time, row.value.map(f64::to_bits))).collect()
    }

    fn row() -> impl Strategy<Value = Row> {
        let event = prop_oneof![Just("dislike"), Just("view")];
        let value = prop_oneof![Just(None), (0_u8..3).prop_map(|value| Some(f64::from(value)))];
        (0_i64..12, proptest::option::of(0_i64..3), event, value).prop_map(|(time, created, event, value)| Row {
            time,
            created,
            event,
            value,
        })
    }

    fn written() -> impl Strategy<Value = Written> {
        (1_usize..9, any::<bool>(), any::<u8>()).prop_map(|(group_rows, dictionary, codec)| Written { group_rows, dictionary, codec })
    }

    proptest! {
        /// Small tables, so that equal ones are among them; a few rows come and go.
        #[test]
        fn digests_are_equal_where_what_is_seen_is(
            rows in proptest::collection::vec(row(), 0..12),
            changes in proptest::collection::vec((any::<prop::sample::Index>(), row(), any::<bool>()), 0..4),
            how in (written(), written()),
        ) {
            let mut changed = rows.clone();
            for (at, row, insert) in changes {
                let at = at.index(changed.len() + 1);
                match changed.get_mut(at) {
                    Some(old) if !insert => *old = row,
                    _ => changed.insert(at, row),
                }
            }
            prop_assert_eq!(digest(&rows, how.0) == digest(&changed, how.1), seen(&rows) == seen(&changed));
        }

        #[test]
        fn excluded_rows_anywhere_change_nothing(
            rows in proptest::collection::vec(row(), 0..30),
            excluded in proptest::collection::vec((any::<prop::sample::Index>(), row()), 0..20),
            how in (written(), written()),
        ) {
            let mut grown = rows.clone();
            for (at, row) in excluded {
                grown.insert(at.index(grown.len() + 1), Row { event: "view", ..row });
            }
            prop_assert_eq!(digest(&rows, how.0), digest(&grown, how.1));
        }

        #[test]
        fn every_value_that_is_seen_counts(
            rows in proptest::collection::vec(row(), 1..30),
            at in any::<prop::sample::Index>(),
            how in written(),
        ) {
            let at = at.index(rows.len());
            let row = |value| Row { event: "dislike", time: REACH.start, created: None, value };
            let with = |value| [&rows[..at], &[row(value)], &rows[at..]].concat();
            let values = [None, Some(0.0), Some(-0.0), Some(7.0), Some(f64::NAN)];
            let digests: std::collections::BTreeSet<u128> = values.map(|value| digest(&with(value), how)).into_iter().collect();
            prop_assert_eq!(digests.len(), values.len());
        }
    }

    #[test]
    fn what_is_shared_changes_no_digest() {
        let events: ArrayRef = Arc::new(StringArray::from(vec!["like", "view", "like", "like"]));
        let others: ArrayRef = Arc::new(StringArray::from(vec!["view", "like", "like", "view"]));
        let (times, values): (ArrayRef, ArrayRef) =
            (Arc::new(Int64Array::from(vec![5, 2, 9, 3])), Arc::new(Float64Array::from(vec![0.5, 1.5, 2.5, 3.5])));
        let rows = |event: &ArrayRef| {
            RecordBatch::try_from_iter([("event", event.clone()), ("time", times.clone()), ("value", values.clone())]).unwrap()
        };
        let (rows, renamed) = (rows(&events), rows(&others));
        let (likes, views) = (parse("event = 'like'").unwrap(), parse("event = 'view'").unwrap());
        let (all, some, time) = (names(&["time", "event", "value"]), names(&["value"]), names(&["time"]));
        let mut shared = Selections::default();
        for columns in [&all, &some] {
            for filter in [Some(&likes), Some(&views), None] {
                for order in [&time[..], &[]] {
                    for end in [9, 10] {
                        for rows in [&rows, &renamed] {
                            let how = Selection { columns, filter, order, within: Some(("time", TimeUnit::Ms, Period { start: 0, end })) };
                            assert_eq!(shared.digest(rows, &how).unwrap(), selection(rows, &how).unwrap());
                        }
                    }
                }
            }
        }
    }
}
