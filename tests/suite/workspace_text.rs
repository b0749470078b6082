//! Writes a workspace out: its manifest as KDL, its views as Parquet, its vectors as a Lance dataset.

use super::rows::{self, Kind, Unit};
use super::workspace::*;
use arrow::array::{ArrayRef, FixedSizeListArray, Float16Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field as ArrowField};
use daeda::table::lance::{self, WriteMode};
use half::f16;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const MANIFEST: &str = r#"daedalus version=1
entity "user" key="user_id"
entity "artwork" key="artwork_id"
partitions "all" {partitions}
asset "rows" {
    partitions "all"
    service "rows"
    op "compile" rule="compile"
    op "skeleton" rule="skeleton" needs="compile"
}
"#;

const WIDTH: usize = 4;

/// `2026-02-01` and the days after it.
pub fn date(day: usize) -> String {
    format!("2026-02-{:02}", day + 1)
}

/// The key of the period that is built.
pub fn key(workspace: &Workspace) -> String {
    let day = date(workspace.target);
    workspace.hour.map_or(day.clone(), |hour| format!("{day}T{hour:02}"))
}

fn partitions(workspace: &Workspace) -> String {
    match workspace.hour {
        Some(_) => "every=\"hour\" start=\"2026-02-01T00\"".into(),
        None => format!("every=\"day\" start=\"2026-02-01\" timezone=\"{}\"", workspace.zone.name),
    }
}

/// In which order definitions that have none are written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Order {
    AsGiven,
    Reversed,
}

/// The manifest's files, by name.
pub fn manifest(workspace: &Workspace, order: Order) -> Vec<(String, String)> {
    let views = workspace.views.iter().map(view).chain(workspace.embedded.iter().map(|_| embeddings()));
    let views: Vec<String> = arranged(views.collect(), order);
    let mut files = vec![
        ("Daedalus.kdl".to_string(), MANIFEST.replace("{partitions}", &partitions(workspace))),
        ("config/training/aggregations.kdl".into(), aggregations(workspace, order)),
        ("feature_services/rows.kdl".into(), service(workspace, order)),
    ];
    if workspace.on_polars {
        files.push(("config/training/runtime.kdl".into(), "runtime {\n    compute engine=\"polars\"\n}\n".into()));
    }
    match order {
        Order::AsGiven => files.extend(views.into_iter().enumerate().map(|(n, text)| (format!("feature_views/{n}.kdl"), text))),
        Order::Reversed => files.push(("feature_views/all.kdl".into(), views.concat())),
    }
    files
}

