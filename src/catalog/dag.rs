//! The operator DAG that a service compiles to: what is scanned, filtered, joined, aggregated and embedded, on which engine.
//!
//! Knows nothing of files, paths or how operators run. Invariant: an operator's serialised form holds everything that its result depends
//! on besides its inputs and its rule's version; `parameters` hashes exactly that form, so no field can be forgotten.

use super::aggregate::Options;
use super::declaration::{Pool, SessionKind};
use super::expr::Expr;
use super::model::TimeColumn;
use super::quantity::Window;
use super::types::DataType;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The engine that an operator is declared to run on. Never chosen by an optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    Polars,
    Arrow,
    Lance,
}

impl Engine {
    pub fn name(self) -> &'static str {
        match self {
            Self::Polars => "polars",
            Self::Arrow => "arrow",
            Self::Lance => "lance",
        }
    }
}

/// The op of the asset that runs an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Skeleton,
    Enrich,
}

/// A compiled service. Operators stand after their inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dag {
    pub service: String,
    pub version: u64,
    pub operators: Vec<Operator>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operator {
    pub id: String,
    pub engine: Engine,
    pub stage: Stage,
    pub inputs: Vec<String>,
    pub does: Kind,
}

/// What an operator does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "operator", rename_all = "snake_case")]
pub enum Kind {
    Scan(Scan),
    Filter(FilterRows),
    Join(StaticJoin),
    PitJoin(PitJoin),
    RollingAggregate(RollingAggregate),
    ArrowUdf(ArrowUdf),
    Project(Project),
    Embed(Embed),
    Sink(Sink),
}

/// Reads columns of a view within reach of the target period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scan {
    pub view: String,
    pub columns: Vec<ScanColumn>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeColumn>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    pub reach: Reach,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScanColumn {
    pub name: String,
    pub physical: String,
    pub data_type: DataType,
}

/// How far from the target period a scan reads, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// All of an unpartitioned source.
    Whole,
    /// From the view's first period on, and so far beyond the target period's end.
    Lifetime {
        ahead: i64,
    },
    Around {
        back: i64,
        ahead: i64,
    },
}

impl Reach {
    pub const PERIOD: Self = Self::Around { back: 0, ahead: 0 };

    /// How far beyond the target period's end.
    pub fn ahead(self) -> i64 {
        match self {
            Self::Whole => 0,
            Self::Lifetime { ahead } | Self::Around { ahead, .. } => ahead,
        }
    }
}

impl Dag {
    /// How long after its end a period is due: what a scan reads ahead of it has passed, and late rows have come.
    pub fn due_after(&self, lateness: &dyn Fn(&str) -> i64) -> i64 {
        let scan = |operator: &Operator| match &operator.does {
            Kind::Scan(scan) => Some(scan.reach.ahead() + lateness(&scan.view)),
            _ => None,
        };
        self.operators.iter().filter_map(scan).max().unwrap_or(0)
    }
}

/// Keeps the rows that an expression holds for; unknown counts as false.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FilterRows {
    pub expr: Expr,
}

/// A column that a join adds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Added {
    pub name: String,
    pub from: String,
}

/// A pair of key columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct On {
    pub left: String,
    pub right: String,
}

/// Takes the row with the greatest timestamp per key; a tie is an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StaticJoin {
    pub view: String,
    pub on: Vec<On>,
    pub columns: Vec<Added>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeColumn>,
}

/// Takes, for each left row, the last right row before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PitJoin {
    pub view: String,
    pub on: Vec<On>,
    pub columns: Vec<Added>,
    pub left_time: TimeColumn,
    pub time: TimeColumn,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_at: Option<TimeColumn>,
    /// Milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<i64>,
    pub inclusive: bool,
}

/// Aggregates events before each row, per key and window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RollingAggregate {
    pub aggregate: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    pub options: Options,
    pub on: Vec<On>,
    pub windows: Vec<WindowColumn>,
    /// Milliseconds.
    pub offset: i64,
    pub forward: bool,
    pub left_time: TimeColumn,
    pub time: TimeColumn,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_at: Option<TimeColumn>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowColumn {
    pub name: String,
    pub window: Window,
}

/// Native functions that are neither joins nor windows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "function", rename_all = "snake_case")]
pub enum ArrowUdf {
    /// Keeps rows for whose key the store holds a vector.
    Coverage { store: StoreRef, column: String },
    /// Drops rows of sessions of certain kinds.
    Sessions { column: String, drop: Vec<SessionKind>, likes: Expr },
    /// One column over another; null over 0.
    Ratio { numerator: String, denominator: String, name: String },
}

/// A store of vectors: the view it lies in, and its columns as the dataset names them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoreRef {
    pub view: String,
    pub key: String,
    pub vector: String,
}

