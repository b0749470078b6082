//! Slowly changing attributes of users: everybody's first state, then each day's changes.
//!
//! Knows nothing of files. Invariants: the first day holds every user once, at its first millisecond; later rows are in order of time,
//! at most one a user and day.

use super::people::{Membership, People, user_id};
use super::random::{Purpose, Stream, stream};
use super::spec::{Day, SampleSpec};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use rand::RngExt;
use std::sync::Arc;

/// Out of a hundred users a day.
const CHANGING: u32 = 3;

/// One row: a user's attributes from a moment on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    user: usize,
    membership: Membership,
    updated_at: i64,
}

impl Change {
    pub(super) fn at(&self) -> i64 {
        self.updated_at
    }
}

/// The state of all users; days must be asked for in order.
pub(super) struct Attributes<'a> {
    people: &'a People,
    seed: u64,
    memberships: Vec<Membership>,
}

impl<'a> Attributes<'a> {
    pub(super) fn new(spec: &SampleSpec, people: &'a People) -> Self {
        Self { people, seed: spec.seed, memberships: people.iter().map(|user| user.membership).collect() }
    }

    pub(super) fn day(&mut self, day: &Day) -> Vec<Change> {
        if day.number == 0 {
            return self.everybody(day.start);
        }
        let mut stream = stream(self.seed, Purpose::Attributes, day.number);
        let mut changes: Vec<Change> = (0..self.people.len()).filter_map(|user| self.change(user, day, &mut stream)).collect();
        changes.sort_by_key(|change| change.updated_at);
        changes
    }

    fn everybody(&self, updated_at: i64) -> Vec<Change> {
        let states = self.memberships.iter().enumerate();
        states.map(|(user, membership)| Change { user, membership: *membership, updated_at }).collect()
    }

    fn change(&mut self, user: usize, day: &Day, stream: &mut Stream) -> Option<Change> {
        if !stream.random_ratio(CHANGING, 100) {
            return None;
        }
        let membership = self.memberships[user].changed(stream);
        self.memberships[user] = membership;
        Some(Change { user, membership, updated_at: stream.random_range(day.start..=day.last_ms()) })
    }
}

pub(super) fn attributes_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("user_id", DataType::Int64, false),
        Field::new("membership", DataType::Utf8, false),
        Field::new("registered_at", DataType::Int64, false),
        Field::new("updated_at", DataType::Int64, false),
    ]))
}

pub(super) fn attributes_batch(changes: &[Change], people: &People) -> Result<RecordBatch, ArrowError> {
    let registered = changes.iter().map(|change| people.get(change.user).registered_at);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(changes.iter().map(|change| user_id(change.user)))),
        Arc::new(StringArray::from_iter_values(changes.iter().map(|change| change.membership.name()))),
        Arc::new(Int64Array::from_iter_values(registered)),
        Arc::new(Int64Array::from_iter_values(changes.iter().map(|change| change.updated_at))),
    ];
    RecordBatch::try_new(attributes_schema(), columns)
}
