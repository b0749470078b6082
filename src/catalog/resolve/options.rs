//! What ops say beside their rule: retries, timeouts, resources, places. Options that could have no effect, or contradict each other.

use super::Resolver;
use super::expressions::place;
use crate::catalog::code;
use crate::catalog::command::{Piece, Placeholder, Unknown, pieces};
use crate::catalog::declaration::*;
use crate::catalog::model::Retry;
use crate::source::{Diagnostic, Span, Spanned, suggestion};

/// Directories of this name hold locks, staged outputs and plans, and files records.
const OWN: &str = "_daeda";

impl Resolver<'_> {
    /// Reports options of an op that have no meaning.
    pub fn op_options(&mut self, op: &OpDecl, asset: &AssetDecl) {
        if let Some(retry) = &op.retry {
            self.retry_options(retry, op);
        }
        if let Some(timeout) = op.timeout.as_ref().filter(|timeout| timeout.millis == 0) {
            let diagnostic = Diagnostic::error(code::RETRY, "a try that may take no time cannot succeed", timeout.span);
            self.report(diagnostic.hint("say how long it may take, such as timeout \"2h\", or remove it"));
        }
        if let Some(store) = &op.resources.object_store {
            let message = "`object-store` is of the whole workspace: no op has one of its own";
            let hint = "remove it, or say it in `config`: resources object-store=\"12GiB\"";
            self.report(Diagnostic::error(code::BAD_OPTION, message, store.span).hint(hint));
        }
        if let Some(output) = &op.output {
            self.output_options(output, op, asset);
        }
    }

    fn retry_options(&mut self, retry: &RetryDecl, op: &OpDecl) {
        let pause = retry.delay.as_ref().map(|delay| delay.span).or(retry.max_delay.as_ref().map(|longest| longest.span));
        if let Some(span) = pause.filter(|_| retry.times.value == 0) {
            let diagnostic = Diagnostic::error(code::RETRY, "there is no pause where nothing is tried again", span);
            self.report(diagnostic.also(retry.times.span, "no second try").hint("say how often, such as retry 3, or remove the pause"));
            return;
        }
        if let (Some(delay), Some(longest)) = (&retry.delay, &retry.max_delay)
            && delay.value > longest.value
        {
            let message = format!("the first pause, {delay}, is longer than the longest, {longest}");
            let diagnostic = Diagnostic::error(code::RETRY, message, longest.span).also(delay.span, "the first pause");
            self.report(diagnostic.hint(format!("say delay=\"{longest}\" max-delay=\"{delay}\"")));
        }
        let grows = retry.backoff.as_ref().is_some_and(|backoff| backoff.value != Backoff::Constant);
        if let Some(longest) = retry.max_delay.as_ref().filter(|_| !grows) {
            let diagnostic = Diagnostic::error(code::RETRY, "pauses that do not grow need no longest one", longest.span);
            self.report(diagnostic.hint("remove `max-delay`, or say backoff=\"exponential\" (or \"linear\")"));
        }
        if let Some(exit) = retry.exit_codes.first().filter(|_| op.rule.value != "command") {
            let message = format!("`{}` runs no program that could end with an exit code", op.rule);
            let diagnostic = Diagnostic::error(code::RETRY, message, exit.span).also(op.rule.span, "the rule");
            self.report(diagnostic.hint("remove `exit-codes`"));
        }
    }

    /// `output` has the placeholders of a command's words that are of paths.
    fn output_options(&mut self, output: &Name, op: &OpDecl, asset: &AssetDecl) {
        if op.rule.value == "compile" {
            let message = "a `compile` publishes below {output-root}/_daeda, where other commands look for it";
            self.report(Diagnostic::error(code::BAD_OPTION, message, output.span).also(op.rule.span, "the rule").hint("remove `output`"));
            return;
        }
        let found = match pieces(output) {
            Ok(found) => found,
            Err(Unknown { name, at }) => return self.unknown_in_output(&name, place(output, Some((at.start, at.len()))), asset),
        };
        for (piece, at) in found {
            let span = place(output, Some((at.start, at.len())));
            match piece {
                Piece::Filled(root @ (Placeholder::OutputRoot | Placeholder::EnrichedOutputRoot)) if at.start > 0 => {
                    let name = if root == Placeholder::OutputRoot { "{output-root}" } else { "{enriched-output-root}" };
                    let diagnostic = Diagnostic::error(code::PLACEHOLDER, "a root can only stand at the beginning", span);
                    self.report(diagnostic.hint(format!("begin with it, such as \"{name}/{{asset}}/dt={{day}}\"")));
                }
                Piece::Filled(Placeholder::Output) => self.unknown_in_output("output", span, asset),
                Piece::Filled(Placeholder::Input(input)) => self.unknown_in_output(&format!("input.{input}"), span, asset),
                Piece::Filled(placeholder) if placeholder.is_of_period() && asset.partitions.is_none() => {
                    let message = format!("asset `{}` has no partitions, so there is no period to name", asset.name);
                    let hint = "add partitions \"…\" to the asset, or remove the placeholder";
                    self.report(Diagnostic::error(code::PLACEHOLDER, message, span).hint(hint));
                }
                _ => {}
            }
        }
        self.stays_inside(output);
    }

    fn unknown_in_output(&mut self, name: &str, span: Span, asset: &AssetDecl) {
        const OF_PATHS: [&str; 9] = ["output-root", "enriched-output-root", "asset", "op", "partition", "day", "hour", "year", "month"];
        let known = if asset.partitions.is_some() { &OF_PATHS[..] } else { &OF_PATHS[..4] };
        let message = format!("`{{{name}}}` stands for nothing here");
        let hint = suggestion(name, known.iter().copied());
        self.report(Diagnostic::error(code::PLACEHOLDER, message, span).hint(hint));
    }

    /// What is published lies in a directory of its own, below the workspace or where it says.
    fn stays_inside(&mut self, output: &Name) {
        if output.split('/').any(|part| part == "..") {
            let message = "a place that climbs out with `..` depends on what lies around it";
            let hint = "name the directory itself, below {output-root} or from the root of the disk";
            self.report(Diagnostic::error(code::BAD_OPTION, message, output.span).hint(hint));
        }
        let mut at = 0;
        for part in output.split('/') {
            if part.starts_with(OWN) {
                let message = format!("names that begin with {OWN} are daeda's own: what is published there is taken for work in flight");
                let span = place(output, Some((at, part.len())));
                self.report(
                    Diagnostic::error(code::BAD_OPTION, message, span).hint("name another directory, such as \"{output-root}/reports\""),
                );
                return;
            }
            at += part.len() + 1;
        }
    }
}

/// Retries as the catalog has them, defaults filled in.
pub fn retry(declared: &RetryDecl) -> Retry {
    fn value<T: Copy>(said: &Option<Spanned<T>>) -> Option<T> {
        said.as_ref().map(|said| said.value)
    }
    Retry {
        times: declared.times.value,
        delay: value(&declared.delay).unwrap_or_default(),
        backoff: value(&declared.backoff).unwrap_or_default(),
        max_delay: value(&declared.max_delay),
        jitter: value(&declared.jitter).unwrap_or_default(),
        exit_codes: declared.exit_codes.iter().map(|code| code.value).collect(),
    }
}
