//! Commands: the words that are run with their placeholders, and what they read. And that no asset is made from itself.

use super::Resolver;
use super::names::Kind as Names;
use crate::catalog::code;
use crate::catalog::command::{Command, Input, Piece, Placeholder, Unknown, Word, pieces};
use crate::catalog::compile::compile;
use crate::catalog::dag::{ArrowUdf, Kind};
use crate::catalog::declaration::*;
use crate::catalog::model::{Asset, Catalog, Place, View};
use crate::source::{Diagnostic, Span, Spanned, suggestion};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// The variable that names the file for a command's metadata.
const METADATA: &str = "DAEDA_METADATA";

impl Resolver<'_> {
    /// What a `command` op runs; `None` where that is broken.
    pub fn command(&mut self, op: &OpDecl, asset: &AssetDecl) -> Option<Command> {
        let Some(declared) = op.command.as_ref().filter(|command| !command.run.is_empty()) else {
            let message = format!("op `{}` is a command, and nothing says what it runs", op.name);
            let hint = "add run \"python3\" \"tools/report.py\" \"{output}\"";
            self.report(Diagnostic::error(code::INCOMPLETE, message, op.name.span).hint(hint));
            return None;
        };
        let inputs: Option<Vec<Input>> = declared.inputs.iter().map(|input| self.input(input, op)).collect();
        let words: Option<Vec<Word>> = declared.run.iter().map(|word| self.word(word, op, asset)).collect();
        self.program(declared)?;
        let texts = |names: &[Name]| names.iter().map(|n| n.value.clone()).collect::<BTreeSet<_>>().into_iter().collect();
        let (environment, secrets) = self.variables(&declared.environment)?;
        self.secrets_are_secret(declared)?;
        Some(Command { run: words?, inputs: inputs?, sources: texts(&declared.sources), environment, secrets })
    }

    /// Names of variables, apart from those of secrets; none is both.
    fn variables(&mut self, declared: &[Spanned<Text>]) -> Option<(Vec<String>, Vec<String>)> {
        let (mut open, mut secret) = (BTreeSet::new(), BTreeSet::new());
        for variable in declared {
            let (name, into, other) = match &variable.value {
                Text::Literal(name) => (name, &mut open, &secret),
                Text::Env(name) => (name, &mut secret, &open),
            };
            let fault = match name {
                name if name.trim().is_empty() || name.contains(['=', '\0']) => Some(format!("`{name}` is no name of a variable")),
                name if name == METADATA => {
                    let message = format!("`{name}` is set by daeda itself, for each run of a command");
                    self.report(Diagnostic::error(code::BAD_OPTION, message, variable.span).hint("remove it from `env`"));
                    return None;
                }
                name if other.contains(name) => Some(format!("variable `{name}` is both a secret and none")),
                _ => None,
            };
            if let Some(message) = fault {
                let hint = "write env \"NAME\", or env (env)\"NAME\" where its value is a secret";
                self.report(Diagnostic::error("daeda::catalog::bad-option", message, variable.span).hint(hint));
                return None;
            }
            into.insert(name.clone());
        }
        Some((open.into_iter().collect(), secret.into_iter().collect()))
    }

    /// What is a secret in `run` is none that `env` passes on in the open: the record would hold its value.
    fn secrets_are_secret(&mut self, declared: &CommandDecl) -> Option<()> {
        let secrets = declared.run.iter().filter_map(|word| if let Text::Env(name) = &word.value { Some((name, word.span)) } else { None });
        for (name, span) in secrets {
            let open = declared.environment.iter().find(|variable| matches!(&variable.value, Text::Literal(known) if known == name));
            if let Some(open) = open {
                let message = format!("variable `{name}` is both a secret and none: without (env) its value is in the record");
                let diagnostic = Diagnostic::error(code::BAD_OPTION, message, open.span).also(span, "a secret here");
                self.report(diagnostic.hint(format!("write env (env)\"{name}\"")));
                return None;
            }
        }
        Some(())
    }

    fn input(&mut self, declared: &InputDecl, op: &OpDecl) -> Option<Input> {
        let assets = &self.declared.manifest.assets;
        if !self.is_known(Names::Asset, &declared.asset) {
            return None;
        }
        let asset = &assets[self.names.position(Names::Asset, &declared.asset)?];
        if let (None, Some(window)) = (&asset.partitions, &declared.window) {
            let message = format!("asset `{}` has no partitions, so no window reaches back over them", asset.name);
            self.report(Diagnostic::error(code::BAD_OPTION, message, window.span).hint("remove `window`"));
            return None;
        }
        if op.needs.iter().any(|need| need.value == declared.asset.value) {
            let message = format!("`{}` is both an input and an op that `{}` needs", declared.asset, op.name);
            let hint = "rename the op: {input.…} could mean either";
            self.report(Diagnostic::error(code::BAD_OPTION, message, declared.asset.span).hint(hint));
            return None;
        }
        let window = declared.window.as_ref().map(|w| w.value);
        Some(Input { asset: declared.asset.value.clone(), span: declared.asset.span, window })
    }

    /// The program is named, and if it is a file of the workspace, its changes are seen.
    fn program(&mut self, declared: &CommandDecl) -> Option<()> {
        let first = declared.run.first()?;
        let Text::Literal(program) = &first.value else { return Some(()) };
        if program.trim().is_empty() {
            let diagnostic = Diagnostic::error(code::INCOMPLETE, "the program that is run has no name", first.span);
            self.report(diagnostic.hint("the first text of `run` is the program, the others are its arguments"));
            return None;
        }
        let path = program.trim_start_matches("./");
        let is_of_workspace = program.contains('/') && !program.starts_with(['/', '{']);
        if is_of_workspace && !declared.sources.iter().any(|source| source.trim_start_matches("./") == path) {
            let message = format!("`{program}` is a file of the workspace, and no source: when it changes, nothing is rebuilt");
            let hint = format!("add source \"{path}\"");
            self.report(Diagnostic::warning(code::UNDECLARED_SOURCE, message, first.span).hint(hint));
        }
        Some(())
    }

    fn word(&mut self, word: &Spanned<Text>, op: &OpDecl, asset: &AssetDecl) -> Option<Word> {
        let text = match &word.value {
            Text::Env(variable) => return Some(Word::Secret(variable.clone())),
            Text::Literal(text) => text,
        };
        let found = match pieces(text) {
            Ok(found) => found,
            Err(unknown) => {
                self.unknown_placeholder(&unknown, word.span, text, op);
                return None;
            }
        };
        let sound = found.iter().all(|(piece, at)| match piece {
            Piece::Literal(_) => true,
            Piece::Filled(placeholder) => self.has_meaning(placeholder, inner(word.span, text, at), op, asset),
        });
        sound.then(|| Word::Text(found.into_iter().map(|(piece, _)| piece).collect()))
    }

    fn unknown_placeholder(&mut self, unknown: &Unknown, span: Span, text: &str, op: &OpDecl) {
        let name = &unknown.name;
        let message = format!("`{{{name}}}` stands for nothing here");
        let inputs = readable(op).map(|input| format!("input.{input}"));
        let known: Vec<String> = Placeholder::NAMES.iter().map(|n| n.to_string()).chain(inputs).collect();
        let near = suggestion(name, known.iter().map(String::as_str));
        let hint = format!("{} the text itself is written `{{{{{name}}}}}`", if near.ends_with('?') { near } else { near + ";" });
        self.report(Diagnostic::error(code::PLACEHOLDER, message, inner(span, text, &unknown.at)).hint(hint));
    }

    fn has_meaning(&mut self, placeholder: &Placeholder, span: Span, op: &OpDecl, asset: &AssetDecl) -> bool {
        if placeholder.is_of_period() && asset.partitions.is_none() {
            let message = format!("asset `{}` has no partitions, so there is no period to name", asset.name);
            let hint = "add partitions \"…\" to the asset, or remove the placeholder";
            self.report(Diagnostic::error(code::PLACEHOLDER, message, span).hint(hint));
            return false;
        }
        let Placeholder::Input(name) = placeholder else { return true };
        if readable(op).any(|known| known == name) {
            return true;
        }
        let known: Vec<&str> = readable(op).collect();
        let is_asset = self.declared.manifest.assets.iter().any(|a| a.name.value == *name);
        let hint = match (is_asset, known.is_empty()) {
            (true, _) => format!("add input \"{name}\" to the op"),
            (false, true) => "declare it with input \"…\"".to_string(),
            (false, false) => suggestion(name, known),
        };
        let message = format!("`{name}` is no input of op `{}`", op.name);
        self.report(Diagnostic::error(code::PLACEHOLDER, message, span).hint(hint));
        false
    }

    /// No asset may be made from itself, by whatever way.
    pub fn asset_cycles(&mut self) {
        let mut known: BTreeSet<String> = BTreeSet::new();
        let catalog = std::mem::take(&mut self.catalog);
        for name in catalog.assets.keys() {
            let mut path = vec![name.clone()];
            if let Some(circle) = circle(&catalog, &mut path, &mut known) {
                let span = catalog.assets.get(&circle[0]).map(|asset| asset.span);
                let message = format!("assets are made from each other: {}", circle.join(" → "));
                let hint = "each arrow is an `input`, or a view with source asset=…; remove one of them";
                let diagnostic = span.map(|span| Diagnostic::error(code::CYCLE, message, span).hint(hint));
                self.found.extend(diagnostic.map(|diagnostic| with_inputs(&catalog, &circle, diagnostic)));
            }
        }
        self.catalog = catalog;
    }
}

