//! The commands of a scenario: run to their end, several at once, or stopped in the middle.
//!
//! Invariant: a build that was stopped does not outlive its scenario.

use super::step::{Invocation, Order};
use super::told;
use crate::fixture::{Said, Workspace, id};
use rustix::io::ioctl_fionread;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A build went on faster than this machine looked at it. That proves nothing: the scenario is told once more.
pub const TOO_LATE: &str = "it could not be stopped in time";

/// What stands still in the background.
#[derive(Default)]
pub struct Console {
    stopped: Option<Stopped>,
}

/// A build that said an event and was stopped there.
struct Stopped {
    child: Child,
    /// What it said so far.
    said: String,
    rest: BufReader<ChildStdout>,
}

impl Console {
    /// Obeys an order, and returns what was said in a scenario's words.
    pub fn obey(&mut self, order: &Order, workspace: &Workspace) -> Result<Vec<String>, String> {
        let root = workspace.directory.path().canonicalize().map_err(|e| e.to_string())?;
        Ok(match order {
            Order::Run(invocation) => {
                let said = Said::from(invocation.command(workspace).output().map_err(|e| e.to_string())?);
                invocation.told(&said, &root)
            }
            Order::Together(invocations) => told::builds(&together(invocations, workspace)?, &root),
            Order::Until { invocation, event, action } => {
                self.stopped = Some(Stopped::at(invocation.command(workspace), event, action)?);
                vec![]
            }
            Order::Wait => told::builds(&[self.take()?.finish()?], &root),
            Order::Kill => self.take()?.kill()?,
            Order::Interrupt => told::builds(&[self.take()?.interrupt()?], &root),
        })
    }

    fn take(&mut self) -> Result<Stopped, String> {
        self.stopped.take().ok_or_else(|| "no build was left standing with `& until`".into())
    }
}

impl Invocation {
    /// `build` and `status` are asked for JSON, unless the scenario asks for something else.
    fn command(&self, workspace: &Workspace) -> Command {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let mut command = workspace.command(&arguments);
        if self.is_told_in_json() {
            command.args(["--format", "json"]);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn is_told_in_json(&self) -> bool {
        let plain = ["--format", "-n", "--dry-run", "--help"];
        matches!(self.arguments.first().map(String::as_str), Some("build" | "status"))
            && !self.arguments.iter().any(|argument| plain.contains(&argument.as_str()))
    }

    fn told(&self, said: &Said, root: &std::path::Path) -> Vec<String> {
        match self.arguments.first().map(String::as_str) {
            Some("build") if self.is_told_in_json() => told::builds(std::slice::from_ref(said), root),
            Some("status") if self.is_told_in_json() => told::status(said, root),
            _ => told::verbatim(said, root),
        }
    }
}

fn together(invocations: &[Invocation], workspace: &Workspace) -> Result<Vec<Said>, String> {
    let start = |invocation: &Invocation| piped(invocation.command(workspace)).spawn().map_err(|e| e.to_string());
    let children = invocations.iter().map(start).collect::<Result<Vec<_>, _>>()?;
    children.into_iter().map(|child| child.wait_with_output().map(Said::from).map_err(|e| e.to_string())).collect()
}

fn piped(mut command: Command) -> Command {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn is(event: &Value, name: &str, action: &str) -> bool {
    event["event"] == name && event["action"].is_object() && id(&event["action"]) == action
}

impl Stopped {
    fn at(command: Command, event: &str, action: &str) -> Result<Self, String> {
        let mut child = piped(command).spawn().map_err(|e| e.to_string())?;
        let rest = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut stopped = Self { child, said: String::new(), rest };
        while stopped.rest.read_line(&mut stopped.said).map_err(|e| e.to_string())? > 0 {
            let line: Value = stopped.said.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
            if is(&line, event, action) {
                return stopped.stop(action);
            }
        }
        Err(format!("{action} was never {event}: {}", stopped.said))
    }

    /// Stops it, unless the action has come to its end meanwhile.
    fn stop(mut self, action: &str) -> Result<Self, String> {
        self.signal(Signal::STOP)?;
        while !self.rest.buffer().is_empty() || ioctl_fionread(self.rest.get_ref()).map_err(|e| e.to_string())? > 0 {
            self.rest.read_line(&mut self.said).map_err(|e| e.to_string())?;
        }
        let events = self.said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let ended = events.into_iter().any(|event| ["published", "failed"].iter().any(|end| is(&event, end, action)));
        if ended { Err(TOO_LATE.into()) } else { Ok(self) }
    }

    fn signal(&self, signal: Signal) -> Result<(), String> {
        let pid = Pid::from_raw(self.child.id() as i32).ok_or("no process")?;
        kill_process(pid, signal).map_err(|e| e.to_string())
    }

    fn finish(mut self) -> Result<Said, String> {
        self.signal(Signal::CONT)?;
        let (mut stdout, mut stderr) = (std::mem::take(&mut self.said), String::new());
        self.rest.read_to_string(&mut stdout).map_err(|e| e.to_string())?;
        self.child.stderr.take().ok_or("no stderr")?.read_to_string(&mut stderr).map_err(|e| e.to_string())?;
        let code = self.child.wait().map_err(|e| e.to_string())?.code().unwrap_or(-1);
        Ok(Said { code, stdout, stderr })
    }

    fn interrupt(self) -> Result<Said, String> {
        self.signal(Signal::INT)?;
        self.finish()
    }

    fn kill(mut self) -> Result<Vec<String>, String> {
        self.child.kill().and_then(|()| self.child.wait()).map_err(|e| e.to_string())?;
        Ok(vec![])
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
