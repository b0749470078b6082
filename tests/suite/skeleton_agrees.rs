//! The skeleton agrees with its reference on random small workspaces, and these meet what is hard often enough.
//!
//! `DAEDA_CASES` raises the number of cases, `DAEDA_SEED` runs a single one.

use super::fewer::fewest;
use super::in_process::{self, Trouble};
use super::random_workspace::workspace;
use super::rows::{Table, read};
use super::skeleton_reference::{Met, Reference};
use super::workspace::Workspace;
use super::workspace_text::{Order, date, manifest, write};
use std::env;
use std::fmt::Write;
use std::path::Path;

const CASES: u64 = 200;

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number, and not {text}")))
}

/// What the real thing makes of a workspace that lies in a directory.
fn real(workspace: &Workspace, directory: &Path) -> Result<Table, Trouble> {
    let opened = in_process::open(directory)?;
    let action = in_process::plan(&opened, &format!("rows.skeleton@{}", date(workspace.target)))?;
    Ok(read(&in_process::publish(&action)?))
}

/// How the two disagree, if they do.
#[derive(Debug)]
enum Disagreement {
    Trouble(Trouble),
    Values(#[expect(dead_code, reason = "shown by Debug")] String),
}

fn compare(expected: &Table, actual: &Table) -> Option<String> {
    if expected.names != actual.names {
        return Some(format!("columns {:?}\nare really {:?}", expected.names, actual.names));
    }
    if expected.rows.len() != actual.rows.len() {
        return Some(format!("{} rows expected, {} made", expected.rows.len(), actual.rows.len()));
    }
    let cells = expected.rows.iter().zip(&actual.rows).enumerate();
    let mut cells = cells.flat_map(|(row, (e, a))| expected.names.iter().zip(e.iter().zip(a)).map(move |(name, (e, a))| (row, name, e, a)));
    let (row, name, expected, actual) = cells.find(|(_, _, expected, actual)| !expected.close(actual))?;
    Some(format!("row {row}, column {name}: expected {expected:?}, made {actual:?}"))
}

fn check(workspace: &Workspace) -> (Met, Option<Disagreement>) {
    let directory = tempfile::tempdir().unwrap();
    write(workspace, directory.path(), Order::AsGiven);
    let mut reference = Reference::new(workspace);
    let expected = reference.skeleton();
    let disagreement = match real(workspace, directory.path()) {
        Ok(actual) => compare(&expected, &actual).map(Disagreement::Values),
        Err(trouble) => Some(Disagreement::Trouble(trouble)),
    };
    (reference.met, disagreement)
}

/// Whether two failures are of one kind.
fn alike(one: &Disagreement, other: &Disagreement) -> bool {
    use Disagreement::*;
    matches!(
        (one, other),
        (Values(_), Values(_))
            | (Trouble(self::Trouble::Refused(_)), Trouble(self::Trouble::Refused(_)))
            | (Trouble(self::Trouble::Failed(_)), Trouble(self::Trouble::Failed(_)))
    )
}

/// Everything that is needed to see what is wrong.
fn shown(workspace: &Workspace) -> String {
    let mut text = format!("day {}\n", date(workspace.target));
    for (name, content) in manifest(workspace, Order::AsGiven) {
        write!(text, "--- {name}\n{content}").unwrap();
    }
    for view in &workspace.views {
        for file in &view.files {
            let day = file.day.map(date).unwrap_or_default();
            writeln!(text, "--- {} {day} {}", view.name, file.name).unwrap();
            file.rows.iter().for_each(|row| writeln!(text, "{row:?}").unwrap());
        }
    }
    text
}

fn fail(seed: u64, found: &Workspace, disagreement: &Disagreement) -> ! {
    let fails = |smaller: &Workspace| check(smaller).1.is_some_and(|other| alike(disagreement, &other));
    let fewest = fewest(found.clone(), &fails, 400);
    let disagreement = check(&fewest).1;
    panic!("{}\nDAEDA_SEED={seed}: {disagreement:#?}", shown(&fewest));
}

#[test]
fn agrees_on_random_workspaces() {
    let seeds = match number("DAEDA_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("DAEDA_CASES").unwrap_or(CASES),
    };
    let mut all = Vec::new();
    for seed in seeds.clone() {
        let workspace = workspace(seed);
        let (met, disagreement) = check(&workspace);
        if let Some(disagreement) = disagreement {
            fail(seed, &workspace, &disagreement);
        }
        all.push(met);
    }
    let share = |of: fn(&Met) -> bool| all.iter().filter(|met| of(met)).count() * 100 / all.len();
    let shares = [
        ("ties", share(|m| m.ties)),
        ("events at t - w", share(|m| m.starts)),
        ("events at t", share(|m| m.ends)),
        ("nulls", share(|m| m.nulls)),
        ("empty windows", share(|m| m.empties)),
    ];
    println!("{} cases, of which in percent: {shares:?}", all.len());
    if all.len() > 50 {
        shares.iter().for_each(|(what, share)| assert!(*share >= 20, "{what} in only {share} % of the cases"));
    }
}
