//! The feed: what users are shown and what they do about it, day by day.
//!
//! Knows nothing of files. Invariants: a day's events are in order of time and lie within the day; an artwork appears only after its
//! publication; a like follows a view of the same artwork in the same session.

use super::gallery::{Artwork, Gallery, artwork_id};
use super::people::{CLIENTS, People, User, user_id};
use super::random::{Purpose, Stream, Wheel, stream};
use super::sessions::{Mood, Session, hours};
use super::spec::{Day, SampleSpec};
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use rand::RngExt;
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    View,
    Like,
    Dislike,
    Download,
    Share,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Like => "like",
            Self::Dislike => "dislike_click",
            Self::Download => "download",
            Self::Share => "share",
        }
    }
}

/// One row of the feed. `user` and `artwork` are positions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    pub(super) kind: Kind,
    user: u32,
    artwork: u32,
    timestamp: i64,
    session: Option<i64>,
    /// Milliseconds since the view.
    dwell: u32,
}

/// The source of days.
pub(super) struct Feed<'a> {
    spec: &'a SampleSpec,
    people: &'a People,
    gallery: &'a Gallery,
    hours: Wheel,
}

impl<'a> Feed<'a> {
    pub(super) fn new(spec: &'a SampleSpec, people: &'a People, gallery: &'a Gallery) -> Self {
        Self { spec, people, gallery, hours: hours() }
    }

    /// As many events as the spec says; the day's last drawn session may be cut short.
    pub(super) fn day(&self, day: &Day) -> Vec<Event> {
        let mut stream = stream(self.spec.seed, Purpose::Feed, day.number);
        let wanted = self.spec.events_per_day as usize;
        let mut events = Vec::with_capacity(wanted);
        for number in 1.. {
            if events.len() >= wanted {
                break;
            }
            let session = Session::draw(day, number, self.people, &self.hours, &mut stream);
            self.visit(&session, &mut events, &mut stream);
        }
        events.truncate(wanted);
        events.sort_by_key(|event| event.timestamp);
        events
    }

    fn visit(&self, session: &Session, events: &mut Vec<Event>, stream: &mut Stream) {
        let user = self.people.get(session.user);
        let favoured = stream.random_range(0..session.views.len());
        for (at, time) in session.views.iter().enumerate() {
            let artwork = self.shown(user, *time, stream);
            let likes = match session.mood {
                Mood::Looking => false,
                Mood::Single => at == favoured,
                Mood::Liking => happens(like_chance(user, self.gallery.get(artwork)), stream),
            };
            let view = Event {
                kind: Kind::View,
                user: session.user as u32,
                artwork: artwork as u32,
                timestamp: *time,
                session: session.id,
                dwell: 0,
            };
            events.push(view);
            self.react(user, &view, likes, events, stream);
        }
    }

    /// What the recommender picks: by taste, new, or popular.
    fn shown(&self, user: &User, time: i64, stream: &mut Stream) -> usize {
        match stream.random_range(0..100) {
            0..40 => self.gallery.of_taste(user.favourite, time, stream),
            40..55 => self.gallery.of_taste(user.second, time, stream),
            55..75 => self.gallery.fresh(time, stream),
            _ => self.gallery.popular(time, stream),
        }
    }

    fn react(&self, user: &User, view: &Event, likes: bool, events: &mut Vec<Event>, stream: &mut Stream) {
        let disliked = affinity(user, self.gallery.get(view.artwork as usize)) == Affinity::None;
        if likes {
            let like = view.followed(Kind::Like, 1_000..12_000, stream);
            events.push(like);
            let further = [(Kind::Download, 0.15), (Kind::Share, 0.05)];
            let further = further.into_iter().filter(|(_, chance)| happens(*chance, stream)).map(|(kind, _)| kind);
            let kinds: Vec<Kind> = further.collect();
            events.extend(kinds.into_iter().map(|kind| like.followed(kind, 500..12_000, stream)));
        } else if happens(if disliked { 0.06 } else { 0.01 }, stream) {
            events.push(view.followed(Kind::Dislike, 500..12_000, stream));
        } else if happens(0.02, stream) {
            events.push(view.followed(Kind::Download, 2_000..20_000, stream));
        }
    }
}

