//! Events as plain lines on stderr: what a log file or a pipe gets.

use super::alive::Alive;
use super::ticker::Ticker;
use crate::engine::event::{Event, Holder, Sink, Summary};
use crate::engine::execute::CheckResult;
use crate::engine::state::{Reason, State, lines};
use serde_json::{Map, Value};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How much to say.
#[derive(Debug, Clone, Copy)]
pub struct Lines {
    /// Give every reason of every action.
    pub explain: bool,
    /// Pass on what programs say.
    pub verbose: bool,
    pub quiet: bool,
    /// The user named keys: what is blocked is worth a line each.
    pub named: bool,
}

impl Lines {
    /// The lines that an event is worth; none for most.
    pub fn of(&self, event: &Event) -> Option<String> {
        if self.quiet && !matches!(event, Event::Failed { .. } | Event::Warned { .. } | Event::Interrupted) {
            return None;
        }
        match event {
            Event::Planned { .. } | Event::Started { .. } | Event::Progress { .. } | Event::Advanced { .. } => None,
            Event::Admitted { .. } | Event::Released { .. } => None,
            Event::WaitingForRoom { action, cpus, memory, holders } => Some(waiting(&action.to_string(), (*cpus, *memory), holders)),
            // What is wrong is in the warning, or in the failure.
            Event::Checked { action, result } => (self.verbose && result.passed).then(|| passed(&action.to_string(), result)),
            Event::Hashing { done, total } => Some(hashing(*done, *total)),
            Event::Said { action, line } => self.verbose.then(|| format!("{action}| {line}")),
            Event::Skipped { action, because } => because.as_ref().map(|failed| format!("{action}: skipped, because {failed} failed")),
            Event::Judged { action, state, reasons } => {
                let told = lines(reasons);
                // That nothing is published yet is what "missing" says.
                let worth_saying = told.first().filter(|_| *state != State::Missing);
                let first = worth_saying.map_or(String::new(), |r| format!(" ({r})"));
                let others = told.len().saturating_sub(1);
                let more = if others > 0 && worth_saying.is_some() { format!(" and {others} more") } else { String::new() };
                match self.explain {
                    false => Some(format!("building {action}: {}{first}{more}", state.name())),
                    true => {
                        let all: String = told.iter().map(|r| format!("\n    {r}")).collect();
                        Some(format!("building {action}: {}{all}", state.name()))
                    }
                }
            }
            Event::Held { action, state, reasons } => (self.named || self.explain).then(|| held(&action.to_string(), *state, reasons)),
            // The command says so, with the plan.
            Event::Refused { .. } => None,
            Event::WaitingForLock { action } => Some(format!("{action}: another process is building it; waiting")),
            Event::Retrying { action, attempt, error, delay } => {
                Some(format!("{action}: attempt {attempt} failed: {error}; trying again in {delay:.1} s"))
            }
            Event::Published { action, seconds, peak_memory, metadata } => {
                Some(published(&action.to_string(), *seconds, *peak_memory, metadata))
            }
            Event::Warned { action, message } => Some(format!("warning: {action}: {message}")),
            Event::Failed { action, attempt, error, log, peak_memory, memory } => {
                let log = log.as_ref().map_or(String::new(), |l| format!("\n    log: {l}"));
                let attempt = if *attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
                let peak = budget(*peak_memory, *memory);
                Some(format!("error: {action}: failed{attempt}: {error}{log}{peak}\n    try again: daeda build {action} --retry-failed"))
            }
            Event::Blocked { action, message } if self.named => Some(format!("{action}: waiting: {message}")),
            Event::Blocked { .. } => None,
            Event::Interrupted => Some("interrupted: what was published stays, what was under way is discarded".into()),
            Event::Finished(summary) => Some(finished(summary)),
        }
    }
}

/// How far the hashing of inputs is.
pub fn hashing(done: u64, total: u64) -> String {
    format!("hashing inputs: {}", hashed(done, total))
}

pub fn hashed(done: u64, total: u64) -> String {
    format!("{} of {} MB", thousands(done / 1_000_000), thousands(total / 1_000_000))
}

