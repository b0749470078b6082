//! What happens unattended: checks, room for actions, failures that pass and that do not, history.

mod checks;
mod envelope;
mod failures;
mod retries;
