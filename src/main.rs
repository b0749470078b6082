//! The `daeda` binary: hands the command line over and exits with what comes back.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    daeda::cli::run()
}
