//! Worker processes: the same binary runs actions handed to it on stdin, one line each, and answers on stdout.
//!
//! Why processes: thread pools of the libraries inside are process-wide and sized at start, a hung call can only be ended by killing it,
//! and an action that another process can run can be run by another machine. Invariants: a worker ends with its parent, and what it has started
//! ends with it, whichever of the two is killed.

use super::action::{Action, Job};
use super::descendants;
use super::execute::{Cancel, Executor, Made, Progress};
use super::failure::{Failure, FailureKind};
use super::group;
use crate::path::Root;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// What a worker answers: lines of JSON, of which the last is `Made` or `Failed`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Progress(Progress),
    Made(Made),
    Failed(Failure),
}

/// Starts workers and keeps idle ones for the next action of the same size.
pub struct WorkerPool {
    program: PathBuf,
    logs: PathBuf,
    /// From which people are told the names of logs.
    root: Root,
    idle: Mutex<Vec<Worker>>,
    started: AtomicUsize,
}

/// The workers of this process.
static STARTED: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// What has become a child of this process without having been started by it, and all below that.
pub fn adopted() -> Vec<u32> {
    let known = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    let strangers = descendants::children().into_iter().filter(|pid| !known.contains(pid) && !group::is_started(*pid));
    strangers.flat_map(|pid| descendants::of(pid).into_iter().chain([pid])).collect()
}

struct Worker {
    /// Its last action has not ended well, or not yet.
    is_at_work: bool,
    cpus: u64,
    child: Child,
    orders: ChildStdin,
    answers: mpsc::Receiver<io::Result<String>>,
    log: WorkerLog,
    /// The leader of the process group that its action has started and that may still run.
    group: Option<u32>,
    heard: Heard,
}

/// What is known of a program that an action runs, should its end not be waited for.
#[derive(Default)]
struct Heard {
    /// The name of its log, for people.
    log: Option<String>,
    /// The last line that said anything.
    last: String,
}

impl Heard {
    fn hear(&mut self, progress: &Progress) {
        match progress {
            Progress::Logged(name) => self.log = Some(name.clone()),
            Progress::Said(line) if !line.trim().is_empty() => self.last = line.trim().to_string(),
            _ => {}
        }
    }

    fn timed_out(&self, seconds: f64) -> Failure {
        let last = if self.last.is_empty() { String::new() } else { format!("; the last it said: {}", self.last) };
        Failure::transient(format!("timed out after {seconds} s{last}"))
    }
}

impl Drop for Worker {
    /// All that it has started ends with it, wherever that has gone.
    fn drop(&mut self) {
        if let Some(leader) = self.group {
            descendants::end(leader);
            group::end(leader, || {});
        }
        if self.is_at_work {
            descendants::end(self.child.id());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        STARTED.lock().unwrap_or_else(PoisonError::into_inner).retain(|pid| *pid != self.child.id());
        if self.is_at_work {
            // It may have died first: what it had below it then has come to us.
            descendants::end_all(adopted);
        }
        if self.log.length() == 0 {
            let _ = std::fs::remove_file(&self.log.path);
        }
    }
}

/// What a worker prints.
struct WorkerLog {
    path: PathBuf,
    /// For people.
    name: String,
    /// Of what it had printed when its action began.
    before: u64,
}

impl WorkerLog {
    fn length(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |m| m.len())
    }

    /// Its name, if the worker has printed anything since its action began.
    fn of_action(&self) -> Option<String> {
        (self.length() > self.before).then(|| self.name.clone())
    }
}

impl WorkerPool {
    /// `program` is run with the argument `worker`; what workers print goes to files under `logs`, which have names relative to `root`.
    pub fn new(program: PathBuf, logs: PathBuf, root: Root) -> Self {
        descendants::adopt();
        Self { program, logs, root, idle: Mutex::default(), started: AtomicUsize::new(0) }
    }

    fn worker(&self, cpus: u64) -> Result<Worker, Failure> {
        let mut idle = self.idle.lock().expect("no thread panics while it holds the idle workers");
        // One that has died meanwhile is no worker any more.
        idle.retain_mut(|w| matches!(w.child.try_wait(), Ok(None)));
        match idle.iter().position(|w| w.cpus == cpus) {
            Some(index) => Ok(idle.swap_remove(index)),
            None => {
                self.start(cpus).map_err(|e| Failure::io(&format!("cannot start a worker with its log in {}", self.logs.display()), &e))
            }
        }
    }

