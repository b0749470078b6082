//! Digests of what files hold: on all cores, in bounded memory, with a meter of how far they are.
//!
//! Knows nothing of what is in the file. Invariant: the digest is blake3's of the plain bytes, for any number of threads: the work is split
//! only where blake3's own tree is.

use super::Digest;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};
use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Up to here one thread hashes alone. A power of two, so that pieces are whole subtrees.
pub const PIECE: u64 = 1 << 20;

/// Read at once: small enough to be hashed while it is still in the core's own cache.
const STEP: usize = 128 << 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// How much there is to hash, and how much has been: shared by the threads that hash and whoever shows it.
#[derive(Debug, Default)]
pub struct Meter {
    total: AtomicU64,
    done: AtomicU64,
}

impl Meter {
    /// Announces work.
    pub fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes hashed so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Bytes announced so far.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The digest of a range of a file's bytes.
pub fn range(file: &File, start: u64, length: u64, meter: &Meter) -> io::Result<Digest> {
    let input = Input { file, start, meter };
    if length <= PIECE {
        return Ok(Digest(*input.piece(0, length)?.finalize().as_bytes()));
    }
    let (left, right) = input.halves(0, length)?;
    Ok(Digest(*merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()))
}

struct Input<'a> {
    file: &'a File,
    start: u64,
    meter: &'a Meter,
}

impl Input<'_> {
    fn halves(&self, offset: u64, length: u64) -> io::Result<(ChainingValue, ChainingValue)> {
        let middle = left_subtree_len(length);
        let (left, right) = rayon::join(|| self.subtree(offset, middle), || self.subtree(offset + middle, length - middle));
        Ok((left?, right?))
    }

    fn subtree(&self, offset: u64, length: u64) -> io::Result<ChainingValue> {
        if length <= PIECE {
            return Ok(self.piece(offset, length)?.finalize_non_root());
        }
        let (left, right) = self.halves(offset, length)?;
        Ok(merge_subtrees_non_root(&left, &right, Mode::Hash))
    }

    fn piece(&self, offset: u64, length: u64) -> io::Result<blake3::Hasher> {
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(offset);
        BUFFER
            .with_borrow_mut(|buffer| {
                buffer.resize(STEP, 0);
                let mut done = 0;
                while done < length {
                    let step = (length - done).min(STEP as u64) as usize;
                    self.file.read_exact_at(&mut buffer[..step], self.start + offset + done)?;
                    hasher.update(&buffer[..step]);
                    done += step as u64;
                }
                Ok(())
            })
            .map(|()| {
                self.meter.advance(length);
                hasher
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn file_of(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn noise(length: usize) -> Vec<u8> {
        (0..length as u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
    }

    #[test]
    fn the_tree_is_blake3s_own_at_every_seam() {
        let piece = PIECE as usize;
        let bytes = noise(5 * piece + 77);
        let file = file_of(&bytes);
        for length in [0, 1, 1024, 1025, piece - 1, piece, piece + 1, 2 * piece, 2 * piece + 1, 3 * piece - 1, 5 * piece + 7] {
            let digest = range(&file, 70, length as u64, &Meter::default()).unwrap();
            assert_eq!(digest, Digest::of(&bytes[70..70 + length]), "{length}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_range_hashes_as_its_bytes_do(start in 0..1000usize, length in 0..(4 * PIECE as usize)) {
            let bytes = noise(start + length);
            let digest = range(&file_of(&bytes), start as u64, length as u64, &Meter::default()).unwrap();
            prop_assert_eq!(digest, Digest::of(&bytes[start..]));
        }
    }

    #[test]
    fn a_range_beyond_the_end_is_an_error() {
        assert!(range(&file_of(b"short"), 2, 4, &Meter::default()).is_err());
    }
}
