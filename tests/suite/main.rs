//! The suite: what the binary does, seen from outside, and what holds for the whole repository. One test binary, so that it links once.

mod chance;
mod clean;
mod conditions;
mod documents;
mod enrich_agrees;
mod example;
mod fewer;
mod fixture;
mod freshness;
mod golden;
mod in_process;
mod layers;
mod mistakes;
mod processes;
mod random_workspace;
mod regressions;
mod rows;
mod scheme_1;
mod skeleton_agrees;
mod skeleton_reference;
mod skeleton_rules;
mod surface;
mod workspace;
mod workspace_text;
