//! The functions that an expression may call: names and numbers of arguments. What they take and give is in `typing`.
//!
//! Invariant: one row of [`TABLE`] per function, and one canonical name each.

use std::fmt;

/// A function by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// The first argument that is not null.
    Coalesce,
    /// Null where both are equal, else the first.
    Nullif,
    Abs,
    Floor,
    Ceil,
    /// Halves away from zero.
    Round,
    /// The natural logarithm; of 0 minus infinity, of less NaN.
    Ln,
    Exp,
    /// Of less than 0, NaN.
    Sqrt,
    Power,
    /// The greatest argument that is not null.
    Greatest,
    /// The least argument that is not null.
    Least,
    Lower,
    Upper,
    /// Characters of a string.
    Length,
    /// Null is the empty string.
    Concat,
    StartsWith,
    EndsWith,
    Contains,
    /// Elements of a list, nulls counted.
    Len,
    /// Whether a list has an element: null where the list or the element asked for is, else true or false.
    ListContains,
}

const MANY: usize = usize::MAX;

/// Function, name, fewest and most arguments.
const TABLE: [(Function, &str, usize, usize); 21] = [
    (Function::Coalesce, "coalesce", 1, MANY),
    (Function::Nullif, "nullif", 2, 2),
    (Function::Abs, "abs", 1, 1),
    (Function::Floor, "floor", 1, 1),
    (Function::Ceil, "ceil", 1, 1),
    (Function::Round, "round", 1, 1),
    (Function::Ln, "ln", 1, 1),
    (Function::Exp, "exp", 1, 1),
    (Function::Sqrt, "sqrt", 1, 1),
    (Function::Power, "power", 2, 2),
    (Function::Greatest, "greatest", 1, MANY),
    (Function::Least, "least", 1, MANY),
    (Function::Lower, "lower", 1, 1),
    (Function::Upper, "upper", 1, 1),
    (Function::Length, "length", 1, 1),
    (Function::Concat, "concat", 1, MANY),
    (Function::StartsWith, "starts_with", 2, 2),
    (Function::EndsWith, "ends_with", 2, 2),
    (Function::Contains, "contains", 2, 2),
    (Function::Len, "len", 1, 1),
    (Function::ListContains, "list_contains", 2, 2),
];

/// Other names that SQL knows for some of them.
const ALIASES: [(&str, Function); 4] =
    [("ceiling", Function::Ceil), ("pow", Function::Power), ("char_length", Function::Length), ("ifnull", Function::Coalesce)];

impl Function {
    /// Finds a function by name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let known = TABLE.iter().find(|(_, known, ..)| *known == name).map(|row| row.0);
        known.or_else(|| ALIASES.iter().find(|(alias, _)| *alias == name).map(|row| row.1))
    }

    pub fn all() -> impl Iterator<Item = Self> + Clone {
        TABLE.iter().map(|row| row.0)
    }

    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Whether it may be called with so many arguments.
    pub fn takes(self, arguments: usize) -> bool {
        let (_, _, fewest, most) = self.row();
        (fewest..=most).contains(&arguments)
    }

    /// "1 argument", "at least 1 argument".
    pub fn arity(self) -> String {
        let (_, _, fewest, most) = self.row();
        let at_least = if most == MANY { "at least " } else { "" };
        format!("{at_least}{fewest} argument{}", if fewest == 1 { "" } else { "s" })
    }

    fn row(self) -> (Function, &'static str, usize, usize) {
        *TABLE.iter().find(|row| row.0 == self).unwrap_or(&TABLE[0])
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found_by_its_name() {
        for function in Function::all() {
            assert_eq!(Function::parse(function.name()), Some(function));
            assert_eq!(Function::parse(&function.name().to_uppercase()), Some(function));
        }
        assert_eq!(Function::parse("pow"), Some(Function::Power));
        assert_eq!(Function::parse("now"), None);
    }
}
