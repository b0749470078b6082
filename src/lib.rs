//! daeda: the build tool for machine-learning training data. The map of the code is `ARCHITECTURE.md`.

pub mod catalog;
pub mod digest;
pub mod features;
pub mod path;
pub mod source;
