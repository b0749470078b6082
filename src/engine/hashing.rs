//! Tells how far the world is with hashing, while work that may need much of it goes on.
//!
//! Invariants: little is not told of; the work never waits for the telling.

use super::world::World;
use std::sync::mpsc;
use std::time::Duration;

/// Bytes that have been hashed, and those known to be needed so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hashed {
    pub done: u64,
    pub total: u64,
}

/// Less than this is hashed before anybody could read a word about it.
const WORTH_TELLING: u64 = 256 << 20;
const EVERY: Duration = Duration::from_millis(500);

/// Does the work, and tells about the hashing twice a second if there is much.
pub fn watched<T>(world: &dyn World, tell: &(dyn Fn(Hashed) + Sync), work: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        // Dropped with the work's end, which wakes the watcher.
        let (working, ended) = mpsc::channel::<()>();
        scope.spawn(move || {
            let mut told = Hashed::default();
            while ended.recv_timeout(EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                let hashed = world.hashed();
                if hashed.total > WORTH_TELLING && hashed.done < hashed.total && hashed != told {
                    tell(hashed);
                    told = hashed;
                }
            }
        });
        let result = work();
        drop(working);
        result
    })
}

#[cfg(test)]
mod tests {
    use super::super::action::Action;
    use super::super::observation::Observation;
    use super::super::world::{Detail, Look, Unobservable};
    use super::*;
    use std::sync::Mutex;

    struct Hashing(u64);

    impl World for Hashing {
        fn observe(&self, _: &Action, _: Look, _: Detail) -> Result<Vec<Observation>, Unobservable> {
            Ok(Vec::new())
        }

        fn hashed(&self) -> Hashed {
            Hashed { done: 1 << 20, total: self.0 }
        }
    }

    fn told_of(total: u64) -> usize {
        let told = Mutex::new(0);
        let tell = |_| *told.lock().unwrap() += 1;
        watched(&Hashing(total), &tell, || std::thread::sleep(EVERY * 3));
        told.into_inner().unwrap()
    }

    #[test]
    fn much_is_told_of_once_for_each_step_and_little_is_not() {
        assert_eq!(told_of(1 << 30), 1);
        assert_eq!(told_of(1 << 20), 0);
    }
}
