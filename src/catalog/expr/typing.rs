//! Which type an expression has, and which expressions have none.
//!
//! Knows the columns by their names and types alone. The type of `NULL`, and of what is null whatever the row, is `None`: it goes
//! with every type. Invariant: what passes here has a meaning in `features`, so evaluation fails for rows only, never for types.

use super::{Branch, Expr, ExprError, ExprErrorKind, Function, Operator, Place, Scalar, State};
use crate::catalog::types::{DataType, TimeUnit};
use crate::source::suggestion;
use std::collections::HashSet;

type Typed = Result<Option<DataType>, ExprError>;

impl Expr {
    /// Its type. `types` gives the type of a column; `known` are the columns that a mistyped name could have meant.
    pub fn infer(&self, types: &dyn Fn(&str) -> Option<DataType>, known: &[String]) -> Result<DataType, ExprError> {
        self.nullable_type(types, known)?.ok_or_else(|| {
            let error = ExprError::new(ExprErrorKind::Type, "it is always null, and so has no type", self.place());
            error.hint("write CAST(NULL AS int64), or any other type")
        })
    }

    /// Everything that keeps it from having a type: the innermost causes, each once, in the order of the text.
    pub fn mistakes(&self, types: &dyn Fn(&str) -> Option<DataType>, known: &[String]) -> Vec<ExprError> {
        let mut found = Columns { types, known }.mistakes(self, Columns::of);
        let mut seen = HashSet::new();
        found.retain(|error| seen.insert(error.message.clone()));
        found
    }

    /// Like [`Expr::infer`], with `None` for what is always null.
    pub fn nullable_type(&self, types: &dyn Fn(&str) -> Option<DataType>, known: &[String]) -> Typed {
        Columns { types, known }.of(self)
    }
}

/// The type that both can be turned into without a cast, as in the branches of a `CASE`; `None` in, `None` out is null's.
fn common_type(left: Option<DataType>, right: Option<DataType>) -> Result<Option<DataType>, ()> {
    let (left, right) = match (left, right) {
        (Some(left), Some(right)) => (left, right),
        (left, right) => return Ok(left.or(right)),
    };
    match (left, right) {
        (left, right) if left == right => Ok(Some(left)),
        (left, right) if left.is_integer() && right.is_integer() => Ok(Some(DataType::Int64)),
        (left, right) if left.is_number() && right.is_number() => Ok(Some(DataType::Float64)),
        (DataType::Timestamp { unit: left, zone }, DataType::Timestamp { unit: right, zone: other }) if zone == other => {
            Ok(Some(DataType::Timestamp { unit: finer(left, right), zone }))
        }
        _ => Err(()),
    }
}

fn finer(left: TimeUnit, right: TimeUnit) -> TimeUnit {
    if left.per_second() > right.per_second() { left } else { right }
}

fn is_nested(data_type: &DataType) -> bool {
    matches!(data_type, DataType::List(_) | DataType::Vector(..))
}

fn is_comparable(left: &DataType, right: &DataType) -> bool {
    use DataType::Timestamp;
    match (left, right) {
        (Timestamp { zone: left, .. }, Timestamp { zone: right, .. }) => left.is_some() == right.is_some(),
        (left, right) => (left.is_number() && right.is_number()) || (left == right && !is_nested(left)),
    }
}

/// Whether `CAST` turns one type into the other.
fn is_castable(from: &DataType, to: &DataType) -> bool {
    use DataType::*;
    match (from, to) {
        (from, to) if from == to => true,
        (Bool, to) => to.is_number() || *to == String,
        (String, to) => to.is_number(),
        (Date, to) => to.is_integer() || matches!(to, Timestamp { zone: None, .. }),
        (Timestamp { zone: None, .. }, Date) => true,
        (Timestamp { .. }, Int64) => true,
        (Timestamp { zone: from, .. }, Timestamp { zone: to, .. }) => from.is_some() == to.is_some(),
        (from, Date | Timestamp { .. } | String) => from.is_integer(),
        (from, to) => from.is_number() && (to.is_number() || *to == Bool),
    }
}

/// The columns that an expression may use.
struct Columns<'a> {
    types: &'a dyn Fn(&str) -> Option<DataType>,
    known: &'a [String],
}