/// Writes everything into an empty directory.
pub fn write(workspace: &Workspace, directory: &Path, order: Order) {
    for (name, text) in manifest(workspace, order) {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    workspace.views.iter().for_each(|view| write_files(view, &directory.join("data").join(view.name)));
    if let Some(keys) = &workspace.embedded {
        write_vectors(keys, &directory.join("data/embeddings.lance"));
    }
}

fn arranged<T>(mut items: Vec<T>, order: Order) -> Vec<T> {
    if order == Order::Reversed {
        items.reverse();
    }
    items
}

fn write_files(view: &View, directory: &Path) {
    fs::create_dir_all(directory).unwrap();
    view.bare_days.iter().for_each(|day| fs::create_dir_all(directory.join(format!("dt={}", date(*day)))).unwrap());
    // In another order than the view's, with a column that the view does not know.
    let stored = |field: &Field| (field.stored.to_string(), field.name.to_string(), field.kind);
    let unknown = ("unknown".to_string(), view.time.to_string(), Kind::Time(Unit::S));
    let columns: Vec<_> = view.fields.iter().rev().map(stored).chain([unknown]).collect();
    for file in &view.files {
        let directory = file.day.map_or(directory.to_path_buf(), |day| directory.join(format!("dt={}", date(day))));
        fs::create_dir_all(&directory).unwrap();
        rows::write(&directory.join(&file.name), &columns, &file.rows);
    }
}

fn write_vectors(keys: &[i64], path: &Path) {
    let item = Arc::new(ArrowField::new("item", DataType::Float16, true));
    let values: Float16Array = (0..keys.len() * WIDTH).map(|n| Some(f16::from_f32(n as f32))).collect();
    let vectors: ArrayRef = Arc::new(FixedSizeListArray::new(item, WIDTH as i32, Arc::new(values), None));
    let keys: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
    let batch = RecordBatch::try_from_iter([("artwork_id", keys), ("embedding", vectors)]).unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    lance::write(path, batch.schema(), [batch].into_iter(), WriteMode::Create).unwrap();
}

fn view(view: &View) -> String {
    let mut source = format!("source \"data/{}\" timestamp=\"{}\" unit=\"{}\"", view.name, view.time, view.unit.name());
    let mut say = |name: &str, value: Option<String>| value.iter().for_each(|value| write!(source, " {name}=\"{value}\"").unwrap());
    say("partition", view.partitioned.then(|| "dt={day}".into()));
    say("first", view.first.map(date));
    say("created", view.created.map(String::from));
    say("available-at", view.available.map(String::from));
    match view.late {
        Late::Error => {}
        Late::Drop => source.push_str(" late=\"drop\""),
        Late::Allow(days) => write!(source, " late=\"allow\" lateness=\"{days}d\"").unwrap(),
    }
    let entities: String = view.entities.iter().map(|entity| format!(" \"{entity}\"")).collect();
    let ttl = view.ttl.map(|ttl| format!("    ttl \"{}\"\n", ttl.text)).unwrap_or_default();
    let renamed = view.fields.iter().filter(|field| field.stored != field.name);
    let renames: String = renamed.map(|field| format!("    rename \"{}\" to=\"{}\"\n", field.stored, field.name)).collect();
    let field = |field: &Field| {
        let nullable = if field.nullable { " nullable=#true" } else { "" };
        format!("        {} \"{}\"{nullable}\n", field.name, field.kind.text())
    };
    let fields: String = view.fields.iter().map(field).collect();
    format!("feature-view \"{}\" {{\n    entity{entities}\n    {source}\n{ttl}{renames}    fields {{\n{fields}    }}\n}}\n", view.name)
}

fn embeddings() -> String {
    let fields = format!("fields {{ artwork_id \"int64\"; embedding \"vector<float16, {WIDTH}>\"; }}");
    format!("feature-view \"embeddings\" {{\n    source \"data/embeddings.lance\" format=\"lance\"\n    {fields}\n}}\n")
}

fn aggregations(workspace: &Workspace, order: Order) -> String {
    let measures = workspace.aggregations.iter().map(aggregation);
    let ratios = workspace.ratios.iter().map(ratio);
    let store = workspace
        .embedded
        .iter()
        .map(|_| "embedding-store \"artworks\" view=\"embeddings\" key=\"artwork_id\" vector=\"embedding\"\n".to_string());
    arranged(measures.chain(ratios).chain(store).collect(), order).concat()
}

fn aggregation(of: &Aggregation) -> String {
    let mut lines = vec![format!("by {}", quoted(&of.by))];
    lines.extend((!of.on.is_empty()).then(|| format!("on {}", quoted(&of.on))));
    lines.extend(of.joins.iter().map(join));
    lines.extend(of.filters.iter().map(|filter| format!("where \"{}\"", filter.text)));
    lines.extend(of.covered.then(|| "require-embedding \"artworks\"".to_string()));
    lines.push(function(&of.function));
    let offset = of.offset.map(|offset| format!(" offset=\"{}\"", offset.text)).unwrap_or_default();
    let direction = if of.forward { " direction=\"forward\"" } else { "" };
    lines.push(format!("windows{}{offset}{direction}", windows(&of.windows)));
    format!("aggregation \"{}\" view=\"{}\" {{\n    {}\n}}\n", of.name, of.view, lines.join("\n    "))
}

fn ratio(of: &Ratio) -> String {
    format!(
        "aggregation \"{}\" {{\n    ratio \"{}\" \"{}\"\n    windows{}\n}}\n",
        of.name,
        of.numerator,
        of.denominator,
        windows(&of.windows)
    )
}

fn windows(windows: &[Window]) -> String {
    let text = |window: &Window| match window {
        Window::Of(length) => format!(" \"{}\"", length.text),
        Window::Lifetime => " \"lifetime\"".into(),
    };
    windows.iter().map(text).collect()
}

fn function(function: &Function) -> String {
    let kept = |name: &str, column: &str, k: &usize, distinct: &bool| {
        format!("{name} \"{column}\" k={k}{}", if *distinct { " distinct=#true" } else { "" })
    };
    match function {
        Function::Count => "count".into(),
        Function::TimeSinceLast => "time-since-last".into(),
        Function::CountDistinct(column) => format!("count-distinct \"{column}\""),
        Function::Sum(column) => format!("sum \"{column}\""),
        Function::Mean(column) => format!("mean \"{column}\""),
        Function::Min(column) => format!("min \"{column}\""),
        Function::Max(column) => format!("max \"{column}\""),
        Function::Var(column) => format!("var \"{column}\""),
        Function::Stddev(column) => format!("stddev \"{column}\""),
        Function::First(column) => format!("first \"{column}\""),
        Function::Last(column) => format!("last \"{column}\""),
        Function::FirstK { column, k, distinct } => kept("first", column, k, distinct),
        Function::LastK { column, k, distinct } => kept("last", column, k, distinct),
        Function::Distinct { column, flatten, max } => {
            let flatten = if *flatten { " flatten=#true" } else { "" };
            format!("distinct \"{column}\"{flatten}{}", max.map(|max| format!(" max={max}")).unwrap_or_default())
        }
    }
}

fn join(of: &Join) -> String {
    let how = if of.as_of.is_some() { "as-of" } else { "static" };
    let mut text = format!("join \"{}\" how=\"{how}\"", of.view);
    if let Some(as_of) = &of.as_of {
        as_of.max_age.iter().for_each(|age| write!(text, " max-age=\"{}\"", age.text).unwrap());
        text.push_str(if as_of.inclusive { " inclusive=#true" } else { "" });
    }
    of.on.iter().for_each(|on| write!(text, " on=\"{on}\"").unwrap());
    if !of.prefix.is_empty() {
        write!(text, " prefix=\"{}\"", of.prefix).unwrap();
    }
    format!("{text} {{ column {}; }}", quoted(&of.columns))
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" ")
}

