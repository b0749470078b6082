//! Which failures are tried again, and after what pause: a build in this process whose clock stands still unless somebody sleeps, and whose
//! ops fail as they are told.

use crate::fixture::{DAYS, Workspace, one_more};
use crate::in_process;
use daeda::engine::action::Job;
use daeda::engine::check::OutputCheck;
use daeda::engine::clock::Clock;
use daeda::engine::decision::Permits;
use daeda::engine::disk::SystemDisk;
use daeda::engine::driver::{self, Ended, Options, Tools};
use daeda::engine::envelope::Envelope;
use daeda::engine::event::{Event, Sink};
use daeda::engine::execute::{Cancel, Executor, Made, Progress};
use daeda::engine::failure::{Failure, FailureKind, FailureMemory};
use daeda::engine::index::TraceIndex;
use daeda::rules::{self, TableRecords, TableWorld};
use daeda::workspace::{graph, parse_target};
use std::io::{Error, ErrorKind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const NOW: i64 = 1_900_000_000_000;

/// A clock that only sleeping moves.
#[derive(Default)]
struct Asleep(AtomicU64);

impl Clock for Asleep {
    fn now(&self) -> i64 {
        NOW + self.0.load(Ordering::SeqCst) as i64
    }

    fn sleep(&self, duration: Duration) {
        self.0.fetch_add(duration.as_millis() as u64, Ordering::SeqCst);
    }
}

/// What an op does, attempt by attempt; after that it succeeds.
struct Told<'a> {
    attempts: Mutex<Vec<Attempt<'a>>>,
    clock: &'a Asleep,
    /// When attempts began, in milliseconds of sleep.
    began: Mutex<Vec<u64>>,
}

type Attempt<'a> = Box<dyn Fn() -> Option<Failure> + Send + 'a>;

impl Executor for Told<'_> {
    fn run(&self, job: &Job, _: &Cancel, tell: &(dyn Fn(Progress) + Sync)) -> Result<Made, Failure> {
        self.began.lock().unwrap().push(self.clock.0.load(Ordering::SeqCst));
        let mut attempts = self.attempts.lock().unwrap();
        let failure = if attempts.is_empty() { None } else { attempts.remove(0)() };
        failure.map_or_else(|| rules::run(job, tell), Err)
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<Event>>);

impl Sink for Heard {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// How a build went.
struct Run {
    ended: Ended,
    /// The pauses before each attempt but the first.
    pauses: Vec<u64>,
    /// The pauses as events tell them, in seconds.
    told: Vec<f64>,
    attempts: usize,
}

const COMPILE: &str = r#"service "ranking"
    op "compile" rule="compile"
    op "skeleton" rule="skeleton" needs="compile""#;

/// The fixture, whose op `compile` is retried so.
fn retried(retry: &str) -> Workspace {
    let workspace = Workspace::new();
    let op = format!(
        "service \"ranking\"\n    op \"compile\" rule=\"compile\" {{\n        {retry}\n    }}\n    op \"skeleton\" rule=\"skeleton\" needs=\"compile\" {{\n        {retry}\n    }}"
    );
    workspace.edit("Daedalus.kdl", COMPILE, &op);
    workspace
}

fn build(workspace: &Workspace, target: &str, attempts: Vec<Attempt>, permits: Permits) -> Run {
    let opened = in_process::open(workspace.directory.path()).unwrap();
    let targets = parse_target(&opened, target, NOW).map_err(|e| e.0).unwrap();
    let graph = graph(&opened, &targets, NOW).map_err(|e| format!("{e:?}")).unwrap();
    let state = workspace.path(".daeda");
    let (clock, heard) = (Asleep::default(), Heard::default());
    let executor = Told { attempts: Mutex::new(attempts), clock: &clock, began: Mutex::default() };
    let options = Options { keep_going: true, permits, replace_max: None, output: OutputCheck::Stat, jobs: 1, cpus: 1, memory: 1 << 40 };
    let tools = Tools {
        world: &TableWorld::new(&state.join("cache/columns")),
        records: &TableRecords,
        index: &TraceIndex::open(&state.join("cache/traces")),
        executor: &executor,
        disk: &SystemDisk,
        clock: &clock,
        sink: &heard,
        memory: &FailureMemory::new(&state),
        cancel: &Cancel::default(),
        envelope: &Envelope::alone(),
    };
    let ended = driver::build(&graph, tools, &options);
    let began = executor.began.into_inner().unwrap();
    let heard = heard.0.into_inner().unwrap();
    let told = heard.iter().filter_map(|event| if let Event::Retrying { delay, .. } = event { Some(*delay) } else { None }).collect();
    Run { ended, pauses: began.windows(2).map(|pair| pair[1] - pair[0]).collect(), told, attempts: began.len() }
}

fn fails(failure: Failure) -> Attempt<'static> {
    Box::new(move || Some(failure.clone()))
}

fn passing(times: usize) -> Vec<Attempt<'static>> {
    (0..times).map(|_| fails(Failure::transient("it may pass"))).collect()
}

fn compile(workspace: &Workspace, attempts: Vec<Attempt>) -> Run {
    build(workspace, "ranker.compile", attempts, Permits::default())
}

