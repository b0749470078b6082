//! What happens unattended: checks, room for actions, failures that pass and that do not, history.

mod chain;
mod checks;
mod envelope;
mod failures;
mod history;
mod hourly;
mod retries;
