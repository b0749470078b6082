//! Lowers an [`Expr`] to Polars: every cast is written out, so that Polars has nothing of its own to decide.
//!
//! Works on stored values: dates are their days (int32), timestamps their epochs (int64), vectors lists. Knows nothing of batches.
//! Invariant: of an expression that has a type, the lowered one has the [`stored`] form of it.
//!
//! Polars computes all branches of a `CASE` for all rows. What can fail for a row therefore gets null in the rows that do not take
//! its branch: the *guard*, which is true in those that do.

use super::udf;
use crate::catalog::expr::{Branch, Expr, Function, Operator, Scalar, State};
use crate::catalog::types::{DataType, TimeUnit};
use polars::prelude::{self as pl, ChunkCompareIneq as _, Expr as Column, lit, when};
use std::collections::HashSet;

/// How values of a type are stored while expressions are evaluated.
pub(super) fn stored(data_type: &DataType) -> pl::DataType {
    match data_type {
        DataType::Bool => pl::DataType::Boolean,
        DataType::Int8 => pl::DataType::Int8,
        DataType::Int16 => pl::DataType::Int16,
        DataType::Int32 | DataType::Date => pl::DataType::Int32,
        DataType::Int64 | DataType::Timestamp { .. } => pl::DataType::Int64,
        DataType::UInt8 => pl::DataType::UInt8,
        DataType::UInt16 => pl::DataType::UInt16,
        DataType::UInt32 => pl::DataType::UInt32,
        DataType::UInt64 => pl::DataType::UInt64,
        DataType::Float16 => pl::DataType::Float16,
        DataType::Float32 => pl::DataType::Float32,
        DataType::Float64 => pl::DataType::Float64,
        DataType::String => pl::DataType::String,
        DataType::Binary => pl::DataType::Binary,
        DataType::List(element) | DataType::Vector(element, _) => pl::DataType::List(Box::new(stored(element))),
    }
}

/// Lowers expressions over columns of known types.
pub(super) struct Lowering<'a> {
    pub(super) types: &'a dyn Fn(&str) -> Option<DataType>,
}

/// Which rows an expression is wanted for; `None` is all.
type Guard<'g> = Option<&'g Column>;

