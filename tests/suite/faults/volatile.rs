//! What a disk keeps when the power is cut: a model that is fed the steps of a build.
//!
//! Durable is a file's content once the file was synced, and a name once its directory was. A rename changes names in two directories in
//! one step, an exchange as well: they survive whole or not at all, together with earlier changes of the same names. All else may
//! survive or not, in any combination, and the content of a file that was not synced may be anything.

use super::frail::Step;
use super::scene::Files;
use crate::chance::Chance;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

type Content = (Vec<u8>, i64);
type Name = (usize, String);

#[derive(Clone)]
enum Inode {
    Directory,
    File { now: Content, synced: bool },
}

/// Names that change in one step.
#[derive(Clone)]
struct Change(Vec<(Name, Option<usize>)>);

/// What becomes of the content of a file that was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    Empty,
    Half,
    /// As long as it should be, and nothing in it.
    Zeros,
    Whole,
}

pub const UNSYNCED: [Unsynced; 4] = [Unsynced::Empty, Unsynced::Half, Unsynced::Zeros, Unsynced::Whole];

#[derive(Clone)]
pub struct Volatile {
    top: PathBuf,
    inodes: Vec<Inode>,
    now: BTreeMap<Name, usize>,
    durable: BTreeMap<Name, usize>,
    pending: Vec<Change>,
}

const TOP: usize = 0;

impl Volatile {
    /// All that lies below a directory is durable.
    pub fn new(top: &Path, files: &Files) -> Self {
        let empty = BTreeMap::new();
        let mut volatile =
            Self { top: top.into(), inodes: vec![Inode::Directory], now: empty.clone(), durable: empty, pending: Vec::new() };
        for (path, content) in files {
            let inode = match content {
                None => Inode::Directory,
                Some(content) => Inode::File { now: content.clone(), synced: true },
            };
            let name = volatile.name(&top.join(path)).unwrap();
            volatile.inodes.push(inode);
            volatile.now.insert(name, volatile.inodes.len() - 1);
        }
        volatile.durable = volatile.now.clone();
        volatile
    }

    pub fn apply(&mut self, step: &Step) {
        match step {
            Step::MakeDirectory(path) => self.make(path, Inode::Directory),
            Step::Create(path) => self.make(path, Inode::File { now: Content::default(), synced: false }),
            Step::Write(path, bytes, time) => {
                let inode = self.inode(path).unwrap();
                self.inodes[inode] = Inode::File { now: (bytes.clone(), *time), synced: false };
            }
            Step::SyncFile(path) => {
                let inode = self.inode(path).unwrap();
                if let Inode::File { synced, .. } = &mut self.inodes[inode] {
                    *synced = true;
                }
            }
            Step::SyncDirectory(path) => {
                if let Some(directory) = self.inode(path) {
                    let chosen = (0..self.pending.len()).filter(|i| self.pending[*i].0.iter().any(|((d, _), _)| *d == directory)).collect();
                    self.settle(chosen);
                }
            }
            Step::Rename(from, to) => {
                let inode = self.inode(from);
                self.change(vec![(self.name(from).unwrap(), None), (self.name(to).unwrap(), inode)]);
            }
            Step::Exchange(a, b) => {
                let (at_a, at_b) = (self.inode(a), self.inode(b));
                self.change(vec![(self.name(a).unwrap(), at_b), (self.name(b).unwrap(), at_a)]);
            }
            Step::Unlink(path) => self.change(vec![(self.name(path).unwrap(), None)]),
        }
    }

    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// What is found after the power was cut, of which some changes survived.
    pub fn survivors(&self, chosen: BTreeSet<usize>, unsynced: &mut dyn FnMut() -> Unsynced) -> Files {
        let mut after = self.clone();
        after.settle(chosen);
        let mut files = Files::new();
        after.collect(TOP, Path::new(""), unsynced, &mut files);
        files
    }

    /// Any survivors.
    pub fn at_random(&self, chance: &mut Chance) -> Files {
        let percent = chance.below(101);
        let chosen = (0..self.pending.len()).filter(|_| chance.percent(percent)).collect();
        self.survivors(chosen, &mut || chance.pick(&UNSYNCED))
    }

