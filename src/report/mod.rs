//! Reporters: diagnostics drawn for people and programs, and consumers of the engine's events.
//!
//! Knows nothing of how anything runs. Invariant: every event has a place in every reporter; a new one does not compile until it has.

mod alive;
mod course;
pub mod diagnostics;
pub mod github;
pub mod json;
pub mod plain;
pub mod sarif;
pub mod several;
pub mod terminal;
mod ticker;
pub mod trace;
