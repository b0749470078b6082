//! The course of what is under way: how far, how fast, how long it will take, in words.
//!
//! Pure: the time is handed in. Invariant: a rate is that of the step that is going on, so that a quick step before it promises nothing.

use crate::engine::event::Event;
use crate::engine::execute::Unit;
use std::time::Duration;

/// Before so much of a step has passed, its rate says nothing.
const SETTLED: Duration = Duration::from_millis(500);

/// How far one action is.
#[derive(Debug, Clone)]
pub struct Course {
    started: Duration,
    attempt: u64,
    step: Option<Step>,
    /// The last line of a program that it runs.
    said: Option<String>,
}

/// What it does now.
#[derive(Debug, Clone)]
struct Step {
    message: String,
    since: Duration,
    /// How far it was when it began.
    from: u64,
    done: u64,
    total: u64,
    unit: Unit,
}

impl Course {
    pub fn new(started: Duration, attempt: u64) -> Self {
        Self { started, attempt, step: None, said: None }
    }

    /// Takes in what an action says.
    pub fn heard(&mut self, event: &Event, now: Duration) {
        match event {
            Event::Progress { message, done, total, unit, .. } => {
                let same = self.step.take().filter(|s| s.unit == *unit && *unit != Unit::Steps && s.message == *message && s.done <= *done);
                let (since, from) = same.map_or((now, *done), |s| (s.since, s.from));
                self.step = Some(Step { message: message.clone(), since, from, done: *done, total: *total, unit: *unit });
            }
            Event::Said { line, .. } if !line.trim().is_empty() => self.said = Some(line.trim().to_string()),
            _ => {}
        }
    }

    /// What part of its step is done, where that is known.
    pub fn share(&self) -> Option<f64> {
        let step = self.step.as_ref().filter(|step| step.total > 0)?;
        Some((step.done as f64 / step.total as f64).min(1.0))
    }

    pub fn elapsed(&self, now: Duration) -> Duration {
        now.saturating_sub(self.started)
    }

    /// Time, share, amount, rate, time left, step: what matters most first, for a line may be cut.
    pub fn text(&self, now: Duration) -> String {
        let mut parts = vec![short(self.elapsed(now))];
        parts.extend(self.share().map(|share| format!("{:.0}%", share * 100.0)));
        if let Some(step) = &self.step {
            parts.extend(step.amount());
            parts.extend(step.rate(now).map(|rate| format!("{}/s", step.unit_text(rate as u64))));
            parts.extend(step.left(now).map(|left| format!("{} left", short(left))));
            parts.push(step.message.clone());
        }
        parts.extend(self.said.clone());
        if self.attempt > 1 {
            parts.push(format!("attempt {}", self.attempt));
        }
        parts.join(" · ")
    }
}

impl Step {
    fn amount(&self) -> Option<String> {
        match (self.unit, self.total) {
            (Unit::Steps, 0) => None,
            (Unit::Steps, total) => Some(format!("step {} of {total}", (self.done + 1).min(total))),
            (_, 0) if self.done == 0 => None,
            (unit, 0) => Some(with_unit(count(unit, self.done), unit)),
            (unit, total) => Some(with_unit(format!("{} of {}", count(unit, self.done), count(unit, total)), unit)),
        }
    }

    fn unit_text(&self, amount: u64) -> String {
        with_unit(count(self.unit, amount), self.unit)
    }

    /// In units a second.
    fn rate(&self, now: Duration) -> Option<f64> {
        let time = now.saturating_sub(self.since);
        let is_told = self.unit != Unit::Steps && self.done > self.from && time >= SETTLED;
        is_told.then(|| (self.done - self.from) as f64 / time.as_secs_f64())
    }

    fn left(&self, now: Duration) -> Option<Duration> {
        let rate = self.rate(now)?;
        let left = self.total.checked_sub(self.done).filter(|left| *left > 0)?;
        Some(Duration::from_secs_f64((left as f64 / rate).min(1e9)))
    }
}

fn with_unit(text: String, unit: Unit) -> String {
    if unit == Unit::Rows { format!("{text} rows") } else { text }
}

fn count(unit: Unit, amount: u64) -> String {
    let (suffixes, base) = match unit {
        Unit::Bytes => (["B", "kB", "MB", "GB", "TB"], " "),
        _ => (["", "k", "M", "G", "T"], ""),
    };
    let mut value = amount as f64;
    let mut power = 0;
    while value >= 999.5 && power < 4 {
        value /= 1000.0;
        power += 1;
    }
    let digits = if power > 0 && value < 99.95 { 1 } else { 0 };
    format!("{value:.digits$}{base}{}", suffixes[power])
}

