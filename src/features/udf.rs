//! Row functions that Polars lacks, or means differently: checked integers, SQL's remainder, `LIKE`, strict parsing.
//!
//! Knows nothing of expressions: it is handed plain closures. Invariants: a null operand gives null and its closure is not called;
//! an operand of one row goes with all rows of the other.

use polars::prelude::{
    BooleanChunked, ChunkFillNullValue, ChunkedArray, Column, DataType, Expr, Field, Float64Chunked, Int64Chunked, IntoColumn, PolarsError,
    PolarsNumericType, PolarsResult, Schema, Series, map_multiple,
};

/// What an integer function says of two operands: a value, null, or why there is none.
pub(super) type Checked = Result<Option<i64>, String>;

/// Of two int64; an error fails the whole evaluation.
pub(super) fn integers(left: Expr, right: Expr, f: impl Fn(i64, i64) -> Checked + Send + Sync + 'static) -> Expr {
    rows([left, right], DataType::Int64, move |columns| {
        let (left, right) = (columns[0].i64()?, columns[1].i64()?);
        let pair = |(left, right)| Ok(both(left, right).map(|(left, right)| f(left, right).map_err(failed)).transpose()?.flatten());
        Ok(left.iter().zip(right.iter()).map(pair).collect::<PolarsResult<Int64Chunked>>()?.into_column())
    })
}

/// Of two float64.
pub(super) fn floats(left: Expr, right: Expr, f: impl Fn(f64, f64) -> f64 + Send + Sync + 'static) -> Expr {
    rows([left, right], DataType::Float64, move |columns| {
        let (left, right) = (columns[0].f64()?, columns[1].f64()?);
        let pair = |(left, right)| both(left, right).map(|(left, right)| f(left, right));
        Ok(left.iter().zip(right.iter()).map(pair).collect::<Float64Chunked>().into_column())
    })
}

