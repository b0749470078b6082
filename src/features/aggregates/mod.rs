//! The aggregates: one file each, and the registry that lists them.
//!
//! An aggregate is an algebra (`init, update, merge, finish`: [`Fold`](super::sweep::Fold)) with a quick walk to the same results.
//! Knows nothing of keys and of where windows begin. Invariants: `init` is the identity of `merge`; for exact aggregates, folding the
//! pieces of any split and merging them gives the same bits; for floats the order of merging is that of the canonical tree.
//!
//! A new aggregate is one file here and one line in [`REGISTRY`].

use super::frame::Frame;
use super::rolling::KernelError;
use crate::catalog::aggregate::{Options, Signature};
use crate::catalog::types::DataType;
use arrow::array::ArrayRef;

mod count;
mod count_distinct;
mod distinct;
mod extreme;
mod first;
mod first_k;
mod last;
mod last_k;
mod max;
mod mean;
mod min;
mod stddev;
mod sum;
mod time_since_last;
mod totals;
mod var;

/// An aggregate that can be computed.
pub trait Aggregate: Signature {
    /// Its results over the windows of a frame.
    fn roll(&self, frame: &Frame<'_>, options: &Options) -> Result<Vec<ArrayRef>, KernelError>;

    /// Whether it goes through events in the order of time as well, and asks whose they are.
    fn asks_ids(&self) -> bool {
        false
    }
}

/// All there are.
pub static REGISTRY: &[&dyn Aggregate] = &[
    &count::Count,
    &count_distinct::CountDistinct,
    &sum::Sum,
    &mean::Mean,
    &min::Min,
    &max::Max,
    &var::Var,
    &stddev::Stddev,
    &first::First,
    &last::Last,
    &first_k::FirstK,
    &last_k::LastK,
    &distinct::Distinct,
    &time_since_last::TimeSinceLast,
];

/// The aggregate of a name.
pub fn by_name(name: &str) -> Option<&'static dyn Aggregate> {
    REGISTRY.iter().copied().find(|aggregate| aggregate.name() == name)
}

/// The input of an aggregate that reads a column.
fn column(input: Option<&DataType>) -> Result<&DataType, String> {
    input.ok_or_else(|| "needs a column to read".to_string())
}

/// The input of an aggregate that calculates.
fn number(input: Option<&DataType>) -> Result<&DataType, String> {
    let input = column(input)?;
    match input.is_number() {
        true => Ok(input),
        false => Err(format!("needs a column of numbers, and {input} is none{}", list_hint(input))),
    }
}

/// The input of an aggregate that compares values.
fn scalar(input: Option<&DataType>) -> Result<&DataType, String> {
    let input = column(input)?;
    match input {
        DataType::List(_) | DataType::Vector(..) => {
            Err(format!("needs a column of single values, and {input} has several{}", list_hint(input)))
        }
        single => Ok(single),
    }
}

fn list_hint(input: &DataType) -> &'static str {
    match input {
        DataType::List(_) => "; `distinct` with `flatten=#true` looks into lists",
        _ => "",
    }
}

/// How many values to keep, of an option that has to be given.
fn kept(k: Option<u64>) -> Result<usize, String> {
    match k {
        None => Err("needs `k=`, the number of values to keep".to_string()),
        Some(k) => at_least_one("k", k),
    }
}

fn at_least_one(option: &str, number: u64) -> Result<usize, String> {
    match usize::try_from(number) {
        Ok(0) => Err(format!("keeps nothing with `{option}=0`; give at least 1")),
        Ok(number) => Ok(number),
        Err(_) => Ok(usize::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_found() {
        let names: HashSet<_> = REGISTRY.iter().map(|aggregate| aggregate.name()).collect();
        assert_eq!(names.len(), REGISTRY.len());
        assert!(names.iter().all(|name| by_name(name).is_some_and(|found| found.name() == *name)));
        assert!(by_name("median").is_none());
    }

    #[test]
    fn lists_are_refused_with_a_remedy() {
        let list = DataType::Int64.list();
        for name in ["sum", "mean", "min", "max", "var", "stddev", "count_distinct", "distinct"] {
            let refusal = by_name(name).unwrap().output(Some(&list), &Options::default()).unwrap_err();
            assert!(refusal.contains("flatten"), "{name}: {refusal}");
        }
    }

    #[test]
    fn kept_lists_need_a_length() {
        for name in ["first_k", "last_k"] {
            let output = |k| by_name(name).unwrap().output(Some(&DataType::String), &Options { k, ..Options::default() });
            assert_eq!(output(Some(3)), Ok(DataType::String.list()));
            assert!(output(None).unwrap_err().contains("`k=`"));
            assert!(output(Some(0)).unwrap_err().contains("at least 1"));
        }
    }
}