/// Adds columns computed from expressions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Project {
    pub columns: Vec<Computed>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Computed {
    pub name: String,
    pub expr: Expr,
    pub data_type: DataType,
}

/// Looks vectors up by key, or pools those of a list of keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Embed {
    pub name: String,
    pub store: StoreRef,
    pub input: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Pool>,
    pub data_type: DataType,
}

/// The contract: names, order, types, defaults, nullability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sink {
    pub columns: Vec<SinkColumn>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SinkColumn {
    pub name: String,
    pub data_type: DataType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    pub nullable: bool,
}

impl Kind {
    /// The operator's name in the language of `design.md`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Scan(_) => "scan",
            Self::Filter(_) => "filter",
            Self::Join(_) => "join",
            Self::PitJoin(_) => "pit_join",
            Self::RollingAggregate(_) => "rolling_aggregate",
            Self::ArrowUdf(_) => "arrow_udf",
            Self::Project(_) => "project",
            Self::Embed(_) => "embed",
            Self::Sink(_) => "sink",
        }
    }

    /// The engine that it runs on unless the author says otherwise.
    pub fn engine(&self) -> Engine {
        self.engines()[0]
    }

    /// The engines that it can run on, the usual one first. Polars evaluates expressions. Scans are Parquet read straight into Arrow, and
    /// joins are Arrow kernels of our own: a static one too, because it has to find ties. Coverage is one that asks a store for its keys
    /// alone. Rolling aggregates have a kernel, and Polars as its reference.
    pub fn engines(&self) -> &'static [Engine] {
        match self {
            Self::Filter(_) | Self::Project(_) => &[Engine::Polars],
            Self::Scan(_) | Self::Join(_) | Self::PitJoin(_) | Self::ArrowUdf(_) | Self::Sink(_) => &[Engine::Arrow],
            Self::RollingAggregate(_) => &[Engine::Arrow, Engine::Polars],
            Self::Embed(_) => &[Engine::Lance],
        }
    }
}

impl Dag {
    /// The operators that one op of the asset runs.
    pub fn stage(&self, stage: Stage) -> Vec<Operator> {
        self.operators.iter().filter(|o| o.stage == stage).cloned().collect()
    }

    /// Names of the columns that hold vectors looked up or pooled.
    pub fn embedding_columns(&self) -> Vec<String> {
        let embeds = self.operators.iter().filter_map(|o| match &o.does {
            Kind::Embed(e) => Some(e.name.clone()),
            _ => None,
        });
        embeds.collect()
    }
}

/// Everything that operators depend on, as named, normalised values: `rolling/like_artwork_ids.options.k` = `32`.
pub fn parameters(operators: &[Operator]) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for operator in operators {
        let value = serde_json::to_value(&operator.does).unwrap_or(Value::Null);
        flatten(&operator.id, &value, &mut out);
        out.push((format!("{}.engine", operator.id), operator.engine.name().into()));
        out.push((format!("{}.inputs", operator.id), operator.inputs.join(", ")));
    }
    out
}

/// Writes a value's scalars by their path. Lists of named things are keyed by name, with their order apart, so that inserting one
/// changes what it is about and nothing else.
pub fn flatten(path: &str, value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, v)| flatten(&format!("{path}.{name}"), v, out)),
        Value::Array(items) if !items.is_empty() && items.iter().all(|i| i["name"].is_string()) => {
            let names: Vec<_> = items.iter().filter_map(|i| i["name"].as_str()).collect();
            items.iter().zip(&names).for_each(|(item, name)| flatten(&format!("{path}.{name}"), &without_name(item), out));
            out.push((path.into(), names.join(", ")));
        }
        Value::Array(items) if !items.is_empty() && items.iter().all(|i| i["left"].is_string()) => {
            let pair =
                |item: &Value| format!("{} = {}", item["left"].as_str().unwrap_or_default(), item["right"].as_str().unwrap_or_default());
            out.push((path.into(), items.iter().map(pair).collect::<Vec<_>>().join(", ")));
        }
        Value::String(text) => out.push((path.into(), text.clone())),
        other => out.push((path.into(), other.to_string())),
    }
}

fn without_name(item: &Value) -> Value {
    let mut item = item.clone();
    if let Value::Object(fields) = &mut item {
        fields.shift_remove("name");
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn named_lists_are_keyed_by_name() {
        let mut out = Vec::new();
        flatten("sink", &json!({"columns": [{"name": "a", "nullable": true}, {"name": "b", "nullable": false}], "k": 3}), &mut out);
        let text: Vec<_> = out.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(text, ["sink.columns.a.nullable=true", "sink.columns.b.nullable=false", "sink.columns=a, b", "sink.k=3"]);
    }
}