impl Columns<'_> {
    fn of(&self, expr: &Expr) -> Typed {
        match expr {
            Expr::Column(name) => (self.types)(name).map(Some).ok_or_else(|| self.unknown(name, expr)),
            Expr::Literal(value) => Ok(value.data_type()),
            Expr::Not(operand) => self.condition(operand),
            Expr::Negate(operand) => self.number(operand, "unary minus").map(widened),
            Expr::Binary { operator, left, right } => self.binary(*operator, left, right),
            Expr::Is { operand, state, .. } => match state {
                State::Null => self.of(operand).map(|_| Some(DataType::Bool)),
                State::True | State::False => self.condition(operand),
            },
            Expr::In { operand, list, .. } => self.comparisons(operand, list.iter(), Self::odd_one),
            Expr::Between { operand, low, high, .. } => self.comparisons(operand, [&**low, &**high].into_iter(), Self::odd_one),
            Expr::Like { operand, .. } => self.string(operand, "LIKE").map(|_| Some(DataType::Bool)),
            Expr::Case { operand, branches, otherwise } => self.case(operand.as_deref(), branches, otherwise.as_deref()),
            Expr::Cast { operand, to } => self.cast(operand, to),
            Expr::Call { function, arguments } => self.call(*function, arguments),
        }
    }

    /// What is wrong with the parts; where nothing is, with the whole. `asked` is what stands around it asks of it.
    fn mistakes(&self, expr: &Expr, asked: fn(&Self, &Expr) -> Typed) -> Vec<ExprError> {
        let is_logic = matches!(expr, Expr::Not(_) | Expr::Binary { operator: Operator::And | Operator::Or, .. });
        let of_parts = if is_logic { Self::condition } else { Self::of };
        let within: Vec<ExprError> = expr.children().into_iter().flat_map(|part| self.mistakes(part, of_parts)).collect();
        if within.is_empty() { asked(self, expr).err().into_iter().collect() } else { within }
    }

    fn unknown(&self, name: &str, expr: &Expr) -> ExprError {
        let error = ExprError::new(ExprErrorKind::UnknownColumn, format!("there is no column `{name}`"), expr.place());
        let quoted = expr.place().is_some_and(|place| place.len > name.len());
        let hint = suggestion(name, self.known.iter().map(String::as_str));
        error.hint(if quoted { format!("a text is in single quotes: '{name}'; {hint}") } else { hint })
    }

    fn wrong(&self, expr: &Expr, message: String) -> ExprError {
        ExprError::new(ExprErrorKind::Type, message, expr.place()).over(&[expr])
    }

    /// An operand of which something is asked.
    fn operand(&self, expr: &Expr, asked: impl Fn(&DataType) -> bool, complaint: &str) -> Typed {
        match self.of(expr)? {
            Some(found) if !asked(&found) => Err(self.wrong(expr, format!("{complaint}, and `{expr}` is {found}"))),
            found => Ok(found),
        }
    }

    fn condition(&self, expr: &Expr) -> Typed {
        let found = self.operand(expr, |found| *found == DataType::Bool, "a condition is expected here");
        let hint = |error: ExprError| if error.hint.is_some() { error } else { error.hint("compare it with something") };
        found.map(|_| Some(DataType::Bool)).map_err(hint)
    }

    fn number(&self, expr: &Expr, by: &str) -> Typed {
        self.operand(expr, DataType::is_number, &format!("{by} takes numbers"))
            .map_err(|error| if error.kind == ExprErrorKind::Type { self.number_hint(expr, error) } else { error })
    }

    /// What to do about something that is no number.
    fn number_hint(&self, expr: &Expr, error: ExprError) -> ExprError {
        match self.of(expr) {
            Ok(Some(DataType::Timestamp { unit, .. })) => error.hint(format!("CAST({expr} AS int64) is its epoch in {}", unit.name())),
            Ok(Some(DataType::String)) => error.hint(format!("CAST({expr} AS float64) reads a number")),
            _ => error,
        }
    }

    fn string(&self, expr: &Expr, by: &str) -> Typed {
        self.operand(expr, |found| *found == DataType::String, &format!("{by} takes strings"))
    }

    fn binary(&self, operator: Operator, left: &Expr, right: &Expr) -> Typed {
        match operator {
            Operator::And | Operator::Or => self.condition(left).and(self.condition(right)),
            Operator::Concat => self.strings([left, right].into_iter(), "`||`"),
            operator if operator.is_arithmetic() => self.arithmetic(operator, left, right),
            _ => self.comparisons(left, std::iter::once(right), Self::both),
        }
    }

    fn arithmetic(&self, operator: Operator, left: &Expr, right: &Expr) -> Typed {
        let by = format!("`{operator}`");
        let (left, right) = (self.number(left, &by)?, self.number(right, &by)?);
        Ok(match (left, right) {
            (None, None) => None,
            _ if operator == Operator::Divide => Some(DataType::Float64),
            (left, right) => widened(common_type(left.map(wide), right.map(wide)).unwrap_or_default()),
        })
    }

    /// One expression against others; `at` says where the mistake is, of one that does not compare.
    fn comparisons<'a>(&self, left: &Expr, rights: impl Iterator<Item = &'a Expr>, at: fn(&Expr, &Expr) -> Option<Place>) -> Typed {
        let left_type = self.of(left)?;
        for right in rights {
            let right_type = self.of(right)?;
            if let (Some(one), Some(other)) = (&left_type, &right_type)
                && !is_comparable(one, other)
            {
                return Err(incomparable((left, one), (right, other), at(left, right)));
            }
        }
        if let Some(nested) = left_type.filter(is_nested) {
            return Err(self.wrong(left, format!("`{left}` is {nested}, which does not compare")));
        }
        Ok(Some(DataType::Bool))
    }

    fn both(left: &Expr, right: &Expr) -> Option<Place> {
        Place::around(left.place(), right.place())
    }

    /// Of a list the one that is unlike the others.
    fn odd_one(left: &Expr, right: &Expr) -> Option<Place> {
        right.place().or_else(|| left.place())
    }

    fn strings<'a>(&self, mut arguments: impl Iterator<Item = &'a Expr>, by: &str) -> Typed {
        arguments.try_fold(None, |so_far: Option<DataType>, argument| Ok(self.string(argument, by)?.or(so_far)))
    }

    fn case(&self, operand: Option<&Expr>, branches: &[Branch], otherwise: Option<&Expr>) -> Typed {
        match operand {
            Some(operand) => self.comparisons(operand, branches.iter().map(|branch| &branch.when), Self::odd_one)?,
            None => branches.iter().try_fold(None, |_, branch| self.condition(&branch.when))?,
        };
        self.common(branches.iter().map(|branch| &branch.then).chain(otherwise))
    }

    /// The type that all can be turned into.
    fn common<'a>(&self, mut exprs: impl Iterator<Item = &'a Expr>) -> Typed {
        exprs.try_fold(None, |so_far: Option<DataType>, expr| {
            let next = self.of(expr)?;
            common_type(so_far.clone(), next.clone()).map_err(|()| {
                let name = |data_type: Option<DataType>| data_type.map_or_else(String::new, |found| found.to_string());
                let message = format!("`{expr}` is {}, the values before it are {}", name(next), name(so_far));
                self.wrong(expr, message).hint("CAST one of them")
            })
        })
    }

    fn cast(&self, operand: &Expr, to: &DataType) -> Typed {
        let from = self.of(operand)?;
        match from {
            Some(from) if !is_castable(&from, to) => {
                Err(self.wrong(operand, format!("`{operand}` is {from}, which cannot be cast to {to}")))
            }
            _ => Ok(Some(to.clone())),
        }
    }

    fn call(&self, function: Function, arguments: &[Expr]) -> Typed {
        let [first, second] = [0, 1].map(|at| arguments.get(at).unwrap_or(&NOTHING));
        let by = format!("`{function}`");
        match function {
            Function::Coalesce => self.common(arguments.iter()),
            Function::Greatest | Function::Least => self.extreme(arguments, &by),
            Function::Nullif => self.comparisons(first, std::iter::once(second), Self::both).and(self.of(first)),
            Function::Abs | Function::Floor | Function::Ceil | Function::Round => self.number(first, &by).map(widened),
            Function::Ln | Function::Exp | Function::Sqrt => self.number(first, &by).map(|found| found.and(Some(DataType::Float64))),
            Function::Power => self.arithmetic(Operator::Divide, first, second),
            Function::Lower | Function::Upper => self.string(first, &by),
            Function::Length => self.length(first),
            Function::Concat => self.strings(arguments.iter(), &by).map(|_| Some(DataType::String)),
            Function::StartsWith | Function::EndsWith | Function::Contains => {
                self.strings(arguments.iter(), &by).map(|found| found.and(Some(DataType::Bool)))
            }
            Function::Len => self.list(first, &by).map(|found| found.and(Some(DataType::Int64))),
            Function::ListContains => self.list_contains(first, second),
        }
    }

    fn extreme(&self, arguments: &[Expr], by: &str) -> Typed {
        match self.common(arguments.iter())? {
            Some(found) if is_nested(&found) => Err(self.wrong(&arguments[0], format!("{by} compares, and {found} does not compare"))),
            found => Ok(found),
        }
    }

    fn length(&self, text: &Expr) -> Typed {
        let hint = |error: ExprError| match self.of(text) {
            Ok(Some(found)) if is_nested(&found) => error.hint(format!("len({text}) counts the elements of a list")),
            _ => error,
        };
        self.string(text, "`length`").map(|found| found.and(Some(DataType::Int64))).map_err(hint)
    }

    fn list(&self, expr: &Expr, by: &str) -> Typed {
        self.operand(expr, is_nested, &format!("{by} takes lists"))
    }

    fn list_contains(&self, list: &Expr, element: &Expr) -> Typed {
        let (Some(DataType::List(inner) | DataType::Vector(inner, _)), Some(asked)) =
            (self.list(list, "`list_contains`")?, self.of(element)?)
        else {
            return Ok(None);
        };
        if is_comparable(&inner, &asked) {
            return Ok(Some(DataType::Bool));
        }
        Err(self.wrong(element, format!("`{list}` has elements of {inner}, and `{element}` is {asked}")))
    }
}

