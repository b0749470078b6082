//! What one action used of a keyed source: the parts there were, the rows it found in them, the keys that it did not find.
//!
//! It lies beside the output as a Parquet file without rows and holds its payload, compressed, in the footer. Invariants: rows and keys are
//! sorted and occur once; what is read is what was written, or it is an error: a checksum says so.

use super::error::RowError;
use super::keys::{Form, Key};
use crate::digest::{Digest, Hasher};
use crate::table::parquet::{TableError, note, read_note};
use arrow::datatypes::SchemaRef;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fs;
use std::path::Path;

/// Under which the footer holds the payload.
const NOTE: &str = "daeda.rows";

/// The version of the payload's layout.
const MAGIC: &[u8; 8] = b"rows   1";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sidecar {
    /// What was read of which source, in words.
    pub source: String,
    pub form: Form,
    /// The source's parts, in its order.
    pub parts: Vec<u128>,
    /// By key.
    pub used: Vec<Used>,
    /// Keys that were looked for and not found, sorted.
    pub absent: Vec<Key>,
    /// How people call the keys that are kept as digests, by key.
    pub texts: Vec<(Key, String)>,
}

/// A row that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Used {
    pub key: Key,
    /// The index of the part it was found in.
    pub part: u32,
    pub digest: u128,
}

impl Sidecar {
    /// Sorts what it is given.
    pub fn new(
        source: impl Into<String>,
        form: Form,
        parts: Vec<u128>,
        mut used: Vec<Used>,
        mut absent: Vec<Key>,
        mut texts: Vec<(Key, String)>,
    ) -> Self {
        used.sort_unstable();
        used.dedup_by_key(|row| row.key);
        absent.sort_unstable();
        absent.dedup();
        texts.sort_unstable();
        texts.dedup_by_key(|text| text.0);
        Self { source: source.into(), form, parts, used, absent, texts }
    }

    /// What was used, whatever parts it lay in.
    pub fn digest(&self) -> Digest {
        let mut rows = Vec::with_capacity(self.used.len() * 32);
        for row in &self.used {
            rows.extend(row.key.0.to_le_bytes());
            rows.extend(row.digest.to_le_bytes());
        }
        let absent: Vec<u8> = self.absent.iter().flat_map(|key| key.0.to_le_bytes()).collect();
        Hasher::new("rows used").part("used", &rows).part("absent", &absent).finish()
    }

    /// How people call a key.
    pub fn text(&self, key: Key) -> String {
        match self.form {
            Form::Numbers => key.to_number().to_string(),
            Form::Digests => {
                let known = self.texts.binary_search_by_key(&key, |(known, _)| *known);
                known.map_or_else(|_| format!("{:08x}…", key.0 >> 96), |at| self.texts[at].1.clone())
            }
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.used.len() * 20 + self.absent.len() * 4 + self.parts.len() * 16 + 64);
        out.extend_from_slice(MAGIC);
        put_text(&mut out, &self.source);
        out.push(u8::from(self.form == Form::Numbers));
        put_all(&mut out, &self.parts, |out, part| out.extend(part.to_le_bytes()));
        put_keys(&mut out, self.form, self.used.iter().map(|row| row.key));
        self.used.iter().for_each(|row| put_number(&mut out, u64::from(row.part)));
        self.used.iter().for_each(|row| out.extend(row.digest.to_le_bytes()));
        put_keys(&mut out, self.form, self.absent.iter().copied());
        put_keys(&mut out, Form::Digests, self.texts.iter().map(|(key, _)| *key));
        for (_, text) in &self.texts {
            put_text(&mut out, text);
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes.strip_prefix(MAGIC)?);
        let source = rest.text()?;
        let form = if rest.take(1)? == [1] { Form::Numbers } else { Form::Digests };
        let parts = (0..rest.count(16)?).map(|_| rest.wide()).collect::<Option<_>>()?;
        let keys = rest.keys(form)?;
        let found: Vec<u32> = keys.iter().map(|_| u32::try_from(rest.number()?).ok()).collect::<Option<_>>()?;
        let used = keys.into_iter().zip(found).map(|(key, part)| Some(Used { key, part, digest: rest.wide()? })).collect::<Option<_>>()?;
        let absent = rest.keys(form)?;
        let named = rest.keys(Form::Digests)?;
        let texts = named.into_iter().map(|key| Some((key, rest.text()?))).collect::<Option<_>>()?;
        rest.0.is_empty().then_some(Self { source, form, parts, used, absent, texts })
    }
}

/// Writes the sidecar of an output whose data files have a schema.
pub fn write_sidecar(path: &Path, schema: SchemaRef, sidecar: &Sidecar) -> Result<(), RowError> {
    let damaged = |_| RowError::Damaged { path: path.into() };
    let mut compressed = zstd::bulk::compress(&sidecar.encode(), 1).map_err(damaged)?;
    let mut bytes = Digest::of(&compressed).wide().to_le_bytes().to_vec();
    bytes.append(&mut compressed);
    let note = note(path, schema, NOTE, &STANDARD.encode(bytes))?;
    Ok(fs::write(path, note).map_err(|error| TableError::io(path, error))?)
}

pub fn read_sidecar(path: &Path) -> Result<Sidecar, RowError> {
    let text = read_note(path, NOTE)?;
    text.and_then(|text| unpack(&text)).ok_or_else(|| RowError::Damaged { path: path.into() })
}