/// Shows the arrows of a circle that are inputs.
fn with_inputs(catalog: &Catalog, circle: &[String], diagnostic: Diagnostic) -> Diagnostic {
    let input = |pair: &[String]| {
        let ops = catalog.assets.get(&pair[0]).into_iter().flat_map(|asset| &asset.ops);
        let mut inputs = ops.flat_map(|op| &op.command).flat_map(|command| &command.inputs);
        inputs.find(|input| input.asset == pair[1]).map(|input| (input.span, format!("`{}` reads it", pair[0])))
    };
    circle.windows(2).filter_map(input).fold(diagnostic, |diagnostic, (span, text)| diagnostic.also(span, text))
}

/// A place within a text; all of it where it was written with escapes.
fn inner(span: Span, text: &str, at: &Range<usize>) -> Span {
    if span.len == text.len() { Span { offset: span.offset + at.start, len: at.len(), ..span } } else { span }
}

/// What `{input.…}` of an op may name: its inputs, and the ops that it needs.
fn readable(op: &OpDecl) -> impl Iterator<Item = &str> {
    let inputs = op.command.iter().flat_map(|command| &command.inputs).map(|input| input.asset.value.as_str());
    inputs.chain(op.needs.iter().map(|need| need.value.as_str()))
}

/// The first circle that the path runs into; assets that were found to lie on none, or that were told of, are known.
fn circle(catalog: &Catalog, path: &mut Vec<String>, known: &mut BTreeSet<String>) -> Option<Vec<String>> {
    let asset = path.last().filter(|name| !known.contains(*name)).and_then(|name| catalog.assets.get(name))?;
    for next in read_by(catalog, asset) {
        if let Some(start) = path.iter().position(|name| *name == next) {
            known.extend(path.iter().cloned());
            path.push(next);
            return Some(path[start..].to_vec());
        }
        path.push(next);
        let found = circle(catalog, path, known);
        if found.is_some() {
            return found;
        }
        path.pop();
    }
    known.extend(path.last().cloned());
    None
}

/// The assets that an asset is made from: inputs of its commands, and those behind the views of its service.
pub fn read_by(catalog: &Catalog, asset: &Asset) -> BTreeSet<String> {
    let inputs = asset.ops.iter().flat_map(|op| &op.command).flat_map(|command| &command.inputs).map(|input| input.asset.clone());
    let is_of_asset = |view: &Arc<View>| matches!(view.place, Place::Asset(_));
    // Without such a view, which is the rule, nothing has to be compiled to know it.
    let service = asset.service.as_ref().filter(|_| catalog.views.values().any(is_of_asset));
    let dag = service.map(|service| compile(catalog, service));
    let views = dag.iter().flat_map(|dag| &dag.operators).filter_map(|operator| match &operator.does {
        Kind::Scan(scan) => Some(&scan.view),
        Kind::ArrowUdf(ArrowUdf::Coverage { store, .. }) => Some(&store.view),
        Kind::Embed(embed) => Some(&embed.store.view),
        _ => None,
    });
    let behind = views.filter_map(|view| match &catalog.views.get(view)?.place {
        Place::Asset(asset) => Some(asset.clone()),
        Place::Path(_) => None,
    });
    inputs.chain(behind).collect()
}
