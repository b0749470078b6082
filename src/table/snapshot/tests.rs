//! Snapshots: what is believed, what is not, and files that cannot be.

use super::*;
use proptest::prelude::*;
use std::fs;
use std::time::Duration;

/// Longer than the clock of a file system takes to tick.
fn tick() {
    std::thread::sleep(Duration::from_millis(12));
}

fn about() -> Digest {
    Digest::of(b"about")
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| n.to_string()).collect()
}

/// A source of periods whose digests are those of its files' names and bytes.
struct Source {
    directory: tempfile::TempDir,
}

impl Source {
    fn new(periods: std::ops::Range<i64>) -> Self {
        let source = Self { directory: tempfile::tempdir().unwrap() };
        periods.for_each(|number| source.write(number, "a", "rows"));
        tick();
        source
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("source")
    }

    fn place(number: i64) -> String {
        format!("month={}/day={number}", number.div_euclid(5))
    }

    fn period(&self, number: i64) -> PathBuf {
        self.root().join(Self::place(number))
    }

    fn write(&self, number: i64, name: &str, text: &str) {
        fs::create_dir_all(self.period(number)).unwrap();
        fs::write(self.period(number).join(name), text).unwrap();
    }

    fn open(&self) -> Snapshot {
        Snapshot::open(&self.directory.path().join("kept"), about())
    }

    fn files(&self, number: i64) -> Files {
        let entries = fs::read_dir(self.period(number)).into_iter().flatten().flatten();
        let mut files: Files =
            entries.map(|e| (e.file_name().into_string().unwrap(), Stat::of(&fs::metadata(e.path()).unwrap()))).collect();
        files.sort_by(|a, b| a.0.cmp(&b.0));
        files
    }

    fn listing(&self, number: i64) -> Digest {
        let files = self.files(number);
        Digest::of(files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",").as_bytes())
    }

    /// Of one set or another.
    fn columns(&self, number: i64, set: &[String]) -> Digest {
        let bytes: Vec<u8> = self.files(number).iter().flat_map(|(name, _)| fs::read(self.period(number).join(name)).unwrap()).collect();
        Digest::of(&[bytes, set.concat().into_bytes()].concat())
    }

    fn range_of(&self, (from, to): Range, of: impl Fn(i64) -> Digest) -> Digest {
        Digest::of(&(from..=to).flat_map(|number| *of(number).bytes()).collect::<Vec<u8>>())
    }

    /// As a build does: looks at some ranges, and keeps what it did not know. Says how many periods it had to read, and what it saw of the ranges.
    fn look(&self, set: &[String], ranges: &[Range]) -> (usize, Vec<(Digest, Digest)>) {
        let snapshot = self.open();
        let looked = snapshot.look(&self.root());
        looked.foresee(&ranges[..ranges.len() / 2]);
        let (number, mut learned, mut listings) = (looked.set(set), Learned::default(), Vec::new());
        let (mut read, mut seen) = (BTreeSet::new(), Vec::new());
        for range in ranges {
            for number in
                (range.0..=range.1).filter(|n| looked.listing(*n).is_none() || number.is_none_or(|set| looked.columns(set, *n).is_none()))
            {
                let (directory, files) = (self.period(number), self.files(number));
                if read.insert(number) && !files.is_empty() {
                    let stat = Stat::of(&fs::metadata(directory).unwrap());
                    let (listing, columns) = (self.listing(number), self.columns(number, set));
                    learned.periods.push(Found { number, directory: Self::place(number), stat, listing, columns, files });
                }
            }
            let listing = looked.range(None, *range).unwrap_or_else(|| {
                let digest = self.range_of(*range, |n| looked.listing(n).unwrap_or_else(|| self.listing(n)));
                listings.push((*range, digest));
                digest
            });
            let columns = number.and_then(|set| looked.range(Some(set), *range)).unwrap_or_else(|| {
                let known = |n: i64| looked.columns(number?, n);
                let digest = self.range_of(*range, |n| known(n).unwrap_or_else(|| self.columns(n, set)));
                learned.ranges.push((*range, digest));
                digest
            });
            seen.push((listing, columns));
        }
        snapshot.save(&looked, &[(set.to_vec(), learned)].into(), &listings);
        (read.len(), seen)
    }

    fn truth(&self, set: &[String], ranges: &[Range]) -> Vec<(Digest, Digest)> {
        let of = |range: &Range| (self.range_of(*range, |n| self.listing(n)), self.range_of(*range, |n| self.columns(n, set)));
        ranges.iter().map(of).collect()
    }
}

