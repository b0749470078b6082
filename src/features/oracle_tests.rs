//! Random well-typed expressions over random rows: Polars and the interpreter must agree, values and errors alike.

use super::evaluate::{EvaluateError, filter_mask, value};
use super::interpret::{Row, Value, bounds, rounded};
use crate::catalog::expr::{Branch, Expr, Function, Operator, Scalar, State, parse};
use crate::catalog::types::{DataType, TimeUnit};
use arrow::array::*;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{self as arrow_types, Field, Int64Type, Schema, UInt64Type};
use proptest::prelude::*;
use proptest::sample::select;
use std::sync::Arc;

const COLUMNS: [(&str, &str); 19] = [
    ("i8", "int8"),
    ("i32", "int32"),
    ("i", "int64"),
    ("j", "int64"),
    ("u8", "uint8"),
    ("u", "uint64"),
    ("h", "float16"),
    ("g", "float32"),
    ("f", "float64"),
    ("b", "bool"),
    ("s", "string"),
    ("t", "string"),
    ("d", "date"),
    ("ms", "timestamp<ms>"),
    ("ns", "timestamp<ns>"),
    ("z", "timestamp<us, UTC>"),
    ("l", "list<int64>"),
    ("lf", "list<float32>"),
    ("ls", "list<string>"),
];

fn type_of(name: &str) -> Option<DataType> {
    COLUMNS.iter().find(|column| column.0 == name).and_then(|column| DataType::parse(column.1))
}

/// Rows, each with a value per column.
type Rows = Vec<Vec<Value>>;

fn values(of: &DataType) -> BoxedStrategy<Value> {
    let some = match of {
        DataType::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        DataType::String => select(vec!["", "a", "ab", "b%", "like", "LIKE", "ä_ß", "12"]).prop_map(|s| Value::Text(s.into())).boxed(),
        DataType::List(inner) => prop::collection::vec(values(inner), 0..4).prop_map(Value::List).boxed(),
        float if float.is_float() => {
            let float = float.clone();
            let odd = select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.1, -2.5, 1e300, 9.007199254740993e15]);
            prop_oneof![2 => (-4..5_i32).prop_map(f64::from), 2 => odd, 1 => any::<f64>()]
                .prop_map(move |value| Value::Float(rounded(value, &float)))
                .boxed()
        }
        integer => {
            let (least, greatest) = bounds(integer);
            let near = (-3..4_i128).prop_map(move |value| value.max(least));
            prop_oneof![8 => near, 1 => select(vec![least, greatest, greatest - 1]), 1 => least..=greatest].prop_map(Value::Int).boxed()
        }
    };
    prop_oneof![5 => some, 1 => Just(Value::Null)].boxed()
}

fn rows() -> impl Strategy<Value = Rows> {
    let row: Vec<_> = COLUMNS.iter().map(|(name, _)| values(&type_of(name).unwrap())).collect();
    prop::collection::vec(row, 1..6)
}

fn arrow_type(of: &DataType) -> arrow_types::DataType {
    use arrow_types::{DataType as Arrow, TimeUnit as Unit};
    match of {
        DataType::Bool => Arrow::Boolean,
        DataType::Int8 => Arrow::Int8,
        DataType::Int32 => Arrow::Int32,
        DataType::Int64 => Arrow::Int64,
        DataType::UInt8 => Arrow::UInt8,
        DataType::UInt64 => Arrow::UInt64,
        DataType::Float16 => Arrow::Float16,
        DataType::Float32 => Arrow::Float32,
        DataType::Float64 => Arrow::Float64,
        DataType::String => Arrow::Utf8,
        DataType::Date => Arrow::Date32,
        DataType::Timestamp { unit, zone } => {
            let unit = [Unit::Second, Unit::Millisecond, Unit::Microsecond, Unit::Nanosecond][*unit as usize];
            Arrow::Timestamp(unit, zone.as_deref().map(Arc::from))
        }
        DataType::List(inner) => Arrow::List(Arc::new(Field::new("item", arrow_type(inner), true))),
        other => panic!("{other}"),
    }
}

fn strictly(array: ArrayRef, to: &arrow_types::DataType) -> ArrayRef {
    cast_with_options(&array, to, &CastOptions { safe: false, ..CastOptions::default() }).unwrap()
}

