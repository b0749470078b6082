//! What the blocks of a scenario mean: where it starts, what it does, what it expects. Parsing alone; nothing is done here.
//!
//! Invariant: a word that is not known is an error that says which words are.

use super::change::Change;
use super::claim::Claim;
use super::spec::Fields;
use super::story::{Block, Story};

/// A step and the line it stands on.
pub struct Step {
    pub line: usize,
    pub does: Does,
}

pub enum Does {
    /// The file has this text.
    Write {
        path: String,
        text: String,
    },
    /// Some lines of a file become others.
    Edit {
        path: String,
        from: String,
        to: String,
    },
    /// The Parquet file has these rows.
    Table {
        path: String,
        rows: Vec<String>,
    },
    /// The data files of a directory hold these rows.
    Rows {
        directory: String,
        rows: Vec<String>,
    },
    Change(Change),
    Claim(Claim),
    /// What an action is told.
    Fields(Fields),
    Command {
        order: Order,
        expected: Expected,
    },
}

/// The lines that a command is expected to say.
pub struct Expected {
    pub lines: Vec<String>,
    /// Where they begin in the file, as an index.
    pub start: usize,
}

/// One `daeda …` with what stands in its environment.
#[derive(Debug)]
pub struct Invocation {
    pub environment: Vec<(String, String)>,
    pub arguments: Vec<String>,
}

pub enum Order {
    Run(Invocation),
    /// Several at once.
    Together(Vec<Invocation>),
    /// Runs until an event of an action, and stands still then.
    Until {
        invocation: Invocation,
        event: String,
        action: String,
    },
    /// The one that stands still goes on to its end.
    Wait,
    /// `kill -9`, or Ctrl-C.
    Kill,
    Interrupt,
}

/// What a scenario starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    Empty,
    Services,
    ServicesBuilt,
    Vectors,
    VectorsBuilt,
}

const STARTS: [(&str, Start); 5] = [
    ("empty", Start::Empty),
    ("two services", Start::Services),
    ("two services, built", Start::ServicesBuilt),
    ("vectors", Start::Vectors),
    ("vectors, built", Start::VectorsBuilt),
];

/// Languages of blocks that are whole files.
const FILES: [&str; 5] = ["kdl", "python", "sh", "text", "json"];

type Parsed<T> = Result<T, (usize, String)>;

/// The start and the steps of a story, or the place and the nature of its first mistake.
pub fn steps(story: &Story) -> Result<(Start, Vec<Step>), String> {
    let at = |(line, what): (usize, String)| format!("{}: {what}", story.place(line));
    let (first, rest) = story.blocks.split_first().ok_or_else(|| at((1, "no blocks".into())))?;
    let start = start(first).map_err(at)?;
    let mut steps = Vec::new();
    for block in rest {
        steps.extend(of_block(block).map_err(at)?);
    }
    if !steps.iter().any(|step| matches!(step.does, Does::Command { .. } | Does::Claim(_) | Does::Fields(_) | Does::Rows { .. })) {
        return Err(at((1, "it expects nothing".into())));
    }
    Ok((start, steps))
}

fn start(block: &Block) -> Parsed<Start> {
    let word = block.lines.join(" ");
    let known = STARTS.iter().find(|(name, _)| block.language == "workspace" && *name == word);
    let names = STARTS.map(|(name, _)| format!("`{name}`")).join(", ");
    known.map(|(_, start)| *start).ok_or_else(|| (block.line, format!("the first block is ```workspace with one of {names}")))
}

