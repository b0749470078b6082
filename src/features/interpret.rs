//! The oracle of expressions: one row at a time, one value at a time, nothing clever.
//!
//! Shares with the lowering the tree and the types of its parts, nothing else. Only tests use it.

use crate::catalog::expr::{Expr, Function, Operator, Scalar, State};
use crate::catalog::types::DataType;
use half::f16;
use std::cmp::Ordering;

/// A value of a row. Dates and timestamps are integers; their types say of what.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Value>),
}

use Value::{Bool, Float, Int, List, Null, Text};

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Null, Null) => true,
            (Bool(a), Bool(b)) => a == b,
            (Int(a), Int(b)) => a == b,
            (Float(a), Float(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Text(a), Text(b)) => a == b,
            (List(a), List(b)) => a == b,
            _ => false,
        }
    }
}

/// Why a row has no value.
#[derive(Debug, PartialEq)]
pub(super) struct NoValue;

type Answer = Result<Value, NoValue>;

/// A row and the types of its columns.
pub(super) struct Row<'a> {
    pub(super) types: &'a dyn Fn(&str) -> Option<DataType>,
    pub(super) values: &'a dyn Fn(&str) -> Value,
}

impl Row<'_> {
    fn type_of(&self, expr: &Expr) -> Option<DataType> {
        expr.nullable_type(self.types, &[]).unwrap()
    }

    pub(super) fn value(&self, expr: &Expr) -> Answer {
        let Some(own) = self.type_of(expr) else { return Ok(Null) };
        match expr {
            Expr::Column(name) => Ok((self.values)(name)),
            Expr::Literal(value) => Ok(literal(value)),
            Expr::Not(operand) => Ok(not(self.value(operand)?)),
            Expr::Negate(operand) => match self.value_as(operand, &own)? {
                Int(value) => int64(-value),
                Float(value) => Ok(Float(-value)),
                _ => Ok(Null),
            },
            Expr::Binary { operator, left, right } => self.binary(*operator, left, right, &own),
            Expr::Is { operand, state, negated } => {
                let value = if self.type_of(operand).is_none() { Null } else { self.value(operand)? };
                let is = match state {
                    State::Null => value == Null,
                    State::True => value == Bool(true),
                    State::False => value == Bool(false),
                };
                Ok(Bool(is != *negated))
            }
            Expr::In { operand, list, negated } => {
                let equal = list.iter().map(|item| self.compare(Operator::Equal, operand, item)).collect::<Result<Vec<_>, _>>()?;
                let found = equal.into_iter().fold(Bool(false), or);
                Ok(if *negated { not(found) } else { found })
            }
            Expr::Between { operand, low, high, negated } => {
                let from = self.compare(Operator::GreaterOrEqual, operand, low)?;
                let within = and(from, self.compare(Operator::LessOrEqual, operand, high)?);
                Ok(if *negated { not(within) } else { within })
            }
            Expr::Like { operand, pattern, negated } => Ok(match self.value(operand)? {
                Text(text) => Bool(like(&text.chars().collect::<Vec<_>>(), &pattern.chars().collect::<Vec<_>>()) != *negated),
                _ => Null,
            }),
            Expr::Case { operand, branches, otherwise } => {
                let condition = |when: &Expr| match operand {
                    Some(operand) => self.compare(Operator::Equal, operand, when),
                    None => self.value(when),
                };
                let conditions = branches.iter().map(|branch| condition(&branch.when)).collect::<Result<Vec<_>, _>>()?;
                let taken = conditions.iter().position(|condition| *condition == Bool(true));
                match taken.map(|at| &branches[at].then).or(otherwise.as_deref()) {
                    Some(result) => self.value_as(result, &own),
                    None => Ok(Null),
                }
            }
            Expr::Cast { operand, to } => match self.type_of(operand) {
                Some(from) => cast(self.value(operand)?, &from, to),
                None => Ok(Null),
            },
            Expr::Call { function, arguments } => self.call(*function, arguments, &own),
        }
    }

    /// Without a cast in the text, as numbers and timestamps meet.
    fn value_as(&self, expr: &Expr, to: &DataType) -> Answer {
        let Some(from) = self.type_of(expr) else { return Ok(Null) };
        match (self.value(expr)?, from, to) {
            (Int(value), DataType::Timestamp { unit: from, .. }, DataType::Timestamp { unit: to, .. }) => {
                int64(value * i128::from(to.per_second()) / i128::from(from.per_second()))
            }
            (Int(value), _, to) if to.is_float() => Ok(Float(value as f64)),
            (Int(value), from, DataType::Int64) if from.is_integer() => int64(value),
            (value, ..) => Ok(value),
        }
    }

    fn binary(&self, operator: Operator, left: &Expr, right: &Expr, own: &DataType) -> Answer {
        if operator.is_comparison() {
            return self.compare(operator, left, right);
        }
        let to = if operator == Operator::Divide { DataType::Float64 } else { own.clone() };
        Ok(match (operator, self.value_as(left, &to)?, self.value_as(right, &to)?) {
            (Operator::And, left, right) => and(left, right),
            (Operator::Or, left, right) => or(left, right),
            (Operator::Concat, Text(left), Text(right)) => Text(left + &right),
            (Operator::Add, Int(left), Int(right)) => return int64(left + right),
            (Operator::Subtract, Int(left), Int(right)) => return int64(left - right),
            (Operator::Multiply, Int(left), Int(right)) => return int64(left * right),
            (Operator::Remainder, Int(_), Int(0)) => Null,
            (Operator::Remainder, Int(left), Int(right)) => Int(left % right),
            (Operator::Add, Float(left), Float(right)) => Float(left + right),
            (Operator::Subtract, Float(left), Float(right)) => Float(left - right),
            (Operator::Multiply, Float(left), Float(right)) => Float(left * right),
            (Operator::Divide, Float(left), Float(right)) => Float(left / right),
            (Operator::Remainder, Float(left), Float(right)) => Float(left % right),
            _ => Null,
        })
    }

    fn compare(&self, operator: Operator, left: &Expr, right: &Expr) -> Answer {
        let (Some(one), Some(other)) = (self.type_of(left), self.type_of(right)) else { return Ok(Null) };
        let (left, right) = (in_nanoseconds(self.value(left)?, &one), in_nanoseconds(self.value(right)?, &other));
        Ok(match order(&left, &right) {
            None => Null,
            Some(ordering) => Bool(match operator {
                Operator::Equal => ordering == Ordering::Equal,
                Operator::NotEqual => ordering != Ordering::Equal,
                Operator::Less => ordering == Ordering::Less,
                Operator::LessOrEqual => ordering != Ordering::Greater,
                Operator::Greater => ordering == Ordering::Greater,
                _ => ordering != Ordering::Less,
            }),
        })
    }

    fn call(&self, function: Function, arguments: &[Expr], own: &DataType) -> Answer {
        if function == Function::Nullif {
            let (value, equal) = (self.value(&arguments[0])?, self.compare(Operator::Equal, &arguments[0], &arguments[1])?);
            return Ok(if equal == Bool(true) { Null } else { value });
        }
        let common = [Function::Coalesce, Function::Greatest, Function::Least].contains(&function);
        let value = |expr: &Expr| if common { self.value_as(expr, own) } else { self.value(expr) };
        let values = arguments.iter().map(value).collect::<Result<Vec<_>, _>>()?;
        let float = |value: &Value| if let Int(value) = value { Float(*value as f64) } else { value.clone() };
        let rounded = |f: fn(f64) -> f64| match &values[0] {
            Float(value) => Float(f(*value)),
            value => value.clone(),
        };
        Ok(match (function, &values[..]) {
            (Function::Coalesce, values) => values.iter().find(|value| **value != Null).cloned().unwrap_or(Null),
            (Function::Greatest, _) => self.extreme(values, Ordering::Greater),
            (Function::Least, _) => self.extreme(values, Ordering::Less),
            (Function::Concat, values) => {
                Text(values.iter().map(|value| if let Text(text) = value { text.as_str() } else { "" }).collect::<String>())
            }
            (Function::ListContains, [List(elements), sought]) if *sought != Null => {
                let inner = match self.type_of(&arguments[0]) {
                    Some(DataType::List(inner) | DataType::Vector(inner, _)) => *inner,
                    other => panic!("{other:?}"),
                };
                let sought = in_nanoseconds(sought.clone(), &self.type_of(&arguments[1]).unwrap());
                let is = |element: &Value| order(&in_nanoseconds(element.clone(), &inner), &sought) == Some(Ordering::Equal);
                Bool(elements.iter().any(is))
            }
            (_, values) if values.contains(&Null) => Null,
            (Function::Abs, [Int(value)]) => return int64(value.abs()),
            (Function::Floor | Function::Ceil | Function::Round, [Int(value)]) => return int64(*value),
            (Function::Abs, _) => rounded(f64::abs),
            (Function::Floor, _) => rounded(f64::floor),
            (Function::Ceil, _) => rounded(f64::ceil),
            (Function::Round, _) => rounded(f64::round),
            (Function::Ln | Function::Exp | Function::Sqrt, [value]) => match (function, float(value)) {
                (Function::Ln, Float(value)) => Float(value.ln()),
                (Function::Exp, Float(value)) => Float(value.exp()),
                (_, Float(value)) => Float(value.sqrt()),
                (_, other) => panic!("{other:?}"),
            },
            (Function::Power, [base, exponent]) => match (float(base), float(exponent)) {
                (Float(base), Float(exponent)) => Float(base.powf(exponent)),
                other => panic!("{other:?}"),
            },
            (Function::Lower, [Text(text)]) => Text(text.to_lowercase()),
            (Function::Upper, [Text(text)]) => Text(text.to_uppercase()),
            (Function::Length, [Text(text)]) => Int(text.chars().count() as i128),
            (Function::StartsWith, [Text(text), Text(part)]) => Bool(text.starts_with(part.as_str())),
            (Function::EndsWith, [Text(text), Text(part)]) => Bool(text.ends_with(part.as_str())),
            (Function::Contains, [Text(text), Text(part)]) => Bool(text.contains(part.as_str())),
            (Function::Len, [List(elements)]) => Int(elements.len() as i128),
            other => panic!("{other:?}"),
        })
    }

    fn extreme(&self, values: Vec<Value>, wanted: Ordering) -> Value {
        values.into_iter().fold(Null, |best, next| if best == Null || order(&next, &best) == Some(wanted) { next } else { best })
    }
}

