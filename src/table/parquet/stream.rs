//! A file that is written from front to back: hashed on the way, and handed to the disk in large blocks by a thread of its own.
//!
//! Knows nothing of Parquet. Why past the page cache, where the system can: a partition is larger than what anybody reads of it soon, and
//! copying it into the cache costs more than the disk does. Invariants: the digest is blake3's of the file's bytes; at most a few blocks are
//! in memory.

use crate::digest::Digest;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

/// Bytes that go to the disk at once.
const BLOCK: usize = 4 << 20;

/// What direct writes must be aligned to, at the most: in the file, in memory, and in length.
const SECTOR: usize = 4096;

/// Blocks that one thread fills while the other writes.
const BLOCKS: usize = 3;

pub struct Stream {
    file: File,
    hasher: blake3::Hasher,
    written: u64,
    block: Block,
    /// Started by the first full block: small files need none.
    disk: Option<DiskThread>,
}

impl Stream {
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::create(path)?, hasher: blake3::Hasher::new(), written: 0, block: Block::new(), disk: None })
    }

    /// Bytes so far, and so the place of the next one.
    pub fn written(&self) -> u64 {
        self.written
    }

    pub fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        loop {
            bytes = self.block.fill(bytes);
            if bytes.is_empty() {
                return Ok(());
            }
            self.hand_over()?;
        }
    }

    /// Gives the full block to the disk and takes a free one.
    fn hand_over(&mut self) -> io::Result<()> {
        if self.disk.is_none() {
            self.disk = Some(DiskThread::start(self.file.try_clone()?));
        }
        let exchanged = self.disk.as_ref().and_then(|disk| disk.exchange(&mut self.block));
        // A thread that takes nothing more has failed; it says how.
        exchanged.map_or_else(|| Err(self.disk.take().map_or_else(ended, DiskThread::failure)), Ok)
    }

    /// Writes what is left. The file is not synced.
    pub fn finish(mut self) -> io::Result<Digest> {
        if let Some(disk) = self.disk.take() {
            disk.join()?;
        }
        let left = self.block.bytes();
        self.file.write_all_at(left, self.written - left.len() as u64)?;
        Ok(Digest::from_bytes(*self.hasher.finalize().as_bytes()))
    }
}

fn ended() -> io::Error {
    io::Error::other("the thread that writes has ended")
}

/// The thread that writes full blocks. It ends when it gets no more of them, or with an error.
struct DiskThread {
    full: Option<SyncSender<Block>>,
    free: Receiver<Block>,
    thread: JoinHandle<io::Result<()>>,
}

impl DiskThread {
    fn start(file: File) -> Self {
        let (full, blocks) = sync_channel::<Block>(BLOCKS);
        let (give_back, free) = channel::<Block>();
        for _ in 1..BLOCKS {
            let _ = give_back.send(Block::new());
        }
        let thread = std::thread::spawn(move || write_blocks(&file, blocks, &give_back));
        Self { full: Some(full), free, thread }
    }

    /// Gives the full block away for a free one.
    fn exchange(&self, block: &mut Block) -> Option<()> {
        let free = self.free.recv().ok()?;
        self.full.as_ref()?.send(std::mem::replace(block, free)).ok()
    }

    fn join(mut self) -> io::Result<()> {
        self.full = None;
        self.thread.join().unwrap_or_else(|_| Err(ended()))
    }

    fn failure(self) -> io::Error {
        self.join().err().unwrap_or_else(ended)
    }
}

fn write_blocks(file: &File, blocks: Receiver<Block>, give_back: &Sender<Block>) -> io::Result<()> {
    let mut direct = set_direct(file, true);
    for (number, mut block) in blocks.into_iter().enumerate() {
        let offset = (number * BLOCK) as u64;
        match file.write_all_at(block.bytes(), offset) {
            // The file system has agreed to what it cannot do.
            Err(error) if direct && error.kind() == io::ErrorKind::InvalidInput => {
                direct = !set_direct(file, false);
                file.write_all_at(block.bytes(), offset)?;
            }
            other => other?,
        }
        block.length = 0;
        let _ = give_back.send(block);
    }
    // The last block has any length.
    if direct {
        set_direct(file, false);
    }
    Ok(())
}

/// Whether the file is now written as wanted. The flag is shared by all descriptors of this opening of the file.
fn set_direct(file: &File, wanted: bool) -> bool {
    let flags = |file: &File| fcntl_getfl(file).map(|flags| flags.difference(OFlags::DIRECT));
    let set = flags(file).and_then(|others| fcntl_setfl(file, if wanted { others | OFlags::DIRECT } else { others }));
    set.is_ok()
}

#[derive(Clone)]
#[repr(C, align(4096))]
struct Sector([u8; SECTOR]);

/// Bytes in memory that direct writes can be made from.
struct Block {
    sectors: Vec<Sector>,
    length: usize,
}

impl Block {
    fn new() -> Self {
        Self { sectors: Vec::new(), length: 0 }
    }

    /// Takes what fits and returns what does not.
    fn fill<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let step = bytes.len().min(BLOCK - self.length);
        // Memory comes as it is needed: most files are small.
        let needed = (self.length + step).div_ceil(SECTOR);
        if self.sectors.len() < needed {
            self.sectors.resize(needed.next_power_of_two().min(BLOCK / SECTOR), Sector([0; SECTOR]));
        }
        let start = self.length;
        self.memory()[start..start + step].copy_from_slice(&bytes[..step]);
        self.length += step;
        &bytes[step..]
    }

    fn memory(&mut self) -> &mut [u8] {
        // SAFETY: a sector is its bytes, without padding, and any bytes are a sector.
        unsafe { std::slice::from_raw_parts_mut(self.sectors.as_mut_ptr().cast::<u8>(), self.sectors.len() * SECTOR) }
    }

    fn bytes(&mut self) -> &[u8] {
        let length = self.length;
        &self.memory()[..length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read_and_hashed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let bytes: Vec<u8> = (0..(2 * BLOCK + 777) as u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        for length in [0, 5, SECTOR, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, bytes.len()] {
            let mut stream = Stream::create(&path).unwrap();
            bytes[..length].chunks(1_000_003).for_each(|part| stream.write(part).unwrap());
            assert_eq!(stream.written(), length as u64);
            assert_eq!(stream.finish().unwrap(), Digest::of(&bytes[..length]), "{length}");
            assert!(std::fs::read(&path).unwrap() == bytes[..length], "{length}");
        }
    }

    #[test]
    fn a_disk_that_refuses_is_an_error() {
        let full = Path::new("/dev/full");
        if full.exists() {
            let mut stream = Stream::create(full).unwrap();
            let written = (0..20).try_for_each(|_| stream.write(&[1; BLOCK])).and_then(|()| stream.finish().map(drop));
            assert_eq!(written.unwrap_err().kind(), io::ErrorKind::StorageFull);
        }
    }
}
