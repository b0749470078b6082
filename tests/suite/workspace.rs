//! A small workspace as plain data: what its manifest says and what its files hold. Tests write it out, and work it out.

use super::conditions::{Compute, Condition};
use super::rows::{Kind, Row, Unit, Value};

/// The start of 2026-02-01, the first day.
pub const START: i128 = 1_769_904_000 * SECOND;
pub const SECOND: i128 = 1_000_000_000;
pub const HOUR: i128 = 3_600 * SECOND;
pub const DAY: i128 = 24 * HOUR;
pub const DAYS: usize = 4;

#[derive(Debug, Clone)]
pub struct Workspace {
    /// Which day is built.
    pub target: usize,
    /// Which hour of it, where partitions are hours.
    pub hour: Option<usize>,
    /// Whose days the partitions are; files hold days of UTC.
    pub zone: Zone,
    /// Whether rolling aggregates run on Polars.
    pub on_polars: bool,
    /// The first is the spine's.
    pub views: Vec<View>,
    /// Artworks that have a vector; none where there is no store.
    pub embedded: Option<Vec<i64>>,
    pub spine: Spine,
    pub joins: Vec<Join>,
    pub aggregations: Vec<Aggregation>,
    pub ratios: Vec<Ratio>,
    pub curate: Vec<Condition>,
    pub contract: Contract,
}

#[derive(Debug, Clone)]
pub struct View {
    pub name: &'static str,
    /// Entities, whose keys are `<entity>_id`.
    pub entities: Vec<&'static str>,
    pub fields: Vec<Field>,
    pub time: &'static str,
    pub unit: Unit,
    pub created: Option<&'static str>,
    pub available: Option<&'static str>,
    pub ttl: Option<Length>,
    pub partitioned: bool,
    /// The day on which history begins.
    pub first: Option<usize>,
    pub files: Vec<SourceFile>,
    /// Days that have a directory and nothing in it.
    pub bare_days: Vec<usize>,
    pub late: Late,
}

/// What becomes of rows that lie in another day's file than their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// There are none.
    Error,
    Drop,
    /// They may be so many days late.
    Allow(usize),
}

/// A zone whose clock does not change in these days.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Zone {
    pub name: &'static str,
    /// How far its clock is ahead of UTC.
    pub ahead: i128,
}

pub const UTC: Zone = Zone { name: "UTC", ahead: 0 };

pub const ZONES: [Zone; 4] = [
    Zone { name: "Asia/Tokyo", ahead: 9 * HOUR },
    Zone { name: "America/New_York", ahead: -5 * HOUR },
    Zone { name: "Asia/Kolkata", ahead: 11 * HOUR / 2 },
    Zone { name: "Europe/Berlin", ahead: HOUR },
];

#[derive(Debug, Clone)]
pub struct Field {
    pub name: &'static str,
    /// Its name in the files.
    pub stored: &'static str,
    pub kind: Kind,
    pub nullable: bool,
}

#[derive(Debug, Clone)]
pub struct SourceFile {
    /// None where the source has no partitions.
    pub day: Option<usize>,
    pub name: String,
    pub rows: Vec<Row>,
}

/// A duration, as the manifest writes it and in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Length {
    pub text: &'static str,
    pub nanos: i128,
}

const fn length(text: &'static str, nanos: i128) -> Length {
    Length { text, nanos }
}

pub const LENGTHS: [Length; 7] = [
    length("1s", SECOND),
    length("1h", HOUR),
    length("6h", 6 * HOUR),
    length("12h", 12 * HOUR),
    length("1d", DAY),
    length("36h", 36 * HOUR),
    length("2d", 2 * DAY),
];

#[derive(Debug, Clone, Default)]
pub struct Spine {
    pub filters: Vec<Condition>,
    pub covered: bool,
    pub sessions: Option<Sessions>,
}

#[derive(Debug, Clone)]
pub struct Sessions {
    pub drop_view_only: bool,
    pub drop_single_like: bool,
    pub likes: Condition,
}

#[derive(Debug, Clone)]
pub struct Join {
    pub view: &'static str,
    pub as_of: Option<AsOf>,
    /// The left side's column where it is not the view's key.
    pub on: Option<&'static str>,
    pub prefix: &'static str,
    pub columns: Vec<&'static str>,
}

#[derive(Debug, Clone, Default)]
pub struct AsOf {
    pub max_age: Option<Length>,
    pub inclusive: bool,
}