/// What stands although it is not fresh, and what would build it.
fn held(action: &str, state: State, reasons: &[Reason]) -> String {
    let why = lines(reasons).into_iter().next().map_or(String::new(), |r| format!(" ({r})"));
    let flag =
        if state == State::Drifted { "--drifted rebuilds it" } else { "--allow-missing rebuilds it from what is left, if anything is" };
    format!("{action}: {}{why}; what is published stands: {flag}", state.name())
}

/// What an action waits for, and who holds it.
fn waiting(action: &str, (cpus, memory): (u64, u64), holders: &[Holder]) -> String {
    let told: Vec<String> =
        holders.iter().map(|h| format!("process {} ({} cpus, {}: {})", h.pid, h.cpus, gibibytes(h.memory), h.action)).collect();
    format!("{action}: waiting for {cpus} cpus and {} held by {}", gibibytes(memory), told.join(", "))
}

fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}

/// The peak memory of what failed, against what it may hold.
fn budget(peak: u64, memory: u64) -> String {
    if peak == 0 { String::new() } else { format!("\n    peak memory: {} MB of {}", peak / 1_000_000, gibibytes(memory)) }
}

/// A check that has passed, with what it measured.
fn passed(action: &str, result: &CheckResult) -> String {
    let value = if result.value.is_null() { String::new() } else { format!(" ({})", result.value) };
    format!("{action}: check `{}` passed: {}{value}", result.check, result.kind)
}

fn published(action: &str, seconds: f64, peak: u64, metadata: &Map<String, Value>) -> String {
    let rows = metadata.get("rows").and_then(Value::as_u64).map_or(String::new(), |n| format!(", {} rows", thousands(n)));
    let peak = if peak > 0 { format!(", peak {} MB", peak / 1_000_000) } else { String::new() };
    format!("{action}: built in {seconds:.2} s{rows}{peak}")
}

fn finished(summary: &Summary) -> String {
    let Summary { built, fresh, orphaned, drifted, failed, skipped, blocked, retried, seconds } = summary;
    if built + orphaned + drifted + failed + skipped + blocked == 0 {
        return format!("nothing to do: {fresh} actions are fresh ({seconds:.2} s)");
    }
    let counts = [
        (built, "built"),
        (fresh, "fresh"),
        (orphaned, "orphaned"),
        (drifted, "drifted"),
        (failed, "failed"),
        (skipped, "skipped"),
        (blocked, "waiting for input"),
        (retried, "retried"),
    ];
    let told: Vec<String> = counts.iter().filter(|(n, _)| **n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    let nothing = if built + failed + skipped == 0 { "nothing to do: " } else { "" };
    format!("{nothing}{} in {seconds:.2} s", told.join(", "))
}

/// `1234567` as `1,234,567`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Writes the lines as they come, and a sign of life every so often.
pub struct Plain {
    lines: Lines,
    start: Instant,
    alive: Arc<Mutex<Alive>>,
    _ticker: Option<Ticker>,
}

impl Plain {
    pub fn new(lines: Lines) -> Self {
        let (start, alive) = (Instant::now(), Arc::new(Mutex::new(Alive::default())));
        let watched = alive.clone();
        let tick =
            move || watched.lock().expect("no thread panics while it tells").lines(start.elapsed()).iter().for_each(|line| write(line));
        let ticker = (!lines.quiet).then(|| Ticker::start(Duration::from_secs(1), tick));
        Self { lines, start, alive, _ticker: ticker }
    }
}

/// If nobody listens, the build goes on.
pub fn write(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

impl Sink for Plain {
    fn event(&self, event: &Event) {
        self.alive.lock().expect("no thread panics while it tells").heard(event, self.start.elapsed());
        if let Some(line) = self.lines.of(event) {
            write(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_do_is_said() {
        let lines = Lines { explain: false, verbose: false, quiet: false, named: true };
        let summary = Summary { fresh: 7, seconds: 0.05, ..Summary::default() };
        assert_eq!(lines.of(&Event::Finished(summary)).unwrap(), "nothing to do: 7 actions are fresh (0.05 s)");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([7, 1234, 1234567].map(thousands), ["7", "1,234", "1,234,567"]);
    }
}
