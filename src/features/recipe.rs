//! What aggregates are in Polars: the measures of each group of events, and how they become a column.
//!
//! Knows nothing of keys and windows; `pairs` makes the groups, the events of each in order, none of them without a value. Invariants: whole
//! numbers are summed exactly, in two halves that cannot overflow; an aggregate without a recipe is refused when a service is compiled.

use super::bridge::{self, BridgeError};
use super::pairs::TIME;
use super::rolling::Rolling;
use crate::catalog::aggregate::Options;
use arrow::array::{ArrayRef, ArrowPrimitiveType, AsArray, Float64Array, Int64Array, PrimitiveArray, new_empty_array};
use arrow::datatypes::{DataType, Field, Int64Type, UInt64Type};
use polars::prelude::{self as pl, Column, DataFrame, Expr, col, len, lit, when};
use std::sync::Arc;

/// The value of an event.
pub const VALUE: &str = "value";

/// The aggregates that have a recipe.
pub const NAMES: &[&str] = &[
    "count",
    "count_distinct",
    "sum",
    "mean",
    "min",
    "max",
    "var",
    "stddev",
    "first",
    "last",
    "first_k",
    "last_k",
    "distinct",
    "time_since_last",
];

/// How groups become a column.
pub struct Recipe {
    form: Form,
    units_per_second: f64,
}

/// The kinds of results.
enum Form {
    /// A number of events or values, 0 without any.
    Number(Expr),
    /// The exact sum of whole numbers, of int64 or uint64.
    WholeSum(DataType),
    WholeMean,
    /// A measure of the values as float64.
    Float(Expr),
    /// One of the values.
    Pick(Expr, DataType),
    /// Several of them.
    List(Expr, DataType),
    SecondsSince,
}

/// The recipe of an aggregate over values of a type.
pub fn recipe(aggregate: &str, values: Option<&DataType>, what: &Rolling) -> Option<Recipe> {
    let form = form(aggregate, values, what.options)?;
    Some(Recipe { form, units_per_second: what.units_per_second as f64 })
}

fn form(aggregate: &str, values: Option<&DataType>, options: &Options) -> Option<Form> {
    let value = || col(VALUE);
    let most = |n: Option<u64>| usize::try_from(n.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    Some(match aggregate {
        "count" => Form::Number(len()),
        "time_since_last" => Form::SecondsSince,
        "count_distinct" => Form::Number(value().n_unique()),
        "sum" | "mean" if values?.is_integer() => {
            if aggregate == "mean" {
                Form::WholeMean
            } else {
                Form::WholeSum(whole(values?))
            }
        }
        "sum" => Form::Float(value().sum()),
        "mean" => Form::Float(value().mean()),
        "var" => Form::Float(value().var(1)),
        "stddev" => Form::Float(value().std(1)),
        "min" => Form::Pick(with_nan(value().min(), values?), values?.clone()),
        "max" => Form::Pick(with_nan(value().max(), values?), values?.clone()),
        "first" => Form::Pick(value().first(), values?.clone()),
        "last" => Form::Pick(value().last(), values?.clone()),
        "first_k" => {
            let values_once = if options.distinct { value().unique_stable() } else { value() };
            Form::List(values_once.head(Some(most(options.k))), values?.clone())
        }
        "last_k" if !options.distinct => Form::List(value().tail(Some(most(options.k))), values?.clone()),
        "last_k" => Form::List(newest_different(most(options.k)), values?.clone()),
        "distinct" => Form::List(newest_different(most(options.max)), element(values?, options.flatten).clone()),
        _ => return None,
    })
}

/// The type of the sum of whole numbers.
fn whole(values: &DataType) -> DataType {
    if *values == DataType::UInt64 { DataType::UInt64 } else { DataType::Int64 }
}

fn element(values: &DataType, flatten: bool) -> &DataType {
    match values {
        DataType::List(field) | DataType::LargeList(field) if flatten => field.data_type(),
        other => other,
    }
}

/// Polars leaves NaN out of extremes; here it wins.
fn with_nan(extreme: Expr, values: &DataType) -> Expr {
    match values.is_floating() {
        true => when(col(VALUE).is_nan().any(true)).then(lit(f64::NAN)).otherwise(extreme),
        false => extreme,
    }
}

/// The values by their latest occurrence, oldest first.
fn newest_different(most: usize) -> Expr {
    col(VALUE).reverse().unique_stable().head(Some(most)).reverse()
}

const HIGH: &str = "high";
const LOW: &str = "low";
const MEASURE: &str = "measure";
const FIRST: &str = "first";
const LAST: &str = "last";
const AT: &str = "at";

impl Recipe {
    /// Pairs with the columns that the measures read.
    pub fn prepared(&self, mut pairs: DataFrame) -> Result<DataFrame, BridgeError> {
        match self.form {
            Form::WholeSum(_) | Form::WholeMean => {
                let [high, low] = halves(&mut pairs)?;
                pairs.with_column(high)?;
                pairs.with_column(low)?;
            }
            Form::Float(_) => {
                let floats = pairs.column(VALUE)?.cast(&pl::DataType::Float64)?;
                pairs.with_column(floats)?;
            }
            _ => {}
        }
        Ok(pairs)
    }

    /// What is computed of each group.
    pub fn measures(&self) -> Vec<Expr> {
        match &self.form {
            Form::WholeSum(_) | Form::WholeMean => vec![col(HIGH).sum(), col(LOW).sum(), len().alias(MEASURE)],
            Form::SecondsSince => vec![col(TIME).min().alias(FIRST), col(TIME).max().alias(LAST), col(AT).first().alias(AT)],
            Form::Number(measure) | Form::Float(measure) | Form::Pick(measure, _) | Form::List(measure, _) => {
                vec![measure.clone().alias(MEASURE)]
            }
        }
    }

    /// The column of the groups; an error names the limit that a sum exceeds.
    pub fn finished(&self, groups: &DataFrame) -> Result<Result<ArrayRef, &'static str>, BridgeError> {
        let of = |name: &str, data_type: &DataType| bridge::array(groups.column(name)?.as_materialized_series(), data_type);
        let ints = |name: &str| Ok::<_, BridgeError>(of(name, &DataType::Int64)?.as_primitive::<Int64Type>().clone());
        Ok(Ok(match &self.form {
            Form::Number(_) => of(MEASURE, &DataType::Int64)?,
            Form::Float(_) => of(MEASURE, &DataType::Float64)?,
            Form::Pick(_, data_type) => of(MEASURE, data_type)?,
            Form::List(_, item) => of(MEASURE, &list_of(item))?,
            Form::WholeSum(DataType::UInt64) => return Ok(narrow::<UInt64Type>(&sums(&ints(HIGH)?, &ints(LOW)?), "uint64")),
            Form::WholeSum(_) => return Ok(narrow::<Int64Type>(&sums(&ints(HIGH)?, &ints(LOW)?), "int64")),
            Form::WholeMean => {
                let means = sums(&ints(HIGH)?, &ints(LOW)?).into_iter().zip(ints(MEASURE)?.values().to_vec());
                Arc::new(Float64Array::from_iter_values(means.map(|(sum, number)| sum as f64 / number as f64)))
            }
            Form::SecondsSince => {
                let (first, last, at) = (ints(FIRST)?, ints(LAST)?, ints(AT)?);
                let nearest = |row: usize| at.value(row).abs_diff(first.value(row)).min(at.value(row).abs_diff(last.value(row)));
                Arc::new(Float64Array::from_iter_values((0..at.len()).map(|row| nearest(row) as f64 / self.units_per_second)))
            }
        }))
    }

    /// A column of the recipe's type without rows.
    pub fn nothing(&self) -> ArrayRef {
        new_empty_array(&match &self.form {
            Form::Number(_) => DataType::Int64,
            Form::WholeSum(whole) => whole.clone(),
            Form::WholeMean | Form::Float(_) | Form::SecondsSince => DataType::Float64,
            Form::Pick(_, data_type) => data_type.clone(),
            Form::List(_, item) => list_of(item),
        })
    }

    /// A column with what stands for an empty window.
    pub fn filled(&self, column: ArrayRef) -> ArrayRef {
        match self.form {
            Form::Number(_) => {
                Arc::new(column.as_primitive::<Int64Type>().iter().map(|number| number.unwrap_or(0)).collect::<Int64Array>())
            }
            _ => column,
        }
    }
}

