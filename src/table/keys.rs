//! Where the keys of a Lance dataset lie, found by reading each fragment's key column once in its life.
//!
//! A file holds the keys of one fragment, sorted, with their positions, twelve bytes a key. So a dataset that grows costs the new fragments'
//! keys; one whose rows are deleted costs those fragments' that lost rows; one that is compacted, those that came of it. Knows nothing of vectors.
//! Invariants: a file is believed only if it is whole and of this fragment as it is now; one that is not is named, and made again.

use super::kept_files::{NOTED, UNUSED, note_use, remove_unused};
use super::lance::{Addresses, Dataset, Fragment, LanceError};
use crate::digest::{Digest, Hasher};
use crate::pack::{self, Packer, Unpacker};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const KIND: &str = "daeda keys";
const VERSION: u32 = 1;

/// A directory of such files, or none.
#[derive(Debug, Clone, Default)]
pub struct KeyCache {
    directory: Option<PathBuf>,
    damaged: Arc<Mutex<Vec<PathBuf>>>,
}

impl KeyCache {
    pub fn new(directory: &Path) -> Self {
        Self { directory: Some(directory.into()), damaged: Arc::default() }
    }

    /// Keeps nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// The keys of a version and the addresses of their rows. A key that occurs twice is an error, wherever its rows lie.
    pub fn addresses(&self, dataset: &Dataset, key: &str) -> Result<Addresses, LanceError> {
        let fragments = dataset.identities(&[key])?;
        let (mut rows, mut unknown) = (Vec::new(), Vec::new());
        for fragment in &fragments {
            let known = self.load(fragment, &mut rows);
            unknown.extend(known.is_none().then_some(fragment));
        }
        if !unknown.is_empty() {
            let ids: Vec<u64> = unknown.iter().map(|fragment| fragment.id).collect();
            let mut read = dataset.key_rows(&ids, key)?;
            read.sort_unstable_by_key(|(key, address)| (address >> 32, *key, *address));
            unknown.iter().for_each(|fragment| self.save(fragment, &read));
            rows.append(&mut read);
            self.directory.iter().for_each(|directory| remove_unused(directory, UNUSED));
        }
        dataset.unique(key, rows)
    }

    /// The files that were not what they should have been.
    pub fn take_damaged(&self) -> Vec<PathBuf> {
        std::mem::take(&mut self.damaged.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn path(&self, name: &Digest) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join(format!("{}.keys", &name.hex()[..32])))
    }

    /// Appends the rows of a fragment that is known, by key.
    fn load(&self, fragment: &Fragment, rows: &mut Vec<(i64, u64)>) -> Option<()> {
        let name = name(fragment);
        let path = self.path(&name)?;
        let before = rows.len();
        let loaded = pack::load(&path, KIND, VERSION).and_then(|(bytes, start)| unpack(&bytes[start..], &name, fragment.id, rows));
        if loaded.is_none() {
            rows.truncate(before);
            if path.exists() {
                self.damaged.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(path);
            }
            return None;
        }
        note_use(&path, NOTED);
        loaded
    }

    /// Of rows sorted by fragment and key, those of one.
    fn save(&self, fragment: &Fragment, rows: &[(i64, u64)]) {
        let name = name(fragment);
        let Some(path) = self.path(&name) else { return };
        let start = rows.partition_point(|(_, address)| address >> 32 < fragment.id);
        let end = rows.partition_point(|(_, address)| address >> 32 <= fragment.id);
        // What cannot be written costs time only.
        let _ = pack::save(&path, KIND, VERSION, &packed(&name, &rows[start..end]));
    }
}

fn name(fragment: &Fragment) -> Digest {
    Hasher::new("keys of a fragment").number("id", fragment.id).text("is", &fragment.identity).finish()
}

fn packed(name: &Digest, rows: &[(i64, u64)]) -> Vec<u8> {
    let mut packer = Packer::default();
    packer.digest(name).number(rows.len() as u64);
    for (key, _) in rows {
        packer.number(*key as u64);
    }
    for (_, address) in rows {
        packer.small(*address as u32);
    }
    packer.into_bytes()
}

