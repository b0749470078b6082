//! Sessions: drops the rows of sessions of certain kinds. A session is judged by all events with its id in the target period; rows
//! without a session stay.

use super::{arrow_failure, column, keep_mask};
use crate::catalog::declaration::SessionKind;
use crate::catalog::expr::Expr;
use crate::engine::failure::Failure;
use crate::features::evaluate::filter_mask;
use arrow::array::{Array, BooleanArray, RecordBatch};
use arrow::row::{OwnedRow, RowConverter, SortField};
use std::collections::HashMap;

pub fn keep(rows: &RecordBatch, events: &RecordBatch, name: &str, drop: &[SessionKind], likes: &Expr) -> Result<RecordBatch, Failure> {
    let (of_rows, of_events) = (column(rows, name)?, column(events, name)?);
    let converter = RowConverter::new(vec![SortField::new(of_rows.data_type().clone())]).map_err(arrow_failure)?;
    let is_like = filter_mask(events, likes).map_err(|e| Failure::permanent(e.to_string()))?;
    let ids = converter.convert_columns(std::slice::from_ref(of_events)).map_err(arrow_failure)?;
    let mut like_counts: HashMap<OwnedRow, usize> = HashMap::new();
    for (row, id) in ids.iter().enumerate().filter(|(row, _)| of_events.is_valid(*row)) {
        *like_counts.entry(id.owned()).or_insert(0) += usize::from(is_like.value(row));
    }
    let ids = converter.convert_columns(std::slice::from_ref(of_rows)).map_err(arrow_failure)?;
    let stays = |row: usize| of_rows.is_null(row) || !is_dropped(like_counts.get(&ids.row(row).owned()).copied().unwrap_or(0), drop);
    let mask: BooleanArray = (0..rows.num_rows()).map(|row| Some(stays(row))).collect();
    keep_mask(rows, &mask)
}

fn is_dropped(likes: usize, drop: &[SessionKind]) -> bool {
    drop.iter().any(|kind| match kind {
        SessionKind::ViewOnly => likes == 0,
        SessionKind::SingleLike => likes == 1,
    })
}
