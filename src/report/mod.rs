//! What people and programs get to read.
//!
//! Knows nothing of how anything runs. Invariant: renders plain values, and decides nothing.

pub mod diagnostics;
