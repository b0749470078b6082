//! The canonical text of an expression: keywords in capitals, one space, the fewest parentheses.
//!
//! Knows nothing of the text that was parsed. Invariant: this text decides digests, so a change here is a change of everybody's
//! digests; and `parse` reads it back as an equal tree.

use super::{Expr, Operator, State};
use std::fmt;

/// How tightly a construct holds its parts together; an operand that holds less tightly than its place asks for gets parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tightness {
    Or,
    And,
    Not,
    Predicate,
    Sum,
    Product,
    Sign,
    Atom,
}

/// Words that SQL does not read as a column; these columns are quoted, like all that are no plain words.
const RESERVED: &str = "all and any array as between case cast convert current_catalog current_date current_time current_timestamp \
    distinct else end exists false in interval is like localtime localtimestamp not null or overlaps returning \
    safe_cast select some struct then trim true try_cast when with xor";

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(name) => write_name(f, name),
            Self::Literal(value) => value.fmt(f),
            Self::Not(operand) => write!(f, "NOT {}", At(operand, Tightness::Not)),
            Self::Negate(operand) => write!(f, "-{}", Negated(operand)),
            Self::Binary { operator, left, right } => {
                let (on_left, on_right) = sides(*operator);
                write!(f, "{} {operator} {}", At(left, on_left), At(right, on_right))
            }
            Self::Is { operand, state, negated } => write!(f, "{} IS {}{state}", At(operand, Tightness::Sum), not(*negated)),
            Self::In { operand, list, negated } => {
                write!(f, "{} {}IN ({})", At(operand, Tightness::Sum), not(*negated), List(list))
            }
            Self::Between { operand, low, high, negated } => {
                let [operand, low, high] = [operand, low, high].map(|part| At(part, Tightness::Sum));
                write!(f, "{operand} {}BETWEEN {low} AND {high}", not(*negated))
            }
            Self::Like { operand, pattern, negated } => {
                write!(f, "{} {}LIKE '{}'", At(operand, Tightness::Sum), not(*negated), pattern.replace('\'', "''"))
            }
            Self::Case { operand, branches, otherwise } => {
                f.write_str("CASE")?;
                operand.iter().try_for_each(|operand| write!(f, " {operand}"))?;
                branches.iter().try_for_each(|branch| write!(f, " WHEN {} THEN {}", branch.when, branch.then))?;
                otherwise.iter().try_for_each(|otherwise| write!(f, " ELSE {otherwise}"))?;
                f.write_str(" END")
            }
            Self::Cast { operand, to } => write!(f, "CAST({operand} AS {to})"),
            Self::Call { function, arguments } => write!(f, "{function}({})", List(arguments)),
        }
    }
}

fn not(negated: bool) -> &'static str {
    if negated { "NOT " } else { "" }
}

fn write_name(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    if is_plain(name) { f.write_str(name) } else { write!(f, "\"{}\"", name.replace('"', "\"\"")) }
}

fn is_plain(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on_well = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    starts_well && goes_on_well && !RESERVED.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case(name))
}

/// An operand in a place that asks for some tightness.
struct At<'a>(&'a Expr, Tightness);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if tightness(self.0) < self.1 { write!(f, "({})", self.0) } else { self.0.fmt(f) }
    }
}

/// The operand of a minus: a number is set in parentheses, for `-1` is one literal.
struct Negated<'a>(&'a Expr);

impl fmt::Display for Negated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self.0, Expr::Literal(_)) { write!(f, "({})", self.0) } else { At(self.0, Tightness::Atom).fmt(f) }
    }
}

struct List<'a>(&'a [Expr]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(i, expr)| {
            f.write_str(if i > 0 { ", " } else { "" })?;
            expr.fmt(f)
        })
    }
}

fn tightness(expr: &Expr) -> Tightness {
    match expr {
        Expr::Not(_) => Tightness::Not,
        Expr::Negate(_) => Tightness::Sign,
        Expr::Binary { operator, .. } => own(*operator),
        Expr::Is { .. } | Expr::In { .. } | Expr::Between { .. } | Expr::Like { .. } => Tightness::Predicate,
        Expr::Column(_) | Expr::Literal(_) | Expr::Case { .. } | Expr::Cast { .. } | Expr::Call { .. } => Tightness::Atom,
    }
}

fn own(operator: Operator) -> Tightness {
    use Operator::*;
    match operator {
        Or => Tightness::Or,
        And => Tightness::And,
        Equal | NotEqual | Less | LessOrEqual | Greater | GreaterOrEqual => Tightness::Predicate,
        Add | Subtract => Tightness::Sum,
        Multiply | Divide | Remainder | Concat => Tightness::Product,
    }
}

/// What an operator asks of its left and of its right. They group to the left, comparisons not at all.
fn sides(operator: Operator) -> (Tightness, Tightness) {
    match own(operator) {
        Tightness::Or => (Tightness::Or, Tightness::And),
        Tightness::And => (Tightness::And, Tightness::Not),
        Tightness::Sum => (Tightness::Sum, Tightness::Product),
        Tightness::Product => (Tightness::Product, Tightness::Sign),
        _ => (Tightness::Sum, Tightness::Sum),
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Or => "OR",
            Self::And => "AND",
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Concat => "||",
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "NULL",
            Self::True => "TRUE",
            Self::False => "FALSE",
        })
    }
}
