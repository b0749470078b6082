//! The whole skeleton, slow and obvious: row by row, each row held against every event, as the semantics read.
//!
//! Shares nothing with the real thing but its inputs. It also tells what a workspace exercises, so that a test can say how often.

use super::rows::{Kind, Row, Table, Unit, Value};
use super::workspace::*;
use std::collections::BTreeSet;

/// What was met on the way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Met {
    /// Two events of one window or join at one instant.
    pub ties: bool,
    /// An event exactly where a window starts.
    pub starts: bool,
    /// An event exactly where a window ends.
    pub ends: bool,
    /// A null key, or a null among a window's values.
    pub nulls: bool,
    /// A window without events, on a row with a key.
    pub empties: bool,
}

/// A mistake that the reference can be made to make, so that the comparison can be shown to find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Of rows of one instant it is not the one created last that counts.
    CreatedIgnored,
    /// Rows of one instant are not in the order of their files.
    FilesReversed,
    /// A zone ahead of UTC counts as one behind it.
    ZoneTurned,
    /// Rows without a vector count as covered.
    AbsentCovered,
    /// A session is judged by the rows that are left of it.
    SessionsOfWhatIsLeft,
    /// Rows without a session go with those that are dropped.
    NullSessionsDropped,
    /// Rows outside their file's day stay, though the view drops them.
    LateKept,
    /// Rows outside their file's day are dropped, though the view allows them.
    LateDropped,
    /// What is known later is known at once.
    KnowledgeIgnored,
    /// The view's `ttl` does not limit a join.
    TtlForgotten,
    /// Windows see no events that the spine leaves out.
    SpineFiltersEvents,
    /// Nulls stay null, whatever the contract's default.
    DefaultForgotten,
}

impl Bug {
    pub const ALL: [Bug; 12] = [
        Bug::CreatedIgnored,
        Bug::FilesReversed,
        Bug::ZoneTurned,
        Bug::AbsentCovered,
        Bug::SessionsOfWhatIsLeft,
        Bug::NullSessionsDropped,
        Bug::LateKept,
        Bug::LateDropped,
        Bug::KnowledgeIgnored,
        Bug::TtlForgotten,
        Bug::SpineFiltersEvents,
        Bug::DefaultForgotten,
    ];
}

pub struct Reference<'w> {
    workspace: &'w Workspace,
    bug: Option<Bug>,
    pub met: Met,
    /// How many rows each filter of the service kept and dropped, in their order.
    pub steps: Vec<(usize, usize)>,
}

/// A row of a view with its time.
#[derive(Clone)]
struct Event {
    at: i128,
    /// When it could be known: always, never or from an instant on.
    known: Known,
    row: Row,
}

#[derive(Clone, Copy)]
enum Known {
    Always,
    Never,
    From(i128),
}

impl Known {
    fn by(self, at: i128) -> bool {
        match self {
            Known::Always => true,
            Known::Never => false,
            Known::From(since) => since <= at,
        }
    }
}

fn nanos(value: &Value, unit: Unit) -> Option<i128> {
    value.int().map(|int| i128::from(int) * unit.nanos())
}

/// The start of a day of UTC.
fn start_of(day: usize) -> i128 {
    START + day as i128 * DAY
}

/// The events of a view in their order: time, created, file, row.
fn events(view: &View, bug: Option<Bug>) -> Vec<Event> {
    let mut placed = Vec::new();
    for file in &view.files {
        if file.day.is_some_and(|day| view.first.is_some_and(|first| day < first)) {
            continue;
        }
        for (number, row) in file.rows.iter().enumerate() {
            let at = nanos(&row[view.time], view.unit).unwrap();
            let is_late = file.day.is_some_and(|day| !(start_of(day)..start_of(day + 1)).contains(&at));
            let stays = match view.late {
                Late::Error => true,
                Late::Drop => bug == Some(Bug::LateKept),
                Late::Allow(_) => bug != Some(Bug::LateDropped),
            };
            if is_late && !stays {
                continue;
            }
            let known = match view.available.map(|name| nanos(&row[name], view.unit)) {
                _ if bug == Some(Bug::KnowledgeIgnored) => Known::Always,
                None => Known::Always,
                Some(None) => Known::Never,
                Some(Some(since)) => Known::From(since),
            };
            let created = view.created.filter(|_| bug != Some(Bug::CreatedIgnored)).map(|name| row[name].int());
            placed.push(((at, created), (file.day, file.name.clone()), number, Event { at, known, row: row.clone() }));
        }
    }
    placed.sort_by(|one, other| {
        let files = if bug == Some(Bug::FilesReversed) { other.1.cmp(&one.1) } else { one.1.cmp(&other.1) };
        one.0.cmp(&other.0).then(files).then(one.2.cmp(&other.2))
    });
    placed.into_iter().map(|(.., event)| event).collect()
}

