//! Runs the operators of a skeleton, one after the other, each on the rows that its inputs made.
//!
//! Invariants: an operator sees nothing but its inputs and its own description; rows keep the spine's order through every operator.

mod coverage;
mod joins;
mod ratio;
mod rolling;
mod sessions;
mod sink;

use super::keyed::of_operator;
use super::loader::Loader;
use super::skeleton::SkeletonSpec;
use super::uses::{Joined, Uses};
use crate::catalog::dag::{ArrowUdf, Computed, Kind, Operator, StaticJoin};
use crate::catalog::expr::Expr;
use crate::engine::failure::Failure;
use crate::features::arrow_type::arrow_type;
use crate::features::evaluate::{filter_mask, value};
use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, Schema};
use serde::Serialize;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

pub use joins::{Side, keys};
pub use sink::{fulfil, refuse_nulls, schema as contract_schema, sink};

/// Rows that a filter kept and dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    pub step: String,
    pub kept: usize,
    pub dropped: usize,
}

pub struct Machine<'a> {
    spec: &'a SkeletonSpec,
    loader: &'a Loader<'a>,
    rows: HashMap<&'a str, RecordBatch>,
    /// How many operators still take an operator's rows.
    takers: HashMap<&'a str, usize>,
    coverage: coverage::Coverages,
    last: Option<&'a str>,
    pub steps: Vec<Step>,
    pub uses: Uses,
}

impl<'a> Machine<'a> {
    pub fn new(spec: &'a SkeletonSpec, loader: &'a Loader<'a>) -> Self {
        let mut takers = HashMap::new();
        for input in spec.operators.iter().flat_map(|o| &o.inputs) {
            *takers.entry(input.as_str()).or_insert(0) += 1;
        }
        let (rows, steps) = (HashMap::new(), Vec::new());
        let (coverage, noted) = (coverage::Coverages::new(spec.kept.keys()), Uses::of(&spec.operators));
        Self { spec, loader, rows, takers, coverage, last: None, steps, uses: noted }
    }

    /// Runs the next operator, whose inputs have run.
    pub fn step(&mut self, operator: &'a Operator) -> Result<(), Failure> {
        let inputs: Result<Vec<RecordBatch>, Failure> = operator.inputs.iter().map(|id| self.input(id)).collect();
        let inputs = inputs?;
        let rows = self.apply(operator, &inputs).map_err(|f| Failure { message: format!("{}: {}", operator.id, f.message), ..f })?;
        if let (Some(before), true) = (inputs.first(), is_filter(&operator.does)) {
            let (kept, dropped) = (rows.num_rows(), before.num_rows() - rows.num_rows());
            self.steps.push(Step { step: operator.id.clone(), kept, dropped });
        }
        self.rows.insert(&operator.id, rows);
        self.last = Some(&operator.id);
        Ok(())
    }

    /// Kept files that were not what they should have been.
    pub fn damaged(&self) -> Vec<PathBuf> {
        self.coverage.damaged()
    }

    /// The rows of the last operator.
    pub fn result(&mut self) -> Result<RecordBatch, Failure> {
        let last = self.last.and_then(|id| self.rows.remove(id));
        last.ok_or_else(|| Failure::permanent("the service has no operators"))
    }

    fn input(&mut self, id: &'a str) -> Result<RecordBatch, Failure> {
        let left = self.takers.get_mut(id).map(|takers| {
            *takers -= 1;
            *takers
        });
        let rows = if left == Some(0) { self.rows.remove(id) } else { self.rows.get(id).cloned() };
        rows.ok_or_else(|| Failure::permanent(format!("operator `{id}` has not run")))
    }

    fn join(&mut self, operator: &Operator, join: &StaticJoin, left: &RecordBatch, right: &RecordBatch) -> Result<RecordBatch, Failure> {
        let found = joins::latest(left, right, join)?;
        let read = of_operator(operator, &self.spec.operators);
        if let (Some(read), Some(source)) = (read, self.spec.sources.get(&join.view)) {
            self.uses.note_join(&read, source, &Joined { left, right, join, found: &found })?;
        }
        joins::attach(left, right, &join.columns, found)
    }