impl Lowering<'_> {
    /// An expression that has been typed; what is always null becomes a null of no consequence.
    pub(super) fn lower(&self, expr: &Expr, guard: Guard) -> Column {
        let Some(own) = self.type_of(expr) else { return null(&DataType::Bool) };
        match expr {
            Expr::Column(name) => pl::col(name.as_str()),
            Expr::Literal(value) => literal(value),
            Expr::Not(operand) => self.condition(operand, guard).not(),
            Expr::Negate(operand) if own == DataType::Int64 => {
                checked(typed(0_i64), self.lower_as(operand, &own, guard), guard, "-", i64::checked_sub)
            }
            Expr::Negate(operand) => udf::float(self.lower_as(operand, &own, guard), |x| -x),
            Expr::Binary { operator, left, right } => self.binary(*operator, left, right, guard),
            Expr::Is { operand, state, negated } => negate_if(self.is(operand, *state, guard), *negated),
            Expr::In { operand, list, negated } => negate_if(self.is_in(operand, list, guard), *negated),
            Expr::Between { operand, low, high, negated } => {
                let from = self.compare(Operator::GreaterOrEqual, operand, low, guard);
                negate_if(from.and(self.compare(Operator::LessOrEqual, operand, high, guard)), *negated)
            }
            Expr::Like { operand, pattern, negated } => {
                let pattern: Vec<char> = pattern.chars().collect();
                let text = self.lower_as(operand, &DataType::String, guard);
                negate_if(udf::test_text(text, move |text| udf::like(text, &pattern)), *negated)
            }
            Expr::Case { operand, branches, otherwise } => self.case(operand.as_deref(), branches, otherwise.as_deref(), &own, guard),
            Expr::Cast { operand, to } => self.cast(operand, to, guard),
            Expr::Call { function, arguments } => self.call(*function, arguments, &own, guard),
        }
    }

    fn type_of(&self, expr: &Expr) -> Option<DataType> {
        expr.nullable_type(self.types, &[]).ok().flatten()
    }

    /// Turned into a type that [`common_type`] or arithmetic has found.
    fn lower_as(&self, expr: &Expr, to: &DataType, guard: Guard) -> Column {
        let Some(from) = self.type_of(expr) else { return null(to) };
        let lowered = self.lower(expr, guard);
        match (&from, to) {
            (from, to) if from == to => lowered,
            (DataType::Timestamp { unit: from, .. }, DataType::Timestamp { unit: to, .. }) => rescale(lowered, *from, *to, guard),
            (DataType::UInt64, DataType::Int64) => masked(lowered, guard, &from).strict_cast(stored(to)),
            (_, to) => lowered.cast(stored(to)),
        }
    }

    fn condition(&self, expr: &Expr, guard: Guard) -> Column {
        self.lower_as(expr, &DataType::Bool, guard)
    }

    fn binary(&self, operator: Operator, left: &Expr, right: &Expr, guard: Guard) -> Column {
        match operator {
            Operator::And => self.condition(left, guard).and(self.condition(right, guard)),
            Operator::Or => self.condition(left, guard).or(self.condition(right, guard)),
            Operator::Concat => self.lower_as(left, &DataType::String, guard) + self.lower_as(right, &DataType::String, guard),
            operator if operator.is_comparison() => self.compare(operator, left, right, guard),
            operator => self.arithmetic(operator, left, right, guard),
        }
    }

    fn arithmetic(&self, operator: Operator, left: &Expr, right: &Expr, guard: Guard) -> Column {
        let integers = [left, right].iter().all(|side| self.type_of(side).is_none_or(|found| found.is_integer()));
        if integers && operator != Operator::Divide {
            let [left, right] = [left, right].map(|side| self.lower_as(side, &DataType::Int64, guard));
            return integer_arithmetic(operator, left, right, guard);
        }
        let [left, right] = [left, right].map(|side| self.lower_as(side, &DataType::Float64, guard));
        match operator {
            Operator::Add => left + right,
            Operator::Subtract => left - right,
            Operator::Multiply => left * right,
            Operator::Remainder => udf::floats(left, right, |left, right| left % right),
            _ => udf::floats(left, right, |left, right| left / right),
        }
    }

    fn compare(&self, operator: Operator, left: &Expr, right: &Expr, guard: Guard) -> Column {
        let (Some(one), Some(other)) = (self.type_of(left), self.type_of(right)) else { return null(&DataType::Bool) };
        let as_type = |to: &DataType| [left, right].map(|side| self.lower_as(side, to, guard));
        match (&one, &other) {
            (DataType::Timestamp { unit: one, .. }, DataType::Timestamp { unit: other, .. }) => {
                compare_epochs(operator, (self.lower(left, guard), *one), (self.lower(right, guard), *other))
            }
            (one, other) if one == other => compare_stored(operator, self.lower(left, guard), self.lower(right, guard)),
            (one, other) if one.is_integer() && other.is_integer() => {
                let [left, right] = [(left, one), (right, other)].map(|(side, own)| {
                    let wide = if *own == DataType::UInt64 { DataType::UInt64 } else { DataType::Int64 };
                    self.lower_as(side, &wide, guard)
                });
                if *one != DataType::UInt64 && *other != DataType::UInt64 {
                    return compare_stored(operator, left, right);
                }
                udf::compare_integers(left, right, move |left, right| holds(operator, left.cmp(&right)))
            }
            _ => {
                let [left, right] = as_type(&DataType::Float64);
                compare_stored(operator, left, right)
            }
        }
    }

    fn is(&self, operand: &Expr, state: State, guard: Guard) -> Column {
        match state {
            State::Null if self.type_of(operand).is_none() => lit(true),
            State::Null => self.lower(operand, guard).is_null(),
            State::True => self.condition(operand, guard).fill_null(lit(false)),
            State::False => self.condition(operand, guard).not().fill_null(lit(false)),
        }
    }

    fn is_in(&self, operand: &Expr, list: &[Expr], guard: Guard) -> Column {
        if let Some(found) = self.is_among_literals(operand, list, guard) {
            return found;
        }
        let equal = list.iter().map(|item| self.compare(Operator::Equal, operand, item, guard));
        equal.reduce(Column::or).unwrap_or_else(|| lit(false))
    }

    /// Lists of literals can be long; integers and strings are looked up instead of compared one by one.
    fn is_among_literals(&self, operand: &Expr, list: &[Expr], guard: Guard) -> Option<Column> {
        let literals = list.iter().map(|item| if let Expr::Literal(value) = item { Some(&value.value) } else { None });
        let literals = literals.collect::<Option<Vec<_>>>()?;
        let nulls = literals.iter().filter(|value| ***value == Scalar::Null).count();
        if nulls == literals.len() {
            return None;
        }
        let found = match self.type_of(operand)? {
            DataType::String => {
                let texts: HashSet<String> = literals.iter().filter_map(|value| text(value)).collect();
                udf::test_text(self.lower(operand, guard), move |text| texts.contains(text))
            }
            own if own.is_integer() && own != DataType::UInt64 => {
                let integers: Vec<i64> = literals.iter().filter_map(|value| integer(value)).collect();
                // A float among them compares as a float.
                if integers.len() + nulls < literals.len() {
                    return None;
                }
                let integers: HashSet<i64> = integers.into_iter().collect();
                udf::test_integer(self.lower_as(operand, &DataType::Int64, guard), move |value| integers.contains(&value))
            }
            _ => return None,
        };
        Some(if nulls > 0 { found.or(null(&DataType::Bool)) } else { found })
    }

    fn case(&self, operand: Option<&Expr>, branches: &[Branch], otherwise: Option<&Expr>, to: &DataType, guard: Guard) -> Column {
        let condition = |branch: &Branch| match operand {
            Some(operand) => self.compare(Operator::Equal, operand, &branch.when, guard),
            None => self.condition(&branch.when, guard),
        };
        let mut rest = guard.cloned().unwrap_or_else(|| lit(true));
        let mut taken = Vec::with_capacity(branches.len());
        for branch in branches {
            let holds = condition(branch).fill_null(lit(false));
            let here = rest.clone().and(holds.clone());
            taken.push((holds.clone(), self.lower_as(&branch.then, to, Some(&here))));
            rest = rest.and(holds.not());
        }
        let last = otherwise.map_or_else(|| null(to), |otherwise| self.lower_as(otherwise, to, Some(&rest)));
        taken.into_iter().rev().fold(last, |otherwise, (holds, then)| when(holds).then(then).otherwise(otherwise))
    }

    fn cast(&self, operand: &Expr, to: &DataType, guard: Guard) -> Column {
        use DataType::{Bool, Date, Float64, Int64, String, Timestamp};
        let Some(from) = self.type_of(operand) else { return null(to) };
        let lowered = masked(self.lower(operand, guard), guard, &from);
        match (&from, to) {
            (from, to) if from == to => lowered,
            (Timestamp { unit: from, .. }, Timestamp { unit: to, .. }) => rescale(lowered, *from, *to, guard),
            (Date, Timestamp { unit, .. }) => rescale_by(lowered.cast(stored(&Int64)), DAY * unit.per_second(), guard),
            (Timestamp { unit, .. }, Date) => floor_divided(lowered, DAY * unit.per_second()).strict_cast(stored(to)),
            (String, to) if to.is_float() => udf::parse_texts::<pl::Float64Type>(lowered, stored(&Float64)).cast(stored(to)),
            (String, DataType::UInt64) => udf::parse_texts::<pl::UInt64Type>(lowered, stored(to)),
            (String, to) => udf::parse_texts::<pl::Int64Type>(lowered, stored(&Int64)).strict_cast(stored(to)),
            (from, Bool) => lowered.neq(typed(0_i64).cast(stored(from))),
            // A float32 or float16 is rounded from a float64 once, whatever it comes from.
            (_, to) if to.is_float() => lowered.cast(stored(&Float64)).cast(stored(to)),
            (from, to) if from.is_float() => lowered.cast(stored(&Float64)).strict_cast(stored(to)),
            (_, to) => lowered.strict_cast(stored(to)),
        }
    }

    fn call(&self, function: Function, arguments: &[Expr], own: &DataType, guard: Guard) -> Column {
        let at = |index: usize, to: &DataType| arguments.get(index).map_or_else(|| null(to), |expr| self.lower_as(expr, to, guard));
        let all = |to: &DataType| arguments.iter().map(|expr| self.lower_as(expr, to, guard)).collect::<Vec<_>>();
        let float = |f: fn(f64) -> f64| udf::float(at(0, &DataType::Float64), f);
        let integer = *own == DataType::Int64;
        match function {
            Function::Coalesce => pl::coalesce(&all(own)),
            Function::Nullif => self.nullif(arguments, own, guard),
            Function::Abs if integer => checked(at(0, own), typed(0_i64), guard, "abs", |value, _| value.checked_abs()),
            Function::Floor | Function::Ceil | Function::Round if integer => at(0, own),
            Function::Abs => float(f64::abs),
            Function::Floor => float(f64::floor),
            Function::Ceil => float(f64::ceil),
            Function::Round => float(f64::round),
            Function::Ln => float(f64::ln),
            Function::Exp => float(f64::exp),
            Function::Sqrt => float(f64::sqrt),
            Function::Power => udf::floats(at(0, &DataType::Float64), at(1, &DataType::Float64), f64::powf),
            Function::Greatest => udf::extreme(all(own), stored(own), |next, best| next.gt(best)),
            Function::Least => udf::extreme(all(own), stored(own), |next, best| next.lt(best)),
            Function::Lower => at(0, own).str().to_lowercase(),
            Function::Upper => at(0, own).str().to_uppercase(),
            Function::Length => at(0, &DataType::String).str().len_chars().cast(stored(own)),
            Function::Concat => all(own).into_iter().map(|text| text.fill_null(lit(""))).reduce(|a, b| a + b).unwrap_or_else(|| lit("")),
            Function::StartsWith => udf::compare_texts(at(0, &DataType::String), at(1, &DataType::String), |a, b| a.starts_with(b)),
            Function::EndsWith => udf::compare_texts(at(0, &DataType::String), at(1, &DataType::String), |a, b| a.ends_with(b)),
            Function::Contains => udf::compare_texts(at(0, &DataType::String), at(1, &DataType::String), |a, b| a.contains(b)),
            Function::Len => self.lower(&arguments[0], guard).list().len().cast(stored(own)),
            Function::ListContains => self.list_contains(&arguments[0], &arguments[1], guard),
        }
    }

    fn nullif(&self, arguments: &[Expr], own: &DataType, guard: Guard) -> Column {
        let [first, second] = arguments else { return null(own) };
        when(self.compare(Operator::Equal, first, second, guard)).then(null(own)).otherwise(self.lower(first, guard))
    }

    fn list_contains(&self, list: &Expr, element: &Expr, guard: Guard) -> Column {
        let (Some(DataType::List(inner) | DataType::Vector(inner, _)), Some(asked)) = (self.type_of(list), self.type_of(element)) else {
            return null(&DataType::Bool);
        };
        let (list, element) = (self.lower(list, guard), self.lower(element, guard));
        let (within, wanted) = match (&*inner, &asked) {
            (DataType::Timestamp { unit: to, .. }, DataType::Timestamp { unit: from, .. }) => {
                (list.clone(), rescale_exactly(element.clone(), *from, *to))
            }
            // What the elements' type cannot say is none of them.
            (inner, asked) if inner == asked || (inner.is_integer() && asked.is_integer()) => {
                (list.clone(), element.clone().cast(stored(inner)))
            }
            _ => {
                let float = DataType::Float64;
                (list.clone().cast(stored(&float.clone().list())), element.clone().cast(stored(&float)))
            }
        };
        let found = within.list().contains(wanted, false).fill_null(lit(false));
        when(list.is_null().or(element.is_null())).then(null(&DataType::Bool)).otherwise(found)
    }
}

