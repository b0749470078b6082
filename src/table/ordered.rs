//! Work on several threads whose results are taken in order.
//!
//! Knows nothing of what the work is. Invariants: results are taken in the order of their tasks, by the calling thread; no more than a
//! few are in flight, so that memory stays bounded whichever side is slow; a failure stops everything.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Results that may wait for each thread, beside the one it works on.
const AHEAD: u64 = 3;

/// Does `work` on each task, and hands the results to `take` in the order of the tasks. Stops at the first error of `take`.
pub fn in_order<T: Send, R: Send, E>(
    tasks: impl Iterator<Item = T> + Send,
    work: impl Fn(T) -> R + Sync,
    take: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let threads = rayon::current_num_threads().max(1);
    let queue = Queue { state: Mutex::new(State::default()), moved: Condvar::new(), window: threads as u64 * (1 + AHEAD) };
    let source = Mutex::new((0, tasks));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let _stop = StopOnPanic(&queue);
                while let Some((number, task)) = queue.next_task(&source) {
                    queue.put(number, work(task));
                }
            });
        }
        let taken = queue.take_all(take);
        queue.stop();
        taken
    })
}

struct Queue<R> {
    state: Mutex<State<R>>,
    moved: Condvar,
    window: u64,
}

struct State<R> {
    ready: BTreeMap<u64, R>,
    taken: u64,
    /// How many tasks there are, once that is known.
    total: Option<u64>,
    stopped: bool,
}

impl<R> Default for State<R> {
    fn default() -> Self {
        Self { ready: BTreeMap::new(), taken: 0, total: None, stopped: false }
    }
}

impl<R> Queue<R> {
    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<R>>) -> MutexGuard<'a, State<R>> {
        self.moved.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// The next task with its number, once there is room for its result.
    fn next_task<T>(&self, source: &Mutex<(u64, impl Iterator<Item = T>)>) -> Option<(u64, T)> {
        let mut source = source.lock().ok()?;
        let number = source.0;
        let mut state = self.lock();
        while !state.stopped && state.total.is_none() && number >= state.taken + self.window {
            state = self.wait(state);
        }
        if state.stopped || state.total.is_some() {
            return None;
        }
        drop(state);
        let task = source.1.next();
        source.0 += 1;
        if task.is_none() {
            self.lock().total = Some(number);
            self.moved.notify_all();
        }
        Some((number, task?))
    }

    fn put(&self, number: u64, result: R) {
        self.lock().ready.insert(number, result);
        self.moved.notify_all();
    }

    fn take_all<E>(&self, mut take: impl FnMut(R) -> Result<(), E>) -> Result<(), E> {
        while let Some(result) = self.next_result() {
            take(result)?;
        }
        Ok(())
    }

    /// The next result in order; none after the last, or when a thread has panicked.
    fn next_result(&self) -> Option<R> {
        let mut state = self.lock();
        loop {
            let number = state.taken;
            if let Some(result) = state.ready.remove(&number) {
                state.taken += 1;
                self.moved.notify_all();
                return Some(result);
            }
            if state.stopped || state.total == Some(number) {
                return None;
            }
            state = self.wait(state);
        }
    }

    fn stop(&self) {
        self.lock().stopped = true;
        self.moved.notify_all();
    }
}

/// A thread that panics must not leave the others waiting; its panic goes on where the threads are joined.
struct StopOnPanic<'a, R>(&'a Queue<R>);

impl<R> Drop for StopOnPanic<'_, R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    #[test]
    fn results_come_in_order_and_few_are_in_flight() {
        let (begun, mut seen) = (AtomicU64::new(0), Vec::new());
        let furthest = AtomicU64::new(0);
        let work = |n: u64| {
            begun.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_micros(n * 7919 % 300));
            n * 2
        };
        let take = |n: u64| {
            seen.push(n);
            furthest.fetch_max(begun.load(Ordering::SeqCst) - seen.len() as u64, Ordering::SeqCst);
            Ok::<(), ()>(())
        };
        in_order(0..500, work, take).unwrap();
        assert_eq!(seen, (0..500).map(|n| n * 2).collect::<Vec<_>>());
        assert!(furthest.into_inner() <= rayon::current_num_threads() as u64 * (1 + AHEAD));
    }

    #[test]
    fn an_error_stops_the_work() {
        let begun = AtomicU64::new(0);
        let work = |n: u64| {
            begun.fetch_add(1, Ordering::SeqCst);
            n
        };
        assert_eq!(in_order(0.., work, |n| if n < 10 { Ok(()) } else { Err(n) }), Err(10));
        assert!(begun.into_inner() < 100);
    }

    #[test]
    fn no_task_is_no_work() {
        assert_eq!(in_order(0..0, |n: u64| n, |_| Err(())), Ok(()));
    }

    #[test]
    #[should_panic]
    fn a_panic_goes_on_in_the_caller() {
        let work = |n: u64| if n == 20 { panic!("twenty") } else { n };
        let _ = in_order(0.., work, |_| Ok::<(), ()>(()));
    }
}
