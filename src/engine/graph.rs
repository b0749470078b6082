//! The graph of actions of one command: nodes are actions, edges say what comes first.
//!
//! Pure. Invariant: actions stand after everything they depend on, so an index is always greater than those of its dependencies.

use super::action::{Action, ActionId};
use crate::digest::key::Table;
use std::collections::BTreeSet;
use std::collections::hash_map::Entry;

#[derive(Debug, Default)]
pub struct Graph {
    actions: Vec<Action>,
    index: Table<usize>,
    /// Of all actions, one after the other; where each one's end.
    dependencies: Vec<usize>,
    ends: Vec<usize>,
    /// What was asked for, as opposed to what that needs.
    pub targets: BTreeSet<usize>,
    /// Those targets that were asked for by key.
    pub named: BTreeSet<usize>,
    /// Those whose own output was asked for by key: it has to be there, and not only its record.
    pub wanted: BTreeSet<usize>,
}

impl Graph {
    /// Adds an action whose dependencies have been added before. Adding one twice is harmless.
    pub fn add(&mut self, action: Action) -> usize {
        let known: Vec<usize> = action.upstreams.iter().chain(&action.after).filter_map(|id| self.index_of(id)).collect();
        self.add_after(action.id.table_key(), action, known)
    }

    /// The same for whoever knows the action's key, and the indices of its upstreams and of what only comes first, in their order.
    pub fn add_after(&mut self, key: u128, action: Action, dependencies: impl IntoIterator<Item = usize>) -> usize {
        let index = self.actions.len();
        match self.index.entry(key) {
            Entry::Occupied(known) => return *known.get(),
            Entry::Vacant(free) => free.insert(index),
        };
        self.dependencies.extend(dependencies);
        self.ends.push(self.dependencies.len());
        self.actions.push(action);
        index
    }

    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    pub fn len(&self) -> usize {
        self.actions.len()
    }

    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    pub fn index_of(&self, id: &ActionId) -> Option<usize> {
        self.index.get(&id.table_key()).copied()
    }

    pub fn get(&self, id: &ActionId) -> Option<&Action> {
        self.index_of(id).map(|index| &self.actions[index])
    }

    /// Makes room for so many more actions.
    pub fn reserve(&mut self, more: usize) {
        self.actions.reserve(more);
        self.index.reserve(more);
        self.dependencies.reserve(more);
        self.ends.reserve(more);
    }

    /// The actions whose output one reads.
    pub fn reads(&self, index: usize) -> impl Iterator<Item = usize> {
        (0..self.actions[index].upstreams.len()).filter_map(move |position| self.upstream(index, position))
    }

    /// The action behind one of an action's upstreams, by its position.
    pub fn upstream(&self, index: usize, position: usize) -> Option<usize> {
        let (action, known) = (&self.actions[index], self.dependencies(index));
        // Nearly always all are there, and stand in their order.
        match known.len() == action.upstreams.len() + action.after.len() {
            true => Some(known[position]),
            false => self.index_of(&action.upstreams[position]),
        }
    }

    /// By action, those that read its output.
    pub fn readers(&self) -> Vec<Vec<usize>> {
        let mut readers = vec![Vec::new(); self.len()];
        (0..self.len()).for_each(|index| self.reads(index).for_each(|read| readers[read].push(index)));
        readers
    }

    /// Everything that must be settled before an action is looked at.
    pub fn dependencies(&self, index: usize) -> &[usize] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.dependencies[start..self.ends[index]]
    }
}
