//! The table of artworks: one current row each.
//!
//! Knows nothing of events. Invariant: tags come from a stretch of the same stream in the same order, so batches may be any size.

use super::gallery::{Artwork, Gallery, MODEL_TYPES, artwork_id};
use super::people::user_id;
use super::random::{Purpose, Stream, stream};
use arrow::array::{ArrayRef, Int32Array, Int64Array, Int64Builder, ListBuilder, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use rand::RngExt;
use std::sync::Arc;

/// Tags that each taste has to itself.
const TAGS_PER_TASTE: i64 = 40;

/// Where the tags begin that go with any taste, and how many there are.
const COMMON_TAGS: i64 = 9_000;
const COMMON: i64 = 50;

/// Models of one type.
const MODELS: i64 = 30;

pub(super) fn properties_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("author_id", DataType::Int64, false),
        Field::new("model_id", DataType::Int64, false),
        Field::new("model_type", DataType::Utf8, false),
        Field::new("rating", DataType::Int32, false),
        Field::new("tack_ids", DataType::List(tag_field()), false),
        Field::new("published_at", DataType::Int64, false),
    ]))
}

fn tag_field() -> FieldRef {
    Arc::new(Field::new("element", DataType::Int64, false))
}

/// The whole gallery in batches of so many rows.
pub(super) fn properties_batches(gallery: &Gallery, seed: u64, rows: usize) -> impl Iterator<Item = Result<RecordBatch, ArrowError>> {
    let mut stream = stream(seed, Purpose::Gallery, 1);
    let mut artworks = gallery.iter().enumerate();
    std::iter::from_fn(move || {
        let chunk: Vec<_> = artworks.by_ref().take(rows).collect();
        (!chunk.is_empty()).then(|| batch(&chunk, &mut stream))
    })
}

fn batch(chunk: &[(usize, &Artwork)], stream: &mut Stream) -> Result<RecordBatch, ArrowError> {
    let artworks = || chunk.iter().map(|(_, artwork)| *artwork);
    let names = artworks().map(|artwork| MODEL_TYPES[usize::from(artwork.model_type)].0);
    let mut models = Vec::with_capacity(chunk.len());
    let mut tags = ListBuilder::new(Int64Builder::new()).with_field(tag_field());
    for artwork in artworks() {
        models.push(model_id(artwork.model_type, stream));
        tags.append_value(draw_tags(artwork.taste, stream).into_iter().map(Some));
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(chunk.iter().map(|(at, _)| artwork_id(*at)))),
        Arc::new(Int64Array::from_iter_values(artworks().map(|artwork| user_id(artwork.author as usize)))),
        Arc::new(Int64Array::from(models)),
        Arc::new(StringArray::from_iter_values(names)),
        Arc::new(Int32Array::from_iter_values(artworks().map(|artwork| artwork.rating.into()))),
        Arc::new(tags.finish()),
        Arc::new(Int64Array::from_iter_values(artworks().map(|artwork| artwork.published_at))),
    ];
    RecordBatch::try_new(properties_schema(), columns)
}

fn model_id(model_type: u8, stream: &mut Stream) -> i64 {
    (i64::from(model_type) + 1) * 1_000 + low_of(MODELS, stream)
}

/// One to six different tags, one of them perhaps common to all tastes.
fn draw_tags(taste: u8, stream: &mut Stream) -> Vec<i64> {
    let wanted = stream.random_range(1..=6);
    let mut tags = Vec::with_capacity(wanted);
    while tags.len() < wanted {
        let tag = match stream.random_ratio(1, 6) {
            true => COMMON_TAGS + low_of(COMMON, stream),
            false => (i64::from(taste) + 1) * 100 + low_of(TAGS_PER_TASTE, stream),
        };
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

/// Below `count`, small numbers more often.
fn low_of(count: i64, stream: &mut Stream) -> i64 {
    stream.random_range(0..count).min(stream.random_range(0..count)).min(stream.random_range(0..count))
}
