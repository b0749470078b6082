//! Small workspaces that a seed decides: few keys, few instants, and those on the edges of days and windows.

use super::chance::Chance;
use super::conditions::{Condition, computed, conditions};
use super::rows::{Kind, Row, Unit, Value};
use super::workspace::*;

const UNITS: [Unit; 4] = [Unit::S, Unit::Ms, Unit::Us, Unit::Ns];
const HOURS: [i128; 6] = [0, 0, 1, 6, 12, 18];
const TICKS: [i128; 5] = [0, 0, 0, 1, -1];
const FLOATS: [f64; 6] = [0.1, 0.25, 1.0 / 3.0, 0.7, 1.5, 1e6];

/// The workspace of a seed.
pub fn workspace(seed: u64) -> Workspace {
    let chance = &mut Chance::new(seed);
    let views = vec![events(chance), artworks(chance), users(chance), likes(chance)];
    let embedded = chance.maybe(12, |chance| chance.several(&[10, 11, 12], 1, 2));
    let mut workspace = Workspace {
        target: chance.pick(&[0, 1, 1, 2, 2, 2, 3]),
        hour: None,
        zone: chance.maybe(40, |chance| chance.pick(&ZONES)).unwrap_or(UTC),
        on_polars: false,
        views,
        embedded,
        spine: Spine::default(),
        joins: Vec::new(),
        aggregations: Vec::new(),
        ratios: Vec::new(),
        curate: Vec::new(),
        contract: Contract::default(),
    };
    workspace.hour = chance.maybe(if workspace.zone == UTC { 30 } else { 0 }, |chance| chance.pick(&[0, 0, 1, 6, 12, 18]));
    workspace.views[0].first = workspace.views[0].first.map(|first| first.min(workspace.target));
    workspace.spine = spine(chance, &workspace);
    workspace.joins = joins(chance);
    for number in 0..1 + chance.below(4) {
        let aggregation = aggregation(chance, &workspace, format!("a{number}"));
        workspace.aggregations.push(aggregation);
    }
    ratio(chance, &mut workspace);
    let wide = workspace.wide();
    workspace.curate = chance.maybe(25, |chance| filters(chance, &wide, 1)).unwrap_or_default();
    workspace.contract = contract(chance, &wide);
    workspace
}

fn field(name: &'static str, kind: Kind, nullable: bool) -> Field {
    Field { name, stored: name, kind, nullable }
}

/// The kind of a view's times: an epoch, or a timestamp of the same unit.
fn time_kind(chance: &mut Chance, unit: Unit) -> Kind {
    // Arrow's Parquet has no seconds, so a timestamp in seconds is not read back as one.
    if unit != Unit::S && chance.percent(25) { Kind::Time(unit) } else { Kind::Int }
}

fn nullable(chance: &mut Chance, value: Value) -> Value {
    if chance.percent(12) { Value::Null } else { value }
}

fn int(chance: &mut Chance, from: &[i64]) -> Value {
    let value = chance.pick(from);
    nullable(chance, Value::Int(value))
}

fn text(chance: &mut Chance, from: &[&str]) -> Value {
    let value = chance.pick(from);
    nullable(chance, Value::Text(value.into()))
}

fn float(chance: &mut Chance) -> Value {
    let value = chance.pick(&FLOATS);
    nullable(chance, Value::Float(value))
}

fn ints(chance: &mut Chance) -> Value {
    let items = (0..chance.below(4)).map(|_| int(chance, &[100, 101, 102])).collect();
    nullable(chance, Value::List(items))
}

/// An instant of a day, in a unit.
fn instant(chance: &mut Chance, day: usize, unit: Unit) -> i64 {
    let start = START + day as i128 * DAY;
    let tick = chance.pick(&[unit.nanos(), Unit::S.nanos()]) * chance.pick(&TICKS);
    let at = start + chance.pick(&HOURS) * HOUR + tick;
    (at.clamp(start, start + DAY - unit.nanos()) / unit.nanos()) as i64
}

/// Known at once, later, earlier or never.
fn known(chance: &mut Chance, at: i64, unit: Unit) -> Value {
    let later = chance.pick(&[0, 0, HOUR, 6 * HOUR, -HOUR]) / unit.nanos();
    nullable(chance, Value::Int(at + later as i64))
}

