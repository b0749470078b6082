//! Service → operator DAG. Computes backward from the contract what is needed, then lays out only that.
//!
//! Invariant: a window or join that no column, filter, expression or embedding needs does not appear, so it is neither computed nor observed.

use super::dag::*;
use super::declaration::{ComputeEngine, Pool};
use super::model::*;
use super::quantity::Window;
use super::types::DataType;
use crate::source::Spanned;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The DAG of a service.
pub fn compile(catalog: &Catalog, service: &Service) -> Dag {
    let needed = Needed::of(catalog, service);
    let mut builder = Builder { catalog, service, needed: &needed, operators: Vec::new(), tip: String::new() };
    builder.spine();
    service.joins.iter().for_each(|j| builder.join(j));
    needed.rolling.iter().for_each(|(aggregation, windows)| builder.rolling(aggregation, windows));
    builder.sessions();
    builder.curate();
    builder.project();
    builder.sinks();
    Dag { service: service.name.clone(), version: service.version, operators: builder.operators }
}

/// An aggregation and those of its windows that something needs.
pub type UsedAggregation = (Arc<Aggregation>, Vec<Window>);

/// What the contract makes necessary.
pub struct Needed {
    /// Columns of the wide row, from the spine, joins and aggregations.
    pub columns: BTreeSet<String>,
    pub rolling: Vec<UsedAggregation>,
    pub embed: Vec<Arc<Embedding>>,
}

impl Needed {
    pub fn of(catalog: &Catalog, service: &Service) -> Self {
        let embed = needed_embeddings(service);
        let mut columns = needed_by_contract(service, &embed);
        let rolling = needed_aggregations(catalog, service, &mut columns);
        for join in service.joins.iter().rev() {
            if join.added().any(|(name, _)| columns.contains(&name)) {
                columns.extend(join.on.iter().map(|(left, _)| left.clone()));
            }
        }
        Self { columns, rolling, embed }
    }
}

fn needed_embeddings(service: &Service) -> Vec<Arc<Embedding>> {
    let named = |e: &Embedding| service.takes_rest || service.columns.iter().any(|c| c.expr.is_none() && c.name == e.name);
    service.embed.iter().filter(|e| named(e)).map(|e| e.value.clone()).collect()
}

fn needed_by_contract(service: &Service, embed: &[Arc<Embedding>]) -> BTreeSet<String> {
    let mut columns: BTreeSet<String> = embed.iter().map(|e| e.input.value.clone()).collect();
    for column in &service.columns {
        columns.extend(column.expr.as_ref().map_or_else(|| [column.name.clone()].into(), |expr| expr.columns()));
    }
    service.curate.iter().for_each(|f| columns.extend(f.expr.columns()));
    columns.extend(service.sessions.iter().map(|s| s.column.clone()));
    if service.takes_rest {
        columns.extend(service.spine.names());
        columns.extend(service.joins.iter().flat_map(|j| j.added().map(|(name, _)| name)));
        columns.extend(service.rolling.iter().flat_map(|a| a.windows.iter().map(|w| a.column(w))));
    }
    columns
}

/// The aggregations in the order of the service, parts of ratios before them where the service does not name them itself.
fn needed_aggregations(catalog: &Catalog, service: &Service, columns: &mut BTreeSet<String>) -> Vec<UsedAggregation> {
    let listed: Vec<Arc<Aggregation>> = service.rolling.iter().map(|a| a.value.clone()).collect();
    for ratio in &listed {
        let AggregationKind::Ratio { numerator, denominator } = &ratio.kind else { continue };
        for window in ratio.windows.iter().filter(|w| columns.contains(&ratio.column(w))).collect::<Vec<_>>() {
            let parts = [numerator, denominator].map(|part| catalog.aggregations.get(part));
            columns.extend(parts.into_iter().flatten().map(|part| part.column(window)));
        }
    }
    let used: Vec<_> = with_parts(catalog, listed).into_iter().filter_map(|a| used_windows(a, columns)).collect();
    for (aggregation, _) in &used {
        if let AggregationKind::Of(measure) = &aggregation.kind {
            columns.extend(measure.on.iter().cloned());
        }
    }
    used
}

