//! Admission: an action begins only when its cpus and memory fit what is left, of all daeda processes that this user runs here.
//!
//! [`ledger`] decides; [`shared`] keeps the ledger where other processes see it; a [`Slot`] is what an action holds. Invariants: who holds a
//! slot waits for no lock and does not sleep, so that slots always come free; a slot ends with its process.

pub mod ledger;
mod shared;

use super::action::ActionId;
use super::event::{Event, Holder, Sink};
use ledger::{Claim, Ledger, Limits};
use shared::Shared;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How often somebody who waits looks whether others have finished.
const LOOK: Duration = Duration::from_millis(15);

/// What the actions of this process ask for room.
pub struct Envelope {
    state: Mutex<State>,
}

struct State {
    /// Not opened yet.
    directory: Option<PathBuf>,
    /// The name of this process.
    holder: String,
    trouble: Option<String>,
    shared: Option<Shared>,
    /// As it was last seen; where nothing is shared, as it is.
    ledger: Ledger,
    looked: Option<Instant>,
    numbers: u64,
}

/// What is asked for.
pub struct Wanted<'a> {
    pub action: &'a ActionId,
    pub rank: u64,
    pub cpus: u64,
    pub memory: u64,
    pub limits: Limits,
}

impl Envelope {
    /// Of this process alone.
    pub fn alone() -> Self {
        Self::of(None)
    }

    /// Shared with all processes that use the same directory, which is opened once there is something to share.
    pub fn shared(directory: &Path) -> Self {
        Self::of(Some(directory.into()))
    }

    /// Why what others use is not known, if it is not.
    pub fn trouble(&self) -> Option<String> {
        self.state().trouble.clone()
    }

    fn of(directory: Option<PathBuf>) -> Self {
        let state =
            State { directory, holder: String::new(), shared: None, trouble: None, ledger: Ledger::default(), looked: None, numbers: 0 };
        Self { state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it holds the envelope")
    }

    /// Gets in line. The number is what is asked about, and given up, later.
    pub fn queue(&self, wanted: &Wanted) -> u64 {
        let mut state = self.state();
        state.open();
        state.numbers += 1;
        let number = state.numbers;
        let Wanted { action, rank, limits, .. } = *wanted;
        let (cpus, memory) = (wanted.cpus.min(limits.cpus), wanted.memory.min(limits.memory));
        let (holder, pid, action) = (state.holder.clone(), std::process::id(), action.to_string());
        let claim = Claim { holder, pid, number, rank, action, cpus, memory, limits, queued: 0, admitted: 0, overtaken: 0 };
        state.change(&mut |ledger| ledger.queue(claim.clone()));
        number
    }

    /// The claim, once it is admitted.
    pub fn admitted(&self, number: u64) -> Option<Claim> {
        let mut state = self.state();
        if state.shared.is_some() && state.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            state.change(&mut |_| ());
        }
        state.ledger.running.iter().find(|claim| claim.holder == state.holder && claim.number == number).cloned()
    }

    /// Gives up a claim. Says when, counted in changes.
    pub fn leave(&self, number: u64) -> u64 {
        let mut state = self.state();
        let (holder, mut turn) = (state.holder.clone(), 0);
        state.change(&mut |ledger| turn = ledger.leave(&holder, number));
        turn
    }

    /// What other processes hold.
    pub fn held_by_others(&self) -> Vec<Holder> {
        let state = self.state();
        let others = state.ledger.running.iter().filter(|claim| claim.holder != state.holder);
        others.map(|claim| Holder { pid: claim.pid, action: claim.action.clone(), cpus: claim.cpus, memory: claim.memory }).collect()
    }
}

impl State {
    fn open(&mut self) {
        let Some(directory) = self.directory.take() else { return };
        match Shared::open(&directory) {
            Ok(shared) => {
                self.holder = shared.holder().to_string();
                self.shared = Some(shared);
            }
            Err(error) => self.trouble = Some(format!("{}: {error}", directory.display())),
        }
    }

    fn change(&mut self, change: &mut dyn FnMut(&mut Ledger)) {
        match self.shared.as_ref().map(|shared| shared.change(&mut *change)) {
            Some(Ok(ledger)) => {
                self.ledger = ledger;
                self.looked = Some(Instant::now());
            }
            Some(Err(error)) => {
                // What others hold cannot be known any more: it goes on alone.
                (self.shared, self.trouble) = (None, Some(error.to_string()));
                self.ledger.forget(|holder| holder != self.holder);
                change(&mut self.ledger);
            }
            None => change(&mut self.ledger),
        }
    }
}

/// The room that an action has; given back when it is dropped.
pub struct Slot<'a> {
    envelope: &'a Envelope,
    sink: &'a dyn Sink,
    wanted: Wanted<'a>,
    /// Its claim, while it holds one.
    number: Option<u64>,
}

impl<'a> Slot<'a> {
    /// The slot of a claim that was admitted.
    pub fn of(envelope: &'a Envelope, sink: &'a dyn Sink, wanted: Wanted<'a>, claim: &Claim, waited: Duration) -> Self {
        let slot = Self { envelope, sink, wanted, number: Some(claim.number) };
        slot.tell_admitted(claim, waited);
        slot
    }

    fn tell_admitted(&self, claim: &Claim, waited: Duration) {
        let Claim { cpus, memory, queued, admitted, overtaken, .. } = *claim;
        let (action, seconds) = (self.wanted.action.clone(), waited.as_secs_f64());
        self.sink.event(&Event::Admitted { action, cpus, memory, queued, turn: admitted, overtaken, seconds });
    }

    pub fn is_held(&self) -> bool {
        self.number.is_some()
    }

    /// Gives the room back while its action waits for something else.
    pub fn release(&mut self) {
        if let Some(number) = self.number.take() {
            let turn = self.envelope.leave(number);
            self.sink.event(&Event::Released { action: self.wanted.action.clone(), turn });
        }
    }

    /// Takes room again, waiting for it; false if that was cancelled.
    pub fn acquire(&mut self, cancelled: &dyn Fn() -> bool) -> bool {
        if self.is_held() {
            return true;
        }
        let (number, start) = (self.envelope.queue(&self.wanted), Instant::now());
        loop {
            if let Some(claim) = self.envelope.admitted(number) {
                self.number = Some(number);
                self.tell_admitted(&claim, start.elapsed());
                return true;
            }
            if cancelled() {
                self.envelope.leave(number);
                return false;
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.release();
    }
}
