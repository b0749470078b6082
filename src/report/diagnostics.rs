//! Diagnostics, drawn on their source for people or as JSON for programs.
//!
//! Knows nothing of what is wrong or why. Invariants: every label is shown, with its file; the same diagnostics give the same text
//! whatever the terminal, if no colour and a width are asked for.

use crate::source::{Diagnostic, Label, Severity, SourceId, Sources, Span};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;

/// How to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    pub color: bool,
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { color: false, width: 80 }
    }
}

/// Draws diagnostics on their sources, one after the other. Without any it is empty.
pub fn text(diagnostics: &[Diagnostic], sources: &Sources, style: Style) -> String {
    let handler = handler(style);
    let mut drawn = String::new();
    for diagnostic in diagnostics {
        let snippet = Snippet::new(diagnostic, sources, style.width);
        // Writing to a String does not fail; a span that does not fit its text does, and is drawn as a plain line.
        if handler.render_report(&mut drawn, &snippet).is_err() {
            drawn.push_str(&line(diagnostic, sources));
        }
        drawn.push('\n');
    }
    trimmed(&drawn)
}

/// One line: `file:line:column: error[code]: message`, for logs.
pub fn line(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let (line, column) = sources.line_column(diagnostic.span());
    let file = &sources.get(diagnostic.span().source).name;
    format!("{file}:{line}:{column}: {}[{}]: {}\n", severity(diagnostic.severity), diagnostic.code, diagnostic.message)
}

/// The JSON document `{"version": 1, "diagnostics": […]}`.
pub fn json(diagnostics: &[Diagnostic], sources: &Sources) -> Value {
    let diagnostics: Vec<Value> = diagnostics.iter().map(|diagnostic| object(diagnostic, sources)).collect();
    json!({ "version": 1, "diagnostics": diagnostics })
}

fn object(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    let mut object = json!({
        "code": diagnostic.code,
        "severity": severity(diagnostic.severity),
        "message": diagnostic.message,
    });
    let labels: Vec<Value> = diagnostic.labels.iter().map(|label| label_object(label, sources)).collect();
    if let Some(fields) = object.as_object_mut() {
        fields.extend(place(diagnostic.span(), sources));
        fields.insert("labels".into(), labels.into());
        fields.insert("hint".into(), diagnostic.hint.clone().into());
    }
    object
}

fn label_object(label: &Label, sources: &Sources) -> Value {
    let mut fields = serde_json::Map::from_iter(place(label.span, sources));
    fields.insert("text".into(), label.text.clone().into());
    fields.into()
}

