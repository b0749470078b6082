//! Writing the five tables of a sample into a directory.
//!
//! Knows nothing of how rows come about. Invariant: tables and days are written one after another, in a fixed order.

use super::attributes::{Attributes, Change, attributes_batch, attributes_schema};
use super::feed::{Event, Feed, Kind, feed_batch, feed_schema, likes_batch, likes_schema};
use super::file::{ROW_GROUP_ROWS, Tally, write_part};
use super::gallery::Gallery;
use super::people::People;
use super::properties::{properties_batches, properties_schema};
use super::spec::Day;
use super::vectors::Vectors;
use super::{SampleError, SampleSpec, marker};
use crate::table::lance::{self, WriteMode};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use std::path::Path;

const FEED: &str = "feed";
const ARTWORKS: &str = "artworks";
const LIKES: &str = "likes";
const USER_ATTRIBUTES: &str = "user_attributes";
const EMBEDDINGS: &str = "embeddings.lance";
/// The tables that lie by period.
pub const PARTITIONED: [&str; 3] = [FEED, LIKES, USER_ATTRIBUTES];
const TABLES: [&str; 5] = [FEED, ARTWORKS, LIKES, USER_ATTRIBUTES, EMBEDDINGS];

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleSummary {
    pub tables: Vec<TableSummary>,
}

/// What one table has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSummary {
    /// Its directory.
    pub name: &'static str,
    pub rows: u64,
    pub files: u64,
    pub bytes: u64,
}

/// Writes the sample into `directory`. Tables of an earlier sample are replaced; anything else in their place is an error.
pub fn write(directory: &Path, spec: &SampleSpec, progress: &mut dyn FnMut(&str)) -> Result<SampleSummary, SampleError> {
    spec.check()?;
    marker::claim(directory, spec, &TABLES)?;
    let people = People::new(spec);
    let gallery = Gallery::new(spec, &people);
    let mut writer = Writer { directory, spec, people: &people, gallery: &gallery, progress };
    let artworks = writer.artworks()?;
    let (feed, likes) = writer.feed_and_likes()?;
    let attributes = writer.attributes()?;
    let embeddings = writer.embeddings()?;
    marker::complete(directory, spec, &TABLES)?;
    let tallies = [(FEED, feed), (ARTWORKS, artworks), (LIKES, likes), (USER_ATTRIBUTES, attributes), (EMBEDDINGS, embeddings)];
    Ok(SampleSummary { tables: tallies.into_iter().map(TableSummary::from).collect() })
}

impl From<(&'static str, Tally)> for TableSummary {
    fn from((name, Tally { rows, files, bytes }): (&'static str, Tally)) -> Self {
        Self { name, rows, files, bytes }
    }
}

struct Writer<'a> {
    directory: &'a Path,
    spec: &'a SampleSpec,
    people: &'a People,
    gallery: &'a Gallery,
    progress: &'a mut dyn FnMut(&str),
}

impl Writer<'_> {
    fn artworks(&mut self) -> Result<Tally, SampleError> {
        let batches = properties_batches(self.gallery, self.spec.seed, ROW_GROUP_ROWS);
        let tally = write_part(&self.directory.join(ARTWORKS), properties_schema(), batches)?;
        (self.progress)(&format!("{ARTWORKS}: {} rows", tally.rows));
        Ok(tally)
    }

    fn feed_and_likes(&mut self) -> Result<(Tally, Tally), SampleError> {
        let source = Feed::new(self.spec, self.people, self.gallery);
        let (mut feed, mut likes) = (Tally::default(), Tally::default());
        for day in self.spec.days() {
            let events = source.day(&day);
            feed += self.feed_day(&day, &events)?;
            likes += self.likes_day(&day, &events)?;
        }
        Ok((feed, likes))
    }

    fn feed_day(&mut self, day: &Day, events: &[Event]) -> Result<Tally, SampleError> {
        let batch = |chunk: &[Event]| feed_batch(chunk, self.people, self.gallery);
        let tally = self.parts(FEED, day, events, Event::at, &feed_schema(), &batch)?;
        (self.progress)(&format!("{FEED} {}: {} rows", day.date, tally.rows));
        Ok(tally)
    }

    fn likes_day(&self, day: &Day, events: &[Event]) -> Result<Tally, SampleError> {
        let likes: Vec<Event> = events.iter().filter(|event| event.kind == Kind::Like).copied().collect();
        self.parts(LIKES, day, &likes, Event::at, &likes_schema(), &likes_batch)
    }

    fn attributes(&mut self) -> Result<Tally, SampleError> {
        let mut attributes = Attributes::new(self.spec, self.people);
        let mut tally = Tally::default();
        for day in self.spec.days() {
            let changes = attributes.day(&day);
            let batch = |chunk: &[Change]| attributes_batch(chunk, self.people);
            tally += self.parts(USER_ATTRIBUTES, &day, &changes, Change::at, &attributes_schema(), &batch)?;
        }
        (self.progress)(&format!("{USER_ATTRIBUTES}: {} rows", tally.rows));
        Ok(tally)
    }

    fn embeddings(&mut self) -> Result<Tally, SampleError> {
        let vectors = Vectors::new(self.spec, self.gallery);
        let (rows, path) = (vectors.remaining(), self.directory.join(EMBEDDINGS));
        (self.progress)(&format!("{EMBEDDINGS}: {rows} vectors of width {}", self.spec.dim));
        lance::write(&path, vectors.schema(), vectors, WriteMode::Create)?;
        Ok(Tally { rows, ..sizes(&path) })
    }

    /// A day of a table, whose rows are in order of time: in one file, or in one for each of its hours, empty ones included.
    fn parts<T>(
        &self,
        table: &str,
        day: &Day,
        rows: &[T],
        at: fn(&T) -> i64,
        schema: &SchemaRef,
        batch: &dyn Fn(&[T]) -> Result<RecordBatch, ArrowError>,
    ) -> Result<Tally, SampleError> {
        let is_hourly = self.spec.hourly.iter().any(|hourly| hourly == table);
        let parts = if is_hourly { day.hours() } else { vec![(day.partition(), day.last_ms())] };
        let (mut tally, mut from) = (Tally::default(), 0);
        for (partition, last) in parts {
            let end = rows.partition_point(|row| at(row) <= last);
            let directory = self.directory.join(table).join(partition);
            tally += write_part(&directory, schema.clone(), rows[from..end].chunks(ROW_GROUP_ROWS).map(batch))?;
            from = end;
        }
        Ok(tally)
    }
}

/// The files below a directory.
fn sizes(directory: &Path) -> Tally {
    let entries = walkdir::WalkDir::new(directory).into_iter().filter_map(Result::ok);
    let sizes = entries.filter_map(|entry| entry.metadata().ok()).filter(|entry| entry.is_file()).map(|entry| entry.len());
    sizes.fold(Tally::default(), |tally, bytes| Tally { files: tally.files + 1, bytes: tally.bytes + bytes, ..tally })
}
