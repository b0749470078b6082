//! Passes events on, and has them written down beside.
//!
//! Invariants: whoever tells an event never waits for the database; a run that had nothing to do does not open it; what programs say is
//! dropped before it fills memory.

use super::book::{Book, Told};
use super::pending::{self, Noted};
use super::retention::{Retention, prune};
use super::schema::{self, Trouble};
use crate::engine::action::Action;
use crate::engine::clock::{Clock, SystemClock};
use crate::engine::event::{Event, Phase, Sink, Summary};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// So many events may wait to be written while lines that programs say are still taken.
const MOST_WAITING: usize = 50_000;

/// How long the end of a build waits for its last events to be written.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known of a run when it begins.
#[derive(Debug, Clone)]
pub struct Head {
    /// The workspace's state directory.
    pub state: PathBuf,
    /// As it was typed.
    pub command: String,
    pub keep: Retention,
}

/// A sink that also writes the history.
pub struct Recorder<'a> {
    inner: &'a dyn Sink,
    clock: SystemClock,
    began: Instant,
    sender: Sender<Told>,
    waiting: Arc<AtomicUsize>,
    writer: JoinHandle<Option<String>>,
}

impl<'a> Recorder<'a> {
    pub fn begin(inner: &'a dyn Sink, clock: SystemClock, head: Head) -> Self {
        let (sender, receiver) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let writer = Writer { started: clock.now(), head, waiting: waiting.clone(), book: None, said: Vec::new(), state: None };
        let writer = std::thread::spawn(move || writer.run(&receiver));
        Self { inner, clock, began: Instant::now(), sender, waiting, writer }
    }

    /// Waits a while until all is written. What it returns is worth a warning.
    pub fn end(self) -> Option<String> {
        drop(self.sender);
        let start = Instant::now();
        while !self.writer.is_finished() {
            if start.elapsed() > PATIENCE {
                return Some("the history of runs takes too long to write; this run is not in it, or not whole".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.writer.join().unwrap_or_else(|_| Some("the history of runs could not be written".into()))
    }
}

impl Sink for Recorder<'_> {
    fn event(&self, event: &Event) {
        self.inner.event(event);
        let is_told = match event {
            Event::Progress { .. } | Event::Advanced { .. } | Event::Hashing { .. } => false,
            Event::Admitted { .. } | Event::Released { .. } | Event::Held { .. } => false,
            Event::Said { .. } => self.waiting.load(Ordering::Relaxed) < MOST_WAITING,
            _ => true,
        };
        if is_told {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let (at, since) = (self.clock.now(), self.began.elapsed().as_secs_f64());
            // The writer has given up: that is told at the end.
            let _ = self.sender.send(Told { at, since, event: event.clone() });
        }
    }

    fn phase(&self, action: &Action, phase: Phase) {
        self.inner.phase(action, phase);
    }

    fn judging(&self, actions: usize) {
        self.inner.judging(actions);
    }
}

struct Writer {
    started: i64,
    head: Head,
    waiting: Arc<AtomicUsize>,
    /// Once there is something to write.
    book: Option<Book>,
    said: Vec<String>,
    /// How the run ends, where its counts do not say it.
    state: Option<&'static str>,
}

impl Writer {
    fn run(mut self, events: &Receiver<Told>) -> Option<String> {
        while let Ok(first) = events.recv() {
            let batch: Vec<Told> = std::iter::once(first).chain(events.try_iter()).collect();
            self.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
            if let Err(trouble) = self.write(&batch) {
                self.said.push(format!("{trouble}; this run is not in the history, or not whole"));
                return Some(self.said.join("\n"));
            }
        }
        (!self.said.is_empty()).then(|| self.said.join("\n"))
    }

    fn write(&mut self, batch: &[Told]) -> Result<(), Trouble> {
        let is_worth_it = |told: &Told| matches!(told.event, Event::Judged { .. } | Event::Started { .. } | Event::Failed { .. });
        if self.book.is_none() && batch.iter().any(is_worth_it) {
            self.open()?;
        }
        if let Some(book) = &mut self.book {
            book.write(batch)?;
        }
        for told in batch {
            match &told.event {
                Event::Refused { .. } => self.state = Some("refused"),
                Event::Interrupted => self.state = Some("interrupted"),
                Event::Finished(summary) => self.finish(summary, self.state.unwrap_or(state_of(summary)))?,
                _ => {}
            }
        }
        Ok(())
    }

    fn open(&mut self) -> Result<&mut Book, Trouble> {
        let (connection, said) = schema::open(&self.head.state)?;
        self.said.extend(said);
        let mut book = Book::begin(connection, self.started, std::process::id(), &self.head.command)?;
        pending::take_over(&self.head.state, &mut book)?;
        Ok(self.book.insert(book))
    }

    /// The end of the run.
    fn finish(&mut self, summary: &Summary, state: &str) -> Result<(), Trouble> {
        let counts = json!(summary);
        let noted = || Noted {
            started: self.started,
            seconds: summary.seconds,
            pid: std::process::id(),
            command: self.head.command.clone(),
            state: state.into(),
            summary: counts.clone(),
        };
        if self.book.is_none() && pending::note(&self.head.state, &noted()).unwrap_or(false) {
            return Ok(());
        }
        let (started, keep) = (self.started, self.head.keep);
        let book = if self.book.is_some() { self.book.as_mut() } else { Some(self.open()?) };
        if let Some(book) = book {
            book.end(state, summary.seconds, &counts)?;
            prune(&mut book.connection, keep, started)?;
        }
        Ok(())
    }
}

fn state_of(summary: &Summary) -> &'static str {
    if summary.failed > 0 { "failed" } else { "succeeded" }
}
