//! What can be asked of the world, as an op's actions carry it: the same for every partition, relative to its period.

use super::super::keyed::Keyed;
use super::super::source::SourceSpec;
use crate::catalog::dag::{Reach, ScanColumn};
use crate::catalog::expr::Expr;
use crate::catalog::model::TimeColumn;
use crate::engine::action::Request;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// The files within reach, and the digests of the columns read of each period. Where `required`, the action's own period must be there.
    Parquet { source: SourceSpec, reads: Vec<Read>, required: bool },
    /// The rows used of a source that is read by key; `name` tells several reads of one source apart, `number` their sidecars.
    Keyed { name: String, source: SourceSpec, read: Keyed, number: usize },
    /// Whole files, each by its name and where it lies.
    Whole { files: Vec<(String, PathBuf)> },
    /// Variables of the environment.
    Environment { names: Vec<String> },
}

/// Columns, by their names in the files, of the periods within reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Read {
    pub reach: Reach,
    pub columns: Vec<String>,
    /// Where only some of the rows are seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selects: Option<Selects>,
}

/// The rows that somebody sees of what is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Selects {
    pub columns: Vec<ScanColumn>,
    pub time: Option<TimeColumn>,
    pub created: Option<String>,
    #[serde(rename = "where")]
    pub filter: Expr,
}

impl Selects {
    /// Everything that it says.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Read {
    /// The `where` by which it is told from other reads of its source.
    pub fn filter(&self) -> Option<&Expr> {
        self.selects.as_ref().map(|selects| &selects.filter)
    }
}

impl Ask {
    pub fn request(self) -> Request {
        let name = match &self {
            Self::Parquet { source, .. } => source.name.clone(),
            Self::Keyed { name, .. } => name.clone(),
            Self::Whole { .. } => "sources".into(),
            Self::Environment { .. } => "environment".into(),
        };
        Request { name, ask: serde_json::to_value(&self).unwrap_or_default() }
    }
}

/// Reads of one reach and `where` as one, their columns sorted.
pub fn merged(reads: Vec<Read>) -> Vec<Read> {
    let mut merged: Vec<Read> = Vec::new();
    for read in reads {
        match merged.iter_mut().find(|known| known.reach == read.reach && known.filter() == read.filter()) {
            Some(known) => {
                known.columns.extend(read.columns);
                if let (Some(known), Some(selects)) = (&mut known.selects, read.selects) {
                    known.columns.extend(selects.columns);
                }
            }
            None => merged.push(read),
        }
    }
    for read in &mut merged {
        if let Some(selects) = &mut read.selects {
            selects.columns.sort_by(|a, b| a.name.cmp(&b.name));
            selects.columns.dedup_by(|a, b| a.name == b.name);
        }
        read.columns.sort_unstable();
        read.columns.dedup();
    }
    merged
}
