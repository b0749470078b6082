//! Digests of contents that are dear to read, by what they are of, kept between builds in one file.
//!
//! Knows nothing of the contents. Invariants: a damaged file is as good as none; of very many digests only those stay that are asked for.

use crate::pack::{self, Packer, Unpacker};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

const KIND: &str = "daeda digests";

/// From so many on, only those are kept that somebody asked for.
const MANY: usize = 1 << 18;

pub struct KeptDigests {
    path: PathBuf,
    /// To be raised when anything changes that a digest is made of.
    version: u32,
    known: Mutex<Option<Known>>,
}

#[derive(Default)]
struct Known {
    digests: HashMap<u128, (u128, Used)>,
    learned: bool,
}

/// Whether somebody asked for it since it was loaded.
type Used = bool;

impl KeptDigests {
    /// Nothing is read before something is asked for.
    pub fn new(path: &Path, version: u32) -> Self {
        Self { path: path.into(), version, known: Mutex::default() }
    }

    pub fn get(&self, key: u128) -> Option<u128> {
        self.with(|known| {
            let (digest, used) = known.digests.get_mut(&key)?;
            *used = true;
            Some(*digest)
        })
    }

    pub fn keep(&self, key: u128, digest: u128) {
        self.with(|known| {
            known.digests.insert(key, (digest, true));
            known.learned = true;
        });
    }

    fn with<T>(&self, does: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.known.lock().expect("no thread panics while it holds the digests");
        does(known.get_or_insert_with(|| Known::load(&self.path, self.version).unwrap_or_default()))
    }

    /// Best effort: a cache that cannot be written costs time only.
    pub fn save(&self) {
        let mut known = self.known.lock().expect("no thread panics while it holds the digests");
        if let Some(known) = known.as_mut().filter(|known| known.learned) {
            known.learned = false;
            let _ = pack::save(&self.path, KIND, self.version, &known.packed());
        }
    }
}

impl Known {
    fn load(path: &Path, version: u32) -> Option<Self> {
        let (bytes, start) = pack::load(path, KIND, version)?;
        let mut from = Unpacker::new(&bytes[start..]);
        let count = from.number()?;
        let digests: Option<_> = (0..count).map(|_| Some((from.wide()?, (from.wide()?, false)))).collect();
        Some(Self { digests: digests?, learned: false })
    }

    fn packed(&self) -> Vec<u8> {
        let few = self.digests.len() <= MANY;
        let kept = self.digests.iter().filter(|(_, (_, used))| few || *used);
        let mut kept: Vec<(u128, u128)> = kept.map(|(key, (digest, _))| (*key, *digest)).collect();
        kept.sort_unstable();
        let mut packer = Packer::default();
        packer.number(kept.len() as u64);
        for (key, digest) in kept {
            packer.wide(key).wide(digest);
        }
        packer.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_known_later_but_to_no_other_version() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("selections");
        let kept = KeptDigests::new(&path, 1);
        assert_eq!(kept.get(7), None);
        kept.keep(7, 9);
        kept.save();
        assert_eq!((KeptDigests::new(&path, 1).get(7), KeptDigests::new(&path, 2).get(7)), (Some(9), None));
        std::fs::write(&path, "damaged").unwrap();
        assert_eq!(KeptDigests::new(&path, 1).get(7), None);
    }
}
