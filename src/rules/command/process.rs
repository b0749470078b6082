//! The program itself: found, started in the workspace with what is declared, heard, waited for.
//!
//! Invariants: it heads a process group of its own, which ends with it or with this process; of the environment it sees what is
//! declared; what it says is in the log and told, without secrets.

use super::fill::Filled;
use super::log::Log;
use super::{CommandSpec, Tell};
use crate::engine::execute::{Progress, Unit};
use crate::engine::failure::{Failure, FailureKind};
use crate::engine::group::Group;
use crate::engine::program;
use crate::engine::worker::peak_memory_of;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

/// The variable that names the file for metadata.
const METADATA: &str = "DAEDA_METADATA";

/// Of one line so much is kept together.
const LONGEST_LINE: u64 = 1 << 20;

/// How long something that has left the group may still hold on to stdout.
const PATIENCE: Duration = Duration::from_millis(500);

/// So many lines are heard before anybody looks whether their program is still there.
const AT_ONCE: usize = 256;

/// So often it is looked how much a program has written, at so many files.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const MOST_FILES: usize = 1_000;

/// A line, and whether it came from stderr.
type Line = (bool, String);

/// How a program ended.
pub struct Ended {
    status: ExitStatus,
    last_line: String,
    /// Bytes, of the program itself.
    pub peak_memory: u64,
}

/// Runs a program to its end.
pub fn run(spec: &CommandSpec, filled: &Filled, metadata: &Path, output: &Path, log: &mut Log, tell: Tell) -> Result<Ended, Failure> {
    let program = find(&spec.workspace, filled)?;
    let mut command = Command::new(&program);
    command.args(&filled.words[1..]).current_dir(&spec.workspace).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let declared = spec.environment.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    command.envs(declared).envs(filled.environment.iter().map(|(name, value)| (name, value)));
    // Last: one that comes from outside belongs to the command that daeda itself was started by.
    command.env(METADATA, metadata);
    let mut group = Group::start(&mut command).map_err(|error| cannot_start(filled, &error))?;
    tell(Progress::Running(Some(group.leader())));
    let lines = listen(&mut group);
    let looked = Instant::now();
    let mut hearing = Hearing { filled, log, tell, output, looked, last: [String::new(), String::new()] };
    let (status, peak_memory) = hearing.until_end(&mut group, &lines).map_err(|e| Failure::io("cannot wait for the command", &e))?;
    // What it left in the background ends here, and with it what holds the pipes open.
    drop(group);
    hearing.rest(&lines);
    tell(Progress::Running(None));
    let [said, complained] = hearing.last;
    let last_line = if complained.is_empty() { said } else { complained };
    Ok(Ended { status, last_line, peak_memory })
}

impl Ended {
    /// Success, or the failure that it is.
    pub fn judge(&self, spec: &CommandSpec, filled: &Filled) -> Result<(), Failure> {
        let program = filled.program();
        let said = if self.last_line.is_empty() { "it said nothing".to_string() } else { self.last_line.clone() };
        let failure = |kind, how: String| Err(Failure::new(kind, format!("`{program}` {how}: {said}")));
        match (self.status.code(), self.status.signal()) {
            (Some(0), _) => Ok(()),
            (Some(code), _) if spec.exit_codes.contains(&code) => failure(FailureKind::Transient, format!("ended with exit code {code}")),
            (Some(code), _) => failure(FailureKind::Permanent, format!("ended with exit code {code}")),
            (None, signal) => failure(FailureKind::Transient, format!("was killed by signal {}", signal.unwrap_or_default())),
        }
    }
}

/// The program's file: of the workspace where its name has a slash, else the first of that name in our own PATH.
fn find(workspace: &Path, filled: &Filled) -> Result<PathBuf, Failure> {
    let name = filled.words.first().map_or("", String::as_str);
    program::find(name, workspace).ok_or_else(|| {
        let shown = filled.program();
        let hint = "install it, or add its directory to the PATH that daeda is started with";
        Failure::new(FailureKind::Environment, format!("there is no program `{shown}` in PATH; {hint}"))
    })
}

