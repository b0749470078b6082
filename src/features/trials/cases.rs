//! Random cases: few keys, few instants around the boundaries of days, windows that end exactly there.

use crate::catalog::aggregate::Options;
use crate::catalog::types::{DataType, TimeUnit};
use crate::features::aggregates::{Aggregate, REGISTRY};
use crate::features::keyed::Keyed;
use crate::features::rolling::{Reach, Rolling, WindowSpan};
use arrow::array::*;
use arrow::compute::cast;
use arrow::datatypes::{DataType as Arrow, Int64Type, TimeUnit as ArrowUnit};
use proptest::prelude::*;
use std::sync::Arc;

/// The length of a day.
pub const DAY: i64 = 24;

/// A key of two parts; single keys are made of the first.
pub type Key = (Option<u8>, Option<u8>);

/// One event, before it becomes columns.
#[derive(Debug, Clone)]
pub struct Event {
    pub key: Key,
    pub time: i64,
    pub value: Option<u8>,
    pub list: Option<Vec<Option<u8>>>,
    pub known: Option<i64>,
}

#[derive(Debug, Clone)]
pub struct Case {
    pub keys: KeyKind,
    pub values: ValueKind,
    pub spine: Vec<(Key, i64)>,
    /// In order of time.
    pub events: Vec<Event>,
    pub windows: Vec<WindowSpan>,
    pub k: u64,
}

#[derive(Debug, Clone, Copy)]
pub enum KeyKind {
    Int64,
    UInt8,
    Text,
    Date,
    Int32AndText,
    UInt64AndBoolAndText,
}

#[derive(Debug, Clone, Copy)]
pub enum ValueKind {
    Int64,
    Int32,
    UInt64,
    UInt8,
    Float64,
    Float32,
    Float16,
    Text,
    LargeText,
    TextView,
    Bool,
    Date,
    Timestamp,
    ListOfInts,
    LargeListOfTexts,
    ListOfFloats,
}

/// Rows of columns.
pub struct Columns {
    pub spine_keys: Vec<ArrayRef>,
    pub spine_times: Vec<i64>,
    pub event_keys: Vec<ArrayRef>,
    pub event_times: Vec<i64>,
    pub values: ArrayRef,
    pub known: Vec<Option<i64>>,
}

impl Columns {
    pub fn spine(&self) -> Keyed<'_> {
        Keyed { keys: &self.spine_keys, times: &self.spine_times }
    }

    pub fn events(&self) -> Keyed<'_> {
        Keyed { keys: &self.event_keys, times: &self.event_times }
    }

    pub fn rolling<'a>(&'a self, case: &'a Case, aggregate: &'static dyn Aggregate, options: &'a Options) -> Rolling<'a> {
        let values = aggregate.takes_column().then_some(&self.values);
        Rolling { aggregate, options, values, windows: &case.windows, day: DAY, units_per_second: 1000 }
    }
}

impl Case {
    pub fn columns(&self) -> Columns {
        let spine: Vec<Key> = self.spine.iter().map(|(key, _)| *key).collect();
        let events: Vec<Key> = self.events.iter().map(|event| event.key).collect();
        Columns {
            spine_keys: self.keys.columns(&spine),
            spine_times: self.spine.iter().map(|(_, time)| *time).collect(),
            event_keys: self.keys.columns(&events),
            event_times: self.events.iter().map(|event| event.time).collect(),
            values: self.values.column(&self.events),
            known: self.events.iter().map(|event| event.known).collect(),
        }
    }

    /// All aggregates and options that read this kind of value.
    pub fn aggregates(&self) -> Vec<(&'static dyn Aggregate, Options, DataType)> {
        let input = self.values.data_type();
        let fits = |aggregate: &'static dyn Aggregate, options: Options| {
            let output = aggregate.output(Some(&input), &options).ok()?;
            Some((aggregate, options, output))
        };
        let all = REGISTRY.iter().flat_map(|aggregate| self.options(*aggregate).into_iter().map(|options| (*aggregate, options)));
        all.filter_map(|(aggregate, options)| fits(aggregate, options)).collect()
    }

    fn options(&self, aggregate: &dyn Aggregate) -> Vec<Options> {
        let mut all = vec![Options::default()];
        for name in aggregate.options() {
            let with: Vec<Options> = all.iter().map(|options| self.with(name, options.clone())).collect();
            all.extend(with);
        }
        all
    }

    fn with(&self, name: &str, mut options: Options) -> Options {
        match name {
            "k" => options.k = Some(self.k),
            "max" => options.max = Some(self.k),
            "distinct" => options.distinct = true,
            "flatten" => options.flatten = true,
            other => panic!("no trial of the option {other}; write one"),
        }
        options
    }
}

