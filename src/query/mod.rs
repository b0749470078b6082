//! Questions about a workspace, answered as plain values: status, plan, lineage, one day, what is declared, what is published.
//!
//! Knows nothing of who asks: the command line renders these, and later servers will. Invariant: asking changes nothing.

pub mod account;
pub mod causes;
pub mod clean;
pub mod contract;
pub mod day;
pub mod declared;
pub mod explain;
pub mod grid;
pub mod lineage;
pub mod pipeline;
pub mod plan;
pub mod published;
pub mod ranges;
pub mod runs;
pub mod schedules;
pub mod status;
pub mod undeclared;
pub mod warnings;
