//! Several consumers of the same events.

use crate::engine::action::Action;
use crate::engine::event::{Event, Phase, Sink};

/// Hands everything on to each, in order.
pub struct Several<'a>(pub Vec<&'a dyn Sink>);

impl Sink for Several<'_> {
    fn event(&self, event: &Event) {
        self.0.iter().for_each(|sink| sink.event(event));
    }

    fn phase(&self, action: &Action, phase: Phase) {
        self.0.iter().for_each(|sink| sink.phase(action, phase));
    }

    fn judging(&self, actions: usize) {
        self.0.iter().for_each(|sink| sink.judging(actions));
    }
}
