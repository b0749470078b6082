//! A row group while it is encoded: its columns in parallel, in memory until the group is full.
//!
//! Knows nothing of files beyond the one it is appended to. Invariant: a group's bytes follow from its rows and the chunks they come in.

use super::vectors::{VectorChunk, VectorWriter, is_writable};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::errors::Result;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use rayon::prelude::*;
use std::io::Write;

/// The row group that is being encoded: the writers of each root column.
pub struct RowGroup {
    columns: Vec<ColumnEncoder>,
    rows: u64,
}

/// Vectors are encoded by ourselves, everything else by arrow-rs, a writer per leaf.
enum ColumnEncoder {
    Vectors(Box<VectorWriter>),
    Leaves(Vec<ArrowColumnWriter>),
}

enum ColumnChunk {
    Vectors(Box<VectorChunk>),
    Leaves(Vec<ArrowColumnChunk>),
}

impl RowGroup {
    /// Starts the next row group of a file.
    pub fn begin<W: Write + Send>(
        file: &SerializedFileWriter<W>,
        factory: &ArrowRowGroupWriterFactory,
        number: usize,
        schema: &Schema,
    ) -> Result<Self> {
        let mut writers = factory.create_column_writers(number)?.into_iter();
        let descriptor = file.schema_descr();
        let mut columns = Vec::new();
        for (root, field) in schema.fields().iter().enumerate() {
            let leaves: Vec<usize> = (0..descriptor.num_columns()).filter(|leaf| descriptor.get_column_root_idx(*leaf) == root).collect();
            let own: Vec<ArrowColumnWriter> = writers.by_ref().take(leaves.len()).collect();
            let column = descriptor.column(leaves[0]);
            let codec = file.properties().compression(column.path());
            columns.push(match is_writable(field.data_type(), codec) {
                true => ColumnEncoder::Vectors(Box::new(VectorWriter::new(column, codec))),
                false => ColumnEncoder::Leaves(own),
            });
        }
        Ok(Self { columns, rows: 0 })
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Ends the row group and writes it to its file.
    pub fn append_to<W: Write + Send>(self, file: &mut SerializedFileWriter<W>) -> Result<()> {
        let chunks: Result<Vec<ColumnChunk>> = self.columns.into_par_iter().map(ColumnEncoder::close).collect();
        let mut group = file.next_row_group()?;
        chunks?.into_iter().try_for_each(|chunk| chunk.append_to(&mut group))?;
        group.close()?;
        Ok(())
    }

    /// Encodes further rows, columns in parallel.
    pub fn append(&mut self, batch: &RecordBatch) -> Result<()> {
        let schema = batch.schema();
        let columns = self.columns.par_iter_mut().zip(schema.fields().par_iter()).zip(batch.columns());
        columns.try_for_each(|((encoder, field), array)| encoder.write(field, array))?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }
}

impl ColumnEncoder {
    fn write(&mut self, field: &Field, array: &ArrayRef) -> Result<()> {
        match self {
            Self::Vectors(writer) => writer.write(array),
            Self::Leaves(writers) => {
                let leaves = compute_leaves(field, array)?;
                writers.iter_mut().zip(leaves).try_for_each(|(writer, leaf)| writer.write(&leaf))
            }
        }
    }

    fn close(self) -> Result<ColumnChunk> {
        match self {
            Self::Vectors(writer) => Ok(ColumnChunk::Vectors(Box::new(writer.close()?))),
            Self::Leaves(writers) => {
                let chunks: Result<_> = writers.into_iter().map(ArrowColumnWriter::close).collect();
                Ok(ColumnChunk::Leaves(chunks?))
            }
        }
    }
}

impl ColumnChunk {
    fn append_to<W: Write + Send>(self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        match self {
            Self::Vectors(chunk) => {
                let (bytes, close) = chunk.parts();
                group.append_column(&bytes, close)
            }
            Self::Leaves(chunks) => chunks.into_iter().try_for_each(|chunk| chunk.append_to_row_group(group)),
        }
    }
}