    fn collect(&self, directory: usize, path: &Path, unsynced: &mut dyn FnMut() -> Unsynced, into: &mut Files) {
        for ((_, name), inode) in self.durable.range((directory, String::new())..(directory + 1, String::new())) {
            let path = path.join(name);
            match &self.inodes[*inode] {
                Inode::Directory => {
                    into.insert(path.clone(), None);
                    self.collect(*inode, &path, unsynced, into);
                }
                Inode::File { now, synced: true } => drop(into.insert(path, Some(now.clone()))),
                Inode::File { now: (bytes, time), synced: false } => {
                    let bytes = match unsynced() {
                        Unsynced::Empty => Vec::new(),
                        Unsynced::Half => bytes[..bytes.len() / 2].to_vec(),
                        Unsynced::Zeros => vec![0; bytes.len()],
                        Unsynced::Whole => bytes.clone(),
                    };
                    into.insert(path, Some((bytes, *time)));
                }
            }
        }
    }

    fn make(&mut self, path: &Path, inode: Inode) {
        let Some(name) = self.name(path) else { return };
        self.inodes.push(inode);
        self.change(vec![(name, Some(self.inodes.len() - 1))]);
    }

    fn change(&mut self, names: Vec<(Name, Option<usize>)>) {
        names.iter().for_each(|(name, inode)| set(&mut self.now, name, *inode));
        self.pending.push(Change(names));
    }

    /// Makes chosen changes durable, with the earlier ones of the same names.
    fn settle(&mut self, mut chosen: BTreeSet<usize>) {
        let mut names: BTreeSet<Name> = BTreeSet::new();
        for index in (0..self.pending.len()).rev() {
            let touched = self.pending[index].0.iter().map(|(name, _)| name.clone());
            if chosen.contains(&index) || touched.clone().any(|name| names.contains(&name)) {
                chosen.insert(index);
                names.extend(touched);
            }
        }
        let pending = std::mem::take(&mut self.pending);
        for (index, change) in pending.into_iter().enumerate() {
            match chosen.contains(&index) {
                true => change.0.iter().for_each(|(name, inode)| set(&mut self.durable, name, *inode)),
                false => self.pending.push(change),
            }
        }
    }

    /// Where a path's name stands; what lies outside is none of the model's business.
    fn name(&self, path: &Path) -> Option<Name> {
        let parent = self.inode(path.parent()?)?;
        Some((parent, path.file_name()?.to_string_lossy().into_owned()))
    }

    fn inode(&self, path: &Path) -> Option<usize> {
        let inside = path.strip_prefix(&self.top).ok()?;
        inside.iter().try_fold(TOP, |inode, part| self.now.get(&(inode, part.to_string_lossy().into_owned())).copied())
    }
}

fn set(names: &mut BTreeMap<Name, usize>, name: &Name, inode: Option<usize>) {
    match inode {
        Some(inode) => drop(names.insert(name.clone(), inode)),
        None => drop(names.remove(name)),
    }
}

#[test]
fn only_what_was_synced_is_sure_to_survive() {
    let top = Path::new("/top");
    let mut disk = Volatile::new(top, &Files::new());
    let (directory, file) = (top.join("d"), top.join("d/f"));
    let steps = [
        Step::MakeDirectory(directory.clone()),
        Step::Create(file.clone()),
        Step::Write(file.clone(), b"data".to_vec(), 7),
        Step::SyncDirectory(directory.clone()),
    ];
    steps.iter().for_each(|step| disk.apply(step));
    let nothing = |disk: &Volatile| disk.survivors(BTreeSet::new(), &mut || Unsynced::Empty);
    let paths = |files: Files| files.into_keys().collect::<Vec<_>>();
    assert_eq!(paths(nothing(&disk)), Vec::<PathBuf>::new(), "the directory's own name was not synced");
    disk.apply(&Step::SyncDirectory(top.into()));
    assert_eq!(nothing(&disk)[Path::new("d/f")], Some((vec![], 7)), "the file was not synced");
    disk.apply(&Step::SyncFile(file.clone()));
    assert_eq!(nothing(&disk)[Path::new("d/f")], Some((b"data".to_vec(), 7)));
    disk.apply(&Step::Rename(file.clone(), top.join("g")));
    assert_eq!(paths(nothing(&disk)), [PathBuf::from("d"), PathBuf::from("d/f")]);
    disk.apply(&Step::SyncDirectory(top.into()));
    assert_eq!(paths(nothing(&disk)), [PathBuf::from("d"), PathBuf::from("g")], "a rename survives whole");
}
