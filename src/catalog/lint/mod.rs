//! What is sound and still worth a warning: things that nothing needs, and rows that see the future.
//!
//! Knows nothing of KDL or the disk. Invariant: looks at workspaces without errors only, so that a warning is never an echo of one.

mod leaks;
mod unused;

use super::declaration::Declarations;
use super::model::Catalog;
use crate::source::Diagnostic;

/// All warnings about a sound catalog.
pub fn lint(catalog: &Catalog, declared: &Declarations) -> Vec<Diagnostic> {
    let mut found = unused::unused(catalog, declared);
    found.extend(leaks::leaks(catalog, declared));
    found
}
