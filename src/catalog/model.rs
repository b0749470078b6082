//! The resolved catalog: views, services, aggregations, embeddings and assets with every name looked up and every type known.
//!
//! Knows nothing of how it was written or how it will run. Invariant: made by `catalog::resolve` alone, which vouches for consistency.

use super::aggregate::Options;
use super::calendar::{Cadence, Partitions};
use super::check::Check;
use super::command::Command;
use super::dag::Engine;
use super::declaration::{Backoff, ComputeEngine, Format, Gaps, Jitter, Late, Occurrence, Pool, SessionKind, Text};
use super::expr::Expr;
use super::quantity::{Duration, Size, Window};
use super::types::{DataType, TimeUnit};
use crate::source::{Span, Spanned};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A workspace's meaning.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    pub views: BTreeMap<String, Arc<View>>,
    pub services: BTreeMap<String, Arc<Service>>,
    pub aggregations: BTreeMap<String, Arc<Aggregation>>,
    pub embeddings: BTreeMap<String, Arc<Embedding>>,
    pub stores: BTreeMap<String, Arc<Store>>,
    pub partitions: BTreeMap<String, Partitions>,
    pub assets: BTreeMap<String, Arc<Asset>>,
    pub jobs: BTreeMap<String, Job>,
    pub schedules: BTreeMap<String, Schedule>,
    pub runtime: Runtime,
    /// What `config/pipelines/` says, by service and operator.
    pub engines: BTreeMap<String, BTreeMap<String, Engine>>,
}

#[derive(Debug, Clone)]
pub struct Field {
    pub name: String,
    /// The column's name in the files, where a `rename` says so.
    pub physical: String,
    pub data_type: DataType,
    pub nullable: bool,
    /// Of its name in the view.
    pub span: Span,
}

/// A declared source: an external asset `feature_view/<name>`.
#[derive(Debug, Clone)]
pub struct View {
    pub name: String,
    pub span: Span,
    pub description: Option<String>,
    pub owner: Option<String>,
    pub tags: Vec<String>,
    pub entities: Vec<String>,
    /// The columns of the entities' keys that are fields of this view.
    pub keys: Vec<String>,
    pub place: Place,
    pub format: Format,
    pub layout: Option<Layout>,
    pub timestamp: Option<TimeColumn>,
    /// The earliest period that can hold data, as an instant; `None`: the earliest one present.
    pub first: Option<i64>,
    pub created: Option<String>,
    pub available_at: Option<TimeColumn>,
    pub gaps: Gaps,
    pub late: Late,
    pub lateness: Option<Duration>,
    pub ready: Option<String>,
    pub quiet: Option<Duration>,
    pub pin: Pin,
    pub ttl: Option<Duration>,
    pub fields: Vec<Field>,
}

/// Where a view's data lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Path(String),
    Asset(String),
}

/// Which version of a Lance dataset is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Pin {
    #[default]
    Latest,
    Tag(String),
    Version(u64),
}

/// How a view's files are laid out by period: the pattern below its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub pattern: String,
    pub cadence: Cadence,
}

impl Layout {
    /// How an asset's partitions lie below it.
    pub fn of_asset(partitions: &Partitions) -> Self {
        Self { pattern: partitions.cadence.every.directory_pattern().into(), cadence: partitions.cadence }
    }
}

/// A column that holds instants, and their unit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TimeColumn {
    pub name: String,
    pub unit: TimeUnit,
}

impl View {
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name == name)
    }

    pub fn names(&self) -> Vec<String> {
        self.fields.iter().map(|f| f.name.clone()).collect()
    }

    /// How long after a period's end rows of it may lie in the files of later periods, in milliseconds.
    pub fn lateness(&self) -> i64 {
        match self.late {
            Late::Allow => self.lateness.map_or(0, |l| l.millis),
            Late::Error | Late::Drop => 0,
        }
    }

    /// The name of the external asset that a view is.
    pub fn asset_name(&self) -> String {
        format!("feature_view/{}", self.name)
    }
}