const DAY: i64 = 86_400;

fn null(of: &DataType) -> Column {
    lit(pl::NULL).cast(stored(of))
}

/// A number of its own type; `lit` alone would leave the type to Polars.
fn typed(number: impl Into<pl::Scalar>) -> Column {
    lit(number.into())
}

fn literal(value: &Scalar) -> Column {
    match value {
        Scalar::Null => lit(pl::NULL),
        Scalar::Bool(value) => lit(*value),
        Scalar::Int(value) => typed(*value),
        Scalar::Float(value) => typed(*value),
        Scalar::String(text) => lit(text.as_str()),
        Scalar::Date(days) => typed(*days),
        Scalar::Timestamp { micros, .. } => typed(*micros),
    }
}

fn text(value: &Scalar) -> Option<String> {
    if let Scalar::String(text) = value { Some(text.clone()) } else { None }
}

fn integer(value: &Scalar) -> Option<i64> {
    if let Scalar::Int(value) = value { Some(*value) } else { None }
}

fn negate_if(condition: Column, negated: bool) -> Column {
    if negated { condition.not() } else { condition }
}

/// Null in the rows that the guard leaves out.
fn masked(operand: Column, guard: Guard, of: &DataType) -> Column {
    match guard {
        Some(guard) => when(guard.clone()).then(operand).otherwise(null(of)),
        None => operand,
    }
}

