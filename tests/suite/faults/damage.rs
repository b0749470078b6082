//! Damaged files and a hostile environment.
