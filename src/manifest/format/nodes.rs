//! Groups tokens into nodes as they stand in the text, comments and all. Knows nothing of widths.

use super::tokens::{Kind, Token, comment, tokens};
use crate::manifest::lexical::is_newline;
use std::iter::Peekable;
use std::vec::IntoIter;

/// A comment that runs to the end of its line.
#[derive(Debug, Clone)]
pub(super) struct Comment {
    pub text: String,
    /// How many characters stood before it in its line.
    pub column: usize,
}

/// One node, or comments that stand alone.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Whether an empty line stood before it.
    pub apart: bool,
    pub pieces: Vec<Piece>,
    pub comment: Option<Comment>,
}

#[derive(Debug)]
pub(super) enum Piece {
    /// A name, value or property, or a comment between them.
    Word(String),
    BlockComment(String),
    /// `/-`, and whether a blank stands behind it.
    Slashdash(bool),
    /// The node goes on in the next line.
    Continuation(Option<Comment>),
    Block(Block),
}

#[derive(Debug)]
pub(super) struct Block {
    /// Behind the opening brace.
    pub comment: Option<Comment>,
    pub nodes: Vec<Node>,
    /// Whether it was written in one line.
    pub flat: bool,
}

/// The nodes of a text.
pub(super) fn nodes(text: &str) -> Vec<Node> {
    Reader { text, tokens: tokens(text).into_iter().peekable() }.nodes()
}

struct Reader<'a> {
    text: &'a str,
    tokens: Peekable<IntoIter<Token<'a>>>,
}

impl<'a> Reader<'a> {
    fn peek(&mut self) -> Option<Kind> {
        self.tokens.peek().map(|token| token.kind)
    }

    fn take(&mut self, kind: Kind) -> Option<Token<'a>> {
        self.tokens.next_if(|token| token.kind == kind)
    }

    fn line_comment(&mut self) -> Option<Comment> {
        let token = self.take(Kind::LineComment)?;
        let line = self.text[..token.at].rfind(is_newline).map_or(0, |at| at + 1);
        let line = if self.text.is_char_boundary(line) { line } else { token.at };
        Some(Comment { text: comment(token.text), column: self.text[line..token.at].chars().count() })
    }

    /// Nodes up to a closing brace or the end.
    fn nodes(&mut self) -> Vec<Node> {
        let mut nodes: Vec<Node> = Vec::new();
        loop {
            let mut newlines = 0;
            while let Some(token) = self.tokens.next_if(|t| matches!(t.kind, Kind::Newline | Kind::Semicolon)) {
                newlines += usize::from(token.kind == Kind::Newline);
                self.comment_behind(token.kind, &mut nodes);
            }
            if matches!(self.peek(), None | Some(Kind::Close)) {
                return nodes;
            }
            let apart = newlines > 1 && !nodes.is_empty();
            let mut before = Vec::new();
            let node = self.node(&mut before);
            nodes.extend(before.into_iter().map(|comment| Node { comment: Some(comment), ..Node::default() }));
            // A backslash alone continues nothing.
            if !node.pieces.is_empty() || node.comment.is_some() {
                nodes.push(Node { apart, ..node });
            }
        }
    }

    /// `a; // this belongs to a`
    fn comment_behind(&mut self, ended_by: Kind, nodes: &mut [Node]) {
        if let (Kind::Semicolon, Some(last)) = (ended_by, nodes.last_mut())
            && last.comment.is_none()
        {
            last.comment = self.line_comment();
        }
    }

    /// One node. Comments between a slashdash and its node go before both.
    fn node(&mut self, before: &mut Vec<Comment>) -> Node {
        let mut node = Node::default();
        let mut glue = false;
        while let Some(kind) = self.peek() {
            let dashed = matches!(node.pieces.last(), Some(Piece::Slashdash(_)));
            match kind {
                Kind::Close | Kind::Semicolon => break,
                Kind::Newline if dashed => drop(self.tokens.next()),
                Kind::Newline => break,
                Kind::LineComment if dashed => before.extend(self.line_comment()),
                Kind::LineComment => {
                    node.comment = self.line_comment();
                    break;
                }
                Kind::Open => {
                    let block = self.block();
                    node.pieces.push(Piece::Block(block));
                }
                Kind::Continuation => self.continuation(&mut node, glue),
                _ => self.word(&mut node, &mut glue),
            }
        }
        // Where nothing follows, there is nothing to go on with.
        if let (Some(Piece::Continuation(comment)), None) = (node.pieces.last(), &node.comment) {
            node.comment = comment.clone();
            node.pieces.pop();
        }
        node
    }

    /// A word or a part of one: `(type)`, `name=` and values grow together.
    fn word(&mut self, node: &mut Node, glue: &mut bool) {
        let Some(token) = self.tokens.next() else { return };
        match token.kind {
            Kind::BlockComment => {
                let at = if *glue { node.pieces.len() - 1 } else { node.pieces.len() };
                node.pieces.insert(at, Piece::BlockComment(comment(token.text)));
            }
            Kind::Slashdash => {
                let spaced = self.tokens.peek().is_some_and(|next| next.spaced || next.kind == Kind::Newline);
                node.pieces.push(Piece::Slashdash(spaced));
            }
            Kind::Equals => {
                let name = node.pieces.iter().rposition(|piece| matches!(piece, Piece::Word(_))).map(|at| node.pieces.remove(at));
                let name = if let Some(Piece::Word(name)) = name { name } else { String::new() };
                node.pieces.push(Piece::Word(name + "="));
                *glue = true;
            }
            _ => {
                match node.pieces.last_mut() {
                    Some(Piece::Word(word)) if *glue => word.push_str(token.text),
                    _ => node.pieces.push(Piece::Word(token.text.into())),
                }
                *glue = match token.kind {
                    Kind::TypeOpen | Kind::TypeClose => true,
                    _ => *glue && self.peek() == Some(Kind::TypeClose),
                };
            }
        }
    }

    fn continuation(&mut self, node: &mut Node, glue: bool) {
        self.tokens.next();
        let comment = self.line_comment();
        self.take(Kind::Newline);
        if node.pieces.is_empty() && comment.is_none() {
            return;
        }
        if !glue {
            node.pieces.push(Piece::Continuation(comment));
        } else if let Some(comment) = comment {
            // In the middle of a word there is no place for a line's end.
            let at = node.pieces.len() - 1;
            node.pieces.insert(at, Piece::Continuation(Some(comment)));
        }
    }

    fn block(&mut self) -> Block {
        let open = self.tokens.next().map_or(0, |token| token.at);
        let comment = self.line_comment();
        let nodes = self.nodes();
        let close = self.tokens.next().map_or(self.text.len(), |token| token.at);
        Block { comment, nodes, flat: !self.text[open..close].contains(is_newline) }
    }
}
