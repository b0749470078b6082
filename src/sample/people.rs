//! The users: how active they are, what they like, what they pay.
//!
//! Knows nothing of artworks. Invariant: users are numbered from 0 here; their ids start at [`FIRST_ID`].

use super::random::{Purpose, Stream, Wheel, stream};
use super::spec::{DAY, SampleSpec};
use rand::RngExt;
use rand_distr::{Distribution, LogNormal};

/// Clusters of taste: of users, artworks, tags and vectors.
pub(super) const TASTES: u8 = 24;

pub(super) const CLIENTS: [&str; 3] = ["web", "ios", "android"];

const FIRST_ID: i64 = 10_001;

/// Users have registered in the three years before the sample starts.
const REGISTERED_WITHIN: i64 = 3 * 365 * DAY;

/// Out of a hundred: who publishes at all.
const AUTHORS: u32 = 20;

#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) favourite: u8,
    pub(super) second: u8,
    /// How readily this user likes; 1 is usual.
    pub(super) warmth: f64,
    pub(super) client: u8,
    /// As at the start.
    pub(super) membership: Membership,
    pub(super) registered_at: i64,
    activity: f64,
    author: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Membership {
    Free,
    Plus,
    Pro,
}

impl Membership {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Plus => "plus",
            Self::Pro => "pro",
        }
    }

    pub(super) fn draw(stream: &mut Stream) -> Self {
        match stream.random_range(0..100) {
            0..78 => Self::Free,
            78..94 => Self::Plus,
            _ => Self::Pro,
        }
    }

    /// What a change brings: mostly one step up, else back to free.
    pub(super) fn changed(self, stream: &mut Stream) -> Self {
        match self {
            Self::Free if stream.random_ratio(4, 5) => Self::Plus,
            Self::Free => Self::Pro,
            Self::Plus if stream.random_ratio(1, 2) => Self::Pro,
            Self::Plus | Self::Pro => Self::Free,
        }
    }
}

/// All users, and wheels that draw them by activity.
pub(super) struct People {
    users: Vec<User>,
    visitors: Wheel,
    authors: Wheel,
    /// Positions of the authors, as the wheel numbers them.
    publishing: Vec<u32>,
}

impl People {
    pub(super) fn new(spec: &SampleSpec) -> Self {
        let mut stream = stream(spec.seed, Purpose::People, 0);
        let mut users: Vec<User> = (0..spec.users).map(|_| User::draw(spec, &mut stream)).collect();
        if let Some(first) = users.first_mut() {
            first.author = true;
        }
        let publishing: Vec<u32> = (0..spec.users).filter(|at| users[*at as usize].author).collect();
        let visitors = Wheel::new(users.iter().map(|user| user.activity));
        let authors = Wheel::new(publishing.iter().map(|at| users[*at as usize].activity));
        Self { users, visitors, authors, publishing }
    }

    pub(super) fn len(&self) -> usize {
        self.users.len()
    }

    pub(super) fn get(&self, at: usize) -> &User {
        &self.users[at]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &User> {
        self.users.iter()
    }

    pub(super) fn visitor(&self, stream: &mut Stream) -> usize {
        self.visitors.draw(stream)
    }

    pub(super) fn author(&self, stream: &mut Stream) -> usize {
        self.publishing[self.authors.draw(stream)] as usize
    }
}

/// The id of the user at a position.
pub(super) fn user_id(at: usize) -> i64 {
    FIRST_ID + at as i64
}

impl User {
    fn draw(spec: &SampleSpec, stream: &mut Stream) -> Self {
        Self {
            favourite: stream.random_range(0..TASTES),
            second: stream.random_range(0..TASTES),
            warmth: f64::from(stream.random_range(30..170)) / 100.0,
            client: stream.random_range(0..CLIENTS.len() as u8),
            membership: Membership::draw(stream),
            registered_at: spec.start_ms() - stream.random_range(1..REGISTERED_WITHIN),
            activity: long_tailed(stream),
            author: stream.random_ratio(AUTHORS, 100),
        }
    }
}

/// A median of 1, one in a hundred above 16.
fn long_tailed(stream: &mut Stream) -> f64 {
    LogNormal::new(0.0, 1.2).map_or(1.0, |activity| activity.sample(stream))
}