/// The key, unless a part of it is null.
fn key<'a>(row: &'a Row, columns: impl IntoIterator<Item = &'a str>) -> Option<Vec<Value>> {
    let parts: Vec<Value> = columns.into_iter().map(|column| row[column].clone()).collect();
    (!parts.iter().any(Value::is_null)).then_some(parts)
}

impl<'w> Reference<'w> {
    pub fn new(workspace: &'w Workspace) -> Self {
        Self { workspace, bug: None, met: Met::default(), steps: Vec::new() }
    }

    pub fn with(workspace: &'w Workspace, bug: Bug) -> Self {
        Self { bug: Some(bug), ..Self::new(workspace) }
    }

    fn makes(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    fn events(&self, view: &View) -> Vec<Event> {
        events(view, self.bug)
    }

    /// What the skeleton of the target day should hold.
    pub fn skeleton(&mut self) -> Table {
        let workspace = self.workspace;
        let ahead = if self.makes(Bug::ZoneTurned) { -workspace.zone.ahead } else { workspace.zone.ahead };
        let day = start_of(workspace.target) - ahead;
        let mut period = self.events(&workspace.views[0]);
        let (start, length) = workspace.hour.map_or((day, DAY), |hour| (day + hour as i128 * HOUR, HOUR));
        period.retain(|event| (start..start + length).contains(&event.at));
        let mut rows = period.clone();
        for filter in &workspace.spine.filters {
            self.keep(&mut rows, |event| filter.holds(&event.row));
        }
        if workspace.spine.covered {
            let covered: Vec<bool> = rows.iter().map(|event| self.is_covered(&event.row)).collect();
            let mut covered = covered.into_iter();
            self.keep(&mut rows, |_| covered.next() == Some(true));
        }
        rows = self.joined(rows, &workspace.joins);
        for aggregation in &workspace.aggregations {
            rows = self.aggregated(rows, aggregation);
        }
        for ratio in &workspace.ratios {
            rows.iter_mut().for_each(|event| divide(workspace, &mut event.row, ratio));
        }
        if let Some(sessions) = &workspace.spine.sessions {
            let judged = if self.makes(Bug::SessionsOfWhatIsLeft) { rows.clone() } else { period };
            let null_stays = !self.makes(Bug::NullSessionsDropped);
            self.keep(&mut rows, |event| stays(&event.row["session"], sessions, &judged, null_stays));
        }
        for filter in &workspace.curate {
            self.keep(&mut rows, |event| filter.holds(&event.row));
        }
        fulfilled(workspace, &rows, !self.makes(Bug::DefaultForgotten))
    }

    /// A filter of the service, which says what it kept and dropped.
    fn keep(&mut self, rows: &mut Vec<Event>, keep: impl FnMut(&Event) -> bool) {
        let before = rows.len();
        rows.retain(keep);
        self.steps.push((rows.len(), before - rows.len()));
    }

    fn is_covered(&self, row: &Row) -> bool {
        let keys = self.workspace.embedded.as_ref().unwrap();
        row["artwork_id"].int().is_some_and(|artwork| self.makes(Bug::AbsentCovered) || keys.contains(&artwork))
    }

    /// Left events with the columns of all joins.
    fn joined(&mut self, mut left: Vec<Event>, joins: &[Join]) -> Vec<Event> {
        for join in joins {
            let view = self.workspace.view(join.view);
            let right = self.events(view);
            for event in &mut left {
                let found = self.found(event, view, &right, join);
                for column in &join.columns {
                    let value = found.map_or(Value::Null, |right| right.row[*column].clone());
                    event.row.insert(format!("{}{column}", join.prefix), value);
                }
            }
        }
        left
    }

    fn found<'e>(&mut self, left: &Event, view: &View, right: &'e [Event], join: &Join) -> Option<&'e Event> {
        let keys = view.keys();
        let on = join.on.map_or(keys.iter().map(String::as_str).collect(), |on| vec![on]);
        let Some(wanted) = key(&left.row, on) else {
            self.met.nulls = true;
            return None;
        };
        let candidates = right.iter().filter(|right| key(&right.row, keys.iter().map(String::as_str)).as_ref() == Some(&wanted));
        let Some(as_of) = &join.as_of else { return candidates.max_by_key(|right| right.at) };
        let max_age = as_of.max_age.or(view.ttl.filter(|_| !self.makes(Bug::TtlForgotten)));
        let mut last = None;
        for right in candidates {
            let is_before = right.at < left.at || (as_of.inclusive && right.at == left.at);
            let is_young = max_age.is_none_or(|age| left.at - right.at <= age.nanos);
            self.met.ends |= right.at == left.at;
            self.met.starts |= max_age.is_some_and(|age| left.at - right.at == age.nanos);
            if is_before && is_young && right.known.by(left.at) {
                self.met.ties |= last.is_some_and(|last: &Event| last.at == right.at);
                last = Some(right);
            }
        }
        last
    }

    /// The events that an aggregation sees.
    fn seen(&mut self, aggregation: &Aggregation) -> Vec<Event> {
        let workspace = self.workspace;
        let mut seen = self.events(workspace.view(aggregation.view));
        if self.makes(Bug::SpineFiltersEvents) && aggregation.view == workspace.views[0].name {
            seen.retain(|event| workspace.spine.filters.iter().all(|filter| filter.holds(&event.row)));
        }
        let mut seen = self.joined(seen, &aggregation.joins);
        seen.retain(|event| aggregation.filters.iter().all(|filter| filter.holds(&event.row)));
        seen.retain(|event| !aggregation.covered || self.is_covered(&event.row));
        seen
    }

    fn aggregated(&mut self, mut rows: Vec<Event>, aggregation: &Aggregation) -> Vec<Event> {
        let seen = self.seen(aggregation);
        let on = if aggregation.on.is_empty() { &aggregation.by } else { &aggregation.on };
        for row in &mut rows {
            let wanted = key(&row.row, on.iter().copied());
            self.met.nulls |= wanted.is_none();
            let same = |event: &&Event| wanted.is_some() && key(&event.row, aggregation.by.iter().copied()) == wanted;
            let history: Vec<&Event> = seen.iter().filter(same).collect();
            for window in &aggregation.windows {
                let inside: Vec<&Event> = history.iter().copied().filter(|event| self.covers(aggregation, window, row.at, event)).collect();
                self.met.empties |= wanted.is_some() && inside.is_empty();
                self.met.ties |= inside.windows(2).any(|pair| pair[0].at == pair[1].at);
                let value = self.fold(&aggregation.function, &inside, row.at);
                row.row.insert(column_name(&aggregation.name, &aggregation.windows, window), value);
            }
        }
        rows
    }

    fn covers(&mut self, aggregation: &Aggregation, window: &Window, at: i128, event: &Event) -> bool {
        let offset = aggregation.offset.map_or(0, |offset| offset.nanos);
        // The end that is nearer to the row's instant, and how far beyond it the event lies.
        let beyond = if aggregation.forward { event.at - (at + offset) } else { (at - offset) - event.at };
        self.met.ends |= beyond == 0;
        let is_near_enough = match window {
            Window::Lifetime => true,
            Window::Of(length) => {
                self.met.starts |= beyond == length.nanos;
                beyond <= length.nanos
            }
        };
        beyond > 0 && is_near_enough && event.known.by(at)
    }

    fn fold(&mut self, function: &Function, events: &[&Event], at: i128) -> Value {
        let mut values = |column: &String| -> Vec<Value> {
            let all: Vec<Value> = events.iter().map(|event| event.row[column].clone()).collect();
            self.met.nulls |= all.iter().any(Value::is_null);
            all.into_iter().filter(|value| !value.is_null()).collect()
        };
        match function {
            Function::Count => Value::Int(events.len() as i64),
            Function::TimeSinceLast => {
                let last = events.iter().map(|event| event.at).max();
                last.map_or(Value::Null, |last| Value::Float((at - last) as f64 / SECOND as f64))
            }
            Function::CountDistinct(column) => Value::Int(without_earlier(&values(column)).len() as i64),
            Function::Sum(column) => sum(&values(column)),
            Function::Mean(column) => mean(&values(column)).map_or(Value::Null, Value::Float),
            Function::Var(column) => variance(&values(column)).map_or(Value::Null, Value::Float),
            Function::Stddev(column) => variance(&values(column)).map_or(Value::Null, |variance| Value::Float(variance.sqrt())),
            Function::Min(column) => extreme(values(column), less),
            Function::Max(column) => extreme(values(column), |one, best| less(best, one)),
            Function::First(column) => values(column).first().cloned().unwrap_or(Value::Null),
            Function::Last(column) => values(column).last().cloned().unwrap_or(Value::Null),
            Function::FirstK { column, k, distinct } => {
                let values = values(column);
                let values = if *distinct { without_later(&values) } else { values };
                list(values.into_iter().take(*k).collect())
            }
            Function::LastK { column, k, distinct } => {
                let values = values(column);
                newest(if *distinct { without_earlier(&values) } else { values }, Some(*k))
            }
            Function::Distinct { column, flatten: false, max } => newest(without_earlier(&values(column)), *max),
            Function::Distinct { column, flatten: true, max } => {
                let items = values(column).iter().flat_map(|value| value.list().unwrap().to_vec()).collect::<Vec<_>>();
                let items: Vec<Value> = items.into_iter().filter(|item| !item.is_null()).collect();
                newest(without_earlier(&items), *max)
            }
        }
    }
}

