//! The artworks, in the order in which they were published, and draws of what a user is shown.
//!
//! Knows nothing of events. Invariants: ids grow with the time of publication; the first artwork was published before the sample
//! starts; nothing is shown before it was published.

use super::people::{People, TASTES};
use super::random::{Purpose, Stream, Wheel, stream};
use super::spec::{DAY, SampleSpec};
use rand::RngExt;
use rand_distr::{Distribution, Pareto};

/// Names and shares, out of a hundred.
pub(super) const MODEL_TYPES: [(&str, u32); 4] = [("sdxl", 55), ("dit", 25), ("sd15", 14), ("flux", 6)];

const FIRST_ID: i64 = 1_000_001;

/// How long before the start the oldest artwork was published.
const ARCHIVE: i64 = 90 * DAY;

/// Out of a hundred: published before the sample starts.
const ARCHIVED: u32 = 70;

/// What counts as new.
const FRESH: i64 = 3 * DAY;

#[derive(Debug, Clone)]
pub(super) struct Artwork {
    /// Position of a user.
    pub(super) author: u32,
    pub(super) taste: u8,
    /// Position in [`MODEL_TYPES`].
    pub(super) model_type: u8,
    pub(super) rating: u8,
    /// Ten-thousandths.
    pub(super) aes_score: u32,
    pub(super) published_at: i64,
}

/// All artworks, and wheels that draw them by popularity.
pub(super) struct Gallery {
    artworks: Vec<Artwork>,
    popularity: Wheel,
    tastes: Vec<Taste>,
}

/// The artworks of one taste.
struct Taste {
    members: Vec<u32>,
    popularity: Wheel,
}

impl Gallery {
    pub(super) fn new(spec: &SampleSpec, people: &People) -> Self {
        let mut stream = stream(spec.seed, Purpose::Gallery, 0);
        let mut artworks: Vec<Artwork> = (0..spec.artworks).map(|_| Artwork::draw(spec, people, &mut stream)).collect();
        artworks.sort_by_key(|artwork| artwork.published_at);
        if let Some(first) = artworks.first_mut() {
            first.published_at = first.published_at.min(spec.start_ms() - DAY);
        }
        let weights: Vec<f64> = artworks.iter().map(|_| zipf_like(&mut stream)).collect();
        let tastes = (0..TASTES).map(|taste| Taste::new(taste, &artworks, &weights)).collect();
        Self { artworks, popularity: Wheel::new(weights.into_iter()), tastes }
    }

    pub(super) fn get(&self, at: usize) -> &Artwork {
        &self.artworks[at]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Artwork> {
        self.artworks.iter()
    }

    /// Anything published before `time`.
    pub(super) fn popular(&self, time: i64, stream: &mut Stream) -> usize {
        self.popularity.draw_within(0, self.published_before(time), stream)
    }

    /// Something new, where there is any.
    pub(super) fn fresh(&self, time: i64, stream: &mut Stream) -> usize {
        let (old, all) = (self.published_before(time - FRESH), self.published_before(time));
        self.popularity.draw_within(if old < all { old } else { 0 }, all, stream)
    }

    /// Something of one taste, where there is any.
    pub(super) fn of_taste(&self, taste: u8, time: i64, stream: &mut Stream) -> usize {
        let Taste { members, popularity } = &self.tastes[usize::from(taste)];
        match members.partition_point(|at| self.artworks[*at as usize].published_at < time) {
            0 => self.popular(time, stream),
            high => members[popularity.draw_within(0, high, stream)] as usize,
        }
    }

    fn published_before(&self, time: i64) -> usize {
        self.artworks.partition_point(|artwork| artwork.published_at < time)
    }
}

impl Taste {
    fn new(taste: u8, artworks: &[Artwork], weights: &[f64]) -> Self {
        let members: Vec<u32> = (0..artworks.len() as u32).filter(|at| artworks[*at as usize].taste == taste).collect();
        let popularity = Wheel::new(members.iter().map(|at| weights[*at as usize]));
        Self { members, popularity }
    }
}

/// The id of the artwork at a position.
pub(super) fn artwork_id(at: usize) -> i64 {
    FIRST_ID + at as i64
}

impl Artwork {
    fn draw(spec: &SampleSpec, people: &People, stream: &mut Stream) -> Self {
        let author = people.author(stream);
        Self {
            author: author as u32,
            taste: taste_of_work(people.get(author).favourite, stream),
            model_type: model_type(stream),
            rating: rating(stream),
            aes_score: aes_score(stream),
            published_at: published_at(spec, stream),
        }
    }
}

/// Authors mostly make what they like.
fn taste_of_work(favourite: u8, stream: &mut Stream) -> u8 {
    if stream.random_ratio(2, 3) { favourite } else { stream.random_range(0..TASTES) }
}

fn model_type(stream: &mut Stream) -> u8 {
    let mut point = stream.random_range(0..100);
    for (at, (_, share)) in MODEL_TYPES.iter().enumerate() {
        if point < *share {
            return at as u8;
        }
        point -= share;
    }
    0
}

fn rating(stream: &mut Stream) -> u8 {
    match stream.random_range(0..100) {
        0..45 => 0,
        45..75 => 1,
        75..90 => 2,
        90..97 => 3,
        _ => 4,
    }
}

/// Between 2 and 8, mostly in the middle.
fn aes_score(stream: &mut Stream) -> u32 {
    20_000 + (0..3).map(|_| stream.random_range(0..=20_000)).sum::<u32>()
}

fn published_at(spec: &SampleSpec, stream: &mut Stream) -> i64 {
    if stream.random_ratio(ARCHIVED, 100) {
        spec.start_ms() - stream.random_range(1..ARCHIVE)
    } else {
        stream.random_range(spec.start_ms()..spec.end_ms())
    }
}

/// Weights whose sorted values fall off as a power of their rank.
fn zipf_like(stream: &mut Stream) -> f64 {
    Pareto::new(1.0, 1.2).map_or(1.0, |popularity| popularity.sample(stream))
}