fn with_parts(catalog: &Catalog, listed: Vec<Arc<Aggregation>>) -> Vec<Arc<Aggregation>> {
    let names: BTreeSet<String> = listed.iter().map(|a| a.name.clone()).collect();
    let mut out: Vec<Arc<Aggregation>> = Vec::new();
    let (ratios, measures): (Vec<_>, Vec<_>) = listed.into_iter().partition(|a| matches!(a.kind, AggregationKind::Ratio { .. }));
    out.extend(measures);
    for ratio in &ratios {
        let AggregationKind::Ratio { numerator, denominator } = &ratio.kind else { continue };
        for part in [numerator, denominator].into_iter().filter(|p| !names.contains(*p)) {
            let known = out.iter().any(|a| a.name == *part);
            out.extend(catalog.aggregations.get(part).filter(|_| !known).cloned());
        }
    }
    out.extend(ratios);
    out
}

fn used_windows(aggregation: Arc<Aggregation>, columns: &BTreeSet<String>) -> Option<UsedAggregation> {
    let used = aggregation.windows.iter().filter(|w| columns.contains(&aggregation.column(w)));
    let windows: Vec<Window> = used.map(|w| w.value).collect();
    (!windows.is_empty()).then_some((aggregation, windows))
}

struct Builder<'a> {
    catalog: &'a Catalog,
    service: &'a Service,
    needed: &'a Needed,
    operators: Vec<Operator>,
    /// The operator that made the latest state of the wide row.
    tip: String,
}

