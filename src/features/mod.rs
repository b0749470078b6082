//! Features: point-in-time joins and rolling windows, computed on Arrow arrays by native kernels.
//!
//! Knows nothing of files or manifests: rows come in as arrays in canonical order, results go out as arrays with
//! one row per spine row. Invariants: no kernel sees an event at or after a row's instant (labels, which look forward, see none at or
//! before it), no spine row is dropped, merged or moved, and the result is the same for any number of threads.
//!
//! | module | what it does |
//! |---|---|
//! | `keyed` | rows with keys and times; dense ids for the spine's keys; runs of one key |
//! | `codes` | values as 64-bit words, by equality or by order |
//! | `layout`, `kept` | spine and events laid out by key, once for all aggregates; which of them an aggregate sees |
//! | `frame` | what one aggregate sees of a layout |
//! | `sweep` | the walk over keys, windows and rows |
//! | `zones` | events that every window has whole or not at all |
//! | `tiles` | the canonical tree in which floats are merged |
//! | `neighbours` | equal values before and after each event |
//! | `aggregates` | one file per aggregate, and their registry |
//! | `rolling`, `as_of`, `latest` | the entrances |
//! | `pairs`, `recipe` | rolling windows by Polars: the reference that users can run |
//! | `embed`, `pool` | embeddings: looked up, and pooled over lists |
//! | `elements`, `sums`, `repeats` | what vectors consist of; the inner loops of pooling; lists that several rows have alike |
//! | `evaluate` | expressions over rows, lowered to Polars through `bridge` |
//! | `dictionary` | conditions on columns that say each value once |
//! | `selection` | one digest of the rows that a consumer takes of a period |
//! | `time` | instants of different units in one |

pub mod aggregates;
pub mod arrow_type;
pub mod as_of;
pub mod bridge;
mod codes;
pub mod dictionary;
pub mod elements;
pub mod embed;
pub mod evaluate;
mod frame;
#[cfg(test)]
mod interpret;
mod kept;
pub mod keyed;
pub mod latest;
mod layout;
mod lowering;
mod neighbours;
#[cfg(test)]
mod oracle_tests;
pub mod pairs;
pub mod pool;
pub mod recipe;
#[cfg(test)]
mod reference;
mod repeats;
pub mod rolling;
pub mod selection;
mod sums;
mod sweep;
mod tiles;
pub mod time;
#[cfg(test)]
mod trials;
mod udf;
mod zones;
