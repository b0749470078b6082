//! Who runs and who waits, and with how much: the pure part of admission.
//!
//! Knows no files and no processes beyond their names. Invariants: after every change nobody waits who may run; what runs together fits
//! the envelope of each of them when it is admitted, unless it runs alone; nobody is overtaken more than [`OVERTAKEN`] times. A process's
//! own claims are served by their rank, whenever they come: then the older partition goes first.

use serde::{Deserialize, Serialize};

/// How often others may run first who came later.
pub const OVERTAKEN: u64 = 8;

/// What a process may use in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    pub cpus: u64,
    pub memory: u64,
    /// So many of its claims at once.
    pub jobs: u64,
}

/// Cpus and memory that somebody holds or waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The process, by a name that no other has.
    pub holder: String,
    pub pid: u32,
    /// Of the claims of its process.
    pub number: u64,
    /// The lower ones of a process go first.
    pub rank: u64,
    /// For people.
    pub action: String,
    pub cpus: u64,
    pub memory: u64,
    pub limits: Limits,
    /// When it came and when it was admitted, counted in changes of the ledger.
    pub queued: u64,
    pub admitted: u64,
    pub overtaken: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Counts changes.
    pub turn: u64,
    pub running: Vec<Claim>,
    /// In the order in which they are served.
    pub waiting: Vec<Claim>,
}

impl Ledger {
    /// A new claim waits, or runs at once.
    pub fn queue(&mut self, mut claim: Claim) {
        claim.queued = self.next();
        self.waiting.push(claim);
        self.by_rank();
        self.grant();
    }

    /// A claim is given up, whether it ran or waited. Says when.
    pub fn leave(&mut self, holder: &str, number: u64) -> u64 {
        let is_it = |claim: &Claim| claim.holder == holder && claim.number == number;
        self.running.retain(|claim| !is_it(claim));
        self.waiting.retain(|claim| !is_it(claim));
        let turn = self.next();
        self.grant();
        turn
    }

    /// Forgets the claims of processes that are no more.
    pub fn forget(&mut self, is_gone: impl Fn(&str) -> bool) {
        let before = self.running.len() + self.waiting.len();
        self.running.retain(|claim| !is_gone(&claim.holder));
        self.waiting.retain(|claim| !is_gone(&claim.holder));
        if self.running.len() + self.waiting.len() < before {
            self.next();
            self.grant();
        }
    }

    /// The processes that have claims.
    pub fn holders(&self) -> Vec<String> {
        let mut holders: Vec<String> = self.running.iter().chain(&self.waiting).map(|claim| claim.holder.clone()).collect();
        holders.sort();
        holders.dedup();
        holders
    }

