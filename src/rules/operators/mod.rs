//! Runs the operators of a skeleton, one after the other, each on the rows that its inputs made.
//!
//! Invariants: an operator sees nothing but its inputs and its own description; rows keep the spine's order through every operator.

mod coverage;
mod joins;
mod ratio;
mod rolling;
mod rows;
mod sessions;
mod sink;

use super::keyed::of_operator;
use super::loader::Loader;
use super::skeleton::SkeletonSpec;
use super::uses::{Joined, Uses};
use crate::catalog::dag::{ArrowUdf, Computed, Kind, Operator, RollingAggregate, StaticJoin};
use crate::engine::failure::Failure;
use crate::features::arrow_type::arrow_type;
use crate::features::evaluate::value;
use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, Schema};
use rolling::Waiting;
use rows::{Filters, Rows};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;

pub use joins::{Side, keys};
pub use sink::{schema as contract_schema, sink};

/// Rows that a filter kept and dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    pub step: String,
    pub kept: usize,
    pub dropped: usize,
}

/// What an operator has made, or is yet to make.
#[derive(Clone)]
enum Held<'a> {
    Rows(Rows),
    Waiting(Waiting<'a>),
}

impl Held<'_> {
    fn rows(self) -> Result<Rows, Failure> {
        match self {
            Held::Rows(rows) => Ok(rows),
            Held::Waiting(waiting) => waiting.run().map(Rows::from),
        }
    }
}

pub struct Machine<'a> {
    spec: &'a SkeletonSpec,
    loader: &'a Loader<'a>,
    held: HashMap<&'a str, Held<'a>>,
    filters: Filters,
    /// How many operators still take an operator's rows.
    takers: HashMap<&'a str, usize>,
    coverage: coverage::Coverages,
    last: Option<&'a str>,
    steps: Vec<Step>,
    uses: Uses,
}

impl<'a> Machine<'a> {
    pub fn new(spec: &'a SkeletonSpec, loader: &'a Loader<'a>) -> Self {
        let mut takers = HashMap::new();
        for input in spec.operators.iter().flat_map(|o| &o.inputs) {
            *takers.entry(input.as_str()).or_insert(0) += 1;
        }
        let (coverage, noted) = (coverage::Coverages::default(), Uses::of(&spec.operators));
        let (held, filters, steps) = (HashMap::new(), Filters::default(), Vec::new());
        Self { spec, loader, held, filters, takers, coverage, last: None, steps, uses: noted }
    }

    /// Runs the next operator, whose inputs have run.
    pub fn step(&mut self, operator: &'a Operator) -> Result<(), Failure> {
        let inputs: Result<Vec<Held>, Failure> = operator.inputs.iter().map(|id| self.input(id)).collect();
        let named = |f: Failure| Failure { message: format!("{}: {}", operator.id, f.message), ..f };
        let held = match (&operator.does, <[Held; 2]>::try_from(inputs?)) {
            (Kind::RollingAggregate(what), Ok([spine, events])) => Held::Waiting(self.wait(&operator.id, what, spine, events.rows()?)?),
            (_, Ok(both)) => {
                let [left, right] = both.map(Held::rows);
                Held::Rows(self.make(operator, vec![left?, right?]).map_err(named)?)
            }
            (_, Err(inputs)) => {
                let inputs = inputs.into_iter().map(Held::rows).collect::<Result<_, _>>()?;
                Held::Rows(self.make(operator, inputs).map_err(named)?)
            }
        };
        self.held.insert(&operator.id, held);
        self.last = Some(&operator.id);
        Ok(())
    }

    /// An aggregate waits with those before it that it can run together with.
    fn wait(&mut self, id: &'a str, what: &'a RollingAggregate, spine: Held<'a>, events: Rows) -> Result<Waiting<'a>, Failure> {
        let mut waiting = match spine {
            Held::Waiting(waiting) if waiting.admits(what, &events) => waiting,
            other => Waiting::new(other.rows()?.plain()?),
        };
        waiting.add(id, what, events);
        Ok(waiting)
    }

    /// The rows of the last operator.
    pub fn result(&mut self) -> Result<RecordBatch, Failure> {
        let last = self.last.and_then(|id| self.held.remove(id));
        last.ok_or_else(|| Failure::permanent("the service has no operators"))?.rows()?.plain()
    }

    /// What filters have dropped, and what was used of keyed sources.
    pub fn close(self) -> (Vec<Step>, Uses) {
        (self.steps, self.uses)
    }

    fn input(&mut self, id: &'a str) -> Result<Held<'a>, Failure> {
        let left = self.takers.get_mut(id).map(|takers| {
            *takers -= 1;
            *takers
        });
        let held = if left == Some(0) { self.held.remove(id) } else { self.held.get(id).cloned() };
        held.ok_or_else(|| Failure::permanent(format!("operator `{id}` has not run")))
    }

    fn make(&mut self, operator: &Operator, inputs: Vec<Rows>) -> Result<Rows, Failure> {
        let before = inputs.first().map_or(0, Rows::count);
        let rows = match (&operator.does, inputs) {
            (Kind::Filter(filter), mut inputs) if inputs.len() == 1 => self.filters.apply(inputs.remove(0), &filter.expr)?,
            (Kind::Scan(scan), _) => self.loader.scan(scan)?.into(),
            (_, inputs) => {
                let plain = inputs.into_iter().map(Rows::plain).collect::<Result<Vec<_>, _>>()?;
                self.apply(operator, &plain)?.into()
            }
        };
        if is_filter(&operator.does) {
            let kept = rows.count();
            self.steps.push(Step { step: operator.id.clone(), kept, dropped: before - kept });
        }
        Ok(rows)
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
            (Kind::Join(join), [left, right]) => self.join(operator, join, left, right),
            (Kind::PitJoin(join), [left, right]) => joins::as_of(left, right, join),
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