fn array_of(values: &[Value], of: &DataType) -> ArrayRef {
    let array: ArrayRef = match of {
        DataType::Bool => Arc::new(BooleanArray::from_iter(values.iter().map(|v| if let Value::Bool(v) = v { Some(*v) } else { None }))),
        DataType::String => {
            Arc::new(StringArray::from_iter(values.iter().map(|v| if let Value::Text(v) = v { Some(v.clone()) } else { None })))
        }
        DataType::UInt64 => {
            Arc::new(UInt64Array::from_iter(values.iter().map(|v| if let Value::Int(v) = v { Some(*v as u64) } else { None })))
        }
        DataType::List(inner) => return list_of(values, inner),
        float if float.is_float() => {
            Arc::new(Float64Array::from_iter(values.iter().map(|v| if let Value::Float(v) = v { Some(*v) } else { None })))
        }
        _ => Arc::new(Int64Array::from_iter(values.iter().map(|v| if let Value::Int(v) = v { Some(*v as i64) } else { None }))),
    };
    let days = if *of == DataType::Date { strictly(array, &arrow_types::DataType::Int32) } else { array };
    strictly(days, &arrow_type(of))
}

fn list_of(values: &[Value], inner: &DataType) -> ArrayRef {
    let lists = values.iter().map(|value| if let Value::List(elements) = value { elements.clone() } else { Vec::new() });
    let lists: Vec<Vec<Value>> = lists.collect();
    let offsets = arrow::buffer::OffsetBuffer::from_lengths(lists.iter().map(Vec::len));
    let nulls = values.iter().map(|value| *value != Value::Null).collect::<Vec<_>>();
    let field = Arc::new(Field::new("item", arrow_type(inner), true));
    Arc::new(ListArray::new(field, offsets, array_of(&lists.concat(), inner), Some(nulls.into())))
}

fn batch_of(rows: &Rows) -> RecordBatch {
    let column = |at: usize| rows.iter().map(|row| row[at].clone()).collect::<Vec<_>>();
    let arrays = COLUMNS.iter().enumerate().map(|(at, (name, _))| array_of(&column(at), &type_of(name).unwrap()));
    let fields = COLUMNS.map(|(name, _)| Field::new(name, arrow_type(&type_of(name).unwrap()), true));
    RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), arrays.collect()).unwrap()
}

fn values_of(array: &ArrayRef, of: &DataType) -> Vec<Value> {
    let at = |row: usize| match of {
        _ if array.is_null(row) => Value::Null,
        DataType::Bool => Value::Bool(array.as_boolean().value(row)),
        DataType::String => Value::Text(array.as_string::<i32>().value(row).to_string()),
        DataType::UInt64 => Value::Int(array.as_primitive::<UInt64Type>().value(row).into()),
        DataType::List(inner) => Value::List(values_of(&array.as_list::<i32>().value(row), inner)),
        float if float.is_float() => {
            let floats = strictly(array.clone(), &arrow_types::DataType::Float64);
            Value::Float(floats.as_primitive::<arrow_types::Float64Type>().value(row))
        }
        other => {
            let narrow = if *other == DataType::Date { strictly(array.clone(), &arrow_types::DataType::Int32) } else { array.clone() };
            Value::Int(strictly(narrow, &arrow_types::DataType::Int64).as_primitive::<Int64Type>().value(row).into())
        }
    };
    (0..array.len()).map(at).collect()
}

/// What the interpreter says of all rows: an error of one is an error of all.
fn interpreted(expr: &Expr, rows: &Rows) -> Option<Vec<Value>> {
    let one = |row: &Vec<Value>| {
        let at = |name: &str| row[COLUMNS.iter().position(|column| column.0 == name).unwrap()].clone();
        Row { types: &type_of, values: &at }.value(expr).ok()
    };
    rows.iter().map(one).collect()
}

fn agree(expr: &Expr, rows: &Rows) -> Result<(), TestCaseError> {
    let batch = batch_of(rows);
    let own = expr.nullable_type(&type_of, &[]).unwrap_or_else(|error| panic!("{expr}: {error}"));
    let own = own.unwrap_or(DataType::Bool);
    let expected = interpreted(expr, rows);
    let (found, message) = match value(&batch, expr, &arrow_type(&own)) {
        Ok(array) => (Some(values_of(&array, &own)), String::new()),
        Err(EvaluateError::Row { message, .. }) => (None, message),
        Err(error) => panic!("{error}"),
    };
    prop_assert_eq!(&found, &expected, "{} {}", expr, message);
    if own == DataType::Bool
        && let Some(expected) = expected
    {
        let mask = filter_mask(&batch, expr).unwrap();
        prop_assert_eq!(mask.null_count(), 0);
        prop_assert_eq!(mask.values().iter().collect::<Vec<_>>(), expected.iter().map(|v| *v == Value::Bool(true)).collect::<Vec<_>>());
    }
    Ok(())
}

