//! The private async runtime that Lance's futures run on.
//!
//! Knows nothing of datasets. Invariants: made at the first use and kept for the life of the process, because a pool per call would
//! lose Lance's caches; never entered from inside itself, so no iterator handed to a writer may call back into this layer.

use super::LanceError;
use std::future::Future;
use std::sync::LazyLock;
use tokio::runtime::{Builder, Runtime};

/// Lance reads the same variable for its own pool of decoders, and panics where it is malformed: so it is checked here first.
const THREADS: &str = "LANCE_CPU_THREADS";

static RUNTIME: LazyLock<Result<Runtime, String>> = LazyLock::new(start);

/// Runs a future to its end on the calling thread, its tasks on the pool.
pub(super) fn block_on<F: Future>(future: F) -> Result<F::Output, LanceError> {
    match &*RUNTIME {
        Ok(runtime) => Ok(runtime.block_on(future)),
        Err(reason) => Err(LanceError::NoRuntime { reason: reason.clone() }),
    }
}

/// Starts a future on the pool; what it comes to is awaited elsewhere.
pub(super) fn spawn<F: Future<Output: Send> + Send + 'static>(
    future: F,
) -> Result<impl Future<Output = Result<F::Output, LanceError>>, LanceError> {
    let runtime = RUNTIME.as_ref().map_err(|reason| LanceError::NoRuntime { reason: reason.clone() })?;
    let task = runtime.spawn(future);
    Ok(async move { task.await.map_err(|error| LanceError::NoRuntime { reason: format!("a read was given up: {error}") }) })
}

fn start() -> Result<Runtime, String> {
    let threads = threads(std::env::var(THREADS).ok().as_deref())?;
    let builder = Builder::new_multi_thread().worker_threads(threads).thread_name("lance").enable_all().build();
    builder.map_err(|error| format!("cannot start {threads} threads: {error}"))
}

fn threads(wanted: Option<&str>) -> Result<usize, String> {
    let Some(text) = wanted else {
        return Ok(std::thread::available_parallelism().map_or(1, usize::from));
    };
    let count = text.trim().parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| format!("{THREADS} is `{text}`; it must be a whole number of at least 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_decides_or_is_refused() {
        assert_eq!(threads(Some("3")), Ok(3));
        assert!(threads(None).is_ok_and(|count| count > 0));
        assert!(threads(Some("0")).is_err_and(|reason| reason.contains("`0`")));
        assert!(threads(Some("many")).is_err_and(|reason| reason.contains("at least 1")));
    }
}