fn unpack(text: &str) -> Option<Sidecar> {
    let bytes = STANDARD.decode(text).ok()?;
    let (checksum, compressed) = bytes.split_first_chunk::<16>()?;
    if Digest::of(compressed).wide().to_le_bytes() != *checksum {
        return None;
    }
    Sidecar::decode(&zstd::stream::decode_all(compressed).ok()?)
}

fn put_all<T>(out: &mut Vec<u8>, values: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    put_number(out, values.len() as u64);
    values.iter().for_each(|value| put(out, value));
}

/// Numbers as the distances between them, digests as they are.
fn put_keys(out: &mut Vec<u8>, form: Form, keys: impl ExactSizeIterator<Item = Key>) {
    put_number(out, keys.len() as u64);
    let mut before = 0;
    for key in keys {
        match form {
            Form::Numbers => put_number(out, (key.0 as u64).wrapping_sub(before)),
            Form::Digests => out.extend(key.0.to_le_bytes()),
        }
        before = key.0 as u64;
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// What is left to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn wide(&mut self) -> Option<u128> {
        Some(u128::from_le_bytes(self.take(16)?.try_into().ok()?))
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// A number of things of so many bytes at least, which must be there.
    fn count(&mut self, bytes: usize) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count.checked_mul(bytes)? <= self.0.len()).then_some(count)
    }

    fn keys(&mut self, form: Form) -> Option<Vec<Key>> {
        let count = self.count(1)?;
        let mut before = 0_u64;
        let mut key = || match form {
            Form::Digests => self.wide().map(Key),
            Form::Numbers => {
                before = before.wrapping_add(self.number()?);
                Some(Key(u128::from(before)))
            }
        };
        (0..count).map(|_| key()).collect()
    }

    fn text(&mut self) -> Option<String> {
        let length = self.count(1)?;
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{DataType, Field, Schema};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]))
    }

    fn sidecars() -> impl Strategy<Value = Sidecar> {
        let keys = || proptest::collection::vec(any::<i64>(), 0..40);
        (any::<bool>(), proptest::collection::vec(any::<u128>(), 0..5), keys(), keys(), any::<u128>()).prop_map(
            |(numbers, parts, used, absent, salt)| {
                let key = |number: i64| if numbers { Key::number(number) } else { Key(Key::number(number).0 << 60 ^ salt) };
                let row = |n: i64| Used { key: key(n), part: n as u32, digest: salt.wrapping_mul(n as u128) };
                let (used, absent): (Vec<Used>, Vec<Key>) = (used.into_iter().map(row).collect(), absent.into_iter().map(key).collect());
                let texts = if numbers { vec![] } else { absent.iter().map(|key| (*key, format!("DE, {}", key.0))).collect() };
                let form = if numbers { Form::Numbers } else { Form::Digests };
                Sidecar::new("view: a → b", form, parts, used, absent, texts)
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(sidecar in sidecars()) {
            let bytes = sidecar.encode();
            prop_assert_eq!(Sidecar::decode(&bytes), Some(sidecar.clone()));
            for cut in 0..bytes.len() {
                prop_assert_ne!(Sidecar::decode(&bytes[..cut]), Some(sidecar.clone()));
            }
        }

        #[test]
        fn nonsense_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Sidecar::decode(&[MAGIC.as_slice(), &bytes].concat());
        }
    }

    #[test]
    fn two_hundred_thousand_keys_are_a_few_megabytes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("_daeda.rows.0.parquet");
        let digest = |n: i64| Digest::of(&n.to_le_bytes()).wide();
        let used = (0..200_000).map(|n| Used { key: Key::number(n * 7), part: n as u32 % 20, digest: digest(n) }).collect();
        let absent = (0..20_000).map(|n| Key::number(-n * 3 - 1)).collect();
        let sidecar = Sidecar::new("", Form::Numbers, (0..20).map(digest).collect(), used, absent, vec![]);
        write_sidecar(&path, schema(), &sidecar).unwrap();
        assert_eq!(read_sidecar(&path).unwrap(), sidecar);
        let size = std::fs::metadata(&path).unwrap().len();
        assert!(size < 5 << 20, "{size} bytes");
        assert_eq!(crate::table::parquet::footer(&path).unwrap().rows, 0);
    }

    #[test]
    fn a_damaged_payload_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("_daeda.rows.0.parquet");
        let used = vec![Used { key: Key::number(4), part: 0, digest: 9 }];
        let sidecar = Sidecar::new("", Form::Numbers, vec![1], used, vec![], vec![]);
        write_sidecar(&path, schema(), &sidecar).unwrap();
        let text = read_note(&path, NOTE).unwrap().unwrap();
        for at in 0..text.len() {
            let mut damaged = text.clone().into_bytes();
            damaged[at] = if damaged[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(unpack(std::str::from_utf8(&damaged).unwrap()), None, "at {at}");
        }
        fs::write(&path, note(&path, schema(), NOTE, "nonsense").unwrap()).unwrap();
        assert!(matches!(read_sidecar(&path), Err(RowError::Damaged { .. })));
    }

    #[test]
    fn parts_are_not_in_the_digest() {
        let used = |part| vec![Used { key: Key::number(4), part, digest: 9 }];
        let digest = |parts, part| Sidecar::new("", Form::Numbers, parts, used(part), vec![Key::number(1)], vec![]).digest();
        assert_eq!(digest(vec![1, 2], 0), digest(vec![3], 7));
        assert_ne!(digest(vec![1], 0), Sidecar::new("", Form::Numbers, vec![1], used(0), vec![], vec![]).digest());
    }
}