impl Builder<'_> {
    fn push(&mut self, id: impl Into<String>, stage: Stage, inputs: Vec<String>, does: Kind) -> String {
        let id = self.unique(id.into());
        let engine = self.engine(&id, &does);
        self.operators.push(Operator { id: id.clone(), engine, stage, inputs, does });
        id
    }

    /// The engine that the author declared: for this operator, or for all that have a choice.
    fn engine(&self, id: &str, does: &Kind) -> Engine {
        let [only, _, ..] = does.engines() else { return does.engine() };
        let said = self.catalog.engines.get(&self.service.name).and_then(|engines| engines.get(id));
        said.copied().unwrap_or(match self.catalog.runtime.engine {
            ComputeEngine::Native => *only,
            ComputeEngine::Polars => Engine::Polars,
        })
    }

    fn unique(&self, id: String) -> String {
        let taken = |id: &str| self.operators.iter().any(|o| o.id == id);
        match taken(&id) {
            false => id,
            true => (2..).map(|n| format!("{id}/{n}")).find(|id| !taken(id)).unwrap_or(id),
        }
    }

    /// Adds an operator that continues the wide row.
    fn extend(&mut self, id: impl Into<String>, further: Vec<String>, does: Kind) {
        let inputs = [vec![self.tip.clone()], further].concat();
        self.tip = self.push(id, Stage::Skeleton, inputs, does);
    }

    fn spine(&mut self) {
        let view = self.service.spine.clone();
        let mut columns: BTreeSet<String> = self.needed.columns.clone();
        columns.extend(self.service.filters.iter().flat_map(|f| f.expr.columns()));
        columns.extend(self.service.require_embedding.iter().map(|c| c.column.clone()));
        self.tip = self.push(format!("scan/{}", view.name), Stage::Skeleton, Vec::new(), scan(&view, columns, Reach::PERIOD));
        self.filters("", &self.service.filters, &self.service.require_embedding);
    }

    /// Filters and coverage on the tip.
    fn filters(&mut self, prefix: &str, filters: &[Filter], coverage: &[Coverage]) {
        for filter in filters {
            self.extend(format!("{prefix}where"), vec![], Kind::Filter(FilterRows { expr: filter.expr.clone() }));
        }
        for Coverage { store, column } in coverage {
            let udf = ArrowUdf::Coverage { store: store_ref(store), column: column.clone() };
            self.extend(format!("{prefix}coverage/{}", store.name), vec![], Kind::ArrowUdf(udf));
        }
    }

    fn join(&mut self, join: &Join) {
        let needed = self.needed.columns.clone();
        self.join_needing("", join, &needed, &self.service.spine.clone(), Reach::PERIOD);
    }

    /// Joins the columns that are needed onto the tip, whose rows lie within `reach` of the target period.
    fn join_needing(&mut self, prefix: &str, join: &Join, needed: &BTreeSet<String>, left: &View, reach: Reach) {
        let columns: Vec<Added> =
            join.added().filter(|(name, _)| needed.contains(name)).map(|(name, from)| Added { name, from: from.into() }).collect();
        if columns.is_empty() {
            return;
        }
        let id = format!("{}{}", join.prefix, join.view.name);
        let mut read: BTreeSet<String> = columns.iter().map(|c| c.from.clone()).collect();
        read.extend(join.on.iter().map(|(_, right)| right.clone()));
        let on = pairs(&join.on);
        let (name, does, reach) = match (join.how, &left.timestamp, &join.view.timestamp) {
            (JoinHow::AsOf { max_age, inclusive }, Some(left_time), Some(time)) => {
                let reach = back_from(reach, max_age.map(|d| d.millis));
                read.extend(join.view.available_at.iter().map(|t| t.name.clone()));
                let does = Kind::PitJoin(PitJoin {
                    view: join.view.name.clone(),
                    on,
                    columns,
                    left_time: left_time.clone(),
                    time: time.clone(),
                    available_at: join.view.available_at.clone(),
                    max_age: max_age.map(|d| d.millis),
                    inclusive,
                });
                ("pit_join", does, reach)
            }
            _ => {
                let time = join.view.timestamp.clone();
                ("join", Kind::Join(StaticJoin { view: join.view.name.clone(), on, columns, time }), Reach::Lifetime { ahead: 0 })
            }
        };
        let scan_id = self.push(format!("{prefix}{name}/{id}/scan"), Stage::Skeleton, vec![], scan(&join.view, read, reach));
        self.extend(format!("{prefix}{name}/{id}"), vec![scan_id], does);
    }

    fn rolling(&mut self, aggregation: &Aggregation, windows: &[Window]) {
        let columns: Vec<WindowColumn> = windows.iter().map(|w| WindowColumn { name: aggregation.column(w), window: *w }).collect();
        match &aggregation.kind {
            AggregationKind::Of(measure) => self.measure(&aggregation.name, measure, columns),
            AggregationKind::Ratio { numerator, denominator } => {
                for column in columns {
                    let of = |part: &str| self.column_of(part, &column.window);
                    let udf = ArrowUdf::Ratio { numerator: of(numerator), denominator: of(denominator), name: column.name.clone() };
                    self.extend(format!("ratio/{}", column.name), vec![], Kind::ArrowUdf(udf));
                }
            }
        }
    }

    /// The column of a ratio's part, which has windows of its own: a lifetime that is alone there goes by another name.
    fn column_of(&self, part: &str, window: &Window) -> String {
        let part = self.needed.rolling.iter().find(|(aggregation, _)| aggregation.name == part);
        part.map(|(aggregation, _)| aggregation.column(window)).unwrap_or_default()
    }

    fn measure(&mut self, name: &str, measure: &Measure, windows: Vec<WindowColumn>) {
        let (Some(left_time), Some(time)) = (&self.service.spine.timestamp, &measure.view.timestamp) else { return };
        let events = self.events(&format!("rolling/{name}/"), measure, &windows);
        let does = RollingAggregate {
            aggregate: measure.function.clone(),
            column: measure.column.clone(),
            options: measure.options.clone(),
            on: measure.on.iter().zip(&measure.by).map(|(left, right)| On { left: left.clone(), right: right.clone() }).collect(),
            windows,
            offset: measure.offset.millis,
            forward: measure.forward,
            left_time: left_time.clone(),
            time: time.clone(),
            available_at: measure.view.available_at.clone(),
        };
        self.extend(format!("rolling/{name}"), vec![events], Kind::RollingAggregate(does));
    }

    /// The chain that makes an aggregation's events: scan, joins, filters, coverage.
    fn events(&mut self, prefix: &str, measure: &Measure, windows: &[WindowColumn]) -> String {
        let mut columns: BTreeSet<String> = measure.by.iter().cloned().chain(measure.column.clone()).collect();
        columns.extend(measure.filters.iter().flat_map(|f| f.expr.columns()));
        columns.extend(measure.require_embedding.iter().map(|c| c.column.clone()));
        columns.extend(measure.view.available_at.iter().map(|t| t.name.clone()));
        for join in measure.joins.iter().rev() {
            if join.added().any(|(name, _)| columns.contains(&name)) {
                columns.extend(join.on.iter().map(|(left, _)| left.clone()));
            }
        }
        let spine = std::mem::take(&mut self.tip);
        let reach = reach(measure, windows);
        self.tip = self.push(format!("{prefix}scan"), Stage::Skeleton, vec![], scan(&measure.view, columns.clone(), reach));
        measure.joins.iter().for_each(|j| self.join_needing(prefix, j, &columns, &measure.view, reach));
        self.filters(prefix, &measure.filters, &measure.require_embedding);
        std::mem::replace(&mut self.tip, spine)
    }

    fn sessions(&mut self) {
        let Some(sessions) = &self.service.sessions else { return };
        let columns = sessions.likes.columns().into_iter().chain([sessions.column.clone()]).collect();
        let scan = scan(&self.service.spine, columns, Reach::PERIOD);
        let events = self.push("sessions/scan", Stage::Skeleton, vec![], scan);
        let (column, drop, likes) = (sessions.column.clone(), sessions.drop.clone(), sessions.likes.clone());
        self.extend("sessions", vec![events], Kind::ArrowUdf(ArrowUdf::Sessions { column, drop, likes }));
    }

    fn curate(&mut self) {
        for filter in &self.service.curate {
            self.extend(format!("curate/{}", filter.name), vec![], Kind::Filter(FilterRows { expr: filter.expr.clone() }));
        }
    }

    fn project(&mut self) {
        let computed = self.service.columns.iter().filter_map(|c| {
            c.expr.as_ref().map(|expr| Computed { name: c.name.clone(), expr: expr.clone(), data_type: c.data_type.clone() })
        });
        let columns: Vec<Computed> = computed.collect();
        if !columns.is_empty() {
            self.extend("project", vec![], Kind::Project(Project { columns }));
        }
    }

    fn sinks(&mut self) {
        let contract: Vec<SinkColumn> = self.service.columns.iter().map(sink_column).collect();
        if self.needed.embed.is_empty() {
            return self.extend("sink", vec![], Kind::Sink(Sink { columns: contract }));
        }
        self.extend("skeleton", vec![], Kind::Sink(Sink { columns: self.skeleton_columns(&contract) }));
        for embedding in &self.needed.embed {
            let inputs = vec![self.tip.clone()];
            self.tip = self.push(format!("embed/{}", embedding.name), Stage::Enrich, inputs, embed(embedding));
        }
        let inputs = vec![self.tip.clone()];
        self.push("sink", Stage::Enrich, inputs, Kind::Sink(Sink { columns: contract }));
    }

    /// The contract without its embeddings, and with what they are looked up by.
    fn skeleton_columns(&self, contract: &[SinkColumn]) -> Vec<SinkColumn> {
        let is_embedding = |name: &str| self.needed.embed.iter().any(|e| e.name == name);
        let mut columns: Vec<SinkColumn> = contract.iter().filter(|c| !is_embedding(&c.name)).cloned().collect();
        for embedding in &self.needed.embed {
            if !columns.iter().any(|c| c.name == embedding.input.value) {
                let data_type = if embedding.pool.is_some() { DataType::Int64.list() } else { DataType::Int64 };
                columns.push(SinkColumn { name: embedding.input.value.clone(), data_type, default: None, nullable: true });
            }
        }
        columns
    }
}