    fn start(&self, cpus: u64) -> io::Result<Worker> {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let path = self.logs.join(format!("worker-{}-{number}.log", std::process::id()));
        let mut command = Command::new(&self.program);
        command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log_file(&path));
        for variable in ["POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "LANCE_CPU_THREADS", "TOKIO_WORKER_THREADS"] {
            command.env(variable, cpus.max(1).to_string());
        }
        // A worker does one thing after the other and ends: what it has once had of the system it keeps, for getting memory again is dear.
        for (variable, value) in [("MIMALLOC_PURGE_DELAY", "-1"), ("MIMALLOC_ALLOW_THP", "0")] {
            if std::env::var_os(variable).is_none() {
                command.env(variable, value);
            }
        }
        let mut known = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        let mut child = command.spawn()?;
        known.push(child.id());
        drop(known);
        let (orders, answers) = (child.stdin.take(), child.stdout.take());
        let (Some(orders), Some(stdout)) = (orders, answers) else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let log = WorkerLog { name: self.root.name(&path), path, before: 0 };
        Ok(Worker { is_at_work: false, cpus, child, orders, answers: read_lines(stdout), log, group: None, heard: Heard::default() })
    }
}

/// Where a worker's stderr goes; nowhere if the cache directory cannot be written, which is no reason not to build.
fn log_file(path: &Path) -> Stdio {
    let created = path.parent().map(std::fs::create_dir_all).transpose().and_then(|_| File::create(path));
    created.map_or_else(|_| Stdio::null(), Stdio::from)
}

/// Reads lines on a thread of their own, so that waiting for one can be given up.
fn read_lines(stdout: impl io::Read + Send + 'static) -> mpsc::Receiver<io::Result<String>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

impl Executor for WorkerPool {
    fn run(&self, job: &Job, cancel: &Cancel, progress: &(dyn Fn(Progress) + Sync)) -> Result<Made, Failure> {
        let mut worker = self.worker(job.action.common.resources.cpus)?;
        worker.log.before = worker.log.length();
        worker.is_at_work = true;
        worker.heard = Heard::default();
        worker.give(job)?;
        let result = worker.follow(&job.action, cancel, progress);
        let result = result.map_err(|failure| worker.told_of(failure));
        let is_usable =
            !matches!(&result, Err(f) if matches!(f.kind, FailureKind::Transient | FailureKind::Interrupted | FailureKind::Bug));
        if is_usable {
            worker.is_at_work = false;
            self.idle.lock().expect("no thread panics while it holds the idle workers").push(worker);
        }
        result
    }
}

impl Worker {
    fn give(&mut self, job: &Job) -> Result<(), Failure> {
        let line = serde_json::to_string(job).map_err(|e| Failure::new(FailureKind::Bug, e.to_string()))?;
        writeln!(self.orders, "{line}").map_err(|e| Failure::io("cannot reach the worker", &e))
    }

    /// Listens until the action ends, the time is up, or the build is cancelled.
    fn follow(&mut self, action: &Action, cancel: &Cancel, progress: &(dyn Fn(Progress) + Sync)) -> Result<Made, Failure> {
        let deadline = action.common.timeout.map(|millis| Instant::now() + Duration::from_millis(millis));
        loop {
            if cancel.is_requested() {
                return Err(Failure::new(FailureKind::Interrupted, "interrupted"));
            }
            if deadline.is_some_and(|d| Instant::now() >= d) {
                let seconds = action.common.timeout.unwrap_or_default() as f64 / 1e3;
                return Err(self.heard.timed_out(seconds));
            }
            match self.answers.recv_timeout(Duration::from_millis(50)) {
                Ok(Ok(line)) => match serde_json::from_str(&line) {
                    Ok(Answer::Progress(Progress::Running(leader))) => self.group = leader,
                    Ok(Answer::Progress(p)) => {
                        self.heard.hear(&p);
                        progress(p);
                    }
                    Ok(Answer::Made(made)) => return Ok(made),
                    Ok(Answer::Failed(failure)) => return Err(failure),
                    Err(error) => return Err(Failure::new(FailureKind::Bug, format!("the worker said `{line}`: {error}"))),
                },
                Ok(Err(error)) => return Err(Failure::io("cannot hear the worker", &error)),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(self.died()),
            }
        }
    }

    /// A failure with its memory, and with where more of it can be read. Of a fault of ours the worker itself has printed it.
    fn told_of(&self, failure: Failure) -> Failure {
        let of_program = self.heard.log.clone().filter(|_| failure.kind != FailureKind::Bug);
        failure.held(|| self.peak_memory()).logged(|| of_program.or_else(|| self.log.of_action()))
    }

    /// The most memory that it has held for its action, or a program that it runs, as far as they are still there.
    fn peak_memory(&self) -> u64 {
        let below = descendants::of(self.child.id()).into_iter().chain([self.child.id()]);
        below.map(|pid| peak_memory_of(&pid.to_string())).max().unwrap_or_default()
    }

    /// A worker that ended by itself: killed from outside may pass, a panic is our fault.
    fn died(&mut self) -> Failure {
        let status = self.child.wait().map(|s| s.to_string()).unwrap_or_default();
        let said = std::fs::read_to_string(&self.log.path).unwrap_or_default();
        let last = said.lines().rfind(|l| !l.trim().is_empty() && !l.contains("RUST_BACKTRACE")).unwrap_or("it said nothing").to_string();
        let kind = if said.contains("panicked at") { FailureKind::Bug } else { FailureKind::Transient };
        Failure::new(kind, format!("the worker ended ({status}): {last}"))
    }
}

/// The worker's side: runs every order from stdin, answers on stdout, ends with its input or its parent.
pub fn serve(run: impl Fn(&Job, &(dyn Fn(Progress) + Sync)) -> Result<Made, Failure>) -> io::Result<()> {
    descendants::adopt();
    let orders = orders_until_parent_ends();
    let answer = |answer: &Answer| {
        let line = serde_json::to_string(answer).unwrap_or_default();
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    };
    for line in orders {
        let job: Job = serde_json::from_str(&line?).map_err(io::Error::other)?;
        reset_peak_memory();
        let (pace, has_started) = (Pace::default(), AtomicBool::new(false));
        let tell = |progress: Progress| {
            has_started.fetch_or(matches!(progress, Progress::Running(Some(_))), Ordering::Relaxed);
            if pace.lets_pass(&progress) {
                answer(&Answer::Progress(progress));
            }
        };
        let result = run(&job, &tell);
        if has_started.into_inner() {
            // Nothing that an action has started outlives it.
            descendants::end(std::process::id());
        }
        match result {
            Ok(made) => answer(&Answer::Made(Made { peak_memory: made.peak_memory.max(peak_memory()), ..made })),
            Err(failure) => answer(&Answer::Failed(Failure { peak_memory: failure.peak_memory.max(peak_memory()), ..failure })),
        }
    }
    Ok(())
}

/// Lets a step's progress pass ten times a second and no more: whoever tells may tell as often as it likes.
#[derive(Default)]
struct Pace(Mutex<Option<(String, Instant)>>);

impl Pace {
    const EVERY: Duration = Duration::from_millis(100);

    /// What begins a step, or is no step's progress, passes at once.
    fn lets_pass(&self, progress: &Progress) -> bool {
        let Progress::Step { message, .. } = progress else { return true };
        let mut last = self.0.lock().expect("no thread panics while it looks at the clock");
        let passes = !last.as_ref().is_some_and(|(known, told)| known == message && told.elapsed() < Self::EVERY);
        if passes {
            *last = Some((message.clone(), Instant::now()));
        }
        passes
    }
}

/// Orders from stdin, read on a thread of its own: when the parent ends, however it ends, its side of the pipe closes, and this process
/// ends at once, whatever it is doing. (A parent-death signal would follow the thread that started us, not the process.)
fn orders_until_parent_ends() -> mpsc::Receiver<io::Result<String>> {
    // The terminal's Ctrl-C reaches the whole group: the parent decides what becomes of this process.
    let _ = rustix::process::setpgid(None, None);
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            if sender.send(line).is_err() {
                break;
            }
        }
        group::end_all();
        descendants::end(std::process::id());
        std::process::exit(0);
    });
    receiver
}

