//! Signs of life for logs: a line about what is running every so often, where nothing else is said.
//!
//! Knows nothing of where lines go. Invariant: an action that ends within [`EVERY`] is never told of.

use super::course::{Course, Whole};
use crate::engine::action::ActionId;
use crate::engine::event::Event;
use std::collections::BTreeMap;
use std::time::Duration;

/// So often an action that runs is told of.
pub const EVERY: Duration = Duration::from_secs(30);

/// What is running.
#[derive(Debug, Default)]
pub struct Alive {
    running: BTreeMap<ActionId, Watched>,
    whole: Whole,
}

#[derive(Debug)]
struct Watched {
    course: Course,
    told: Duration,
}

impl Alive {
    pub fn heard(&mut self, event: &Event, now: Duration) {
        self.whole.heard(event, now);
        match event {
            Event::Started { action, attempt } => {
                self.running.insert(action.clone(), Watched { course: Course::new(now, *attempt), told: now });
            }
            Event::Progress { action, .. } | Event::Said { action, .. } => {
                if let Some(watched) = self.running.get_mut(action) {
                    watched.course.heard(event, now);
                }
            }
            Event::Published { action, .. } | Event::Failed { action, .. } | Event::Retrying { action, .. } => {
                self.running.remove(action);
            }
            _ => {}
        }
    }

    /// The lines that are due by now: one for each action of which nothing was said for long, and one for the whole.
    pub fn lines(&mut self, now: Duration) -> Vec<String> {
        let mut lines = Vec::new();
        for (action, watched) in &mut self.running {
            if now.saturating_sub(watched.told) >= EVERY {
                watched.told = now;
                lines.push(format!("{action}: running for {}", watched.course.text(now)));
            }
        }
        if !lines.is_empty() && self.whole.actions > 1 {
            lines.push(format!("{} are settled after {}", self.whole.head(), self.whole.text(now)));
        }
        lines
    }

    pub fn running(&self) -> impl Iterator<Item = (&ActionId, &Course)> {
        self.running.iter().map(|(action, watched)| (action, &watched.course))
    }

    pub fn whole(&self) -> &Whole {
        &self.whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::execute::Unit;

    #[test]
    fn what_runs_long_is_told_of_every_so_often_and_what_ended_is_not() {
        let id = |op: &str| ActionId { asset: "a".into(), op: op.into(), key: Some("2026-02-01".into()) };
        let at = Duration::from_secs;
        let mut alive = Alive::default();
        alive.heard(&Event::Started { action: id("quick"), attempt: 1 }, at(0));
        alive.heard(&Event::Started { action: id("slow"), attempt: 1 }, at(0));
        alive.heard(&Event::Advanced { settled: 1, running: 2, queued: 3, actions: 6 }, at(0));
        alive.heard(&Event::Progress { action: id("slow"), message: "writing".into(), done: 0, total: 100, unit: Unit::Rows }, at(1));
        let metadata = Default::default();
        alive.heard(&Event::Published { action: id("quick"), seconds: 2.0, peak_memory: 0, metadata }, at(2));
        assert!(alive.lines(at(29)).is_empty());
        alive.heard(&Event::Progress { action: id("slow"), message: "writing".into(), done: 58, total: 100, unit: Unit::Rows }, at(30));
        assert_eq!(
            alive.lines(at(30)),
            [
                "a.slow@2026-02-01: running for 30 s · 58% · 58 of 100 rows · 2 rows/s · 21 s left · writing",
                "1 of 6 actions are settled after 30 s · 2 running · 3 to run · 1 built"
            ]
        );
        assert!(alive.lines(at(59)).is_empty());
        assert_eq!(alive.lines(at(60)).len(), 2);
    }
}
