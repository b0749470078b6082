//! Visits: who comes when, for how long, under which session id.
//!
//! Knows nothing of what happens during a visit. Invariant: a session and what follows on its last view end within its day.

use super::people::People;
use super::random::{Stream, Wheel};
use super::spec::{DAY, Day, MINUTE};
use rand::RngExt;

const HOUR: i64 = 60 * MINUTE;

/// The longest that a reaction comes after its view.
pub(super) const AFTERMATH: i64 = 25_000;

/// Visits by hour: a quiet night, a lunch break, an evening.
const HOURS: [u8; 24] = [5, 3, 2, 1, 1, 2, 4, 7, 9, 9, 9, 10, 13, 11, 9, 9, 10, 12, 15, 18, 20, 18, 14, 9];

/// Out of a hundred: sessions that an old client did not number.
const UNNUMBERED: u32 = 3;

/// How a visitor behaves this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// Likes nothing.
    Looking,
    /// Likes one thing, whatever it is.
    Single,
    /// Likes by taste.
    Liking,
}

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) id: Option<i64>,
    /// Position of the user.
    pub(super) user: usize,
    pub(super) mood: Mood,
    /// When something is shown, in order.
    pub(super) views: Vec<i64>,
}

/// The hours of a day, by how many come.
pub(super) fn hours() -> Wheel {
    Wheel::new(HOURS.iter().map(|weight| f64::from(*weight)))
}

impl Session {
    /// The `number`th session of the day.
    pub(super) fn draw(day: &Day, number: i64, people: &People, hours: &Wheel, stream: &mut Stream) -> Self {
        let user = people.visitor(stream);
        let numbered = !stream.random_ratio(UNNUMBERED, 100);
        let length = length(stream);
        let start = start(day, length, hours, stream);
        Self {
            id: numbered.then_some(day.start / DAY * 100_000_000 + number),
            user,
            mood: mood(stream),
            views: views(start, length, stream),
        }
    }
}

/// One to thirty minutes, mostly short.
fn length(stream: &mut Stream) -> i64 {
    let skew = stream.random_range(0..=1_000);
    MINUTE + skew * skew * 29 * MINUTE / 1_000_000
}

fn start(day: &Day, length: i64, hours: &Wheel, stream: &mut Stream) -> i64 {
    let into = hours.draw(stream) as i64 * HOUR + stream.random_range(0..HOUR);
    day.start + into.min(DAY - 1 - length)
}

fn mood(stream: &mut Stream) -> Mood {
    match stream.random_range(0..100) {
        0..25 => Mood::Looking,
        25..38 => Mood::Single,
        _ => Mood::Liking,
    }
}

/// About one a minute; some visitors leaf faster.
fn views(start: i64, length: i64, stream: &mut Stream) -> Vec<i64> {
    let count = 1 + stream.random_range(0..=2 * length / MINUTE);
    let mut views: Vec<i64> = (0..count).map(|_| start + stream.random_range(0..length - AFTERMATH)).collect();
    views.sort_unstable();
    views
}
