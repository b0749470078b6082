//! A thread that does something every so often until it is dropped.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

pub struct Ticker {
    ended: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub fn start(every: Duration, tick: impl Fn() + Send + 'static) -> Self {
        let (ended, wait) = channel::<()>();
        let thread = std::thread::spawn(move || {
            while wait.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                tick();
            }
        });
        Self { ended: Some(ended), thread: Some(thread) }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.ended.take());
        if let Some(thread) = self.thread.take() {
            // A tick that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}