fn unpack(bytes: &[u8], name: &Digest, fragment: u64, rows: &mut Vec<(i64, u64)>) -> Option<()> {
    let mut from = Unpacker::new(bytes);
    (from.digest()? == *name).then_some(())?;
    let count = usize::try_from(from.number()?).ok()?;
    let mut keys = Unpacker::new(from.raw(count.checked_mul(8)?)?);
    let mut positions = Unpacker::new(from.raw(count.checked_mul(4)?)?);
    rows.reserve(count);
    for _ in 0..count {
        rows.push((keys.number()? as i64, fragment << 32 | u64::from(positions.small()?)));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::lance::alter;
    use crate::table::lance::trials::{Growing, steps};
    use proptest::prelude::*;
    use std::fs;

    fn files(directory: &Path) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        files.sort_unstable();
        files
    }

    #[test]
    fn growth_reads_what_is_new_and_a_deletion_its_fragment() {
        let store = Growing::new(&[1, 2, 3, 4]);
        let directory = store.directory().join("keys");
        let cache = KeyCache::new(&directory);
        let known = || {
            let found = cache.addresses(&store.open(), "artwork_id").unwrap();
            assert_eq!(found, store.open().addresses("artwork_id").unwrap());
            files(&directory).len()
        };
        assert_eq!((known(), known()), (1, 1));
        store.append(&[5, -6]);
        assert_eq!(known(), 2, "one fragment more");
        alter::delete(&store.path, "artwork_id = 2");
        assert_eq!(known(), 3, "the fragment without its row");
        alter::compact(&store.path);
        assert_eq!(known(), 4, "what was made of both");
        assert!(cache.take_damaged().is_empty());
    }

    #[test]
    fn a_key_in_two_fragments_is_named_with_both_rows() {
        let store = Growing::new(&[1, 2, 3]);
        let cache = KeyCache::new(&store.directory().join("keys"));
        cache.addresses(&store.open(), "artwork_id").unwrap();
        store.append(&[9, 3]);
        for _ in 0..2 {
            let error = cache.addresses(&store.open(), "artwork_id").unwrap_err().to_string();
            assert!(error.starts_with("`artwork_id` 3 has more than one row in "), "{error}");
            assert!(error.ends_with("row 2 of fragment 0 and row 1 of fragment 1; delete all but one"), "{error}");
        }
        alter::delete(&store.path, "artwork_id = 3");
        assert_eq!(cache.addresses(&store.open(), "artwork_id").unwrap().len(), 3);
    }

    #[test]
    fn whatever_becomes_of_a_file_the_keys_are_right_and_it_is_named() {
        let store = Growing::new(&[4, 1, 7]);
        store.append(&[9]);
        let directory = store.directory().join("keys");
        let cache = KeyCache::new(&directory);
        let expected = cache.addresses(&store.open(), "artwork_id").unwrap();
        let [first, second] = &files(&directory)[..] else { panic!("two files") };
        let (bytes, other) = (fs::read(first).unwrap(), fs::read(second).unwrap());
        let cut = (0..bytes.len()).step_by(7).map(|length| bytes[..length].to_vec());
        let flipped = (0..bytes.len()).step_by(5).map(|at| {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x40;
            bytes
        });
        for damaged in cut.chain(flipped).chain([other, vec![0; 400]]) {
            fs::write(first, damaged).unwrap();
            assert_eq!(cache.addresses(&store.open(), "artwork_id").unwrap(), expected);
            assert_eq!(cache.take_damaged(), std::slice::from_ref(first));
            assert_eq!(fs::read(first).unwrap(), bytes, "it is made again");
        }
        fs::remove_file(first).and_then(|()| fs::create_dir(first)).unwrap();
        assert_eq!(cache.addresses(&store.open(), "artwork_id").unwrap(), expected);
        fs::remove_dir_all(&directory).and_then(|()| fs::write(&directory, "in the way")).unwrap();
        assert_eq!(cache.addresses(&store.open(), "artwork_id").unwrap(), expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_cache_that_lives_through_anything_agrees_with_a_scan(steps in steps()) {
            let store = Growing::new(&[1, 2, 3, 4, 5, 6]);
            let cache = KeyCache::new(&store.directory().join("keys"));
            for step in steps {
                store.happen(&step);
                let now = store.open();
                prop_assert_eq!(cache.addresses(&now, "artwork_id").unwrap(), now.addresses("artwork_id").unwrap(), "after {:?}", step);
            }
        }
    }
}
