//! `daeda explain`: why a partition is what it is, as a tree of causes.

use super::args::{Explain, Format};
use super::build::output_check;
use super::context::Context;
use super::error::{CliError, code};
use super::output::{print, print_json};
use crate::engine::failure::Past;
use crate::engine::observation::Kind;
use crate::engine::state::{Reason, ReasonKind, State};
use crate::query::explain::{Built, Cause, Node, Source, Survey, Tree, Verified, explain};
use crate::query::grid::wrapped;
use crate::query::ranges::abridged;

/// Whoever wants to know of more wants `status`.
const MOST: usize = 400;

pub fn run(context: &Context, command: &Explain) -> Result<u8, CliError> {
    let workspace = context.workspace()?;
    let targets = context.targets(&workspace, &command.targets)?;
    let count: usize = targets.iter().map(|target| target.keys.list().len().max(1)).sum();
    if count > MOST {
        let hint = "name a key, as in asset@2026-02-03; `daeda status` tells many partitions by cause";
        return Err(CliError::Usage(format!("this would explain {count} partitions, and {MOST} are the most; {hint}")));
    }
    let graph = context.graph(&workspace, &targets)?;
    let verdicts = context.evidence(&workspace, &graph, command.verify);
    let daeda = context.program();
    let output = output_check(command.verify);
    let explanation = explain(&Survey { workspace: &workspace, graph: &graph, verdicts: &verdicts, output, daeda: &daeda }, &targets);
    match command.format {
        Format::Json => print_json(&explanation)?,
        Format::Text => print(&explanation.trees.iter().map(tree_text).collect::<Vec<_>>().join("\n"))?,
    }
    Ok(code::DONE)
}

fn tree_text(tree: &Tree) -> String {
    let partitions = abridged(&tree.partitions, 6);
    let at = if partitions.is_empty() { String::new() } else { format!("@{partitions}") };
    let (each, are) = match tree.count {
        0 | 1 => (String::new(), "is"),
        count => (format!(" ({count} partitions)"), "are"),
    };
    let head = match tree.cause.state {
        State::Failed => format!("{}{at}{each} failed", tree.target),
        state => format!("{}{at}{each} {are} {}", tree.target, state.name()),
    };
    let mut text = wrapped(&head, "", 4) + &node_text(&tree.cause, 1, tree.count > 1);
    if let Some(next) = &tree.next {
        // A command stays on one line, to be pasted.
        text += &wrapped(&format!("{}:", next.why), "  next: ", 8);
        text += &format!("    {}\n", next.command);
    }
    text
}

/// What there is to tell of an action, below its heading. `alike`: it stands for several.
fn node_text(node: &Node, depth: usize, alike: bool) -> String {
    if node.told {
        return wrapped("told above", &"  ".repeat(depth), 0);
    }
    let mut text = causes_text(&node.reasons, depth, alike);
    if let Some(failure) = &node.failure {
        text += &failure_text(failure, depth);
    }
    if let Some(verified) = &node.verified {
        text += &verified_text(verified, depth);
    }
    // Of what lies below only what stands is worth it: it tells when it became another.
    if let Some(built) = node.built.as_ref().filter(|_| !alike && (depth == 1 || node.state.stands())) {
        text += &built_text(built, node, depth);
    }
    text
}

fn causes_text(causes: &[Cause], depth: usize, alike: bool) -> String {
    let indent = "  ".repeat(depth);
    let mut text = String::new();
    let mut file = None;
    for Cause { reason, upstream } in causes {
        let word = match (reason.root, reason.kind) {
            (true, _) => "cause: ",
            (false, ReasonKind::UPSTREAM) => "because: ",
            (false, _) => "hence: ",
        };
        let columns = (reason.kind == ReasonKind::COLUMNS && !reason.detail.is_empty()).then_some(reason.name.as_str());
        if let Some(name) = columns {
            if file != columns {
                text += &wrapped(&format!("columns {name}"), &format!("{indent}{word}"), 2 * depth + 4);
            }
            text += &format!("{indent}    `{}`{}\n", reason.detail, values(reason));
        } else {
            text += &wrapped(&reason_text(reason, alike), &format!("{indent}{word}"), 2 * depth + 4);
        }
        file = columns;
        if let Some(node) = upstream {
            text += &node_text(node, depth + 1, alike);
        }
    }
    text
}

/// Of several partitions each has an upstream of its own key.
fn reason_text(reason: &Reason, alike: bool) -> String {
    match reason.name.split_once('@') {
        Some((op, _)) if alike && reason.kind == ReasonKind::UPSTREAM => reason.clone().about(op, &reason.detail).to_string(),
        _ => reason.to_string(),
    }
}

fn values(reason: &Reason) -> String {
    match (&reason.old, &reason.new) {
        (Some(old), Some(new)) => format!(" {old} → {new}"),
        (None, Some(new)) => format!(" new, {new}"),
        (Some(old), None) => format!(" was {old}, now gone"),
        (None, None) => String::new(),
    }
}

fn failure_text(failure: &Past, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let mut text = format!("{indent}tried: {}, last at {}\n", counted(failure.attempts as usize, "attempt"), failure.at);
    if let Some(log) = &failure.log {
        text += &format!("{indent}log: {log}\n");
    }
    text
}

fn built_text(built: &Built, node: &Node, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let bytes: u64 = built.files.iter().map(|f| f.bytes).sum();
    let mut text =
        format!("{indent}built: {} in {:.2} s, {}\n", built.finished, built.seconds, counted(built.attempts as usize, "attempt"));
    let how = match node.verified.as_ref().map(|v| v.output) {
        Some("hash") => ", all contents as recorded",
        Some(_) => ", sizes and times as recorded (--verify compares contents)",
        None => "",
    };
    text += &wrapped(&built.path, &format!("{indent}output: "), 2 * depth + 4);
    text += &wrapped(&format!("{}, {}{how}", counted(built.files.len(), "file"), size(bytes)), &format!("{indent}    "), 2 * depth + 6);
    text
}

fn verified_text(verified: &Verified, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let definition = format!("{}, {}", counted(verified.rules, "rule"), counted(verified.parameters, "parameter"));
    let mut text = wrapped(&definition, &format!("{indent}verified: "), 2 * depth + 4);
    let line = |told: String| wrapped(&told, &format!("{indent}    "), 2 * depth + 6);
    text.extend(verified.sources.iter().map(|source| line(source_text(source))));
    text.extend(verified.upstreams.iter().map(|u| line(format!("upstream {}, output {}", u.action, u.output))));
    text
}

fn source_text(source: &Source) -> String {
    let what = match source.kind {
        Kind::Listing if source.periods.is_none() => {
            let fragments = source.parts.iter().any(|part| part.starts_with("fragment "));
            format!("listing of {}: {}", source.name, counted(source.parts.len(), if fragments { "fragment" } else { "file" }))
        }
        Kind::Listing => format!("listing of {}", source.name),
        kind => format!("{} of {}: {}", kind.name(), source.name, abridged(&source.parts, 24)),
    };
    let absent = if source.absent > 0 { format!(", {} of them absent", source.absent) } else { String::new() };
    match (&source.from, &source.to, source.periods) {
        (Some(from), Some(to), Some(1)) if from == to => format!("{what} in {from}{absent}"),
        (Some(from), Some(to), Some(periods)) => format!("{what} in {periods} periods, {from}..{to}{absent}"),
        _ => what,
    }
}

fn counted(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} bytes"),
        1000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
