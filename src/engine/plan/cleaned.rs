//! Cleaned outputs in a plan: who can do with the record that is left of them, and what is opened again for who cannot.
//!
//! Of some outputs only the record is left. That is enough for whoever has been built from them, so a cleaned action settles well, stale or
//! not, and is opened again only when somebody needs more: one that is to run needs its *data*; one that is published and fresh so far
//! needs the *truth* of a cleaned one that is stale. Invariant: what is opened again is checked again, and after it everything that was
//! settled by what it was.

use super::{Outcome, Plan, Status};

/// What others need of an action's output, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// What its digest would be today.
    Truth,
    Data,
}

impl Plan<'_> {
    /// Whether the record of a cleaned output is all that anybody needs of it.
    pub fn suffices(&self, index: usize, stale: bool) -> bool {
        match self.needs.get(&index) {
            None => true,
            Some(Need::Truth) => !stale,
            Some(Need::Data) => false,
        }
    }

    pub(super) fn fresh(&mut self, index: usize) {
        if !self.opens(&self.stale_below(index), Need::Truth, index) {
            self.settle(index, Outcome::Fresh);
        }
    }

    pub(super) fn cleaned(&mut self, index: usize, stale: bool) {
        let below = self.stale_below(index);
        if self.needs.contains_key(&index) && self.opens(&below, Need::Truth, index) {
            return;
        }
        if stale || !below.is_empty() {
            self.stale.insert(index);
        }
        self.settle(index, Outcome::Cleaned);
    }

    /// What an action reads of which only the record is there.
    pub(super) fn cleaned_below(&self, index: usize) -> Vec<usize> {
        self.graph.reads(index).filter(|i| self.status[*i] == Status::Settled(Outcome::Cleaned)).collect()
    }

    fn stale_below(&self, index: usize) -> Vec<usize> {
        self.cleaned_below(index).into_iter().filter(|i| self.stale.contains(i)).collect()
    }

    /// Opens cleaned actions again for one that needs them, which waits for them. False if there are none.
    pub(super) fn opens(&mut self, cleaned: &[usize], need: Need, reader: usize) -> bool {
        if cleaned.is_empty() || self.stopped {
            return false;
        }
        for index in cleaned {
            let known = self.needs.entry(*index).or_insert(need);
            *known = need.max(*known);
            self.open_again(*index);
        }
        self.wait(reader);
        true
    }

    /// An action and all that were settled by what it was are checked once more.
    fn open_again(&mut self, index: usize) {
        let mut open = vec![index];
        while let Some(index) = open.pop() {
            match self.status[index] {
                Status::Settled(Outcome::Fresh | Outcome::Cleaned) => {
                    self.open += 1;
                    self.stale.remove(&index);
                    self.wait(index);
                    open.extend(self.dependents.of_action(index));
                }
                Status::Waiting(_) => self.wait(index),
                // A check under way is discarded when it is reported; what runs or has run had its data.
                Status::Checking | Status::ToRun | Status::Running | Status::Settled(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{action, chain};
    use super::super::{Checked, Outcome, Plan, Step};
    use crate::engine::graph::Graph;

    /// Drives a plan over cleaned actions: `found` answers as a check would that knows nothing of what is needed.
    fn drive_cleaned(graph: &Graph, found: impl Fn(usize, &[Step]) -> Checked) -> (Vec<Step>, Vec<Outcome>) {
        let mut plan = Plan::new(graph, false);
        let mut steps = Vec::new();
        loop {
            let step = plan.step();
            match step {
                Step::Check(i) => match found(i, &steps) {
                    Checked::Cleaned { stale } if !plan.suffices(i, stale) => plan.checked(i, Checked::Run),
                    found => plan.checked(i, found),
                },
                Step::Run(i) => plan.finished(i, true),
                Step::Wait => panic!("nothing is under way"),
                Step::Finished => break,
            }
            steps.push(step);
        }
        (steps, (0..graph.len()).filter_map(|i| plan.outcome(i)).collect())
    }

    fn runs(steps: &[Step]) -> Vec<usize> {
        let run = |step: &Step| if let Step::Run(i) = step { Some(*i) } else { None };
        steps.iter().filter_map(run).collect()
    }

    const CLEANED: Checked = Checked::Cleaned { stale: false };
    const CLEANED_AND_STALE: Checked = Checked::Cleaned { stale: true };

    #[test]
    fn what_was_made_of_a_cleaned_output_stays_fresh() {
        let (steps, outcomes) = drive_cleaned(&chain(), |i, _| if i == 1 { CLEANED } else { Checked::Fresh });
        assert_eq!((runs(&steps), outcomes), (vec![], vec![Outcome::Fresh, Outcome::Cleaned, Outcome::Fresh, Outcome::Fresh]));
    }

    #[test]
    fn who_runs_has_its_cleaned_inputs_rebuilt_first_down_to_the_first_that_is_there() {
        let found = |i, _: &[Step]| match i {
            0 | 1 => CLEANED,
            2 => Checked::Run,
            _ => Checked::Fresh,
        };
        let (steps, outcomes) = drive_cleaned(&chain(), found);
        assert_eq!(runs(&steps), [0, 1, 2]);
        assert_eq!(outcomes, [Outcome::Built, Outcome::Built, Outcome::Built, Outcome::Fresh]);
    }

    #[test]
    fn a_stale_cleaned_output_is_rebuilt_only_if_something_published_was_made_of_it() {
        let unread = |i, _: &[Step]| if i == 0 { CLEANED_AND_STALE } else { CLEANED };
        let (steps, outcomes) = drive_cleaned(&chain(), unread);
        assert_eq!((runs(&steps), outcomes), (vec![], vec![Outcome::Cleaned; 4]));
        // The third was built from the second, which was built from the first.
        let read = |i, steps: &[Step]| match i {
            0 if steps.contains(&Step::Run(0)) => Checked::Fresh,
            0 => CLEANED_AND_STALE,
            1 => CLEANED,
            _ => Checked::Fresh,
        };
        let (steps, outcomes) = drive_cleaned(&chain(), read);
        assert_eq!(runs(&steps), [0], "it came out as it was, so that the second need not run");
        assert_eq!(outcomes, [Outcome::Built, Outcome::Cleaned, Outcome::Fresh, Outcome::Fresh]);
    }

    #[test]
    fn a_cleaned_output_that_was_named_is_rebuilt() {
        let mut graph = chain();
        graph.wanted.insert(2);
        let (steps, _) = drive_cleaned(&graph, |_, _| CLEANED);
        assert_eq!(runs(&steps), [0, 1, 2]);
    }

    #[test]
    fn who_was_settled_by_what_is_rebuilt_after_all_is_checked_again() {
        let mut graph = Graph::default();
        graph.add(action("below", &[]));
        graph.add(action("content", &["below"]));
        graph.add(action("wanting", &["below"]));
        graph.add(action("above", &["content"]));
        let found = |i, _: &[Step]| [CLEANED, Checked::Fresh, Checked::Run, Checked::Fresh][i];
        let (steps, outcomes) = drive_cleaned(&graph, found);
        assert_eq!(runs(&steps), [0, 2]);
        let last = |step| steps.iter().rposition(|s| *s == step).unwrap();
        assert!(last(Step::Run(0)) < last(Step::Check(1)) && last(Step::Check(1)) < last(Step::Check(3)), "{steps:?}");
        assert_eq!(outcomes, [Outcome::Built, Outcome::Fresh, Outcome::Built, Outcome::Fresh]);
    }

    #[test]
    fn what_needs_a_cleaned_output_that_cannot_be_rebuilt_is_skipped() {
        let mut plan_graph = Graph::default();
        plan_graph.add(action("below", &[]));
        plan_graph.add(action("wanting", &["below"]));
        plan_graph.add(action("content", &["below"]));
        let mut plan = Plan::new(&plan_graph, true);
        loop {
            match plan.step() {
                Step::Check(0) if plan.suffices(0, false) => plan.checked(0, CLEANED),
                Step::Check(2) => plan.checked(2, Checked::Fresh),
                Step::Check(i) => plan.checked(i, Checked::Run),
                Step::Run(i) => plan.finished(i, false),
                Step::Wait => panic!("nothing is under way"),
                Step::Finished => break,
            }
        }
        let outcomes: Vec<_> = (0..3).filter_map(|i| plan.outcome(i)).collect();
        assert_eq!(outcomes, [Outcome::Failed, Outcome::Skipped, Outcome::Skipped]);
    }
}
