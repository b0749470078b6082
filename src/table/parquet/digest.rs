//! Digests of a file's columns: of each read column its path, type, codec, encodings, value counts and chunk bytes per row group.
//!
//! Not in a digest: offsets, statistics, file metadata, other columns. So a column that nobody reads can be added or rewritten, and a
//! file can be touched or copied, without a digest changing.

use super::error::TableError;
use super::footer::{open, root_columns};
use crate::digest::file::{self, Meter, PIECE};
use crate::digest::{Digest, Hasher};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use rayon::prelude::*;
use std::fs::File;
use std::path::Path;

/// The digests of the wanted root columns of a file, in their order.
pub fn column_digests(path: &Path, wanted: &[String], meter: &Meter) -> Result<Vec<Digest>, TableError> {
    let (file, metadata) = open(path)?;
    let fields = metadata.file_metadata().schema().get_fields();
    if let Some(column) = wanted.iter().find(|column| !fields.iter().any(|f| f.name() == *column)) {
        return Err(TableError::NoSuchColumn { path: path.into(), column: column.clone(), known: root_columns(&metadata) });
    }
    let columns: Vec<Vec<Chunk>> = wanted.iter().map(|column| chunks(&metadata, column)).collect();
    let bytes = chunk_digests(&file, &columns, meter).map_err(|e| TableError::io(path, e))?;
    let mut bytes = bytes.into_iter();
    Ok(wanted.iter().zip(&columns).map(|(column, chunks)| column_digest(&metadata, column, chunks, &mut bytes)).collect())
}

/// A chunk of a column, with the number of its row group.
type Chunk<'a> = (usize, &'a ColumnChunkMetaData);

fn chunks<'a>(metadata: &'a ParquetMetaData, root: &str) -> Vec<Chunk<'a>> {
    let is_of = |chunk: &&ColumnChunkMetaData| chunk.column_path().parts()[0] == root;
    let groups = metadata.row_groups().iter().enumerate();
    groups.flat_map(|(number, group)| group.columns().iter().filter(is_of).map(move |chunk| (number, chunk))).collect()
}

/// The digests of all chunks, in order. What is small is not worth waking other threads for.
fn chunk_digests(file: &File, columns: &[Vec<Chunk>], meter: &Meter) -> std::io::Result<Vec<Digest>> {
    let ranges: Vec<(u64, u64)> = columns.iter().flatten().map(|(_, chunk)| chunk.byte_range()).collect();
    let total = ranges.iter().map(|(_, length)| length).sum();
    meter.expect(total);
    let digest = |(start, length): &(u64, u64)| file::range(file, *start, *length, meter);
    if total <= PIECE { ranges.iter().map(digest).collect() } else { ranges.par_iter().map(digest).collect() }
}

fn column_digest(metadata: &ParquetMetaData, root: &str, chunks: &[Chunk], bytes: &mut impl Iterator<Item = Digest>) -> Digest {
    let mut hasher = Hasher::new("column");
    let mut chunks = chunks.iter().peekable();
    for (number, group) in metadata.row_groups().iter().enumerate() {
        hasher.number("row group", number as u64).number("rows", group.num_rows() as u64);
        while let Some((_, chunk)) = chunks.next_if(|(of, _)| *of == number) {
            describe(&mut hasher, chunk);
            hasher.digest("bytes", &bytes.next().expect("a digest for each chunk"));
        }
    }
    // A file without row groups still has a type.
    for leaf in metadata.file_metadata().schema_descr().columns().iter().filter(|c| c.path().parts()[0] == root) {
        hasher.text("leaf", &leaf.path().string()).text("physical", &leaf.physical_type().to_string());
        hasher.text("logical", &logical_type(leaf));
    }
    hasher.finish()
}

/// The logical type in our own words.
fn logical_type(leaf: &parquet::schema::types::ColumnDescriptor) -> String {
    use parquet::basic::{LogicalType, TimeUnit};
    let unit = |u: TimeUnit| match u {
        TimeUnit::MILLIS => "ms",
        TimeUnit::MICROS => "us",
        TimeUnit::NANOS => "ns",
    };
    let logical = match leaf.logical_type_ref() {
        Some(LogicalType::String) => "string".to_string(),
        Some(LogicalType::Date) => "date".to_string(),
        Some(LogicalType::Timestamp { is_adjusted_to_u_t_c, unit: u }) => format!("timestamp {} utc={is_adjusted_to_u_t_c}", unit(*u)),
        Some(LogicalType::Time { is_adjusted_to_u_t_c, unit: u }) => format!("time {} utc={is_adjusted_to_u_t_c}", unit(*u)),
        Some(LogicalType::Integer { bit_width, is_signed }) => format!("int{bit_width} signed={is_signed}"),
        Some(LogicalType::Decimal { scale, precision }) => format!("decimal {precision},{scale}"),
        Some(LogicalType::Float16) => "float16".to_string(),
        Some(_) => "other".to_string(),
        None => "none".to_string(),
    };
    format!("{logical} max_def={} max_rep={} length={}", leaf.max_def_level(), leaf.max_rep_level(), leaf.type_length())
}

fn describe(hasher: &mut Hasher, chunk: &ColumnChunkMetaData) {
    let mut encodings: Vec<i32> = chunk.encodings().map(|e| e as i32).collect();
    encodings.sort_unstable();
    let encodings: Vec<u8> = encodings.into_iter().flat_map(i32::to_le_bytes).collect();
    hasher
        .text("path", &chunk.column_path().string())
        .text("codec", codec(chunk))
        .part("encodings", &encodings)
        .number("values", chunk.num_values() as u64);
}

fn codec(chunk: &ColumnChunkMetaData) -> &'static str {
    use parquet::basic::Compression::*;
    match chunk.compression() {
        UNCOMPRESSED => "none",
        SNAPPY => "snappy",
        GZIP(_) => "gzip",
        LZO => "lzo",
        BROTLI(_) => "brotli",
        LZ4 => "lz4",
        ZSTD(_) => "zstd",
        LZ4_RAW => "lz4_raw",
    }
}
