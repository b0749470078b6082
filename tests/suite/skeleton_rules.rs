//! What must not matter to a skeleton, and what must stop it.

use super::conditions::computed;
use super::fixture::data_files;
use super::in_process::{self, Trouble};
use super::random_workspace::workspace;
use super::rows::{Kind, Table, Value, read};
use super::workspace::*;
use super::workspace_text::{Order, key, write};
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Runs the target day in a directory of its own and hands the partition to `see`.
fn run<T>(workspace: &Workspace, order: Order, see: impl Fn(PathBuf) -> T) -> Result<T, Trouble> {
    let directory = tempfile::tempdir().unwrap();
    write(workspace, directory.path(), order);
    let opened = in_process::open(directory.path())?;
    let action = in_process::plan(&opened, &format!("rows.skeleton@{}", key(workspace)))?;
    in_process::publish(&action).map(see)
}

/// The data files of a partition, with their bytes.
fn bytes(workspace: &Workspace, order: Order) -> Vec<(String, Vec<u8>)> {
    let files = run(workspace, order, |place| {
        data_files(&place)
            .into_iter()
            .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()))
            .collect::<Vec<_>>()
    });
    files.unwrap()
}

/// Every column by its name, so that no order of definitions is left to matter.
fn with_named_columns(mut workspace: Workspace) -> Workspace {
    let column = |(name, kind): (String, Kind)| Column { name, kind, computed: None, default: None, nullable: true };
    workspace.contract = Contract { before: workspace.wide().into_iter().map(column).collect(), rest: false, after: vec![] };
    workspace
}

#[test]
fn the_order_of_definitions_does_not_matter() {
    for seed in 0..12 {
        let workspace = with_named_columns(workspace(seed));
        assert!(bytes(&workspace, Order::AsGiven) == bytes(&workspace, Order::Reversed), "seed {seed}");
    }
}

/// Each period's rows in one file, in the order of its files.
fn with_single_files(mut workspace: Workspace) -> Workspace {
    for view in &mut workspace.views {
        view.files.sort_by_key(|file| (file.day, file.name.clone()));
        let mut merged: Vec<SourceFile> = Vec::new();
        for file in view.files.drain(..) {
            match merged.last_mut().filter(|last| last.day == file.day) {
                Some(last) => last.rows.extend(file.rows),
                None => merged.push(file),
            }
        }
        view.files = merged;
    }
    workspace
}

#[test]
fn how_rows_lie_in_files_does_not_matter() {
    for seed in 0..12 {
        let several = workspace(seed);
        let single = with_single_files(several.clone());
        let count = |workspace: &Workspace| workspace.views.iter().map(|view| view.files.len()).sum::<usize>();
        assert!(count(&single) < count(&several), "seed {seed} has several files");
        assert!(bytes(&several, Order::AsGiven) == bytes(&single, Order::AsGiven), "seed {seed}");
    }
}