fn sink_column(column: &Column) -> SinkColumn {
    SinkColumn {
        name: column.name.clone(),
        data_type: column.data_type.clone(),
        default: column.default.clone(),
        nullable: column.nullable,
    }
}

fn embed(embedding: &Embedding) -> Kind {
    Kind::Embed(Embed {
        name: embedding.name.clone(),
        store: store_ref(&embedding.store),
        input: embedding.input.value.clone(),
        pool: embedding.pool as Option<Pool>,
        data_type: embedding.store.data_type.clone(),
    })
}

fn store_ref(store: &Store) -> StoreRef {
    let physical = |name: &str| store.view.field(name).map_or(name.to_string(), |f| f.physical.clone());
    StoreRef { view: store.view.name.clone(), key: physical(&store.key), vector: physical(&store.vector) }
}

fn pairs(on: &[(String, String)]) -> Vec<On> {
    on.iter().map(|(left, right)| On { left: left.clone(), right: right.clone() }).collect()
}

/// A scan of the wanted fields, in the view's order; its times come along, other names are not the view's to give.
fn scan(view: &View, mut wanted: BTreeSet<String>, reach: Reach) -> Kind {
    wanted.extend(view.timestamp.iter().map(|t| t.name.clone()));
    wanted.extend(view.created.clone());
    let columns = view.fields.iter().filter(|f| wanted.contains(&f.name)).map(|f| ScanColumn {
        name: f.name.clone(),
        physical: f.physical.clone(),
        data_type: f.data_type.clone(),
    });
    let reach = if view.layout.is_some() { reach } else { Reach::Whole };
    let (time, created) = (view.timestamp.clone(), view.created.clone());
    Kind::Scan(Scan { view: view.name.clone(), columns: columns.collect(), time, created, reach })
}