    fn next(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    /// The newest claim's process has its claims in the order of their ranks, in the places that they have together.
    fn by_rank(&mut self) {
        let Some(holder) = self.waiting.last().map(|claim| claim.holder.clone()) else { return };
        let places: Vec<usize> = (0..self.waiting.len()).filter(|at| self.waiting[*at].holder == holder).collect();
        let mut own: Vec<Claim> = places.iter().map(|at| self.waiting[*at].clone()).collect();
        own.sort_by_key(|claim| (claim.rank, claim.number));
        places.into_iter().zip(own).for_each(|(at, claim)| self.waiting[at] = claim);
    }

    /// Admits whoever may run.
    fn grant(&mut self) {
        while let Some(at) = self.next_to_run() {
            let mut claim = self.waiting.remove(at);
            for before in 0..at {
                let waits_for_room = !self.is_at_its_limit(&self.waiting[before]);
                self.waiting[before].overtaken += u64::from(waits_for_room);
            }
            claim.admitted = self.next();
            self.running.push(claim);
        }
    }

    fn next_to_run(&self) -> Option<usize> {
        for (at, claim) in self.waiting.iter().enumerate() {
            if self.is_at_its_limit(claim) {
                continue;
            }
            if self.has_room(claim) {
                return Some(at);
            }
            if claim.overtaken >= OVERTAKEN {
                return None;
            }
        }
        None
    }

    /// Its process runs as many as it wants to.
    fn is_at_its_limit(&self, claim: &Claim) -> bool {
        let running = self.running.iter().filter(|other| other.holder == claim.holder).count();
        running as u64 >= claim.limits.jobs
    }

    fn has_room(&self, claim: &Claim) -> bool {
        let cpus: u64 = self.running.iter().map(|other| other.cpus).sum();
        let memory: u64 = self.running.iter().map(|other| other.memory).sum();
        self.running.is_empty() || (cpus + claim.cpus <= claim.limits.cpus && memory + claim.memory <= claim.limits.memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    const LIMITS: Limits = Limits { cpus: 4, memory: 4, jobs: 4 };

    fn claim(holder: &str, number: u64, cpus: u64, memory: u64) -> Claim {
        let (holder, action) = (holder.to_string(), String::new());
        Claim { holder, pid: 0, number, rank: number, action, cpus, memory, limits: LIMITS, queued: 0, admitted: 0, overtaken: 0 }
    }

    fn numbers(claims: &[Claim]) -> Vec<u64> {
        claims.iter().map(|claim| claim.number).collect()
    }

    #[test]
    fn a_large_one_is_overtaken_eight_times_and_then_awaited() {
        let mut ledger = Ledger::default();
        ledger.queue(claim("a", 0, 1, 1));
        ledger.queue(claim("a", 1, 4, 4));
        for number in 2..20 {
            ledger.queue(claim("b", number, 1, 1));
        }
        for running in 2..10 {
            ledger.leave("b", running);
        }
        assert_eq!(ledger.waiting[0].overtaken, OVERTAKEN);
        let left: Vec<(String, u64)> = ledger.running.iter().map(|claim| (claim.holder.clone(), claim.number)).collect();
        for (holder, number) in left {
            ledger.leave(&holder, number);
        }
        assert_eq!(numbers(&ledger.running), [1]);
    }

    #[test]
    fn a_process_s_own_go_by_rank_and_take_no_place_of_others() {
        let mut ledger = Ledger::default();
        ledger.queue(claim("a", 9, 4, 4));
        ledger.queue(claim("a", 5, 4, 4));
        ledger.queue(claim("b", 1, 4, 4));
        ledger.queue(claim("a", 2, 4, 4));
        assert_eq!(numbers(&ledger.waiting), [2, 1, 5]);
    }

    #[test]
    fn what_is_larger_than_all_runs_alone_and_the_dead_hold_nothing() {
        let mut ledger = Ledger::default();
        ledger.queue(claim("a", 0, 9, 9));
        ledger.queue(claim("b", 0, 1, 1));
        assert_eq!((ledger.running.len(), ledger.waiting.len()), (1, 1));
        ledger.forget(|holder| holder == "a");
        assert_eq!(ledger.running[0].holder, "b");
    }

    #[test]
    fn who_runs_as_many_as_it_wants_is_not_overtaken() {
        let mut ledger = Ledger::default();
        let one = Limits { jobs: 1, ..LIMITS };
        ledger.queue(Claim { limits: one, ..claim("a", 0, 1, 1) });
        ledger.queue(Claim { limits: one, ..claim("a", 1, 1, 1) });
        ledger.queue(claim("b", 0, 1, 1));
        assert_eq!((numbers(&ledger.waiting), ledger.waiting[0].overtaken), (vec![1], 0));
    }

    proptest! {
        /// Claims of several processes come and go in any order.
        #[test]
        fn the_envelope_holds_and_nobody_waits_for_nothing(
            steps in prop::collection::vec((0usize..3, 1u64..5, 1u64..5, any::<bool>(), any::<prop::sample::Index>()), 1..120),
        ) {
            let mut ledger = Ledger::default();
            let mut overtaken: HashMap<u64, u64> = HashMap::new();
            for (number, (process, cpus, memory, leaves, which)) in steps.into_iter().enumerate() {
                let ran_before = ledger.turn;
                let waited: Vec<Claim> = ledger.waiting.clone();
                if leaves && !ledger.running.is_empty() {
                    let gone = ledger.running[which.index(ledger.running.len())].clone();
                    ledger.leave(&gone.holder, gone.number);
                } else {
                    ledger.queue(claim(["a", "b", "c"][process], number as u64, cpus, memory));
                }
                let used = |of: fn(&Claim) -> u64| ledger.running.iter().map(of).sum::<u64>();
                prop_assert!(used(|claim| claim.cpus) <= 4 && used(|claim| claim.memory) <= 4);
                // Overtaking, told from who came and who was admitted alone.
                for new in ledger.running.iter().filter(|claim| claim.admitted > ran_before) {
                    let runs_since = |claim: &Claim| ledger.running.iter().find(|other| other.number == claim.number).map(|other| other.admitted);
                    let is_overtaken = |claim: &&Claim| claim.queued < new.queued && runs_since(claim).is_none_or(|since| since > new.admitted);
                    waited.iter().filter(is_overtaken).for_each(|claim| *overtaken.entry(claim.number).or_default() += 1);
                }
                prop_assert!(overtaken.values().all(|count| *count <= OVERTAKEN), "{:?}", overtaken);
                let barred = ledger.waiting.iter().position(|claim| claim.overtaken >= OVERTAKEN).map_or(ledger.waiting.len(), |at| at + 1);
                let may = |claim: &Claim| ledger.has_room(claim) && !ledger.is_at_its_limit(claim);
                prop_assert!(!ledger.waiting[..barred].iter().any(may), "somebody waits who may run");
            }
        }
    }
}