fn cannot_start(filled: &Filled, error: &io::Error) -> Failure {
    let program = filled.program();
    let (kind, why) = match error.kind() {
        io::ErrorKind::NotFound => {
            (FailureKind::Environment, "there is no such program, or the interpreter in its first line is not there")
        }
        io::ErrorKind::PermissionDenied => (FailureKind::Environment, "it may not be executed; chmod +x makes it a program"),
        _ if error.raw_os_error() == Some(NO_PROGRAM) => {
            (FailureKind::Permanent, "it is no program; a script begins with a line such as #!/bin/sh")
        }
        kind => (FailureKind::of_io(kind), "try again"),
    };
    Failure::new(kind, format!("cannot start `{program}`: {error}: {why}"))
}

/// ENOEXEC.
const NO_PROGRAM: i32 = 8;

/// Reads both streams on threads of their own, so that waiting for either can be given up.
fn listen(group: &mut Group) -> Receiver<Line> {
    let (sender, lines) = mpsc::sync_channel(1024);
    if let Some(stdout) = group.child.stdout.take() {
        pump(stdout, false, sender.clone());
    }
    if let Some(stderr) = group.child.stderr.take() {
        pump(stderr, true, sender);
    }
    lines
}

fn pump(stream: impl Read + Send + 'static, is_error: bool, lines: SyncSender<Line>) {
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line);
            if lines.send((is_error, text.trim_end_matches(['\n', '\r']).to_string())).is_err() {
                return;
            }
            line.clear();
        }
    });
}

struct Hearing<'a> {
    filled: &'a Filled,
    log: &'a mut Log,
    tell: Tell<'a>,
    /// Where it writes, and when somebody looked there last.
    output: &'a Path,
    looked: Instant,
    /// The last line of stdout and of stderr that says anything.
    last: [String; 2],
}

impl Hearing<'_> {
    /// Hears a program until it has ended.
    fn until_end(&mut self, group: &mut Group, lines: &Receiver<Line>) -> io::Result<(ExitStatus, u64)> {
        let (leader, mut peak) = (group.leader().to_string(), 0);
        loop {
            // A program that has ended has no memory any more: what was seen last counts.
            peak = peak.max(peak_memory_of(&leader));
            if let Some(status) = group.child.try_wait()? {
                return Ok((status, peak));
            }
            self.look();
            match lines.recv_timeout(Duration::from_millis(20)) {
                Ok(line) => {
                    self.hear(line);
                    // One that says much is looked at once in a while.
                    lines.try_iter().take(AT_ONCE).for_each(|line| self.hear(line));
                }
                Err(RecvTimeoutError::Timeout) => {}
                // Both streams are closed: it is about to end, or has become silent.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    /// Tells once in a while how much has been written.
    fn look(&mut self) {
        if self.looked.elapsed() < LOOK_EVERY {
            return;
        }
        let sizes = walkdir::WalkDir::new(self.output).into_iter().take(MOST_FILES).flatten().filter_map(|file| file.metadata().ok());
        let done = sizes.filter(|m| m.is_file()).map(|m| m.len()).sum();
        if done > 0 {
            (self.tell)(Progress::Step { message: "written".into(), done, total: 0, unit: Unit::Bytes });
        }
        self.looked = Instant::now();
    }

    /// What was said before the end and not heard yet.
    fn rest(&mut self, lines: &Receiver<Line>) {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.hear(line);
        }
    }

    fn hear(&mut self, (is_error, line): Line) {
        let line = self.filled.redacted(&line);
        self.log.write(&line);
        if !line.trim().is_empty() {
            self.last[usize::from(is_error)] = line.trim().to_string();
        }
        (self.tell)(Progress::Said(line));
    }
}