/// Null where there is nothing.
fn list(values: Vec<Value>) -> Value {
    if values.is_empty() { Value::Null } else { Value::List(values) }
}

fn newest(mut values: Vec<Value>, most: Option<usize>) -> Value {
    while most.is_some_and(|most| values.len() > most) {
        values.remove(0);
    }
    list(values)
}

/// Each value once, where it stands last.
fn without_earlier(values: &[Value]) -> Vec<Value> {
    let mut kept: Vec<Value> = Vec::new();
    for value in values {
        kept.retain(|other| !other.same(value));
        kept.push(value.clone());
    }
    kept
}

/// Each value once, where it stands first.
fn without_later(values: &[Value]) -> Vec<Value> {
    let mut kept: Vec<Value> = Vec::new();
    for value in values {
        if !kept.iter().any(|other| other.same(value)) {
            kept.push(value.clone());
        }
    }
    kept
}

fn sum(values: &[Value]) -> Value {
    match values {
        [] => Value::Null,
        [Value::Int(_), ..] => Value::Int(values.iter().filter_map(Value::int).sum()),
        _ => Value::Float(values.iter().filter_map(Value::float).sum()),
    }
}

fn mean(values: &[Value]) -> Option<f64> {
    let sum: f64 = values.iter().filter_map(Value::float).sum();
    (!values.is_empty()).then(|| sum / values.len() as f64)
}

