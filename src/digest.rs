//! Canonical hashing: everything that decides whether an action is fresh is hashed through here.
//!
//! Knows nothing of what is hashed. Invariants: every part is length-prefixed and named, so that no two different sequences of
//! parts hash alike; the scheme has a version, and a golden test pins it. Never hashed: mtimes, absolute paths, `Debug` output.

pub mod file;
pub mod key;

use serde::{Deserialize, Serialize};
use std::fmt;

/// Changes when the meaning of a digest does; records of an older scheme are verified again, never trusted.
pub const SCHEME: u32 = 1;

/// 256 bits of blake3, written as hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of plain bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    pub fn hex(&self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }

    /// The first eight hex digits: enough to tell two values apart for a reader.
    pub fn short(&self) -> String {
        self.hex()[..8].to_string()
    }

    pub fn parse(hex: &str) -> Option<Self> {
        blake3::Hash::from_hex(hex).ok().map(|h| Self(*h.as_bytes()))
    }

    /// The first 32 bits: enough to say that two values differ, not that they are the same.
    pub fn print(&self) -> u32 {
        let [a, b, c, d, ..] = self.0;
        u32::from_be_bytes([a, b, c, d])
    }

    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 128 bits, for keys of tables in memory.
    pub fn wide(&self) -> u128 {
        let mut half = [0; 16];
        half.copy_from_slice(&self.0[..16]);
        u128::from_le_bytes(half)
    }

    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.short())
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.hex())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Digest::parse(&text).ok_or_else(|| serde::de::Error::custom("not a digest"))
    }
}

/// Hashes named parts in order.
///
/// Parts are put together and hashed at once, many or few: that is several times quicker than one after the other.
pub struct Hasher {
    bytes: Vec<u8>,
    /// What came before `bytes`, where there is much.
    long: Option<Box<blake3::Hasher>>,
}

/// Bytes that are put together before they are hashed: so many at once go at several times the rate of a few.
const SHORT: usize = 1 << 17;

impl Hasher {
    /// Starts a digest of one kind of thing; `domain` keeps kinds apart.
    pub fn new(domain: &str) -> Self {
        let mut hasher = Self { bytes: Vec::with_capacity(256), long: None };
        hasher.raw(&SCHEME.to_le_bytes());
        hasher.raw(domain.as_bytes());
        hasher
    }

    pub fn part(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.raw(name.as_bytes());
        self.raw(value);
        self
    }

    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.part(name, value.as_bytes())
    }

    pub fn number(&mut self, name: &str, value: u64) -> &mut Self {
        self.part(name, &value.to_le_bytes())
    }

    /// Many digests in a row as one part.
    pub fn digests<'a>(&mut self, name: &str, values: impl ExactSizeIterator<Item = &'a Digest>) -> &mut Self {
        self.raw(name.as_bytes());
        self.add(&(values.len() as u64 * 32).to_le_bytes());
        self.bytes.reserve(values.len().min(SHORT / 32) * 32);
        values.for_each(|value| self.add(&value.0));
        self
    }

    pub fn digest(&mut self, name: &str, value: &Digest) -> &mut Self {
        self.part(name, &value.0)
    }

    pub fn finish(&self) -> Digest {
        let digest = match &self.long {
            None => blake3::hash(&self.bytes),
            Some(long) => long.clone().update(&self.bytes).finalize(),
        };
        Digest(*digest.as_bytes())
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.add(&(bytes.len() as u64).to_le_bytes());
        self.add(bytes);
    }

    fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        if self.bytes.len() > SHORT {
            self.long.get_or_insert_default().update(&self.bytes);
            self.bytes.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_byte_between_parts_changes_the_digest() {
        let digest = |a: &str, b: &str| Hasher::new("test").text(a, b).finish();
        assert_ne!(digest("ab", "c"), digest("a", "bc"));
        assert_eq!(digest("ab", "c"), digest("ab", "c"));
    }

    #[test]
    fn long_and_short_contents_hash_alike() {
        for length in [0, 100, SHORT - 100, SHORT, SHORT + 1, 5 * SHORT + 7] {
            let text = "x".repeat(length);
            let mut plain = blake3::Hasher::new();
            let parts = [&SCHEME.to_le_bytes()[..], b"test", b"name", text.as_bytes(), b"last", b"!"];
            for part in parts {
                plain.update(&(part.len() as u64).to_le_bytes()).update(part);
            }
            let digest = Hasher::new("test").text("name", &text).text("last", "!").finish();
            assert_eq!(digest.bytes(), plain.finalize().as_bytes(), "{length}");
        }
    }

    /// The scheme is a promise to every record on every disk: a change here needs a new [`SCHEME`].
    #[test]
    fn the_scheme_is_pinned() {
        let digest = Hasher::new("golden").text("name", "value").number("n", 7).finish();
        assert_eq!(digest.short(), "7598c67e");
    }
}
