//! Embeddings: unit vectors around the centre of each artwork's taste, for most artworks.
//!
//! Knows nothing of Lance. Invariants: batches are made when they are asked for; only sums, products and square roots are used, so
//! that the same seed gives the same bits on every machine.

use super::gallery::{Gallery, artwork_id};
use super::people::TASTES;
use super::random::{Purpose, Stream, stream};
use super::spec::SampleSpec;
use arrow::array::{ArrayRef, FixedSizeListArray, Float16Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use half::f16;
use half::slice::HalfFloatSliceExt;
use rand::{Rng, RngExt};
use std::sync::Arc;

/// Out of a hundred artworks.
const EMBEDDED: u32 = 96;

/// Length of the noise beside a centre of length 1.
const NOISE: f32 = 0.8;

const BATCH_BYTES: u32 = 4 << 20;
const MOST_ROWS: u32 = 8_192;

/// Batches of vectors, in order of artworks.
pub(super) struct Vectors {
    /// Id and taste of what is embedded.
    artworks: std::vec::IntoIter<(i64, u8)>,
    centres: Vec<Vec<f32>>,
    dim: usize,
    rows: usize,
    stream: Stream,
}

impl Vectors {
    pub(super) fn new(spec: &SampleSpec, gallery: &Gallery) -> Self {
        let mut choice = stream(spec.seed, Purpose::Embeddings, 0);
        let artworks = gallery.iter().enumerate().map(|(at, artwork)| (artwork_id(at), artwork.taste));
        let artworks: Vec<(i64, u8)> = artworks.filter(|_| choice.random_ratio(EMBEDDED, 100)).collect();
        let mut stream = stream(spec.seed, Purpose::Embeddings, 1);
        let dim = spec.dim as usize;
        let centres = (0..TASTES).map(|_| centre(dim, &mut stream)).collect();
        let rows = (BATCH_BYTES / spec.dim / 2).clamp(1, MOST_ROWS) as usize;
        Self { artworks: artworks.into_iter(), centres, dim, rows, stream }
    }

    /// Vectors still to come.
    pub(super) fn remaining(&self) -> u64 {
        self.artworks.len() as u64
    }

    pub(super) fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("artwork_id", DataType::Int64, false),
            Field::new("embedding", DataType::FixedSizeList(item(), self.dim as i32), false),
        ]))
    }

    fn batch(&mut self, chunk: &[(i64, u8)]) -> RecordBatch {
        let mut values = vec![f16::ZERO; chunk.len() * self.dim];
        for ((_, taste), value) in chunk.iter().zip(values.chunks_exact_mut(self.dim)) {
            value.convert_from_f32_slice(&around(&self.centres[usize::from(*taste)], &mut self.stream));
        }
        let vectors = FixedSizeListArray::new(item(), self.dim as i32, Arc::new(Float16Array::from(values)), None);
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(chunk.iter().map(|(id, _)| *id)));
        RecordBatch::try_new(self.schema(), vec![ids, Arc::new(vectors)]).expect("two columns of the chunk's length")
    }
}

impl Iterator for Vectors {
    type Item = RecordBatch;

    fn next(&mut self) -> Option<RecordBatch> {
        let chunk: Vec<(i64, u8)> = self.artworks.by_ref().take(self.rows).collect();
        (!chunk.is_empty()).then(|| self.batch(&chunk))
    }
}

fn item() -> FieldRef {
    Arc::new(Field::new("item", DataType::Float16, true))
}

fn centre(dim: usize, stream: &mut Stream) -> Vec<f32> {
    normalised(noise(dim, stream))
}

fn around(centre: &[f32], stream: &mut Stream) -> Vec<f32> {
    let scale = NOISE * (6.0 / centre.len() as f32).sqrt();
    let mut vector = noise(centre.len(), stream);
    for (value, centre) in vector.iter_mut().zip(centre) {
        *value = centre + scale * *value;
    }
    normalised(vector)
}

/// Values between -1 and 1, each the sum of two even draws: variance 1/6.
fn noise(dim: usize, stream: &mut Stream) -> Vec<f32> {
    let mut bytes = vec![0_u8; 2 * dim];
    stream.fill_bytes(&mut bytes);
    bytes.chunks_exact(2).map(|pair| (f32::from(pair[0]) + f32::from(pair[1]) - 255.0) / 256.0).collect()
}

/// A vector without length stays as it is.
fn normalised(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    }
    vector
}