static NOTHING: Expr = Expr::Literal(super::Placed { value: Scalar::Null, place: None });

/// What arithmetic makes of a number's type.
fn wide(number: DataType) -> DataType {
    if number.is_integer() { DataType::Int64 } else { DataType::Float64 }
}

fn widened(number: Option<DataType>) -> Option<DataType> {
    number.map(wide)
}

fn incomparable((left, one): (&Expr, &DataType), (right, other): (&Expr, &DataType), at: Option<Place>) -> ExprError {
    let message = format!("`{left}` is {one} and `{right}` is {other}, which do not compare");
    let error = ExprError::new(ExprErrorKind::Type, message, at).over(&[left, right]);
    match comparison_hint((left, one), (right, other)).or_else(|| comparison_hint((right, other), (left, one))) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn comparison_hint((left, one): (&Expr, &DataType), (right, other): (&Expr, &DataType)) -> Option<String> {
    use DataType::*;
    match (one, other) {
        (number, String) if number.is_number() => match right {
            Expr::Literal(text) => Some(match text.to_string().trim_matches('\'') {
                digits if digits.parse::<f64>().is_ok_and(f64::is_finite) => format!("write {digits} without quotes"),
                _ => format!("`{left}` compares with numbers, such as {left} = 1"),
            }),
            _ if matches!(left, Expr::Literal(_)) => {
                Some(format!("write '{left}'; where the texts are numbers, CAST({right} AS {number})"))
            }
            _ => Some(format!("CAST({right} AS {number})")),
        },
        (Bool, number) if number.is_number() => Some(format!("write `{left}` or `NOT {left}`")),
        (Timestamp { zone: Some(_), .. }, Timestamp { zone: None, .. }) => {
            Some("one has a time zone; write the literal with a `Z` at its end".into())
        }
        (Timestamp { .. }, number) if number.is_integer() => Some(format!("CAST({right} AS timestamp<ms>) reads an epoch")),
        (Date, Timestamp { zone: None, .. }) => Some(format!("CAST({right} AS date)")),
        _ => None,
    }
}
