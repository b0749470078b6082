//! Sources that an op reads by key: stores of embeddings, and static views; and what it reads of them.
//!
//! Invariant: whoever asks about such a source, whoever reads it and whoever answers build the same value from the same operators.

use super::source::{PinSpec, SourceSpec};
use super::world::Ask;
use crate::catalog::dag::{ArrowUdf, Embed, Kind, Operator, Reach, Scan, ScanColumn, StaticJoin, StoreRef};
use crate::digest::Digest;
use crate::engine::action::Request;
use crate::features::arrow_type::arrow_type;
use crate::table::lance::Dataset;
use crate::table::parquet::TableError;
use crate::table::rows::{RowCache, RowError, StoreRows, ViewRead, ViewRows};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What an op reads of a source by key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keyed {
    /// Vectors, or only whether they are there.
    Store { view: String, key: String, vector: Option<String> },
    /// Of each key the row with the greatest time.
    View { view: String, keys: Vec<ScanColumn>, time: Option<ScanColumn>, columns: Vec<ScanColumn> },
}

impl Keyed {
    pub fn embedding(embed: &Embed) -> Self {
        let StoreRef { view, key, vector } = embed.store.clone();
        Self::Store { view, key, vector: Some(vector) }
    }

    pub fn coverage(store: &StoreRef) -> Self {
        Self::Store { view: store.view.clone(), key: store.key.clone(), vector: None }
    }

    /// A static join with the whole of an unpartitioned view.
    pub fn join(join: &StaticJoin, scan: &Scan) -> Option<Self> {
        let column = |name: &str| scan.columns.iter().find(|column| column.name == name).cloned();
        let keys = join.on.iter().map(|on| column(&on.right)).collect::<Option<Vec<_>>>()?;
        let mut columns = join.columns.iter().map(|added| column(&added.from)).collect::<Option<Vec<_>>>()?;
        columns.sort_by(|a, b| a.physical.cmp(&b.physical));
        columns.dedup();
        let time = join.time.as_ref().map(|time| column(&time.name));
        let view = Self::View { view: join.view.clone(), keys, time: time.clone().flatten(), columns };
        (scan.reach == Reach::Whole && time != Some(None)).then_some(view)
    }

    pub fn view(&self) -> &str {
        match self {
            Self::Store { view, .. } | Self::View { view, .. } => view,
        }
    }

    /// What is read of a store; nothing of a view.
    pub fn stored_columns(&self) -> Vec<String> {
        match self {
            Self::Store { key, vector, .. } => std::iter::once(key).chain(vector).cloned().collect(),
            Self::View { .. } => vec![],
        }
    }

    /// What is read of a view's files; nothing of a store.
    fn of_view(&self) -> ViewRead {
        let typed = |column: &ScanColumn| (column.physical.clone(), arrow_type(&column.data_type));
        let all = |columns: &[ScanColumn]| columns.iter().map(typed).collect();
        match self {
            Self::Store { .. } => ViewRead { keys: vec![], time: None, columns: vec![] },
            Self::View { keys, time, columns, .. } => ViewRead { keys: all(keys), time: time.as_ref().map(typed), columns: all(columns) },
        }
    }

    /// For people, and to tell one sidecar from another.
    pub fn label(&self) -> String {
        let physical = |columns: &[ScanColumn]| columns.iter().map(|column| column.physical.clone()).collect::<Vec<_>>().join(", ");
        match self {
            Self::Store { view, key, vector } => format!("{view}: {key} → {}", vector.as_deref().unwrap_or("presence")),
            Self::View { view, keys, time, columns } => {
                let latest = time.iter().map(|time| format!(" by latest {}", time.physical)).collect::<String>();
                format!("{view}: {}{latest} → {}", physical(keys), physical(columns))
            }
        }
    }
}

/// What operators read by key, each once, in the order of the operators.
pub fn keyed(operators: &[Operator]) -> Vec<Keyed> {
    let mut all: Vec<Keyed> = Vec::new();
    for read in operators.iter().filter_map(|operator| of_operator(operator, operators)) {
        if !all.contains(&read) {
            all.push(read);
        }
    }
    all
}