fn variance(values: &[Value]) -> Option<f64> {
    let mean = mean(values)?;
    let squares: f64 = values.iter().filter_map(Value::float).map(|value| (value - mean) * (value - mean)).sum();
    (values.len() > 1).then(|| squares / (values.len() - 1) as f64)
}

fn less(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Text(one), Value::Text(other)) => one < other,
        (one, other) => one.float() < other.float(),
    }
}

fn extreme(values: Vec<Value>, beats: impl Fn(&Value, &Value) -> bool) -> Value {
    let nan = values.iter().find(|value| value.float().is_some_and(f64::is_nan)).cloned();
    let mut best = values.first().cloned().unwrap_or(Value::Null);
    for value in values {
        if beats(&value, &best) {
            best = value;
        }
    }
    nan.unwrap_or(best)
}

fn divide(workspace: &Workspace, row: &mut Row, ratio: &Ratio) {
    for window in &ratio.windows {
        let part = |name: &str| row[&column_name(name, &workspace.aggregation(name).windows, window)].float();
        let value = match (part(&ratio.numerator), part(&ratio.denominator)) {
            (Some(over), Some(under)) if under != 0.0 => Value::Float(over / under),
            _ => Value::Null,
        };
        row.insert(column_name(&ratio.name, &ratio.windows, window), value);
    }
}

/// Whether a row stays, judged by all events of its session.
fn stays(session: &Value, sessions: &Sessions, period: &[Event], null_stays: bool) -> bool {
    let of_session = period.iter().filter(|event| event.row["session"] == *session);
    let likes = of_session.filter(|event| sessions.likes.holds(&event.row)).count();
    let is_dropped = (sessions.drop_view_only && likes == 0) || (sessions.drop_single_like && likes == 1);
    (session.is_null() && null_stays) || !is_dropped
}

fn fulfilled(workspace: &Workspace, rows: &[Event], defaults: bool) -> Table {
    let contract = &workspace.contract;
    let named: BTreeSet<&String> = contract.before.iter().chain(&contract.after).map(|column| &column.name).collect();
    let wide = workspace.wide();
    let rest = wide.iter().filter(|(name, _)| contract.rest && !named.contains(name));
    let rest = rest.map(|(name, kind)| Column { name: name.clone(), kind: *kind, computed: None, default: None, nullable: true });
    let columns: Vec<Column> = contract.before.iter().cloned().chain(rest).chain(contract.after.iter().cloned()).collect();
    let names = columns.iter().map(|column| column.name.clone()).collect();
    let rows = rows.iter().map(|event| columns.iter().map(|column| cell(column, &event.row, defaults)).collect()).collect();
    Table { names, rows }
}

fn cell(column: &Column, row: &Row, defaults: bool) -> Value {
    let value = match &column.computed {
        Some((_, of, compute)) => compute(&row[of]),
        None => row[&column.name].clone(),
    };
    let value = match (&column.default, value) {
        (Some((_, default)), Value::Null) if defaults => default.clone(),
        (_, value) => value,
    };
    match (column.kind, value) {
        (Kind::Float, Value::Int(int)) => Value::Float(int as f64),
        (_, value) => value,
    }
}