fn integer_arithmetic(operator: Operator, left: Column, right: Column, guard: Guard) -> Column {
    match operator {
        Operator::Add => checked(left, right, guard, "+", i64::checked_add),
        Operator::Subtract => checked(left, right, guard, "-", i64::checked_sub),
        Operator::Multiply => checked(left, right, guard, "*", i64::checked_mul),
        _ => udf::integers(left, right, |left, right| Ok((right != 0).then(|| left.wrapping_rem(right)))),
    }
}

fn checked(left: Column, right: Column, guard: Guard, symbol: &'static str, f: fn(i64, i64) -> Option<i64>) -> Column {
    udf::integers(masked(left, guard, &DataType::Int64), right, move |left, right| {
        f(left, right).map(Some).ok_or_else(|| format!("{left} {symbol} {right} is beyond int64"))
    })
}

/// An epoch in another unit: a finer one may overflow, a coarser one rounds down.
fn rescale(epoch: Column, from: TimeUnit, to: TimeUnit, guard: Guard) -> Column {
    let (from, to) = (from.per_second(), to.per_second());
    if to >= from { rescale_by(epoch, to / from, guard) } else { floor_divided(epoch, from / to) }
}

fn rescale_by(epoch: Column, factor: i64, guard: Guard) -> Column {
    if factor == 1 { epoch } else { checked(epoch, typed(factor), guard, "*", i64::checked_mul) }
}

