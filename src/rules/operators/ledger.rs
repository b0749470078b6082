//! What operators do to rows, and what they note on the way, whatever part of the rows they get at once.
//!
//! Invariant: what is noted does not depend on how the rows were parted, if only each of them comes once.

use super::{coverage, joins, keep, pairs, ratio, rolling, sessions, with_columns};
use crate::catalog::dag::{ArrowUdf, Computed, Engine, Kind, Operator, StaticJoin};
use crate::engine::failure::Failure;
use crate::features::arrow_type::arrow_type;
use crate::features::evaluate::value;
use crate::rules::keyed::of_operator;
use crate::rules::skeleton::SkeletonSpec;
use crate::rules::uses::{Joined, Uses};
use arrow::array::{ArrayRef, RecordBatch};
use serde::Serialize;
use std::path::PathBuf;

/// Rows that a filter kept and dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    pub step: String,
    pub kept: usize,
    pub dropped: usize,
}

pub struct Ledger<'a> {
    spec: &'a SkeletonSpec,
    coverage: coverage::Coverages,
    steps: Vec<Step>,
    uses: Uses,
}

impl<'a> Ledger<'a> {
    pub fn new(spec: &'a SkeletonSpec) -> Self {
        Self { spec, coverage: coverage::Coverages::new(spec.kept.keys()), steps: Vec::new(), uses: Uses::of(&spec.operators) }
    }

    /// Kept files that were not what they should have been.
    pub fn damaged(&self) -> Vec<PathBuf> {
        self.coverage.damaged()
    }

    /// The steps in the order of the operators, and what was used of keyed sources.
    pub fn close(mut self) -> (Vec<Step>, Uses) {
        let place = |step: &Step| self.spec.operators.iter().position(|operator| operator.id == step.step);
        self.steps.sort_by_key(place);
        (self.steps, self.uses)
    }

    /// Runs an operator on rows of one input. They may be any part of the input's rows.
    pub fn alone(&mut self, operator: &Operator, rows: &RecordBatch) -> Result<RecordBatch, Failure> {
        let made = self.apply(operator, rows).map_err(|f| named(&operator.id, f))?;
        if matches!(operator.does, Kind::Filter(_) | Kind::ArrowUdf(ArrowUdf::Coverage { .. })) {
            self.note(operator, made.num_rows(), rows.num_rows());
        }
        Ok(made)
    }

    /// Runs an operator on rows of two inputs. They may be any part of the inputs' rows that holds all rows of its keys.
    pub fn together(&mut self, operator: &Operator, left: &RecordBatch, right: &RecordBatch) -> Result<RecordBatch, Failure> {
        let made = self.meet(operator, left, right).map_err(|f| named(&operator.id, f))?;
        if matches!(operator.does, Kind::ArrowUdf(ArrowUdf::Sessions { .. })) {
            self.note(operator, made.num_rows(), left.num_rows());
        }
        Ok(made)
    }

    /// Notes what a filter did to rows.
    pub fn note(&mut self, operator: &Operator, kept: usize, of: usize) {
        let dropped = of - kept;
        match self.steps.iter_mut().find(|step| step.step == operator.id) {
            Some(step) => (step.kept, step.dropped) = (step.kept + kept, step.dropped + dropped),
            None => self.steps.push(Step { step: operator.id.clone(), kept, dropped }),
        }
    }

    fn apply(&mut self, operator: &Operator, rows: &RecordBatch) -> Result<RecordBatch, Failure> {
        match &operator.does {
            Kind::Filter(filter) => keep(rows, &filter.expr),
            Kind::ArrowUdf(ArrowUdf::Coverage { store, column }) => {
                self.coverage.keep(rows, store, column, &self.spec.sources, &mut self.uses)
            }
            Kind::ArrowUdf(ArrowUdf::Ratio { numerator, denominator, name }) => ratio::ratio(rows, numerator, denominator, name),
            Kind::Project(project) => with_columns(rows, project.columns.iter().map(|c| computed(rows, c)).collect::<Result<_, _>>()?),
            Kind::Sink(contract) => super::sink(rows, contract),
            does => Err(Failure::permanent(format!("a {} cannot run here on one input", does.name()))),
        }
    }

    fn meet(&mut self, operator: &Operator, left: &RecordBatch, right: &RecordBatch) -> Result<RecordBatch, Failure> {
        match &operator.does {
            Kind::Join(join) => self.join(operator, join, left, right),
            Kind::PitJoin(join) => joins::as_of(left, right, join),
            Kind::RollingAggregate(what) if operator.engine == Engine::Polars => pairs::rolling(left, right, what),
            Kind::RollingAggregate(what) => rolling::rolling(what, left, right),
            Kind::ArrowUdf(ArrowUdf::Sessions { column, drop, likes }) => sessions::keep(left, right, column, drop, likes),
            does => Err(Failure::permanent(format!("a {} cannot run here on two inputs", does.name()))),
        }
    }

    fn join(&mut self, operator: &Operator, join: &StaticJoin, left: &RecordBatch, right: &RecordBatch) -> Result<RecordBatch, Failure> {
        let found = joins::latest(left, right, join)?;
        let read = of_operator(operator, &self.spec.operators);
        if let (Some(read), Some(source)) = (read, self.spec.sources.get(&join.view)) {
            self.uses.note_join(&read, source, &Joined { left, right, join, found: &found })?;
        }
        joins::attach(left, right, &join.columns, found)
    }
}

/// A failure that says whose it is.
pub fn named(id: &str, failure: Failure) -> Failure {
    Failure { message: format!("{id}: {}", failure.message), ..failure }
}

/// A column from the row as it was: one that is computed under a column's own name hides that column from no other.
fn computed(rows: &RecordBatch, column: &Computed) -> Result<(String, ArrayRef), Failure> {
    let array = value(rows, &column.expr, &arrow_type(&column.data_type)).map_err(|e| Failure::permanent(e.to_string()))?;
    Ok((column.name.clone(), array))
}
