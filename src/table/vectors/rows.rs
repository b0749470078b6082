//! Rows that are wanted, on their way from a key to a place in a file.
//!
//! Invariant: a row that has a place has the digest of what lies there.

/// In which file, where there is none yet.
const NOWHERE: u32 = u32::MAX;

/// In which slot, for a row that has no vector.
pub(super) const NO_VECTOR: u32 = u32::MAX;

/// A row of a store: 40 bytes, since there may be millions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub key: i64,
    pub address: u64,
    digest: [u8; 16],
    file: u32,
    slot: u32,
}

impl Row {
    pub(super) fn wanted((address, key): (u64, i64)) -> Self {
        Self { key, address, digest: [0; 16], file: NOWHERE, slot: NO_VECTOR }
    }

    /// Of its values, also where its vector is null.
    pub fn digest(&self) -> u128 {
        u128::from_le_bytes(self.digest)
    }

    pub(super) fn put(&mut self, file: usize, slot: u32, digest: u128) {
        (self.file, self.slot, self.digest) = (file as u32, slot, digest.to_le_bytes());
    }

    pub(super) fn lose(&mut self) {
        self.file = NOWHERE;
    }

    pub(super) fn is_lost(&self) -> bool {
        self.file == NOWHERE
    }

    pub fn has_vector(&self) -> bool {
        self.slot != NO_VECTOR
    }

    /// File and slot. Rows without a vector come last in their file, those that lie nowhere last of all.
    pub(super) fn place(&self) -> (u32, u32) {
        (self.file, self.slot)
    }
}
