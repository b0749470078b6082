//! The catalog: what a workspace means. Declarations as written become resolved, typed views, services, aggregations and assets.
//!
//! Knows nothing of KDL, the disk, or the engine; spans are opaque to it. Invariant: what [`resolve`](resolve::resolve) hands out is
//! consistent, so that whatever runs it needs no further checks of names and types.

pub mod aggregate;
pub mod calendar;
pub mod check;
pub mod command;
pub mod compile;
pub mod dag;
pub mod declaration;
pub mod expr;
pub mod model;
pub mod pattern;
pub mod quantity;
pub mod resolve;
pub mod selection;
pub mod types;
