//! Schedules: which periods of a job have come due, how they stand, and who is told when they fail, are late or recover.
//!
//! Knows nothing of the terminal. What a schedule has done is not kept anywhere: it follows from the verdicts on what is published. Kept is
//! only what has been told to whom ([`ledger`]), and losing that repeats a notice at worst.

pub mod due;
pub mod ledger;
pub mod messenger;
pub mod notice;
pub mod rest;
pub mod standing;
pub mod tell;

pub use due::{Calendar, Due};
pub use standing::Standing;