/// Files of some days: several, empty or none; with exact repeats of rows.
fn files(chance: &mut Chance, partitioned: bool, most: usize, mut row: impl FnMut(&mut Chance, usize) -> Row) -> Vec<SourceFile> {
    let mut files = Vec::new();
    for day in 0..DAYS {
        if partitioned && chance.percent(12) {
            continue;
        }
        for name in chance.several(&["a.parquet", "b.parquet", "part-10.parquet", "part-9.parquet"], 1, 2) {
            let mut rows: Vec<Row> = (0..chance.below(most + 1)).map(|_| row(chance, day)).collect();
            if chance.percent(30) {
                rows.extend(rows.first().cloned());
            }
            let name = if partitioned { name.to_string() } else { format!("{day}-{name}") };
            files.push(SourceFile { day: partitioned.then_some(day), name, rows });
        }
    }
    files
}

fn row<const N: usize>(values: [(&str, Value); N]) -> Row {
    values.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

fn users_of(chance: &mut Chance) -> Value {
    int(chance, &[1, 2, 2, 2, 3])
}

fn artworks_of(chance: &mut Chance) -> Value {
    int(chance, &[10, 11, 12])
}

/// A view of the given fields; its files still to come.
fn view(chance: &mut Chance, name: &'static str, entities: &[&'static str], time: &'static str, partitioned: bool) -> View {
    View {
        name,
        entities: entities.to_vec(),
        fields: Vec::new(),
        time,
        unit: chance.pick(&UNITS),
        created: None,
        available: None,
        ttl: None,
        partitioned,
        first: chance.maybe(if partitioned { 30 } else { 0 }, |chance| chance.below(3)),
        files: Vec::new(),
        bare_days: Vec::new(),
        late: Late::Error,
    }
}

/// Lets some rows lie in another day's file than their own, where the view says what becomes of them.
fn with_late_rows(chance: &mut Chance, mut view: View) -> View {
    if !view.partitioned || !chance.percent(35) {
        return view;
    }
    view.late = chance.pick(&[Late::Drop, Late::Allow(1), Late::Allow(2)]);
    for file in &mut view.files {
        for row in &mut file.rows {
            if chance.percent(30) {
                let days = match view.late {
                    Late::Allow(most) => -(1 + chance.below(most) as i128),
                    _ => chance.pick(&[-2, -1, 1]),
                };
                let at = i128::from(row[view.time].int().unwrap()) + days * DAY / view.unit.nanos();
                row.insert(view.time.into(), Value::Int(at as i64));
            }
        }
    }
    view
}

/// Adds the directory without files that an absent day may have.
fn with_bare_days(chance: &mut Chance, mut view: View) -> View {
    let is_there = |day: usize| view.files.iter().any(|file| file.day == Some(day));
    let absent: Vec<usize> = (0..DAYS).filter(|day| view.partitioned && !is_there(*day)).collect();
    view.bare_days = absent.into_iter().filter(|_| chance.percent(50)).collect();
    view
}

fn events(chance: &mut Chance) -> View {
    let mut events = view(chance, "events", &["user", "artwork"], "at", true);
    let (unit, kind) = (events.unit, time_kind(chance, events.unit));
    events.created = chance.maybe(30, |_| "created");
    events.fields = vec![
        field("user_id", Kind::Int, true),
        field("artwork_id", Kind::Int, true),
        field("event", Kind::Text, true),
        field("at", kind, false),
        field("session", Kind::Int, true),
        field("score", Kind::Float, true),
        field("heat", Kind::Float, true),
        field("weight", Kind::Int, true),
        field("created", Kind::Int, false),
    ];
    events.files = files(chance, true, 8, |chance, day| {
        let heat = if chance.percent(4) { Value::Float(f64::NAN) } else { float(chance) };
        row([
            ("user_id", users_of(chance)),
            ("artwork_id", artworks_of(chance)),
            ("event", text(chance, &["view", "view", "like", "skip"])),
            ("at", Value::Int(instant(chance, day, unit))),
            ("session", int(chance, &[71, 72, 73])),
            ("score", float(chance)),
            ("heat", heat),
            ("weight", int(chance, &[-1, 0, 1, 2, 3])),
            ("created", Value::Int(chance.below(3) as i64)),
        ])
    });
    let events = with_late_rows(chance, events);
    with_bare_days(chance, events)
}

