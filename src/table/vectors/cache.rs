//! Segments in a directory, shared by partitions, runs and processes: what is wanted is found in them or read into a new one.
//!
//! One process at a time reads the vectors of a store, so that the next finds them; it holds a kernel lock meanwhile, which ends with it. Invariants:
//! segments stay within the limit, the least recently used go first; a segment in which any wanted vector is not what it should be is removed,
//! and its rows are read again.

use super::VectorError;
use super::key_table::KeyTable;
use super::matrix::{Held, Vectors, is_next, span};
use super::rows::Row;
use super::segment::{self, Segment, SegmentWriter};
use super::shape::{Element, Shape};
use crate::digest::Hasher;
use crate::table::kept_files::{UNUSED, make_room, note_use, remove_unused};
use crate::table::lance::{Addresses, Dataset, Fragment};
use crate::table::rows::digests;
use arrow::array::{Array, ArrayRef};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const EXTENSION: &str = "vectors";

/// Bytes that are checked at once.
const CHECKED_BYTES: usize = 8 << 20;

/// Of so many vectors of a segment one must be wanted now, so that its use keeps it from being removed for new ones.
const SPARED_ONE_OF: usize = 8;

/// A directory of segments, or none.
#[derive(Debug, Clone, Default)]
pub struct VectorCache {
    directory: Option<PathBuf>,
    limit: u64,
    damaged: Arc<Mutex<Vec<PathBuf>>>,
}

/// Which vectors of a store.
pub struct Want<'a> {
    /// What the store is called; its segments are looked for by this, wherever it lies.
    pub store: &'a str,
    pub dataset: &'a Dataset,
    pub column: &'a str,
    /// Of the vectors, as it is declared.
    pub width: usize,
    pub addresses: &'a Addresses,
    /// Sorted, each once.
    pub keys: &'a [i64],
}

/// What was found.
pub struct Fetched {
    pub vectors: Vectors,
    /// All rows that there are of the wanted keys, also those whose vector is null.
    pub rows: Vec<Row>,
    /// How many of them were read from the store.
    pub read: u64,
}

/// A file that serves rows, and its name if it has one.
struct Source {
    path: Option<PathBuf>,
    file: File,
    /// Vectors it holds.
    slots: usize,
}

/// One fetch on its way.
struct Fetch<'a> {
    want: &'a Want<'a>,
    shape: Shape,
    /// Fragments by number, and the names of their columns as parts.
    parts: Vec<(u64, u128)>,
    rows: Vec<Row>,
    sources: Vec<Source>,
    tell: &'a dyn Fn(u64, u64),
}

impl VectorCache {
    /// Segments of a directory that may take so many bytes.
    pub fn new(directory: &Path, limit: u64) -> Self {
        Self { directory: Some(directory.into()), limit, damaged: Arc::default() }
    }

