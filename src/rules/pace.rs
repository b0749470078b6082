//! The pace of long work: counted where it is done, told a few times a second by a thread of its own.
//!
//! Invariant: whoever works adds to a number and waits for nobody.

use super::Tell;
use crate::engine::execute::{Progress, Unit};
use crate::table::parquet::PageVectors;
use arrow::buffer::NullBuffer;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

const EVERY: Duration = Duration::from_millis(250);

/// What is counted, shared by all who work.
#[derive(Debug, Clone, Default)]
pub struct Count(Arc<AtomicU64>);

impl Count {
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Does the work, and tells meanwhile how many of the rows are done. A row counts `of` times.
pub fn told<T>(tell: Tell, message: &str, count: &Count, (rows, of): (u64, u64), work: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        // Dropped with the work's end, which wakes the teller.
        let (working, ended) = channel::<()>();
        scope.spawn(move || {
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let done = (count.so_far() / of.max(1)).min(rows);
                tell(Progress::Step { message: message.into(), done, total: rows, unit: Unit::Rows });
            }
        });
        let result = work();
        drop(working);
        result
    })
}

/// Vectors whose rows are counted as they are written.
pub struct Counted {
    pub vectors: Arc<dyn PageVectors>,
    pub count: Count,
}

impl PageVectors for Counted {
    fn nulls(&self) -> Option<&NullBuffer> {
        self.vectors.nulls()
    }

    fn append(&self, rows: Range<usize>, out: &mut Vec<u8>) -> io::Result<()> {
        let count = rows.len() as u64;
        self.vectors.append(rows, out).inspect(|()| self.count.add(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn long_work_is_told_of_while_it_goes_on() {
        let heard = Mutex::new(Vec::new());
        let tell = |progress: Progress| heard.lock().unwrap().push(progress);
        let count = Count::default();
        let result = told(&tell, "pooling", &count, (10, 2), || {
            count.add(8);
            std::thread::sleep(EVERY * 3);
            7
        });
        assert_eq!(result, 7);
        let expected = Progress::Step { message: "pooling".into(), done: 4, total: 10, unit: Unit::Rows };
        assert_eq!(heard.into_inner().unwrap().first(), Some(&expected));
    }
}