/// One newest row per artwork, as a static join wants it.
fn artworks(chance: &mut Chance) -> View {
    let mut artworks = view(chance, "artworks", &["artwork"], "published_at", false);
    let (unit, kind) = (artworks.unit, time_kind(chance, artworks.unit));
    artworks.fields = vec![
        Field { name: "artwork_id", stored: "id", kind: Kind::Int, nullable: true },
        field("author_id", Kind::Int, true),
        field("model", Kind::Text, true),
        field("rating", Kind::Int32, true),
        field("tags", Kind::Ints, true),
        field("published_at", kind, false),
    ];
    let mut taken: Vec<(Value, i64)> = Vec::new();
    let mut files = files(chance, false, 2, |chance, day| {
        row([
            ("artwork_id", artworks_of(chance)),
            ("author_id", users_of(chance)),
            ("model", text(chance, &["sdxl", "dit"])),
            ("rating", int(chance, &[1, 2, 3])),
            ("tags", ints(chance)),
            ("published_at", Value::Int(instant(chance, day, unit))),
        ])
    });
    for file in &mut files {
        file.rows.retain(|row| {
            let of = (row["artwork_id"].clone(), row["published_at"].int().unwrap());
            let is_new = of.0.is_null() || !taken.contains(&of);
            taken.push(of);
            is_new
        });
    }
    artworks.files = files;
    artworks
}

fn users(chance: &mut Chance) -> View {
    let partitioned = chance.percent(70);
    let mut users = view(chance, "users", &["user"], "updated_at", partitioned);
    let (unit, kind) = (users.unit, time_kind(chance, users.unit));
    users.created = chance.maybe(40, |_| "version");
    users.available = chance.maybe(30, |_| "known_at");
    users.ttl = chance.maybe(50, |chance| chance.pick(&LENGTHS));
    users.fields = vec![
        field("user_id", Kind::Int, true),
        field("membership", Kind::Text, true),
        field("level", Kind::Int, true),
        field("updated_at", kind, false),
        field("version", Kind::Int, false),
        field("known_at", kind, true),
    ];
    users.files = files(chance, partitioned, 3, |chance, day| {
        let at = instant(chance, day, unit);
        row([
            ("user_id", users_of(chance)),
            ("membership", text(chance, &["none", "gold"])),
            ("level", int(chance, &[1, 2, 3])),
            ("updated_at", Value::Int(at)),
            ("version", Value::Int(chance.below(3) as i64)),
            ("known_at", known(chance, at, unit)),
        ])
    });
    let users = with_late_rows(chance, users);
    with_bare_days(chance, users)
}

fn likes(chance: &mut Chance) -> View {
    let mut likes = view(chance, "likes", &["user", "artwork"], "liked_at", true);
    let (unit, kind) = (likes.unit, time_kind(chance, likes.unit));
    likes.available = chance.maybe(30, |_| "known_at");
    likes.fields = vec![
        field("user_id", Kind::Int, true),
        field("artwork_id", Kind::Int, true),
        field("liked_at", kind, false),
        field("grams", Kind::Float, true),
        field("pieces", Kind::Int, true),
        field("known_at", kind, true),
    ];
    likes.files = files(chance, true, 4, |chance, day| {
        let at = instant(chance, day, unit);
        row([
            ("user_id", users_of(chance)),
            ("artwork_id", artworks_of(chance)),
            ("liked_at", Value::Int(at)),
            ("grams", float(chance)),
            ("pieces", int(chance, &[1, 2, 3, 4])),
            ("known_at", known(chance, at, unit)),
        ])
    });
    let likes = with_late_rows(chance, likes);
    with_bare_days(chance, likes)
}

/// Up to so many conditions on columns that have some.
fn filters(chance: &mut Chance, columns: &[(String, Kind)], most: usize) -> Vec<Condition> {
    // A comparison with NaN is no matter of this test.
    let is_plain = |(name, kind): &&(String, Kind)| name != "heat" && !name.starts_with('a') && !conditions(*kind).is_empty();
    let columns: Vec<_> = columns.iter().filter(is_plain).collect();
    (0..chance.below(most + 1))
        .map(|_| {
            let (name, kind) = chance.pick(&columns);
            Condition::new(name, chance.pick(conditions(*kind)))
        })
        .collect()
}

