//! A check of an asset as it is run: typed, with what it asks of a partition.
//!
//! Knows nothing of how a partition is read. Invariants: names of columns are those of the contract, where there is one; a check asks
//! for at least one thing.

use super::expr::Expr;
use super::quantity::Duration;
use super::types::TimeUnit;
use serde::{Deserialize, Serialize};

/// What must hold of a partition before it is published.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    /// A failure leaves what is published; else it is only said.
    pub blocks: bool,
    pub rows: Option<Rows>,
    pub nulls: Option<Nulls>,
    /// Columns whose values together no two rows share.
    pub unique: Vec<String>,
    pub range: Option<Values>,
    pub accepted: Option<Values>,
    pub newest: Option<Newest>,
    pub median: Option<Median>,
    pub condition: Option<Condition>,
}

/// Bounds of a number of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    pub min: Option<u64>,
    pub max: Option<u64>,
}

/// How many values may be missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Nulls {
    pub column: String,
    pub ratio_max: f64,
}

/// What the values of a column may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Values {
    pub column: String,
    /// True of a row that has another value.
    pub wrong: Expr,
    /// What is expected, for people: `from 0 to 1`, `one of 'a', 'b'`.
    pub expected: String,
}

/// How old the newest instant may be when the period ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Newest {
    pub column: String,
    /// Of integers.
    pub unit: Option<TimeUnit>,
    pub within: Duration,
}

/// The number of rows, as a multiple of the median of the partitions before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Median {
    pub min: Option<f64>,
    pub max: Option<f64>,
    /// How many periods before.
    pub of: u64,
}

/// How many rows satisfy a condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    pub condition: Expr,
    pub rows: Rows,
    pub share_min: Option<f64>,
    pub share_max: Option<f64>,
}