fn reach(measure: &Measure, windows: &[WindowColumn]) -> Reach {
    let furthest = windows.iter().map(|w| w.window).max().unwrap_or(Window::Lifetime);
    let offset = measure.offset.millis;
    match (furthest, measure.forward) {
        (Window::Of(w), false) => Reach::Around { back: w.millis + offset, ahead: 0 },
        (Window::Of(w), true) => Reach::Around { back: 0, ahead: w.millis + offset },
        (Window::Lifetime, _) => Reach::Lifetime { ahead: 0 },
    }
}

fn back_from(reach: Reach, max_age: Option<i64>) -> Reach {
    match (reach, max_age) {
        (Reach::Around { back, ahead }, Some(age)) => Reach::Around { back: back + age, ahead },
        (Reach::Around { ahead, .. } | Reach::Lifetime { ahead }, _) => Reach::Lifetime { ahead },
        (Reach::Whole, _) => Reach::Lifetime { ahead: 0 },
    }
}

/// Aggregations, joins, columns of joins and embeddings of a service that nothing needs, with where they are named.
pub fn idle(service: &Service, needed: &Needed) -> Vec<Spanned<String>> {
    let is_needed = |join: &Join, column: &str| needed.columns.contains(&format!("{}{column}", join.prefix));
    let mut out: Vec<Spanned<String>> = Vec::new();
    for join in &service.joins {
        let idle: Vec<_> = join.columns.iter().filter(|column| !is_needed(join, column)).collect();
        match idle.len() == join.columns.len() {
            true => out.push(Spanned::new(format!("join `{}`", join.view.name), join.span)),
            false => out.extend(idle.into_iter().map(|column| Spanned::new(format!("column `{}{column}`", join.prefix), column.span))),
        }
    }
    let idle_rolling = service.rolling.iter().filter(|a| !needed.rolling.iter().any(|(used, _)| used.name == a.name));
    let idle_embed = service.embed.iter().filter(|e| !needed.embed.iter().any(|used| used.name == e.name));
    out.extend(idle_rolling.map(|a| Spanned::new(format!("aggregation `{}`", a.name), a.span)));
    out.extend(idle_embed.map(|e| Spanned::new(format!("embedding `{}`", e.name), e.span)));
    out
}