impl KeyKind {
    fn columns(self, keys: &[Key]) -> Vec<ArrayRef> {
        let first = || keys.iter().map(|(first, _)| *first);
        let second = || keys.iter().map(|(_, second)| *second);
        let whole = |array: UInt8Array, to: Arrow| cast(&array, &to).unwrap();
        let bools = |number: Option<u8>| number.map(|number| number % 2 == 0);
        match self {
            KeyKind::Int64 => vec![whole(first().collect(), Arrow::Int64)],
            KeyKind::UInt8 => vec![Arc::new(first().collect::<UInt8Array>())],
            KeyKind::Text => vec![texts(first())],
            KeyKind::Date => vec![cast(&whole(first().collect(), Arrow::Int32), &Arrow::Date32).unwrap()],
            KeyKind::Int32AndText => vec![whole(first().collect(), Arrow::Int32), texts(second())],
            KeyKind::UInt64AndBoolAndText => {
                vec![whole(first().collect(), Arrow::UInt64), Arc::new(second().map(bools).collect::<BooleanArray>()), texts(second())]
            }
        }
    }
}

fn texts(numbers: impl Iterator<Item = Option<u8>>) -> ArrayRef {
    Arc::new(numbers.map(|number| number.map(text)).collect::<StringArray>())
}

fn text(number: u8) -> String {
    "ab".repeat(number.into())
}

/// Some of them not exact in binary, some without order.
fn float(number: u8) -> f64 {
    match number {
        0 => -0.0,
        1 => 0.0,
        2 => f64::NAN,
        3 => f64::INFINITY,
        number => f64::from(number) * 0.3 - 2.1,
    }
}

impl ValueKind {
    pub fn data_type(self) -> DataType {
        match self {
            ValueKind::Int64 => DataType::Int64,
            ValueKind::Int32 => DataType::Int32,
            ValueKind::UInt64 => DataType::UInt64,
            ValueKind::UInt8 => DataType::UInt8,
            ValueKind::Float64 => DataType::Float64,
            ValueKind::Float32 => DataType::Float32,
            ValueKind::Float16 => DataType::Float16,
            ValueKind::Text | ValueKind::LargeText | ValueKind::TextView => DataType::String,
            ValueKind::Bool => DataType::Bool,
            ValueKind::Date => DataType::Date,
            ValueKind::Timestamp => DataType::Timestamp { unit: TimeUnit::Ms, zone: None },
            ValueKind::ListOfInts => DataType::Int64.list(),
            ValueKind::LargeListOfTexts => DataType::String.list(),
            ValueKind::ListOfFloats => DataType::Float64.list(),
        }
    }

    fn column(self, events: &[Event]) -> ArrayRef {
        let values = || events.iter().map(|event| event.value);
        let lists = || events.iter().map(|event| event.list.clone());
        let whole = || -> ArrayRef { Arc::new(values().map(|value| value.map(|value| i64::from(value) - 3)).collect::<Int64Array>()) };
        let unsigned = || -> ArrayRef { Arc::new(values().collect::<UInt8Array>()) };
        let floats = || -> ArrayRef { Arc::new(values().map(|value| value.map(float)).collect::<Float64Array>()) };
        let to = |array: ArrayRef, to: Arrow| cast(&array, &to).unwrap();
        match self {
            ValueKind::Int64 => whole(),
            ValueKind::Int32 => to(whole(), Arrow::Int32),
            ValueKind::UInt64 => to(unsigned(), Arrow::UInt64),
            ValueKind::UInt8 => unsigned(),
            ValueKind::Float64 => floats(),
            ValueKind::Float32 => to(floats(), Arrow::Float32),
            ValueKind::Float16 => to(floats(), Arrow::Float16),
            ValueKind::Text => texts(values()),
            ValueKind::LargeText => to(texts(values()), Arrow::LargeUtf8),
            ValueKind::TextView => to(texts(values()), Arrow::Utf8View),
            ValueKind::Bool => Arc::new(values().map(|value| value.map(|value| value % 2 == 0)).collect::<BooleanArray>()),
            ValueKind::Date => to(to(whole(), Arrow::Int32), Arrow::Date32),
            ValueKind::Timestamp => to(whole(), Arrow::Timestamp(ArrowUnit::Millisecond, None)),
            ValueKind::ListOfInts => Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists().map(integers))),
            ValueKind::LargeListOfTexts => Arc::new(text_lists(lists())),
            ValueKind::ListOfFloats => Arc::new(ListArray::from_iter_primitive::<arrow::datatypes::Float64Type, _, _>(
                lists().map(|list| list.map(|list| list.into_iter().map(|value| value.map(float)).collect::<Vec<_>>())),
            )),
        }
    }
}

