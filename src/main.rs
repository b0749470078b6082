//! The `daeda` binary: hands the command line over and exits with what comes back.

use std::process::ExitCode;

/// Many threads allocate many small values; how much it saves stands in `docs/performance.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    daeda::cli::run()
}
