//! The filters and computed columns of random workspaces: SQL beside a closure that says what it means.
//!
//! Invariant: a closure is written from SQL's rules alone: a comparison with null is neither true nor false, and only what is true passes.

use super::rows::{Kind, Row, Value};

/// What a condition says of a row; `None` is SQL's unknown.
pub type Test = fn(&Value) -> Option<bool>;

/// What a computed column makes of a row's value.
pub type Compute = fn(&Value) -> Value;

/// A condition on one column.
#[derive(Debug, Clone)]
pub struct Condition {
    pub text: String,
    pub column: String,
    test: Test,
}

impl Condition {
    pub fn new(column: &str, (text, test): (&str, Test)) -> Self {
        Self { text: text.replace("{}", column), column: column.into(), test }
    }

    pub fn holds(&self, row: &Row) -> bool {
        (self.test)(&row[&self.column]) == Some(true)
    }
}

fn text(value: &Value, test: fn(&str) -> bool) -> Option<bool> {
    value.text().map(test)
}

fn int(value: &Value, test: fn(i64) -> bool) -> Option<bool> {
    value.int().map(test)
}

fn float(value: &Value, test: fn(f64) -> bool) -> Option<bool> {
    value.float().map(test)
}

fn not(test: Option<bool>) -> Option<bool> {
    test.map(|test| !test)
}

fn or(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

const TEXT: &[(&str, Test)] = &[
    ("{} = 'like'", |v| text(v, |t| t == "like")),
    ("{} <> 'view'", |v| text(v, |t| t != "view")),
    ("{} IN ('view', 'like', 'gold')", |v| text(v, |t| ["view", "like", "gold"].contains(&t))),
    ("{} NOT IN ('view', 'sdxl')", |v| text(v, |t| !["view", "sdxl"].contains(&t))),
    ("{} LIKE '%i%'", |v| text(v, |t| t.contains('i'))),
    ("{} IS NULL OR {} = 'view'", |v| or(Some(v.is_null()), text(v, |t| t == "view"))),
    ("NOT ({} = 'view' OR {} = 'gold')", |v| not(or(text(v, |t| t == "view"), text(v, |t| t == "gold")))),
];

const INT: &[(&str, Test)] = &[
    ("{} > 0", |v| int(v, |n| n > 0)),
    ("{} <= 2", |v| int(v, |n| n <= 2)),
    ("{} BETWEEN 1 AND 11", |v| int(v, |n| (1..=11).contains(&n))),
    ("{} IS NOT NULL", |v| Some(!v.is_null())),
    ("{} IS NULL OR {} <> 2", |v| or(Some(v.is_null()), int(v, |n| n != 2))),
    ("coalesce({}, 0) < 3", |v| Some(v.int().unwrap_or(0) < 3)),
];

const FLOAT: &[(&str, Test)] = &[
    ("{} > 0.4", |v| float(v, |x| x > 0.4)),
    ("NOT {} >= 0.7", |v| float(v, |x| x < 0.7)),
    ("{} IS NULL OR {} < 0.7", |v| or(Some(v.is_null()), float(v, |x| x < 0.7))),
];

/// Conditions on a column of a kind.
pub fn conditions(kind: Kind) -> &'static [(&'static str, Test)] {
    match kind {
        Kind::Text => TEXT,
        Kind::Int | Kind::Int32 => INT,
        Kind::Float => FLOAT,
        _ => &[],
    }
}

fn number(value: &Value, compute: fn(f64) -> f64) -> Value {
    value.float().map_or(Value::Null, |x| Value::Float(compute(x)))
}

fn whole(value: &Value, compute: fn(i64) -> i64) -> Value {
    value.int().map_or(Value::Null, |n| Value::Int(compute(n)))
}

/// Computed columns: their kind, how they are written, what they mean.
pub fn computed(kind: Kind) -> &'static [(Kind, &'static str, Compute)] {
    match kind {
        Kind::Text => &[
            (Kind::Bool, "{} = 'like'", |v| v.text().map_or(Value::Null, |t| Value::Bool(t == "like"))),
            (Kind::Int, "CASE WHEN {} = 'like' THEN 1 ELSE 0 END", |v| Value::Int((v.text() == Some("like")).into())),
            (Kind::Text, "coalesce({}, 'none')", |v| Value::Text(v.text().unwrap_or("none").into())),
        ],
        Kind::Int | Kind::Int32 => &[
            (Kind::Int, "{} + 1", |v| whole(v, |n| n + 1)),
            (Kind::Float, "({} - 3) / 2.0", |v| number(v, |x| (x - 3.0) / 2.0)),
            (Kind::Float, "{}", |v| number(v, |x| x)),
            (Kind::Bool, "{} IS NULL", |v| Value::Bool(v.is_null())),
        ],
        Kind::Float => &[
            (Kind::Float, "{} * 2.0", |v| number(v, |x| x * 2.0)),
            (Kind::Float, "coalesce({}, 0.25)", |v| Value::Float(v.float().unwrap_or(0.25))),
        ],
        Kind::Ints => &[(Kind::Int, "len({})", |v| v.list().map_or(Value::Null, |list| Value::Int(list.len() as i64)))],
        _ => &[],
    }
}