    /// Keeps nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// The files that were not what they should have been.
    pub fn take_damaged(&self) -> Vec<PathBuf> {
        std::mem::take(&mut self.damaged.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// The vectors of the keys that the store has. What is not kept lies in a file without a name in `scratch`; files are mapped if they are
    /// at most `mapped` bytes together.
    pub fn fetch(&self, want: &Want, scratch: &Path, mapped: u64, tell: &dyn Fn(u64, u64)) -> Result<Fetched, VectorError> {
        let mut fetch = Fetch::new(want, tell)?;
        let store = want.store(fetch.shape);
        // Who finds everything waits for nobody; who does not looks again once nobody else is reading.
        self.find(&mut fetch, &store)?;
        let lock = Some(fetch.lost()).filter(|lost| *lost > 0).and_then(|_| self.lock(&store));
        if lock.is_some() {
            self.find(&mut fetch, &store)?;
        }
        let lost = fetch.lost();
        if lost > 0 {
            let kept = lock.as_ref().and_then(|_| self.keep(&mut fetch, &store, lost).transpose());
            match kept {
                Some(kept) => kept?,
                None => fetch.read(lost, tempfile::tempfile_in(scratch)?).map(drop)?,
            }
        }
        drop(lock);
        fetch.finish(lost as u64, mapped)
    }

    /// Nothing where there is no directory or no lock to be had: then nothing is kept.
    fn lock(&self, store: &str) -> Option<File> {
        let directory = self.directory.as_ref().filter(|_| self.limit > 0)?;
        fs::create_dir_all(directory).ok()?;
        let file = File::options().append(true).create(true).open(directory.join(format!("{store}.lock"))).ok()?;
        flock(&file, FlockOperation::LockExclusive).ok().map(|()| file)
    }

    /// Finds rows in the segments of a store.
    fn find(&self, fetch: &mut Fetch, store: &str) -> Result<(), VectorError> {
        for path in self.segments(store) {
            if fetch.lost() == 0 {
                break;
            }
            let found = match Segment::open(&path) {
                Some(segment) => fetch.find(segment, &path)?,
                None => Found::Damaged,
            };
            match found {
                Found::Nothing => {}
                Found::Rows => note_use(&path, Duration::ZERO),
                Found::Damaged => self.remove(path),
            }
        }
        Ok(())
    }

    fn segments(&self, store: &str) -> Vec<PathBuf> {
        let entries = self.directory.iter().flat_map(fs::read_dir).flatten().flatten().map(|entry| entry.path());
        let is_of_store = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with(store) && name.ends_with(EXTENSION)
        };
        let mut segments: Vec<PathBuf> = entries.filter(is_of_store).collect();
        segments.sort_unstable();
        segments
    }

    /// Its rows are read again; files that are open stay readable.
    fn remove(&self, path: PathBuf) {
        if fs::remove_file(&path).is_err() {
            let _ = fs::remove_dir_all(&path);
        }
        self.damaged.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(path);
    }

    /// Reads what is lost into a new segment. Nothing where that has no room, or cannot be written.
    fn keep(&self, fetch: &mut Fetch, store: &str, lost: usize) -> Result<Option<()>, VectorError> {
        let Some(directory) = &self.directory else { return Ok(None) };
        let bytes = segment::most_bytes(fetch.shape, lost, fetch.parts.len());
        let spared = fetch.spared();
        if bytes > self.limit || !make_room(directory, EXTENSION, bytes, self.limit, |path| spared.iter().any(|known| known == path)) {
            return Ok(None);
        }
        let filling = format!(".{store}-");
        remove_abandoned(directory, &filling);
        // Readable to whom the umask says, as other files of the workspace are.
        let permissions = fs::Permissions::from_mode(0o666);
        let Ok(filling) = tempfile::Builder::new().prefix(&filling).permissions(permissions).tempfile_in(directory) else {
            return Ok(None);
        };
        let digest = match filling.reopen().map_err(VectorError::Io).and_then(|file| fetch.read(lost, file)) {
            Ok(digest) => digest,
            Err(VectorError::Io(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let _ = filling.persist(directory.join(format!("{store}-{}.{EXTENSION}", &digest[..16])));
        remove_unused(directory, UNUSED);
        Ok(Some(()))
    }
}

/// What killed processes have left of a store: whoever holds its lock is the only one who fills. Should that not be so, an open file stays
/// readable to the other.
fn remove_abandoned(directory: &Path, prefix: &str) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix))) {
        let _ = fs::remove_file(entry.path());
    }
}

impl Want<'_> {
    /// Stands for the column of the store, as it is now, in names of files.
    fn store(&self, shape: Shape) -> String {
        let mut hasher = Hasher::new("store of vectors");
        hasher.text("store", self.store).text("column", self.column);
        hasher.number("element", shape.element.bytes() as u64).number("width", shape.width as u64);
        hasher.finish().hex()[..16].to_string()
    }

    fn shape(&self) -> Result<Shape, VectorError> {
        let (item, found) = self.dataset.vector_type(self.column)?;
        let element = Element::of(&item).ok_or_else(|| VectorError::Element { found: item.to_string() })?;
        if found != self.width {
            return Err(VectorError::Width { expected: self.width, found });
        }
        Ok(Shape { element, width: found })
    }
}

/// What a segment had to give.
enum Found {
    Nothing,
    Rows,
    Damaged,
}