fn literal(value: &Scalar) -> Value {
    match value {
        Scalar::Null => Null,
        Scalar::Bool(value) => Bool(*value),
        Scalar::Int(value) => Int((*value).into()),
        Scalar::Float(value) => Float(*value),
        Scalar::String(text) => Text(text.clone()),
        Scalar::Date(days) => Int((*days).into()),
        Scalar::Timestamp { micros, .. } => Int((*micros).into()),
    }
}

fn int64(value: i128) -> Answer {
    i64::try_from(value).map(|value| Int(value.into())).map_err(|_| NoValue)
}

fn not(value: Value) -> Value {
    if let Bool(value) = value { Bool(!value) } else { Null }
}

fn and(left: Value, right: Value) -> Value {
    match (left, right) {
        (Bool(false), _) | (_, Bool(false)) => Bool(false),
        (Bool(true), Bool(true)) => Bool(true),
        _ => Null,
    }
}

fn or(left: Value, right: Value) -> Value {
    not(and(not(left), not(right)))
}

fn in_nanoseconds(value: Value, of: &DataType) -> Value {
    match (value, of) {
        (Int(epoch), DataType::Timestamp { unit, .. }) => Int(epoch * i128::from(1_000_000_000 / unit.per_second())),
        (value, _) => value,
    }
}

