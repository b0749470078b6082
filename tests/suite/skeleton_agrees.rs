//! The skeleton agrees with its reference on random small workspaces, and these meet what is hard often enough.
//!
//! Both engines of rolling aggregates are held against it, and against each other. `DAEDA_CASES` raises the number of cases, `DAEDA_SEED`
//! runs a single one.

use super::fewer::fewest;
use super::in_process::{self, Trouble};
use super::random_workspace::workspace;
use super::rows::{Table, read};
use super::skeleton_reference::{Bug, Met, Reference};
use super::workspace::Workspace;
use super::workspace_text::{Order, date, key, manifest, write};
use serde_json::Value as Json;
use std::env;
use std::fmt::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

const CASES: u64 = 240;

/// Every so many cases, the rolling aggregates run on Polars too.
const ON_POLARS: u64 = 3;

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number, and not {text}")))
}

/// What the real thing makes of a workspace: its rows, and how many of them each filter of the service kept and dropped.
struct Skeleton {
    table: Table,
    steps: Vec<(usize, usize)>,
}

/// What the real thing makes of a workspace that lies in a directory.
fn real(workspace: &Workspace, directory: &Path) -> Result<Skeleton, Trouble> {
    let opened = in_process::open(directory)?;
    let action = in_process::plan(&opened, &format!("rows.skeleton@{}", key(workspace)))?;
    let place = action.place.path();
    let made = in_process::run_into(&action, &place)?;
    let steps = made.metadata["steps"].as_array().into_iter().flatten();
    // Those of events are told by their aggregation, which nothing may need.
    let steps = steps.filter(|step| !step["step"].as_str().unwrap().starts_with("rolling/"));
    let count = |step: &Json, of: &str| step[of].as_u64().unwrap() as usize;
    Ok(Skeleton { table: read(&place), steps: steps.map(|step| (count(step, "kept"), count(step, "dropped"))).collect() })
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

/// What the real thing makes of a workspace.
fn made(workspace: &Workspace) -> Result<Skeleton, Disagreement> {
    let directory = tempfile::tempdir().unwrap();
    write(workspace, directory.path(), Order::AsGiven);
    real(workspace, directory.path()).map_err(Disagreement::Trouble)
}

fn check(workspace: &Workspace) -> (Met, Option<Disagreement>) {
    let mut reference = Reference::new(workspace);
    let expected = reference.skeleton();
    let same = |expected: &Table, actual: &Skeleton| compare(expected, &actual.table).map_or(Ok(()), |how| Err(Disagreement::Values(how)));
    let steps = |actual: &Skeleton| match actual.steps == reference.steps {
        true => Ok(()),
        false => Err(Disagreement::Values(format!("filters kept and dropped {:?}, and not {:?}", actual.steps, reference.steps))),
    };
    let compared = || {
        let native = made(&Workspace { on_polars: false, ..workspace.clone() })?;
        same(&expected, &native)?;
        steps(&native)?;
        if workspace.on_polars {
            same(&native.table, &made(workspace)?)?;
        }
        Ok(())
    };
    (reference.met, compared().err())
}

/// The workspace of a seed, on the engines that it is to be tried on.
fn tried(seed: u64) -> Workspace {
    Workspace { on_polars: seed.is_multiple_of(ON_POLARS), ..workspace(seed) }
}

/// Runs seeds on all processors; the least of those that fail, with how.
fn first_failure(seeds: Range<u64>, check: impl Fn(u64) -> Option<Disagreement> + Sync) -> Option<(u64, Disagreement)> {
    let (next, found) = (AtomicU64::new(seeds.start), Mutex::new(None::<(u64, Disagreement)>));
    let work = || {
        while found.lock().unwrap().is_none() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            if let Some(disagreement) = check(seed) {
                let mut found = found.lock().unwrap();
                if found.as_ref().is_none_or(|(earlier, _)| seed < *earlier) {
                    *found = Some((seed, disagreement));
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    found.into_inner().unwrap()
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
    let mut text = format!("period {}\n", key(workspace));
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
    let all = Mutex::new(Vec::new());
    let failure = first_failure(seeds, |seed| {
        let (met, disagreement) = check(&tried(seed));
        all.lock().unwrap().push(met);
        disagreement
    });
    if let Some((seed, disagreement)) = failure {
        fail(seed, &tried(seed), &disagreement);
    }
    let all = all.into_inner().unwrap();
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

/// Each bug is put into the reference; the first workspace for which this makes a difference is really built, and tells the two apart.
#[test]
fn planted_bugs_are_found() {
    for bug in Bug::ALL {
        let differs = |seed: &u64| {
            let workspace = workspace(*seed);
            compare(&Reference::new(&workspace).skeleton(), &Reference::with(&workspace, bug).skeleton()).is_some()
        };
        let seed = (0..CASES).find(differs).unwrap_or_else(|| panic!("{bug:?} is not found in {CASES} cases"));
        let workspace = workspace(seed);
        let made = made(&workspace).unwrap_or_else(|trouble| panic!("{trouble:?}")).table;
        assert!(compare(&Reference::with(&workspace, bug).skeleton(), &made).is_some(), "{bug:?}, case {seed}");
        assert_eq!(compare(&Reference::new(&workspace).skeleton(), &made), None, "{bug:?}, case {seed}");
        println!("{bug:?}: case {seed}");
    }
}
