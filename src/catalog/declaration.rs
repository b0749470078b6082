//! What a workspace declares, as written: the manifest's nodes as plain values with their places, nothing resolved yet.
//!
//! Knows nothing of KDL. `manifest` makes these, `catalog::resolve` turns them into a typed catalog. Invariant: every name that
//! refers to something else carries the span where it was written.

use super::dag::Engine;
use super::quantity::{Duration, Size, Window};
use super::types::{DataType, TimeUnit};
use crate::source::{SourceId, Span, Spanned};
use std::collections::BTreeMap;

pub type Name = Spanned<String>;

/// Everything that the files of a workspace declare.
#[derive(Debug, Clone, Default)]
pub struct Declarations {
    pub manifest: ManifestDecl,
    pub runtime: RuntimeDecl,
    pub aggregations: AggregationsDecl,
    pub views: Vec<ViewDecl>,
    pub services: Vec<ServiceDecl>,
    pub pipelines: Vec<PipelineDecl>,
    /// Files with mistakes, from which some nodes were left out: what they declare may lack columns.
    pub partial: Vec<SourceId>,
}

/// `Daedalus.kdl`.
#[derive(Debug, Clone, Default)]
pub struct ManifestDecl {
    pub settings: SettingsDecl,
    pub profiles: Vec<ProfileDecl>,
    pub entities: Vec<EntityDecl>,
    pub partitions: Vec<PartitionsDecl>,
    pub assets: Vec<AssetDecl>,
    pub jobs: Vec<JobDecl>,
    pub schedules: Vec<ScheduleDecl>,
}

/// A text that may be taken from the environment: `"…"` or `(env)"NAME"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    Literal(String),
    Env(String),
}

/// A count that may be a constant of the runtime: `32` or `(constant)"max_len"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amount {
    Literal(u64),
    Constant(String),
}

/// `config { … }`, and what a profile overrides of it.
#[derive(Debug, Clone, Default)]
pub struct SettingsDecl {
    pub runtime: Option<Spanned<Text>>,
    pub aggregations: Option<Spanned<Text>>,
    pub feature_views: Option<Spanned<Text>>,
    pub feature_services: Option<Spanned<Text>>,
    pub output_root: Option<Spanned<Text>>,
    pub enriched_output_root: Option<Spanned<Text>>,
    pub resources: ResourcesDecl,
    pub replace_max: Option<Spanned<u64>>,
    pub history: HistoryDecl,
}

#[derive(Debug, Clone, Default)]
pub struct HistoryDecl {
    pub runs: Option<Spanned<u64>>,
    pub keep: Option<Spanned<Duration>>,
    pub size: Option<Spanned<Size>>,
}

#[derive(Debug, Clone, Default)]
pub struct ResourcesDecl {
    pub cpus: Option<Spanned<u64>>,
    pub memory: Option<Spanned<Size>>,
    pub object_store: Option<Spanned<Size>>,
}

#[derive(Debug, Clone)]
pub struct ProfileDecl {
    pub name: Name,
    pub settings: SettingsDecl,
}

