//! What other tools' own tests say, told as scenarios in `tests/peers/*.md`, each with the values that are expected there and where they
//! come from. What daeda does otherwise, and why, stands in their prose.
//!
//! `DAEDA_SCENARIO=<part of a name>` runs some of them.

use super::{all_hold, stories_of};
use std::collections::BTreeSet;

/// What must be shown: a file's name, and where its case comes from.
const CASES: &[(&str, &str)] = &[
    ("01-backfills", "feast-dev/feast"),
    ("02-knowledge-time", "feast-dev/feast"),
    ("03-equal-rows-survive", "feast-dev/feast"),
    ("04-trades-and-quotes", "pola-rs/polars"),
    ("05-null-keys", "pola-rs/polars"),
    ("06-ties-by-sequence", "databrickslabs/tempo"),
    ("07-tolerances", "databrickslabs/tempo"),
    ("08-start-of-a-window", "feathr-ai/feathr"),
    ("09-last-two-and-eviction", "airbnb/chronon"),
    ("10-boundary-days", "airbnb/chronon"),
    ("11-partitions-of-a-spine", "databrickslabs/tempo"),
];

#[test]
fn what_peers_expect_holds() {
    all_hold(&stories_of("tests/peers"));
}

#[test]
fn every_case_names_its_origin() {
    let stories = stories_of("tests/peers");
    for story in &stories {
        let origin = story.lines.get(2).and_then(|line| line.strip_prefix("Origin: ")).unwrap_or_default();
        let case = CASES.iter().find(|(name, _)| *name == story.name());
        assert!(case.is_some_and(|(_, from)| origin.starts_with(from)), "{}: {origin}", story.place(3));
    }
    let names: BTreeSet<String> = stories.iter().map(|story| story.name()).collect();
    assert!(std::env::var_os("DAEDA_SCENARIO").is_some() || CASES.iter().all(|(name, _)| names.contains(*name)));
}