#[derive(Debug, Clone)]
pub struct Aggregation {
    pub name: String,
    pub view: &'static str,
    pub by: Vec<&'static str>,
    /// Empty where the spine calls them the same.
    pub on: Vec<&'static str>,
    pub joins: Vec<Join>,
    pub filters: Vec<Condition>,
    pub covered: bool,
    pub function: Function,
    pub windows: Vec<Window>,
    pub offset: Option<Length>,
    pub forward: bool,
    /// Whether the service asks for it by name; a part of a ratio need not be.
    pub listed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Window {
    Of(Length),
    Lifetime,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Function {
    Count,
    TimeSinceLast,
    CountDistinct(String),
    Sum(String),
    Mean(String),
    Min(String),
    Max(String),
    Var(String),
    Stddev(String),
    First(String),
    Last(String),
    FirstK { column: String, k: usize, distinct: bool },
    LastK { column: String, k: usize, distinct: bool },
    Distinct { column: String, flatten: bool, max: Option<usize> },
}

#[derive(Debug, Clone)]
pub struct Ratio {
    pub name: String,
    pub numerator: String,
    pub denominator: String,
    pub windows: Vec<Window>,
}

#[derive(Debug, Clone, Default)]
pub struct Contract {
    pub before: Vec<Column>,
    /// Whether `*` stands between the two.
    pub rest: bool,
    pub after: Vec<Column>,
}

#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
    /// How it is computed, of which column; without it the row's own.
    pub computed: Option<(String, String, Compute)>,
    /// As the manifest writes it, and what it is.
    pub default: Option<(&'static str, Value)>,
    pub nullable: bool,
}

impl Workspace {
    pub fn view(&self, name: &str) -> &View {
        self.views.iter().find(|view| view.name == name).unwrap()
    }

    pub fn aggregation(&self, name: &str) -> &Aggregation {
        self.aggregations.iter().find(|aggregation| aggregation.name == name).unwrap()
    }

    /// The columns of a row before the contract: of the spine, of its joins, of its windows.
    pub fn wide(&self) -> Vec<(String, Kind)> {
        let mut columns = with_joins(self, &self.views[0], &self.joins);
        for aggregation in self.aggregations.iter().filter(|aggregation| aggregation.listed) {
            let kind = aggregation.kind(self);
            columns.extend(aggregation.windows.iter().map(|window| (column_name(&aggregation.name, &aggregation.windows, window), kind)));
        }
        for ratio in &self.ratios {
            columns.extend(ratio.windows.iter().map(|window| (column_name(&ratio.name, &ratio.windows, window), Kind::Float)));
        }
        columns
    }
}

/// A view's columns and those that joins bring.
pub fn with_joins(workspace: &Workspace, view: &View, joins: &[Join]) -> Vec<(String, Kind)> {
    let mut columns: Vec<(String, Kind)> = view.fields.iter().map(|field| (field.name.into(), field.kind)).collect();
    for join in joins {
        let kind = |name: &str| workspace.view(join.view).field(name).kind;
        columns.extend(join.columns.iter().map(|name| (format!("{}{name}", join.prefix), kind(name))));
    }
    columns
}

/// `likes_7d`; a lifetime that is alone makes just `likes`.
pub fn column_name(name: &str, windows: &[Window], window: &Window) -> String {
    match window {
        Window::Of(length) => format!("{name}_{}", length.text),
        Window::Lifetime if windows.len() == 1 => name.into(),
        Window::Lifetime => format!("{name}_lifetime"),
    }
}

impl View {
    pub fn field(&self, name: &str) -> &Field {
        self.fields.iter().find(|field| field.name == name).unwrap()
    }

    pub fn keys(&self) -> Vec<String> {
        self.entities.iter().map(|entity| format!("{entity}_id")).collect()
    }
}

impl Aggregation {
    pub fn columns(&self, workspace: &Workspace) -> Vec<(String, Kind)> {
        with_joins(workspace, workspace.view(self.view), &self.joins)
    }

    /// The kind of its windows.
    pub fn kind(&self, workspace: &Workspace) -> Kind {
        let columns = self.columns(workspace);
        let of = |name: &String| columns.iter().find(|(column, _)| column == name).unwrap().1;
        match &self.function {
            Function::Count | Function::CountDistinct(_) => Kind::Int,
            Function::TimeSinceLast | Function::Mean(_) | Function::Var(_) | Function::Stddev(_) => Kind::Float,
            Function::Sum(column) => {
                if of(column) == Kind::Float {
                    Kind::Float
                } else {
                    Kind::Int
                }
            }
            Function::Min(column) | Function::Max(column) | Function::First(column) | Function::Last(column) => of(column),
            Function::FirstK { column, .. } | Function::LastK { column, .. } => of(column).list_of().unwrap(),
            Function::Distinct { column, flatten, .. } => {
                if *flatten {
                    of(column)
                } else {
                    of(column).list_of().unwrap()
                }
            }
        }
    }
}