#[derive(Debug, Clone)]
pub struct EntityDecl {
    pub name: Name,
    pub key: Name,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Every {
    Hour,
    Day,
    Week,
    Month,
}

#[derive(Debug, Clone)]
pub struct PartitionsDecl {
    pub name: Name,
    pub every: Spanned<Every>,
    /// As written: a day, or an hour of hourly partitions.
    pub start: Name,
    pub end: Option<Name>,
    pub timezone: Option<Name>,
}

#[derive(Debug, Clone)]
pub struct AssetDecl {
    pub name: Name,
    pub description: Option<String>,
    pub group: Option<Name>,
    pub owner: Option<String>,
    pub tags: Vec<Name>,
    pub partitions: Option<Name>,
    pub service: Option<Name>,
    pub settle: Option<Spanned<Duration>>,
    pub ops: Vec<OpDecl>,
    pub checks: Vec<CheckDecl>,
}

#[derive(Debug, Clone)]
pub struct OpDecl {
    pub name: Name,
    pub rule: Name,
    pub needs: Vec<Name>,
    pub retry: Option<RetryDecl>,
    pub timeout: Option<Spanned<Duration>>,
    pub resources: ResourcesDecl,
    pub output: Option<Name>,
    /// Present where the op holds any node that only a `command` has.
    pub command: Option<CommandDecl>,
}

#[derive(Debug, Clone)]
pub struct CommandDecl {
    pub inputs: Vec<InputDecl>,
    pub sources: Vec<Name>,
    /// Names of variables; those from the environment are secrets.
    pub environment: Vec<Spanned<Text>>,
    pub run: Vec<Spanned<Text>>,
    /// Of the first of these nodes.
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct InputDecl {
    pub asset: Name,
    pub window: Option<Spanned<Duration>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backoff {
    #[default]
    Constant,
    Linear,
    Exponential,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Jitter {
    #[default]
    None,
    Full,
}

#[derive(Debug, Clone)]
pub struct RetryDecl {
    /// After the first attempt.
    pub times: Spanned<u64>,
    pub delay: Option<Spanned<Duration>>,
    pub backoff: Option<Spanned<Backoff>>,
    pub max_delay: Option<Spanned<Duration>>,
    pub jitter: Option<Spanned<Jitter>>,
    pub exit_codes: Vec<Spanned<i32>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckSeverity {
    #[default]
    Error,
    Warn,
}

#[derive(Debug, Clone)]
pub struct CheckDecl {
    pub name: Name,
    pub severity: CheckSeverity,
    pub column: Option<Name>,
    pub rows_min: Option<Spanned<u64>>,
    pub rows_max: Option<Spanned<u64>>,
    pub null_ratio_max: Option<Spanned<f64>>,
    pub unique: Vec<Name>,
    pub min: Option<Spanned<Literal>>,
    pub max: Option<Spanned<Literal>>,
    pub accepted: Vec<Spanned<Literal>>,
    pub newest_within: Option<Spanned<Duration>>,
    pub unit: Option<Spanned<TimeUnit>>,
    pub median_min: Option<Spanned<Literal>>,
    pub median_max: Option<Spanned<Literal>>,
    pub median_of: Option<Spanned<u64>>,
    /// `where`.
    pub condition: Option<Name>,
    pub share_min: Option<Spanned<f64>>,
    pub share_max: Option<Spanned<f64>>,
}

#[derive(Debug, Clone)]
pub struct JobDecl {
    pub name: Name,
    pub select: Vec<Name>,
}

/// What a schedule tells of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occurrence {
    Failed,
    Late,
    Recovered,
}

impl Occurrence {
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Late => "late",
            Self::Recovered => "recovered",
        }
    }
}

#[derive(Debug, Clone)]
pub struct NotifyDecl {
    pub on: Vec<Spanned<Occurrence>>,
    pub run: Vec<Spanned<Text>>,
    pub environment: Vec<Spanned<Text>>,
    pub timeout: Option<Spanned<Duration>>,
}

#[derive(Debug, Clone)]
pub struct ScheduleDecl {
    pub name: Name,
    pub job: Name,
    pub after: Option<Spanned<Duration>>,
    pub catch_up: Option<Spanned<Duration>>,
    pub deadline: Option<Spanned<Duration>>,
    pub notify: Vec<NotifyDecl>,
}

/// One file of `feature_views/`.
#[derive(Debug, Clone)]
pub struct ViewDecl {
    pub name: Name,
    pub description: Option<String>,
    pub owner: Option<String>,
    pub tags: Vec<Name>,
    pub entities: Vec<Name>,
    pub source: SourceDecl,
    pub ttl: Option<Spanned<Duration>>,
    pub renames: Vec<RenameDecl>,
    pub fields: Vec<FieldDecl>,
}

#[derive(Debug, Clone)]
pub enum PlaceDecl {
    Path(Name),
    Asset(Name),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Parquet,
    Lance,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gaps {
    #[default]
    Warn,
    Block,
    Empty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Late {
    #[default]
    Error,
    Drop,
    Allow,
}

#[derive(Debug, Clone)]
pub struct SourceDecl {
    pub span: Span,
    pub place: PlaceDecl,
    pub format: Spanned<Format>,
    pub partition: Option<Name>,
    pub timestamp: Option<Name>,
    pub unit: Option<Spanned<TimeUnit>>,
    pub first: Option<Name>,
    pub created: Option<Name>,
    pub available_at: Option<Name>,
    pub ready: Option<Name>,
    pub quiet: Option<Spanned<Duration>>,
    pub gaps: Spanned<Gaps>,
    pub late: Spanned<Late>,
    pub lateness: Option<Spanned<Duration>>,
    pub tag: Option<Name>,
    pub version: Option<Spanned<u64>>,
}

#[derive(Debug, Clone)]
pub struct RenameDecl {
    pub from: Name,
    pub to: Name,
}

#[derive(Debug, Clone)]
pub struct FieldDecl {
    pub name: Name,
    pub data_type: Spanned<DataType>,
    pub nullable: bool,
}

/// One file of `feature_services/`.
#[derive(Debug, Clone)]
pub struct ServiceDecl {
    pub name: Name,
    pub version: Option<Spanned<u64>>,
    pub owner: Option<String>,
    pub grain: Option<String>,
    pub description: Option<String>,
    pub spine: SpineDecl,
    pub joins: Vec<JoinDecl>,
    pub curate: Vec<KeepDecl>,
    pub rolling: Vec<Name>,
    pub embed: Vec<Name>,
    pub columns: Vec<ColumnDecl>,
}

#[derive(Debug, Clone)]
pub struct SpineDecl {
    pub view: Name,
    pub filters: Vec<Name>,
    pub require_embedding: Vec<Name>,
    pub sessions: Option<SessionsDecl>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionKind {
    ViewOnly,
    SingleLike,
}

#[derive(Debug, Clone)]
pub struct SessionsDecl {
    pub column: Name,
    pub drop: Vec<Spanned<SessionKind>>,
    /// The expression that an event must meet to count as a like.
    pub likes: Name,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Static,
    AsOf,
}

#[derive(Debug, Clone)]
pub struct JoinDecl {
    pub view: Name,
    pub how: Spanned<How>,
    pub max_age: Option<Spanned<Duration>>,
    /// Where it is said, if it is.
    pub inclusive: Option<Span>,
    /// The left side's columns where they differ from the view's keys.
    pub on: Vec<Name>,
    pub prefix: Option<Name>,
    pub columns: Vec<Name>,
}

#[derive(Debug, Clone)]
pub struct KeepDecl {
    pub name: Name,
    pub filter: Name,
}

/// One line of the contract.
#[derive(Debug, Clone)]
pub enum ColumnDecl {
    /// `*`: the rest, in operator order.
    Rest(Span),
    Named(NamedColumnDecl),
}

#[derive(Debug, Clone)]
pub struct NamedColumnDecl {
    pub name: Name,
    pub data_type: Spanned<DataType>,
    pub expr: Option<Name>,
    pub default: Option<Spanned<Literal>>,
    pub nullable: bool,
}

/// A value as written; the column's type says how to read a text such as `"[]"`.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
}

/// `config/training/aggregations.kdl`.
#[derive(Debug, Clone, Default)]
pub struct AggregationsDecl {
    pub aggregations: Vec<AggregationDecl>,
    pub stores: Vec<StoreDecl>,
    pub embeddings: Vec<EmbeddingDecl>,
}

#[derive(Debug, Clone)]
pub struct AggregationDecl {
    pub name: Name,
    /// Absent for a ratio, which takes its parts' view.
    pub view: Option<Name>,
    pub by: Vec<Name>,
    pub on: Vec<Name>,
    pub filters: Vec<Name>,
    pub require_embedding: Vec<Name>,
    pub joins: Vec<JoinDecl>,
    pub function: Spanned<FunctionDecl>,
    pub windows: Vec<Spanned<Window>>,
    pub offset: Option<Spanned<Duration>>,
    /// Where it is said, if it is.
    pub forward: Option<Span>,
}

/// The function as written; which options make sense for it is the catalog's to say.
#[derive(Debug, Clone)]
pub enum FunctionDecl {
    Ratio {
        numerator: Name,
        denominator: Name,
    },
    Of {
        function: String,
        column: Option<Name>,
        k: Option<Spanned<Amount>>,
        distinct: Option<Span>,
        flatten: Option<Span>,
        max: Option<Spanned<Amount>>,
    },
}

#[derive(Debug, Clone)]
pub struct StoreDecl {
    pub name: Name,
    pub view: Name,
    pub key: Name,
    pub vector: Name,
}

#[derive(Debug, Clone)]
pub struct EmbeddingDecl {
    pub name: Name,
    pub store: Name,
    pub kind: EmbeddingKind,
}

#[derive(Debug, Clone)]
pub enum EmbeddingKind {
    Lookup { column: Name },
    Pool { pool: Spanned<Pool>, over: Name },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    Mean,
    Sum,
    Max,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ComputeEngine {
    #[default]
    Native,
    Polars,
}

/// `config/training/runtime.kdl`.
#[derive(Debug, Clone, Default)]
pub struct RuntimeDecl {
    pub engine: Option<Spanned<ComputeEngine>>,
    /// One of `none snappy lz4 zstd`, with its level where it has one.
    pub compression: Option<Name>,
    pub level: Option<Spanned<u64>>,
    pub row_group_rows: Option<Spanned<u64>>,
    pub shard_rows: Option<Spanned<u64>>,
    pub constants: BTreeMap<String, Spanned<u64>>,
}

/// A node of `config/pipelines/`: engines of the operators of a service.
#[derive(Debug, Clone)]
pub struct PipelineDecl {
    pub service: Name,
    pub engines: Vec<EngineDecl>,
}

/// The engine of one operator.
#[derive(Debug, Clone)]
pub struct EngineDecl {
    pub operator: Name,
    pub engine: Spanned<Engine>,
}