/// A source of further columns, matched by key.
#[derive(Debug, Clone)]
pub struct Join {
    pub view: Arc<View>,
    pub span: Span,
    pub how: JoinHow,
    /// Pairs of left column and view key.
    pub on: Vec<(String, String)>,
    pub prefix: String,
    pub columns: Vec<Spanned<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinHow {
    Static,
    AsOf { max_age: Option<Duration>, inclusive: bool },
}

impl Join {
    /// What it adds to the left side: (new name, view column).
    pub fn added(&self) -> impl Iterator<Item = (String, &str)> {
        self.columns.iter().map(|c| (format!("{}{}", self.prefix, c.value), c.value.as_str()))
    }
}

/// A filter as written and as understood.
#[derive(Debug, Clone)]
pub struct Filter {
    pub name: String,
    pub expr: Expr,
}

/// A point-in-time aggregate over the events of a view, or a ratio of two.
#[derive(Debug, Clone)]
pub struct Aggregation {
    pub name: String,
    pub span: Span,
    pub windows: Vec<Spanned<Window>>,
    pub kind: AggregationKind,
}

#[derive(Debug, Clone)]
pub enum AggregationKind {
    Ratio { numerator: String, denominator: String },
    Of(Box<Measure>),
}

#[derive(Debug, Clone)]
pub struct Measure {
    pub view: Arc<View>,
    /// The view's (or its joins') key columns.
    pub by: Vec<String>,
    /// The spine's columns, pairwise with `by`.
    pub on: Vec<String>,
    pub joins: Vec<Join>,
    pub filters: Vec<Filter>,
    pub require_embedding: Vec<Coverage>,
    pub function: String,
    pub column: Option<String>,
    pub options: Options,
    pub offset: Duration,
    pub forward: bool,
    pub output: DataType,
    pub zero_when_empty: bool,
    pub version: u32,
}

impl Aggregation {
    /// The column of one window: `<name>_<window>`, and `<name>` where `lifetime` is the only one.
    pub fn column(&self, window: &Window) -> String {
        match (window, self.windows.len()) {
            (Window::Lifetime, 1) => self.name.clone(),
            _ => format!("{}_{window}", self.name),
        }
    }
}

/// Rows count only where a store holds a vector for this column's value.
#[derive(Debug, Clone)]
pub struct Coverage {
    pub store: Arc<Store>,
    pub column: String,
}

/// A Lance dataset of vectors by key.
#[derive(Debug, Clone)]
pub struct Store {
    pub name: String,
    pub view: Arc<View>,
    pub key: String,
    pub vector: String,
    /// The vectors' type.
    pub data_type: DataType,
}

#[derive(Debug, Clone)]
pub struct Embedding {
    pub name: String,
    pub span: Span,
    pub store: Arc<Store>,
    /// The column that holds the key, or the list of keys.
    pub input: Spanned<String>,
    pub pool: Option<Pool>,
}

/// A column contract over a spine.
#[derive(Debug, Clone)]
pub struct Service {
    pub name: String,
    pub span: Span,
    pub version: u64,
    pub owner: Option<String>,
    pub grain: Option<String>,
    pub description: Option<String>,
    pub spine: Arc<View>,
    pub filters: Vec<Filter>,
    pub require_embedding: Vec<Coverage>,
    pub sessions: Option<Sessions>,
    pub joins: Vec<Join>,
    pub curate: Vec<Filter>,
    pub rolling: Vec<Spanned<Arc<Aggregation>>>,
    pub embed: Vec<Spanned<Arc<Embedding>>>,
    pub columns: Vec<Column>,
    /// Whether the contract says `*`, so that everything is needed.
    pub takes_rest: bool,
}

#[derive(Debug, Clone)]
pub struct Sessions {
    pub column: String,
    pub drop: Vec<SessionKind>,
    pub likes: Expr,
}

/// One column of the contract.
#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    pub span: Span,
    pub data_type: DataType,
    pub expr: Option<Expr>,
    pub default: Option<serde_json::Value>,
    pub nullable: bool,
}

/// A dataset that daeda builds.
#[derive(Debug, Clone)]
pub struct Asset {
    pub name: String,
    pub span: Span,
    pub description: Option<String>,
    pub group: Option<String>,
    pub owner: Option<String>,
    pub tags: Vec<String>,
    pub partitions: Option<String>,
    pub service: Option<Arc<Service>>,
    pub settle: Option<Duration>,
    pub ops: Vec<Op>,
    pub checks: Vec<Check>,
}

#[derive(Debug, Clone)]
pub struct Op {
    pub name: String,
    pub span: Span,
    pub rule: String,
    pub needs: Vec<String>,
    pub retry: Retry,
    pub timeout: Option<Duration>,
    pub cpus: Option<u64>,
    pub memory: Option<Size>,
    pub output: Option<String>,
    /// Present where the rule is `command`.
    pub command: Option<Command>,
}

#[derive(Debug, Clone, Default)]
pub struct Retry {
    pub times: u64,
    pub delay: Duration,
    pub backoff: Backoff,
    pub max_delay: Option<Duration>,
    pub jitter: Jitter,
    pub exit_codes: Vec<i32>,
}

#[derive(Debug, Clone)]
pub struct Job {
    pub name: String,
    pub select: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Schedule {
    pub name: String,
    pub job: String,
    /// How long after its end a period is due.
    pub after: Duration,
    /// What came due longer ago is not built any more, but for the latest period.
    pub catch_up: Duration,
    /// How long after it came due a period is late.
    pub deadline: Option<Duration>,
    pub notify: Vec<Notify>,
}

/// A program that is told what becomes of a schedule's periods.
#[derive(Debug, Clone)]
pub struct Notify {
    pub on: Vec<Occurrence>,
    /// The program, then its arguments; those from the environment are secrets.
    pub run: Vec<Text>,
    /// Names of the variables that it gets to see; those from the environment are secrets.
    pub environment: Vec<Text>,
    pub timeout: Duration,
}

/// `runtime.kdl`, defaults filled in.
#[derive(Debug, Clone)]
pub struct Runtime {
    pub engine: ComputeEngine,
    pub compression: String,
    pub level: Option<u64>,
    pub row_group_rows: u64,
    pub shard_rows: u64,
}

impl Default for Runtime {
    fn default() -> Self {
        Self { engine: ComputeEngine::Native, compression: "zstd".into(), level: Some(1), row_group_rows: 65_536, shard_rows: 262_144 }
    }
}

impl Catalog {
    /// Services and assets that read a view, directly or through an aggregation or embedding.
    pub fn asset_of_service(&self, service: &str) -> Vec<Arc<Asset>> {
        self.assets.values().filter(|a| a.service.as_ref().is_some_and(|s| s.name == service)).cloned().collect()
    }
}
