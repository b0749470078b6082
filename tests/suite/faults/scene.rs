//! A build or a cleaning in this process whose every change of a file goes through a given disk, repeated from the same start as often as
//! wanted.
//!
//! What an op makes is computed once and then written again through the disk, with a sidecar beside it. Invariant: a directory that readers
//! may look at counts as whole only if its data, its sidecar and its record are all of one generation.

use crate::fixture::{DAYS, Workspace, one_more};
use crate::in_process;
use daeda::engine::action::{Action, ActionId, Job};
use daeda::engine::check::{Eyes, OutputCheck, Verdict, modified};
use daeda::engine::clean::{Broom, Held};
use daeda::engine::clock::SystemClock;
use daeda::engine::decision::Permits;
use daeda::engine::disk::{Disk, SystemDisk};
use daeda::engine::driver::{self, Ended, Options, Tools};
use daeda::engine::envelope::Envelope;
use daeda::engine::event::{Event, Sink};
use daeda::engine::execute::{Cancel, Executor, Made, Progress};
use daeda::engine::failure::{Failure, FailureMemory};
use daeda::engine::graph::Graph;
use daeda::engine::index::TraceIndex;
use daeda::engine::judge::Judge;
use daeda::engine::record::Records;
use daeda::engine::staging;
use daeda::engine::state::State;
use daeda::engine::survey::survey;
use daeda::rules::{self, TableRecords, TableWorld};
use daeda::workspace::{graph, parse_target};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

/// Some day after all that is built.
const NOW: i64 = 1_900_000_000_000;
const DAY: usize = 1;
const SIDECAR: &str = "_daeda.rows.parquet";
pub const OUTPUTS: &str = "data/training_output";

/// Files by their path below a directory, with their times; directories have none.
pub type Files = BTreeMap<PathBuf, Option<(Vec<u8>, i64)>>;

pub fn read_files(directory: &Path) -> Files {
    let entries = walkdir::WalkDir::new(directory).min_depth(1).into_iter().filter_map(Result::ok);
    let file = |e: walkdir::DirEntry| {
        let content = e.file_type().is_file().then(|| (fs::read(e.path()).unwrap(), modified(&e.metadata().unwrap())));
        (e.path().strip_prefix(directory).unwrap().to_path_buf(), content)
    };
    entries.map(file).collect()
}

/// The directory then holds just these files.
pub fn write_files(directory: &Path, files: &Files) {
    if directory.exists() {
        fs::remove_dir_all(directory).unwrap();
    }
    fs::create_dir_all(directory).unwrap();
    for (path, content) in files {
        let path = directory.join(path);
        match content {
            None => fs::create_dir_all(path).unwrap(),
            Some((bytes, time)) => {
                fs::write(&path, bytes).unwrap();
                let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(*time as u64);
                File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
            }
        }
    }
}

/// What readers see of a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    Nothing,
    Old,
    New,
    /// Neither: must never be.
    Torn(String),
}

/// A generation's data and sidecar in one place, by name, and its output digest.
type Whole = (BTreeMap<String, Vec<u8>>, String);

/// Files by name.
type Written = Vec<(String, Vec<u8>)>;

/// What may be interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Build,
    /// Of data only the records are left.
    Clean,
    /// Data and records go.
    Remove,
}

pub struct Scene {
    act: Act,
    workspace: Workspace,
    graph: Graph,
    /// What lies below the outputs before each build.
    pub start: Files,
    old: Vec<Option<Whole>>,
    new: Vec<Option<Whole>>,
    made: Mutex<BTreeMap<String, (Made, Written)>>,
}

impl Scene {
    /// `replacing`: a partition and its DAG are published already, both from something older. `shard_rows`: rows per data file.
    pub fn new(replacing: bool, shard_rows: usize) -> Self {
        let workspace = Workspace::new();
        workspace.edit("config/training/runtime.kdl", "shard-rows=262144", &format!("shard-rows={shard_rows}"));
        let graph = plan(workspace.directory.path());
        let mut scene = Self { act: Act::Build, workspace, graph, start: Files::new(), old: vec![], new: vec![], made: Mutex::default() };
        scene.old = scene.wholes();
        if replacing {
            scene.build_well();
            (scene.start, scene.old) = (scene.outputs(), scene.wholes());
            scene.made.lock().unwrap().clear();
        }
        scene.workspace.append(DAY, one_more(DAY));
        scene.workspace.edit("config/training/aggregations.kdl", "k=4", "k=3");
        scene.graph = plan(scene.workspace.directory.path());
        scene.build_well();
        scene.new = scene.wholes();
        scene.begin();
        scene
    }

    /// A partition and its DAG are published, and are taken away again.
    pub fn sweeping(act: Act) -> Self {
        let mut scene = Self { act, ..Self::new(false, 3) };
        scene.build_well();
        (scene.start, scene.old) = (scene.outputs(), scene.wholes());
        let failures = scene.act(&SystemDisk);
        assert!(failures.is_empty(), "{failures:?}");
        scene.new = scene.wholes();
        scene.begin();
        scene
    }

