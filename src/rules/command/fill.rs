//! Placeholders filled in: what is run, word by word, and the secrets among them.
//!
//! Invariant: a secret's value goes into the words and into the list of what is never to be shown, and nowhere else.

use super::{CommandSpec, Occasion, write_list};
use crate::catalog::command::{Piece, Placeholder, Word};
use crate::catalog::pattern::fill;
use crate::engine::failure::{Failure, FailureKind};
use crate::engine::secrets::Secrets;
use std::fs;
use std::path::{Path, PathBuf};

/// The words of one run.
pub struct Filled {
    pub words: Vec<String>,
    /// The same for people: without values of secrets.
    pub shown: Vec<String>,
    /// Variables whose values are secrets.
    pub environment: Vec<(String, String)>,
    secrets: Secrets,
}

/// A word as the manifest has it.
pub fn shown(word: &Word) -> String {
    match word {
        Word::Secret(variable) => format!("(env)\"{variable}\""),
        Word::Text(pieces) => pieces.iter().map(piece_shown).collect(),
    }
}

fn piece_shown(piece: &Piece) -> String {
    match piece {
        // Braces that would read as a placeholder are told from one.
        Piece::Literal(text) if text.starts_with('{') && text.ends_with('}') => format!("{{{text}}}"),
        Piece::Literal(text) => text.clone(),
        Piece::Filled(placeholder) => match placeholder {
            Placeholder::Output => "{output}".into(),
            Placeholder::OutputRoot => "{output-root}".into(),
            Placeholder::EnrichedOutputRoot => "{enriched-output-root}".into(),
            Placeholder::Asset => "{asset}".into(),
            Placeholder::Op => "{op}".into(),
            Placeholder::Partition => "{partition}".into(),
            Placeholder::Time(format) => format!("{{{format}}}"),
            Placeholder::Input(name) => format!("{{input.{name}}}"),
        },
    }
}

impl Filled {
    /// Lists of inputs go into files below `scratch`.
    pub fn new(spec: &CommandSpec, occasion: &Occasion, scratch: &Path) -> Result<Self, Failure> {
        let lists = scratch.join("inputs");
        fs::create_dir_all(&lists).map_err(|e| Failure::io("cannot list the command's inputs", &e))?;
        for (name, paths) in &occasion.inputs {
            write_list(&lists.join(name), paths)?;
        }
        let filler = Filler { spec, occasion, lists };
        let mut filled = Self { words: Vec::new(), shown: Vec::new(), environment: Vec::new(), secrets: Secrets::default() };
        for variable in &spec.secrets {
            let value = secret(variable)?;
            filled.secrets.keep(&value);
            filled.environment.push((variable.clone(), value));
        }
        for word in &spec.run {
            match word {
                Word::Text(pieces) => {
                    let text: Result<String, Failure> = pieces.iter().map(|piece| filler.piece(piece)).collect();
                    filled.words.push(text?);
                    filled.shown.push(filled.words.last().cloned().unwrap_or_default());
                }
                Word::Secret(variable) => {
                    let value = secret(variable)?;
                    filled.secrets.keep(&value);
                    filled.words.push(value);
                    filled.shown.push(shown(word));
                }
            }
        }
        Ok(filled)
    }

    /// A text without any secret in it.
    pub fn redacted(&self, text: &str) -> String {
        self.secrets.redacted(text)
    }

    /// What people call the program.
    pub fn program(&self) -> &str {
        self.shown.first().map_or("", String::as_str)
    }
}

fn secret(variable: &str) -> Result<String, Failure> {
    std::env::var(variable).map_err(|_| {
        let message =
            format!("the environment has no variable `{variable}`, which the command is to be given; set it: export {variable}=…");
        Failure::new(FailureKind::Environment, message)
    })
}

struct Filler<'a> {
    spec: &'a CommandSpec,
    occasion: &'a Occasion<'a>,
    lists: PathBuf,
}

impl Filler<'_> {
    fn piece(&self, piece: &Piece) -> Result<String, Failure> {
        let path = |path: &Path| path.display().to_string();
        let of_period = || Failure::permanent("the command names a period, and its asset has no partitions");
        Ok(match piece {
            Piece::Literal(text) => text.clone(),
            Piece::Filled(placeholder) => match placeholder {
                Placeholder::Output => path(self.occasion.staging),
                Placeholder::OutputRoot => path(&self.spec.output_root),
                Placeholder::EnrichedOutputRoot => path(&self.spec.enriched_output_root),
                Placeholder::Asset => self.occasion.asset.into(),
                Placeholder::Op => self.occasion.op.into(),
                Placeholder::Partition => self.occasion.key.ok_or_else(of_period)?.into(),
                Placeholder::Time(format) => fill(
                    &format!("{{{format}}}"),
                    &self.spec.cadence,
                    self.occasion.period.map(|period| period.start).ok_or_else(of_period)?,
                ),
                Placeholder::Input(name) => {
                    let list = self.lists.join(name);
                    if !self.occasion.inputs.contains_key(name) {
                        write_list(&list, &[])?;
                    }
                    path(&list)
                }
            },
        })
    }
}