/// Null has no order; NaN is the greatest number and equals itself.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    let numbers = |left: f64, right: f64| match (left.is_nan(), right.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => left.partial_cmp(&right).unwrap(),
    };
    match (left, right) {
        (Null, _) | (_, Null) => None,
        (Bool(left), Bool(right)) => Some(left.cmp(right)),
        (Int(left), Int(right)) => Some(left.cmp(right)),
        (Int(left), Float(right)) => Some(numbers(*left as f64, *right)),
        (Float(left), Int(right)) => Some(numbers(*left, *right as f64)),
        (Float(left), Float(right)) => Some(numbers(*left, *right)),
        (Text(left), Text(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
        other => panic!("{other:?} do not compare"),
    }
}

fn like(text: &[char], pattern: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('%', rest)) => (0..=text.len()).any(|eaten| like(&text[eaten..], rest)),
        Some((c, rest)) => text.split_first().is_some_and(|(first, text)| (*c == '_' || c == first) && like(text, rest)),
    }
}

/// The least and the greatest of an integer type.
pub(super) fn bounds(of: &DataType) -> (i128, i128) {
    match of {
        DataType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 | DataType::Date => (i32::MIN.into(), i32::MAX.into()),
        DataType::UInt8 => (0, u8::MAX.into()),
        DataType::UInt16 => (0, u16::MAX.into()),
        DataType::UInt32 => (0, u32::MAX.into()),
        DataType::UInt64 => (0, u64::MAX.into()),
        _ => (i64::MIN.into(), i64::MAX.into()),
    }
}