/// Starts the high-water mark anew, so that each action of a reused worker has its own.
fn reset_peak_memory() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most memory this process has held, in bytes; 0 where the system does not say.
pub fn peak_memory() -> u64 {
    peak_memory_of("self")
}

/// The same of another process.
pub fn peak_memory_of(pid: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_tells_much_is_heard_now_and_then() {
        let pace = Pace::default();
        let step = |message: &str, done| Progress::Step { message: message.into(), done, total: 9, unit: Default::default() };
        let passed: Vec<bool> = [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1)].map(|(m, n)| pace.lets_pass(&step(m, n))).to_vec();
        assert_eq!(passed, [true, false, false, true, false]);
        assert!(pace.lets_pass(&Progress::Running(None)) && pace.lets_pass(&Progress::Said("x".into())));
        std::thread::sleep(Pace::EVERY);
        assert!(pace.lets_pass(&step("b", 2)));
    }

    #[test]
    fn one_that_took_too_long_tells_what_was_heard_last() {
        let mut heard = Heard::default();
        assert_eq!(heard.timed_out(1.0).message, "timed out after 1 s");
        for progress in [Progress::Logged("x.log".into()), Progress::Said("part 3\n".into()), Progress::Said(" ".into())] {
            heard.hear(&progress);
        }
        assert_eq!(heard.timed_out(0.5).message, "timed out after 0.5 s; the last it said: part 3");
        assert_eq!(heard.log.as_deref(), Some("x.log"));
    }

    #[test]
    fn a_log_is_named_only_where_the_action_has_printed_something() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("worker.log");
        let mut log = WorkerLog { path: path.clone(), name: ".daeda/logs/worker.log".into(), before: 0 };
        assert_eq!(log.of_action(), None);
        std::fs::write(&path, "what an earlier action had printed\n").unwrap();
        assert_eq!(log.of_action().as_deref(), Some(".daeda/logs/worker.log"));
        log.before = log.length();
        assert_eq!(log.of_action(), None);
    }
}
