//! An unpartitioned source: all of its files, as two observations.

use super::super::source::SourceSpec;
use super::unobservable;
use crate::engine::action::Name;
use crate::engine::observation::{Kind, Observation};
use crate::engine::world::Unobservable;
use crate::table::listing::parquet_files;
use crate::table::parquet::ColumnCache;
use std::collections::BTreeMap;

/// Which files there are, and the digests of their columns.
pub fn observe(name: &Name, source: &SourceSpec, columns: &[String], cache: &ColumnCache) -> Result<Vec<Observation>, Unobservable> {
    let files = parquet_files(&source.path).map_err(|e| Unobservable::Broken(format!("{}: {e}", source.shown)))?;
    let Some(files) = files.filter(|files| !files.is_empty()) else {
        let why = format!("{} is not there: no Parquet file in {}", source.name, source.shown);
        return Err(Unobservable::Absent { why, left: None });
    };
    let names = files.iter().map(|f| source.file_name(f)).collect::<Vec<_>>().join(", ");
    let listed = [("files".to_string(), names)];
    let mut observations = vec![Observation::parts(Kind::Listing, name.clone(), listed.into())];
    let mut parts = BTreeMap::new();
    for file in &files {
        let digests = cache.digests(file, columns).map_err(|e| unobservable(source, e))?;
        for (column, digest) in columns.iter().zip(digests) {
            let part = if files.len() == 1 { column.clone() } else { format!("{column} in {}", source.file_name(file)) };
            parts.insert(part, digest.hex()[..32].to_string());
        }
    }
    observations.push(Observation::parts(Kind::Columns, name.clone(), parts));
    Ok(observations)
}
