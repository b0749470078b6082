//! Digests of a file's columns: of each read column its path, type, codec, encodings, value counts and chunk bytes per row group.
//!
//! Not in a digest: offsets, statistics, file metadata, other columns. So a column that nobody reads can be added or rewritten, and a
//! file can be touched or copied, without a digest changing.

use super::error::TableError;
use super::footer::{open, root_columns};
use crate::digest::{Digest, Hasher};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Digest by root column.
pub type Columns = BTreeMap<String, Digest>;

/// The digests of the wanted root columns of a file.
pub fn column_digests(path: &Path, wanted: &[String]) -> Result<Columns, TableError> {
    let (file, metadata) = open(path)?;
    let known = root_columns(&metadata);
    if let Some(column) = wanted.iter().find(|c| !known.contains(c)) {
        return Err(TableError::NoSuchColumn { path: path.into(), column: column.clone(), known });
    }
    let digests: Result<Vec<(String, Digest)>, TableError> =
        wanted.par_iter().map(|column| Ok((column.clone(), column_digest(path, &file, &metadata, column)?))).collect();
    Ok(digests?.into_iter().collect())
}

fn column_digest(path: &Path, file: &File, metadata: &ParquetMetaData, root: &str) -> Result<Digest, TableError> {
    let mut hasher = Hasher::new("column");
    for (number, group) in metadata.row_groups().iter().enumerate() {
        hasher.number("row group", number as u64).number("rows", group.num_rows() as u64);
        for chunk in group.columns().iter().filter(|c| c.column_path().parts()[0] == root) {
            describe(&mut hasher, chunk);
            hasher.digest("bytes", &chunk_digest(file, chunk).map_err(|e| TableError::io(path, e))?);
        }
    }
    // A file without row groups still has a type.
    for leaf in metadata.file_metadata().schema_descr().columns().iter().filter(|c| c.path().parts()[0] == root) {
        hasher.text("leaf", &leaf.path().string()).text("physical", &leaf.physical_type().to_string());
        hasher.text("logical", &logical_type(leaf));
    }
    Ok(hasher.finish())
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

fn chunk_digest(file: &File, chunk: &ColumnChunkMetaData) -> std::io::Result<Digest> {
    const STEP: u64 = 4 << 20;
    let (start, length) = chunk.byte_range();
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; length.min(STEP) as usize];
    let mut done = 0;
    while done < length {
        let step = (length - done).min(STEP) as usize;
        file.read_exact_at(&mut buffer[..step], start + done)?;
        hasher.update(&buffer[..step]);
        done += step as u64;
    }
    Ok(Digest::from_bytes(*hasher.finalize().as_bytes()))
}
