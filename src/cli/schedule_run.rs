//! `daeda schedule run`: builds what is due, once, or with `--watch` as time passes.
//!
//! Invariants: one process at a time runs a schedule (a kernel lock); what is due is judged under that lock, so that of two runs the
//! second finds the work done; a watch reads the manifest anew each time, and nothing but the user ends it.

use super::args::{BuildOptions, Format, ScheduleRun};
use super::build::{build, exit_code};
use super::context::{Context, Remember};
use super::error::{CliError, code};
use super::output::say;
use super::schedule::{chosen, outline};
use crate::catalog::model::Schedule;
use crate::engine::action::ActionId;
use crate::engine::clock::{Clock, rfc3339};
use crate::engine::disk::SystemDisk;
use crate::engine::failure::Failure;
use crate::engine::lock::Lock;
use crate::query::schedules::{Outline, periods};
use crate::schedule::rest::{Outlook, Rest};
use crate::schedule::tell::{Teller, Told};
use crate::schedule::{Calendar, Standing};
use crate::workspace::{Target, Workspace};
use serde_json::json;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub fn run(context: &Context, command: &ScheduleRun) -> Result<u8, CliError> {
    context.listen();
    if command.watch {
        return watch(context, command);
    }
    look(context, command).map(|looked| looked.code)
}

/// What one look at all the schedules came to.
struct Looked {
    code: u8,
    outlook: Outlook,
}

/// Runs each schedule once.
fn look(context: &Context, command: &ScheduleRun) -> Result<Looked, CliError> {
    let workspace = context.workspace()?;
    let schedules = chosen(&workspace, &command.names)?;
    if schedules.is_empty() {
        return Err(CliError::Usage("no schedule is declared; add schedule \"…\" job=\"…\" to Daedalus.kdl".into()));
    }
    let mut looked = Looked { code: code::DONE, outlook: Outlook::default() };
    for schedule in schedules {
        let one = Turn { context, workspace: &workspace, schedule, command }.take()?;
        looked.code = worse(looked.code, one.code);
        looked.outlook = both(looked.outlook, one.outlook);
        if context.cancel.is_requested() {
            break;
        }
    }
    Ok(looked)
}

/// Where several apply: a bug, then interruption, the environment, failed work, a refusal.
fn worse(one: u8, other: u8) -> u8 {
    const ORDER: [u8; 6] = [code::BUG, code::INTERRUPTED, code::ENVIRONMENT, code::FAILED, code::REFUSED, code::WAITING];
    ORDER.into_iter().find(|code| [one, other].contains(code)).unwrap_or(code::DONE)
}

fn both(one: Outlook, other: Outlook) -> Outlook {
    let earlier = |a: Option<i64>, b: Option<i64>| [a, b].into_iter().flatten().min();
    Outlook {
        next: earlier(one.next, other.next),
        late: earlier(one.late, other.late),
        waiting: one.waiting || other.waiting,
        failed: one.failed || other.failed,
    }
}

/// Looks, rests, and looks again until the user has enough of it.
fn watch(context: &Context, command: &ScheduleRun) -> Result<u8, CliError> {
    let mut rest = Rest::default();
    let mut first = true;
    while !context.cancel.is_requested() {
        let outlook = match look(context, command) {
            Ok(looked) if looked.code == code::INTERRUPTED => return Ok(code::INTERRUPTED),
            Ok(looked) => looked.outlook,
            // What cannot even be begun is no watch.
            Err(error) if first => return Err(error),
            Err(error) => {
                error.report(context.args);
                Outlook { failed: true, ..Outlook::default() }
            }
        };
        first = false;
        pause(context, outlook.wake(), rest.after(outlook));
    }
    Ok(code::DONE)
}

/// Rests for so many milliseconds, or until a moment has come: also one that came while it was still being looked, or by a clock that
/// was set on.
fn pause(context: &Context, wake: Option<i64>, millis: i64) {
    let start = Instant::now();
    let longest = Duration::from_millis(millis.max(0) as u64);
    while !context.cancel.is_requested() && start.elapsed() < longest && wake.is_none_or(|wake| context.clock.now() < wake) {
        context.clock.sleep(Duration::from_millis(100));
    }
}

/// One schedule's turn.
struct Turn<'a> {
    context: &'a Context<'a>,
    workspace: &'a Workspace,
    schedule: &'a Schedule,
    command: &'a ScheduleRun,
}

