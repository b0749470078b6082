//! Process groups: programs that an action starts, with whatever they start in turn, so that all of it can be ended at once.
//!
//! Knows nothing of what the programs do. Invariant: a group that is still there when its [`Group`] is dropped, or when this process
//! ends by [`end_all`], is asked to end and, a moment later, killed.

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long programs have to end by themselves once they are asked to.
const GRACE: Duration = Duration::from_millis(1500);

/// The leaders of the groups that this process has started and not ended.
static STARTED: Mutex<Vec<u32>> = Mutex::new(Vec::new());

fn started() -> MutexGuard<'static, Vec<u32>> {
    STARTED.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Whether a process heads a group that this process has started.
pub fn is_started(pid: u32) -> bool {
    started().contains(&pid)
}

/// A running program at the head of a process group of its own.
pub struct Group {
    pub child: Child,
}

impl Group {
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let mut groups = started();
        let child = command.process_group(0).spawn()?;
        groups.push(child.id());
        Ok(Self { child })
    }

    pub fn leader(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Group {
    /// What a program has left running in the background ends with it.
    fn drop(&mut self) {
        let leader = self.leader();
        let ends = || {
            // Not reaped, the leader would count as a member for ever.
            let _ = self.child.try_wait();
        };
        end(leader, ends);
        let _ = self.child.wait();
        started().retain(|group| *group != leader);
    }
}

/// Ends every group that is still running here, and lets no other begin: this process is about to end.
pub fn end_all() {
    let groups = started();
    let threads: Vec<_> = groups.iter().copied().map(|leader| std::thread::spawn(move || end(leader, || {}))).collect();
    threads.into_iter().for_each(|thread| drop(thread.join()));
    // Whoever would start another one waits for the end of this process.
    std::mem::forget(groups);
}

/// Asks a group to end, waits a moment, and kills what is left of it.
pub fn end(leader: u32, mut meanwhile: impl FnMut()) {
    let Some(group) = i32::try_from(leader).ok().and_then(Pid::from_raw) else { return };
    if kill_process_group(group, Signal::TERM).is_err() {
        return;
    }
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline {
        meanwhile();
        if test_kill_process_group(group).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = kill_process_group(group, Signal::KILL);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    fn shell(script: &str) -> Group {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script).stdin(Stdio::null()).stdout(Stdio::null());
        Group::start(&mut command).unwrap()
    }

    fn is_running(pid: &str) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        status.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
    }

    #[test]
    fn what_a_program_left_in_the_background_ends_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let note = directory.path().join("pid");
        let mut group = shell(&format!("sleep 600 & echo $! > {}", note.display()));
        group.child.wait().unwrap();
        let pid = std::fs::read_to_string(&note).unwrap().trim().to_string();
        assert!(is_running(&pid));
        drop(group);
        assert!(!is_running(&pid));
    }

    #[test]
    fn one_that_will_not_end_is_killed() {
        let start = Instant::now();
        let group = shell("trap '' TERM; sleep 600 & wait; sleep 600");
        let leader = group.leader().to_string();
        std::thread::sleep(Duration::from_millis(100));
        drop(group);
        assert!(!is_running(&leader));
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}