/// Of one float64.
pub(super) fn float(operand: Expr, f: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Expr {
    rows([operand], DataType::Float64, move |columns| {
        Ok(columns[0].f64()?.iter().map(|value| value.map(&f)).collect::<Float64Chunked>().into_column())
    })
}

/// Compares int64 and uint64 as the numbers they are.
pub(super) fn compare_integers(left: Expr, right: Expr, f: impl Fn(i128, i128) -> bool + Send + Sync + 'static) -> Expr {
    rows([left, right], DataType::Boolean, move |columns| {
        let (left, right) = (wide(&columns[0])?, wide(&columns[1])?);
        let pair = |(left, right): (&Option<i128>, &Option<i128>)| both(*left, *right).map(|(left, right)| f(left, right));
        Ok(left.iter().zip(&right).map(pair).collect::<BooleanChunked>().into_column())
    })
}

fn wide(column: &Column) -> PolarsResult<Vec<Option<i128>>> {
    match column.dtype() {
        DataType::UInt64 => Ok(column.u64()?.iter().map(|value| value.map(i128::from)).collect()),
        _ => Ok(column.i64()?.iter().map(|value| value.map(i128::from)).collect()),
    }
}

/// Asks something of two strings.
pub(super) fn compare_texts(left: Expr, right: Expr, f: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> Expr {
    rows([left, right], DataType::Boolean, move |columns| {
        let (left, right) = (columns[0].str()?, columns[1].str()?);
        let pair = |(left, right)| both(left, right).map(|(left, right)| f(left, right));
        Ok(left.iter().zip(right.iter()).map(pair).collect::<BooleanChunked>().into_column())
    })
}

/// Asks something of a string.
pub(super) fn test_text(operand: Expr, f: impl Fn(&str) -> bool + Send + Sync + 'static) -> Expr {
    rows([operand], DataType::Boolean, move |columns| {
        Ok(columns[0].str()?.iter().map(|text| text.map(&f)).collect::<BooleanChunked>().into_column())
    })
}

/// Asks something of an int64.
pub(super) fn test_integer(operand: Expr, f: impl Fn(i64) -> bool + Send + Sync + 'static) -> Expr {
    rows([operand], DataType::Boolean, move |columns| {
        Ok(columns[0].i64()?.iter().map(|value| value.map(&f)).collect::<BooleanChunked>().into_column())
    })
}

/// Reads strings as numbers; one that is none fails the evaluation.
pub(super) fn parse_texts<T>(operand: Expr, to: DataType) -> Expr
where
    T: PolarsNumericType,
    T::Native: std::str::FromStr,
    ChunkedArray<T>: IntoColumn,
{
    let name = to.to_string();
    rows([operand], to, move |columns| {
        let read = |text: &str| text.parse::<T::Native>().map_err(|_| failed(format!("'{text}' is no {name}")));
        let numbers = columns[0].str()?.iter().map(|text| text.map(read).transpose());
        Ok(numbers.collect::<PolarsResult<ChunkedArray<T>>>()?.into_column())
    })
}

/// The first operand that no other surpasses, nulls passed over. Done here, as nested `when`s would repeat their operands.
pub(super) fn extreme(operands: Vec<Expr>, of: DataType, surpasses: fn(&Series, &Series) -> PolarsResult<BooleanChunked>) -> Expr {
    rows(operands, of, move |columns| {
        let mut best = columns[0].as_materialized_series().clone();
        for next in &columns[1..] {
            let next = next.as_materialized_series();
            let takes = surpasses(next, &best)?.fill_null_with_values(false)? | best.is_null();
            best = next.zip_with(&takes, &best)?;
        }
        Ok(best.into_column())
    })
}

fn failed(message: String) -> PolarsError {
    PolarsError::ComputeError(message.into())
}

fn both<T, U>(left: Option<T>, right: Option<U>) -> Option<(T, U)> {
    left.zip(right)
}

/// A function of columns of equal length.
fn rows(operands: impl AsRef<[Expr]>, to: DataType, f: impl Fn(&[Column]) -> PolarsResult<Column> + Send + Sync + 'static) -> Expr {
    let field = move |_: &Schema, fields: &[Field]| Ok(Field::new(fields[0].name().clone(), to.clone()));
    map_multiple(move |columns: &mut [Column]| f(&aligned(columns)), operands, field)
}

fn aligned(columns: &[Column]) -> Vec<Column> {
    let length = columns.iter().map(Column::len).find(|length| *length != 1).unwrap_or(1);
    let spread = |column: &Column| if column.len() == length { column.clone() } else { column.new_from_index(0, length) };
    columns.iter().map(spread).collect()
}

/// SQL's `LIKE`: `%` is any text, `_` any character.
pub(super) fn like(text: &str, pattern: &[char]) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut p) = (0, 0);
    // Where the last `%` stands, and up to where it has eaten: the only place worth going back to.
    let mut back: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(p) {
            Some('%') => {
                back = Some((p, at));
                p += 1;
            }
            Some(&c) if c == '_' || c == text[at] => (at, p) = (at + 1, p + 1),
            _ => {
                let Some((percent, eaten)) = back else { return false };
                back = Some((percent, eaten + 1));
                (at, p) = (eaten + 1, percent + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_knows_two_wildcards() {
        let cases = [
            ("like", "like", true),
            ("like", "li", false),
            ("like", "li%", true),
            ("like", "%ke", true),
            ("like", "%ik%", true),
            ("like", "l_k_", true),
            ("like", "l_k", false),
            ("", "", true),
            ("", "%", true),
            ("", "_", false),
            ("größe", "gr__e", true),
            ("a%b", "a%b", true),
            ("aab", "%ab", true),
            ("abcabd", "%ab_", true),
            ("a\nb", "a_b", true),
            ("Like", "like", false),
            ("a.c", "a.c", true),
            ("abc", "a.c", false),
        ];
        for (text, pattern, expected) in cases {
            assert_eq!(like(text, &pattern.chars().collect::<Vec<_>>()), expected, "{text} LIKE {pattern}");
        }
    }
}