fn service(workspace: &Workspace, order: Order) -> String {
    let mut lines = vec![format!("spine \"{}\" {{", workspace.views[0].name)];
    lines.extend(workspace.spine.filters.iter().map(|filter| format!("    where \"{}\"", filter.text)));
    lines.extend(workspace.spine.covered.then(|| "    require-embedding \"artworks\"".to_string()));
    lines.extend(workspace.spine.sessions.as_ref().map(sessions));
    lines.push("}".into());
    lines.extend(workspace.joins.iter().map(join));
    let listed = workspace.aggregations.iter().filter(|a| a.listed).map(|a| &a.name);
    let rolling: Vec<String> = listed.chain(workspace.ratios.iter().map(|r| &r.name)).map(|name| format!("rolling \"{name}\"")).collect();
    lines.extend(arranged(rolling, order));
    let keep = |(number, filter): (usize, &super::conditions::Condition)| format!("    keep \"k{number}\" where=\"{}\"", filter.text);
    lines.push(format!("curate {{\n{}\n    }}", workspace.curate.iter().enumerate().map(keep).collect::<Vec<_>>().join("\n    ")));
    lines.push(format!("columns {{\n{}    }}", contract(&workspace.contract)));
    format!("feature-service \"rows\" {{\n    {}\n}}\n", lines.join("\n    "))
}

fn sessions(sessions: &Sessions) -> String {
    let view_only = if sessions.drop_view_only { " drop \"view-only\";" } else { "" };
    let single_like = if sessions.drop_single_like { " drop \"single-like\";" } else { "" };
    format!("    sessions \"session\" {{{view_only}{single_like} likes \"{}\"; }}", sessions.likes.text)
}

fn contract(contract: &Contract) -> String {
    let column = |column: &Column| {
        let mut text = format!("        {} \"{}\"", column.name, column.kind.text());
        column.computed.iter().for_each(|(expr, ..)| write!(text, " expr=\"{expr}\"").unwrap());
        column.default.iter().for_each(|(default, _)| write!(text, " default={default}").unwrap());
        text.push_str(if column.nullable { " nullable=#true\n" } else { "\n" });
        text
    };
    let rest = if contract.rest { "        *\n" } else { "" };
    let before: String = contract.before.iter().map(column).collect();
    before + rest + &contract.after.iter().map(column).collect::<String>()
}
