//! Scalar expressions: what `where`, `likes` and `expr` say, as daeda's own typed tree.
//!
//! [`parse()`] reads SQL, [`Expr::infer`] types it, `Display` writes the one canonical text (and serde stores that text), so that
//! spaces, redundant parentheses, `!=` and the case of keywords change no digest. Knows nothing of Arrow or Polars; `features`
//! evaluates. Invariant: what `parse` accepts, it reads back from its own canonical text as an equal tree.
//!
//! # Meaning
//!
//! * **Names** are columns, case-sensitive, in double quotes where they are no plain words. Strings are in single quotes.
//! * **Null** follows SQL's three-valued logic in `AND`, `OR`, `NOT`, comparisons, `IN` and `BETWEEN`. `CASE` takes a branch only where
//!   its condition is true. Everything else is null when an operand is, but for `coalesce`, `greatest` and `least`, which skip nulls,
//!   `nullif`, which compares, and `concat`, to which null is the empty string (unlike to `||`).
//! * **Numbers.** Arithmetic is done in int64 or float64, whatever the widths of the columns: `+ - * %` of integers in int64, as soon as
//!   one side is a float in float64, and `/` always in float64, of two integers as well (so `1 / 0` is infinity and `0 / 0` NaN).
//!   `%` has the sign of the dividend; an integer `% 0` is null. Integers compare exactly with integers, as float64 with floats. An
//!   integer overflow is an error, never a wrong number.
//! * **NaN** equals itself and is greater than every other number, in comparisons, `IN`, `greatest` and `least`. `-0.0 = 0.0`.
//! * **Text** compares by its bytes, and with text alone: `'1' < 2` is a type error. `length` counts characters. `LIKE` knows `%`, `_`
//!   and no escape character; its pattern is a literal.
//! * **Time.** Timestamps of different units compare exactly. One with a zone and one without do not compare; a literal has a zone
//!   when it ends in `Z` or an offset. `CAST` reads an integer as an epoch in the type's own unit, and back.
//! * **`CAST`** of a float to an integer drops the fraction, of a timestamp to a coarser unit or a date rounds down, of a number to a
//!   boolean asks whether it is not 0. What does not fit is an error, but for floats, which become infinite.
//! * **Errors** of rows (overflow, `CAST`) do not arise in the branch of a `CASE` that the row does not take. All conditions of a
//!   `CASE`, both sides of `AND` and `OR`, and all arguments of `coalesce` are computed.

mod display;
mod functions;
mod literal;
mod parse;
mod place;
mod tokens;
mod typing;

pub use functions::Function;
pub use literal::Scalar;
pub use parse::parse;
pub use place::{Place, Placed};

use super::types::DataType;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// An expression. Two are equal when they say the same, wherever they were written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Expr {
    Column(Placed<String>),
    Literal(Placed<Scalar>),
    Not(Box<Expr>),
    /// Unary minus.
    Negate(Box<Expr>),
    Binary {
        operator: Operator,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `IS [NOT] NULL`, `IS [NOT] TRUE`, `IS [NOT] FALSE`: never null.
    Is {
        operand: Box<Expr>,
        state: State,
        negated: bool,
    },
    In {
        operand: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    /// Both ends are in.
    Between {
        operand: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        negated: bool,
    },
    Like {
        operand: Box<Expr>,
        pattern: String,
        negated: bool,
    },
    /// With an operand, a branch is taken where the operand equals its `when`; without, where `when` is true.
    Case {
        operand: Option<Box<Expr>>,
        branches: Vec<Branch>,
        otherwise: Option<Box<Expr>>,
    },
    Cast {
        operand: Box<Expr>,
        to: DataType,
    },
    Call {
        function: Function,
        arguments: Vec<Expr>,
    },
}

/// `WHEN … THEN …`.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    pub when: Expr,
    pub then: Expr,
}

/// What `IS` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Null,
    True,
    False,
}

/// The operators between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Concat,
}

impl Operator {
    pub fn is_comparison(self) -> bool {
        use Operator::*;
        matches!(self, Equal | NotEqual | Less | LessOrEqual | Greater | GreaterOrEqual)
    }

    pub fn is_arithmetic(self) -> bool {
        use Operator::*;
        matches!(self, Add | Subtract | Multiply | Divide | Remainder)
    }
}

impl Expr {
    /// A column, written nowhere.
    pub fn column(name: impl Into<String>) -> Self {
        Self::Column(Placed::nowhere(name.into()))
    }

    /// A literal, written nowhere.
    pub fn literal(value: Scalar) -> Self {
        Self::Literal(Placed::nowhere(value))
    }

    /// The columns that it reads.
    pub fn columns(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        self.walk(&mut |expr| {
            if let Self::Column(name) = expr {
                names.insert(name.value.clone());
            }
        });
        names
    }

    /// Where it was written: from its first name or literal to its last.
    pub fn place(&self) -> Option<Place> {
        let mut whole: Option<Place> = None;
        self.walk(&mut |expr| {
            let here = match expr {
                Self::Column(name) => name.place,
                Self::Literal(value) => value.place,
                _ => None,
            };
            whole = Place::around(whole, here);
        });
        whole
    }

    fn walk(&self, visit: &mut dyn FnMut(&Expr)) {
        visit(self);
        self.children().into_iter().for_each(|child| child.walk(visit));
    }

    fn children(&self) -> Vec<&Expr> {
        match self {
            Self::Column(_) | Self::Literal(_) => Vec::new(),
            Self::Not(operand) | Self::Negate(operand) => vec![operand],
            Self::Is { operand, .. } | Self::Like { operand, .. } | Self::Cast { operand, .. } => vec![operand],
            Self::Binary { left, right, .. } => vec![left, right],
            Self::In { operand, list, .. } => std::iter::once(&**operand).chain(list).collect(),
            Self::Between { operand, low, high, .. } => vec![operand, low, high],
            Self::Case { operand, branches, otherwise } => {
                let branches = branches.iter().flat_map(|branch| [&branch.when, &branch.then]);
                operand.as_deref().into_iter().chain(branches).chain(otherwise.as_deref()).collect()
            }
            Self::Call { arguments, .. } => arguments.iter().collect(),
        }
    }
}

impl From<Expr> for String {
    fn from(expr: Expr) -> String {
        expr.to_string()
    }
}

impl TryFrom<String> for Expr {
    type Error = ExprError;
    fn try_from(text: String) -> Result<Self, ExprError> {
        parse(&text)
    }
}

/// What is wrong with an expression, and where in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExprError {
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Byte offset and length in the text of the expression.
    pub at: Option<(usize, usize)>,
    pub kind: ExprErrorKind,
    /// The columns whose types are at fault.
    pub columns: Box<[String]>,
}

/// What sort of mistake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExprErrorKind {
    Syntax,
    UnknownColumn,
    UnknownFunction,
    Type,
}

impl ExprError {
    fn new(kind: ExprErrorKind, message: impl Into<String>, place: Option<Place>) -> Self {
        Self { message: message.into(), hint: None, at: place.map(|place| (place.offset, place.len)), kind, columns: Box::default() }
    }

    fn over(mut self, exprs: &[&Expr]) -> Self {
        let columns: BTreeSet<String> = exprs.iter().flat_map(|expr| expr.columns()).collect();
        self.columns = columns.into_iter().collect();
        self
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, " ({hint})"))
    }
}

impl std::error::Error for ExprError {}

#[cfg(test)]
mod tests;