fn event(artwork: i64, at: i128) -> super::rows::Row {
    let values = [
        ("user_id", Value::Int(1)),
        ("artwork_id", Value::Int(artwork)),
        ("event", Value::Text("like".into())),
        ("session", Value::Null),
        ("score", Value::Float(0.5)),
        ("heat", Value::Null),
        ("weight", Value::Int(3)),
        ("created", Value::Int(0)),
        ("at", Value::Int((at / 1_000_000) as i64)),
    ];
    values.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

/// A random workspace's views with one event on the second day, and nothing asked of it yet.
fn plain() -> Workspace {
    let mut workspace = workspace(1);
    (workspace.target, workspace.hour, workspace.zone) = (1, None, UTC);
    workspace.embedded = None;
    (workspace.spine, workspace.ratios, workspace.joins) = (Spine::default(), vec![], vec![]);
    (workspace.aggregations, workspace.curate) = (vec![], vec![]);
    workspace.contract = Contract { rest: true, ..Contract::default() };
    let events = &mut workspace.views[0];
    (events.unit, events.first, events.created, events.late) = (super::rows::Unit::Ms, None, None, Late::Error);
    events.fields.iter_mut().filter(|field| field.name == "at").for_each(|field| field.kind = Kind::Int);
    events.files = vec![SourceFile { day: Some(1), name: "a.parquet".into(), rows: vec![event(4242, START + DAY)] }];
    workspace
}

fn table(workspace: &Workspace) -> Result<Table, Trouble> {
    run(workspace, Order::AsGiven, |place| read(&place))
}

fn cell(table: &Table, name: &str) -> Value {
    table.rows[0][table.names.iter().position(|column| column == name).unwrap()].clone()
}

/// A workspace whose artwork 4242 has two newest rows.
fn with_a_tie() -> Workspace {
    let mut workspace = plain();
    workspace.joins = vec![Join { view: "artworks", as_of: None, on: None, prefix: "", columns: vec!["author_id"] }];
    let artworks = &mut workspace.views[1];
    let mut row = artworks.files.iter().find_map(|file| file.rows.first()).unwrap().clone();
    row.insert("artwork_id".into(), Value::Int(4242));
    artworks.files.push(SourceFile { day: None, name: "z.parquet".into(), rows: vec![row.clone(), row] });
    workspace
}

#[test]
fn a_tie_in_a_static_join_names_its_key() {
    let Err(Trouble::Failed(message)) = table(&with_a_tie()) else { panic!("a tie is an error") };
    assert!(message.contains("`artworks`") && message.contains("4242"), "{message}");
}

#[test]
fn a_tie_of_a_key_that_no_row_has_is_none() {
    let mut workspace = with_a_tie();
    workspace.views[0].files[0].rows = vec![event(4243, START + DAY)];
    assert_eq!(cell(&table(&workspace).unwrap(), "author_id"), Value::Null);
}

#[test]
fn expressions_see_the_row_and_not_each_other() {
    let mut workspace = plain();
    let (kind, text, compute) = computed(Kind::Int)[0];
    let column = |name: &str| {
        let computed = Some((text.replace("{}", "weight"), "weight".to_string(), compute));
        Column { name: name.into(), kind, computed, default: None, nullable: true }
    };
    workspace.contract.before = vec![column("weight"), column("one_more")];
    let table = table(&workspace).unwrap();
    assert_eq!((cell(&table, "weight"), cell(&table, "one_more")), (Value::Int(4), Value::Int(4)));
}

/// One aggregation over all that came before.
fn lifetime(function: Function) -> Aggregation {
    Aggregation {
        name: "all".into(),
        view: "events",
        by: vec!["user_id"],
        on: vec![],
        joins: vec![],
        filters: vec![],
        covered: false,
        function,
        windows: vec![Window::Lifetime],
        offset: None,
        forward: false,
        listed: true,
    }
}

#[test]
fn integer_sums_that_overflow_stop_the_build() {
    let mut workspace = plain();
    workspace.aggregations = vec![lifetime(Function::Sum("weight".into()))];
    let heavy = |at: i128| {
        let mut row = event(1, START + at);
        row.insert("weight".into(), Value::Int(i64::MAX));
        row
    };
    workspace.views[0].files.push(SourceFile { day: Some(0), name: "a.parquet".into(), rows: vec![heavy(0)] });
    assert_eq!(cell(&table(&workspace).unwrap(), "all"), Value::Int(i64::MAX));
    workspace.views[0].files[1].rows.push(heavy(HOUR));
    let Err(Trouble::Failed(message)) = table(&workspace) else { panic!("an overflow is an error") };
    assert!(message.contains("exceeds int64"), "{message}");
}

#[test]
fn a_window_that_looks_ahead_has_an_end() {
    let mut workspace = plain();
    workspace.aggregations = vec![Aggregation { forward: true, ..lifetime(Function::Count) }];
    let Err(Trouble::Refused(message)) = table(&workspace) else { panic!("it would never be due") };
    assert!(message.contains("looks ahead without an end"), "{message}");
}

#[test]
fn a_ratio_finds_a_lifetime_among_other_windows() {
    let mut workspace = plain();
    let several = vec![Window::Lifetime, Window::Of(LENGTHS[4])];
    let over = Aggregation { name: "over".into(), ..lifetime(Function::Count) };
    let under = Aggregation { name: "under".into(), windows: several, ..lifetime(Function::Count) };
    workspace.aggregations = vec![over, under];
    let (numerator, denominator) = ("over".to_string(), "under".to_string());
    workspace.ratios = vec![Ratio { name: "ratio".into(), numerator, denominator, windows: vec![Window::Lifetime] }];
    workspace.views[0].files.push(SourceFile { day: Some(0), name: "a.parquet".into(), rows: vec![event(1, START)] });
    assert_eq!(cell(&table(&workspace).unwrap(), "ratio"), Value::Float(1.0));
}

/// Overwrites the values of some row groups of a file.
fn spoil(path: &Path, groups: &[usize]) {
    let mut bytes = fs::read(path).unwrap();
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let chunks = groups.iter().flat_map(|group| reader.metadata().row_group(*group).columns()).map(|chunk| chunk.byte_range());
    chunks.for_each(|(start, length)| bytes[start as usize..(start + length) as usize].fill(0xff));
    fs::write(path, bytes).unwrap();
}

#[test]
fn row_groups_without_a_row_within_reach_are_not_read() {
    let mut workspace = plain();
    workspace.hour = Some(12);
    let times = [0, 1, 2, 12 * 60, 12 * 60 + 1, 12 * 60 + 59, 13 * 60, 14 * 60, 15 * 60];
    let rows = times.map(|minute| event(4242, START + DAY + minute * 60 * SECOND));
    workspace.views[0].files[0].rows = rows.to_vec();
    let built = |spoiled: &[usize]| {
        let directory = tempfile::tempdir().unwrap();
        write(&workspace, directory.path(), Order::AsGiven);
        let files = WalkDir::new(directory.path()).into_iter().map(|entry| entry.unwrap().into_path());
        let file = files.filter(|path| path.ends_with("a.parquet")).find(|path| path.to_string_lossy().contains("events")).unwrap();
        spoil(&file, spoiled);
        let opened = in_process::open(directory.path())?;
        let place = in_process::publish(&in_process::plan(&opened, &format!("rows.skeleton@{}", key(&workspace)))?)?;
        Ok::<usize, Trouble>(read(&place).rows.len())
    };
    assert_eq!(built(&[]).unwrap(), 3);
    assert_eq!(built(&[0, 2]).unwrap(), 3);
    assert!(built(&[1]).is_err());
}

#[test]
fn a_static_join_takes_the_current_row_of_all_row_groups() {
    let mut workspace = plain();
    workspace.hour = Some(12);
    workspace.views[0].files[0].rows = vec![event(4242, START + DAY + 12 * HOUR)];
    workspace.joins = vec![Join { view: "artworks", as_of: None, on: None, prefix: "", columns: vec!["author_id"] }];
    let artworks = &mut workspace.views[1];
    (artworks.partitioned, artworks.unit) = (true, super::rows::Unit::Ms);
    artworks.fields.iter_mut().filter(|field| field.name == "published_at").for_each(|field| field.kind = Kind::Int);
    let row = artworks.files.iter().find_map(|file| file.rows.first()).unwrap().clone();
    let published = |hour: i64, author: i64| {
        let at = ((START + DAY + i128::from(hour) * HOUR) / 1_000_000) as i64;
        let values =
            [("artwork_id", 4242), ("author_id", author), ("published_at", at)].map(|(name, value)| (name.into(), Value::Int(value)));
        row.clone().into_iter().chain(values).collect::<super::rows::Row>()
    };
    let rows = [(1, 1), (2, 2), (3, 3), (20, 4), (21, 5), (22, 6)].map(|(hour, author)| published(hour, author));
    artworks.files = vec![SourceFile { day: Some(1), name: "a.parquet".into(), rows: rows.to_vec() }];
    assert_eq!(cell(&table(&workspace).unwrap(), "author_id"), Value::Int(6));
}