impl<'a> Fetch<'a> {
    fn new(want: &'a Want<'a>, tell: &'a dyn Fn(u64, u64)) -> Result<Self, VectorError> {
        let name = |fragment: &Fragment| {
            let mut hasher = Hasher::new("vectors of a fragment");
            hasher.text("is", &fragment.identity);
            // Without a file of the column there is nothing else to tell one from another by.
            if fragment.identity.is_empty() {
                hasher.number("fragment", fragment.id);
            }
            hasher.finish().wide()
        };
        let mut parts: Vec<(u64, u128)> =
            want.dataset.contents(want.column)?.iter().map(|fragment| (fragment.id, name(fragment))).collect();
        parts.sort_unstable();
        let rows = want.addresses.find(want.keys).into_iter().map(Row::wanted).collect();
        Ok(Self { want, shape: want.shape()?, parts, rows, sources: Vec::new(), tell })
    }

    /// How many rows lie nowhere yet.
    fn lost(&self) -> usize {
        self.rows.iter().filter(|row| row.is_lost()).count()
    }

    fn part_of(&self, address: u64) -> u128 {
        let at = self.parts.partition_point(|(fragment, _)| *fragment < address >> 32);
        self.parts.get(at).map_or(0, |(_, name)| *name)
    }

    /// Puts lost rows where the segment has them, if it has them undamaged.
    fn find(&mut self, segment: Segment, path: &Path) -> Result<Found, VectorError> {
        let number = self.sources.len();
        if segment.shape != self.shape {
            return Ok(Found::Damaged);
        }
        let mut found: Vec<usize> = Vec::new();
        let mut start = 0;
        while start < self.rows.len() {
            let fragment = self.rows[start].address >> 32;
            let end = start + self.rows[start..].partition_point(|row| row.address >> 32 == fragment);
            let name = self.part_of(self.rows[start].address);
            for part in segment.parts.iter().filter(|part| part.name == name) {
                let mut entries = &part.entries[..];
                for (row, at) in self.rows[start..end].iter_mut().zip(start..).filter(|(row, _)| row.is_lost()) {
                    let position = row.address as u32;
                    entries = &entries[entries.partition_point(|entry| entry.position < position)..];
                    if let Some(entry) = entries.first().filter(|entry| entry.position == position) {
                        row.put(number, entry.slot, entry.digest());
                        found.push(at);
                    }
                }
            }
            start = end;
        }
        if found.is_empty() {
            return Ok(Found::Nothing);
        }
        let sound = self.check(&mut found, &segment.file)?;
        self.sources.push(Source { path: Some(path.into()), file: segment.file, slots: segment.slots as usize });
        Ok(if sound { Found::Rows } else { Found::Damaged })
    }

    /// Compares the vectors of rows with their digests; those that differ are lost again. Whether none was.
    fn check(&mut self, found: &mut [usize], file: &File) -> Result<bool, VectorError> {
        found.sort_unstable_by_key(|at| self.rows[*at].place());
        let mut sound = true;
        for chunk in found.chunks((CHECKED_BYTES / self.shape.row_bytes().max(1)).max(1)) {
            let actual = self.digests_of(chunk, file)?;
            for (at, actual) in chunk.iter().zip(actual) {
                if actual != Some(self.rows[*at].digest()) {
                    self.rows[*at].lose();
                    sound = false;
                }
            }
        }
        Ok(sound)
    }

    /// The digests of what lies in the file; none of what cannot be read.
    fn digests_of(&self, chunk: &[usize], file: &File) -> Result<Vec<Option<u128>>, VectorError> {
        let with_vector = chunk.partition_point(|at| self.rows[*at].has_vector());
        let mut bytes = vec![0; with_vector * self.shape.row_bytes()];
        let mut rest = &mut bytes[..];
        let mut readable = true;
        for run in chunk[..with_vector].chunk_by(|a, b| is_next(self.rows[*a].place(), self.rows[*b].place())) {
            let (run_bytes, after) = rest.split_at_mut(run.len() * self.shape.row_bytes());
            readable &= file.read_exact_at(run_bytes, span(self.shape, self.rows[run[0]].place().1).start as u64).is_ok();
            rest = after;
        }
        let null = Some(self.shape.null_digest()?);
        let read = self.shape.digests(bytes)?.into_iter().map(|digest| readable.then_some(digest));
        Ok(read.chain(chunk[with_vector..].iter().map(|_| null)).collect())
    }

