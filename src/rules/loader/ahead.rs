//! Lets one thread make the next items while another works on the last.
//!
//! Invariant: the items and their order are those of the iterator; a panic in it is one here.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

/// So many items wait at most, beside the one that is being made.
const WAITING: usize = 1;

/// An iterator that is ahead of who takes from it, where there are threads to be.
pub fn ahead<T: Send + 'static>(items: impl Iterator<Item = T> + Send + 'static) -> Box<dyn Iterator<Item = T>> {
    if rayon::current_num_threads() == 1 {
        return Box::new(items);
    }
    let (sender, receiver) = sync_channel(WAITING);
    let maker = thread::spawn(move || {
        // Who takes no more hangs up.
        let _ = items.into_iter().try_for_each(|item| sender.send(item));
    });
    Box::new(Ahead { receiver, maker: Some(maker) })
}

struct Ahead<T> {
    receiver: Receiver<T>,
    maker: Option<JoinHandle<()>>,
}

impl<T> Iterator for Ahead<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if let Ok(item) = self.receiver.recv() {
            return Some(item);
        }
        if let Some(Err(panic)) = self.maker.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_items_come_in_order_and_few_may_be_taken() {
        assert!(ahead(0..1000).eq(0..1000));
        assert_eq!(ahead(0..).take(3).collect::<Vec<i32>>(), [0, 1, 2]);
    }

    #[test]
    #[should_panic(expected = "no end")]
    fn a_panic_is_no_end() {
        ahead((0..9).inspect(|n| assert!(*n < 5, "no end"))).for_each(drop);
    }
}