fn list_of(item: &DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item.clone(), true)))
}

/// Each whole number as `high · 2³² + low`.
fn halves(pairs: &mut DataFrame) -> Result<[Column; 2], BridgeError> {
    let series = pairs.column(VALUE)?.as_materialized_series().clone();
    let whole: Vec<i128> = match series.dtype() {
        pl::DataType::UInt64 => wide::<UInt64Type>(&bridge::array(&series, &DataType::UInt64)?),
        _ => wide::<Int64Type>(&bridge::array(&series, &DataType::Int64)?),
    };
    let half = |name: &str, of: fn(i128) -> i64| -> Result<Column, BridgeError> {
        let array: ArrayRef = Arc::new(Int64Array::from_iter_values(whole.iter().map(|value| of(*value))));
        Ok(bridge::series(name, &array)?.into())
    };
    Ok([half(HIGH, |value| (value >> 32) as i64)?, half(LOW, |value| (value & 0xffff_ffff) as i64)?])
}

fn wide<P: ArrowPrimitiveType<Native: Into<i128>>>(array: &ArrayRef) -> Vec<i128> {
    array.as_primitive::<P>().values().iter().map(|value| (*value).into()).collect()
}

fn sums(high: &Int64Array, low: &Int64Array) -> Vec<i128> {
    high.values().iter().zip(low.values()).map(|(high, low)| (i128::from(*high) << 32) + i128::from(*low)).collect()
}

fn narrow<P: ArrowPrimitiveType<Native: TryFrom<i128>>>(sums: &[i128], limit: &'static str) -> Result<ArrayRef, &'static str> {
    let narrow: Option<Vec<P::Native>> = sums.iter().map(|sum| P::Native::try_from(*sum).ok()).collect();
    Ok(Arc::new(PrimitiveArray::<P>::from_iter_values(narrow.ok_or(limit)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::aggregates::REGISTRY;

    #[test]
    fn every_aggregate_has_a_recipe_that_is_listed() {
        for aggregate in REGISTRY {
            let type_of_values = aggregate.takes_column().then_some(DataType::Int64);
            let options = Options { k: Some(1), ..Options::default() };
            assert!(form(aggregate.name(), type_of_values.as_ref(), &options).is_some(), "{}", aggregate.name());
            assert!(NAMES.contains(&aggregate.name()), "{}", aggregate.name());
        }
        assert!(form("median", Some(&DataType::Int64), &Options::default()).is_none());
    }
}