    /// Does what the scene is about.
    pub fn act(&self, disk: &dyn Disk) -> Vec<Failure> {
        match self.act {
            Act::Build => self.build(disk).failures.into_iter().map(|(_, failure)| failure).collect(),
            Act::Clean | Act::Remove => self.sweep(disk),
        }
    }

    /// One output after the other, as the command does it; what fails keeps none of the rest from being tried.
    fn sweep(&self, disk: &dyn Disk) -> Vec<Failure> {
        let (clock, cancel, waiting) = (SystemClock::Fixed(NOW), Cancel::default(), |_: &ActionId| {});
        let mut broom = Broom::new(&TableRecords, disk, &clock, &cancel, &waiting);
        let readers = self.graph.readers();
        let actions = self.graph.actions().iter().enumerate();
        let swept = actions.map(|(index, action)| match self.act {
            Act::Clean => broom.clean(&self.graph, index, &readers[index]),
            _ => broom.remove(&action.id, &action.place),
        });
        swept.collect::<Vec<Result<Held, Failure>>>().into_iter().filter_map(Result::err).collect()
    }

    /// What readers see of a place once the act is over.
    pub fn over(&self) -> Seen {
        if self.act == Act::Remove { Seen::Nothing } else { Seen::New }
    }

    /// Whether readers may see this of a place at any time.
    pub fn may_be(&self, seen: &Seen) -> bool {
        match seen {
            Seen::Torn(_) => false,
            Seen::Nothing => self.start.is_empty() || self.act == Act::Remove,
            Seen::Old | Seen::New => true,
        }
    }

    /// As it was before the build.
    pub fn begin(&self) {
        match self.start.is_empty() {
            true => drop(fs::remove_dir_all(self.workspace.path(OUTPUTS))),
            false => write_files(&self.workspace.path(OUTPUTS), &self.start),
        }
        let _ = fs::remove_dir_all(self.workspace.path(".daeda"));
    }

    pub fn directory(&self) -> &Path {
        self.workspace.directory.path()
    }

    pub fn outputs(&self) -> Files {
        read_files(&self.workspace.path(OUTPUTS))
    }

    pub fn build(&self, disk: &dyn Disk) -> Ended {
        let state = self.workspace.path(".daeda");
        let (world, index) = (world(&state), index(&state));
        let (executor, memory, cancel) = (Copying { scene: self, disk }, FailureMemory::new(&state), Cancel::default());
        let (clock, sink) = (SystemClock::Fixed(NOW), Silent);
        let tools = Tools {
            world: &world,
            records: &TableRecords,
            index: &index,
            executor: &executor,
            disk,
            clock: &clock,
            sink: &sink,
            memory: &memory,
            cancel: &cancel,
            envelope: &Envelope::alone(),
        };
        driver::build(&self.graph, tools, &OPTIONS)
    }

    fn build_well(&self) {
        let ended = self.build(&SystemDisk);
        assert!(ended.failures.is_empty() && ended.summary.built == self.graph.len(), "{ended:?}");
    }

    /// Nothing is remembered as failed.
    pub fn remembers_failures(&self) -> bool {
        fs::read_dir(self.workspace.path(".daeda/failed")).is_ok_and(|mut entries| entries.next().is_some())
    }

    pub fn actions(&self) -> Vec<ActionId> {
        self.graph.actions().iter().map(|action| action.id.clone()).collect()
    }

    /// What readers see, place by place.
    pub fn seen(&self) -> Vec<Seen> {
        (0..self.graph.len()).map(|index| self.seen_at(index)).collect()
    }

    fn seen_at(&self, index: usize) -> Seen {
        let place = self.graph.actions()[index].place.path();
        if !place.exists() {
            return Seen::Nothing;
        }
        let found = self.whole(&self.graph.actions()[index]);
        match &found {
            None => Seen::Torn(format!("{} has no record", place.display())),
            // Of what is the same before and after, the act has not been yet.
            found if *found == self.old[index] && self.act != Act::Build => Seen::Old,
            found if *found == self.new[index] => Seen::New,
            found if *found == self.old[index] => Seen::Old,
            Some((files, output)) => Seen::Torn(format!("{}: {:?}, record of {output}", place.display(), files.keys())),
        }
    }

    fn wholes(&self) -> Vec<Option<Whole>> {
        self.graph.actions().iter().map(|action| self.whole(action)).collect()
    }

    /// All files of a place but its record, and what the record says that they are.
    fn whole(&self, action: &Action) -> Option<Whole> {
        let record = TableRecords.read(&action.place.path()).filter(|r| r.is_of(action))?;
        let files = read_files(&action.place.path()).into_iter();
        let files = files.map(|(path, content)| (path.to_string_lossy().into_owned(), content.unwrap_or_default().0));
        let is_record = |name: &str| name == "_daeda.parquet" || name == "_daeda.json";
        Some((files.filter(|(name, _)| !is_record(name)).collect(), record.output.digest.hex()))
    }