/// Expressions of each kind, up to some depth.
#[derive(Clone)]
struct Kinds {
    bools: BoxedStrategy<Expr>,
    integers: BoxedStrategy<Expr>,
    floats: BoxedStrategy<Expr>,
    texts: BoxedStrategy<Expr>,
    dates: BoxedStrategy<Expr>,
    times: BoxedStrategy<Expr>,
    instants: BoxedStrategy<Expr>,
}

fn columns(names: &'static [&'static str]) -> BoxedStrategy<Expr> {
    select(names).prop_map(Expr::column).boxed()
}

fn leaves(names: &'static [&'static str], literals: impl Strategy<Value = Scalar> + 'static) -> BoxedStrategy<Expr> {
    prop_oneof![6 => columns(names), 3 => literals.prop_map(Expr::literal), 1 => Just(Expr::literal(Scalar::Null))].boxed()
}

fn times(zoned: bool) -> impl Strategy<Value = Scalar> {
    prop_oneof![Just(0), Just(-1), Just(2_000), any::<i32>().prop_map(|n| i64::from(n) * 1_000)]
        .prop_map(move |micros| Scalar::Timestamp { micros, zoned })
}

impl Kinds {
    fn leaves() -> Self {
        let integers = prop_oneof![9 => -3..4_i64, 1 => select(vec![i64::MAX, i64::MIN, 1 << 53])];
        let floats = prop_oneof![Just(0.0), Just(2.5), Just(-1.0), Just(0.1), Just(1e300), Just(3.0)];
        let texts = select(vec!["", "a", "ab", "ä", "12"]).prop_map(|text| Scalar::String(text.into()));
        Self {
            bools: leaves(&["b"], any::<bool>().prop_map(Scalar::Bool)),
            integers: leaves(&["i8", "i32", "i", "j", "u8", "u"], integers.prop_map(Scalar::Int)),
            floats: leaves(&["h", "g", "f"], floats.prop_map(Scalar::Float)),
            texts: leaves(&["s", "t"], texts),
            dates: leaves(&["d"], (-3..4).prop_map(Scalar::Date)),
            times: leaves(&["ms", "ns"], times(false)),
            instants: leaves(&["z"], times(true)),
        }
    }

    fn deeper(self) -> Self {
        Self {
            bools: prop_oneof![1 => self.bools.clone(), 9 => self.deeper_bools()].boxed(),
            integers: prop_oneof![1 => self.integers.clone(), 4 => self.deeper_integers(), 3 => self.choices(&self.integers)].boxed(),
            floats: prop_oneof![1 => self.floats.clone(), 4 => self.deeper_floats(), 3 => self.choices(&self.numbers())].boxed(),
            texts: prop_oneof![1 => self.texts.clone(), 4 => self.deeper_texts(), 3 => self.choices(&self.texts)].boxed(),
            dates: prop_oneof![1 => self.dates.clone(), 1 => self.choices(&self.dates), 1 => cast(&self.times, &[DataType::Date])].boxed(),
            times: prop_oneof![1 => self.times.clone(), 1 => self.choices(&self.times), 1 => self.cast_times()].boxed(),
            instants: prop_oneof![1 => self.instants.clone(), 1 => self.choices(&self.instants)].boxed(),
        }
    }

    fn numbers(&self) -> BoxedStrategy<Expr> {
        prop_oneof![self.integers.clone(), self.floats.clone()].boxed()
    }

    /// Two or more of one kind that compare with one another.
    fn alike(&self, count: std::ops::Range<usize>) -> BoxedStrategy<Vec<Expr>> {
        let of = |kind: &BoxedStrategy<Expr>| prop::collection::vec(kind.clone(), count.clone());
        let kinds = [&self.bools, &self.texts, &self.dates, &self.times, &self.instants];
        let [bools, texts, dates, times, instants] = kinds.map(of);
        prop_oneof![3 => of(&self.integers), 2 => of(&self.numbers()), 2 => texts, 1 => bools, 1 => dates, 1 => times, 1 => instants]
            .boxed()
    }

