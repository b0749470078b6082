//! Fingerprints of rows, more than memory holds: sorted piece by piece, put aside, and merged.
//!
//! Knows nothing of what they are of. Invariant: memory is bounded by what it is given, whatever their number.

use crate::table::spill::SpillError;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

const BYTES: usize = 16;

/// So many are kept in any case.
const FEWEST: usize = 1024;

pub struct Fingerprints {
    directory: PathBuf,
    /// How many are kept in memory.
    most: usize,
    kept: Vec<u128>,
    runs: Vec<File>,
}

/// How many have been there before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Repeats {
    pub count: u64,
    /// The least of them.
    pub first: Option<u128>,
}

impl Repeats {
    /// Counts those in order that equal the one before.
    fn add(&mut self, last: &mut Option<u128>, print: u128) {
        if *last == Some(print) {
            self.count += 1;
            self.first = self.first.or(Some(print));
        }
        *last = Some(print);
    }
}

impl Fingerprints {
    /// Keeps what goes into so many bytes, the rest in files without names in a directory.
    pub fn new(directory: &Path, bytes: u64) -> Self {
        let most = (bytes as usize / BYTES).max(FEWEST);
        Self { directory: directory.into(), most, kept: Vec::new(), runs: Vec::new() }
    }

    pub fn add(&mut self, print: u128) -> Result<(), SpillError> {
        self.kept.push(print);
        if self.kept.len() >= self.most { self.put_aside().map_err(|error| self.failed(error)) } else { Ok(()) }
    }

    fn failed(&self, error: io::Error) -> SpillError {
        SpillError::Io { directory: self.directory.clone(), error }
    }

    fn put_aside(&mut self) -> io::Result<()> {
        self.kept.sort_unstable();
        let mut run = BufWriter::new(tempfile::tempfile_in(&self.directory)?);
        self.kept.iter().try_for_each(|print| run.write_all(&print.to_le_bytes()))?;
        let mut run = run.into_inner().map_err(|error| error.into_error())?;
        run.rewind()?;
        self.runs.push(run);
        self.kept.clear();
        Ok(())
    }

    pub fn finish(mut self) -> Result<Repeats, SpillError> {
        self.kept.sort_unstable();
        let (mut repeats, mut last) = (Repeats::default(), None);
        if self.runs.is_empty() {
            self.kept.iter().for_each(|print| repeats.add(&mut last, *print));
            return Ok(repeats);
        }
        let kept = std::mem::take(&mut self.kept);
        let runs = std::mem::take(&mut self.runs);
        merge(kept, runs, &mut |print| repeats.add(&mut last, print)).map_err(|error| self.failed(error))?;
        Ok(repeats)
    }
}

/// Gives all of some sorted pieces in order.
fn merge(kept: Vec<u128>, runs: Vec<File>, give: &mut dyn FnMut(u128)) -> io::Result<()> {
    let mut kept = kept.into_iter();
    let mut runs: Vec<BufReader<File>> = runs.into_iter().map(BufReader::new).collect();
    let count = runs.len();
    let mut next = |from: usize| if from == count { Ok(kept.next()) } else { read(&mut runs[from]) };
    let mut heads = BinaryHeap::new();
    for from in 0..=count {
        heads.extend(next(from)?.map(|print| Reverse((print, from))));
    }
    while let Some(Reverse((print, from))) = heads.pop() {
        give(print);
        heads.extend(next(from)?.map(|print| Reverse((print, from))));
    }
    Ok(())
}

fn read(run: &mut BufReader<File>) -> io::Result<Option<u128>> {
    let mut bytes = [0; BYTES];
    match run.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(u128::from_le_bytes(bytes))),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn repeats_are_counted_however_little_is_kept(prints in prop::collection::vec(0u128..200, 0..600), most in 1usize..50) {
            let directory = tempfile::tempdir().unwrap();
            let mut all = Fingerprints { most, ..Fingerprints::new(directory.path(), 0) };
            prints.iter().for_each(|print| all.add(*print).unwrap());
            let mut seen = HashSet::new();
            let again: Vec<u128> = prints.iter().copied().filter(|print| !seen.insert(*print)).collect();
            prop_assert_eq!(all.finish().unwrap(), Repeats { count: again.len() as u64, first: again.iter().min().copied() });
        }
    }
}