fn of_block(block: &Block) -> Parsed<Vec<Step>> {
    match block.language.as_str() {
        "console" => console(block),
        "data" => lines(block, |line| Change::parse(line).map(Does::Change)),
        "check" => lines(block, |line| Claim::parse(line).map(Does::Claim)),
        _ if block.argument.is_empty() => Err((block.line, format!("a block of `{}` needs the path of its file", block.language))),
        "diff" => Ok(vec![edit(block)]),
        "fields" => {
            let fields = Fields::parse(&block.argument, &block.lines).map_err(|what| (block.line, what))?;
            Ok(vec![of_file(block, Does::Fields(fields))])
        }
        "parquet" => Ok(vec![of_file(block, Does::Table { path: block.argument.clone(), rows: block.lines.clone() })]),
        "rows" => Ok(vec![of_file(block, Does::Rows { directory: block.argument.clone(), rows: block.lines.clone() })]),
        language if FILES.contains(&language) => {
            let text = block.lines.iter().map(|line| format!("{line}\n")).collect();
            Ok(vec![of_file(block, Does::Write { path: block.argument.clone(), text })])
        }
        other => Err((
            block.line,
            format!("no block is called `{other}`; there are console, data, check, rows, fields, diff, parquet, {}", FILES.join(", ")),
        )),
    }
}

fn of_file(block: &Block, does: Does) -> Step {
    Step { line: block.line, does }
}

/// One step a line. Empty lines and comments say nothing.
fn lines(block: &Block, parse: fn(&str) -> Result<Does, String>) -> Parsed<Vec<Step>> {
    let mut steps = Vec::new();
    for (index, text) in block.lines.iter().enumerate() {
        let line = block.line + 1 + index;
        if !text.trim().is_empty() && !text.starts_with('#') {
            steps.push(Step { line, does: parse(text.trim()).map_err(|what| (line, what))? });
        }
    }
    Ok(steps)
}

/// Lines after `-` and those after a space stand in the file; those after `+` and a space shall.
fn edit(block: &Block) -> Step {
    let side = |mark: char| {
        let lines = block.lines.iter().filter(|line| line.starts_with([mark, ' ']) || line.is_empty());
        lines.map(|line| line.get(1..).unwrap_or("").to_string() + "\n").collect::<String>()
    };
    of_file(block, Does::Edit { path: block.argument.clone(), from: side('-'), to: side('+') })
}

fn console(block: &Block) -> Parsed<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    for (index, text) in block.lines.iter().enumerate() {
        let line = block.line + 1 + index;
        match (text.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => {
                let order = order(command).map_err(|what| (line, what))?;
                steps.push(Step { line, does: Does::Command { order, expected: Expected { lines: vec![], start: line } } });
            }
            (None, Some(Step { does: Does::Command { expected, .. }, .. })) => expected.lines.push(text.clone()),
            (None, _) => return Err((line, "a console block begins with `$ `".into())),
        }
    }
    Ok(steps)
}

fn order(text: &str) -> Result<Order, String> {
    match text {
        "wait" => return Ok(Order::Wait),
        "kill -9" => return Ok(Order::Kill),
        "kill -INT" => return Ok(Order::Interrupt),
        _ => {}
    }
    if let Some((command, until)) = text.split_once(" & until ") {
        let (event, action) = until.split_once(' ').ok_or("after `until` come an event and an action")?;
        return Ok(Order::Until { invocation: invocation(command)?, event: event.into(), action: action.into() });
    }
    let mut invocations = text.split(" & ").map(invocation).collect::<Result<Vec<_>, _>>()?;
    if invocations.len() == 1 {
        return Ok(Order::Run(invocations.remove(0)));
    }
    Ok(Order::Together(invocations))
}

fn invocation(text: &str) -> Result<Invocation, String> {
    let mut words = words(text)?.into_iter().peekable();
    let mut environment = Vec::new();
    while let Some((name, value)) = words.peek().and_then(|word| word.split_once('=')) {
        environment.push((name.to_string(), value.to_string()));
        words.next();
    }
    match words.next().as_deref() {
        Some("daeda") => Ok(Invocation { environment, arguments: words.collect() }),
        _ => Err(format!("`{text}` is no command: they are `[NAME=value] daeda …`, `wait`, `kill -9`, `kill -INT`")),
    }
}

/// Words as a shell takes them, single quotes alone.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    for (index, part) in text.split('\'').enumerate() {
        match index % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_string)),
            _ => words.push(part.to_string()),
        }
    }
    if text.matches('\'').count() % 2 == 1 { Err(format!("a quote is not closed in `{text}`")) } else { Ok(words) }
}