/// File, first line and column, and the line and column behind the last character.
fn place(span: Span, sources: &Sources) -> [(String, Value); 5] {
    let (line, column) = sources.line_column(span);
    let (end_line, end_column) = sources.line_column(Span { offset: span.offset + span.len, len: 0, ..span });
    [
        ("file".into(), sources.get(span.source).name.clone().into()),
        ("line".into(), line.into()),
        ("column".into(), column.into()),
        ("end_line".into(), end_line.into()),
        ("end_column".into(), end_column.into()),
    ]
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn handler(style: Style) -> GraphicalReportHandler {
    let theme = if style.color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    // Wrapped by `wrapped` below: at spaces only, never within code.
    GraphicalReportHandler::new_themed(theme).with_width(style.width).with_urls(false).with_wrap_lines(false).without_syntax_highlighting()
}

/// Breaks prose at spaces to a width. Indented lines are code, and stay as they are so that they can be copied.
pub fn wrapped(text: &str, width: usize) -> String {
    let lines = text.lines().map(|line| if line.starts_with(' ') { line.to_string() } else { wrapped_line(line, width) });
    lines.collect::<Vec<_>>().join("\n")
}

fn wrapped_line(line: &str, width: usize) -> String {
    let mut wrapped = String::new();
    let mut used = 0;
    for word in line.split(' ') {
        let length = word.chars().count();
        let fits = used + 1 + length <= width;
        if used > 0 {
            wrapped.push(if fits { ' ' } else { '\n' });
        }
        used = if used > 0 && fits { used + 1 + length } else { length };
        wrapped.push_str(word);
    }
    wrapped
}

/// Lines without the spaces at their ends, and no empty line last.
fn trimmed(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The labels of one diagnostic that lie in one file, as miette draws them; those of other files follow as related snippets.
#[derive(Debug)]
struct Snippet {
    code: Option<&'static str>,
    severity: miette::Severity,
    message: String,
    hint: Option<String>,
    source: NamedSource<Arc<str>>,
    labels: Vec<LabeledSpan>,
    elsewhere: Vec<Snippet>,
}

impl Snippet {
    fn new(diagnostic: &Diagnostic, sources: &Sources, width: usize) -> Self {
        let here = diagnostic.span().source;
        let mut others: Vec<SourceId> = diagnostic.labels.iter().map(|label| label.span.source).filter(|id| *id != here).collect();
        others.dedup();
        Self {
            code: Some(diagnostic.code),
            severity: match diagnostic.severity {
                Severity::Error => miette::Severity::Error,
                Severity::Warning => miette::Severity::Warning,
            },
            message: wrapped(&diagnostic.message, width.saturating_sub("  × ".len())),
            hint: diagnostic.hint.as_ref().map(|hint| wrapped(hint, width.saturating_sub("  help: ".len()))),
            source: named(sources, here),
            labels: labels(&diagnostic.labels, sources, here),
            elsewhere: others.into_iter().map(|id| Self::elsewhere(diagnostic, sources, id)).collect(),
        }
    }

    fn elsewhere(diagnostic: &Diagnostic, sources: &Sources, id: SourceId) -> Self {
        Self {
            code: None,
            severity: miette::Severity::Advice,
            message: format!("in {}", sources.get(id).name),
            hint: None,
            source: named(sources, id),
            labels: labels(&diagnostic.labels, sources, id),
            elsewhere: Vec::new(),
        }
    }
}

fn named(sources: &Sources, id: SourceId) -> NamedSource<Arc<str>> {
    let source = sources.get(id);
    NamedSource::new(&source.name, source.text.clone())
}

/// The labels that lie in one file; the first is the one whose line and column stand beside the file's name.
fn labels(labels: &[Label], sources: &Sources, id: SourceId) -> Vec<LabeledSpan> {
    let here = labels.iter().filter(|label| label.span.source == id);
    here.enumerate().map(|(position, label)| labeled(label, position == 0, sources.get(id).text.len())).collect()
}

fn labeled(label: &Label, primary: bool, end: usize) -> LabeledSpan {
    let text = Some(label.text.clone()).filter(|text| !text.is_empty());
    let offset = label.span.offset.min(end);
    let span = (offset, label.span.len.min(end - offset));
    if primary { LabeledSpan::new_primary_with_span(text, span) } else { LabeledSpan::new_with_span(text, span) }
}

impl fmt::Display for Snippet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Snippet {}

impl miette::Diagnostic for Snippet {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.code.map(|code| Box::new(code) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.hint.as_ref().map(|hint| Box::new(hint) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        match self.elsewhere.is_empty() {
            true => None,
            false => Some(Box::new(self.elsewhere.iter().map(|snippet| snippet as &dyn miette::Diagnostic))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> (Sources, Vec<Diagnostic>) {
        let mut sources = Sources::default();
        let a = sources.add("feature_views/a.kdl", "// über\nfeature-view \"likes\" {\n    tttl \"90d\"\n}\n");
        let b = sources.add("feature_views/b.kdl", "feature-view \"likes\"\n");
        let at = |source, offset, len| Span { source, offset, len };
        let unknown = Diagnostic::error("daeda::manifest::unknown-node", "`tttl` is not known in `feature-view`", at(a, 36, 4))
            .label("no such node")
            .hint("did you mean `ttl`?");
        let twice = Diagnostic::warning("daeda::catalog::duplicate-name", "two views are called `likes`", at(a, 23, 5))
            .label("again")
            .also(at(b, 14, 5), "first here");
        (sources, vec![unknown, twice])
    }

    #[test]
    fn a_diagnostic_is_drawn_on_its_source() {
        let (sources, found) = example();
        let drawn = text(&found, &sources, Style::default());
        let expected = "\
daeda::manifest::unknown-node

  × `tttl` is not known in `feature-view`
   ╭─[feature_views/a.kdl:3:5]
 2 │ feature-view \"likes\" {
 3 │     tttl \"90d\"
   ·     ──┬─
   ·       ╰── no such node
 4 │ }
   ╰────
  help: did you mean `ttl`?
";
        assert!(drawn.starts_with(expected), "{drawn}");
        for part in ["feature_views/a.kdl:2:15", "again", "feature_views/b.kdl:1:15", "first here", "two views are called"] {
            assert!(drawn.contains(part), "{part} is missing in\n{drawn}");
        }
    }

    #[test]
    fn without_colour_there_is_no_escape_and_with_it_there_is() {
        let (sources, found) = example();
        assert!(!text(&found, &sources, Style::default()).contains('\u{1b}'));
        assert!(text(&found, &sources, Style { color: true, width: 80 }).contains('\u{1b}'));
        assert_eq!(text(&[], &sources, Style::default()), "");
    }

    #[test]
    fn prose_keeps_to_the_width() {
        let (sources, mut found) = example();
        found[0].hint = Some("a rather long hint ".repeat(12));
        let drawn = text(&found, &sources, Style { color: false, width: 60 });
        assert!(drawn.lines().all(|line| line.chars().count() <= 60), "{drawn}");
    }

    #[test]
    fn code_in_a_hint_stays_whole() {
        let (sources, mut found) = example();
        let code = format!("  source \"data/feed\" {}", "timestamp=\"x\" ".repeat(8).trim_end());
        found[0].hint = Some(format!("for example, with --replace:\n{code}"));
        assert!(text(&found, &sources, Style { color: false, width: 60 }).contains(&code));
    }

    #[test]
    fn spans_at_the_edges_are_drawn() {
        let mut sources = Sources::default();
        for source in ["", "a", "a\n", "ü\r\nb"] {
            let id = sources.add("x.kdl", source);
            let spans = [(0, 0), (0, source.len()), (source.len(), 0), (source.len() + 9, 3)];
            for (offset, len) in spans {
                let found = [Diagnostic::error("daeda::x", "message", Span { source: id, offset, len }).hint("hint")];
                assert!(text(&found, &sources, Style::default()).contains("message"), "{source:?} {offset} {len}");
            }
        }
    }

    #[test]
    fn json_has_places_in_lines_and_columns() {
        let (sources, found) = example();
        let document = json(&found, &sources);
        assert_eq!(document["version"], 1);
        let first = &document["diagnostics"][0];
        let keys: Vec<&String> = first.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["code", "severity", "message", "file", "line", "column", "end_line", "end_column", "labels", "hint"]);
        assert_eq!(first["file"], "feature_views/a.kdl");
        assert_eq!((&first["line"], &first["column"], &first["end_column"]), (&json!(3), &json!(5), &json!(9)));
        assert_eq!(first["hint"], "did you mean `ttl`?");
        let second = &document["diagnostics"][1];
        assert_eq!((&second["severity"], &second["hint"]), (&json!("warning"), &Value::Null));
        assert_eq!(second["labels"][1]["file"], "feature_views/b.kdl");
        assert_eq!(second["labels"][1]["text"], "first here");
    }

    #[test]
    fn a_line_names_place_code_and_message() {
        let (sources, found) = example();
        assert_eq!(
            line(&found[0], &sources),
            "feature_views/a.kdl:3:5: error[daeda::manifest::unknown-node]: `tttl` is not known in `feature-view`\n"
        );
    }
}
