//! Maps of parts on disk, so that a part is read once in its life.
//!
//! Invariants: a file is believed only if it names the part and its checksum holds, so that a damaged, cut or foreign one is made again; files
//! that nobody has asked for in a while are removed. What cannot be written costs time only.

use super::PRESENT;
use super::keys::{Form, Key};
use super::map::RowMap;
use crate::digest::Digest;
use crate::table::kept_files::{NOTED, UNUSED, note_use, remove_unused};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The version of the files' layout.
const MAGIC: &[u8; 16] = b"daeda rows map 1";

/// A directory of maps, or none.
#[derive(Debug, Clone)]
pub struct RowCache {
    directory: Option<PathBuf>,
}

impl RowCache {
    pub fn new(directory: &Path) -> Self {
        Self { directory: Some(directory.into()) }
    }

    /// Keeps nothing.
    pub fn none() -> Self {
        Self { directory: None }
    }

    /// The map of the part that a digest names, from disk or made.
    pub fn get<E>(&self, part: &Digest, make: impl FnOnce() -> Result<RowMap, E>) -> Result<RowMap, E> {
        let Some(directory) = &self.directory else { return make() };
        let path = directory.join(format!("{}.rows", &part.hex()[..32]));
        if let Some(map) = fs::read(&path).ok().and_then(|bytes| decode(&bytes, part)) {
            note_use(&path, NOTED);
            return Ok(map);
        }
        let map = make()?;
        if write(directory, &path, &encode(&map, part)).is_ok() {
            remove_unused(directory, UNUSED);
        }
        Ok(map)
    }
}

fn write(directory: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let mut file = tempfile::Builder::new().prefix(".rows").tempfile_in(directory)?;
    io::Write::write_all(&mut file, bytes)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Magic, the part, a checksum of the rest; then the form, the number of rows, keys, digests unless all are mere presence.
fn encode(map: &RowMap, part: &Digest) -> Vec<u8> {
    let present_only = map.digests.iter().all(|digest| *digest == PRESENT);
    let mut body = Vec::with_capacity(map.len() * 32 + 16);
    body.push(u8::from(map.form == Form::Numbers));
    body.push(u8::from(present_only));
    body.extend((map.len() as u64).to_le_bytes());
    for key in &map.keys {
        body.extend_from_slice(&key.0.to_le_bytes()[..key_bytes(map.form)]);
    }
    if !present_only {
        map.digests.iter().for_each(|digest| body.extend(digest.to_le_bytes()));
    }
    let mut bytes = Vec::with_capacity(body.len() + 80);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(part.hex().as_bytes());
    bytes.extend(Digest::of(&body).wide().to_le_bytes());
    bytes.append(&mut body);
    bytes
}

fn decode(bytes: &[u8], part: &Digest) -> Option<RowMap> {
    let rest = bytes.strip_prefix(MAGIC)?.strip_prefix(part.hex().as_bytes())?;
    let (checksum, body) = rest.split_first_chunk::<16>()?;
    if Digest::of(body).wide().to_le_bytes() != *checksum {
        return None;
    }
    let ([numbers, present_only], body) = body.split_first_chunk::<2>()?;
    let (count, body) = body.split_first_chunk::<8>()?;
    let form = if *numbers == 1 { Form::Numbers } else { Form::Digests };
    let (width, count) = (key_bytes(form), usize::try_from(u64::from_le_bytes(*count)).ok()?);
    let (keys, digests) = body.split_at_checked(count.checked_mul(width)?)?;
    let keys: Vec<Key> = keys.chunks_exact(width).map(|key| Key(wide(key))).collect();
    let digests = if *present_only == 1 { vec![PRESENT; count] } else { digests.chunks_exact(16).map(wide).collect() };
    (digests.len() == count).then_some(RowMap { form, keys, digests })
}

fn key_bytes(form: Form) -> usize {
    match form {
        Form::Numbers => 8,
        Form::Digests => 16,
    }
}

fn wide(bytes: &[u8]) -> u128 {
    let mut whole = [0; 16];
    whole[..bytes.len()].copy_from_slice(bytes);
    u128::from_le_bytes(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::fs::File;
    use std::time::SystemTime;

    fn maps() -> [RowMap; 3] {
        let numbers = (0..100).map(|n| (Key::number(n * 3 - 50), n as u128 * 7 + 1)).collect();
        let present = (0..100).map(|n| (Key::number(n), PRESENT)).collect();
        let digests = (0..100_u128).map(|n| (Key(n << 90), n + 1)).collect();
        [RowMap::from_pairs(Form::Numbers, numbers), RowMap::from_pairs(Form::Numbers, present), RowMap::from_pairs(Form::Digests, digests)]
    }

    #[test]
    fn a_map_comes_back_and_is_made_once() {
        let directory = tempfile::tempdir().unwrap();
        let cache = RowCache::new(&directory.path().join("rows"));
        for (number, map) in maps().into_iter().enumerate() {
            let part = Digest::of(&[number as u8]);
            assert_eq!(cache.get(&part, || Ok::<_, Infallible>(map.clone())).unwrap(), map);
            assert_eq!(cache.get::<Infallible>(&part, || panic!("it was made before")).unwrap(), map);
        }
    }

    #[test]
    fn a_damaged_or_foreign_file_is_not_believed() {
        let part = Digest::of(b"part");
        for map in maps() {
            let bytes = encode(&map, &part);
            assert_eq!(decode(&bytes, &part).as_ref(), Some(&map));
            assert_eq!(decode(&bytes, &Digest::of(b"another")), None);
            for cut in 0..bytes.len() {
                assert_eq!(decode(&bytes[..cut], &part), None, "cut at {cut}");
            }
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x10;
                assert_eq!(decode(&damaged, &part), None, "damaged at {at}");
            }
        }
    }

    #[test]
    fn what_nobody_used_for_long_goes() {
        let directory = tempfile::tempdir().unwrap();
        let cache = RowCache::new(directory.path());
        let make = |name: &[u8]| cache.get(&Digest::of(name), || Ok::<_, Infallible>(maps()[0].clone())).unwrap();
        make(b"old");
        let old = fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
        File::options().append(true).open(&old).unwrap().set_modified(SystemTime::now() - UNUSED * 2).unwrap();
        make(b"new");
        assert!(!old.exists());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