    fn deeper_bools(&self) -> BoxedStrategy<Expr> {
        use Operator::*;
        let bools = self.bools.clone();
        let patterns = select(vec!["%", "a%", "%b", "_", "%ä%", "", "l_k%", "__"]);
        let lists = columns(&["l", "lf", "ls"]);
        let states = select(vec![State::True, State::False]);
        prop_oneof![
            4 => (select(vec![Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual]), self.alike(2..3)).prop_map(pair),
            3 => (select(vec![And, Or]), prop::collection::vec(bools.clone(), 2)).prop_map(pair),
            2 => bools.clone().prop_map(|operand| Expr::Not(Box::new(operand))),
            2 => (self.alike(2..5), any::<bool>()).prop_map(|(mut list, negated)| Expr::In { operand: Box::new(list.remove(0)), list, negated }),
            1 => (self.integers.clone(), prop::collection::vec(-3..3_i64, 1..4), any::<bool>(), any::<bool>()).prop_map(among),
            1 => (self.alike(3..4), any::<bool>()).prop_map(between),
            1 => (bools.clone(), states, any::<bool>()).prop_map(|(operand, state, negated)| Expr::Is { operand: Box::new(operand), state, negated }),
            1 => (prop_oneof![self.alike(1..2).prop_map(|mut one| one.remove(0)), lists], any::<bool>())
                .prop_map(|(operand, negated)| Expr::Is { operand: Box::new(operand), state: State::Null, negated }),
            1 => (self.texts.clone(), patterns, any::<bool>())
                .prop_map(|(operand, pattern, negated)| Expr::Like { operand: Box::new(operand), pattern: pattern.into(), negated }),
            1 => (select(vec![Function::StartsWith, Function::EndsWith, Function::Contains]), prop::collection::vec(self.texts.clone(), 2))
                .prop_map(call),
            1 => (columns(&["l", "lf"]), self.numbers()).prop_map(|(list, element)| call((Function::ListContains, vec![list, element]))),
            1 => self.texts.clone().prop_map(|element| call((Function::ListContains, vec![Expr::column("ls"), element]))),
            1 => cast(&self.numbers(), &[DataType::Bool]),
            2 => self.choices(&bools),
        ]
        .boxed()
    }

    fn deeper_integers(&self) -> BoxedStrategy<Expr> {
        use Operator::*;
        let integers = self.integers.clone();
        let rounding = select(vec![Function::Abs, Function::Floor, Function::Round]);
        prop_oneof![
            4 => (select(vec![Add, Subtract, Multiply, Remainder]), prop::collection::vec(integers.clone(), 2)).prop_map(pair),
            1 => integers.clone().prop_map(negated),
            1 => (rounding, integers.clone().prop_map(|one| vec![one])).prop_map(call),
            1 => self.texts.clone().prop_map(|text| call((Function::Length, vec![text]))),
            1 => columns(&["l", "lf", "ls"]).prop_map(|list| call((Function::Len, vec![list]))),
            1 => cast(&integers, &[DataType::Int8, DataType::Int32, DataType::Int64, DataType::UInt64]),
            1 => cast(&self.floats, &[DataType::Int64, DataType::UInt8, DataType::UInt64]),
            1 => cast(&self.bools, &[DataType::Int64, DataType::UInt8]),
            1 => cast(&self.times, &[DataType::Int64]),
            1 => cast(&self.dates, &[DataType::Int64, DataType::Int8]),
        ]
        .boxed()
    }

    fn deeper_floats(&self) -> BoxedStrategy<Expr> {
        use Operator::*;
        let mixed = (self.numbers(), self.floats.clone(), any::<bool>());
        let mixed = mixed.prop_map(|(left, right, swap)| if swap { vec![right, left] } else { vec![left, right] });
        let functions = [Function::Abs, Function::Floor, Function::Ceil, Function::Round, Function::Ln, Function::Exp, Function::Sqrt];
        let floats = [DataType::Float16, DataType::Float32, DataType::Float64];
        prop_oneof![
            3 => (select(vec![Add, Subtract, Multiply, Remainder]), mixed).prop_map(pair),
            2 => prop::collection::vec(self.numbers(), 2).prop_map(|two| pair((Divide, two))),
            1 => self.floats.clone().prop_map(negated),
            2 => (select(functions.to_vec()), self.floats.clone().prop_map(|one| vec![one])).prop_map(call),
            1 => (select(vec![Function::Ln, Function::Sqrt]), self.integers.clone().prop_map(|one| vec![one])).prop_map(call),
            1 => prop::collection::vec(self.numbers(), 2).prop_map(|two| call((Function::Power, two))),
            1 => cast(&self.numbers(), &floats),
        ]
        .boxed()
    }