    /// The segments that are well used by this fetch.
    fn spared(&self) -> Vec<PathBuf> {
        let mut used = vec![0; self.sources.len()];
        self.rows.iter().filter(|row| !row.is_lost()).for_each(|row| used[row.place().0 as usize] += 1);
        let well_used = self.sources.iter().zip(used).filter(|(source, used)| used * SPARED_ONE_OF >= source.slots);
        well_used.filter_map(|(source, _)| source.path.clone()).collect()
    }

    /// Reads the lost rows from the store into a file, which serves them from then on. The digest of what was written, as hex.
    fn read(&mut self, lost: usize, file: File) -> Result<String, VectorError> {
        let number = self.sources.len();
        let mut writer = SegmentWriter::new(file, self.shape)?;
        let missing: Vec<u64> = self.rows.iter().filter(|row| row.is_lost()).map(|row| row.address).collect();
        let (mut at, tell, shape, parts) = (0, self.tell, self.shape, std::mem::take(&mut self.parts));
        let part_of = |address: u64| parts[parts.partition_point(|(fragment, _)| *fragment < address >> 32)].1;
        let rows = &mut self.rows;
        let mut placed: Vec<usize> = Vec::with_capacity(lost);
        let read = self.want.dataset.vectors::<VectorError>(&missing, self.want.column, |asked, vectors| {
            tell(asked.start as u64, lost as u64);
            let bytes = shape.bytes_of(&vectors)?;
            let digests = digests(&[Arc::new(vectors.clone()) as ArrayRef])?;
            for (row, digest) in digests.into_iter().enumerate() {
                while !rows[at].is_lost() {
                    at += 1;
                }
                let address = missing[asked.start + row];
                let start = row * shape.row_bytes();
                let vector = vectors.is_valid(row).then(|| &bytes[start..start + shape.row_bytes()]);
                let slot = writer.push(part_of(address), address as u32, digest, vector)?;
                rows[at].put(number, slot, digest);
                placed.push(at);
            }
            Ok(())
        });
        self.parts = parts;
        let written = read.and_then(|()| writer.finish().map_err(VectorError::Io));
        match written {
            Ok((file, digest)) => {
                self.sources.push(Source { path: None, file, slots: lost });
                Ok(digest.hex())
            }
            Err(error) => {
                placed.into_iter().for_each(|at| self.rows[at].lose());
                Err(error)
            }
        }
    }

    /// Numbers the rows in the order in which they lie.
    fn finish(mut self, read: u64, mapped: u64) -> Result<Fetched, VectorError> {
        self.rows.sort_unstable_by_key(Row::place);
        let with_vector = || self.rows.iter().filter(|row| row.has_vector());
        let count = with_vector().count();
        let mut keys = KeyTable::with_capacity(count);
        with_vector().for_each(|row| keys.insert(row.key));
        let places: Vec<(u32, u32)> = with_vector().map(Row::place).collect();
        let mut files: Vec<Held> = self.sources.into_iter().map(|source| Held::new(source.file)).collect();
        map(&mut files, count as u64 * self.shape.row_bytes() as u64, mapped)?;
        Ok(Fetched { vectors: Vectors { shape: self.shape, keys, places, files }, rows: self.rows, read })
    }
}

/// Maps all files or none: pages that are resident count as memory of this process.
fn map(files: &mut [Held], wanted: u64, most: u64) -> io::Result<()> {
    let lengths: u64 = files.iter().map(|held| held.file.metadata().map(|metadata| metadata.len())).sum::<io::Result<u64>>()?;
    if lengths <= most {
        files.iter_mut().try_for_each(|held| held.map(wanted * 2 >= lengths))?;
    }
    Ok(())
}
