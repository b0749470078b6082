//! The project's one integration test binary: everything that tests daeda from outside.

mod chance;
mod conditions;
mod enrich_agrees;
mod fewer;
mod in_process;
mod random_workspace;
mod rows;
mod skeleton_agrees;
mod skeleton_reference;
mod skeleton_rules;
mod workspace;
mod workspace_text;