/// How far the whole build is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Whole {
    pub settled: usize,
    pub running: usize,
    pub queued: usize,
    pub actions: usize,
    pub built: usize,
    pub failed: usize,
    /// When the first action began.
    pub since: Option<Duration>,
}

impl Whole {
    /// Takes in an event; whether it was about the whole.
    pub fn heard(&mut self, event: &Event, now: Duration) {
        match event {
            Event::Advanced { settled, running, queued, actions } => {
                (self.settled, self.running, self.queued, self.actions) = (*settled, *running, *queued, *actions);
            }
            Event::Started { .. } => self.since = self.since.or(Some(now)),
            Event::Published { .. } => self.built += 1,
            Event::Failed { .. } => self.failed += 1,
            _ => {}
        }
    }

    pub fn share(&self) -> f64 {
        self.settled as f64 / self.actions.max(1) as f64
    }

    pub fn head(&self) -> String {
        format!("{} of {} actions", self.settled, self.actions)
    }

    pub fn text(&self, now: Duration) -> String {
        let counts = [(self.running, "running"), (self.queued, "to run"), (self.built, "built"), (self.failed, "failed")];
        let elapsed = self.since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        let left = self.left(elapsed).map(|left| format!("about {} left", short(left)));
        let counts = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}"));
        std::iter::once(short(elapsed)).chain(left).chain(counts).collect::<Vec<_>>().join(" · ")
    }

    /// As if what is left took as long as what was built; told only after some of it.
    fn left(&self, elapsed: Duration) -> Option<Duration> {
        let open = self.actions.checked_sub(self.settled).filter(|open| *open > 0)?;
        let per_action = elapsed.as_secs_f64() / self.built as f64;
        (self.built >= 2 && elapsed >= SETTLED).then(|| Duration::from_secs_f64((per_action * open as f64).min(1e9)))
    }
}

/// A time in its two largest units.
pub fn short(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::action::ActionId;

    fn progress(message: &str, done: u64, total: u64, unit: Unit) -> Event {
        let action = ActionId { asset: "a".into(), op: "b".into(), key: None };
        Event::Progress { action, message: message.into(), done, total, unit }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn rate_and_time_left_are_of_the_step_that_goes_on() {
        let mut course = Course::new(at(0), 1);
        course.heard(&progress("reading", 0, 900, Unit::Rows), at(0));
        course.heard(&progress("reading", 900, 900, Unit::Rows), at(1));
        course.heard(&progress("writing", 0, 3_000_000, Unit::Rows), at(10));
        assert_eq!(course.text(at(10)), "10 s · 0% · 0 of 3.0M rows · writing");
        course.heard(&progress("writing", 1_000_000, 3_000_000, Unit::Rows), at(20));
        assert_eq!(course.text(at(20)), "20 s · 33% · 1.0M of 3.0M rows · 100k rows/s · 20 s left · writing");
        assert_eq!(course.share(), Some(1.0 / 3.0));
    }

    #[test]
    fn steps_have_no_rate_and_the_unknown_no_share() {
        let mut course = Course::new(at(0), 2);
        course.heard(&progress("rolling/likes", 3, 12, Unit::Steps), at(5));
        assert_eq!(course.text(at(90)), "1 min 30 s · 25% · step 4 of 12 · rolling/likes · attempt 2");
        course.heard(&progress("fetching", 2_500_000_000, 0, Unit::Bytes), at(91));
        assert_eq!(course.text(at(91)), "1 min 31 s · 2.5 GB · fetching · attempt 2");
    }

    #[test]
    fn the_whole_says_what_is_left() {
        let mut whole = Whole { since: Some(at(0)), built: 4, ..Whole::default() };
        whole.heard(&Event::Advanced { settled: 10, running: 2, queued: 5, actions: 20 }, at(8));
        assert_eq!(whole.text(at(8)), "8 s · about 20 s left · 2 running · 5 to run · 4 built");
        assert_eq!(short(at(3_700)), "1 h 01 min");
    }

    #[test]
    fn amounts_have_three_digits() {
        let rows = |n| count(Unit::Rows, n);
        assert_eq!([0, 999, 1_000, 12_345, 999_600, 123_456_789].map(rows), ["0", "999", "1.0k", "12.3k", "1.0M", "123M"]);
        assert_eq!(count(Unit::Bytes, 1_500), "1.5 kB");
    }
}