fn integers(list: Option<Vec<Option<u8>>>) -> Option<Vec<Option<i64>>> {
    list.map(|list| list.into_iter().map(|value| value.map(i64::from)).collect())
}

fn text_lists(lists: impl Iterator<Item = Option<Vec<Option<u8>>>>) -> LargeListArray {
    let mut builder = LargeListBuilder::new(StringBuilder::new());
    for list in lists {
        let valid = list.is_some();
        list.into_iter().flatten().for_each(|value| builder.values().append_option(value.map(text)));
        builder.append(valid);
    }
    builder.finish()
}

fn key() -> impl Strategy<Value = Key> {
    let part = || prop::option::weighted(0.93, 0..3u8);
    (part(), part())
}

/// Around the boundaries of a few days, those before the epoch included.
fn instant() -> impl Strategy<Value = i64> {
    (-2..4i64, prop::sample::select(vec![-1, 0, 0, 1, 6])).prop_map(|(day, hour)| day * DAY + hour)
}

fn event() -> impl Strategy<Value = Event> {
    let value = || prop::option::weighted(0.85, 0..12u8);
    let list = prop::option::weighted(0.85, prop::collection::vec(value(), 0..4));
    let delay = prop::option::weighted(0.9, prop::sample::select(vec![0, 0, 1, 24, 30]));
    (key(), instant(), value(), list, delay).prop_map(|(key, time, value, list, delay)| Event {
        key,
        time,
        value,
        list,
        known: delay.map(|delay| time + delay),
    })
}

fn window() -> impl Strategy<Value = WindowSpan> {
    let width = prop::sample::select(vec![1, 2, 7, DAY, DAY + 1, 2 * DAY, 3 * DAY, i64::MAX]);
    let reach = prop_oneof![5 => width.prop_map(Reach::Of), 1 => Just(Reach::Lifetime)];
    let offset = prop::sample::select(vec![0, 0, 0, 1, DAY]);
    (reach, offset, prop::bool::weighted(0.25)).prop_map(|(reach, offset, forward)| WindowSpan { reach, offset, forward })
}

fn key_kind() -> impl Strategy<Value = KeyKind> {
    use KeyKind::*;
    prop::sample::select(vec![Int64, UInt8, Text, Date, Int32AndText, UInt64AndBoolAndText])
}

fn value_kind() -> impl Strategy<Value = ValueKind> {
    use ValueKind::*;
    prop::sample::select(vec![
        Int64,
        Int32,
        UInt64,
        UInt8,
        Float64,
        Float32,
        Float16,
        Text,
        LargeText,
        TextView,
        Bool,
        Date,
        Timestamp,
        ListOfInts,
        LargeListOfTexts,
        ListOfFloats,
    ])
}

pub fn case() -> impl Strategy<Value = Case> {
    let spine = prop::collection::vec((key(), instant()), 0..16);
    let events = prop::collection::vec(event(), 0..60);
    let windows = prop::collection::vec(window(), 1..4);
    (key_kind(), value_kind(), spine, events, windows, 1..5u64).prop_map(|(keys, values, spine, mut events, windows, k)| {
        events.sort_by_key(|event| event.time);
        Case { keys, values, spine, events, windows, k }
    })
}
