//! Snapshots: what is believed and what is not.
