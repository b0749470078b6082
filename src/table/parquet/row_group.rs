//! A row group as steps that can be worked on apart: a column of arrays, or a page of vectors, in the order of the file.
//!
//! Knows nothing of files. Invariant: a group's bytes follow from its rows.

use super::arrays::{self, EncodedArray};
use super::error::TableError;
use super::vectors::{ArrayVectors, Page, PageVectors, VectorColumn, is_writable};
use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{FieldRef, SchemaRef};
use parquet::arrow::ArrowSchemaConverter;
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterPropertiesPtr;
use parquet::schema::types::SchemaDescPtr;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A column of the rows of one row group.
pub enum Column {
    Array(ArrayRef),
    /// Made while it is written.
    Vectors(Arc<dyn PageVectors>),
}

/// The rows of one row group.
pub struct Rows {
    pub count: usize,
    pub columns: Vec<Column>,
}

impl From<RecordBatch> for Rows {
    fn from(batch: RecordBatch) -> Self {
        Self { count: batch.num_rows(), columns: batch.columns().iter().cloned().map(Column::Array).collect() }
    }
}

/// What all row groups have alike.
pub struct Layout {
    pub schema: SchemaRef,
    pub leaves: SchemaDescPtr,
    pub properties: WriterPropertiesPtr,
    spare: Mutex<Vec<Vec<u8>>>,
}

/// A step of encoding a row group.
pub struct Step {
    part: Part,
    /// Set on the last step of a group.
    end: Option<GroupEnd>,
}

enum Part {
    Array { field: FieldRef, array: ArrayRef },
    Page { column: Arc<VectorColumn>, rows: Range<usize>, is_last: bool },
}

/// What is known of a row group when all of it has been encoded.
#[derive(Default)]
pub struct GroupEnd {
    pub rows: u64,
    /// By root column.
    pub nulls: Vec<u64>,
}

/// What a step has made.
pub struct Piece {
    pub part: EncodedPart,
    pub end: Option<GroupEnd>,
}

pub enum EncodedPart {
    Array(EncodedArray),
    Page { column: Arc<VectorColumn>, page: Page, is_last: bool },
}

impl Layout {
    pub fn new(schema: SchemaRef, properties: WriterPropertiesPtr, directory: &Path) -> std::result::Result<Self, TableError> {
        let leaves = ArrowSchemaConverter::new().convert(&schema).map_err(|e| TableError::writing(directory, e))?;
        Ok(Self { schema, leaves: Arc::new(leaves), properties, spare: Mutex::default() })
    }

    /// The steps of a row group, in order; none if it has no rows.
    pub fn steps(&self, rows: Rows) -> Result<Vec<Step>> {
        let mut end = GroupEnd { rows: rows.count as u64, nulls: Vec::new() };
        let mut parts = Vec::new();
        for (root, column) in rows.columns.into_iter().enumerate().filter(|_| rows.count > 0) {
            end.nulls.push(self.column(root, column, rows.count, &mut parts)?);
        }
        let mut steps: Vec<Step> = parts.into_iter().map(|part| Step { part, end: None }).collect();
        steps.iter_mut().last().into_iter().for_each(|last| last.end = Some(std::mem::take(&mut end)));
        Ok(steps)
    }

    /// Adds the parts of a root column and returns its nulls.
    fn column(&self, root: usize, column: Column, rows: usize, parts: &mut Vec<Part>) -> Result<u64> {
        let field = &self.schema.fields()[root];
        let leaf = (0..self.leaves.num_columns()).find(|leaf| self.leaves.get_column_root_idx(*leaf) == root);
        let leaf = self.leaves.column(leaf.ok_or_else(|| ParquetError::General(format!("column `{}` has no leaf", field.name())))?);
        let codec = self.properties.compression(leaf.path());
        let vectors: Arc<dyn PageVectors> = match column {
            Column::Vectors(vectors) => vectors,
            Column::Array(array) if is_writable(field.data_type()) => Arc::new(ArrayVectors::new(&array)?),
            Column::Array(array) => {
                let nulls = array.null_count() as u64;
                parts.push(Part::Array { field: field.clone(), array });
                return Ok(nulls);
            }
        };
        let column = Arc::new(VectorColumn::new(vectors, field.data_type(), leaf, codec, rows)?);
        let page = |page: Range<usize>| Part::Page { column: column.clone(), is_last: page.end == rows, rows: page };
        parts.extend(column.pages(rows).map(page));
        Ok(column.nulls() as u64)
    }

    pub fn encode(&self, step: Step) -> Result<Piece> {
        let part = match step.part {
            Part::Array { field, array } => EncodedPart::Array(arrays::encode(&field, &array, &self.properties)?),
            Part::Page { column, rows, is_last } => {
                let page = column.page(rows, self.spare().pop().unwrap_or_default())?;
                EncodedPart::Page { column, page, is_last }
            }
        };
        Ok(Piece { part, end: step.end })
    }

    /// Takes a page's buffer back when it has been written, so that the next page need not ask the system for memory.
    pub fn recycle(&self, page: Page) {
        self.spare().push(page.body);
    }

    fn spare(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
