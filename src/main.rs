//! The `daeda` binary: hands the command line over and exits with what comes back.

mod allocator;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: allocator::ByProcess = allocator::ByProcess;

fn main() -> ExitCode {
    daeda::cli::run()
}