#[test]
fn what_is_as_it_was_is_not_read_again() {
    let source = Source::new(-3..150);
    let (set, ranges) = (names(&["a", "b"]), [(-3, 20), (0, 149), (140, 149)]);
    assert_eq!(source.look(&set, &ranges), (153, source.truth(&set, &ranges)));
    assert_eq!(source.look(&set, &ranges), (0, source.truth(&set, &ranges)));
    let looked = source.open().look(&source.root());
    assert!(looked.range(None, (0, 149)).is_some() && looked.range(looked.set(&set), (140, 149)).is_some());
    assert!(looked.range(None, (0, 148)).is_none() && looked.range(None, (1, 149)).is_none() && looked.range(None, (-4, 20)).is_none());
    assert_eq!(looked.set(&names(&["a"])), None);
    // Another set is another look, and the first is not forgotten for it.
    let other = names(&["c"]);
    assert_eq!(source.look(&other, &ranges), (153, source.truth(&other, &ranges)));
    assert_eq!(source.look(&set, &ranges), (0, source.truth(&set, &ranges)));
    assert_eq!(source.look(&other, &ranges), (0, source.truth(&other, &ranges)));
}

#[test]
fn whatever_changes_is_seen_and_nothing_else_is_read() {
    let (set, ranges) = (names(&["a"]), [(0, 9), (10, 99), (0, 99)]);
    type Edit = (&'static str, fn(&Source));
    let edits: [Edit; 8] = [
        ("same size and time", |source| {
            let path = source.period(50).join("a");
            let time = fs::metadata(&path).unwrap().modified().unwrap();
            fs::write(&path, "swor").unwrap();
            fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        }),
        ("replaced by rename", |source| {
            let (path, new) = (source.period(50).join("a"), source.root().join("new"));
            fs::write(&new, "swor").unwrap();
            fs::rename(new, path).unwrap();
        }),
        ("renamed", |source| fs::rename(source.period(50).join("a"), source.period(50).join("b")).unwrap()),
        ("added", |source| source.write(50, "c", "more")),
        ("removed", |source| fs::remove_file(source.period(50).join("a")).unwrap()),
        ("period removed", |source| fs::remove_dir_all(source.period(50)).unwrap()),
        ("period replaced", |source| {
            fs::rename(source.period(50), source.root().join("aside")).unwrap();
            source.write(50, "a", "rows");
        }),
        ("period moved onto another", |source| {
            fs::remove_dir_all(source.period(50)).unwrap();
            fs::rename(source.root().join("spare"), source.period(50)).unwrap();
        }),
    ];
    for (what, edit) in edits {
        let source = Source::new(0..100);
        fs::create_dir_all(source.root().join("spare")).unwrap();
        fs::write(source.root().join("spare/a"), "swor").unwrap();
        source.look(&set, &ranges);
        tick();
        edit(&source);
        tick();
        let looked = source.open().look(&source.root());
        assert!(looked.range(None, (0, 9)).is_some() && looked.range(None, (10, 99)).is_none(), "{what}");
        assert_eq!(source.look(&set, &ranges), (1, source.truth(&set, &ranges)), "{what}");
        let is_there = !source.files(50).is_empty();
        assert_eq!(source.look(&set, &ranges), (usize::from(!is_there), source.truth(&set, &ranges)), "{what}");
    }
}

#[test]
fn what_differs_between_two_looks_of_one_build_is_not_kept() {
    let source = Source::new(0..10);
    let (set, snapshot) = (names(&["a"]), source.open());
    let found = |columns: &str| {
        let stat = Stat::of(&fs::metadata(source.period(3)).unwrap());
        let (listing, files) = (source.listing(3), source.files(3));
        Found { number: 3, directory: Source::place(3), stat, listing, columns: Digest::of(columns.as_bytes()), files }
    };
    let looked = snapshot.look(&source.root());
    let range = [((3, 3), about())];
    let learned = Learned { periods: vec![found("one"), found("other")], ranges: range.to_vec() };
    snapshot.save(&looked, &[(set.clone(), learned)].into(), &range);
    let looked = source.open().look(&source.root());
    assert_eq!((looked.listing(3), looked.range(None, (3, 3))), (None, None));
    let learned = Learned { periods: vec![found("one"), found("one")], ranges: range.to_vec() };
    source.open().save(&looked, &[(set.clone(), learned)].into(), &range);
    let looked = source.open().look(&source.root());
    assert_eq!((looked.listing(3), looked.range(None, (3, 3))), (Some(source.listing(3)), Some(about())));
    assert_eq!(looked.columns(looked.set(&set).unwrap(), 3), Some(Digest::of(b"one")));
}

#[test]
fn what_followed_from_a_period_before_it_was_rewritten_is_not_kept_beside_it() {
    let source = Source::new(0..10);
    let (a, b, ranges) = (names(&["a"]), names(&["b"]), [(0, 9), (0, 2), (4, 9)]);
    source.look(&a, &ranges);
    // One build sees all periods as they were, and learns a second set of one that was rewritten meanwhile.
    let snapshot = source.open();
    let looked = snapshot.look(&source.root());
    assert!(looked.range(None, (0, 9)).is_some());
    source.write(3, "z", "swor");
    tick();
    let stat = Stat::of(&fs::metadata(source.period(3)).unwrap());
    let (directory, listing, columns) = (Source::place(3), source.listing(3), source.columns(3, &b));
    let found = Found { number: 3, directory, stat, listing, columns, files: source.files(3) };
    let learned = Learned { periods: vec![found], ranges: vec![] };
    snapshot.save(&looked, &[(b, learned)].into(), &[((2, 3), about())]);
    let looked = source.open().look(&source.root());
    let set = looked.set(&a);
    assert_eq!((looked.listing(3), looked.columns(set.unwrap(), 3)), (Some(source.listing(3)), None));
    for of in [None, set] {
        assert_eq!((looked.range(of, (0, 9)), looked.range(of, (2, 3))), (None, None));
        assert!(looked.range(of, (0, 2)).is_some() && looked.range(of, (4, 9)).is_some());
    }
    assert_eq!(source.look(&a, &ranges).1, source.truth(&a, &ranges));
}

#[test]
fn what_is_about_something_else_says_nothing() {
    let source = Source::new(0..3);
    source.look(&names(&["a"]), &[(0, 2)]);
    let path = source.directory.path().join("kept");
    assert!(Snapshot::open(&path, about()).look(&source.root()).is_there(1));
    assert!(!Snapshot::open(&path, Digest::of(b"else")).look(&source.root()).is_there(1));
}

#[test]
fn a_damaged_file_is_as_good_as_none() {
    let source = Source::new(0..4);
    let (set, ranges) = (names(&["a"]), [(0, 3)]);
    source.look(&set, &ranges);
    let path = source.directory.path().join("kept");
    let sound = fs::read(&path).unwrap();
    let shortened = (0..sound.len()).map(|length| sound[..length].to_vec());
    let flipped = (0..sound.len()).map(|at| [&sound[..at], &[sound[at] ^ (1 << (at % 8))], &sound[at + 1..]].concat());
    for bytes in shortened.chain(flipped).chain([vec![0; 900], b"{}".to_vec()]) {
        fs::write(&path, bytes).unwrap();
        assert!(!source.open().look(&source.root()).is_there(1));
    }
    assert_eq!(source.look(&set, &ranges), (4, source.truth(&set, &ranges)));
    assert_eq!(source.look(&set, &ranges), (0, source.truth(&set, &ranges)));
}

/// Sealed nonsense: nobody writes it, and still it may not bring anything down.
#[test]
fn no_sealed_bytes_bring_a_look_down() {
    let source = Source::new(0..3);
    let set = names(&["a"]);
    source.look(&set, &[(0, 2), (1, 1)]);
    let path = source.directory.path().join("kept");
    let sound = fs::read(&path).unwrap();
    for at in 0..sound.len() - 32 {
        for value in [0, 1, 127, 255] {
            let mut bytes = sound[..sound.len() - 32].to_vec();
            bytes[at] = value;
            bytes.extend(*blake3::hash(&bytes).as_bytes());
            fs::write(&path, bytes).unwrap();
            let snapshot = source.open();
            let looked = snapshot.look(&source.root());
            for number in [-1, 0, 1, 2, 3, i64::MIN, i64::MAX] {
                let _ = (
                    looked.listing(number),
                    looked.columns(0, number),
                    looked.range(None, (0, number)),
                    looked.range(Some(0), (number, 2)),
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Edits and looks in any order: what is seen is what is there.
    #[test]
    fn what_is_seen_is_what_is_there(steps in proptest::collection::vec((0..7u8, 0..14i64, 0..3u8, (0..14i64, 0..14i64)), 1..20)) {
        let source = Source::new(0..12);
        let sets = [names(&["a"]), names(&["a", "b"])];
        let mut ranges = vec![(0, 11)];
        for (what, number, text, (from, to)) in steps {
            let text = ["rows", "swor", "longer rows"][text as usize];
            match what {
                0 => source.write(number, "a", text),
                1 => source.write(number, "b", text),
                2 => drop(fs::remove_file(source.period(number).join("a"))),
                3 => drop(fs::remove_dir_all(source.period(number))),
                4 => drop(fs::rename(source.period(number).join("a"), source.period(number).join("c"))),
                5 => drop(fs::rename(source.period(number), source.period(from))),
                _ => ranges.push((from.min(to), from.max(to))),
            }
            tick();
            let set = &sets[usize::from(what % 2)];
            prop_assert_eq!(source.look(set, &ranges).1, source.truth(set, &ranges));
        }
    }
}
