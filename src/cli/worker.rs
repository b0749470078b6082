//! `daeda worker`: runs actions for a parent process. Not for people.

use super::error::{CliError, code};
use crate::engine::worker::serve;
use crate::rules;

pub fn run() -> Result<u8, CliError> {
    serve(|job, tell| rules::run(job, tell)).map_err(|e| CliError::io("the parent", &e))?;
    Ok(code::DONE)
}