    fn apply(&mut self, operator: &Operator, inputs: &[RecordBatch]) -> Result<RecordBatch, Failure> {
        match (&operator.does, inputs) {
            (Kind::Scan(scan), []) => self.loader.scan(scan),
            (Kind::Filter(filter), [rows]) => keep(rows, &filter.expr),
            (Kind::Join(join), [left, right]) => self.join(operator, join, left, right),
            (Kind::PitJoin(join), [left, right]) => joins::as_of(left, right, join),
            (Kind::RollingAggregate(rolling), [spine, events]) => rolling::rolling(spine, events, rolling),
            (Kind::ArrowUdf(ArrowUdf::Coverage { store, column }), [rows]) => {
                self.coverage.keep(rows, store, column, &self.spec.sources, &mut self.uses)
            }
            (Kind::ArrowUdf(ArrowUdf::Sessions { column, drop, likes }), [rows, events]) => {
                sessions::keep(rows, events, column, drop, likes)
            }
            (Kind::ArrowUdf(ArrowUdf::Ratio { numerator, denominator, name }), [rows]) => ratio::ratio(rows, numerator, denominator, name),
            (Kind::Project(project), [rows]) => {
                with_columns(rows, project.columns.iter().map(|c| computed(rows, c)).collect::<Result<_, _>>()?)
            }
            (Kind::Sink(contract), [rows]) => sink(rows, contract),
            (does, inputs) => Err(Failure::permanent(format!("a {} cannot run here on {} inputs", does.name(), inputs.len()))),
        }
    }
}

/// A column from the row as it was: one that is computed under a column's own name hides that column from no other.
fn computed(rows: &RecordBatch, column: &Computed) -> Result<(String, ArrayRef), Failure> {
    let array = value(rows, &column.expr, &arrow_type(&column.data_type)).map_err(|e| Failure::permanent(e.to_string()))?;
    Ok((column.name.clone(), array))
}

fn is_filter(does: &Kind) -> bool {
    matches!(does, Kind::Filter(_) | Kind::ArrowUdf(ArrowUdf::Coverage { .. } | ArrowUdf::Sessions { .. }))
}

fn keep(rows: &RecordBatch, expr: &Expr) -> Result<RecordBatch, Failure> {
    let mask = filter_mask(rows, expr).map_err(|e| Failure::permanent(e.to_string()))?;
    keep_mask(rows, &mask)
}

fn keep_mask(rows: &RecordBatch, mask: &BooleanArray) -> Result<RecordBatch, Failure> {
    filter_record_batch(rows, mask).map_err(arrow_failure)
}

fn arrow_failure(error: arrow::error::ArrowError) -> Failure {
    Failure::permanent(error.to_string())
}

/// A column that an operator was told to use.
fn column<'r>(rows: &'r RecordBatch, name: &str) -> Result<&'r ArrayRef, Failure> {
    rows.column_by_name(name).ok_or_else(|| Failure::permanent(format!("the rows have no column `{name}`")))
}

/// The rows with further columns; one of the same name is replaced.
fn with_columns(rows: &RecordBatch, added: Vec<(String, ArrayRef)>) -> Result<RecordBatch, Failure> {
    let mut fields: Vec<Arc<Field>> = rows.schema().fields().iter().cloned().collect();
    let mut columns = rows.columns().to_vec();
    for (name, array) in added {
        let field = Arc::new(Field::new(&name, array.data_type().clone(), true));
        match fields.iter().position(|f| *f.name() == name) {
            Some(index) => (fields[index], columns[index]) = (field, array),
            None => {
                fields.push(field);
                columns.push(array);
            }
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(arrow_failure)
}
