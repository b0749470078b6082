//! Lays nodes out in lines: four spaces for each depth, one blank between words, at most one empty line between nodes.
//!
//! A block that was written in one line stays in it while it fits. Comments behind nodes stand at least two blanks behind them; those of
//! neighbouring lines stand in one column: the one that the author chose, if all of them are in it and it leaves room.

use super::nodes::{Block, Comment, Node, Piece};

const INDENT: &str = "    ";
/// A block in one line is broken where its line would be longer.
const WIDTH: usize = 100;
/// Between a node and the comment behind it.
const GAP: usize = 2;

#[derive(Debug, Default)]
struct Line {
    /// With its indentation; empty for an empty line.
    code: String,
    comment: Option<Comment>,
}

impl Line {
    /// Whether its comment stands behind something.
    fn is_commented(&self) -> bool {
        self.comment.is_some() && !self.code.trim().is_empty()
    }

    /// Characters of the code, of its last line where a text runs over several.
    fn width(&self) -> usize {
        self.code.rsplit('\n').next().unwrap_or_default().chars().count()
    }
}

/// The text of a file.
pub(super) fn lay_out(nodes: &[Node]) -> String {
    let mut lines = Vec::new();
    put_all(nodes, 0, &mut lines);
    let mut text = String::new();
    for run in lines.chunk_by(|a, b| a.is_commented() && b.is_commented()) {
        let column = column(run);
        run.iter().for_each(|line| text += &written(line, column));
    }
    text
}

/// Where the comments of neighbouring lines stand.
fn column(run: &[Line]) -> usize {
    let least = run.iter().map(Line::width).max().unwrap_or(0) + GAP;
    let mut chosen = run.iter().filter_map(|line| Some(line.comment.as_ref()?.column));
    let first = chosen.next().unwrap_or(least);
    if first >= least && chosen.all(|column| column == first) { first } else { least }
}

fn written(line: &Line, column: usize) -> String {
    let Some(comment) = &line.comment else { return format!("{}\n", line.code.trim_end()) };
    let gap = if line.is_commented() { column - line.width() } else { 0 };
    format!("{}{}{}\n", line.code, " ".repeat(gap), comment.text)
}

fn put_all(nodes: &[Node], depth: usize, lines: &mut Vec<Line>) {
    for node in nodes {
        if node.apart {
            lines.push(Line::default());
        }
        put(node, depth, lines);
    }
}

fn put(node: &Node, depth: usize, lines: &mut Vec<Line>) {
    let indent = INDENT.repeat(depth);
    let flat = flat(node).filter(|text| indent.len() + text.chars().count() <= WIDTH);
    let mut line = Writer { indent: &indent, code: indent.clone(), tight: true };
    match flat {
        Some(text) => line.code += &text,
        None => node.pieces.iter().for_each(|piece| line.piece(piece, depth, lines)),
    }
    lines.push(Line { code: line.code, comment: node.comment.clone() });
}

/// A node in one line, if that is how all of its blocks were written.
fn flat(node: &Node) -> Option<String> {
    let mut text = String::new();
    let mut tight = true;
    for piece in &node.pieces {
        if !tight {
            text.push(' ');
        }
        match piece {
            Piece::Word(word) | Piece::BlockComment(word) => text += word,
            Piece::Slashdash(spaced) => text += if *spaced { "/- " } else { "/-" },
            Piece::Continuation(_) => return None,
            Piece::Block(block) => text += &flat_block(block)?,
        }
        tight = matches!(piece, Piece::Slashdash(_));
    }
    Some(text)
}

fn flat_block(block: &Block) -> Option<String> {
    if block.nodes.is_empty() && block.comment.is_none() {
        return Some("{}".into());
    }
    if !block.flat {
        return None;
    }
    let nodes: Vec<String> = block.nodes.iter().map(flat).collect::<Option<_>>()?;
    Some(format!("{{ {} }}", nodes.join("; ")))
}

/// Writes one node over as many lines as it takes.
struct Writer<'a> {
    indent: &'a str,
    code: String,
    /// Whether the next piece follows without a blank.
    tight: bool,
}

impl Writer<'_> {
    fn piece(&mut self, piece: &Piece, depth: usize, lines: &mut Vec<Line>) {
        if !self.tight {
            self.code.push(' ');
        }
        self.tight = false;
        match piece {
            Piece::Word(word) | Piece::BlockComment(word) => self.code += word,
            Piece::Slashdash(spaced) => {
                self.code += if *spaced { "/- " } else { "/-" };
                self.tight = true;
            }
            Piece::Continuation(comment) => {
                self.code.push('\\');
                self.end(comment, lines);
                self.code += INDENT;
                self.tight = true;
            }
            Piece::Block(block) => self.block(block, depth, lines),
        }
    }

    fn block(&mut self, block: &Block, depth: usize, lines: &mut Vec<Line>) {
        if block.nodes.is_empty() && block.comment.is_none() {
            self.code += "{}";
            return;
        }
        self.code.push('{');
        self.end(&block.comment, lines);
        put_all(&block.nodes, depth + 1, lines);
        self.code.push('}');
    }

    /// Ends the line and begins the next.
    fn end(&mut self, comment: &Option<Comment>, lines: &mut Vec<Line>) {
        let code = std::mem::replace(&mut self.code, self.indent.into());
        lines.push(Line { code, comment: comment.clone() });
    }
}
