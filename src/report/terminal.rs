//! Events on a terminal: a bar for each running action and one for the whole build, and the plain lines above.
//!
//! Invariants: bars are drawn on a terminal only, and none is left behind; what they say is that of the course, so that a log says the same.

use super::alive::Alive;
use super::plain::Lines;
use super::ticker::Ticker;
use crate::engine::action::ActionId;
use crate::engine::event::{Event, Sink};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Positions of a bar.
const FULL: u64 = 1_000;
/// So often bars are drawn anew.
const EVERY: Duration = Duration::from_millis(200);
/// Longer names of actions are cut.
const LONGEST_NAME: usize = 44;

pub struct Terminal {
    lines: Lines,
    screen: Arc<Mutex<Screen>>,
    _ticker: Ticker,
}

struct Screen {
    start: Instant,
    bars: MultiProgress,
    alive: Alive,
    running: HashMap<ActionId, ProgressBar>,
    hashing: Option<ProgressBar>,
    whole: Option<ProgressBar>,
    style: ProgressStyle,
}

impl Terminal {
    pub fn new(lines: Lines, color: bool) -> Self {
        let screen = Arc::new(Mutex::new(Screen::new(color)));
        let drawn = screen.clone();
        let tick = move || drawn.lock().expect("no thread panics while it draws").draw();
        Self { lines, screen, _ticker: Ticker::start(EVERY, tick) }
    }

    fn screen(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().expect("no thread panics while it draws")
    }
}

impl Sink for Terminal {
    fn event(&self, event: &Event) {
        let mut screen = self.screen();
        screen.heard(event);
        let line = match event {
            // A bar says so.
            Event::Hashing { .. } => None,
            _ => self.lines.of(event),
        };
        if let Some(line) = line {
            // The bars give way: lines may be longer than the terminal is wide.
            screen.bars.suspend(|| super::plain::write(&line));
        }
    }
}

impl Screen {
    fn new(color: bool) -> Self {
        let template = if color { "{prefix:.bold} {bar:12.cyan/dim} {wide_msg}" } else { "{prefix} {bar:12} {wide_msg}" };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━━┄");
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let (alive, running) = (Alive::default(), HashMap::new());
        Self { start: Instant::now(), bars, alive, running, hashing: None, whole: None, style }
    }

    fn bar(&self) -> ProgressBar {
        let bar = ProgressBar::new(FULL).with_style(self.style.clone());
        match &self.whole {
            Some(whole) => self.bars.insert_before(whole, bar),
            None => self.bars.add(bar),
        }
    }

    fn heard(&mut self, event: &Event) {
        self.alive.heard(event, self.start.elapsed());
        match event {
            Event::Started { action, .. } => {
                if self.whole.is_none() {
                    self.whole = Some(self.bar());
                }
                let bar = self.bar();
                self.running.insert(action.clone(), bar);
                // No bar is seen without its words.
                self.draw();
            }
            Event::Published { action, .. } | Event::Failed { action, .. } | Event::Retrying { action, .. } => {
                let bar = self.running.remove(action);
                self.end(bar);
            }
            Event::Hashing { done, total } => self.hash(*done, *total),
            Event::Judged { .. } | Event::Refused { .. } => {
                let bar = self.hashing.take();
                self.end(bar);
            }
            Event::Finished(_) => self.end_all(),
            Event::Planned { .. }
            | Event::Advanced { .. }
            | Event::Progress { .. }
            | Event::Held { .. }
            | Event::WaitingForLock { .. }
            | Event::WaitingForRoom { .. }
            | Event::Admitted { .. }
            | Event::Released { .. }
            | Event::Warned { .. }
            | Event::Said { .. }
            | Event::Checked { .. }
            | Event::Blocked { .. }
            | Event::Skipped { .. }
            | Event::Interrupted => {}
        }
    }

    fn hash(&mut self, done: u64, total: u64) {
        if self.hashing.is_none() {
            self.hashing = Some(self.bar());
        }
        if let Some(bar) = &self.hashing {
            bar.set_prefix("hashing inputs");
            bar.set_position(FULL * done / total.max(1));
            bar.set_message(super::plain::hashed(done, total));
        }
    }

    fn end(&self, bar: Option<ProgressBar>) {
        if let Some(bar) = bar {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
    }

    fn end_all(&mut self) {
        let all: Vec<ProgressBar> = self.running.drain().map(|(_, bar)| bar).chain(self.hashing.take()).chain(self.whole.take()).collect();
        all.into_iter().for_each(|bar| self.end(Some(bar)));
    }

    fn draw(&mut self) {
        let now = self.start.elapsed();
        let names: HashMap<&ActionId, String> = self.running.keys().map(|id| (id, cut(&id.to_string()))).collect();
        let head = self.alive.whole().head();
        let width = names.values().map(|name| name.chars().count()).chain([head.chars().count()]).max().unwrap_or(0);
        for (action, course) in self.alive.running() {
            let Some((bar, name)) = self.running.get(action).zip(names.get(action)) else { continue };
            bar.set_prefix(format!("{name:width$}"));
            bar.set_position((course.share().unwrap_or(0.0) * FULL as f64) as u64);
            bar.set_message(course.text(now));
        }
        if let Some(bar) = &self.whole {
            bar.set_prefix(format!("{head:width$}"));
            bar.set_position((self.alive.whole().share() * FULL as f64) as u64);
            bar.set_message(self.alive.whole().text(now));
        }
    }
}

/// The end of a name says which period it is of.
fn cut(name: &str) -> String {
    let count = name.chars().count();
    if count <= LONGEST_NAME { name.to_string() } else { format!("…{}", name.chars().skip(count - LONGEST_NAME + 1).collect::<String>()) }
}
