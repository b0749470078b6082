//! What became of the rows that were used: the parts that were not there are looked into, and no other.
//!
//! Knows nothing of files. Invariants: a part never changes, so a row of a part that still stands is as it was, unless a new part has its
//! key as well; the answer is that of comparing all rows then with all rows now.

use super::keys::Key;
use super::map::RowMap;
use super::sidecar::Sidecar;
use crate::digest::{Digest, Hasher};
use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;

/// A source as it is now.
pub trait Parts {
    type Error;

    /// What identifies each part.
    fn parts(&self) -> &[u128];

    /// The rows of one part; implementations keep what was loaded.
    fn load(&self, index: usize) -> Result<Arc<RowMap>, Self::Error>;

    /// The keys of one part, with digests that need not be those of its rows: for who only asks which keys are there.
    fn load_keys(&self, index: usize) -> Result<Arc<RowMap>, Self::Error> {
        self.load(index)
    }
}

/// One digest of all parts: while it stands, nothing has changed.
pub fn token(parts: &[u128]) -> Digest {
    let mut sorted = parts.to_vec();
    sorted.sort_unstable();
    let mut hasher = Hasher::new("parts");
    for part in sorted {
        hasher.part("part", &part.to_le_bytes());
    }
    hasher.finish()
}

/// Keys whose rows are not what they were, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Used, and another row now; several rows count as another.
    pub updated: Vec<Key>,
    /// Used, and not there any more.
    pub removed: Vec<Key>,
    /// Looked for in vain, and there now.
    pub arrived: Vec<Key>,
}

/// What is known of a used row now.
#[derive(Clone, Copy)]
enum Now {
    Nowhere,
    Is(u128),
    Several,
}

impl Now {
    fn and(self, digest: u128) -> Self {
        match self {
            Self::Nowhere => Self::Is(digest),
            Self::Is(_) | Self::Several => Self::Several,
        }
    }
}

/// Compares what was used with what is there now.
pub fn compare<P: Parts>(then: &Sidecar, now: &P) -> Result<Changes, P::Error> {
    let (old, new): (HashSet<u128>, HashSet<u128>) = (then.parts.iter().copied().collect(), now.parts().iter().copied().collect());
    if old == new {
        return Ok(Changes::default());
    }
    let stands: Vec<bool> = then.parts.iter().map(|part| new.contains(part)).collect();
    let in_old = |part: u32| stands.get(part as usize).copied().unwrap_or(false);
    let mut used: Vec<Now> = then.used.iter().map(|row| if in_old(row.part) { Now::Is(row.digest) } else { Now::Nowhere }).collect();
    let mut absent = vec![false; then.absent.len()];
    // While all that was used stands where it was, a new part matters by its keys alone: so growth costs the new keys.
    let is_whole = !used.iter().any(|now| matches!(now, Now::Nowhere));
    for (index, _) in now.parts().iter().enumerate().filter(|(_, part)| !old.contains(part)) {
        let map = if is_whole { now.load_keys(index)? } else { now.load(index)? };
        map.find(then.used.iter().map(|row| row.key), |at, digest| used[at] = used[at].and(digest));
        map.find(then.absent.iter().copied(), |at, _| absent[at] = true);
    }
    Ok(changes(then, &used, &absent))
}

fn changes(then: &Sidecar, used: &[Now], absent: &[bool]) -> Changes {
    let mut changes = Changes::default();
    for (row, now) in then.used.iter().zip(used) {
        match now {
            Now::Nowhere => changes.removed.push(row.key),
            Now::Is(digest) if *digest == row.digest => {}
            Now::Is(_) | Now::Several => changes.updated.push(row.key),
        }
    }
    changes.arrived = then.absent.iter().zip(absent).filter(|(_, is_there)| **is_there).map(|(key, _)| *key).collect();
    changes
}

/// Keys that are written out before the rest is only counted.
const NAMED: usize = 5;

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.updated.is_empty() && self.removed.is_empty() && self.arrived.is_empty()
    }

    /// For people: `key 17 updated, keys 5, 9 arrived (2)`.
    pub fn describe(&self, then: &Sidecar) -> String {
        let classes = [(&self.updated, "updated"), (&self.removed, "removed"), (&self.arrived, "arrived")];
        let parts = classes.iter().filter(|(keys, _)| !keys.is_empty()).map(|(keys, what)| of_class(keys, what, then));
        parts.collect::<Vec<_>>().join(", ")
    }
}

fn of_class(keys: &[Key], what: &str, then: &Sidecar) -> String {
    if let [key] = keys {
        return format!("key {} {what}", then.text(*key));
    }
    let mut out = String::from("keys ");
    for (number, key) in keys.iter().take(NAMED).enumerate() {
        let comma = if number > 0 { ", " } else { "" };
        let _ = write!(out, "{comma}{}", then.text(*key));
    }
    let more = if keys.len() > NAMED { ", …" } else { "" };
    let _ = write!(out, "{more} {what} ({})", keys.len());
    out
}