impl Turn<'_> {
    fn take(&self) -> Result<Looked, CliError> {
        let lock = self.file("lock");
        let taken = Lock::try_take(&lock, &SystemDisk).map_err(|e| CliError::io(lock.display(), &e))?;
        let Some(_lock) = taken else {
            self.say("busy", "another process is running this schedule; nothing to do here");
            let now = self.context.clock.now();
            let next = Calendar::of(self.workspace, self.schedule, now)?.next(now).map(|(_, at)| at);
            return Ok(Looked { code: code::DONE, outlook: Outlook { waiting: true, next, ..Outlook::default() } });
        };
        let before = self.outline(&[])?;
        if let Some(missed) = before.missed_text(&self.context.program()) {
            self.say_text("missed", &missed);
        }
        let open: Vec<&Standing> = before.open().collect();
        let (code, failures) = match open.is_empty() {
            true => (code::DONE, Vec::new()),
            false => self.build(&before, &open)?,
        };
        let after = if open.is_empty() { before } else { self.outline(&failures)? };
        let code = if self.tell(&after) { code } else { worse(code, code::INTERRUPTED) };
        self.conclude(&after);
        Ok(Looked { code, outlook: outlook(&after) })
    }

    fn outline(&self, failures: &[(ActionId, Failure)]) -> Result<Outline<'_>, CliError> {
        outline(self.context, self.workspace, self.schedule, failures, Remember::Learned)
    }

    /// Builds what is open, the oldest first, and goes on after failures. Meanwhile what becomes late is told.
    fn build(&self, before: &Outline, open: &[&Standing]) -> Result<(u8, Vec<(ActionId, Failure)>), CliError> {
        self.say("due", &format!("due: {}", periods(open.iter().copied())));
        let targets: Vec<Target> = open.iter().flat_map(|standing| standing.due.targets()).collect();
        let ScheduleRun { jobs, retry_failed, replace, explain, .. } = *self.command;
        let options = BuildOptions { jobs, retry_failed, replace, explain, keep_going: true, ..BuildOptions::default() };
        let over = AtomicBool::new(false);
        let built = std::thread::scope(|scope| {
            scope.spawn(|| self.watch_deadlines(before, &over));
            let built = build(self.context, self.workspace, &targets, &options, Format::Text);
            over.store(true, Ordering::SeqCst);
            built
        });
        match built {
            Ok(ended) => Ok((exit_code(&ended, false), ended.failures)),
            // Whoever reads the log must learn of it, and the watch goes on.
            Err(CliError::Refused(text)) => {
                self.say("refused", &text);
                let first = self.context.graph(self.workspace, &targets)?.actions().last().map(|action| action.id.clone());
                Ok((code::REFUSED, first.map(|id| (id, Failure::permanent(text))).into_iter().collect()))
            }
            Err(error) => Err(error),
        }
    }

    /// A build may take longer than a deadline: what becomes late meanwhile is told when it does.
    fn watch_deadlines(&self, before: &Outline, over: &AtomicBool) {
        if self.schedule.notify.is_empty() {
            return;
        }
        let mut deadlines: Vec<i64> = before.open().filter_map(|s| s.due.deadline).filter(|at| *at > before.now).collect();
        deadlines.sort_unstable();
        for deadline in deadlines {
            while self.context.clock.now() < deadline {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                self.context.clock.sleep(Duration::from_millis(100));
            }
            let seen = outline(self.context, self.workspace, self.schedule, &[], Remember::Nothing);
            if let (Ok(seen), false) = (seen, over.load(Ordering::SeqCst)) {
                self.tell(&seen);
            }
        }
    }

    /// Tells what there is to tell; false if something was left untold because this process is to stop.
    fn tell(&self, outline: &Outline) -> bool {
        let ledger = self.file("json");
        let teller =
            Teller { schedule: self.schedule, ledger: &ledger, directory: self.workspace.root.path(), cancel: &self.context.cancel };
        let mut is_whole = true;
        for told in teller.tell(&outline.standings, self.context.clock.now()) {
            match told {
                Told::Sent(text) => self.say("told", &text),
                Told::Trouble(text) => self.warn(&text),
                Told::Stopped => is_whole = false,
            }
        }
        is_whole
    }

    /// What is left, and what comes next.
    fn conclude(&self, outline: &Outline) {
        let open: Vec<&Standing> = outline.open().collect();
        let left = match open.is_empty() {
            true => "nothing more is due".to_string(),
            false => format!("still due: {}", periods(open.into_iter())),
        };
        let next = outline.next.as_ref().map_or(String::new(), |(key, at)| format!("; next is {key}, at {}", rfc3339(*at)));
        self.say("idle", &format!("{left}{next}"));
    }

    /// A file of this schedule's, under this profile.
    fn file(&self, extension: &str) -> PathBuf {
        let profile = self.context.profile().map_or(String::new(), |profile| format!(".{profile}"));
        self.workspace.state_directory().join(format!("schedules/{}{profile}.{extension}", self.schedule.name))
    }

    fn say(&self, what: &str, text: &str) {
        self.say_text(what, &format!("{}: {text}", self.schedule.name));
    }

    fn warn(&self, text: &str) {
        match self.context.args.log_format {
            Format::Text => say(&format!("warning: {}: {text}\n", self.schedule.name)),
            Format::Json => self.log("warning", text),
        }
    }

    /// A watch says what has not changed once.
    fn say_text(&self, what: &str, text: &str) {
        let is_old = matches!(what, "idle" | "missed" | "busy") && !self.context.is_news(text);
        match self.context.args.log_format {
            _ if self.context.args.quiet || is_old => {}
            Format::Text => say(&format!("{text}\n")),
            Format::Json => self.log(what, text),
        }
    }

    fn log(&self, what: &str, text: &str) {
        let at = rfc3339(self.context.clock.now());
        say(&format!("{}\n", json!({"event": "schedule", "schedule": self.schedule.name, "at": at, "what": what, "message": text})));
    }
}

fn outlook(outline: &Outline) -> Outlook {
    let open: Vec<&Standing> = outline.open().collect();
    Outlook {
        next: outline.next.as_ref().map(|(_, at)| *at),
        late: open.iter().filter_map(|s| s.due.deadline).filter(|at| *at > outline.now).min(),
        waiting: open.iter().any(|s| s.failed.is_empty()),
        failed: open.iter().any(|s| !s.failed.is_empty()),
    }
}
