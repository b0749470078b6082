//! Runs the operators of a skeleton: on all rows at once, one operator after the other ([`Machine`]); or, where that has no room in memory,
//! bucket by bucket ([`Spilled`]).
//!
//! Invariants: an operator sees nothing but its inputs and its own description; rows keep the spine's order through every operator; both ways
//! make the same rows.

mod coverage;
mod joins;
mod ledger;
mod pairs;
mod ratio;
mod rolling;
mod rows;
mod sessions;
mod sink;
mod spilled;

use super::loader::Loader;
use crate::catalog::dag::{Engine, Kind, Operator, RollingAggregate};
use crate::catalog::expr::Expr;
use crate::engine::failure::Failure;
use crate::features::evaluate::filter_mask;
use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, Schema};
use ledger::named;
use rolling::Waiting;
use rows::{Filters, Rows};
use std::collections::HashMap;
use std::sync::Arc;

pub use joins::{Side, keys};
pub use ledger::{Ledger, Step};
pub use sink::{fulfil, refuse_nulls, schema as contract_schema, sink};
pub use spilled::Spilled;

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

    fn plain(self) -> Result<RecordBatch, Failure> {
        self.rows()?.plain()
    }
}

pub struct Machine<'a> {
    loader: &'a Loader<'a>,
    held: HashMap<&'a str, Held<'a>>,
    filters: Filters,
    /// How many operators still take an operator's rows.
    takers: HashMap<&'a str, usize>,
    last: Option<&'a str>,
    ledger: Ledger<'a>,
}

impl<'a> Machine<'a> {
    pub fn new(loader: &'a Loader<'a>) -> Self {
        let spec = loader.inputs.spec;
        let mut takers = HashMap::new();
        for input in spec.operators.iter().flat_map(|o| &o.inputs) {
            *takers.entry(input.as_str()).or_insert(0) += 1;
        }
        Self { loader, held: HashMap::new(), filters: Filters::default(), takers, last: None, ledger: Ledger::new(spec) }
    }

    /// Runs the next operator, whose inputs have run.
    pub fn step(&mut self, operator: &'a Operator) -> Result<(), Failure> {
        let inputs: Result<Vec<Held>, Failure> = operator.inputs.iter().map(|id| self.input(id)).collect();
        let held = match (&operator.does, <[Held; 2]>::try_from(inputs?)) {
            (Kind::RollingAggregate(what), Ok([spine, events])) if operator.engine != Engine::Polars => {
                Held::Waiting(self.wait(&operator.id, what, spine, events.rows()?)?)
            }
            (_, Ok([left, right])) => Held::Rows(self.ledger.together(operator, &left.plain()?, &right.plain()?)?.into()),
            (_, Err(mut inputs)) => Held::Rows(self.alone(operator, inputs.pop())?),
        };
        self.held.insert(&operator.id, held);
        self.last = Some(&operator.id);
        Ok(())
    }

    /// An aggregate waits with those before it that it can run together with.
    fn wait(&mut self, id: &'a str, what: &'a RollingAggregate, spine: Held<'a>, events: Rows) -> Result<Waiting<'a>, Failure> {
        let mut waiting = match spine {
            Held::Waiting(waiting) if waiting.admits(what, &events) => waiting,
            other => Waiting::new(other.plain()?),
        };
        waiting.add(id, what, events);
        Ok(waiting)
    }

    fn alone(&mut self, operator: &Operator, input: Option<Held<'a>>) -> Result<Rows, Failure> {
        match (&operator.does, input) {
            (Kind::Scan(scan), None) => self.loader.scan(scan).map(Rows::from).map_err(|f| named(&operator.id, f)),
            (Kind::Filter(filter), Some(held)) => {
                let rows = held.rows()?;
                let before = rows.count();
                let left = self.filters.apply(rows, &filter.expr).map_err(|f| named(&operator.id, f))?;
                self.ledger.note(operator, left.count(), before);
                Ok(left)
            }
            (_, Some(held)) => self.ledger.alone(operator, &held.plain()?).map(Rows::from),
            (does, None) => Err(Failure::permanent(format!("a {} cannot run here on nothing", does.name()))),
        }
    }

    /// What was noted, everything else being let go.
    pub fn close(self) -> Ledger<'a> {
        self.ledger
    }

    /// The rows of the last operator.
    pub fn result(&mut self) -> Result<RecordBatch, Failure> {
        let last = self.last.and_then(|id| self.held.remove(id));
        last.ok_or_else(|| Failure::permanent("the service has no operators"))?.plain()
    }

    fn input(&mut self, id: &'a str) -> Result<Held<'a>, Failure> {
        let left = self.takers.get_mut(id).map(|takers| {
            *takers -= 1;
            *takers
        });
        let held = if left == Some(0) { self.held.remove(id) } else { self.held.get(id).cloned() };
        held.ok_or_else(|| Failure::permanent(format!("operator `{id}` has not run")))
    }
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
