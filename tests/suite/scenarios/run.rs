//! One scenario, step by step, in a workspace of its own.
//!
//! Invariant: what a command says is compared exactly; with `DAEDA_BLESS=1` the file is rewritten to say it instead.

use super::claim::Remembered;
use super::console::{Console, TOO_LATE};
use super::parquet_rows::write_table;
use super::step::{Does, Expected, Start, Step, steps};
use super::story::Story;
use super::table::holds_rows;
use crate::fixture::{Workspace, data_files};
use std::fs;
use std::ops::Range;

/// Runs a story; an error says where it is wrong, what it expects and what was found.
pub fn run(story: &Story, bless: bool) -> Result<(), String> {
    let (start, steps) = steps(story)?;
    let mut told = (0..5).map(|_| once(story, start, &steps, bless));
    told.find(|result| !result.as_ref().is_err_and(|what| what.ends_with(TOO_LATE)))
        .unwrap_or_else(|| Err(format!("{}: {TOO_LATE}", story.place(1))))
}

fn once(story: &Story, start: Start, steps: &[Step], bless: bool) -> Result<(), String> {
    let mut run =
        Run { story, workspace: begin(start), remembered: Remembered::new(), console: Console::default(), blessed: bless.then(Vec::new) };
    for step in steps {
        run.step(step).map_err(|what| format!("{}: {what}", story.place(step.line)))?;
    }
    run.blessed.map_or(Ok(()), |found| rewrite(story, found))
}

fn begin(start: Start) -> Workspace {
    match start {
        Start::Empty => Workspace::empty(),
        Start::Services => Workspace::new(),
        Start::ServicesBuilt => Workspace::built(),
        Start::Vectors => Workspace::with_embeddings(),
        Start::VectorsBuilt => Workspace::built_with_embeddings(),
    }
}

/// Lines of the file and what stands there from now on.
type Blessed = Vec<(Range<usize>, Vec<String>)>;

struct Run<'s> {
    story: &'s Story,
    workspace: Workspace,
    remembered: Remembered,
    console: Console,
    blessed: Option<Blessed>,
}

impl Run<'_> {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        match &step.does {
            Does::Write { path, text } => {
                self.workspace.write(path, text);
                Ok(())
            }
            Does::Edit { path, from, to } => self.edit(path, from, to),
            Does::Table { path, rows } => write_table(&self.workspace.path(path), rows),
            Does::Rows { directory, rows } => holds_rows(&data_files(&self.workspace.path(directory)), rows),
            Does::Change(change) => change.apply(self.workspace.directory.path()),
            Does::Claim(claim) => claim.hold(&self.workspace, &mut self.remembered),
            Does::Fields(fields) => fields.hold(&self.workspace),
            Does::Command { order, expected } => {
                let found = self.console.obey(order, &self.workspace)?;
                self.compare(expected, found)
            }
        }
    }

    /// Replaces the one place where lines stand in a file.
    fn edit(&self, path: &str, from: &str, to: &str) -> Result<(), String> {
        let text = fs::read_to_string(self.workspace.path(path)).map_err(|e| format!("{path}: {e}"))?;
        let text = format!("\n{text}");
        let places = text.matches(&format!("\n{from}")).count();
        if places != 1 {
            return Err(format!("these lines stand {places} times in {path}, not once; it says:\n{text}"));
        }
        self.workspace.write(path, &text.replace(&format!("\n{from}"), &format!("\n{to}"))[1..]);
        Ok(())
    }

    fn compare(&mut self, expected: &Expected, found: Vec<String>) -> Result<(), String> {
        let told = expected.lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
        if expected.lines[..told] == found[..] {
            return Ok(());
        }
        match &mut self.blessed {
            Some(blessed) => blessed.push((expected.start..expected.start + told, found)),
            None => return Err(difference(&expected.lines[..told], &found, self.story)),
        }
        Ok(())
    }
}

fn difference(expected: &[String], found: &[String], story: &Story) -> String {
    let block = |lines: &[String]| lines.iter().map(|line| format!("    {line}\n")).collect::<String>();
    let bless = format!("DAEDA_BLESS=1 DAEDA_SCENARIO={} writes what was found", story.name());
    format!("\n  expected:\n{}  found:\n{}  ({bless})", block(expected), block(found))
}

fn rewrite(story: &Story, mut blessed: Blessed) -> Result<(), String> {
    let mut lines = story.lines.clone();
    blessed.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    for (range, found) in blessed {
        lines.splice(range, found);
    }
    fs::write(&story.path, lines.join("\n") + "\n").map_err(|e| format!("{}: {e}", story.path.display()))
}
