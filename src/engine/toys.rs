//! Toy worlds that plans are driven through, against a slow reference: what is there at the end is what a build of everything would have
//! made, and what nothing needs has not run.

use super::action::{Action, ActionId, Place};
use super::graph::Graph;
use super::plan::{Checked, Outcome, Plan, Step};
use proptest::prelude::*;
use std::path::Path;

fn action<'a>(name: &str, reads: impl Iterator<Item = &'a str>) -> Action {
    let id = |op: &str| ActionId { asset: "a".into(), op: op.into(), key: None };
    Action {
        id: id(name),
        common: Default::default(),
        period: None,
        upstreams: reads.map(id).collect(),
        after: vec![],
        place: Place { root: Path::new("/").into(), directory: name.into() },
    }
}

/// A world of a few actions with versions, inputs and outputs, some outputs cleaned.
#[derive(Debug, Clone)]
struct Toy {
    reads: Vec<Vec<usize>>,
    /// What each is made by: recorded, and today. Some differ without the output doing so.
    versions: Vec<(u64, u64)>,
    cleaned: Vec<bool>,
    missing: Vec<bool>,
    named: Vec<bool>,
}

impl Toy {
    /// The slow reference: every output as a build of everything would make it.
    fn outputs(&self, version: impl Fn(usize) -> u64) -> Vec<u64> {
        let mut outputs: Vec<u64> = Vec::new();
        for (i, reads) in self.reads.iter().enumerate() {
            outputs.push(Self::output(version(i), reads.iter().map(|r| outputs[*r])));
        }
        outputs
    }

    /// Versions that differ in their lowest bit only give the same output.
    fn output(version: u64, inputs: impl Iterator<Item = u64>) -> u64 {
        inputs.fold(version / 2 + 1, |sum, input| sum.wrapping_mul(31).wrapping_add(input))
    }

    fn graph(&self) -> Graph {
        let names: Vec<String> = (0..self.reads.len()).map(|i| format!("op{i}")).collect();
        let mut graph = Graph::default();
        for (name, reads) in names.iter().zip(&self.reads) {
            graph.add(action(name, reads.iter().map(|r| names[*r].as_str())));
        }
        graph.wanted.extend((0..names.len()).filter(|i| self.named[*i]));
        graph
    }

    /// Builds by the plan; returns what ran, and checks what must hold on the way and at the end.
    fn build(&self) -> Vec<usize> {
        let (graph, then, today) = (self.graph(), self.outputs(|i| self.versions[i].0), self.outputs(|i| self.versions[i].1));
        let mut outputs = then.clone();
        let mut made_of: Vec<(u64, Vec<u64>)> =
            (0..graph.len()).map(|i| (self.versions[i].0, self.reads[i].iter().map(|r| then[*r]).collect())).collect();
        let mut there: Vec<bool> = (0..graph.len()).map(|i| !self.cleaned[i] && !self.missing[i]).collect();
        let (mut plan, mut ran) = (Plan::new(&graph, false), Vec::new());
        loop {
            let now = |i: usize, outputs: &[u64]| (self.versions[i].1, self.reads[i].iter().map(|r| outputs[*r]).collect::<Vec<_>>());
            match plan.step() {
                Step::Check(i) => {
                    let stale = made_of[i] != now(i, &outputs);
                    let is_tombstone = !there[i] && !self.missing[i];
                    let found = match (is_tombstone, there[i]) {
                        (true, _) if plan.suffices(i, stale) => Checked::Cleaned { stale },
                        (false, true) if !stale => Checked::Fresh,
                        _ => Checked::Run,
                    };
                    plan.checked(i, found);
                }
                Step::Run(i) => {
                    assert!(self.reads[i].iter().all(|r| there[*r]), "{i} runs without its inputs");
                    assert!(!ran.contains(&i), "{i} runs twice");
                    made_of[i] = now(i, &outputs);
                    outputs[i] = Self::output(self.versions[i].1, self.reads[i].iter().map(|r| outputs[*r]));
                    there[i] = true;
                    ran.push(i);
                    plan.finished(i, true);
                }
                Step::Wait => panic!("nothing is under way"),
                Step::Finished => break,
            }
        }
        for i in 0..graph.len() {
            assert!(plan.outcome(i).is_some_and(Outcome::is_good));
            assert!(there[i] || (self.cleaned[i] && !self.missing[i] && !self.named[i]), "{i} is not there");
            assert!(!there[i] || outputs[i] == today[i], "{i} is not what it would be today");
        }
        ran
    }

    /// Whether something that is or has to be there depends on an action, or is it.
    fn is_needed(&self, index: usize) -> bool {
        let wants = |i: usize| !self.cleaned[i] || self.missing[i] || self.named[i];
        wants(index) || (index + 1..self.reads.len()).any(|i| self.reads[i].contains(&index) && self.is_needed(i))
    }
}

prop_compose! {
    fn toys()(size in 1usize..8)(
        reads in prop::collection::vec(any::<u8>(), size),
        versions in prop::collection::vec((0u64..4, prop::option::weighted(0.3, 0u64..4)), size),
        cleaned in prop::collection::vec(prop::bool::weighted(0.6), size),
        missing in prop::collection::vec(prop::bool::weighted(0.1), size),
        named in prop::collection::vec(prop::bool::weighted(0.1), size),
    ) -> Toy {
        let reads = reads.iter().enumerate().map(|(i, bits)| (0..i).filter(|r| bits >> r & 1 == 1).collect()).collect();
        let versions = versions.into_iter().map(|(then, now)| (then, now.unwrap_or(then))).collect();
        Toy { reads, versions, cleaned, missing, named }
    }
}

proptest! {
    #[test]
    fn what_is_wanted_ends_as_if_built_anew_and_what_is_not_stays_cleaned(toy in toys()) {
        for index in toy.build() {
            prop_assert!(toy.is_needed(index), "{} ran for nothing", index);
        }
    }

    #[test]
    fn where_nothing_has_changed_only_the_named_and_missing_and_what_they_are_made_of_run(toy in toys()) {
        let same = Toy { versions: toy.versions.iter().map(|(then, _)| (*then, *then)).collect(), ..toy };
        let wanting: Vec<usize> = (0..same.reads.len()).filter(|i| same.missing[*i] || (same.named[*i] && same.cleaned[*i])).collect();
        let ran = same.build();
        prop_assert!(wanting.iter().all(|i| ran.contains(i)));
        for index in ran {
            let is_for = |i: &usize| same.reads[*i].contains(&index);
            prop_assert!(wanting.contains(&index) || same.cleaned[index] && (0..same.reads.len()).any(|i| is_for(&i)), "{index}");
        }
    }
}