impl Event {
    pub(super) fn at(&self) -> i64 {
        self.timestamp
    }

    fn followed(&self, kind: Kind, after: std::ops::Range<u32>, stream: &mut Stream) -> Self {
        let pause = stream.random_range(after);
        Self { kind, timestamp: self.timestamp + i64::from(pause), dwell: self.dwell + pause, ..*self }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Affinity {
    Favourite,
    Second,
    None,
}

fn affinity(user: &User, artwork: &Artwork) -> Affinity {
    match artwork.taste {
        taste if taste == user.favourite => Affinity::Favourite,
        taste if taste == user.second => Affinity::Second,
        _ => Affinity::None,
    }
}

fn like_chance(user: &User, artwork: &Artwork) -> f64 {
    let taste = match affinity(user, artwork) {
        Affinity::Favourite => 0.30,
        Affinity::Second => 0.18,
        Affinity::None => 0.03,
    };
    taste * user.warmth * f64::from(artwork.aes_score) / 50_000.0
}

fn happens(chance: f64, stream: &mut Stream) -> bool {
    f64::from(stream.random_range(0..1_000_000_u32)) < chance * 1_000_000.0
}

/// `client` is read by no view of the example: a column that may change without consequences.
pub(super) fn feed_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("user_id", DataType::Int64, false),
        Field::new("artwork_id", DataType::Int64, false),
        Field::new("event", DataType::Utf8, false),
        Field::new("event_timestamp", DataType::Int64, false),
        Field::new("feed_session", DataType::Int64, true),
        Field::new("aes_score", DataType::Float64, false),
        Field::new("client", DataType::Utf8, false),
    ]))
}

pub(super) fn feed_batch(events: &[Event], people: &People, gallery: &Gallery) -> Result<RecordBatch, ArrowError> {
    let scores = events.iter().map(|event| f64::from(gallery.get(event.artwork as usize).aes_score) / 10_000.0);
    let clients = events.iter().map(|event| CLIENTS[usize::from(people.get(event.user as usize).client)]);
    let columns: Vec<ArrayRef> = vec![
        users(events.iter()),
        artworks(events.iter()),
        Arc::new(StringArray::from_iter_values(events.iter().map(|event| event.kind.name()))),
        times(events.iter()),
        Arc::new(Int64Array::from_iter(events.iter().map(|event| event.session))),
        Arc::new(Float64Array::from_iter_values(scores)),
        Arc::new(StringArray::from_iter_values(clients)),
    ];
    RecordBatch::try_new(feed_schema(), columns)
}

pub(super) fn likes_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("user_id", DataType::Int64, false),
        Field::new("artwork_id", DataType::Int64, false),
        Field::new("liked_at", DataType::Int64, false),
        Field::new("weight", DataType::Float64, false),
    ]))
}

/// A like weighs more the longer the artwork was looked at: 1, and a hundredth for each tenth of a second.
pub(super) fn likes_batch(likes: &[Event]) -> Result<RecordBatch, ArrowError> {
    let weights = likes.iter().map(|like| f64::from(100 + like.dwell / 100) / 100.0);
    let weights: ArrayRef = Arc::new(Float64Array::from_iter_values(weights));
    let columns = vec![users(likes.iter()), artworks(likes.iter()), times(likes.iter()), weights];
    RecordBatch::try_new(likes_schema(), columns)
}

fn users<'a>(events: impl Iterator<Item = &'a Event>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(events.map(|event| user_id(event.user as usize))))
}

fn artworks<'a>(events: impl Iterator<Item = &'a Event>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(events.map(|event| artwork_id(event.artwork as usize))))
}

fn times<'a>(events: impl Iterator<Item = &'a Event>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(events.map(|event| event.timestamp)))
}