fn floor_divided(epoch: Column, divisor: i64) -> Column {
    udf::integers(epoch, typed(divisor), |epoch, divisor| Ok(Some(epoch.div_euclid(divisor))))
}

/// An epoch in another unit where that can say it, else null.
fn rescale_exactly(epoch: Column, from: TimeUnit, to: TimeUnit) -> Column {
    let (from, to) = (from.per_second(), to.per_second());
    udf::integers(epoch, typed(0_i64), move |epoch, _| {
        let exact = i128::from(epoch) * i128::from(to);
        Ok(if exact % i128::from(from) == 0 { i64::try_from(exact / i128::from(from)).ok() } else { None })
    })
}

/// Compares in the finer unit, where every epoch of the coarser one has its place, beyond the reach of int64 too.
fn compare_epochs(operator: Operator, (left, one): (Column, TimeUnit), (right, other): (Column, TimeUnit)) -> Column {
    if one == other {
        return compare_stored(operator, left, right);
    }
    let finest = one.per_second().max(other.per_second());
    let [one, other] = [one, other].map(|unit| i128::from(finest / unit.per_second()));
    udf::compare_integers(left, right, move |left, right| holds(operator, (left * one).cmp(&(right * other))))
}

fn compare_stored(operator: Operator, left: Column, right: Column) -> Column {
    match operator {
        Operator::Equal => left.eq(right),
        Operator::NotEqual => left.neq(right),
        Operator::Less => left.lt(right),
        Operator::LessOrEqual => left.lt_eq(right),
        Operator::Greater => left.gt(right),
        _ => left.gt_eq(right),
    }
}

fn holds(operator: Operator, ordering: std::cmp::Ordering) -> bool {
    match operator {
        Operator::Equal => ordering.is_eq(),
        Operator::NotEqual => ordering.is_ne(),
        Operator::Less => ordering.is_lt(),
        Operator::LessOrEqual => ordering.is_le(),
        Operator::Greater => ordering.is_gt(),
        _ => ordering.is_ge(),
    }
}
