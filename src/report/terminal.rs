//! Events on a terminal: a line per running action that says where it is, and the plain lines above.

use super::plain::Lines;
use crate::engine::action::ActionId;
use crate::engine::event::{Event, Sink};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

pub struct Terminal {
    lines: Lines,
    bars: MultiProgress,
    running: Mutex<HashMap<ActionId, ProgressBar>>,
}

impl Terminal {
    pub fn new(lines: Lines) -> Self {
        Self { lines, bars: MultiProgress::new(), running: Mutex::default() }
    }

    fn start(&self, action: &ActionId) {
        let bar = self.bars.add(ProgressBar::new(0));
        let style = ProgressStyle::with_template("{spinner} {prefix}  {bar:10} {wide_msg} {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(action.to_string());
        bar.enable_steady_tick(Duration::from_millis(120));
        self.running.lock().expect("no thread panics while it draws").insert(action.clone(), bar);
    }

    fn end(&self, action: &ActionId) {
        if let Some(bar) = self.running.lock().expect("no thread panics while it draws").remove(action) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
    }

    fn advance(&self, action: &ActionId, message: &str, done: u64, total: u64) {
        if let Some(bar) = self.running.lock().expect("no thread panics while it draws").get(action) {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(message.to_string());
        }
    }
}

impl Sink for Terminal {
    fn event(&self, event: &Event) {
        match event {
            Event::Started { action, .. } => self.start(action),
            Event::Progress { action, message, done, total } => self.advance(action, message, *done, *total),
            Event::Published { action, .. } | Event::Failed { action, .. } | Event::Retrying { action, .. } => self.end(action),
            Event::Planned { .. }
            | Event::Hashing { .. }
            | Event::Judged { .. }
            | Event::Held { .. }
            | Event::Refused { .. }
            | Event::WaitingForLock { .. }
            | Event::WaitingForRoom { .. }
            | Event::Admitted { .. }
            | Event::Released { .. }
            | Event::Warned { .. }
            | Event::Said { .. }
            | Event::Checked { .. }
            | Event::Blocked { .. }
            | Event::Skipped { .. }
            | Event::Interrupted
            | Event::Finished(_) => {}
        }
        if let Some(line) = self.lines.of(event) {
            let _ = self.bars.println(line);
        }
    }
}
