//! Features: point-in-time joins and rolling windows, computed on Arrow arrays by native kernels.
//!
//! Knows nothing of files, manifests, or other engines: rows come in as arrays in canonical order, results go out as arrays with
//! one row per spine row. Invariants: no kernel sees an event at or after a row's instant (labels, which look forward, see none at or
//! before it), no spine row is dropped, merged or moved, and the result is the same for any number of threads.
//!
//! | module | what it does |
//! |---|---|
//! | `keyed` | rows with keys and times; dense ids for the spine's keys; runs of one key |
//! | `codes` | values as 64-bit words, by equality or by order |
//! | `frame` | everything a rolling aggregate works on, laid out by key |
//! | `sweep` | the walk over keys, windows and rows |
//! | `tiles` | the canonical tree in which floats are merged |
//! | `neighbours` | equal values before and after each event |
//! | `aggregates` | one file per aggregate, and their registry |
//! | `rolling`, `as_of`, `latest` | the entrances |

pub mod aggregates;
pub mod arrow_type;
pub mod as_of;
mod codes;
mod frame;
pub mod keyed;
pub mod latest;
mod neighbours;
pub mod pool;
#[cfg(test)]
mod reference;
pub mod rolling;
mod sweep;
mod tiles;
#[cfg(test)]
mod trials;
