//! daeda: the build tool for machine-learning training data. The map of the code is `ARCHITECTURE.md`.

pub mod catalog;
pub mod cli;
pub mod digest;
pub mod engine;
pub mod features;
pub mod history;
pub mod manifest;
pub mod pack;
pub mod path;
pub mod query;
pub mod report;
pub mod rules;
pub mod sample;
pub mod schedule;
pub mod source;
pub mod stat;
pub mod table;
pub mod workspace;