    fn deeper_texts(&self) -> BoxedStrategy<Expr> {
        let texts = self.texts.clone();
        prop_oneof![
            prop::collection::vec(texts.clone(), 2).prop_map(|two| pair((Operator::Concat, two))),
            prop::collection::vec(texts.clone(), 1..4).prop_map(|texts| call((Function::Concat, texts))),
            (select(vec![Function::Lower, Function::Upper]), texts.prop_map(|one| vec![one])).prop_map(call),
            cast(&self.integers, &[DataType::String]),
            cast(&self.bools, &[DataType::String]),
        ]
        .boxed()
    }

    fn cast_times(&self) -> BoxedStrategy<Expr> {
        let timestamp = |unit| DataType::Timestamp { unit, zone: None };
        let all = [TimeUnit::S, TimeUnit::Ms, TimeUnit::Us, TimeUnit::Ns].map(timestamp);
        prop_oneof![cast(&self.times, &all), cast(&self.dates, &all), cast(&self.integers, &all)].boxed()
    }

    /// What works for every kind.
    fn choices(&self, kind: &BoxedStrategy<Expr>) -> BoxedStrategy<Expr> {
        let one = || kind.clone();
        let branches = prop::collection::vec((self.bools.clone(), one()).prop_map(|(when, then)| Branch { when, then }), 1..3);
        let functions = select(vec![Function::Coalesce, Function::Greatest, Function::Least]);
        prop_oneof![
            3 => (branches, prop::option::of(one())).prop_map(|(branches, otherwise)| Expr::Case {
                operand: None,
                branches,
                otherwise: otherwise.map(Box::new)
            }),
            1 => (self.alike(2..4), prop::collection::vec(one(), 4), any::<bool>()).prop_map(switch),
            2 => (functions, prop::collection::vec(one(), 1..4)).prop_map(call),
            1 => prop::collection::vec(one(), 2).prop_map(|two| call((Function::Nullif, two))),
        ]
        .boxed()
    }
}

fn pair((operator, mut two): (Operator, Vec<Expr>)) -> Expr {
    let right = Box::new(two.remove(1));
    Expr::Binary { operator, left: Box::new(two.remove(0)), right }
}

fn between((mut three, negated): (Vec<Expr>, bool)) -> Expr {
    let [high, low, operand] = [2, 1, 0].map(|at| Box::new(three.remove(at)));
    Expr::Between { operand, low, high, negated }
}

fn among((operand, items, null, negated): (Expr, Vec<i64>, bool, bool)) -> Expr {
    let nulls = null.then_some(Scalar::Null);
    let list = items.into_iter().map(Scalar::Int).chain(nulls).map(Expr::literal).collect();
    Expr::In { operand: Box::new(operand), list, negated }
}

fn switch((mut alike, mut results, otherwise): (Vec<Expr>, Vec<Expr>, bool)) -> Expr {
    let operand = Some(Box::new(alike.remove(0)));
    let otherwise = otherwise.then(|| Box::new(results.remove(0)));
    let branches = alike.into_iter().zip(results).map(|(when, then)| Branch { when, then }).collect();
    Expr::Case { operand, branches, otherwise }
}

fn negated(operand: Expr) -> Expr {
    Expr::Negate(Box::new(operand))
}

fn call((function, arguments): (Function, Vec<Expr>)) -> Expr {
    Expr::Call { function, arguments }
}

fn cast(kind: &BoxedStrategy<Expr>, to: &[DataType]) -> BoxedStrategy<Expr> {
    (kind.clone(), select(to.to_vec())).prop_map(|(operand, to)| Expr::Cast { operand: Box::new(operand), to }).boxed()
}

fn expressions() -> BoxedStrategy<Expr> {
    let one = Kinds::leaves().deeper();
    let all = |kinds: Kinds| {
        let Kinds { bools, integers, floats, texts, dates, times, instants } = kinds;
        prop_oneof![4 => bools, 2 => integers, 2 => floats, 2 => texts, 1 => dates, 1 => times, 1 => instants]
    };
    prop_oneof![all(one.clone()), all(one.clone().deeper()), all(one.deeper().deeper())].boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn polars_agrees_with_the_interpreter(expr in expressions(), rows in rows()) {
        agree(&expr, &rows)?;
        prop_assert_eq!(parse(&expr.to_string()), Ok(expr));
    }
}