    /// One plain build makes everything fresh and leaves nothing behind.
    pub fn assert_recovers(&self, what: &str) {
        self.wait_for_locks();
        let ended = self.build(&super::frail::Frail::new(true, super::frail::Fault::None));
        assert!(ended.failures.is_empty(), "{what}: {:?}", ended.failures);
        for (action, seen) in self.graph.actions().iter().zip(self.seen()) {
            let built = if self.act == Act::Build { Seen::New } else { Seen::Old };
            // Nobody needs more of a cleaned DAG than its record.
            let suffices = self.act == Act::Clean && seen == Seen::New && action.id.key.is_none();
            assert!(seen == built || suffices, "{what}: {} is {seen:?}", action.id);
        }
        let staging = self.workspace.path(OUTPUTS).join("_daeda/staging");
        let left: Vec<_> = fs::read_dir(staging).into_iter().flatten().flatten().map(|e| e.path()).collect();
        assert!(left.is_empty(), "{what}: {left:?}");
        let verdicts = self.survey(OutputCheck::Hash);
        assert!(verdicts.iter().all(|v| v.state == State::Fresh), "{what}: {:?}", verdicts.iter().map(|v| &v.reasons).collect::<Vec<_>>());
    }

    /// A process that another test has just started holds what we have locked until it runs its own program.
    fn wait_for_locks(&self) {
        let root = self.workspace.path(OUTPUTS);
        let names = fs::read_dir(root.join("_daeda/staging")).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let left: BTreeSet<String> = names.filter_map(|name| Some(name.to_str()?.split('.').next()?.to_string())).collect();
        let are_free = || staging::leftovers(&root, &SystemDisk).len() == left.len();
        for _ in 0..1000 {
            if are_free() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("somebody is still at work in {}", root.display());
    }

    fn survey(&self, output: OutputCheck) -> Vec<Verdict> {
        let state = self.workspace.path(".daeda");
        let (world, index) = (world(&state), index(&state));
        let eyes = Eyes { world: &world, records: &TableRecords, index: &index, output, evidence: false };
        let judge = Judge { eyes, clock: &SystemClock::default(), memory: &FailureMemory::new(&state), retry_failed: false };
        survey(&self.graph, &judge, &Permits::default())
    }

    /// As `status` says.
    pub fn states(&self) -> Vec<State> {
        self.survey(OutputCheck::Stat).into_iter().map(|verdict| verdict.state).collect()
    }
}

/// One after the other, so that the steps of a build come in the same order each time.
const OPTIONS: Options = Options {
    keep_going: true,
    permits: Permits { force: false, retry_failed: false, allow_missing: false, drifted: false },
    replace_max: None,
    output: OutputCheck::Stat,
    jobs: 1,
    cpus: 1,
    memory: 1 << 40,
};

fn plan(directory: &Path) -> Graph {
    let workspace = in_process::open(directory).unwrap();
    let targets = parse_target(&workspace, &format!("ranker@{}", DAYS[DAY]), NOW).map_err(|e| e.0).unwrap();
    graph(&workspace, &targets, NOW).map_err(|e| format!("{e:?}")).unwrap()
}

fn world(state: &Path) -> TableWorld {
    TableWorld::new(&state.join("cache/columns.json"))
}

fn index(state: &Path) -> TraceIndex {
    TraceIndex::open(&state.join("cache/traces"))
}

struct Silent;

impl Sink for Silent {
    fn event(&self, _: &Event) {}
}

/// Writes what an op made through the disk.
struct Copying<'a> {
    scene: &'a Scene,
    disk: &'a dyn Disk,
}

impl Executor for Copying<'_> {
    fn run(&self, job: &Job, _: &Cancel, tell: &(dyn Fn(Progress) + Sync)) -> Result<Made, Failure> {
        let mut all = self.scene.made.lock().unwrap();
        let (made, files) = all.entry(job.action.id.to_string()).or_insert_with(|| make(job, tell));
        let mut made = made.clone();
        for (name, bytes) in files {
            self.disk.write(&job.staging.join(name), bytes).map_err(|e| Failure::io("cannot write", &e))?;
        }
        for file in &mut made.files {
            file.modified = modified(&fs::metadata(job.staging.join(&file.name)).unwrap());
        }
        Ok(made)
    }
}

fn make(job: &Job, tell: &(dyn Fn(Progress) + Sync)) -> (Made, Vec<(String, Vec<u8>)>) {
    let directory = tempfile::tempdir().unwrap();
    let job = Job { staging: directory.path().into(), ..job.clone() };
    let made = rules::run(&job, tell).map_err(|f| f.message).unwrap();
    let name = |path: PathBuf| path.to_string_lossy().into_owned();
    let mut files: Vec<_> =
        read_files(directory.path()).into_iter().map(|(path, content)| (name(path), content.unwrap_or_default().0)).collect();
    let digests: Vec<String> = made.files.iter().map(|f| f.digest.hex()).collect();
    files.push((SIDECAR.into(), digests.concat().into_bytes()));
    (made, files)
}
