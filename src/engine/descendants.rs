//! What a process has started, and what that has started: found and ended, also where it has left its group or lost its parent.
//!
//! A process that calls [`adopt`] becomes the parent of whatever loses its own below it, so that nothing can escape by ending its parent.
//! Knows nothing of what the processes do. Invariant: what was found is asked to end, and killed a moment later, until none is left.

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

/// How long they have to end by themselves.
const GRACE: Duration = Duration::from_millis(1500);

/// How often those are looked for that have come meanwhile.
const ROUNDS: usize = 50;

/// From now on what loses its parent below this process has this process as its parent. Where the system cannot, nothing changes.
pub fn adopt() {
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// All processes below one, as far as they live.
pub fn of(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for (pid, parent) in living() {
        children.entry(parent).or_default().push(pid);
    }
    let (mut found, mut todo) = (Vec::new(), vec![root]);
    while let Some(pid) = todo.pop() {
        let below = children.remove(&pid).unwrap_or_default();
        todo.extend(&below);
        found.extend(below);
    }
    found
}

/// Those whose parent is this process.
pub fn children() -> Vec<u32> {
    let own = std::process::id();
    living().filter(|(_, parent)| *parent == own).map(|(pid, _)| pid).collect()
}

/// Processes and their parents. One that has ended and waits to be taken note of lives no more.
fn living() -> impl Iterator<Item = (u32, u32)> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in parentheses and may hold anything.
        let mut rest = stat.rsplit(')').next()?.split_whitespace();
        let state = rest.next()?;
        Some((pid, rest.next()?.parse().ok()?)).filter(|_| state != "Z" && state != "X")
    })
}

/// Ends all processes below one, but not the one itself.
pub fn end(root: u32) {
    end_all(|| of(root));
}

/// Ends what is found, again and again: a process may start others until it is killed.
pub fn end_all(find: impl Fn() -> Vec<u32>) {
    let asked = find();
    if asked.is_empty() {
        return;
    }
    asked.iter().for_each(|pid| send(*pid, Signal::TERM));
    let deadline = Instant::now() + GRACE;
    for _ in 0..ROUNDS {
        let left = find();
        if left.is_empty() {
            break;
        }
        if Instant::now() >= deadline {
            left.iter().for_each(|pid| send(*pid, Signal::KILL));
        }
        std::thread::sleep(Duration::from_millis(if Instant::now() < deadline { 50 } else { 10 }));
    }
    // Of those that had this process as their last parent nobody else takes note.
    for pid in asked.iter().filter_map(|pid| pid_of(*pid)) {
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = pid_of(pid) {
        let _ = kill_process(pid, signal);
    }
}

fn pid_of(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn is_running(pid: u32) -> bool {
        living().any(|(found, _)| found == pid)
    }

    #[test]
    fn what_has_left_the_group_is_found_below_and_ended() {
        let script = "setsid sleep 600 & sleep 600 & wait";
        let mut root = Command::new("sh").args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        while of(root.id()).len() < 2 {
            assert!(start.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(10));
        }
        let below = of(root.id());
        end(root.id());
        assert!(below.iter().all(|pid| !is_running(*pid)));
        root.wait().unwrap();
    }

    #[test]
    fn what_will_not_end_is_killed() {
        let script = "sh -c 'trap \"\" TERM; while :; do sleep 1; done' & wait";
        let mut root = Command::new("sh").args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(200));
        let below = of(root.id());
        assert!(!below.is_empty());
        end(root.id());
        assert!(below.iter().all(|pid| !is_running(*pid)));
        root.wait().unwrap();
    }
}