fn spine(chance: &mut Chance, workspace: &Workspace) -> Spine {
    let columns = with_joins(workspace, &workspace.views[0], &[]);
    let event = conditions(Kind::Text);
    Spine {
        filters: chance.maybe(60, |chance| filters(chance, &columns, 2)).unwrap_or_default(),
        covered: workspace.embedded.is_some() && chance.percent(50),
        sessions: chance.maybe(30, |chance| Sessions {
            drop_view_only: chance.percent(60),
            drop_single_like: chance.percent(60),
            likes: Condition::new("event", chance.pick(event)),
        }),
    }
}

fn properties(chance: &mut Chance) -> Join {
    let mut columns = vec!["author_id"];
    columns.extend(chance.several(&["model", "rating", "tags"], 0, 3));
    Join { view: "artworks", as_of: None, on: None, prefix: "", columns }
}

fn attributes(chance: &mut Chance, on: Option<&'static str>, prefix: &'static str) -> Join {
    let as_of = AsOf { max_age: chance.maybe(50, |chance| chance.pick(&LENGTHS)), inclusive: chance.percent(35) };
    Join { view: "users", as_of: Some(as_of), on, prefix, columns: chance.several(&["membership", "level"], 1, 2) }
}

/// By both keys of the view.
fn last_like(chance: &mut Chance) -> Join {
    let as_of = AsOf { max_age: chance.maybe(50, |chance| chance.pick(&LENGTHS)), inclusive: chance.percent(35) };
    Join { view: "likes", as_of: Some(as_of), on: None, prefix: "like_", columns: chance.several(&["grams", "pieces"], 1, 2) }
}

fn joins(chance: &mut Chance) -> Vec<Join> {
    let mut joins = vec![properties(chance)];
    joins.extend(chance.maybe(60, |chance| attributes(chance, None, "")));
    joins.extend(chance.maybe(40, |chance| attributes(chance, Some("author_id"), "author_")));
    joins.extend(chance.maybe(30, last_like));
    joins
}

type Keys = (&'static [&'static str], &'static [&'static str]);

fn keys(chance: &mut Chance, view: &str) -> Keys {
    let events: &[Keys] = &[
        (&["user_id"], &[]),
        (&["artwork_id"], &[]),
        (&["event"], &[]),
        (&["user_id", "author_id"], &[]),
        (&["artwork_id", "user_id"], &[]),
        (&["user_id"], &["author_id"]),
    ];
    let likes: &[Keys] = &[(&["user_id"], &[]), (&["artwork_id"], &[]), (&["user_id"], &["author_id"])];
    let artworks: &[Keys] = &[(&["author_id"], &["user_id"]), (&["artwork_id"], &[])];
    chance.pick(match view {
        "events" => events,
        "likes" => likes,
        _ => artworks,
    })
}

fn aggregation(chance: &mut Chance, workspace: &Workspace, name: String) -> Aggregation {
    let view = chance.pick(&["events", "events", "events", "likes", "artworks"]);
    let (by, on) = keys(chance, view);
    let mut joins = Vec::new();
    if view != "artworks" && (by.contains(&"author_id") || chance.percent(25)) {
        joins.push(properties(chance));
    }
    if view != "artworks" && chance.percent(15) {
        joins.push(attributes(chance, None, ""));
    }
    let columns = with_joins(workspace, workspace.view(view), &joins);
    let forward = chance.percent(15);
    Aggregation {
        name,
        view,
        by: by.to_vec(),
        on: on.to_vec(),
        filters: filters(chance, &columns, 1),
        joins,
        covered: workspace.embedded.is_some() && chance.percent(40),
        function: function(chance, &columns, forward),
        windows: windows(chance, forward),
        offset: chance.maybe(20, |chance| chance.pick(&LENGTHS[..5])),
        forward,
        listed: true,
    }
}

/// What lies ahead has no end, so no window ahead is a lifetime.
fn windows(chance: &mut Chance, forward: bool) -> Vec<Window> {
    let mut all: Vec<Window> = LENGTHS.iter().map(|length| Window::Of(*length)).collect();
    all.extend((!forward).then_some(Window::Lifetime));
    chance.several(&all, 1, 3)
}

