//! The soak: rounds of random edits and killed builds, after each of which a build from scratch elsewhere must give the same bytes.
//!
//! `DAEDA_ROUNDS` and `DAEDA_SEED` make it longer and different. Invariant: a seed decides every edit; only when exactly a build is killed
//! depends on the machine, and must not matter.

use crate::chance::Chance;
use crate::fixture::*;
use crate::processes::start;
use arrow::array::{ArrayRef, Float64Array};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const ROUNDS: usize = 12;
const SEED: u64 = 1;
const ASSETS: [&str; 2] = ["ranker", "counter"];
const AGGREGATIONS: &str = "config/training/aggregations.kdl";

/// Texts of the manifest that an edit may replace one by the other, and back.
const SPELLINGS: [(&str, &str, &str); 5] = [
    (AGGREGATIONS, "k=4", "k=3"),
    (AGGREGATIONS, "last \"artwork_id\"", "last \"artwork_id\" distinct=#true"),
    ("config/training/runtime.kdl", "shard-rows=262144", "shard-rows=5"),
    ("feature_services/ranking.kdl", "default=-1", "default=-2"),
    ("feature_services/counting.kdl", "version=1", "version=2"),
];

struct Soak {
    workspace: Workspace,
    chance: Chance,
    /// The rows of each file of the feed.
    feed: BTreeMap<(usize, String), Vec<Event>>,
    killed: usize,
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

#[test]
fn whatever_happened_the_bytes_are_those_of_a_build_built_from_scratch() {
    let (rounds, seed) = (number("DAEDA_ROUNDS", ROUNDS as u64), number("DAEDA_SEED", SEED));
    let feed = (0..DAYS.len()).map(|day| ((day, "part-0".into()), events(day))).collect();
    let mut soak = Soak { workspace: Workspace::built(), chance: Chance::new(seed), feed, killed: 0 };
    let mut built = 0;
    for round in 0..rounds {
        let edits: Vec<String> = (0..1 + soak.chance.below(3)).map(|_| soak.edit()).collect();
        println!("seed {seed}, round {round}: {}", edits.join("; "));
        if soak.chance.percent(40) {
            soak.kill_a_build();
        }
        built += soak.build_and_compare();
    }
    println!("soak: {rounds} rounds, {} builds killed, {built} actions run by the plain builds, all as from scratch", soak.killed);
}

#[test]
fn whatever_was_edited_caches_change_no_verdict() {
    let (rounds, seed) = (3 * number("DAEDA_ROUNDS", ROUNDS as u64), number("DAEDA_SEED", SEED));
    let feed = (0..DAYS.len()).map(|day| ((day, "part-0".into()), events(day))).collect();
    let mut soak = Soak { workspace: Workspace::built(), chance: Chance::new(seed + 1), feed, killed: 0 };
    for round in 0..rounds {
        let edits: Vec<String> = (0..1 + soak.chance.below(2)).map(|_| soak.edit()).collect();
        println!("seed {seed}, round {round}: {}", edits.join("; "));
        if soak.chance.percent(50) {
            // What is only just written is not kept.
            std::thread::sleep(Duration::from_millis(60));
            soak.states();
        }
        soak.assert_caches_change_nothing();
        if round % 4 == 3 {
            soak.workspace.build(&["everything", "--allow-missing"]);
        }
    }
}

impl Soak {
    /// What `status` says of everything.
    fn states(&self) -> String {
        let said = self.workspace.daeda(&["status", "--format", "json", "--all"]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        said.stdout
    }

    fn assert_caches_change_nothing(&self) {
        let (caches, aside) = (self.workspace.path(".daeda/cache"), self.workspace.path(".daeda/aside"));
        let warm = self.states();
        let had_caches = fs::rename(&caches, &aside).is_ok();
        assert_eq!(warm, self.states(), "with caches and without");
        if had_caches {
            let _ = fs::remove_dir_all(&caches);
            fs::rename(&aside, &caches).unwrap();
        }
    }

    /// Changes something, and says what.
    fn edit(&mut self) -> String {
        match self.chance.below(14) {
            0..=4 => self.edit_rows(),
            5 => self.add_file(),
            6 => self.remove_file(),
            7 => self.rename_file(),
            8 => self.unread_column(),
            9 => self.touch(),
            10 | 11 => self.respell(),
            12 => self.damage_output(),
            _ => self.lose(),
        }
    }

    fn path(&self, (day, name): &(usize, String)) -> PathBuf {
        self.workspace.path(&format!("data/feed/dt={}/{name}.parquet", DAYS[*day]))
    }

    fn any_file(&mut self) -> Option<(usize, String)> {
        let all: Vec<_> = self.feed.keys().cloned().collect();
        (!all.is_empty()).then(|| self.chance.pick(&all))
    }

    fn write(&self, file: &(usize, String)) {
        write_parquet(&self.path(file), feed_columns(&self.feed[file]));
    }

    fn any_event(&mut self, day: usize) -> Event {
        let (user, artwork) = (1 + self.chance.below(4) as i64, 1 + self.chance.below(6) as i64);
        let event = self.chance.pick(&["view", "like", "hide"]);
        Event { user, artwork, event, at: Some(instant(day, self.chance.below(24) as i64)) }
    }

    /// Appends, removes or changes a row; now and then keeping the file's time.
    fn edit_rows(&mut self) -> String {
        let Some(file) = self.any_file() else { return self.add_file() };
        let event = self.any_event(file.0);
        let (what, at) = (self.chance.below(3), self.chance.below(50));
        let rows = self.feed.get_mut(&file).unwrap();
        let at = at % rows.len().max(1);
        match (what, rows.len()) {
            (1, 2..) => drop(rows.remove(at)),
            (2, 1..) => rows[at] = event,
            _ => rows.push(event),
        }
        let time = fs::metadata(self.path(&file)).unwrap().modified().unwrap();
        self.write(&file);
        let keeps_time = self.chance.percent(30);
        if keeps_time {
            File::options().write(true).open(self.path(&file)).unwrap().set_modified(time).unwrap();
        }
        format!("{} a row of {file:?}{}", ["appended", "removed", "changed"][what], if keeps_time { ", time kept" } else { "" })
    }

    fn add_file(&mut self) -> String {
        let file = (self.chance.below(DAYS.len()), format!("part-{}", self.chance.below(5)));
        let rows = (0..1 + self.chance.below(4)).map(|_| self.any_event(file.0)).collect();
        self.feed.insert(file.clone(), rows);
        self.write(&file);
        format!("wrote {file:?}")
    }

    /// With its directory, where it is the last: then the day is absent.
    fn remove_file(&mut self) -> String {
        let Some(file) = self.any_file() else { return self.add_file() };
        self.feed.remove(&file);
        fs::remove_file(self.path(&file)).unwrap();
        if !self.has_day(file.0) {
            fs::remove_dir(self.path(&file).parent().unwrap()).unwrap();
        }
        format!("removed {file:?}")
    }

    fn has_day(&self, day: usize) -> bool {
        self.feed.keys().any(|(d, _)| *d == day)
    }

    fn rename_file(&mut self) -> String {
        let Some(file) = self.any_file() else { return self.add_file() };
        let to = (file.0, format!("part-{}", self.chance.below(9)));
        if self.feed.contains_key(&to) {
            return self.touch();
        }
        fs::rename(self.path(&file), self.path(&to)).unwrap();
        let rows = self.feed.remove(&file).unwrap();
        self.feed.insert(to.clone(), rows);
        format!("renamed {file:?} to {to:?}")
    }

    fn unread_column(&mut self) -> String {
        let Some(file) = self.any_file() else { return self.add_file() };
        let mut columns = feed_columns(&self.feed[&file]);
        columns.push(("device", Arc::new(Float64Array::from(vec![0.5; columns[0].1.len()])) as ArrayRef));
        write_parquet(&self.path(&file), columns);
        format!("an unread column in {file:?}")
    }

    fn touch(&mut self) -> String {
        let Some(file) = self.any_file() else { return self.add_file() };
        File::options().write(true).open(self.path(&file)).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
        format!("touched {file:?}")
    }

    /// Changes a parameter, a default, the shards' size or a window, or takes such a change back.
    fn respell(&mut self) -> String {
        if self.chance.percent(30) {
            return self.change_window();
        }
        let (file, one, other) = self.chance.pick(&SPELLINGS);
        let text = self.workspace.read(file);
        // The second may begin with the first.
        let (from, to) = if text.contains(other) { (other, one) } else { (one, other) };
        self.workspace.edit(file, from, to);
        format!("{from} → {to}")
    }

    fn change_window(&mut self) -> String {
        let is_short = self.workspace.read(AGGREGATIONS).contains("\"2d\"");
        let (from, to) = if is_short { ("2d", "3d") } else { ("3d", "2d") };
        for file in [AGGREGATIONS, "feature_services/ranking.kdl", "feature_services/counting.kdl"] {
            self.workspace.write(file, &self.workspace.read(file).replace(from, to));
        }
        format!("windows {from} → {to}")
    }

    /// Deletes or edits an output, or its record.
    fn damage_output(&mut self) -> String {
        let day = self.chance.below(DAYS.len());
        let asset = self.chance.pick(&ASSETS);
        let published = self.workspace.published(asset, day);
        let (record, data) = (published.join("_daeda.parquet"), data_files(&published));
        // That of a day that is absent may be damaged already.
        if !record.exists() || data.is_empty() {
            return "nothing to damage".into();
        }
        let what = self.chance.pick(&["removed", "without record", "record cut", "data edited", "data removed", "a foreign file"]);
        match what {
            "removed" => fs::remove_dir_all(&published).unwrap(),
            "without record" => fs::remove_file(record).unwrap(),
            "record cut" => fs::write(&record, &fs::read(&record).unwrap()[..50]).unwrap(),
            "data edited" => fs::write(&data[0], [fs::read(&data[0]).unwrap(), vec![0]].concat()).unwrap(),
            "data removed" => fs::remove_file(&data[0]).unwrap(),
            _ => fs::write(published.join("part-99999-0123abcd.parquet"), "").unwrap(),
        }
        format!("{asset}@{}: {what}", DAYS[day])
    }

    fn lose(&mut self) -> String {
        let what = self.chance.pick(&[".daeda", ".daeda/cache", "data/training_output/_daeda", "data/training_output"]);
        let _ = fs::remove_dir_all(self.workspace.path(what));
        format!("removed {what}")
    }

    /// Starts a build of everything and kills it some time later, if it still runs.
    fn kill_a_build(&mut self) {
        let mut build = start(&self.workspace, &["build", "everything", "-q", "--allow-missing"]);
        std::thread::sleep(Duration::from_millis(10 + self.chance.below(600) as u64));
        build.kill().unwrap();
        self.killed += usize::from(build.wait().unwrap().code().is_none());
    }

    /// Builds, and again from scratch elsewhere. Returns how many actions ran here.
    fn build_and_compare(&self) -> usize {
        let every_day = (0..DAYS.len()).all(|day| self.has_day(day));
        self.assert_caches_change_nothing();
        // What was made from a day that vanished would stand, where a build from scratch makes it from less.
        let args: &[&str] = if every_day { &["everything"] } else { &["everything", "--allow-missing"] };
        let built = self.workspace.build(args);
        assert_eq!(built.code, 0, "{:?} {}", built.errors(), built.stderr);
        let scratch = self.built_from_scratch();
        for (asset, day) in ASSETS.iter().flat_map(|asset| (0..DAYS.len()).map(move |day| (asset, day))) {
            if self.has_day(day) {
                let data = [&self.workspace, &scratch].map(|workspace| contents(&workspace.published(asset, day)));
                assert!(!data[1].is_empty() && data[0] == data[1], "{asset}@{} is not as built from scratch", DAYS[day]);
            }
        }
        let again = self.workspace.build(&["everything"]);
        assert_eq!((again.code, again.ran()), (0, vec![]), "nothing is left to do");
        self.assert_fresh_but_for_absent_days();
        let staging = self.workspace.path("data/training_output/_daeda/staging");
        assert_eq!(fs::read_dir(staging).map_or(0, Iterator::count), 0, "staging is empty");
        built.ran().len()
    }

    fn built_from_scratch(&self) -> Workspace {
        let scratch = Workspace { directory: tempfile::tempdir().unwrap() };
        for part in ["Daedalus.kdl", "config", "feature_views", "feature_services", "data/feed", "data/artworks"] {
            let to = scratch.path(part);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            if self.workspace.path(part).exists() {
                assert!(Command::new("cp").arg("-a").arg(self.workspace.path(part)).arg(to).status().unwrap().success());
            }
        }
        let built = scratch.build(&["everything"]);
        assert_eq!(built.code, 0, "{:?} {}", built.errors(), built.stderr);
        scratch
    }

    /// What a day that is absent was made into stands, or was never made.
    fn assert_fresh_but_for_absent_days(&self) {
        for asset in ASSETS {
            for (key, state) in self.workspace.status(asset).states() {
                let day = DAYS.iter().position(|day| *day == key);
                let is_absent = day.is_some_and(|day| !self.has_day(day));
                assert!(is_absent && ["blocked", "orphaned"].contains(&state.as_str()), "{asset}@{key} is {state}");
            }
        }
    }
}

/// The data files of a partition with their bytes.
fn contents(partition: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let named = |path: PathBuf| (PathBuf::from(path.file_name().unwrap()), fs::read(&path).unwrap());
    data_files(partition).into_iter().map(named).collect()
}
