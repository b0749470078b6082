//! Publishes every partition of a workspace quickly, so that what the engine does with many of them can be measured: `benches/scale.py` and
//! `benches/hashing.py` run it.
//!
//!     cargo bench --bench publish -- WORKSPACE DATA_FILE
//!
//! It is the engine's own build, with its graph, verdicts, records, locks and renames. Three things are not: an op copies DATA_FILE instead
//! of computing rows (`compile` is run for real), nothing is flushed to the disk, and inputs are not looked at again after each op, since
//! nobody changes them. So `daeda status` afterwards finds what a real build would have left, but for the rows.

use arrow::array::{ArrayRef, FixedSizeListArray, Float16Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field};
use daeda::digest::Digest;
use daeda::engine::action::{Action, Job};
use daeda::engine::clock::SystemClock;
use daeda::engine::decision::Permits;
use daeda::engine::disk::{Disk, SystemDisk};
use daeda::engine::driver::{self, Options, Tools};
use daeda::engine::envelope::Envelope;
use daeda::engine::event::{Event, Sink};
use daeda::engine::execute::{Cancel, Executor, Made, Progress};
use daeda::engine::failure::{Failure, FailureMemory};
use daeda::engine::index::TraceIndex;
use daeda::engine::observation::Observation;
use daeda::engine::record::OutputFile;
use daeda::engine::world::{Detail, Look, Unobservable, World};
use daeda::rules::{self, TableRecords, TableWorld};
use daeda::table::lance::{self, WriteMode};
use daeda::workspace::{Overrides, Workspace, graph, load, parse_target};
use half::f16;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// After all that is measured: every partition up to its declared end is wanted.
const NOW: i64 = 4_000_000_000_000;

fn main() -> Result<(), String> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).filter(|a| a != "--bench").map(PathBuf::from).collect();
    let [directory, data] = arguments.as_slice() else { return Err("usage: publish WORKSPACE DATA_FILE".into()) };
    let start = Instant::now();
    write_vector(&directory.join("data/vectors.lance"))?;
    let workspace = open(directory)?;
    let built = build(&workspace, &CopyData::new(data).map_err(|e| format!("{}: {e}", data.display()))?)?;
    println!("published {built} actions in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// A dataset of one vector, for workspaces that embed.
fn write_vector(path: &Path) -> Result<(), String> {
    if path.exists() {
        return Ok(());
    }
    let item = Arc::new(Field::new("item", DataType::Float16, true));
    let values = Float16Array::from_iter((0..4).map(|n| Some(f16::from_f32(n as f32))));
    let vectors: ArrayRef = Arc::new(FixedSizeListArray::new(item, 4, Arc::new(values), None));
    let keys: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let batch = RecordBatch::try_from_iter([("user_id", keys), ("embedding", vectors)]).map_err(|e| e.to_string())?;
    lance::write(path, batch.schema(), [batch].into_iter(), WriteMode::Create).map_err(|e| e.to_string())
}

fn open(directory: &Path) -> Result<Workspace, String> {
    let directory = fs::canonicalize(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    let loaded = load(&directory, &Overrides::default()).map_err(|e| format!("{e:?}"))?;
    loaded.workspace.ok_or_else(|| format!("{:?}", loaded.diagnostics))
}

fn build(workspace: &Workspace, executor: &CopyData) -> Result<usize, String> {
    let mut targets = Vec::new();
    for asset in workspace.catalog.assets.values().filter(|a| a.service.is_some()) {
        targets.extend(parse_target(workspace, &asset.name, NOW).map_err(|e| e.0)?);
    }
    let graph = graph(workspace, &targets, NOW).map_err(|e| format!("{e:?}"))?;
    let state = workspace.state_directory();
    let tools = Tools {
        world: &Once(TableWorld::new(&state.join("cache/columns"))),
        records: &TableRecords,
        index: &TraceIndex::open(&state.join("cache/traces")),
        executor,
        disk: &Unflushed,
        clock: &SystemClock::default(),
        sink: &Silent,
        memory: &FailureMemory::new(&state),
        cancel: &Cancel::default(),
        envelope: &Envelope::alone(),
    };
    let options = Options {
        keep_going: false,
        permits: Permits::default(),
        replace_max: None,
        output: Default::default(),
        jobs: 2,
        cpus: 2,
        memory: u64::MAX,
    };
    let ended = driver::build(&graph, tools, &options);
    match ended.failures.first() {
        None => Ok(ended.summary.built),
        Some((action, failure)) => Err(format!("{action}: {}", failure.message)),
    }
}

/// Runs an op by copying a file.
struct CopyData {
    bytes: Vec<u8>,
    digest: Digest,
}

impl CopyData {
    fn new(path: &Path) -> io::Result<Self> {
        let bytes = fs::read(path)?;
        Ok(Self { digest: Digest::of(&bytes), bytes })
    }

    fn write(&self, staging: &Path) -> io::Result<OutputFile> {
        let name = format!("part-00000-{}.parquet", self.digest.short());
        let path = staging.join(&name);
        fs::write(&path, &self.bytes)?;
        let metadata = fs::metadata(&path)?;
        let modified = metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec();
        Ok(OutputFile { name, size: metadata.len(), digest: self.digest, modified })
    }
}

impl Executor for CopyData {
    fn run(&self, job: &Job, _: &Cancel, tell: &(dyn Fn(Progress) + Sync)) -> Result<Made, Failure> {
        if job.action.common.rule == "compile" {
            return rules::run(job, tell);
        }
        let file = self.write(&job.staging).map_err(|e| Failure::io("cannot copy the data", &e))?;
        Ok(Made { files: vec![file], ..Made::default() })
    }
}

/// The disk without its flushes.
struct Unflushed;

impl Disk for Unflushed {
    fn create_directories(&self, path: &Path) -> io::Result<()> {
        SystemDisk.create_directories(path)
    }
    fn open(&self, path: &Path) -> io::Result<fs::File> {
        SystemDisk.open(path)
    }
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        SystemDisk.write(path, bytes)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove_file(path)
    }
    fn sync_file(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.rename_new(from, to)
    }
    fn exchange(&self, a: &Path, b: &Path) -> io::Result<()> {
        SystemDisk.exchange(a, b)
    }
    fn remove_tree(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove_tree(path)
    }
}

struct Silent;

impl Sink for Silent {
    fn event(&self, _: &Event) {}
}

/// A world that does not change meanwhile.
struct Once(TableWorld);

impl World for Once {
    fn observe(&self, action: &Action, _: Look, detail: Detail) -> Result<Vec<Observation>, Unobservable> {
        self.0.observe(action, Look::Once, detail)
    }

    fn remember(&self) {
        self.0.remember();
    }
}