/// What one of the operators reads by key.
pub fn of_operator(operator: &Operator, operators: &[Operator]) -> Option<Keyed> {
    match &operator.does {
        Kind::Embed(embed) => Some(Keyed::embedding(embed)),
        Kind::ArrowUdf(ArrowUdf::Coverage { store, .. }) => Some(Keyed::coverage(store)),
        Kind::Join(join) => Keyed::join(join, scan_of(operator.inputs.get(1)?, operators)?),
        _ => None,
    }
}

fn scan_of<'o>(id: &str, operators: &'o [Operator]) -> Option<&'o Scan> {
    operators.iter().find(|operator| operator.id == id).and_then(|operator| match &operator.does {
        Kind::Scan(scan) => Some(scan),
        _ => None,
    })
}

/// The rows of a store's opened version.
pub fn store_rows(dataset: Dataset, key: &str, vector: Option<&String>, cache: &RowCache) -> Result<StoreRows, RowError> {
    let columns: Vec<String> = vector.into_iter().cloned().collect();
    StoreRows::open(dataset, key, &columns, cache)
}

/// The digests of columns of a file, in their order.
pub type Digests<'a> = &'a dyn Fn(&Path, &[String]) -> Result<Vec<Digest>, TableError>;

/// The rows of a static view's files.
pub fn view_rows(files: Vec<PathBuf>, read: &Keyed, cache: &RowCache, digests: Digests) -> Result<ViewRows, RowError> {
    let read = read.of_view();
    let names: Vec<String> = read.all().into_iter().map(|(name, _)| name).collect();
    let files = files.into_iter().map(|file| digests(&file, &names).map(|columns| (file, columns)));
    Ok(ViewRows::new(files.collect::<Result<_, _>>()?, read, cache))
}

/// What an op asks about the sources that it reads by key. Several reads of one source go by what they read as well; a view whose files are
/// an asset's is observed as that asset.
pub fn requests(operators: &[Operator], source: &dyn Fn(&str) -> Option<SourceSpec>, is_asset: &dyn Fn(&str) -> bool) -> Vec<Request> {
    let reads = keyed(operators);
    let request = |(number, read): (usize, &Keyed)| {
        let source = source(read.view())?;
        let alone = reads.iter().filter(|other| other.view() == read.view()).count() == 1;
        let name = if alone { source.name.clone() } else { format!("feature_view/{}", read.label()) };
        Some(Ask::Keyed { name, source, read: read.clone(), number }.request())
    };
    let is_observed = |read: &Keyed| matches!(read, Keyed::Store { .. }) || !is_asset(read.view());
    reads.iter().enumerate().filter(|(_, read)| is_observed(read)).filter_map(request).collect()
}

/// The scans whose rows are all read by key.
pub fn is_keyed_scan(scan: &Operator, operators: &[Operator]) -> bool {
    let takers = operators.iter().filter(|operator| operator.inputs.contains(&scan.id));
    takers.clone().count() > 0 && takers.into_iter().all(|taker| matches!(of_operator(taker, operators), Some(Keyed::View { .. })))
}

/// The sources as they were resolved for a build.
pub fn resolve(sources: &mut BTreeMap<String, SourceSpec>, resolved: &Value) {
    for (view, source) in sources {
        if let Some(version) = resolved.get(view).and_then(Value::as_u64) {
            source.pin = PinSpec::Version(version);
        }
        if let Some(first) = resolved.get(&source.name).and_then(Value::as_i64) {
            source.first = Some(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_worker_reads_what_was_resolved() {
        let source = json!({"name": "feature_view/feed", "shown": "data", "path": "data", "layout": null, "first": null, "pin": "latest"});
        let source: SourceSpec = serde_json::from_value(source).unwrap();
        let mut sources = BTreeMap::from([("feed".to_string(), source.clone()), ("vectors".to_string(), source)]);
        resolve(&mut sources, &json!({"feature_view/feed": 86_400_000}));
        assert_eq!((sources["feed"].first, &sources["feed"].pin), (Some(86_400_000), &PinSpec::Latest));
        resolve(&mut sources, &json!({"vectors": 7}));
        assert_eq!(sources["vectors"].pin, PinSpec::Version(7));
    }
}