fn fits(value: i128, to: &DataType) -> Answer {
    let (least, greatest) = bounds(to);
    if (least..=greatest).contains(&value) { Ok(Int(value)) } else { Err(NoValue) }
}

fn cast(value: Value, from: &DataType, to: &DataType) -> Answer {
    use DataType::{Date, Timestamp};
    let day = |per_second: i64| i128::from(86_400 * per_second);
    match (value, from, to) {
        (Null, ..) => Ok(Null),
        (value, from, to) if from == to => Ok(value),
        (Int(epoch), Timestamp { unit: from, .. }, Timestamp { unit: to, .. }) => {
            int64((epoch * i128::from(to.per_second())).div_euclid(i128::from(from.per_second())))
        }
        (Int(days), Date, Timestamp { unit, .. }) => int64(days * day(unit.per_second())),
        (Int(epoch), Timestamp { unit, .. }, Date) => fits(epoch.div_euclid(day(unit.per_second())), to),
        (Text(text), _, to) if to.is_float() => cast(Float(text.parse().map_err(|_| NoValue)?), &DataType::Float64, to),
        (Text(text), _, to) => fits(text.parse().map_err(|_| NoValue)?, to),
        (Bool(value), _, DataType::String) => Ok(Text(value.to_string())),
        (Bool(value), _, to) => cast(Int(value.into()), &DataType::Int64, to),
        (Int(value), _, DataType::Bool) => Ok(Bool(value != 0)),
        (Float(value), _, DataType::Bool) => Ok(Bool(value != 0.0)),
        (Int(value), _, DataType::String) => Ok(Text(value.to_string())),
        (Int(value), _, to) if to.is_float() => Ok(Float(rounded(value as f64, to))),
        (Float(value), _, to) if to.is_float() => Ok(Float(rounded(value, to))),
        (Float(value), _, _) if !value.is_finite() || value.abs() > 1e30 => Err(NoValue),
        (Float(value), _, to) => fits(value as i128, to),
        (Int(value), _, to) => fits(value, to),
        other => panic!("{other:?}"),
    }
}

/// A float as a narrower type can hold it.
pub(super) fn rounded(value: f64, to: &DataType) -> f64 {
    match to {
        DataType::Float16 => f16::from_f64(value).to_f64(),
        DataType::Float32 => (value as f32).into(),
        _ => value,
    }
}
