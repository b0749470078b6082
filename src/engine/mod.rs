//! The engine: decides which actions are fresh, runs those that are not, and publishes what they make.
//!
//! Knows nothing of KDL, Polars, Parquet, the rule kinds or the terminal: it is handed actions, a [`World`](world::World) that makes
//! observations, [`Records`](record::Records) that keep them inside outputs, and an [`Executor`](execute::Executor) that runs an action.
//! Invariant: one traversal makes both the verdict and its reasons, so an explanation cannot disagree with a rebuild.

pub mod action;
mod attempt;
pub mod check;
pub mod clean;
pub mod clock;
pub mod decision;
pub mod descendants;
pub mod disk;
pub mod driver;
pub mod envelope;
pub mod event;
pub mod execute;
pub mod failure;
pub mod graph;
pub mod group;
pub mod hashing;
pub mod index;
pub mod judge;
pub mod lock;
mod nesting;
pub mod observation;
pub mod plan;
pub mod program;
pub mod publish;
pub mod record;
pub mod retry;
pub mod secrets;
pub mod series;
pub mod staging;
pub mod state;
pub mod survey;
#[cfg(test)]
mod toys;
pub mod trace;
pub mod worker;
pub mod world;