#[test]
fn pauses_are_as_declared() {
    let cases: [(&str, &[u64]); 4] = [
        ("retry 4 delay=\"2s\"", &[2000, 2000, 2000, 2000]),
        ("retry 4 delay=\"2s\" backoff=\"linear\"", &[2000, 4000, 6000, 8000]),
        ("retry 4 delay=\"2s\" backoff=\"exponential\"", &[2000, 4000, 8000, 16000]),
        ("retry 4 delay=\"2s\" backoff=\"exponential\" max-delay=\"5s\"", &[2000, 4000, 5000, 5000]),
    ];
    for (retry, pauses) in cases {
        let run = compile(&retried(retry), passing(4));
        assert_eq!((run.pauses.as_slice(), run.attempts, run.ended.summary.built, run.ended.summary.retried), (pauses, 5, 1, 4), "{retry}");
        assert_eq!(run.told, pauses.iter().map(|pause| *pause as f64 / 1e3).collect::<Vec<_>>());
    }
}

#[test]
fn full_jitter_stays_within_its_bounds_and_is_drawn_anew() {
    let run = compile(&retried("retry 12 delay=\"4s\" backoff=\"exponential\" max-delay=\"20s\" jitter=\"full\""), passing(12));
    assert_eq!(run.attempts, 13);
    for (number, pause) in run.pauses.iter().enumerate() {
        assert!(*pause <= (4000u64 << number.min(10)).min(20_000), "{number}: {pause}");
    }
    let distinct: std::collections::BTreeSet<u64> = run.pauses.iter().copied().collect();
    assert!(distinct.len() > 6, "{:?}", run.pauses);
}

#[test]
fn errors_of_the_system_that_can_pass_are_tried_again_and_others_are_not() {
    let passes = [
        ErrorKind::TimedOut,
        ErrorKind::Interrupted,
        ErrorKind::WouldBlock,
        ErrorKind::ConnectionReset,
        ErrorKind::ResourceBusy,
        ErrorKind::StaleNetworkFileHandle,
        ErrorKind::UnexpectedEof,
        ErrorKind::Other,
    ];
    let lasts =
        [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem, ErrorKind::NotFound];
    for (kind, attempts) in passes.map(|kind| (kind, 2)).into_iter().chain(lasts.map(|kind| (kind, 1))) {
        let workspace = retried("retry 2 delay=\"1s\"");
        let run = compile(&workspace, vec![fails(Failure::io("part", &Error::from(kind)))]);
        assert_eq!(run.attempts, attempts, "{kind:?}");
        // What the machine lacks is not remembered: the next build tries.
        assert_eq!(run.ended.failures.is_empty(), attempts == 2, "{kind:?}");
        assert_eq!(compile(&workspace, vec![]).ended.failures.len(), 0, "{kind:?}");
    }
}

#[test]
fn permanent_failures_are_not_tried_again_and_remembered() {
    for kind in [FailureKind::Permanent, FailureKind::Trespass] {
        let workspace = retried("retry 3 delay=\"1s\"");
        let run = compile(&workspace, vec![fails(Failure::new(kind, "a wrong schema"))]);
        assert_eq!((run.attempts, run.ended.failures.len()), (1, 1), "{kind:?}");
        let again = compile(&workspace, vec![]);
        assert_eq!((again.attempts, again.ended.failures.len()), (0, 1), "{kind:?}");
    }
    let bug = compile(&retried("retry 3 delay=\"1s\""), vec![fails(Failure::new(FailureKind::Bug, "ours"))]);
    assert_eq!((bug.attempts, bug.ended.failures.len()), (1, 1));
}

/// Must show: retries exhausted → `failed`, remembered, not rerun until something changes or `--retry-failed`.
#[test]
fn what_has_used_up_its_retries_is_remembered_until_something_changes() {
    let workspace = retried("retry 2 delay=\"1s\"");
    let run = compile(&workspace, passing(3));
    assert_eq!((run.attempts, run.ended.summary.failed), (3, 1));
    assert_eq!(run.ended.failures[0].1.kind, FailureKind::Transient);
    let again = compile(&workspace, vec![]);
    assert_eq!((again.attempts, again.ended.summary.failed), (0, 1));
    assert!(again.ended.failures[0].1.message.contains("it may pass"), "{:?}", again.ended.failures);
    let retried = build(&workspace, "ranker.compile", passing(3), Permits { retry_failed: true, ..Permits::default() });
    assert_eq!((retried.attempts, retried.ended.summary.failed), (3, 1));
    workspace.edit("config/training/aggregations.kdl", "k=4", "k=3");
    assert_eq!(compile(&workspace, vec![]).ended.summary.built, 1);
}

#[test]
fn an_input_that_changes_during_the_run_voids_the_attempt_and_the_next_one_is_about_the_new() {
    let workspace = retried("retry 2 delay=\"1s\"");
    assert_eq!(compile(&workspace, vec![]).ended.summary.built, 1);
    let change: Attempt = Box::new(|| {
        workspace.append(1, one_more(1));
        None
    });
    let target = format!("ranker@{}", DAYS[1]);
    let run = build(&workspace, &target, vec![change], Permits::default());
    assert_eq!((run.attempts, run.pauses.as_slice(), run.ended.failures.len()), (2, [1000].as_slice(), 0));
    assert_eq!(build(&workspace, &target, vec![], Permits::default()).attempts, 0, "what was published is of the new input");
}

/// An action is not held up by its own clock: pauses give its room to others.
#[test]
fn while_one_waits_for_its_next_attempt_others_run() {
    let workspace = retried("retry 1 delay=\"1h\"");
    let run = build(&workspace, &format!("ranker.skeleton@{}..{}", DAYS[0], DAYS[1]), passing(1), Permits::default());
    assert_eq!((run.ended.failures.len(), run.ended.summary.built), (0, 3));
}