fn function(chance: &mut Chance, columns: &[(String, Kind)], forward: bool) -> Function {
    // Nothing calculates with instants: in nanoseconds even a few overflow.
    let is_time = |name: &str| name.ends_with("_at") || name == "at";
    let of = |chance: &mut Chance, fits: fn(Kind) -> bool| {
        let fitting: Vec<_> = columns.iter().filter(|(name, kind)| fits(*kind) && !(kind.is_number() && is_time(name))).collect();
        chance.pick(&fitting).0.clone()
    };
    let is_single = |kind: Kind| kind.list_of().is_some();
    let is_ordered = |kind: Kind| kind.is_number() || kind == Kind::Text;
    let has_lists = columns.iter().any(|(_, kind)| *kind == Kind::Ints);
    let (k, distinct) = (1 + chance.below(3), chance.percent(50));
    match chance.below(15) {
        0 => Function::Count,
        1 if !forward => Function::TimeSinceLast,
        1 | 2 => Function::CountDistinct(of(chance, is_ordered)),
        3 => Function::Sum(of(chance, Kind::is_number)),
        4 => Function::Mean(of(chance, Kind::is_number)),
        5 => Function::Min(of(chance, is_ordered)),
        6 => Function::Max(of(chance, is_ordered)),
        7 => Function::Var(of(chance, Kind::is_number)),
        8 => Function::Stddev(of(chance, Kind::is_number)),
        9 => Function::First(of(chance, |_| true)),
        10 => Function::Last(of(chance, |_| true)),
        11 => Function::FirstK { column: of(chance, is_single), k, distinct },
        12 => Function::LastK { column: of(chance, is_single), k, distinct },
        13 if has_lists => {
            let max = chance.maybe(60, |_| k);
            Function::Distinct { column: of(chance, |kind| kind == Kind::Ints), flatten: true, max }
        }
        _ => Function::Distinct { column: of(chance, is_single), flatten: false, max: chance.maybe(60, |_| k) },
    }
}

/// Divides one aggregation by another of the same keys, which the service may not have asked for.
fn ratio(chance: &mut Chance, workspace: &mut Workspace) {
    let is_number = |aggregation: &&Aggregation| aggregation.kind(workspace).is_number();
    let Some(numerator) = workspace.aggregations.iter().find(is_number).filter(|_| chance.percent(50)).cloned() else { return };
    let columns = numerator.columns(workspace);
    let denominator = Aggregation {
        name: "under".into(),
        filters: filters(chance, &columns, 1),
        function: Function::Count,
        listed: chance.percent(50),
        ..numerator.clone()
    };
    let windows = numerator.windows.iter().take(1 + chance.below(2)).copied().collect();
    workspace.ratios.push(Ratio { name: "ratio".into(), numerator: numerator.name, denominator: "under".into(), windows });
    workspace.aggregations.push(denominator);
}

fn default(kind: Kind) -> Option<(&'static str, Value)> {
    match kind {
        Kind::Bool => Some(("#true", Value::Bool(true))),
        Kind::Int | Kind::Int32 => Some(("-7", Value::Int(-7))),
        Kind::Float => Some(("0.5", Value::Float(0.5))),
        Kind::Text => Some(("\"none\"", Value::Text("none".into()))),
        Kind::Ints => Some(("\"[5, 6]\"", Value::List(vec![Value::Int(5), Value::Int(6)]))),
        Kind::Floats | Kind::Texts => Some(("\"[]\"", Value::List(vec![]))),
        Kind::Time(_) => None,
    }
}

fn column(chance: &mut Chance, name: String, kind: Kind) -> Column {
    let default = default(kind).filter(|_| chance.percent(50));
    Column { name, kind, computed: None, nullable: default.is_none() || chance.percent(20), default }
}

fn contract(chance: &mut Chance, wide: &[(String, Kind)]) -> Contract {
    let rest = chance.percent(50);
    let least = if rest { 0 } else { wide.len() };
    let mut columns: Vec<Column> = Vec::new();
    for (name, kind) in chance.several(wide, least, wide.len()) {
        columns.push(column(chance, name, kind));
    }
    for number in 0..chance.below(3) {
        let (of, kind) = chance.pick(wide);
        if let Some((kind, text, compute)) = chance.maybe(100, |chance| computed(kind).get(chance.below(4)).copied()).flatten() {
            let computed = Some((text.replace("{}", &of), of, compute));
            let made = column(chance, format!("made_{number}"), kind);
            columns.insert(chance.below(columns.len() + 1), Column { computed, ..made });
        }
    }
    let after = columns.split_off(chance.below(columns.len() + 1));
    Contract { before: columns, rest, after }
}
